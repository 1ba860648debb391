# SPDX-License-Identifier: MIT
#
# The world of the task tier's tests, too.
target_sources(${program} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/io/world.c)
