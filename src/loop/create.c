/* SPDX-License-Identifier: MIT */
/*
 * create.c - making and ending a loop
 *
 * Ending is the harder half: every op in flight points at somebody's memory, so
 * all are cancelled and the loop turns until each had its last completion. Only
 * then is the kernel let go (I7); Linux would otherwise finish them later, with
 * ports still bound and buffers still written.
 */
#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"
#include "kernel/fork.h"
#include "loop/fork.h"
#include "loop/table.h"

#define DISPATCH_DEFAULT 256U
#define READY_DEFAULT 256U
#define SLOTS_FIRST 128U

static _Atomic uint64_t last_id;

/* Kept for debuggers, which find tasks and ops from here, also in a core. */
gyre_loop *loop_all_first;
void (*loop_made)(gyre_loop *loop);
static pthread_mutex_t loop_all_lock = PTHREAD_MUTEX_INITIALIZER;

static void loop_all_add(gyre_loop *loop)
{
    pthread_mutex_lock(&loop_all_lock);
    loop->all_next = loop_all_first;
    if (loop_all_first != NULL)
        loop_all_first->all_prev = loop;
    loop_all_first = loop;
    pthread_mutex_unlock(&loop_all_lock);
}

static void loop_all_remove(gyre_loop *loop)
{
    pthread_mutex_lock(&loop_all_lock);
    if (loop->all_prev != NULL)
        loop->all_prev->all_next = loop->all_next;
    else
        loop_all_first = loop->all_next;
    if (loop->all_next != NULL)
        loop->all_next->all_prev = loop->all_prev;
    pthread_mutex_unlock(&loop_all_lock);
}

/* ---- fork() -------------------------------------------------------------- */

static void fork_before(void)
{
    pthread_mutex_lock(&loop_all_lock);
}

static void fork_in_parent(void)
{
    pthread_mutex_unlock(&loop_all_lock);
}

/* What the child has of these loops is for nobody. */
static void fork_in_child(void)
{
    for (gyre_loop *loop = loop_all_first; loop != NULL;
         loop = loop->all_next) {
        atomic_store(&loop->owner, &fork_kernel);
        loop->kernel = &fork_kernel;
        atomic_store(&loop->given, GIVEN_SLEEP); /* so that wakes come there */
        loop->tell = NULL;                       /* the parent writes there */
    }
    loop_all_first = NULL;
    pthread_mutex_unlock(&loop_all_lock);
}

/* Once in a process: 0 or -ENOMEM. */
static int fork_begin_watch(void)
{
    static bool watched;
    int err = 0;

    pthread_mutex_lock(&loop_all_lock);
    if (!watched)
        err = fork_watch(fork_before, fork_in_parent, fork_in_child);
    watched = err == 0;
    pthread_mutex_unlock(&loop_all_lock);
    return err;
}

const char *loop_owner_sentence(const gyre_loop *loop)
{
    return loop_owner(loop) == &fork_kernel
               ? LOOP_FORKED
               : "this thread does not own the loop: use gyre_loop_post() or "
                 "gyre_op_start_remote() from other threads";
}

/* ---- making -------------------------------------------------------------- */

int loop_create_on(gyre_loop **loop_out, struct kernel *kernel,
                   const gyre_loop_options *options)
{
    gyre_loop *loop = alloc_aligned(_Alignof(gyre_loop), sizeof *loop);

    if (loop == NULL)
        return -ENOMEM;
    if (fork_begin_watch() < 0)
        goto free_loop;
    loop->slots = alloc_zeroed(SLOTS_FIRST, sizeof *loop->slots);
    if (loop->slots == NULL)
        goto free_loop;
    loop->slot_count = SLOTS_FIRST;
    if (live_create(loop) < 0)
        goto free_slots;
    loop->kernel = kernel;
    loop->movable = kernel->ring.movable;
    if (kernel->ring.shared && share_create(loop) < 0)
        goto free_live;
    loop->dispatch_max = options->dispatch_max != 0 ? options->dispatch_max
                                                    : DISPATCH_DEFAULT;
    loop->ready_max = options->ready_max != 0 ? options->ready_max
                                              : READY_DEFAULT;
    loop->in_flight_max = options->in_flight_max != 0 ? options->in_flight_max
                                                      : UINT64_MAX;
    loop->grow_at = kernel->ring.cq_entries_max != 0 ? kernel->cq.entries
                                                     : UINT64_MAX;
    loop->clamp = options->clamp;
    loop->blocking_pool = options->blocking_pool;
    loop->queue_max = options->backlog_max != 0 ? options->backlog_max
                                                : UINT64_MAX;
    loop->owner = loop_thread();
    loop->id = atomic_fetch_add(&last_id, 1) + 1;
    list_init(&loop->cancelled_timers);
    loop->now_ns = loop_clock(loop);
    wheel_init(&loop->wheel, loop->now_ns);
    loop->on_memcheck = loop_on_memcheck();
    loop_all_add(loop);
    if (UNLIKELY(loop_made != NULL))
        loop_made(loop);
    *loop_out = loop;
    return 0;

free_live:
    live_destroy(loop);
free_slots:
    alloc_free(loop->slots);
free_loop:
    alloc_free(loop);
    return -ENOMEM;
}

