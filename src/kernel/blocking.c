/* SPDX-License-Identifier: MIT */
/*
 * blocking.c - asking for what may block
 *
 *   owner --add--> queue --take--> thread --give--> done --take all--> owner
 *                 (lock, futex)                (lock-free, told)
 *
 * Each user has a queue of its own, and a list of what is done. A job that is
 * still in the queue can be taken back. One that is running cannot: Linux would
 * have to interrupt the call, and a signal to a thread would not be ours alone.
 */
#include "kernel/blocking.h"

#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/notice.h"
#include "kernel/blocking_pool.h"
#include "kernel/thread.h"

/* ---- a user's ------------------------------------------------------------ */

/* Once in a process: whose calls end with EAGAIN may not tell anybody. */
static void pool_tell(void)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set_explicit(&told, memory_order_relaxed))
        notice("no thread could be made, and what may block ends with EAGAIN: "
               "raise ulimit -u, or the machine's limits of threads");
}

/* May one more call wait? Not all that is queued waits: some will be taken by
 * threads that are free. Of the others, calls alone are counted. */
static bool pool_is_full(const struct gyre_blocking_pool *pool)
{
    unsigned queued = pool->queued + 1, calls = pool->calls + 1;
    unsigned free = blocking_spare(pool);
    unsigned waiting = queued > free ? queued - free : 0;

    if (pool->queue_max == 0)
        return false;
    return (waiting < calls ? waiting : calls) > pool->queue_max;
}

static int pool_admit(struct gyre_blocking_pool *pool,
                      const struct blocking_job *job)
{
    if (pool->queued + 1 > blocking_spare(pool))
        blocking_spawn(pool);
    if (pool->alive == 0) {
        pool_tell();
        return -EAGAIN;
    }
    if (job->is_call && pool_is_full(pool)) {
        pool->refused++;
        return -EAGAIN;
    }
    return 0;
}

int blocking_add(struct blocking_user *user, struct blocking_job *job)
{
    struct gyre_blocking_pool *pool = user->pool;
    struct worker *called = NULL;
    int error;

    job->user = user;
    job->taken = false;
    job->queued_ns = thread_clock();
    blocking_lock(pool);
    error = pool_admit(pool, job);
    if (error == 0) {
        if (list_is_empty(&user->queue))
            list_append(&pool->line, &user->turn);
        list_append(&user->queue, &job->link);
        pool->queued++;
        pool->calls += job->is_call;
        called = blocking_rouse(pool);
    }
    blocking_unlock(pool);
    if (called != NULL)
        thread_wake(&called->called);
    return error;
}

bool blocking_take_back(struct blocking_user *user, struct blocking_job *job)
{
    struct gyre_blocking_pool *pool = user->pool;
    bool queued;

    blocking_lock(pool);
    queued = !job->taken;
    if (queued) {
        list_remove(&job->link);
        if (list_is_empty(&user->queue))
            list_remove(&user->turn);
        pool->queued--;
        pool->calls -= job->is_call;
    }
    blocking_unlock(pool);
    return queued;
}

struct blocking_job *blocking_take_done(struct blocking_user *user)
{
    struct blocking_job *newest, *oldest = NULL;

    if (atomic_load_explicit(&user->done, memory_order_relaxed) == NULL)
        return NULL;
    newest = atomic_exchange_explicit(&user->done, NULL, memory_order_acquire);
    while (newest != NULL) {
        struct blocking_job *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void blocking_use(struct blocking_user *user, struct gyre_blocking_pool *pool,
                  void (*tell)(struct blocking_user *user))
{
    blocking_hold(pool);
    user->pool = pool;
    user->tell = tell;
    list_init(&user->queue);
    list_init(&user->turn);
}

void blocking_leave(struct blocking_user *user)
{
    uint32_t running = atomic_fetch_or_explicit(&user->running,
                                                BLOCKING_LEAVING,
                                                memory_order_acquire) |
                       BLOCKING_LEAVING;

    ASSERT(list_is_empty(&user->queue));
    while (running != BLOCKING_LEAVING) {
        (void)thread_wait((uint32_t *)&user->running, running, UINT64_MAX);
        running = atomic_load_explicit(&user->running, memory_order_acquire);
    }
    blocking_let_go(user->pool);
    user->pool = NULL;
}

/* ---- the pool ------------------------------------------------------------ */

struct gyre_blocking_pool *blocking_create(const struct kernel_options *options)
{
    unsigned threads_max = options->threads_max;
    struct gyre_blocking_pool *pool =
        alloc_zeroed(1, sizeof *pool + threads_max * sizeof(struct worker));

    ASSERT(threads_max > 0 && options->idle_ms > 0);
    if (pool == NULL)
        return NULL;
    atomic_init(&pool->holders, 1);
    pool->process = getpid();
    pool->queue_max = options->queue_max;
    pool->idle_ms = options->idle_ms;
    pool->workers_max = threads_max;
    thread_get_cpus(&pool->cpus);
    pthread_mutex_init(&pool->lock, NULL);
    list_init(&pool->line);
    list_init(&pool->idle);
    return pool;
}

void blocking_hold(struct gyre_blocking_pool *pool)
{
    atomic_fetch_add_explicit(&pool->holders, 1, memory_order_relaxed);
}

void blocking_let_go(struct gyre_blocking_pool *pool)
{
    if (atomic_fetch_sub_explicit(&pool->holders, 1, memory_order_acq_rel) > 1)
        return;
    /* In the child of a fork there are no threads, and nobody unlocks. */
    if (pool->process == getpid())
        blocking_end_threads(pool);
    alloc_free(pool);
}

/* The longest wait of those who still wait. */
static uint64_t pool_waits_ns(const struct gyre_blocking_pool *pool)
{
    uint64_t now_ns = thread_clock(), longest_ns = 0;

    for (const struct list *at = pool->line.next; at != &pool->line;
         at = at->next) {
        const struct blocking_user *user =
            CONTAINER_OF(at, struct blocking_user, turn);
        const struct blocking_job *job =
            CONTAINER_OF(user->queue.next, struct blocking_job, link);
        uint64_t wait_ns = now_ns - job->queued_ns;

        if (wait_ns > longest_ns)
            longest_ns = wait_ns;
    }
    return longest_ns;
}

void blocking_look(struct gyre_blocking_pool *pool, struct kernel_pool *look)
{
    uint64_t waits_ns;

    blocking_lock(pool);
    waits_ns = pool_waits_ns(pool);
    *look = (struct kernel_pool){
        .threads_max = pool->workers_max,
        .queue_max = pool->queue_max,
        .idle_ms = pool->idle_ms,
        .threads = pool->alive,
        .idle = pool->asleep,
        .queued = pool->queued,
        .wait_max_ns = waits_ns > pool->wait_max_ns ? waits_ns
                                                    : pool->wait_max_ns,
        .taken = pool->taken,
        .refused = pool->refused,
        .made = pool->made,
    };
    blocking_unlock(pool);
}
