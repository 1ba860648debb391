/* SPDX-License-Identifier: MIT */
/*
 * fault.c - see fault.h
 *
 * For tests with one loop; atomic, since other threads may start ops, too.
 */
#include "base/fault.h"

#include <stdatomic.h>

#include "base/assert.h"

static struct fault {
    atomic_long countdown; /* 0: none is asked for */
    atomic_int error;
    atomic_bool happened;
} faults[FAULT_KINDS];

void fault_nth(enum fault_kind kind, long n, int error)
{
    struct fault *fault = &faults[kind];

    ASSERT(n >= 0 && (n == 0 || error < 0));
    atomic_store(&fault->happened, false);
    atomic_store(&fault->error, error);
    atomic_store(&fault->countdown, n);
}

bool fault_happened(enum fault_kind kind)
{
    return atomic_load(&faults[kind].happened);
}

#ifdef GYRE_VERIFY
int fault_take(enum fault_kind kind)
{
    struct fault *fault = &faults[kind];

    if (LIKELY(atomic_load_explicit(&fault->countdown, memory_order_relaxed) ==
               0) ||
        atomic_fetch_sub(&fault->countdown, 1) != 1)
        return 0;
    atomic_store(&fault->happened, true);
    return atomic_load(&fault->error);
}
#endif
