# SPDX-License-Identifier: MIT
#
# cmark, CommonMark to HTML. Gives the target cmark::cmark, and Cmark_VERSION.
find_path(Cmark_INCLUDE_DIR cmark.h DOC "Directory of cmark.h")
find_library(Cmark_LIBRARY cmark DOC "The library cmark")
mark_as_advanced(Cmark_INCLUDE_DIR Cmark_LIBRARY)
set(Cmark_HINT "install libcmark-dev")

if(Cmark_INCLUDE_DIR AND EXISTS ${Cmark_INCLUDE_DIR}/cmark_version.h)
  file(STRINGS ${Cmark_INCLUDE_DIR}/cmark_version.h lines
       REGEX "#define CMARK_VERSION_STRING ")
  string(REGEX REPLACE ".*\"(.*)\".*" "\\1" Cmark_VERSION "${lines}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Cmark
  REQUIRED_VARS Cmark_LIBRARY Cmark_INCLUDE_DIR VERSION_VAR Cmark_VERSION)

if(Cmark_FOUND AND NOT TARGET cmark::cmark)
  add_library(cmark::cmark UNKNOWN IMPORTED)
  set_target_properties(cmark::cmark PROPERTIES
    IMPORTED_LOCATION ${Cmark_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${Cmark_INCLUDE_DIR})
endif()
