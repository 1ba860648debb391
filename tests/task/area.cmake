# SPDX-License-Identifier: MIT
#
# For tests/scripts/gdb.sh, which runs it under the debugger. With debug
# information whatever the build type: the test is about the unwind table.
add_executable(gdb_frames ${CMAKE_CURRENT_SOURCE_DIR}/task/gdb/frames.c)
target_compile_options(gdb_frames PRIVATE -g)
target_link_libraries(gdb_frames PRIVATE gyre::gyre)

# Tasks on the scripted kernel, in virtual time.
target_sources(${program} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/loop/rig.c)

# And for gyre.py: with the static library and with the shared one.
foreach(kind static shared)
  set(target gdb_tasks_${kind})
  add_executable(${target} ${CMAKE_CURRENT_SOURCE_DIR}/task/gdb/tasks.c)
  target_compile_options(${target} PRIVATE -g)
endforeach()
add_executable(gdb_engines ${CMAKE_CURRENT_SOURCE_DIR}/task/gdb/engines.c)
target_compile_options(gdb_engines PRIVATE -g)
target_link_libraries(gdb_engines PRIVATE gyre::gyre)
target_link_libraries(gdb_tasks_static PRIVATE gyre::gyre)
target_link_libraries(gdb_tasks_shared PRIVATE gyre_shared)
