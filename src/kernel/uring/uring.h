/* SPDX-License-Identifier: MIT */
/*
 * uring.h - what the files of this kernel share
 *
 *   uring.c   open, attach, destroy, and the short calls
 *   enter.c   the one io_uring_enter of a turn
 *   grow.c    a CQ that becomes larger
 *   rewind.c  an SQ that begins at its first place each time
 *   wait.c    its wait with a deadline, or for several at a time
 *   limit.c   the limit of a wait, where Linux's own is not to be trusted
 *   sqpoll.c  the same, where a thread of Linux's submits
 *   spin.c    looking for a while before sleeping
 *   route.c   where a request goes: to Linux, or to the co-processor
 *   watch.c   the requests of its own: wakes, and the co-processor
 *   mail.c    CQEs that others send to it
 *   workers.c Linux's threads: workers.h
 *   wanted.c  what a program asks of the ring: wanted.h
 *   restrict.c, filter.c  what the ring may be asked for
 *   host.c    the descriptor by which another loop can wait for this one
 *
 * Requests of its own ("watches") are multishot polls on descriptors that
 * another party makes readable, and a timeout. They carry KERNEL_TAG_INTERNAL,
 * so that the loop hands their CQEs back unseen, and they cost no system call
 * while they last: a poll that ended is armed again by the next enter().
 */
#ifndef KERNEL_URING_URING_H
#define KERNEL_URING_URING_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/assert.h"
#include "kernel/kernel.h"
#include "kernel/post.h"
#include "ring/ring.h"
#include "ring/syscalls.h"

enum uring_watch {
    URING_WATCH_WAKE,  /* wake() wrote to wake_fd */
    URING_WATCH_SIDE,  /* the co-processor has results */
    URING_WATCH_LIMIT, /* a wait has lasted long enough; armed by limit.c */
    URING_WATCHES,
};

enum watch_state {
    WATCH_OFF,
    WATCH_WANTED, /* enter() is to arm it */
    WATCH_ARMED,
};

struct uring {
    struct kernel kernel;
    struct ring ring;
    struct ring polled; /* see polled.h; closed if there is none */
    struct kernel_options options;
    unsigned register_opcodes; /* of io_uring_register(2), that Linux knows */

    const void *owner; /* identifies the thread; NULL before attach() */
    int enter_fd;      /* the ring's descriptor, or its index if registered */
    unsigned enter_flags; /* of each io_uring_enter */
    bool patient;         /* wait elsewhere: see enter_patiently() */
    bool rewinds;         /* the SQ: see rewind.c, also for the next two */
    _Atomic uint32_t rewind_head;
    _Atomic uint32_t rewind_tail;
    bool batches;                    /* min_wait_us is set: see wait.c */
    uint32_t batch_head;             /* of the CQ, when it was entered last */
    struct io_uring_reg_wait *waits; /* a page that Linux knows, or NULL */

    bool limits;       /* waits end by URING_WATCH_LIMIT */
    uint64_t limit_ns; /* when that fires, if it is armed */

    int wake_fd;         /* eventfd; written by any thread, never read */
    bool settles;        /* one of the next two is there */
    bool event_async;    /* the next is told of what workers did, only */
    int event_fd;        /* the program's: a duplicate, or -1 */
    uint32_t event_tail; /* of the CQ, when it was last known to be told */
    atomic_int host_fd;  /* eventfd that Linux signals for each CQE, or -1 */
    struct kernel *side; /* the co-processor, or NULL until it is needed */
    _Atomic(struct kernel *) seen_side; /* the same, for other threads */

    uint64_t spin_ns; /* how long the next wait begins with looking */

    enum watch_state watch[URING_WATCHES];

    struct post_box mail; /* CQEs that Linux could not be given */

    struct ring_opcodes opcodes; /* what this Linux has, less what is masked */
    bool reads_again;            /* READ_MULTISHOT is done by one READ each */
};

static inline struct uring *uring_of(struct kernel *kernel)
{
    return CONTAINER_OF(kernel, struct uring, kernel);
}

/* Is the calling thread the owner? */
/* Its address is a name for the thread. Each enter asks for it, so without the
 * call that the general model of thread-local storage is. */
extern _Thread_local char uring_thread
    __attribute__((tls_model("initial-exec")));

static inline bool uring_is_owner(const struct uring *uring)
{
    return uring->owner == &uring_thread;
}

int uring_enter(struct kernel *kernel, unsigned submit, unsigned want,
                uint64_t deadline_ns);
uint64_t uring_now_ns(struct kernel *kernel);

/* For options of the ring: its SQ is one that Linux rewinds. */
void uring_rewind_begin(struct uring *uring);
int uring_enter_rewinding(struct uring *uring, unsigned submit, unsigned want,
                          unsigned flags, const void *argument, size_t size);

/* Each io_uring_enter of this ring that submits is this one. */
static inline int uring_sys_enter(struct uring *uring, unsigned submit,
                                  unsigned want, unsigned flags,
                                  const void *argument, size_t size)
{
    if (UNLIKELY(uring->rewinds))
        return uring_enter_rewinding(uring, submit, want, flags, argument,
                                     size);
    return ring_sys_enter(uring->enter_fd, submit, want, flags, argument, size);
}

