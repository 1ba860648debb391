# SPDX-License-Identifier: MIT
#
# Machines that gyre cannot run on are refused before anything is compiled, with
# the reason. A processor that nobody has tried is let through: what it takes is
# found by the tests (docs/TESTING.md, "Other machines").
if(CMAKE_SIZEOF_VOID_P LESS 8)
  math(EXPR gyre_bits "8 * ${CMAKE_SIZEOF_VOID_P}")
  message(FATAL_ERROR
    "gyre needs 64-bit pointers, and ${CMAKE_C_COMPILER} makes programs with "
    "${gyre_bits}-bit ones for ${CMAKE_SYSTEM_PROCESSOR}: an op is 128 bytes "
    "that begin with the kernel's request, and the request's user_data is the "
    "op's address with the number of its start above it. Build for a 64-bit "
    "machine: x86_64, aarch64, riscv64 or s390x; on a 32-bit system with a "
    "64-bit kernel, by a cross compiler.")
endif()
