# SPDX-License-Identifier: MIT
#
# libunwind (nongnu), for backtraces of tasks that wait. Gives
# Libunwind_INCLUDE_DIR, _LIBRARY and _VERSION. LLVM's library of the same name
# cannot begin a walk from registers that were saved by hand, and has no
# libunwind-common.h.
find_path(Libunwind_INCLUDE_DIR libunwind-common.h
          DOC "Directory of libunwind.h")
find_library(Libunwind_LIBRARY unwind DOC "The library libunwind")
mark_as_advanced(Libunwind_INCLUDE_DIR Libunwind_LIBRARY)
set(Libunwind_HINT "install libunwind-dev")

if(Libunwind_INCLUDE_DIR)
  file(STRINGS ${Libunwind_INCLUDE_DIR}/libunwind-common.h lines
       REGEX "#define UNW_VERSION_(MAJOR|MINOR|EXTRA)[ \t]+[0-9]+")
  list(TRANSFORM lines REPLACE "[^0-9]+" "")
  list(JOIN lines "." Libunwind_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libunwind
  REQUIRED_VARS Libunwind_LIBRARY Libunwind_INCLUDE_DIR
  VERSION_VAR Libunwind_VERSION)
