# SPDX-License-Identifier: MIT
#
# How every file is compiled: C11 with GNU extensions, hidden visibility,
# position independent, all warnings we can stand behind. Set for the whole
# tree, so that a room's CMakeLists.txt is a list of its files.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# Most compilers exchange a byte in place. gcc before 14 calls a library for it
# on riscv64; it belongs to gcc, as libgcc does.
include(CheckCSourceCompiles)
check_c_source_compiles(
  "#include <stdatomic.h>
   atomic_bool flag;
   int main(void) { return atomic_exchange(&flag, 1); }"
  GYRE_ATOMICS_IN_PLACE)
if(NOT GYRE_ATOMICS_IN_PLACE)
  link_libraries(atomic)
  set(gyre_atomic_private " -latomic") # for the .pc files
endif()

include_directories(${PROJECT_SOURCE_DIR}/include)
add_compile_options(
  -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wundef -Wwrite-strings
  -Wno-missing-field-initializers
  -fno-omit-frame-pointer -fno-strict-aliasing -pthread)
if(GYRE_WERROR)
  add_compile_options(-Werror)
endif()
# Others have them without being asked; debuggers and dumps walk by them.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^riscv")
  add_compile_options(-fasynchronous-unwind-tables)
endif()

# A frame larger than the guard below a stack must not jump over it: each of its
# pages is touched in turn.
include(CheckCCompilerFlag)
set(CMAKE_REQUIRED_FLAGS -Werror)
check_c_compiler_flag(-fstack-clash-protection GYRE_STACK_PROBES)
unset(CMAKE_REQUIRED_FLAGS)
if(GYRE_STACK_PROBES)
  add_compile_options(-fstack-clash-protection)
  add_compile_definitions(GYRE_STACK_PROBES=1)
endif()

# What makes a mistake in memory harder to use: canaries below return addresses,
# checked copies, indirect jumps that land where they should, tables that are
# read-only once they are filled. The sanitizers see more than all of these. Of
# control-flow protection no shadow stacks: tasks have stacks of their own.
# `gyre bench nop --instructions`: 927 for a turn with one op, 868 without; 310
# and 301 for an op of a batch. tests/scripts/hardening.sh looks for each.
if(GYRE_HARDEN AND NOT GYRE_SANITIZE)
  set(CMAKE_REQUIRED_FLAGS -Werror)
  foreach(flag -fstack-protector-strong -fcf-protection=branch
          -mbranch-protection=bti)
    string(MAKE_C_IDENTIFIER "GYRE${flag}" known)
    check_c_compiler_flag(${flag} ${known})
    if(${known})
      add_compile_options(${flag})
    endif()
  endforeach()
  unset(CMAKE_REQUIRED_FLAGS)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
endif()

if(GYRE_SANITIZE)
  string(REPLACE ";" "," gyre_sanitize "${GYRE_SANITIZE}")
  add_compile_options(-fsanitize=${gyre_sanitize} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${gyre_sanitize})
endif()

if(GYRE_SWITCH STREQUAL "auto")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|aarch64|arm64)$")
    set(gyre_switch asm)
  else()
    set(gyre_switch ucontext)
  endif()
elseif(GYRE_SWITCH MATCHES "^(asm|ucontext)$")
  set(gyre_switch ${GYRE_SWITCH})
else()
  message(FATAL_ERROR "GYRE_SWITCH is '${GYRE_SWITCH}': it must be auto, "
                      "asm or ucontext")
endif()
if(gyre_switch STREQUAL "ucontext")
  add_compile_definitions(GYRE_SWITCH_UCONTEXT=1)
endif()

# VERIFY() walks whole structures at each step: for builds that hunt bugs.
if(GYRE_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_definitions(GYRE_VERIFY=1)
endif()
