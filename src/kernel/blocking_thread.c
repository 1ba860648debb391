/* SPDX-License-Identifier: MIT */
/*
 * blocking_thread.c - the threads of a pool: what they do, when they are made
 * and when they leave
 *
 * The users whose queue is not empty stand in a line: a worker takes the first
 * job of the first user, who goes to the end of the line. So one that asks for
 * much delays another by one job for each thread.
 *
 * A thread is made when more jobs are queued than threads are free, up to a
 * maximum. Idle ones lie on a stack: the one that has worked last is called
 * first, so that with little to do the same few work, and the others, idle for
 * long enough, leave. A thread counts as free before its result is told, so who
 * asks for one thing after another needs one thread. A thread that has left is
 * joined when its place is needed, or at the pool's end: nothing outlives it.
 *
 * Workers push what is done onto a list that the owner takes whole; the push
 * that finds the list empty tells the owner, so a burst costs one system call.
 * After that push the job is the owner's, but the user is touched once more:
 * `running` says so, and who leaves waits for it. The push releases and the
 * take acquires; so do the end of `running` and the look of who leaves.
 * tests/model/test_blocking.c is the model of it.
 */
#include <limits.h>
#include <signal.h>

#include "base/fault.h"
#include "kernel/blocking_pool.h"
#include "kernel/proc.h"
#include "kernel/thread.h"

/* Enough for getaddrinfo() with all its plug-ins. */
#define STACK_SIZE ((size_t)256 * 1024)

#define NS_PER_MS UINT64_C(1000000)

/* ---- a worker's ---------------------------------------------------------- */

/* The next job of the next user, or NULL. */
static struct blocking_job *pool_take(struct gyre_blocking_pool *pool)
{
    struct list *first = list_take_first(&pool->line);
    struct blocking_user *user;
    struct blocking_job *job;
    uint64_t wait_ns;

    if (first == NULL)
        return NULL;
    user = CONTAINER_OF(first, struct blocking_user, turn);
    job =
        CONTAINER_OF(list_take_first(&user->queue), struct blocking_job, link);
    if (!list_is_empty(&user->queue))
        list_append(&pool->line, &user->turn);
    job->taken = true;
    atomic_fetch_add_explicit(&user->running, 1, memory_order_relaxed);
    pool->queued--;
    pool->calls -= job->is_call;
    pool->busy++;
    pool->taken++;
    wait_ns = thread_clock() - job->queued_ns;
    if (wait_ns > pool->wait_max_ns)
        pool->wait_max_ns = wait_ns;
    return job;
}

/* Only the owner takes what is done, and it takes all: an address that comes
 * back is no danger here. */
static void give_back(struct blocking_job *job)
{
    struct blocking_user *user = job->user;
    struct blocking_job *head =
        atomic_load_explicit(&user->done, memory_order_relaxed);

    do {
        job->next = head;
    } while (!atomic_compare_exchange_weak_explicit(
        &user->done, &head, job, memory_order_release, memory_order_relaxed));
    if (head == NULL)
        user->tell(user);
    /* Whoever waits for this may free the user at once; a wake of memory that
     * is gone is harmless. */
    if (atomic_fetch_sub_explicit(&user->running, 1, memory_order_release) ==
        (BLOCKING_LEAVING | 1))
        thread_wake((uint32_t *)&user->running);
}

/* Sleep for a job; NULL: leave. */
static struct blocking_job *worker_wait(struct worker *worker)
{
    struct gyre_blocking_pool *pool = worker->pool;
    uint64_t until_ns = thread_clock() + pool->idle_ms * NS_PER_MS;
    struct blocking_job *job;
    int error = 0;

    while ((job = pool_take(pool)) == NULL && !pool->stopping && error == 0) {
        worker->called = 0;
        list_prepend(&pool->idle, &worker->link);
        pool->asleep++;
        blocking_unlock(pool);
        error = thread_wait(&worker->called, 0, until_ns);
        blocking_lock(pool);
        if (list_is_linked(&worker->link)) {
            list_remove(&worker->link);
            pool->asleep--;
        }
    }
    return job;
}

/* Give back what is done, if there is something, and take the next job, for
 * which the lock is taken once under load. NULL: leave. */
static struct blocking_job *worker_next(struct worker *worker,
                                        struct blocking_job *done)
{
    struct gyre_blocking_pool *pool = worker->pool;
    struct blocking_job *job;

    blocking_lock(pool);
    if (done != NULL)
        pool->busy--;
    job = pool_take(pool);
    if (job == NULL && done != NULL) {
        blocking_unlock(pool);
        give_back(done);
        done = NULL;
        blocking_lock(pool);
    }
    if (job == NULL)
        job = worker_wait(worker);
    if (job == NULL) {
        worker->exited = true;
        pool->alive--;
    }
    blocking_unlock(pool);
    if (done != NULL)
        give_back(done);
    return job;
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct blocking_job *job = NULL;
    char name[16];

    proc_name_helper(name, sizeof name);
    (void)pthread_setname_np(pthread_self(), name);
    /* Its maker may be bound to one. */
    thread_set_cpus(&worker->pool->cpus);
    while ((job = worker_next(worker, job)) != NULL)
        job->run(job);
    return NULL;
}

/* ---- making and ending threads ------------------------------------------- */

static void worker_join(struct worker *worker)
{
    int error = pthread_join(worker->thread, NULL);

    ASSERT(error == 0);
    worker->exists = false;
    worker->exited = false;
}

/* A place for a thread; NULL: all are alive. */
static struct worker *pool_free_place(struct gyre_blocking_pool *pool)
{
    for (unsigned i = 0; i < pool->workers_max; i++) {
        struct worker *worker = &pool->workers[i];

        /* It lets go of the lock for good: joining takes no time. */
        if (worker->exited)
            worker_join(worker);
        if (!worker->exists)
            return worker;
    }
    return NULL;
}

/* Signals are for the program's own threads: all are blocked from the first
 * instruction on, which a thread inherits from its maker. */
bool blocking_thread(pthread_t *thread, void *(*body)(void *), void *arg)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    size_t stack = STACK_SIZE;
    int error = -fault_take(FAULT_THREAD);

    if (error != 0)
        return false;
    if (stack < (size_t)PTHREAD_STACK_MIN)
        stack = (size_t)PTHREAD_STACK_MIN;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, &attributes, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

void blocking_spawn(struct gyre_blocking_pool *pool)
{
    struct worker *worker = pool_free_place(pool);

    if (worker == NULL)
        return;
    worker->pool = pool;
    if (blocking_thread(&worker->thread, worker_main, worker)) {
        worker->exists = true;
        pool->alive++;
        pool->made++;
    }
}

struct worker *blocking_rouse(struct gyre_blocking_pool *pool)
{
    struct list *link = list_take_first(&pool->idle);
    struct worker *worker;

    if (link == NULL)
        return NULL;
    worker = CONTAINER_OF(link, struct worker, link);
    worker->called = 1;
    pool->asleep--;
    return worker;
}

void blocking_end_threads(struct gyre_blocking_pool *pool)
{
    struct worker *worker;

    blocking_lock(pool);
    ASSERT(list_is_empty(&pool->line) && pool->queued == 0);
    pool->stopping = true;
    while ((worker = blocking_rouse(pool)) != NULL)
        thread_wake(&worker->called);
    blocking_unlock(pool);
    for (unsigned i = 0; i < pool->workers_max; i++)
        if (pool->workers[i].exists)
            worker_join(&pool->workers[i]);
    pthread_mutex_destroy(&pool->lock);
}
