/* SPDX-License-Identifier: MIT */
/*
 * failure.c - the n-th failure loop
 *
 * In a file of its own, as it is the one part of the runner that needs the
 * library under test (base/alloc.h).
 */
#include "base/alloc.h"
#include "runner/test.h"

long for_each_failure(void (*fn)(void))
{
    /* No body allocates so often; one that does never ends. */
    const long limit = 100000;

    for (long n = 1; n < limit; n++) {
        alloc_fail_nth(n);
        fn();
        bool did_fail = alloc_did_fail();
        alloc_fail_nth(0);
        if (!did_fail)
            return n - 1;
    }
    FAIL("still failing after %ld allocations", limit);
}
