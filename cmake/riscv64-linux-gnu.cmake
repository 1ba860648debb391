# SPDX-License-Identifier: MIT
#
# riscv64: Debian's gcc-riscv64-linux-gnu and libc6-dev-riscv64-cross.
set(CMAKE_SYSTEM_PROCESSOR riscv64)
set(gyre_triple riscv64-linux-gnu)
set(gyre_qemu_name riscv64)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
