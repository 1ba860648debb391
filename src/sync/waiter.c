/* SPDX-License-Identifier: MIT */
/*
 * waiter.c - queues, claims, and the two ways to sleep: a task by its loop, a
 * plain thread by a futex
 */
#include "sync/waiter.h"

#include "kernel/thread.h"
#include "loop/loop.h"

void sync_init(gyre_sync_ *sync, unsigned flags)
{
    ASSERT_API((flags & ~(unsigned)SYNC_FLAGS) == 0,
               "the only flag is GYRE_LOCAL");
    *sync = (gyre_sync_){ .flags_ = flags };
}

void sync_destroy(gyre_sync_ *sync, const char *what)
{
    sync_lock(sync);
    if (UNLIKELY(sync->first_ != NULL || sync->flags_ >= SYNC_ONE_PASSED))
        panic("%s is destroyed while somebody waits for it", what);
    sync_unlock(sync);
}

/* ---- queue --------------------------------------------------------------- */

#define LOCAL_ELSEWHERE                                                        \
    "what was made with GYRE_LOCAL is for the tasks and callbacks of one "     \
    "loop; another engine's use it, too"

void waiter_enqueue(gyre_sync_ *sync, struct waiter *waiter, struct wait *wait)
{
    waiter->wait = wait;
    waiter->next = NULL;
    waiter->prev = sync->last_;
    ASSERT_API(waiter->prev == NULL || !sync_is_local(sync) ||
                   waiter->prev->wait->task->tasks == wait->task->tasks,
               LOCAL_ELSEWHERE);
    if (waiter->prev != NULL)
        waiter->prev->next = waiter;
    else
        sync->first_ = waiter;
    sync->last_ = waiter;
    waiter->queued = true;
}

static void waiter_dequeue(gyre_sync_ *sync, struct waiter *waiter)
{
    ASSERT(waiter->queued);
    if (waiter->prev != NULL)
        waiter->prev->next = waiter->next;
    else
        sync->first_ = waiter->next;
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    else
        sync->last_ = waiter->prev;
    waiter->queued = false;
}

/* Others read the flags meanwhile. */
static void passed_add(gyre_sync_ *sync, uint32_t change)
{
    __atomic_store_n(&sync->flags_, sync->flags_ + change, __ATOMIC_RELAXED);
}

void waiter_leave(gyre_sync_ *sync, struct waiter *waiter)
{
    if (waiter->queued) {
        waiter_dequeue(sync, waiter);
        return;
    }
    ASSERT(sync->flags_ >= SYNC_ONE_PASSED);
    passed_add(sync, -(uint32_t)SYNC_ONE_PASSED);
}

/* ---- claim --------------------------------------------------------------- */

