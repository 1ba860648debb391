/* SPDX-License-Identifier: MIT */
/*
 * turn.c - one enter: take requests, wait, collect
 *
 *   flush what had overflown -> start new requests -> look at epoll, the
 *   pool's results and the wheel; sleep in epoll if there is too little
 *
 * All sleeping is done in one epoll_wait(), until the caller's deadline or the
 * first timeout's, whichever is earlier. That moment comes by a timer in the
 * epoll: the wait's own limit would be late by the thread's timer slack, 50 us
 * and more. The sleep ends also for the eventfd, which is rung by wakes and by
 * the pool. Both are registered edge-triggered and never read, so a ring costs
 * its reader nothing but the event.
 *
 * A wake sets a flag and rings only if the flag was clear; a turn that finds it
 * set clears it and does not sleep. The order (flag, then ring; flag looked at,
 * then sleep) loses no wake, and may give one return too many.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "kernel/emu/emu.h"
#include "kernel/emu/internal.h"
#include "kernel/emu/waiter.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* The address of a thread-local variable is a name for the thread. */
static _Thread_local char this_thread;

void turn_own(struct emu *emu)
{
    if (emu->owner == NULL)
        emu->owner = &this_thread;
    ASSERT_API(emu->owner == &this_thread,
               "a kernel belongs to the thread that attached it");
}

static bool turn_take_wake(struct emu *emu)
{
    return atomic_load_explicit(&emu->woken, memory_order_relaxed) &&
           atomic_exchange_explicit(&emu->woken, false, memory_order_acquire);
}

static const unsigned links = IOSQE_IO_LINK | IOSQE_IO_HARDLINK;

/* How many SQEs, of `count` from `head` on, the chain that begins there has. */
static unsigned turn_chain_length(const struct sq *sq, uint32_t head,
                                  unsigned count)
{
    unsigned length = 1;

    while (length < count &&
           (sq->sqes[(head + length - 1) & sq->mask].flags & links) != 0)
        length++;
    return length;
}

/* Take SQEs: how many; or -ENOMEM if there was no memory for the first. A chain
 * is taken whole. */
static int turn_submit(struct emu *emu, unsigned submit)
{
    struct sq *sq = &emu->kernel.sq;
    uint32_t head = atomic_load_explicit(sq->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(sq->tail, memory_order_acquire);
    unsigned taken = 0;

    ASSERT(tail - head <= sq->entries);
    while (taken < submit && head != tail) {
        const struct io_uring_sqe *sqe = &sq->sqes[head & sq->mask];
        struct request *r;

        if (UNLIKELY((sqe->flags & links) != 0) && emu->chain_first == NULL) {
            unsigned length = turn_chain_length(sq, head, submit - taken);

            if (length > 1 && !request_reserve(emu, length))
                return taken != 0 ? (int)taken : -ENOMEM;
        }
        r = request_new(emu, sqe);
        if (r != NULL)
            chain_take(emu, r);
        else if (!request_post_refusal(emu, sqe->user_data, -ENOMEM))
            return taken != 0 ? (int)taken : -ENOMEM;
        head++;
        taken++;
        atomic_store_explicit(sq->head, head, memory_order_release);
    }
    return (int)taken;
}

/* A timer in the epoll, edge-triggered and never read. Or a negative errno. */
int turn_timer_open(struct emu *emu, clockid_t clock, uint64_t key)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = key };
    int fd = emu_move(
        emu, emu_result(timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK)));
    int error;

    if (fd < 0)
        return fd;
    error = emu_result(epoll_ctl(emu->epoll_fd, EPOLL_CTL_ADD, fd, &event));
    if (error == 0)
        return fd;
    close(fd);
    return error;
}