/* Submit, and wait for `want` CQEs until the deadline, which may be FOREVER. */
int uring_enter_until(struct uring *uring, unsigned submit, unsigned want,
                      uint64_t deadline_ns);
/* For options of the ring: can it grow? 0 or a negative errno. */
int uring_grow_try(struct uring *uring);
uint64_t uring_grow(struct kernel *kernel, uint64_t wanted);

/* For options of the ring: the wait's arguments in a page that Linux knows. */
int uring_waits_register(struct uring *uring);
void uring_waits_free(struct uring *uring);

/* Submit, and wait for `want` CQEs of Linux's until a deadline that is kept by
 * a request. As enter(). */
int uring_enter_limited(struct uring *uring, unsigned submit, unsigned want,
                        uint64_t deadline_ns);

/* io_uring_enter without a limit; `want` 0 does not wait. */
int uring_enter_plain(struct uring *uring, unsigned submit, unsigned want);

/* A watch's user_data. */
uint64_t uring_watch_user_data(unsigned watch);
/* What of it is the system call itself. */
int uring_enter_linux(struct uring *uring, unsigned submit, unsigned want,
                      uint64_t deadline_ns);

/* An enter with all that may come with it; `want` counts what the CQ holds. */
int uring_enter_now(struct uring *uring, unsigned submit, unsigned want,
                    uint64_t deadline_ns);
/* The same, with a look at the queues before it sleeps. */
int uring_spin(struct uring *uring, unsigned submit, unsigned want,
               uint64_t deadline_ns);

/* Submit one request of our own: 0, or a negative errno and it never was. The
 * SQ must be empty, unless kernel.sq_thread. */
int uring_submit_own(struct uring *uring, const struct io_uring_sqe *sqe);

/* All where kernel.sq_thread is; the third until it has taken what is
 * published: 0 or a negative errno; the last from any thread. */
int sqpoll_enter(struct uring *uring, unsigned submit, unsigned want,
                 uint64_t deadline_ns);
int sqpoll_submit_own(struct uring *uring, const struct io_uring_sqe *sqe);
int sqpoll_await_taken(struct uring *uring);
int sqpoll_submit_for(struct uring *uring, unsigned submit);

/* Of an enter() that made two calls: what the second one says once only, it
 * must not keep for itself. */
static inline int uring_taken_or(int taken, int err)
{
    bool once = err == -EBADR || err == -EOWNERDEAD;

    return taken > 0 && !once ? taken : err;
}

static inline bool uring_is_hosted(const struct uring *uring)
{
    return atomic_load_explicit(&uring->host_fd, memory_order_relaxed) >= 0;
}

/* Fill kernel->route. */
void uring_fill_routes(struct uring *uring);
bool uring_registers_beside(const struct uring *uring, unsigned opcode);
bool uring_lacks_of_group(const struct uring *uring,
                          const struct io_uring_buf_reg *reg);
enum kernel_route uring_look(struct kernel *kernel, struct io_uring_sqe *sqe);
bool uring_side_has(struct kernel *kernel, const struct io_uring_sqe *sqe);

/* kernel_class.restrict_to */
int uring_restrict(struct kernel *kernel,
                   const struct restriction *restriction);

/* An eventfd, or a negative errno. */
int uring_eventfd(void);
void uring_eventfd_signal(int fd);

void uring_wake(struct kernel *kernel);
int uring_post(struct kernel *kernel, uint64_t user_data, int32_t res,
               uint32_t flags);
int uring_give(struct kernel *kernel, const void *from, int fd, uint32_t index,
               uint64_t user_data);
/* Move what is in the box to the co-processor's CQ. */
void uring_mail_collect(struct uring *uring);
int uring_pollable_fd(struct kernel *kernel);

/* IORING_(UN)REGISTER_EVENTFD(_ASYNC) for the program. */
int uring_event_register(struct uring *uring, unsigned opcode, const int *fd,
                         unsigned count);

/* After Linux has been entered: make the host's descriptor unreadable, unless
 * there is more to do, and tell the program's of what Linux may not have. */
void uring_host_settle(struct uring *uring);

/* Make the co-processor and watch it. 0 or a negative errno. */
int uring_side_open(struct uring *uring);

/* Arm the watches that are wanted; the SQ as above. 0 or an errno: those
 * that are left will be tried again. */
int uring_watch_arm(struct uring *uring);
static inline bool uring_watch_is_wanted(const struct uring *uring)
{
    static_assert(URING_WATCHES == 3, "all that are polls are looked at");
    return uring->watch[URING_WATCH_WAKE] == WATCH_WANTED ||
           uring->watch[URING_WATCH_SIDE] == WATCH_WANTED;
}

/* The ring has another thread: watches that are the one's before end, and are
 * armed anew. */
void uring_watch_move(struct uring *uring);

/* A watch's CQE. */
void uring_watch_event(struct uring *uring, const struct io_uring_cqe *cqe);

/* Cancel all watches and wait until Linux has let go of them. */
void uring_watch_stop(struct uring *uring);

#endif
