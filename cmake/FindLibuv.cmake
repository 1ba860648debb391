# SPDX-License-Identifier: MIT
#
# libuv. Gives Libuv_INCLUDE_DIR, Libuv_LIBRARY and Libuv_VERSION.
find_path(Libuv_INCLUDE_DIR uv.h DOC "Directory of uv.h")
find_library(Libuv_LIBRARY uv DOC "The library uv")
mark_as_advanced(Libuv_INCLUDE_DIR Libuv_LIBRARY)
set(Libuv_HINT "install libuv1-dev")

if(Libuv_INCLUDE_DIR)
  file(STRINGS ${Libuv_INCLUDE_DIR}/uv/version.h lines
       REGEX "^#define UV_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
  string(REPLACE ";" "." Libuv_VERSION "${numbers}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libuv
  REQUIRED_VARS Libuv_LIBRARY Libuv_INCLUDE_DIR VERSION_VAR Libuv_VERSION)
