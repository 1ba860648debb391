# SPDX-License-Identifier: MIT
#
# aarch64: Debian's gcc-aarch64-linux-gnu and libc6-dev-arm64-cross.
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(gyre_triple aarch64-linux-gnu)
set(gyre_qemu_name aarch64)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
