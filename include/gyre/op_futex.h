/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_futex.h - requests on futexes
 *
 *     gyre_op_futex_wait(&op, &word, 0, GYRE_FUTEX_ANY, 0);
 *
 * Each fills a whole op (gyre/op.h). Whoever shares the word may wait and wake
 * by whatever means: other loops, plain threads by futex(2), other processes
 * if the flags say GYRE_FUTEX_SHARED. gyre/sync.h is for tasks and threads of
 * one process that need no more than a mutex or an event.
 *
 * A word has 32 bits and is aligned to 4; it is held until the last completion.
 * A wait may also end with 0 without a wake, as with futex(2): look at the word
 * again.
 *
 * since 6.7 all three. Below that, a wait takes a thread of its own, which is
 * kept for the next; WAITV of more than one word needs 5.16 (-EOPNOTSUPP below
 * it). Once its op is in flight a wait hears each wake, on every kernel.
 */
#ifndef GYRE_OP_FUTEX_H
#define GYRE_OP_FUTEX_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gyre_futex_flags {
    GYRE_FUTEX_SHARED = 1 << 0, /* with other processes */
};

/* A wait is ended by those wakes with which it has a bit of the mask in common.
 */
#define GYRE_FUTEX_ANY UINT32_MAX

/* Wait while *word is `expected`. Result: 0 after a wake; -EAGAIN: it is
 * another value; -EINVAL: the mask is 0, the word not aligned; -EFAULT. */
GYRE_API void gyre_op_futex_wait(gyre_op *op, const void *word,
                                 uint32_t expected, uint32_t mask,
                                 unsigned flags);

/* Wake up to `count` waits, 0 for none, INT32_MAX for all. Result: how many.
 * -EINVAL: as above; -EFAULT: a shared word that is not there. */
GYRE_API void gyre_op_futex_wake(gyre_op *op, const void *word, uint32_t count,
                                 uint32_t mask, unsigned flags);

/* One of several words. Fill it with gyre_futex_make(). */
typedef struct gyre_futex {
    uint64_t expected;
    uint64_t word;
    uint32_t flags;
    uint32_t zero;
} gyre_futex;

GYRE_API gyre_futex gyre_futex_make(const void *word, uint32_t expected,
                                    unsigned flags);

#define GYRE_FUTEX_WORDS_MAX 126

/* Wait on `count` words at once, 1 to GYRE_FUTEX_WORDS_MAX. The array is held
 * until submission. Result: the index of one that was woken; -EAGAIN: one of
 * them is another value; -EINVAL, -EFAULT. */
GYRE_API void gyre_op_futex_waitv(gyre_op *op, const gyre_futex *futexes,
                                  unsigned count);

#ifdef __cplusplus
}
#endif

#endif
