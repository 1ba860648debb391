/* SPDX-License-Identifier: MIT */
/*
 * memory.h - mappings, and the guards inside them
 *
 * The only place with memory system calls outside the rings. A mapping is
 * anonymous, private, zeroed, in small pages, and costs nothing until it is
 * touched.
 *
 * A guard is a range that kills whoever touches it. Three kinds, best first:
 *
 *   marker   MADV_GUARD_INSTALL (6.13): any number of them, and they cost no
 *            entry in the process's list of mappings.
 *   protect  mprotect(PROT_NONE): splits the mapping, two entries each. Half of
 *            vm.max_map_count is left to the rest of the process.
 *   none     the memory stays open; whoever asked keeps watch himself.
 *
 * Guards survive memory_release() and fork(). io_uring and system calls that
 * meet one fail with EFAULT.
 *
 * Threads.  All of it may be called from any thread.
 */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum memory_guard {
    MEMORY_GUARD_NONE,
    MEMORY_GUARD_PROTECT,
    MEMORY_GUARD_MARKER
};

size_t memory_page_size(void);

/* `size` zeroed bytes (a multiple of the page size), or NULL. Takes part in the
 * count of alloc_fail_nth(). */
void *memory_map(size_t size) __attribute__((malloc, warn_unused_result));

/* Likewise on huge pages that the administrator has set aside
 * (vm.nr_hugepages); NULL also if there are too few. */
void *memory_map_reserved(size_t size)
    __attribute__((malloc, warn_unused_result));

/* Use huge pages for the range, if Linux gives them. */
void memory_prefer_huge(void *address, size_t size);

/* Give a mapping back, or a part of it made of whole pages. */
void memory_unmap(void *address, size_t size);

/* Let the kernel take the pages of a range; they read as zero afterwards. */
void memory_release(void *address, size_t size);

/* Guard a range of whole pages with the best kind still to be had; says which
 * it was. Never fails: the answer may be MEMORY_GUARD_NONE. When that becomes
 * so because the list of mappings is full, a line on standard error says it,
 * once in a process. */
enum memory_guard memory_guard(void *address, size_t size);

/* Make a guard of that kind ordinary memory again. */
void memory_unguard(void *address, size_t size, enum memory_guard kind);

/* Can that be read? A system call for each page. What another thread unmaps
 * meanwhile is not known. */
bool memory_is_readable(uint64_t from, size_t size);

/* Tell that `count` guards of kind PROTECT went with a memory_unmap(), so that
 * others may have their entries. */
void memory_guards_unmapped(size_t count);

/* The kind that memory_guard() would use now. */
enum memory_guard memory_guard_best(void);

/* "MADV_GUARD_INSTALL", "mprotect", "none". */
const char *memory_guard_name(enum memory_guard kind);

/* Tests: use no better kind than `best`, and at most `count` of kind PROTECT
 * (0: as many as the system's limit allows). */
void memory_guard_restrict(enum memory_guard best, size_t count);

#endif
