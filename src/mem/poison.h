/* SPDX-License-Identifier: MIT */
/*
 * poison.h - memory that is nobody's, and who touches it all the same
 *
 * With the address sanitizer a free buffer is poisoned: reading or writing it
 * is reported. The kernel's writes are not seen by it; so in builds with
 * GYRE_VERIFY the start of a free buffer has a pattern, which must still be
 * there when it is got again.
 */
#ifndef MEM_POISON_H
#define MEM_POISON_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define MEM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_ASAN 1
#endif
#endif

#ifdef MEM_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size)                             \
    ((void)(address), (void)(size))
#endif

#ifdef GYRE_VERIFY

/* Nobody's from here on. */
void poison(void *memory, size_t size);

/* Somebody's again. Panics if it was written to meanwhile. */
void unpoison(void *memory, size_t size);

#else

static inline void poison(void *memory, size_t size)
{
    ASAN_POISON_MEMORY_REGION(memory, size);
}

static inline void unpoison(void *memory, size_t size)
{
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
}

#endif

#endif
