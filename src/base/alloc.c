/* SPDX-License-Identifier: MIT */
/*
 * alloc.c - calloc with a fault injector
 *
 * The injector is compiled in always: it costs one load of a variable that is
 * zero, on a path that is never hot. It is for single-threaded tests, but the
 * counter is atomic, since the emulator's threads allocate too.
 */
#include "base/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static atomic_long fail_countdown;
static atomic_bool did_fail;

void alloc_fail_nth(long n)
{
    ASSERT(n >= 0);
    atomic_store(&did_fail, false);
    atomic_store(&fail_countdown, n);
}

bool alloc_did_fail(void)
{
    return atomic_load(&did_fail);
}

bool alloc_must_fail(void)
{
    if (LIKELY(atomic_load_explicit(&fail_countdown, memory_order_relaxed) ==
               0))
        return false;
    if (atomic_fetch_sub(&fail_countdown, 1) != 1)
        return false;
    atomic_store(&did_fail, true);
    return true;
}

void *alloc_zeroed(size_t count, size_t size)
{
    int saved = errno;
    void *memory;

    ASSERT(count > 0 && size > 0);
    memory = alloc_must_fail() ? NULL : calloc(count, size);
    errno = saved; /* no call of gyre's changes it */
    return memory;
}

void *alloc_aligned(size_t align, size_t size)
{
    int saved = errno;
    void *memory;

    ASSERT(align > 0 && (align & (align - 1)) == 0);
    if (size > SIZE_MAX - align || alloc_must_fail())
        return NULL;
    /* aligned_alloc() wants a multiple of the alignment. */
    size = (size + align - 1) & ~(align - 1);
    memory = aligned_alloc(align, size);
    errno = saved;
    return memory == NULL ? NULL : memset(memory, 0, size);
}

void alloc_free(void *memory)
{
    free(memory);
}
