# SPDX-License-Identifier: MIT
#
# The program deny: any command without io_uring, for the tests of tools.
add_executable(deny kernel/deny/main.c kernel/deny.c)
target_link_libraries(deny PRIVATE gyre_base)
