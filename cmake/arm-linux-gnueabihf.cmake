# SPDX-License-Identifier: MIT
#
# armhf, which is refused: Debian's gcc-arm-linux-gnueabihf and libc6-dev-armhf-cross.
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(gyre_triple arm-linux-gnueabihf)
set(gyre_qemu_name arm)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
