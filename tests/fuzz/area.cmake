# SPDX-License-Identifier: MIT
#
# The programs and their judge are those of fuzz/.
target_link_libraries(${program} PRIVATE gyre_differ)
target_include_directories(${program} PRIVATE ${PROJECT_SOURCE_DIR}/fuzz)
