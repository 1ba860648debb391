# SPDX-License-Identifier: MIT
#
# Debian's cross compiler for aarch64 (gcc-aarch64-linux-gnu,
# libc6-dev-arm64-cross); tests run under qemu-user (qemu-user-static).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
find_program(gyre_qemu NAMES qemu-aarch64-static qemu-aarch64)
if(gyre_qemu)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${gyre_qemu} -L /usr/aarch64-linux-gnu)
endif()
