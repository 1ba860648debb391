/* SPDX-License-Identifier: MIT */
/*
 * wake.c - ready work, and what other threads may do to a loop
 *
 * All that they have to say is one word, `given`: the newest of a stack of work
 * and ops, that the loop was woken, that it is to stop; or, while it has
 * nothing of these, that the loop sleeps (loop.h). Whoever changes it does so
 * by a read-modify-write, so there is one order of all changes. The loop takes
 * the whole stack at once and turns it round, so each thread's order is kept.
 * Nodes are never popped one by one, so there is no ABA.
 *
 * Orderings. A change from elsewhere is a release, what the loop takes by is an
 * acquire: what the poster wrote into a node, or the waker anywhere, is seen.
 * (Pushes and loop_has_posted() are sequentially consistent: engine/end.c looks
 * at the words of several loops.)
 *
 * No lost wake (I6). The loop says that it sleeps by a compare-exchange from 0,
 * which fails when anything was given. Whatever is given later takes the place
 * of that word, so exactly one finds that it has taken the sleep away, and it
 * wakes the kernel, whose wake() is remembered if the loop has not entered yet.
 * So of many one makes the system call, and none while the loop is awake.
 *
 * The end. What a call sets off (work runs, a run stops) may be the reason for
 * the loop to be destroyed before the call has returned. Its change of the word
 * is the last that a call does to the loop, but for the one that has taken a
 * sleep away: it wakes the kernel, and then counts itself in `roused`. The loop
 * finds, when it takes back its word, that it was taken, and counts that; its
 * end waits until both are equal.
 *
 * The loop's own side of a sleep is in sleep.h. tests/model/test_wake.c is the
 * model of both.
 */
#include "kernel/thread.h"
#include "loop/sleep.h"

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

/* ---- what was given ------------------------------------------------------ */

static gyre_op *given_op(uintptr_t node)
{
    return (gyre_op *)(node - GIVEN_OP);
}

static uintptr_t given_next(uintptr_t node)
{
    return (node & GIVEN_OP) != 0 ? (uintptr_t)given_op(node)->next_
                                  : (uintptr_t)((gyre_work *)node)->next_;
}

static void given_link(uintptr_t node, uintptr_t next)
{
    if ((node & GIVEN_OP) != 0)
        given_op(node)->next_ = (gyre_op *)next;
    else
        ((gyre_work *)node)->next_ = (gyre_work *)next;
}

static uintptr_t given_reverse(uintptr_t newest)
{
    uintptr_t oldest = 0;

    while (given_any(newest)) {
        uintptr_t next = given_next(newest);

        given_link(newest, oldest);
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void loop_take_posted(gyre_loop *loop)
{
    uintptr_t node;

    if (!loop_was_given(loop))
        return;
    node = atomic_fetch_and_explicit(&loop->given, GIVEN_WORDS,
                                     memory_order_acquire);
    node = given_reverse(node & ~GIVEN_WORDS);
    while (node != 0) {
        uintptr_t next = given_next(node);

        if ((node & GIVEN_OP) != 0) {
            loop_enqueue(loop, given_op(node));
            loop->ops_taken++;
        } else {
            loop_make_ready(loop, (gyre_work *)node);
            loop->work_taken++;
        }
        node = next;
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
    uintptr_t given = atomic_load(&loop->given);

    return given != 0 && given != GIVEN_SLEEP;
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

/* Who has taken the sleep away. */
static __attribute__((noinline)) void rouse(gyre_loop *loop)
{
    atomic_fetch_add_explicit(&loop->wakes, 1, memory_order_relaxed);
    loop->kernel->class->wake(loop->kernel);
    atomic_fetch_add_explicit(&loop->roused, 1, memory_order_release);
}

static inline void give_word(gyre_loop *loop, uintptr_t word)
{
    uintptr_t before = atomic_load_explicit(&loop->given, memory_order_relaxed);

    while (!atomic_compare_exchange_weak(
        &loop->given, &before, before == GIVEN_SLEEP ? word : before | word))
        ;
    if (before == GIVEN_SLEEP)
        rouse(loop);
}

void gyre_loop_post(gyre_loop *loop, gyre_work *work,
                    void (*run)(gyre_work *work))
{
    uintptr_t before = atomic_load_explicit(&loop->given, memory_order_relaxed);

    ASSERT_API(run != NULL, "posted work needs a function");
    work->run_ = run;
    do
        work->next_ = (gyre_work *)(before & ~GIVEN_WORDS);
    while (!atomic_compare_exchange_weak(
        &loop->given, &before, (uintptr_t)work | (before & GIVEN_WORDS)));
    if (UNLIKELY(before == GIVEN_SLEEP))
        rouse(loop);
}

static inline void caller_enters(gyre_loop *loop)
{
    atomic_fetch_add(&loop->callers, 1);
}

static inline void caller_leaves(gyre_loop *loop)
{
    atomic_fetch_sub_explicit(&loop->callers, 1, memory_order_release);
}

/* They are a few instructions from their end. But whom they woke may have taken
 * the processor from them, and be who waits here: it gives the processor back.
 */
static void await_callers(gyre_loop *loop)
{
    while (atomic_load(&loop->callers) != 0)
        thread_yield();
}

void loop_await_calls(gyre_loop *loop)
{
    loop_take_back(loop);
    await_callers(loop);
    /* It is in a write() that does not block. */
    while (atomic_load_explicit(&loop->roused, memory_order_acquire) !=
           loop->roused_in_all)
        thread_yield();
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

    caller_enters(loop);
    refused = atomic_load(&loop->refuses);
    if (!refused)
        gyre_loop_post(loop, work, run);
    caller_leaves(loop);
    return !refused;
}

void loop_refuse_offers(gyre_loop *loop)
{
    atomic_store(&loop->refuses, true);
    await_callers(loop);
}

/* What it starts may end, and the loop with it, before it has returned. */
static bool start_shared(gyre_loop *loop, gyre_op *op)
{
    bool started;

    caller_enters(loop);
    started = share_start(loop, op);
    caller_leaves(loop);
    return started;
}

void gyre_op_start_remote(gyre_loop *loop, gyre_op *op, gyre_op_fn *done,
                          void *user)
{
    uintptr_t before;

    op->done_ = done;
    op->user = user;
    if (UNLIKELY(loop->share != NULL) && start_shared(loop, op))
        return;
    before = atomic_load_explicit(&loop->given, memory_order_relaxed);
    do
        op->next_ = (gyre_op *)(before & ~GIVEN_WORDS);
    while (!atomic_compare_exchange_weak(&loop->given, &before,
                                         (uintptr_t)op | GIVEN_OP |
                                             (before & GIVEN_WORDS)));
    if (before == GIVEN_SLEEP)
        rouse(loop);
}

void gyre_loop_wake(gyre_loop *loop, gyre_wake_reason reason, uint32_t count)
{
    wake_count(loop, reason, count);
    give_word(loop, GIVEN_WOKEN);
}

void gyre_loop_stop(gyre_loop *loop)
{
    give_word(loop, GIVEN_STOP);
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