/* Set a timer to a point in time; WHEEL_NEVER disarms it. */
void turn_timer_set(int fd, uint64_t ns)
{
    struct itimerspec at = { 0 };

    if (ns != WHEEL_NEVER) {
        ns = ns == 0 ? 1 : ns; /* zero would mean disarmed */
        at.it_value.tv_sec = (time_t)(ns / NS_PER_S);
        at.it_value.tv_nsec = (long)(ns % NS_PER_S);
    }
    (void)timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/*
 * Let the epoll wake us at `until_ns`, or earlier. A timer that is armed for an
 * earlier moment, as often when deadlines only move on, is left alone: one
 * return too many costs less than a system call for each sleep. False: there
 * is no timer to be had.
 */
static bool turn_sleep_until(struct emu *emu, uint64_t now_ns,
                             uint64_t until_ns)
{
    if (emu->sleep_fd < 0) {
        emu->sleep_fd = turn_timer_open(emu, CLOCK_MONOTONIC, EMU_KEY_SLEEP);
        if (emu->sleep_fd < 0) {
            emu->sleep_fd = -1;
            return false;
        }
    }
    if (emu->sleep_ns > now_ns && emu->sleep_ns <= until_ns)
        return true;
    turn_timer_set(emu->sleep_fd, until_ns);
    emu->sleep_ns = until_ns;
    return true;
}

/* Sleep until an event or `until_ns`: the number of events, or an error. */
static int turn_epoll(struct emu *emu, uint64_t until_ns)
{
    uint64_t now_ns = until_ns == KERNEL_NO_WAIT ? 0 : emu_now_ns();
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    uint64_t ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
    int timeout = -1;

    if (wait_ns == 0)
        timeout = 0;
    else if (until_ns != KERNEL_FOREVER &&
             !turn_sleep_until(emu, now_ns, until_ns))
        timeout = ms >= INT_MAX ? INT_MAX : (int)ms;
    return emu_result(
        epoll_wait(emu->epoll_fd, emu->ready, EMU_EVENTS, timeout));
}

/* Some calls of Linux's ring fail without failing the request; but not for want
 * of a file. */
static bool turn_is_harmless(const struct request *r)
{
    return r->op->harmless && (r->result != -EBADF || r->op->no_file ||
                               fcntl(r->sqe.fd, F_GETFD) >= 0);
}

static void turn_pool_results(struct emu *emu)
{
    const struct cq *cq = &emu->kernel.cq;
    uint32_t tail = atomic_load_explicit(cq->tail, memory_order_relaxed);
    struct blocking_job *job, *next;

    for (job = blocking_take_done(&emu->pool); job != NULL; job = next) {
        struct request *r = CONTAINER_OF(job, struct request, job);
        enum direction direction = request_direction(r);
        bool serial = r->serial;
        int fd = request_awaited(r);

        next = job->next;
        ASSERT(r->place == EMU_POOLED && emu->pooled > 0);
        emu->pooled--;
        r->place = EMU_NEW;
        if (serial)
            wait_release(emu, r);
        r->harmless = turn_is_harmless(r);
        if (r->op->any_result)
            request_complete(emu, r, r->result);
        else
            request_settle(emu, r,
                           request_goes_on(emu, r, &r->result) ? EMU_WAIT
                                                               : r->result);
        if (serial)
            wait_resume(emu, fd, direction);
    }
    emu->cq_event.threaded |=
        atomic_load_explicit(cq->tail, memory_order_relaxed) != tail;
}

/* Sleep until an event or `until_ns`, and serve who waited for what is ready:
 * the number of events, or an error. */
static int turn_serve(struct emu *emu, uint64_t until_ns)
{
    int count = turn_epoll(emu, until_ns);

    emu->events_at_once = count;
    for (int i = 0; i < count; i++) {
        if (emu->ready[i].data.u64 < EMU_KEYS_OWN)
            wait_event(emu, &emu->ready[i]);
        else if (emu->ready[i].data.u64 == EMU_KEY_POLLS)
            multipoll_serve(emu);
        else
            clock_rang(emu, emu->ready[i].data.u64);
    }
    return count;
}

/*
 * After a look that found as much as it could: look again. Requests with many
 * results may find something for ever, so when half of the CQ is full the
 * caller has its turn; who polls us is told that there is more.
 */
static void turn_serve_rest(struct emu *emu)
{
    const struct cq *cq = &emu->kernel.cq;
    int more = EMU_EVENTS;

    while (more == EMU_EVENTS && cq_ready(cq) <= cq->entries / 2)
        more = turn_serve(emu, KERNEL_NO_WAIT);
    if (more == EMU_EVENTS && emu->timer_fd >= 0)
        emu_signal(emu->event_fd);
}

/* Collect all that has finished, after a sleep until `until_ns`. */
int turn_collect(struct emu *emu, uint64_t until_ns)
{
    int count = 0;

    /* Nothing can be ready if nobody waits; but somebody who polls us wants
     * the descriptor quiet. He is told of what becomes ready, not of what is
     * left, so nothing may be that he is not told of. */
    if (until_ns != KERNEL_NO_WAIT || emu->waiting > 0 || emu->pooled > 0 ||
        emu->polling > 0 || emu->asleep > 0 || emu->timer_fd >= 0) {
        count = turn_serve(emu, until_ns);
        if (count == EMU_EVENTS)
            turn_serve_rest(emu);
    }
    if (emu->pooled > 0)
        turn_pool_results(emu);
    if (UNLIKELY(emu->asleep > 0))
        waiter_results(emu);
    if (UNLIKELY(mail_has_come(emu)))
        mail_collect(emu);
    timeout_run(emu);
    chain_run(emu);
    return count < 0 ? count : 0;
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static int turn_wait(struct emu *emu, unsigned want, uint64_t deadline_ns)
{
    struct cq *cq = &emu->kernel.cq;
    bool woken = turn_take_wake(emu);

    if (want > cq->entries)
        want = cq->entries;
    for (;;) {
        bool sleep = !woken && deadline_ns != KERNEL_NO_WAIT &&
                     cq_ready(cq) < want;
        uint64_t until_ns = sleep ? earlier(deadline_ns, timeout_next_ns(emu))
                                  : KERNEL_NO_WAIT;
        int error = turn_collect(emu, until_ns);

        emu->kernel.slept |= sleep;
        if (error != 0 || !sleep)
            return error;
        if (cq_ready(cq) >= want || turn_take_wake(emu))
            return 0;
        if (deadline_ns != KERNEL_FOREVER && emu_now_ns() >= deadline_ns)
            return -ETIME;
    }
}

/* Let the pollable descriptor tell of the first timeout, and of results that
 * wait for room in the CQ. */
void turn_arm_timer(struct emu *emu)
{
    uint64_t next_ns;

    if (emu->timer_fd < 0)
        return;
    if (!list_is_empty(&emu->overflow))
        emu_signal(emu->event_fd);
    next_ns = timeout_next_ns(emu);
    if (next_ns == emu->timer_ns)
        return;
    emu->timer_ns = next_ns;
    turn_timer_set(emu->timer_fd, next_ns);
}

int turn_enter(struct kernel *kernel, unsigned submit, unsigned want,
               uint64_t deadline_ns)
{
    struct emu *emu = emu_of(kernel);
    int saved = errno;
    int taken, error;

    turn_own(emu);
    request_flush(emu);
    taken = turn_submit(emu, submit);
    chain_close(emu);
    chain_run(emu);
    error = turn_wait(emu, want, taken < 0 ? KERNEL_NO_WAIT : deadline_ns);
    turn_arm_timer(emu);
    event_tell(emu);
    errno = saved;
    return taken != 0 ? taken : error;
}

int emu_submit(struct kernel *kernel, const struct io_uring_sqe *sqes,
               unsigned count)
{
    struct emu *emu = emu_of(kernel);
    int saved = errno;

    turn_own(emu);
    request_flush(emu);
    if (!request_reserve(emu, count))
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        chain_take(emu, request_new(emu, &sqes[i]));
    chain_close(emu);
    chain_run(emu);
    turn_arm_timer(emu);
    event_tell(emu);
    errno = saved;
    return 0;
}

void emu_progress(struct kernel *kernel)
{
    struct emu *emu = emu_of(kernel);
    int saved = errno;

    turn_own(emu);
    request_flush(emu);
    (void)turn_take_wake(emu);
    (void)turn_collect(emu, KERNEL_NO_WAIT);
    turn_arm_timer(emu);
    event_tell(emu);
    errno = saved;
}
