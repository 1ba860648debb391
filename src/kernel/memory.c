/* SPDX-License-Identifier: MIT */
/*
 * memory.c - mmap, munmap, madvise and mprotect
 *
 * Whether markers work is found out once per process, by trying, and not from
 * the success of madvise() alone: emulators of Linux answer 0 to advice they do
 * not know. So a marker is set on a page, and the kernel is asked to write into
 * it; only EFAULT counts.
 *
 * A mapping that is locked (mlockall) refuses markers even where they work;
 * then mprotect() steps in for that one. Its budget is counted for the process:
 * a guard in the middle of a mapping costs two entries of vm.max_map_count, and
 * without entries nobody, gyre's user included, can map anything any more.
 */
#include "kernel/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/valgrind.h"

/* MADV_GUARD_INSTALL (6.13): touching the range is SIGSEGV, or EFAULT for the
 * kernel. Not in the headers of Debian 12 and 13. */
#define ADVICE_GUARD_INSTALL 102
#define ADVICE_GUARD_REMOVE 103

#define MAX_MAP_COUNT_FILE "/proc/sys/vm/max_map_count"
#define MAX_MAP_COUNT_USUAL 65530
#define ENTRIES_PER_GUARD 2

enum marker_state { MARKER_UNKNOWN, MARKER_WORKS, MARKER_MISSING };

static atomic_int marker_state;
static atomic_size_t protect_count; /* guards of kind PROTECT that exist */
static atomic_size_t protect_limit; /* how many may; 0: not yet read */

/* For tests. */
static atomic_int restricted_best = MEMORY_GUARD_MARKER;
static atomic_size_t restricted_count;

size_t memory_page_size(void)
{
    static atomic_size_t page_size;
    size_t size = atomic_load_explicit(&page_size, memory_order_relaxed);

    if (UNLIKELY(size == 0)) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        ASSERT(size >= 4096 && (size & (size - 1)) == 0);
        atomic_store_explicit(&page_size, size, memory_order_relaxed);
    }
    return size;
}

static bool is_whole_pages(const void *address, size_t size)
{
    size_t mask = memory_page_size() - 1;

    return size > 0 && (((uintptr_t)address | size) & mask) == 0;
}

/* ---- whose memory it is -------------------------------------------------- */

enum { PROBE_SIZE = 16 };

/* A system call that reads memory, has no effect and is allowed everywhere: a
 * futex wait reads its time limit before it looks at the futex. This futex is
 * not aligned: EFAULT for the limit, or EINVAL, and never a wait. */
static bool place_is_readable(uintptr_t address)
{
    _Alignas(uint32_t) const char futex[8] = "";
    bool readable;

    VALGRIND_DISABLE_ERROR_REPORTING;
    readable = syscall(SYS_futex, futex + 1, FUTEX_WAIT_PRIVATE, 0, address) ==
                   0 ||
               errno != EFAULT;
    VALGRIND_ENABLE_ERROR_REPORTING;
    return readable;
}

/* Protection is by the page, so one place in each page tells. */
static bool range_is_readable(uintptr_t from, size_t size)
{
    size_t page = memory_page_size();
    uintptr_t last = from + size - 1;

    /* To futex(), NULL is no limit at all. */
    if (from == 0 || last < from)
        return false;
    for (uintptr_t at = from;;) {
        uintptr_t next = (at & ~(page - 1)) + page;

        /* Near the end of a page: the last place of that page. */
        if (!place_is_readable(next - at < PROBE_SIZE ? next - PROBE_SIZE : at))
            return false;
        if (next > last || next == 0)
            return true;
        at = next;
    }
}

bool memory_is_readable(uint64_t from, size_t size)
{
    int saved_errno = errno;
    bool readable = from == (uintptr_t)from &&
                    range_is_readable((uintptr_t)from, size);

    errno = saved_errno;
    return readable;
}

/* ---- mappings ------------------------------------------------------------ */

void *memory_map(size_t size)
{
    int saved_errno = errno;
    void *memory;

    ASSERT(is_whole_pages(NULL, size));
    if (alloc_must_fail())
        return NULL;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
                  0);
    /* Where huge pages are given unasked, the first touch of a 64 KiB stack
     * would cost 2 MiB. A kernel without huge pages refuses: all the better. */
    if (memory != MAP_FAILED)
        (void)madvise(memory, size, MADV_NOHUGEPAGE);
    errno = saved_errno;
    return memory == MAP_FAILED ? NULL : memory;
}

void *memory_map_reserved(size_t size)
{
    int saved_errno = errno;
    void *memory;

    ASSERT(is_whole_pages(NULL, size));
    if (alloc_must_fail())
        return NULL;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    /* A child's copy would no longer be what the kernel writes to. */
    if (memory != MAP_FAILED)
        (void)madvise(memory, size, MADV_DONTFORK);
    errno = saved_errno;
    return memory == MAP_FAILED ? NULL : memory;
}

void memory_prefer_huge(void *address, size_t size)
{
    int saved_errno = errno;

    ASSERT(is_whole_pages(address, size));
    (void)madvise(address, size, MADV_HUGEPAGE);
    errno = saved_errno;
}

