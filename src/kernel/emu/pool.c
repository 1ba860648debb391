/* SPDX-License-Identifier: MIT */
/*
 * pool.c - the threads on which a request may block
 *
 *   owner --add--> queue --take--> worker --push--> results --take all--> owner
 *                 (lock, condition)             (lock-free, eventfd)
 *
 * Threads are made when there are more requests queued than threads idle, up to
 * a maximum, and leave after some idle seconds. The thread that leaves is
 * joined when its place is needed, or by pool_destroy(): nothing outlives the
 * pool.
 *
 * Workers push results onto a list that the owner takes whole; the push that
 * finds the list empty rings the eventfd, so a burst costs one system call.
 *
 * A request that is still in the queue can be taken back. One that is running
 * cannot: Linux would have to interrupt the call, and a signal to a thread
 * would not be ours alone.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/alloc.h"
#include "base/notice.h"
#include "kernel/emu/internal.h"
#include "kernel/proc.h"

enum { IDLE_SECONDS = 5 };

/* Enough for getaddrinfo() with all its plug-ins. */
#define STACK_SIZE ((size_t)256 * 1024)

struct worker {
    struct pool *pool;
    pthread_t thread;
    bool exists; /* the owner's: to be joined */
    bool exited; /* guarded */
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct list queue; /* guarded, as all up to the next blank line */
    unsigned queued;
    unsigned idle;
    unsigned alive;
    bool stopping;

    _Atomic(struct request *) results;
    int event_fd;
    unsigned workers_max;
    struct worker workers[];
};

static void pool_lock(struct pool *pool)
{
    int error = pthread_mutex_lock(&pool->lock);

    ASSERT(error == 0);
}

static void pool_unlock(struct pool *pool)
{
    int error = pthread_mutex_unlock(&pool->lock);

    ASSERT(error == 0);
}

struct pool *pool_create(unsigned threads_max, int event_fd)
{
    struct pool *pool =
        alloc_zeroed(1, sizeof *pool + threads_max * sizeof(struct worker));
    pthread_condattr_t monotonic;

    ASSERT(threads_max > 0);
    if (pool == NULL)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    list_init(&pool->queue);
    pool->event_fd = event_fd;
    pool->workers_max = threads_max;
    return pool;
}

static void pool_push_result(struct pool *pool, struct request *r)
{
    struct request *head =
        atomic_load_explicit(&pool->results, memory_order_relaxed);

    /* Only the owner takes, and it takes all: an address that comes back is
     * no danger here. */
    do {
        r->next_result = head;
    } while (!atomic_compare_exchange_weak_explicit(
        &pool->results, &head, r, memory_order_release, memory_order_relaxed));
    if (head == NULL)
        emu_signal(pool->event_fd);
}

/* Wait for a request. False: leave. */
static bool worker_wait(struct pool *pool)
{
    struct timespec until;
    int error = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    pool->idle++;
    while (list_is_empty(&pool->queue) && !pool->stopping && error == 0)
        error = pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
    pool->idle--;
    ASSERT(error == 0 || error == ETIMEDOUT);
    return !list_is_empty(&pool->queue);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct pool *pool = worker->pool;
    char name[16];

    proc_name_helper(name, sizeof name);
    (void)pthread_setname_np(pthread_self(), name);
    pool_lock(pool);
    while (worker_wait(pool)) {
        struct request *r =
            CONTAINER_OF(list_take_first(&pool->queue), struct request, link);

        pool->queued--;
        r->running = true;
        pool_unlock(pool);
        r->result = r->op->work(r);
        pool_push_result(pool, r);
        pool_lock(pool);
    }
    worker->exited = true;
    pool->alive--;
    pool_unlock(pool);
    return NULL;
}

static void worker_join(struct worker *worker)
{
    int error = pthread_join(worker->thread, NULL);

    ASSERT(error == 0);
    worker->exists = false;
    worker->exited = false;
}

/* A place for a thread; NULL: all are alive. */
static struct worker *pool_free_place(struct pool *pool)
{
    for (unsigned i = 0; i < pool->workers_max; i++) {
        struct worker *worker = &pool->workers[i];

        /* It has let go of the lock for good: joining takes no time. */
        if (worker->exited)
            worker_join(worker);
        if (!worker->exists)
            return worker;
    }
    return NULL;
}

/* Signals are for the program's own threads: all are blocked from the first
 * instruction on, which a thread inherits from its maker. */
bool pool_thread(pthread_t *thread, void *(*body)(void *), void *arg)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    size_t stack = STACK_SIZE;
    int error;

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

/* Once in a process: whose calls end with EAGAIN may not tell anybody. */
static void pool_tell(void)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set_explicit(&told, memory_order_relaxed))
        notice("no thread could be made, and what may block ends with EAGAIN: "
               "raise ulimit -u, or the machine's limits of threads");
}

/* Under the lock. */
static void pool_spawn(struct pool *pool)
{
    struct worker *worker = pool_free_place(pool);

    if (worker == NULL)
        return;
    worker->pool = pool;
    if (pool_thread(&worker->thread, worker_main, worker)) {
        worker->exists = true;
        pool->alive++;
    }
}

/* 0; or -EAGAIN: there is no thread and none can be made. */
int pool_add(struct pool *pool, struct request *r)
{
    int error = 0;

    pool_lock(pool);
    list_append(&pool->queue, &r->link);
    pool->queued++;
    r->running = false;
    if (pool->queued > pool->idle)
        pool_spawn(pool);
    if (pool->alive == 0) {
        list_remove(&r->link);
        pool->queued--;
        error = -EAGAIN;
        pool_tell();
    }
    pthread_cond_signal(&pool->changed);
    pool_unlock(pool);
    return error;
}

/* Take a request out of the queue; false: it runs, or is done. */
bool pool_take_back(struct pool *pool, struct request *r)
{
    bool queued;

    pool_lock(pool);
    queued = !r->running;
    if (queued) {
        list_remove(&r->link);
        pool->queued--;
    }
    pool_unlock(pool);
    return queued;
}

/* All that is done, in order, linked by next_result. */
struct request *pool_results(struct pool *pool)
{
    struct request *newest, *oldest = NULL;

    if (atomic_load_explicit(&pool->results, memory_order_relaxed) == NULL)
        return NULL;
    newest =
        atomic_exchange_explicit(&pool->results, NULL, memory_order_acquire);
    while (newest != NULL) {
        struct request *next = newest->next_result;

        newest->next_result = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void pool_look(struct pool *pool, struct kernel_pool *look)
{
    pool_lock(pool);
    *look = (struct kernel_pool){
        .threads_max = pool->workers_max,
        .threads = pool->alive,
        .idle = pool->idle,
        .queued = pool->queued,
    };
    pool_unlock(pool);
}

void pool_destroy(struct pool *pool)
{
    if (pool == NULL)
        return;
    pool_lock(pool);
    ASSERT(list_is_empty(&pool->queue));
    pool->stopping = true;
    pthread_cond_broadcast(&pool->changed);
    pool_unlock(pool);
    for (unsigned i = 0; i < pool->workers_max; i++)
        if (pool->workers[i].exists)
            worker_join(&pool->workers[i]);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    alloc_free(pool);
}
