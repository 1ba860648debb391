# SPDX-License-Identifier: MIT
#
# libdill. Gives Dill_INCLUDE_DIR and Dill_LIBRARY.
find_path(Dill_INCLUDE_DIR libdill.h DOC "Directory of libdill.h")
find_library(Dill_LIBRARY dill DOC "The library dill")
mark_as_advanced(Dill_INCLUDE_DIR Dill_LIBRARY)
set(Dill_HINT "build libdill, which Debian does not have")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Dill
  REQUIRED_VARS Dill_LIBRARY Dill_INCLUDE_DIR)
