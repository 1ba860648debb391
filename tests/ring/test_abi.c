/* SPDX-License-Identifier: MIT */
/*
 * gyre's own io_uring definitions against the system's header.
 */
#include <string.h>

#include "ring/oracle.h"
#include "runner/test.h"

/* Debian 12's header (6.1) has more than two hundred. */
#define ROWS_ENOUGH 150

TEST(A9_our_constants_and_structs_are_those_of_the_systems_header)
{
    unsigned rows = 0;

    while (oracle_ours[rows].name != NULL) {
        CHECK_STR_EQ(oracle_ours[rows].name, oracle_theirs[rows].name);
        if (oracle_ours[rows].value != oracle_theirs[rows].value)
            FAIL("%s: %llu, and in linux/io_uring.h %llu",
                 oracle_ours[rows].name, oracle_ours[rows].value,
                 oracle_theirs[rows].value);
        rows++;
    }
    if (rows == 0)
        TEST_SKIP("there is no linux/io_uring.h, or a very old one");
    CHECK_GE(rows, (unsigned)ROWS_ENOUGH);
}
