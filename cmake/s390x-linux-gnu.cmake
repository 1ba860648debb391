# SPDX-License-Identifier: MIT
#
# s390x, big endian: Debian's gcc-s390x-linux-gnu and libc6-dev-s390x-cross.
set(CMAKE_SYSTEM_PROCESSOR s390x)
set(gyre_triple s390x-linux-gnu)
set(gyre_qemu_name s390x)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
