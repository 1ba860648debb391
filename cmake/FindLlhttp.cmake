# SPDX-License-Identifier: MIT
#
# llhttp, the HTTP/1 parser. Debian 13 has it as a library; Debian 12 has only
# its generated C sources, inside the package node-llhttp, and those are
# compiled here. Strict mode is a matter of how it is compiled in 8.x, and the
# default from 9.0 on.
#
# Gives the target llhttp::llhttp, and Llhttp_VERSION.
find_path(Llhttp_INCLUDE_DIR llhttp.h
          PATHS /usr/share/include/llhttp
          DOC "Directory of llhttp.h")
find_library(Llhttp_LIBRARY llhttp DOC "The library llhttp")
find_path(Llhttp_SOURCE_DIR llhttp.c
          PATHS /usr/share/llhttp NO_DEFAULT_PATH
          DOC "Directory of llhttp's generated C sources")
mark_as_advanced(Llhttp_INCLUDE_DIR Llhttp_LIBRARY Llhttp_SOURCE_DIR)
set(Llhttp_HINT "install libllhttp-dev (Debian 12: node-llhttp)")

if(Llhttp_INCLUDE_DIR)
  file(STRINGS ${Llhttp_INCLUDE_DIR}/llhttp.h lines
       REGEX "#define LLHTTP_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
  list(TRANSFORM lines REPLACE "[^0-9]+" "")
  list(JOIN lines "." Llhttp_VERSION)
endif()

include(FindPackageHandleStandardArgs)
if(Llhttp_LIBRARY)
  find_package_handle_standard_args(Llhttp
    REQUIRED_VARS Llhttp_LIBRARY Llhttp_INCLUDE_DIR
    VERSION_VAR Llhttp_VERSION)
else()
  find_package_handle_standard_args(Llhttp
    REQUIRED_VARS Llhttp_SOURCE_DIR Llhttp_INCLUDE_DIR
    VERSION_VAR Llhttp_VERSION)
endif()

if(Llhttp_FOUND AND NOT TARGET llhttp::llhttp)
  if(Llhttp_LIBRARY)
    add_library(llhttp::llhttp UNKNOWN IMPORTED)
    set_target_properties(llhttp::llhttp PROPERTIES
      IMPORTED_LOCATION ${Llhttp_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${Llhttp_INCLUDE_DIR})
  else()
    add_library(gyre_llhttp STATIC EXCLUDE_FROM_ALL
      ${Llhttp_SOURCE_DIR}/llhttp.c ${Llhttp_SOURCE_DIR}/api.c
      ${Llhttp_SOURCE_DIR}/http.c)
    target_compile_definitions(gyre_llhttp PRIVATE LLHTTP_STRICT_MODE=1)
    target_include_directories(gyre_llhttp SYSTEM PUBLIC ${Llhttp_INCLUDE_DIR})
    # Not our source: its warnings are not ours to mend, and its 550 kB of
    # generated states cost a minute under the sanitizers.
    target_compile_options(gyre_llhttp PRIVATE -w -fno-sanitize=all)
    add_library(llhttp::llhttp ALIAS gyre_llhttp)
  endif()
endif()
