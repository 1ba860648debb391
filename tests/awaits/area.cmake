# SPDX-License-Identifier: MIT
#
# The calls that can wait, as the public headers mark them: a line WAITS(name)
# for each, for test_cancel.c.
set(awaits ${CMAKE_CURRENT_BINARY_DIR}/awaits)
file(GLOB awaits_headers CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/include/gyre/*.h)
file(MAKE_DIRECTORY ${awaits})
add_custom_command(
  OUTPUT ${awaits}/calls.inc
  COMMAND awk -v "form=WAITS(%s)" -f
          ${CMAKE_CURRENT_SOURCE_DIR}/awaits/calls.awk ${awaits_headers}
          > ${awaits}/calls.inc
  DEPENDS ${awaits_headers} ${CMAKE_CURRENT_SOURCE_DIR}/awaits/calls.awk
  VERBATIM
  COMMENT "Listing the calls that wait")
target_sources(${program} PRIVATE
  ${awaits}/calls.inc ${CMAKE_CURRENT_SOURCE_DIR}/io/world.c)
target_include_directories(${program} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
