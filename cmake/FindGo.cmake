# SPDX-License-Identifier: MIT
#
# The Go compiler. Gives Go_EXECUTABLE and Go_VERSION.
find_program(Go_EXECUTABLE go DOC "The program go")
mark_as_advanced(Go_EXECUTABLE)
set(Go_HINT "install golang-go")

if(Go_EXECUTABLE)
  execute_process(COMMAND ${Go_EXECUTABLE} version OUTPUT_VARIABLE version
                  ERROR_QUIET)
  if(version MATCHES "go([0-9][0-9.]*)")
    set(Go_VERSION ${CMAKE_MATCH_1})
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Go
  REQUIRED_VARS Go_EXECUTABLE VERSION_VAR Go_VERSION)
