/* SPDX-License-Identifier: MIT */
/*
 * waiter.h - threads that sleep on futexes for requests
 *
 * One request, one thread: see waiter.c for why. All but the sleep itself is
 * done by the emulator's owner.
 */
#ifndef KERNEL_EMU_WAITER_H
#define KERNEL_EMU_WAITER_H

#include <stdbool.h>
#include <stdint.h>

struct emu;
struct request;
struct waiter;

/* As Linux's struct futex_waitv. */
struct futex_entry {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};

/* Linux's numbers, in whatever headers. */
#define FUTEX2_U32 2U
#define FUTEX2_SHARED_NOT 128U /* FUTEX2_PRIVATE */
#define FUTEX2_KNOWN (3U | FUTEX2_SHARED_NOT)
#define FUTEX2_WAITV_MAX 128U
/* Less the two words that a waiter adds. */
#define WAITER_WORDS_MAX (FUTEX2_WAITV_MAX - 2)

/* Is there a futex_waitv(2)? Since Linux 5.16. */
bool waiter_has_vectors(void);

/*
 * Let a thread sleep for the held request, which is ASLEEP from then on, until
 * its result comes by waiter_results(). When this returns the thread is queued
 * in Linux, or will never be. 0, or a negative errno, and nothing sleeps.
 *
 * The first on `count` words, for all wakes; there must be vectors. `words` has
 * room for two more, one before and one after, and lives as long as the
 * request. The second on one word, for wakes of the mask.
 */
int waiter_start(struct emu *emu, struct request *r, struct futex_entry *words,
                 unsigned count);
int waiter_start_one(struct emu *emu, struct request *r,
                     const struct futex_entry *word, uint32_t mask);

/* Wake the thread: its request ends by itself. False: it was asked before. */
bool waiter_cancel(struct request *r);

/* Complete what has ended. */
void waiter_results(struct emu *emu);

/* No request is asleep. */
void waiter_deinit(struct emu *emu);

#endif
