/* SPDX-License-Identifier: MIT */
/*
 * wake.c - ready work, and what other threads may do to a loop
 *
 * Two stacks take what other threads hand over, work and ops; the loop takes a
 * whole stack with one exchange and turns it round, so each thread's order is
 * kept. Nodes are never popped one by one, so there is no ABA.
 *
 * Orderings. A push is a compare-exchange with release, the take an exchange
 * with acquire: what the poster wrote into a node is seen by the loop.
 *
 * No lost wake (I6). The loop:   sleeping = true;   then looks at the stacks.
 * A poster:                      pushes;            then looks at sleeping.
 * All four are sequentially consistent, so one of the two sees the other (the
 * pattern of Dekker): either the loop finds the work and does not sleep, or the
 * poster finds `sleeping` and wakes the kernel, whose wake() is remembered if
 * the loop has not entered yet. Posters swap `sleeping` to false, so that of
 * many one makes the system call, and none while the loop is awake. `woken` and
 * `stop` are handed over as the stacks are: stored, and taken by an exchange.
 *
 * tests/model/test_wake.c is the model of this file.
 */
#include "kernel/thread.h"
#include "loop/loop.h"

/* The word of wake reasons: completions 0-23, I/O 24-43, tasks 44-63. Posts and
 * ops that were handed over are not in it: the loop counts what it takes. */
#define COMPLETION_SHIFT 0
#define COMPLETION_MAX ((UINT64_C(1) << 24) - 1)
#define IO_SHIFT 24
#define TASK_SHIFT 44
#define REASON_MAX ((UINT64_C(1) << 20) - 1)

unsigned loop_run_ready(gyre_loop *loop, unsigned limit)
{
    gyre_work *work;

    loop->ready_left = limit;
    /* One piece in each turn, however much there is to do here, and all that
     * phase one has room for. */
    if (UNLIKELY(loop->company != NULL))
        loop->company->more(loop, true);
    do {
        while ((work = loop_take_ready(loop)) != NULL)
            work->run_(work);
    } while (UNLIKELY(loop->company != NULL) && loop->ready_left > 0 &&
             loop->company->more(loop, false));
    return limit - loop->ready_left;
}

