# SPDX-License-Identifier: MIT
#
# The parts of the program gyre, without its main(). Without llhttp there is no
# server, and nothing of it to test.
if(TARGET gyre_tool)
  if(NOT GYRE_HAVE_LLHTTP)
    set_property(TARGET ${program} PROPERTY SOURCES
      ${CMAKE_CURRENT_SOURCE_DIR}/tools/test_json.c
      ${CMAKE_CURRENT_SOURCE_DIR}/tools/test_options.c
      ${CMAKE_CURRENT_SOURCE_DIR}/tools/test_text.c
      ${CMAKE_CURRENT_SOURCE_DIR}/tools/test_trace.c
      ${CMAKE_CURRENT_SOURCE_DIR}/tools/test_trace_file.c
      ${CMAKE_CURRENT_SOURCE_DIR}/tools/test_trace_life.c
      ${CMAKE_CURRENT_SOURCE_DIR}/tools/trace_stage.c)
  endif()
  target_link_libraries(${program} PRIVATE gyre_tool)
endif()

# A client that behaves badly in many ways at once, for tests/scripts/serve.sh.
add_executable(serve_load tools/load/load.c)

# What sending a file costs, for docs/PERFORMANCE.md.
if(TARGET gyre_static)
  add_executable(serve_files tools/load/files.c)
  target_link_libraries(serve_files PRIVATE gyre::gyre)
endif()
