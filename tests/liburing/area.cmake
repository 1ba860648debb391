# SPDX-License-Identifier: MIT
#
# Programs of liburing: its header, and our library in place of its own.
target_link_libraries(test_liburing PRIVATE gyre_uring_shared)
add_executable(liburing_echo liburing/programs/echo.c)
target_link_libraries(liburing_echo PRIVATE gyre_uring_shared)
