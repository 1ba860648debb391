# SPDX-License-Identifier: MIT
#
# Optional libraries. Each ends as an imported target, or is absent. Two are of
# the program `gyre`:
#
#   llhttp::llhttp  the HTTP/1 parser   GYRE_HAVE_LLHTTP  LLHTTP_VERSION
#   cmark::cmark    Markdown to HTML    GYRE_HAVE_CMARK   CMARK_VERSION
#
# One is of the library, which needs libc and pthreads alone without it:
#
#   Libunwind_LIBRARY  the calls of waiting tasks in dumps
#                      GYRE_HAVE_LIBUNWIND  LIBUNWIND_VERSION
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})

# Find PACKAGE unless OPTION is off; complain only if it is on.
function(gyre_optional option package have)
  string(TOLOWER "${${option}}" wish)
  if(NOT wish MATCHES "^(auto|on|off)$")
    message(FATAL_ERROR "${option} is '${${option}}': it must be auto, on or "
                        "off")
  endif()
  set(found OFF)
  if(NOT wish STREQUAL "off")
    find_package(${package} QUIET MODULE)
    if(${package}_FOUND)
      set(found ON)
      message(STATUS "${package}: ${${package}_VERSION}")
    elseif(wish STREQUAL "on")
      message(FATAL_ERROR "${option}=on, but ${${package}_HINT}")
    else()
      message(STATUS "${package}: not found, ${${package}_HINT}")
    endif()
  endif()
  set(${have} ${found} PARENT_SCOPE)
  set(${package}_VERSION ${${package}_VERSION} PARENT_SCOPE)
endfunction()

gyre_optional(GYRE_HTTP Llhttp GYRE_HAVE_LLHTTP)
gyre_optional(GYRE_MARKDOWN Cmark GYRE_HAVE_CMARK)
gyre_optional(GYRE_UNWIND Libunwind GYRE_HAVE_LIBUNWIND)
set(LIBUNWIND_VERSION ${Libunwind_VERSION})
set(LLHTTP_VERSION ${Llhttp_VERSION})
set(CMARK_VERSION ${Cmark_VERSION})

# For programs of liburing, which is what libgyre-uring is tested by. The
# library itself needs nothing of liburing's.
include(CheckIncludeFile)
check_include_file(liburing.h GYRE_HAVE_LIBURING_H)
