/* SPDX-License-Identifier: MIT */
/*
 * poison.c - see poison.h
 */
#include "mem/poison.h"

#include "base/assert.h"

#ifdef GYRE_VERIFY

#define PATTERN 0xD7
#define PATTERN_BYTES 128U

void poison(void *memory, size_t size)
{
    unsigned char *at = memory;

    for (size_t i = 0; i < size && i < PATTERN_BYTES; i++)
        at[i] = PATTERN;
    ASAN_POISON_MEMORY_REGION(memory, size);
}

void unpoison(void *memory, size_t size)
{
    const unsigned char *at = memory;

    ASAN_UNPOISON_MEMORY_REGION(memory, size);
    for (size_t i = 0; i < size && i < PATTERN_BYTES; i++)
        ASSERT_API(at[i] == PATTERN,
                   "a buffer was written to after it had been given back");
}

#endif
