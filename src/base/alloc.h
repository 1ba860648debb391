/* SPDX-License-Identifier: MIT */
/*
 * alloc.h - the one way to the heap
 *
 * Everything gyre allocates comes through here, so that a test can make the
 * n-th allocation fail and see that nothing is lost. Memory is zeroed. Nothing
 * on the path of an operation allocates.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* `count` zeroed objects of `size` bytes, or NULL. */
void *alloc_zeroed(size_t count, size_t size)
    __attribute__((malloc, warn_unused_result));

/* Likewise, aligned to `align` (a power of two). */
void *alloc_aligned(size_t align, size_t size)
    __attribute__((malloc, warn_unused_result));

/* Give back; NULL is allowed. */
void alloc_free(void *memory);

/* Tests: let the n-th allocation from now fail, once; 0 lets all succeed. */
void alloc_fail_nth(long n);

/* Tests: has the failure asked for by alloc_fail_nth() happened? */
bool alloc_did_fail(void);

/* Tests: is the allocation about to be made the one that has to fail? Other
 * sources of memory (mappings) take part in the count by calling this. */
bool alloc_must_fail(void);

#endif
