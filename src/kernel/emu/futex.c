/* SPDX-License-Identifier: MIT */
/*
 * futex.c - FUTEX_WAIT, FUTEX_WAITV, FUTEX_WAKE
 *
 * What Linux's ring refuses is refused in the same words; a bad address, an
 * address that is not aligned and a value that differs are found by Linux
 * itself. Waking is a plain call. Waiting is done by a thread: waiter.c.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/emu/internal.h"
#include "kernel/emu/waiter.h"

static bool fits_word(uint64_t value)
{
    return value <= UINT32_MAX;
}

static bool flags_are_known(uint32_t flags)
{
    return (flags & ~FUTEX2_KNOWN) == 0 && (flags & 3) == FUTEX2_U32;
}

int futex_check(const struct io_uring_sqe *sqe)
{
    if (sqe->len != 0 || sqe->futex_flags != 0 || sqe->buf_index != 0 ||
        sqe->file_index != 0 || !flags_are_known((uint32_t)sqe->fd) ||
        !fits_word(sqe->off) || !fits_word(sqe->addr3))
        return -EINVAL;
    return 0;
}

int futex_waitv_check(const struct io_uring_sqe *sqe)
{
    if (sqe->fd != 0 || sqe->buf_index != 0 || sqe->file_index != 0 ||
        sqe->off != 0 || sqe->futex_flags != 0 || sqe->addr3 != 0)
        return -EINVAL;
    return sqe->len == 0 || sqe->len > WAITER_WORDS_MAX ? -EINVAL : 0;
}

/* Sleep on r->memory's words, which leave room at both ends. */
static int futex_sleep(struct emu *emu, struct request *r, unsigned count,
                       uint32_t mask)
{
    struct futex_entry *words = r->memory;
    int error = request_hold(emu, r);

    if (error != 0)
        return error;
    if (waiter_has_vectors() && mask == UINT32_MAX)
        error = waiter_start(emu, r, words, count);
    else if (count == 1)
        error = waiter_start_one(emu, r, &words[1], mask);
    else
        error = -EOPNOTSUPP;
    return error != 0 ? error : EMU_TAKEN;
}

static struct futex_entry *futex_words(struct request *r, unsigned count)
{
    r->memory = alloc_zeroed(count + 2, sizeof(struct futex_entry));
    return r->memory;
}

int futex_wait_begin(struct emu *emu, struct request *r)
{
    struct futex_entry *words;

    if (r->sqe.addr3 == 0)
        return -EINVAL;
    words = futex_words(r, 1);
    if (words == NULL)
        return -ENOMEM;
    words[1] = (struct futex_entry){ .value = r->sqe.off,
                                     .address = r->sqe.addr,
                                     .flags = (uint32_t)r->sqe.fd };
    return futex_sleep(emu, r, 1, (uint32_t)r->sqe.addr3);
}

int futex_waitv_keep(struct request *r)
{
    unsigned count = r->sqe.len;
    struct futex_entry *words = futex_words(r, count);
    int error;

    if (words == NULL)
        return -ENOMEM;
    error = copy_in(words + 1, r->sqe.addr, count * sizeof *words);
    if (error != 0)
        return error;
    for (unsigned i = 1; i <= count; i++)
        if (!flags_are_known(words[i].flags) || !fits_word(words[i].value) ||
            words[i].reserved != 0)
            return -EINVAL;
    return 0;
}

int futex_waitv_begin(struct emu *emu, struct request *r)
{
    int error = r->copied ? 0 : futex_waitv_keep(r);

    if (error != 0)
        return error;
    r->copied = true;
    return futex_sleep(emu, r, r->sqe.len, UINT32_MAX);
}

/* futex(2) takes a count of 0 for 1; the ring does not. */
int futex_wake(struct request *r)
{
    const void *word = emu_pointer(r->sqe.addr);
    uint32_t flags = (uint32_t)r->sqe.fd;
    int shared_not = (flags & FUTEX2_SHARED_NOT) != 0 ? FUTEX_PRIVATE_FLAG : 0;

    if (r->sqe.addr3 == 0)
        return -EINVAL;
    if (r->sqe.off == 0)
        return emu_result(syscall(SYS_futex, word, FUTEX_REQUEUE | shared_not,
                                  0, 0, word, 0));
    return emu_result(syscall(SYS_futex, word, FUTEX_WAKE_BITSET | shared_not,
                              (uint32_t)r->sqe.off, NULL, NULL,
                              (uint32_t)r->sqe.addr3));
}
