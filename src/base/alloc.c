/* SPDX-License-Identifier: MIT */
/*
 * alloc.c - calloc, or the user's allocator, with a fault injector
 *
 * The injector is compiled in always: it costs one load of a variable that is
 * zero, on a path that is never hot. It is for single-threaded tests, but the
 * counter is atomic, since the emulator's threads allocate too.
 */
#include "base/alloc.h"

#include <errno.h>
#include <gyre/alloc.h>
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

/* ---- an allocator of the user's ------------------------------------------ */

/* Where memory comes from is settled by the first allocation, or before. */
enum source { SOURCE_OPEN, SOURCE_LIBC, SOURCE_SETTING, SOURCE_USER };

static atomic_int source;
static gyre_allocator user_allocator;

/* Before each piece of the user's memory, to give it back by. */
struct piece {
    size_t size;
    size_t front; /* from the beginning of it */
};

#define PIECE_ALIGN 16

_Static_assert(sizeof(struct piece) % PIECE_ALIGN == 0,
               "what follows a struct piece is aligned");

int gyre_set_allocator(const gyre_allocator *allocator)
{
    int expected = SOURCE_OPEN;

    ASSERT_API(allocator->allocate != NULL && allocator->release != NULL,
               "an allocator needs both of its functions");
    if (!atomic_compare_exchange_strong(&source, &expected, SOURCE_SETTING))
        return -EBUSY;
    user_allocator = *allocator;
    atomic_store(&source, SOURCE_USER);
    return 0;
}

static bool is_users(void)
{
    int now = atomic_load_explicit(&source, memory_order_acquire);

    if (LIKELY(now == SOURCE_LIBC))
        return false;
    if (now == SOURCE_OPEN &&
        atomic_compare_exchange_strong(&source, &now, SOURCE_LIBC))
        return false;
    ASSERT_API(now != SOURCE_SETTING,
               "gyre was used while gyre_set_allocator() ran");
    return now == SOURCE_USER;
}

static void *user_allocate(size_t align, size_t size)
{
    size_t front = align > PIECE_ALIGN ? align : PIECE_ALIGN;
    char *memory;

    if (size > PTRDIFF_MAX - front) /* as malloc() refuses it */
        return NULL;
    memory = user_allocator.allocate(user_allocator.user, front, size + front);
    if (memory == NULL)
        return NULL;
    ASSERT_API(((uintptr_t)memory & (front - 1)) == 0,
               "the allocator gave memory that is not aligned as asked");
    memory += front;
    ((struct piece *)(void *)memory)[-1] =
        (struct piece){ size + front, front };
    return memset(memory, 0, size);
}

static void user_release(void *memory)
{
    const struct piece piece = ((struct piece *)memory)[-1];

    user_allocator.release(user_allocator.user, (char *)memory - piece.front,
                           piece.size);
}

/* ---- the heap ------------------------------------------------------------ */

void *alloc_zeroed(size_t count, size_t size)
{
    int saved = errno;
    void *memory = NULL;
    size_t whole;

    ASSERT(count > 0 && size > 0);
    if (alloc_must_fail())
        return NULL;
    if (!is_users())
        memory = calloc(count, size);
    else if (!__builtin_mul_overflow(count, size, &whole))
        memory = user_allocate(PIECE_ALIGN, whole);
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
    if (is_users()) {
        memory = user_allocate(align, size);
    } else {
        /* aligned_alloc() wants a multiple of the alignment. */
        size = (size + align - 1) & ~(align - 1);
        memory = aligned_alloc(align, size);
        if (memory != NULL)
            memset(memory, 0, size);
    }
    errno = saved;
    return memory;
}

void alloc_free(void *memory)
{
    int saved = errno;

    if (memory == NULL)
        return;
    if (is_users())
        user_release(memory);
    else
        free(memory);
    errno = saved;
}