/* `*count` goes up by one for each. */
static gyre_work *reverse_work(gyre_work *newest, uint64_t *count)
{
    gyre_work *oldest = NULL;

    for (; newest != NULL; ++*count) {
        gyre_work *next = newest->next_;

        newest->next_ = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static gyre_op *reverse_ops(gyre_op *newest, uint64_t *count)
{
    gyre_op *oldest = NULL;

    for (; newest != NULL; ++*count) {
        gyre_op *next = newest->next_;

        newest->next_ = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void loop_take_posted(gyre_loop *loop)
{
    if (atomic_load_explicit(&loop->posted, memory_order_relaxed) != NULL) {
        gyre_work *work = reverse_work(
            atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire),
            &loop->work_taken);

        while (work != NULL) {
            gyre_work *next = work->next_;

            loop_make_ready(loop, work);
            work = next;
        }
    }
    if (atomic_load_explicit(&loop->remote_ops, memory_order_relaxed) != NULL) {
        gyre_op *op =
            reverse_ops(atomic_exchange_explicit(&loop->remote_ops, NULL,
                                                 memory_order_acquire),
                        &loop->ops_taken);

        while (op != NULL) {
            gyre_op *next = op->next_;

            loop_enqueue(loop, op);
            op = next;
        }
    }
}

void loop_forget_work(gyre_loop *loop, gyre_work *work)
{
    gyre_work *before = NULL;

    loop_take_posted(loop);
    for (gyre_work *at = loop->ready_first; at != NULL; at = at->next_) {
        if (at != work) {
            before = at;
            continue;
        }
        if (before != NULL)
            before->next_ = work->next_;
        else
            loop->ready_first = work->next_;
        if (loop->ready_last == work)
            loop->ready_last = before;
        counter_sub(&loop->ready, 1);
        return;
    }
}

bool loop_has_posted(gyre_loop *loop)
{
    return atomic_load(&loop->posted) != NULL ||
           atomic_load(&loop->remote_ops) != NULL || atomic_load(&loop->stop) ||
           atomic_load(&loop->woken);
}

bool loop_may_sleep(gyre_loop *loop)
{
    /* I6 */
    ASSERT(loop->ready_first == NULL &&
           (loop->backlog.first == NULL || loop->entry.starved ||
            !loop_may_fly(loop) || loop->backlog_waits));
    if (loop->company != NULL && loop->company->idle(loop))
        return false;
    atomic_store(&loop->sleeping, true);
    if (!loop_has_posted(loop))
        return true;
    loop_slept(loop);
    return false;
}

void loop_slept(gyre_loop *loop)
{
    atomic_store_explicit(&loop->sleeping, false, memory_order_relaxed);
    if (loop->company != NULL)
        loop->company->awake(loop);
    /* A bare wake is answered by this turn, and lets run-once return. So is
     * that of who stored `true` meanwhile: what came before it is acquired. */
    if (atomic_load_explicit(&loop->woken, memory_order_relaxed)) {
        (void)atomic_exchange_explicit(&loop->woken, false,
                                       memory_order_acquire);
        loop->called++;
    }
}

/* ---- any thread ---------------------------------------------------------- */

static uint64_t field_add(uint64_t word, unsigned shift, uint64_t max,
                          uint32_t count)
{
    uint64_t field = word >> shift & max;
    uint64_t sum = field + count > max ? max : field + count;

    return (word & ~(max << shift)) | sum << shift;
}

static void wake_count(gyre_loop *loop, gyre_wake_reason reason, uint32_t count)
{
    unsigned shift = reason == GYRE_WAKE_TASK ? TASK_SHIFT
                     : reason == GYRE_WAKE_IO ? IO_SHIFT
                                              : COMPLETION_SHIFT;
    uint64_t max = reason == GYRE_WAKE_COMPLETION ? COMPLETION_MAX : REASON_MAX;
    uint64_t word =
        atomic_load_explicit(&loop->wake_word, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(
        &loop->wake_word, &word, field_add(word, shift, max, count),
        memory_order_relaxed, memory_order_relaxed))
        ;
}

/* What a call sets off (work runs, a run stops) may be the reason for the loop
 * to be destroyed before the call has returned. So each says when it is done
 * with the loop, and the end waits for that. */
static inline void caller_enters(gyre_loop *loop)
{
    atomic_fetch_add_explicit(&loop->callers, 1, memory_order_relaxed);
}

static inline void caller_leaves(gyre_loop *loop)
{
    atomic_fetch_sub_explicit(&loop->callers, 1, memory_order_release);
}

/* They are a few instructions from their end, or in a write() that does not
 * block. But whom it woke may have taken the processor from its caller, and be
 * who waits here: it gives the processor back. */
void loop_await_callers(gyre_loop *loop)
{
    while (atomic_load(&loop->callers) != 0)
        thread_yield();
}

static void loop_rouse(gyre_loop *loop)
{
    if (!atomic_load(&loop->sleeping) ||
        !atomic_exchange(&loop->sleeping, false))
        return;
    atomic_fetch_add_explicit(&loop->wakes, 1, memory_order_relaxed);
    loop->kernel->class->wake(loop->kernel);
}

void gyre_loop_post(gyre_loop *loop, gyre_work *work,
                    void (*run)(gyre_work *work))
{
    gyre_work *newest =
        atomic_load_explicit(&loop->posted, memory_order_relaxed);

    ASSERT_API(run != NULL, "posted work needs a function");
    work->run_ = run;
    caller_enters(loop);
    do
        work->next_ = newest;
    while (!atomic_compare_exchange_weak(&loop->posted, &newest, work));
    loop_rouse(loop);
    caller_leaves(loop);
}

/*
 * Who offers:     callers++;          then looks at `refuses`.
 * The loop:       refuses = true;     then looks at callers.
 * All four are sequentially consistent, so one of the two sees the other: the
 * offer is refused, or the loop waits until it lies among what was posted.
 */
bool loop_offer(gyre_loop *loop, gyre_work *work, void (*run)(gyre_work *work))
{
    bool refused;

    atomic_fetch_add(&loop->callers, 1);
    refused = atomic_load(&loop->refuses);
    if (!refused)
        gyre_loop_post(loop, work, run);
    caller_leaves(loop);
    return !refused;
}

void loop_refuse_offers(gyre_loop *loop)
{
    atomic_store(&loop->refuses, true);
    loop_await_callers(loop);
}

void gyre_op_start_remote(gyre_loop *loop, gyre_op *op, gyre_op_fn *done,
                          void *user)
{
    gyre_op *newest =
        atomic_load_explicit(&loop->remote_ops, memory_order_relaxed);

    op->done_ = done;
    op->user = user;
    caller_enters(loop);
    if (UNLIKELY(loop->share != NULL) && share_start(loop, op)) {
        caller_leaves(loop);
        return;
    }
    do
        op->next_ = newest;
    while (!atomic_compare_exchange_weak(&loop->remote_ops, &newest, op));
    loop_rouse(loop);
    caller_leaves(loop);
}

void gyre_loop_wake(gyre_loop *loop, gyre_wake_reason reason, uint32_t count)
{
    caller_enters(loop);
    wake_count(loop, reason, count);
    atomic_store(&loop->woken, true);
    loop_rouse(loop);
    caller_leaves(loop);
}

void gyre_loop_stop(gyre_loop *loop)
{
    caller_enters(loop);
    atomic_store(&loop->stop, true);
    loop_rouse(loop);
    caller_leaves(loop);
}

static uint32_t wakes_of(uint64_t field, uint64_t *taken, uint64_t max)
{
    uint64_t sum = field + *taken;

    *taken = 0;
    return (uint32_t)(sum > max ? max : sum);
}

gyre_wake_counts gyre_loop_take_wakes(gyre_loop *loop)
{
    uint64_t word;

    loop_assert_owner(loop);
    if (!loop->closing)
        loop_take_posted(loop); /* what was handed over is counted there */
    word = atomic_exchange_explicit(&loop->wake_word, 0, memory_order_relaxed);
    return (gyre_wake_counts){
        .tasks = wakes_of(word >> TASK_SHIFT & REASON_MAX, &loop->work_taken,
                          REASON_MAX),
        .io = wakes_of(word >> IO_SHIFT & REASON_MAX, &loop->ops_taken,
                       REASON_MAX),
        .completions = wakes_of(word >> COMPLETION_SHIFT & COMPLETION_MAX,
                                &loop->completions_untaken, COMPLETION_MAX),
    };
}
