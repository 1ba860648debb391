# SPDX-License-Identifier: MIT
#
# i386, which is refused: Debian's gcc-i686-linux-gnu and libc6-dev-i386-cross.
set(CMAKE_SYSTEM_PROCESSOR i686)
set(gyre_triple i686-linux-gnu)
set(gyre_qemu_name i386)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