void memory_unmap(void *address, size_t size)
{
    int saved_errno = errno;

    ASSERT(is_whole_pages(address, size));
    int err = munmap(address, size);

    /* Mappings that touch are one to Linux. So this can be the middle of one,
     * to be split, and entries may have run out: then only the address space
     * is lost. */
    if (err != 0)
        (void)madvise(address, size, MADV_DONTNEED);
    ASSERT(err == 0 || errno == ENOMEM);
    errno = saved_errno;
}

void memory_release(void *address, size_t size)
{
    int saved_errno = errno;

    ASSERT(is_whole_pages(address, size));
    /* Refused for locked memory, which then simply stays. */
    (void)madvise(address, size, MADV_DONTNEED);
    errno = saved_errno;
}

static bool probe_marker(void)
{
    size_t size = memory_page_size();
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool works;

    if (page == MAP_FAILED)
        return false;
    /* sigpending() never fails but for its argument. */
    works = madvise(page, size, ADVICE_GUARD_INSTALL) == 0 &&
            sigpending(page) == -1 && errno == EFAULT;
    (void)munmap(page, size);
    return works;
}

static bool marker_works(void)
{
    int state = atomic_load_explicit(&marker_state, memory_order_relaxed);

    if (state == MARKER_UNKNOWN) {
        state = probe_marker() ? MARKER_WORKS : MARKER_MISSING;
        atomic_store_explicit(&marker_state, state, memory_order_relaxed);
    }
    return state == MARKER_WORKS &&
           atomic_load(&restricted_best) >= MEMORY_GUARD_MARKER;
}

static size_t read_max_map_count(void)
{
    int fd = open(MAX_MAP_COUNT_FILE, O_RDONLY | O_CLOEXEC);
    char text[32];
    ssize_t length = -1;
    unsigned long count = 0;

    if (fd >= 0) {
        length = read(fd, text, sizeof text - 1);
        (void)close(fd);
    }
    if (length > 0) {
        text[length] = '\0';
        count = strtoul(text, NULL, 10);
    }
    return count > 0 ? count : MAX_MAP_COUNT_USUAL;
}

/* How many guards of kind PROTECT there may be in this process: as many as fit
 * in half of the entries. */
static size_t protect_allowance(void)
{
    size_t limit = atomic_load(&protect_limit);
    size_t restricted = atomic_load(&restricted_count);

    if (atomic_load(&restricted_best) < MEMORY_GUARD_PROTECT)
        return 0;
    if (limit == 0) {
        limit = read_max_map_count() / 2 / ENTRIES_PER_GUARD;
        atomic_store(&protect_limit, limit);
    }
    return restricted > 0 && restricted < limit ? restricted : limit;
}

static void tell_of_the_limit(size_t count)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&told))
        fprintf(stderr,
                "gyre: %zu stacks have guards, as many as half of "
                "vm.max_map_count allows; further ones have canaries (Linux "
                "6.13 has guards without limit)\n",
                count);
}

static bool protect(void *address, size_t size)
{
    size_t allowance = protect_allowance();
    size_t count = atomic_fetch_add(&protect_count, 1);
    bool full = count >= allowance;

    if (!full && mprotect(address, size, PROT_NONE) == 0)
        return true;
    atomic_fetch_sub(&protect_count, 1);
    if (allowance > 0 && (full || errno == ENOMEM))
        tell_of_the_limit(count);
    return false;
}

enum memory_guard memory_guard(void *address, size_t size)
{
    int saved_errno = errno;
    enum memory_guard kind = MEMORY_GUARD_NONE;

    ASSERT(is_whole_pages(address, size));
    if (marker_works() && madvise(address, size, ADVICE_GUARD_INSTALL) == 0)
        kind = MEMORY_GUARD_MARKER;
    else if (protect(address, size))
        kind = MEMORY_GUARD_PROTECT;
    errno = saved_errno;
    return kind;
}

void memory_unguard(void *address, size_t size, enum memory_guard kind)
{
    int saved_errno = errno;
    int err = 0;

    ASSERT(is_whole_pages(address, size));
    if (kind == MEMORY_GUARD_MARKER)
        err = madvise(address, size, ADVICE_GUARD_REMOVE);
    if (kind == MEMORY_GUARD_PROTECT) {
        err = mprotect(address, size, PROT_READ | PROT_WRITE);
        atomic_fetch_sub(&protect_count, 1);
    }
    ASSERT(err == 0);
    errno = saved_errno;
}

void memory_guards_unmapped(size_t count)
{
    size_t before = atomic_fetch_sub(&protect_count, count);

    ASSERT(before >= count);
}

enum memory_guard memory_guard_best(void)
{
    int saved_errno = errno;
    enum memory_guard kind = MEMORY_GUARD_NONE;

    if (marker_works())
        kind = MEMORY_GUARD_MARKER;
    else if (atomic_load(&protect_count) < protect_allowance())
        kind = MEMORY_GUARD_PROTECT;
    errno = saved_errno;
    return kind;
}

const char *memory_guard_name(enum memory_guard kind)
{
    static const char *const names[] = {
        [MEMORY_GUARD_NONE] = "none",
        [MEMORY_GUARD_PROTECT] = "mprotect",
        [MEMORY_GUARD_MARKER] = "MADV_GUARD_INSTALL",
    };

    ASSERT((size_t)kind < ARRAY_SIZE(names));
    return names[kind];
}

void memory_guard_restrict(enum memory_guard best, size_t count)
{
    atomic_store(&restricted_best, (int)best);
    atomic_store(&restricted_count, count);
}
