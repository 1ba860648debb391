# SPDX-License-Identifier: MIT
#
# What the toolchain files of Debian's cross compilers have in common. They set
# gyre_triple, as in "gcc-TRIPLE", and gyre_qemu_name, the machine's name in
# QEMU; tests run under qemu-user (qemu-user-static).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${gyre_triple}-gcc)
set(CMAKE_FIND_ROOT_PATH /usr/${gyre_triple})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
find_program(gyre_qemu_${gyre_qemu_name}
  NAMES qemu-${gyre_qemu_name}-static qemu-${gyre_qemu_name})
if(gyre_qemu_${gyre_qemu_name})
  set(CMAKE_CROSSCOMPILING_EMULATOR
      ${gyre_qemu_${gyre_qemu_name}} -L /usr/${gyre_triple})
endif()