/* ---- ending -------------------------------------------------------------- */

static bool loop_holds_ops(const gyre_loop *loop)
{
    return counter_get(&loop->in_flight) > 0 ||
           counter_get(&loop->queued) > 0 || loop->ended.first != NULL;
}

static bool loop_has_ready(const gyre_loop *loop, const gyre_work *work)
{
    const gyre_work *at = loop->ready_first;

    while (at != NULL && at != work)
        at = at->next_;
    return at != NULL;
}

/* What is dropped is not called back: timers, ready and posted work. Ops from
 * other threads are started ones, and end as such. */
static void loop_drop_callbacks(gyre_loop *loop, gyre_work *kept)
{
    bool keeps;

    loop_take_posted(loop);
    keeps = kept != NULL && loop_has_ready(loop, kept);
    while (list_take_first(&loop->cancelled_timers) != NULL)
        ;
    wheel_drop_all(&loop->wheel);
    atomic_store(&loop->timers, 0);
    loop->alarm = NULL;
    loop->ready_first = NULL;
    loop->ready_last = NULL;
    atomic_store(&loop->ready, 0);
    if (keeps)
        loop_make_ready(loop, kept);
}

void loop_end_begin(gyre_loop *loop, gyre_timer *stuck, gyre_work *kept)
{
    loop_drop_callbacks(loop, kept);
    stuck_watch(loop, stuck);
    chains_cancel_again(loop);
}

bool loop_end_turn(gyre_loop *loop)
{
    int err;

    if (loop_holds_ops(loop))
        loop_cancel_all_but_closes(loop);
    loop->closing = true;
    if (!loop_holds_ops(loop))
        return false;
    err = gyre_loop_run(loop, GYRE_RUN_ONCE);
    ASSERT_API(err >= 0, "the kernel refuses to finish what is in flight; its "
                         "memory cannot be given back");
    return loop_holds_ops(loop);
}

/* Turn until the kernel has nothing of ours any more. */
static void loop_drain(gyre_loop *loop)
{
    gyre_timer stuck;

    loop_end_begin(loop, &stuck, NULL);
    while (loop_end_turn(loop))
        ;
    gyre_timer_stop(&stuck);
}

void gyre_loop_destroy(gyre_loop *loop)
{
    if (loop == NULL)
        return;
    ASSERT_API(!loop->turning, "a loop cannot be destroyed inside its turn");
    loop_assert_owner(loop);
    if (loop->tasks_end != NULL)
        loop->tasks_end(loop);
    loop_drain(loop);
    if (loop->registered_end != NULL)
        loop->registered_end(loop);
    if (loop->watch_end != NULL)
        loop->watch_end(loop);
    if (loop->stalls_end != NULL)
        loop->stalls_end(loop);
    loop_await_calls(loop);
    ASSERT(counter_get(&loop->in_flight) == 0); /* I7 */
    loop_all_remove(loop);
    if (loop->tracer_end != NULL)
        loop->tracer_end(loop);
    loop->kernel->class->destroy(loop->kernel);
    live_destroy(loop);
    table_free(loop);
    chains_destroy(loop);
    message_end(loop);
    share_free(loop);
    alloc_free(loop->slots);
    alloc_free(loop);
}
