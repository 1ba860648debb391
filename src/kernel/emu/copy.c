/* SPDX-License-Identifier: MIT */
/*
 * copy.c - the caller's memory
 *
 * Linux answers a bad pointer with -EFAULT; a load in user space would be
 * killed. So before the emulator reads a structure of the caller's it lets
 * Linux try (kernel/memory.h); likewise before it writes to one, by a system
 * call that writes memory and changes nothing. Protection is by the page, so
 * one place in each page tells.
 *
 * Nothing here is on the path of a request that ends at once: there the
 * caller's own pointers are handed to the system call.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/emu/internal.h"
#include "kernel/memory.h"

/* Adding nothing to a futex writes to it what it holds. Nobody is to be woken;
 * if it happens, a futex's wait may end for no reason. */
static bool word_is_writable(uintptr_t address)
{
    const uint32_t mine = 0;
    const uint32_t add_nothing =
        FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0x7ff);

    address &= ~(uintptr_t)(sizeof mine - 1);
    return syscall(SYS_futex, &mine, FUTEX_WAKE_OP_PRIVATE, 0, NULL, address,
                   add_nothing) >= 0 ||
           errno != EFAULT;
}

/* 0, or -EFAULT if some of the range cannot be written to. */
int copy_check_out(uint64_t to, size_t size)
{
    uintptr_t page = memory_page_size(), at = (uintptr_t)to;
    uintptr_t last = at + size - 1;

    if (to != at || last < at)
        return -EFAULT;
    for (;;) {
        uintptr_t next = (at & ~(page - 1)) + page;

        if (!word_is_writable(at))
            return -EFAULT;
        if (next > last || next == 0)
            return 0;
        at = next;
    }
}

int copy_out(uint64_t to, const void *from, size_t size)
{
    if (copy_check_out(to, size) != 0)
        return -EFAULT;
    memcpy(emu_pointer(to), from, size);
    return 0;
}

/* 0, or -EFAULT if some of the range is no memory. */
int copy_check(uint64_t from, size_t size)
{
    return memory_is_readable(from, size) ? 0 : -EFAULT;
}

int copy_in(void *to, uint64_t from, size_t size)
{
    if (size == 0)
        return 0;
    if (copy_check(from, size) != 0)
        return -EFAULT;
    memcpy(to, emu_pointer(from), size);
    return 0;
}

/*
 * Is there a path to be read, as getname() reads it? -EFAULT, -ENAMETOOLONG,
 * -ENOENT: it is empty. To
 * read a string of unknown length safely, let Linux read it: symlinkat() takes
 * the text of the link first, and then fails for the descriptor -1 without
 * having looked anything up.
 */
int text_check(uint64_t from)
{
    if (from != (uintptr_t)from || from == 0)
        return -EFAULT;
    if (symlinkat(emu_pointer(from), -1, "x") != 0 &&
        (errno == EFAULT || errno == ENAMETOOLONG || errno == ENOENT))
        return -errno;
    return 0;
}

/* Copy paths into the request: into `few`, or all into memory of its own. */
static int text_copy(struct request *r, const uint64_t from[], const char *to[],
                     size_t count, char *few, size_t room)
{
    size_t size[TEXTS_MAX], total = 0;

    ASSERT(!r->copied && r->memory == NULL && count <= TEXTS_MAX);
    for (size_t i = 0; i < count; i++) {
        int error = text_check(from[i]);

        if (error != 0)
            return error;
        size[i] = strnlen(emu_pointer(from[i]), PATH_MAX - 1) + 1;
        total += size[i];
    }
    if (total > room) {
        few = r->memory = alloc_zeroed(1, total);
        if (few == NULL)
            return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(few, emu_pointer(from[i]), size[i] - 1);
        few[size[i] - 1] = '\0';
        to[i] = few;
        few += size[i];
    }
    return 0;
}

int copy_path(struct request *r, uint64_t from)
{
    struct kept_path *path = &r->kept.path;

    return text_copy(r, &from, &path->text, 1, path->few, sizeof path->few);
}

int copy_texts(struct request *r, const uint64_t from[], size_t count)
{
    struct kept_texts *texts = &r->kept.texts;

    return text_copy(r, from, texts->text, count, texts->few,
                     sizeof texts->few);
}

/* Copy an array of iovecs into the request. */
int copy_vector(struct request *r, struct vector *vector, uint64_t from,
                size_t count)
{
    struct iovec *to = vector->few;
    int error;

    ASSERT(!r->copied);
    if (count > IOV_MAX)
        return -EINVAL;
    if (count > ARRAY_SIZE(vector->few)) {
        ASSERT(r->memory == NULL);
        to = alloc_zeroed(count, sizeof *to);
        if (to == NULL)
            return -ENOMEM;
        r->memory = to;
    }
    error = copy_in(to, from, count * sizeof *to);
    if (error != 0)
        return error;
    vector->iov = to;
    vector->count = (unsigned)count;
    return 0;
}

void vector_advance(struct vector *vector, size_t bytes)
{
    while (bytes > 0) {
        ASSERT(vector->count > 0);
        if (bytes < vector->iov->iov_len) {
            vector->iov->iov_base = (char *)vector->iov->iov_base + bytes;
            vector->iov->iov_len -= bytes;
            return;
        }
        bytes -= vector->iov->iov_len;
        vector->iov++;
        vector->count--;
    }
}

size_t vector_total(const struct iovec *iov, size_t count)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += iov[i].iov_len;
    return total;
}
