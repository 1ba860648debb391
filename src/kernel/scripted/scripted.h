/* SPDX-License-Identifier: MIT */
/*
 * scripted.h - a kernel in memory that does as the test says
 *
 *     struct scripted *s = scripted_create(8, 0);
 *     loop_create_on(&loop, scripted_kernel(s), &options);
 *     gyre_op_start(loop, &op, got, NULL);
 *     gyre_loop_run(loop, GYRE_RUN_NOWAIT);        the kernel has the op now
 *     scripted_complete(s, scripted_find_fd(s, 7), 100, 0);
 *     gyre_loop_run(loop, GYRE_RUN_NOWAIT);        got() has been called
 *
 * What enter() takes from the SQ becomes a *pending* request, and stays until
 * the test completes it: any request, in any order, with any result, with one
 * CQE or several. Cancels are answered by a policy, or by hand as well. The
 * clock stands still until the test moves it or a sleep reaches its deadline,
 * so a test of a year's timer takes no time; a sleep that nothing can end is a
 * panic and not a test that hangs.
 *
 * Requests are named by their *index* among the pending, in order of taking; an
 * index is good until the next completion. Every SQE that was ever taken is
 * kept for the test to look at.
 *
 * Threads.  All of it belongs to the loop's thread, but for the kernel's own
 *           wake() and scripted_wake_count().
 *
 * Memory.   The kernel owns the script: both end by the kernel's destroy(), and
 *           so with the loop.
 */
#ifndef KERNEL_SCRIPTED_SCRIPTED_H
#define KERNEL_SCRIPTED_SCRIPTED_H

#include "kernel/kernel.h"

struct scripted;

/* NULL without memory. `cq_entries` 0: twice the entries. Both are rounded up
 * to powers of two. */
struct scripted *scripted_create(unsigned entries, unsigned cq_entries);
struct kernel *scripted_kernel(struct scripted *s);

/* ---- what the kernel has ------------------------------------------------- */

unsigned scripted_pending(const struct scripted *s);
const struct io_uring_sqe *scripted_at(const struct scripted *s,
                                       unsigned index);

/* The first pending request that fits, as its index; -1 if there is none. */
int scripted_find_fd(const struct scripted *s, int fd);
int scripted_find_opcode(const struct scripted *s, uint8_t opcode);
int scripted_find_user_data(const struct scripted *s, uint64_t user_data);

/* Every SQE that was taken, from the first; side requests among them. */
size_t scripted_seen(const struct scripted *s);
const struct io_uring_sqe *scripted_seen_at(const struct scripted *s, size_t n);

/* ---- completing ---------------------------------------------------------- */

/* A CQE for a pending request; without IORING_CQE_F_MORE in `flags` it is the
 * last, and the request is gone. */
void scripted_complete(struct scripted *s, int index, int32_t res,
                       uint32_t flags);
/* A pending request ends in silence. */
void scripted_forget(struct scripted *s, int index);
/* The last CQE for all that is pending, in order of taking. */
void scripted_complete_all(struct scripted *s, int32_t res);
/* A CQE that answers no request. */
void scripted_inject(struct scripted *s, uint64_t user_data, int32_t res,
                     uint32_t flags);

/* CQEs that do not fit wait in the overflow list for an enter(). With `defer`
 * all CQEs do, under IORING_SQ_TASKRUN, as in a ring with deferred task work.
 */
void scripted_defer(struct scripted *s, bool defer);

/* Called for each request at the moment it is taken (not for what a cancel
 * policy answers). True: complete it at once with *res. */
typedef bool scripted_policy_fn(void *arg, const struct io_uring_sqe *sqe,
                                int32_t *res);
void scripted_set_policy(struct scripted *s, scripted_policy_fn *policy,
                         void *arg);
/* The simplest one: complete every request at once with its `len`. */
bool scripted_answer_len(void *arg, const struct io_uring_sqe *sqe,
                         int32_t *res);

enum scripted_cancel {
    SCRIPTED_CANCEL_FIRST,  /* 0, then the target's -ECANCELED */
    SCRIPTED_TARGET_FIRST,  /* the target's -ECANCELED, then 0 */
    SCRIPTED_CANCEL_LATE,   /* -EALREADY; the target stays pending */
    SCRIPTED_CANCEL_MISSED, /* -ENOENT; the target stays pending */
    SCRIPTED_CANCEL_PENDS,  /* by hand, as any other request */
};

/* Of requests to cancel by user_data; a target that is not there is -ENOENT. */
void scripted_set_cancel(struct scripted *s, enum scripted_cancel policy);

/* ---- enter(), attach() and time ------------------------------------------ */

/* Let the next `times` calls of enter() give `err`, before they do anything;
 * with -ETIME the clock is moved to the deadline, as by a sleep. */
void scripted_fail_enter(struct scripted *s, int err, unsigned times);
/* enter() takes at most so many SQEs; UINT32_MAX for no limit. */
void scripted_take_at_most(struct scripted *s, unsigned limit);
/* Refuse to submit with -EBUSY while CQEs wait in the overflow list, as Linux
 * did before 5.19. */
void scripted_be_busy(struct scripted *s, bool busy);
void scripted_fail_attach(struct scripted *s, int err);

/*
 * Called when enter() is about to sleep until `deadline_ns`: a test acts here
 * "while the loop sleeps". True: the sleep is over, for this reason or none;
 * false: it goes on, unless a CQE or a wake has come meanwhile.
 */
typedef bool scripted_sleep_fn(struct scripted *s, uint64_t deadline_ns,
                               void *arg);
void scripted_on_sleep(struct scripted *s, scripted_sleep_fn *fn, void *arg);

/* Sleep for true, until another thread calls wake(); for tests with threads. */
void scripted_sleep_for_true(struct scripted *s);

uint64_t scripted_now(const struct scripted *s);
void scripted_advance(struct scripted *s, uint64_t ns);

/* ---- counts -------------------------------------------------------------- */

uint64_t scripted_enters(const struct scripted *s); /* calls, failed ones too */
uint64_t scripted_sleeps(const struct scripted *s); /* that began to sleep */
uint64_t scripted_slept_until(const struct scripted *s); /* last deadline */
uint64_t scripted_internals(const struct scripted *s);
uint64_t scripted_wake_count(struct scripted *s); /* any thread */
/* Would a host's poll() return? */
bool scripted_is_readable(struct scripted *s);

/* ---- routes and the side ------------------------------------------------- */

/* All opcodes have KERNEL_ROUTE_SQ but the private ones: SIDE if there is a
 * side, else REFUSED. */
void scripted_set_route(struct scripted *s, uint8_t opcode,
                        enum kernel_route route);
/* Give the kernel a co-processor with a CQ of its own. False without memory. */
bool scripted_add_side(struct scripted *s, unsigned cq_entries);
/* Let the next `times` requests to the side be refused. */
void scripted_fail_side(struct scripted *s, int err, unsigned times);
/* What try_now() gives; -EAGAIN unless told otherwise. */
void scripted_set_try(struct scripted *s, int32_t res);

#endif