/* From undecided to `outcome`; false: it is not undecided any more, *was. */
static inline bool wait_decide(struct wait *wait, int32_t outcome, int32_t *was)
{
    *was = WAIT_UNDECIDED;
    if (wait->local) {
        const gyre_loop *loop = wait->task->tasks->loop;

        ASSERT_API(loop_owner(loop) == loop_thread(), LOCAL_ELSEWHERE);
        *was = wait->outcome;
        if (*was == WAIT_UNDECIDED)
            wait->outcome = outcome;
        return *was == WAIT_UNDECIDED;
    }
    return __atomic_compare_exchange_n(&wait->outcome, was, outcome, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool wait_claim(struct wait *wait, int32_t outcome)
{
    int32_t was;

    ASSERT(outcome != WAIT_UNDECIDED && outcome != WAIT_HELD); /* I12 */
    while (!wait_decide(wait, outcome, &was)) {
        if (was != WAIT_HELD)
            return false;
        thread_yield();
    }
    return true;
}

bool waiter_claim(gyre_sync_ *sync, struct waiter *waiter)
{
    waiter_dequeue(sync, waiter);
    if (wait_claim(waiter->wait, (int32_t)waiter->index + 1))
        return true;
    passed_add(sync, SYNC_ONE_PASSED);
    return false;
}

struct waiter *sync_claim_first(gyre_sync_ *sync)
{
    struct waiter *waiter;

    while ((waiter = sync_first(sync)) != NULL && !waiter_claim(sync, waiter))
        ;
    return waiter;
}

bool wait_hold(struct wait *wait)
{
    int32_t was;

    return wait_decide(wait, WAIT_HELD, &was);
}

bool wait_is_held(const struct wait *wait)
{
    return __atomic_load_n(&wait->outcome, __ATOMIC_RELAXED) == WAIT_HELD;
}

static void held_set(struct wait *wait, int32_t outcome)
{
    ASSERT(wait_is_held(wait));
    __atomic_store_n(&wait->outcome, outcome, __ATOMIC_RELEASE);
}

void wait_let_go(struct wait *wait)
{
    held_set(wait, WAIT_UNDECIDED);
}

void waiter_claim_held(gyre_sync_ *sync, struct waiter *waiter)
{
    waiter_dequeue(sync, waiter);
    held_set(waiter->wait, (int32_t)waiter->index + 1);
}

/* ---- wake ---------------------------------------------------------------- */

void wait_wake(struct wait *wait)
{
    if (wait->task != NULL) {
        task_wake_from_anywhere(wait->task);
        return;
    }
    /* The frame may be gone as soon as the word is set: the futex call then
     * wakes, at worst, somebody else's sleeper without need. */
    __atomic_store_n(&wait->word, 1, __ATOMIC_RELEASE);
    thread_wake(&wait->word);
}

void wakes_add_all(struct wakes *wakes, gyre_sync_ *sync)
{
    struct waiter *waiter;

    while ((waiter = sync_claim_first(sync)) != NULL)
        wakes_add(wakes, waiter);
}

void wakes_run_all(struct wakes *wakes)
{
    struct waiter *waiter = wakes->first;

    while (waiter != NULL) {
        struct waiter *next = waiter->next;

        wait_wake(waiter->wait);
        waiter = next;
    }
    wakes->first = wakes->last = NULL;
}

/* ---- wait ---------------------------------------------------------------- */

void wait_check_thread(bool local)
{
    ASSERT_API(gyre_loop_current() == NULL,
               "this call may wait, which a callback of a loop must not: use "
               "the try_ form, or a task");
    ASSERT_API(!local,
               "what was made with GYRE_LOCAL is for the tasks of one loop; a "
               "plain thread cannot wait for it");
}

static void wait_cancel(gyre_task *task)
{
    if (wait_claim(task->waits_for, task_cancelled(task)))
        task_wake(task);
}

static void wait_overdue(gyre_timer *timer, int status)
{
    gyre_task *task = timer->user;

    ASSERT(status == 0);
    if (wait_claim(task->waits_for, -ETIMEDOUT))
        task_wake(task);
}

static void task_side(struct wait *wait, uint64_t deadline_ns,
                      const char *reason, const void *on)
{
    gyre_task *task = wait->task;
    gyre_timer timer;

    task->waits_for = wait;
    task->tasks->outside += !wait->local;
    if (deadline_ns != GYRE_NEVER) {
        gyre_timer_init(&timer, task->tasks->loop, wait_overdue, task);
        gyre_timer_start(&timer, deadline_ns);
    }
    task_wait(task, wait->shielded ? NULL : wait_cancel, reason, on);
    if (deadline_ns != GYRE_NEVER)
        gyre_timer_stop(&timer);
    task->tasks->outside -= !wait->local;
}

static void thread_side(struct wait *wait, uint64_t deadline_ns)
{
    while (__atomic_load_n(&wait->word, __ATOMIC_ACQUIRE) == 0) {
        if (thread_wait(&wait->word, 0, deadline_ns) != -ETIMEDOUT)
            continue;
        if (wait_claim(wait, -ETIMEDOUT))
            return;
        deadline_ns = GYRE_NEVER; /* claimed: the wake is on its way */
    }
}

int32_t wait_run(struct wait *wait, uint64_t deadline_ns, const char *reason,
                 const void *on)
{
    int32_t outcome;

    if (wait->task != NULL)
        task_side(wait, deadline_ns, reason, on);
    else
        thread_side(wait, deadline_ns);
    outcome = __atomic_load_n(&wait->outcome, __ATOMIC_ACQUIRE);
    ASSERT(outcome != WAIT_UNDECIDED && outcome != WAIT_HELD); /* I12 */
    return outcome;
}

bool wait_is_overdue(const struct wait *wait, uint64_t deadline_ns)
{
    uint64_t now;

    if (deadline_ns == GYRE_NEVER)
        return false;
    now = wait->task != NULL ? loop_clock(wait->task->tasks->loop)
                             : thread_clock();
    return deadline_ns <= now;
}

int wait_queued(gyre_sync_ *sync, struct waiter *waiter, struct wait *wait,
                uint64_t deadline_ns, const char *reason,
                void (*left)(gyre_sync_ *sync, struct wakes *wakes))
{
    struct wakes wakes = { 0 };
    int32_t outcome = wait_run(wait, deadline_ns, reason, sync);

    if (outcome > 0)
        return 0; /* the primitive may be gone */
    sync_lock(sync);
    waiter_leave(sync, waiter);
    if (left != NULL)
        left(sync, &wakes);
    sync_unlock(sync);
    wakes_run(&wakes);
    return outcome;
}

int wait_in_queue(gyre_sync_ *sync, struct waiter *waiter, struct wait *wait,
                  uint64_t deadline_ns, const char *reason,
                  void (*left)(gyre_sync_ *sync, struct wakes *wakes))
{
    struct wakes wakes = { 0 };

    if (wait_is_overdue(wait, deadline_ns)) {
        if (left != NULL)
            left(sync, &wakes);
        sync_unlock(sync);
        wakes_run(&wakes);
        return -ETIMEDOUT;
    }
    waiter_enqueue(sync, waiter, wait);
    sync_unlock(sync);
    return wait_queued(sync, waiter, wait, deadline_ns, reason, left);
}
