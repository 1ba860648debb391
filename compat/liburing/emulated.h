/* SPDX-License-Identifier: MIT */
/*
 * emulated.h - a ring of the emulator, as a liburing program sees rings
 *
 * The emulator (kernel/emu) belongs to one thread and finishes work only when
 * it is entered. A program of liburing expects more: any thread may enter, and
 * results come whether somebody enters or not. So each ring has a lock, and a
 * thread of its own.
 *
 *   the lock     is held by whoever is in the emulator, never while sleeping.
 *   the leader   sleeps on the emulator's descriptor, without the lock; when it
 *                wakes it collects what has finished. There is one at most: a
 *                thread that waits in enter, or the ring's own.
 *   followers    are other threads in enter: they sleep on `turns`, which moves
 *                when there are CQEs or the leader leaves.
 *   the keeper   is the ring's own thread: it leads when nobody else has for
 *                some milliseconds. A program that waits in enter leads itself
 *                and is not disturbed; one that polls the ring's descriptor, or
 *                looks into the CQ, finds there what the keeper has collected.
 *
 * The ring's descriptor is an eventfd that is readable as long as there are
 * CQEs. They are taken from memory, which nobody is told of, so it may stay
 * readable for KEEPER_TICK_MAX_NS after that; the next enter corrects it, too.
 *
 * The SQ is the library's: `array` is honoured, and what an SQE lacks of
 * Linux's checks is made up for before the emulator gets it. The CQ is the
 * emulator's own.
 *
 * Invariants: what is marked (L) is guarded by the lock.
 */
#ifndef LIBURING_EMULATED_H
#define LIBURING_EMULATED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/kernel.h"
#include "library.h"
#include "restrict.h"

/* How long nobody may have led before the keeper does. */
#define KEEPER_PAUSE_NS UINT64_C(2000000)
/* How often it looks whether the CQ has been emptied. */
#define KEEPER_TICK_MIN_NS UINT64_C(1000000)
#define KEEPER_TICK_MAX_NS UINT64_C(16000000)

/* What liburing's inline functions reach through pointers. */
struct shared_queues {
    _Atomic uint32_t sq_head, sq_tail;
    uint32_t sq_mask, sq_entries, sq_dropped;
    uint32_t cq_mask, cq_entries, cq_overflow;
    uint32_t array[];
};

struct emulated {
    pthread_mutex_t lock;
    struct kernel *kernel; /* (L) */
    unsigned references;   /* guarded by the table's lock */
    unsigned generation;   /* of the process: a child of fork() has no keeper */
    int fd;                /* the program's; the next is ours, of the same */
    int signal_fd;
    int kick_fd;   /* wakes the leader */
    long identity; /* of the eventfd, for its duplicates */
    int watch_fd;  /* the emulator's */

    uint32_t setup_flags;
    uint32_t entries;
    bool enabled;          /* (L) */
    const void *submitter; /* (L) SINGLE_ISSUER: the thread; NULL: not yet */
    struct shared_queues *queues;
    size_t queues_size;
    struct io_uring_sqe *sqes;  /* with SQE128 each second one is a rest */
    struct io_uring_sqe *batch; /* (L) as many as entries */
    struct restrictions restrictions; /* (L) */

    _Atomic uint32_t turns; /* a futex */
    bool led;               /* (L) somebody leads */
    bool led_by_keeper;     /* (L) */
    bool wanted;            /* (L) somebody had to follow the keeper */
    unsigned followers;     /* (L) */
    uint32_t leads;         /* (L) so often somebody but the keeper has led */
    uint32_t seen;          /* (L) the CQ's tail when followers were told */
    bool readable;          /* (L) signal_fd says that there are CQEs */
    bool pending;           /* (L) DEFER_TASKRUN: there would be, by an enter */

    pthread_t keeper;
    _Atomic uint32_t keeper_word; /* a futex: the keeper's pauses */
    bool keeper_rests;            /* (L) it will not look by itself */
    bool closing;                 /* (L) */
};

/* As io_uring_setup(2): the ring's descriptor. */
int emulated_setup(unsigned entries, struct io_uring_params *params);

/* table.c */
/* A new ring. The one that had its descriptor before has lost it by a plain
 * close(), and is `*lost`. 0 or -ENOMEM. */
int table_add(struct emulated *e, struct emulated **lost);
void table_remove(struct emulated *e);
/* Of the process, by forks. */
unsigned table_generation(void);

/* The ring with this descriptor, or with this index of the thread's registered
 * rings; NULL: there is none. To be given back. */
struct emulated *emulated_get(int fd);
struct emulated *emulated_get_registered(unsigned index);
void emulated_put(struct emulated *e);

/* Let `ring` be this ring: what mmap(2) and a look at the offsets are to
 * Linux's. */
void emulated_map(struct emulated *e, const struct io_uring_params *params,
                  struct io_uring *ring);

/* No more: what is in flight is cancelled, and `fd` closed, by which it was
 * known (or -1). */
void emulated_close(struct emulated *e, int fd);

/* The last reference is gone, or it never had one. */
void emulated_free(struct emulated *e);

/* IORING_(UN)REGISTER_RING_FDS: the calling thread's. */
int emulated_register_rings(unsigned opcode,
                            struct io_uring_rsrc_update *updates,
                            unsigned count);

/* enter.c */
/* Are these flags of io_uring_enter(2) that an emulated ring knows? */
bool emulated_knows(unsigned flags);
int emulated_enter(struct emulated *e, unsigned submit, unsigned want,
                   unsigned flags, const void *argument, size_t size);

/* registers.c */
int emulated_register(struct emulated *e, unsigned opcode, void *argument,
                      unsigned count);

/* keeper.c */
int keeper_start(struct emulated *e);
void *keeper_run(void *ring);

/* sleep.c: with the lock, but for the first. */
void emulated_lock(struct emulated *e);
/* It is closed: nobody shall sleep on. */
void emulated_wake_all(struct emulated *e);
/* Tell whoever is to know of what has changed, and let go of the lock. */
void emulated_unlock(struct emulated *e);
uint32_t emulated_ready(const struct emulated *e);
/* Do results wait for room in the CQ? The emulator's descriptor then says all
 * the time that there is something to do. */
bool emulated_is_full(const struct emulated *e);
bool emulated_is_ours(const struct emulated *e);
const void *emulated_thread(void);

/* Sleep on the emulator's descriptor as the leader, or as a follower, without
 * the lock. 0; -EINTR; what came of it is for the caller to see. `sigmask` may
 * be NULL. */
int emulated_lead(struct emulated *e, uint64_t until_ns,
                  const sigset_t *sigmask);
int emulated_follow(struct emulated *e, uint64_t until_ns,
                    const sigset_t *sigmask);

#endif
