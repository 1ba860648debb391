/* SPDX-License-Identifier: MIT */
/*
 * Plain threads and tasks of several loops wait for the same primitives, and a
 * run knows when somebody outside may yet wake its tasks, and when nobody can.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "sync/kinds.h"
#include "task/fiber_tools.h"
#include "task/task.h"

static void await_queue(struct object *object, unsigned length)
{
    while (queue_length(object) < length)
        sched_yield();
}

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    CHECK_OK(pthread_create(thread, NULL, fn, arg));
}

static void join(pthread_t thread)
{
    CHECK_OK(pthread_join(thread, NULL));
}

/* ---- plain threads ------------------------------------------------------- */

static void *client_thread(void *client)
{
    client_run(client);
    return NULL;
}

static void threads_wait(const struct kind *kind)
{
    enum { COUNT = 5 };
    struct client clients[COUNT];
    pthread_t threads[COUNT];
    struct object object;

    kind->init(&object, COUNT, 0);
    clients_init(clients, COUNT, kind, &object);
    for (unsigned i = 0; i < COUNT; i++) {
        start(&threads[i], client_thread, &clients[i]);
        await_queue(&object, i + 1);
    }
    kind->open(&object);
    for (unsigned i = 0; i < COUNT; i++) {
        join(threads[i]);
        CHECK_OK(clients[i].result);
    }
    for (unsigned i = 0; i < COUNT && strcmp(kind->name, "mutex") == 0; i++)
        CHECK_EQ(clients[i].turn, i + 1);
    kind->destroy(&object);
}

TEST(M1_M3_M4_M5_M6_M7_M8_plain_threads_wait_in_order)
{
    for (size_t i = 0; i < kind_count; i++)
        threads_wait(&kinds[i]);
}

static void thread_gives_up(const struct kind *kind)
{
    struct client clients[2];
    pthread_t threads[2];
    struct object object;

    kind->init(&object, 2, 0);
    clients_init(clients, 2, kind, &object);
    clients[0].deadline_ns = clock_ns() + GYRE_MS;
    clients[1].deadline_ns = 1;
    for (unsigned i = 0; i < 2; i++)
        start(&threads[i], client_thread, &clients[i]);
    for (unsigned i = 0; i < 2; i++) {
        join(threads[i]);
        CHECK_ERR(clients[i].result, -ETIMEDOUT);
    }
    CHECK_GE(clock_ns(), clients[0].deadline_ns); /* I5 */
    CHECK_EQ(queue_length(&object), 0u);
    if (!kind->counts)
        kind->open(&object);
    kind->destroy(&object);
}

TEST(M12_plain_threads_give_up_at_their_deadline)
{
    for (size_t i = 0; i < kind_count; i++)
        thread_gives_up(&kinds[i]);
}

/* ---- loops --------------------------------------------------------------- */

enum { CLIENTS = 20 };

static int loop_of_clients(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    clients_start(arg, CLIENTS, &scope);
    return gyre_scope_close(&scope);
}

static void *loop_thread_main(void *clients)
{
    must_run(loop_of_clients, clients);
    return NULL;
}

static void loops_wait(const struct kind *kind)
{
    struct client clients[2 * CLIENTS + 1];
    pthread_t threads[3];
    struct object object;

    kind->init(&object, 2 * CLIENTS + 1, 0);
    clients_init(clients, 2 * CLIENTS + 1, kind, &object);
    start(&threads[0], loop_thread_main, clients);
    await_queue(&object, CLIENTS);
    start(&threads[1], client_thread, &clients[2 * CLIENTS]);
    start(&threads[2], loop_thread_main, &clients[CLIENTS]);
    await_queue(&object, 2 * CLIENTS + 1);
    kind->open(&object);
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    for (unsigned i = 0; i < 2 * CLIENTS + 1; i++)
        CHECK_OK(clients[i].result);
    for (unsigned i = 1; i < CLIENTS; i++) {
        CHECK_LT(clients[i - 1].turn, clients[i].turn);
        CHECK_LT(clients[CLIENTS + i - 1].turn, clients[CLIENTS + i].turn);
    }
    kind->destroy(&object);
}

/* I6, I8, I12 */
KERNEL_TEST(M1_M3_M4_M5_M6_M7_M8_tasks_of_two_loops_and_a_thread_wait_together)
{
    for (size_t i = 0; i < kind_count; i++)
        loops_wait(&kinds[i]);
}

/* Locks go round and round between loops: each hand-over is a wake. */
struct ring {
    gyre_mutex mutex;
    gyre_semaphore semaphore;
    unsigned long count;
    unsigned each;
};

static int go_round(void *arg)
{
    struct ring *ring = arg;

    for (unsigned i = 0; i < ring->each; i++) {
        CHECK_OK(gyre_mutex_lock(&ring->mutex));
        ring->count++;
        gyre_mutex_unlock(&ring->mutex);
        CHECK_OK(gyre_semaphore_acquire(&ring->semaphore, 1));
        gyre_semaphore_release(&ring->semaphore, 1);
    }
    return 0;
}

static int go_round_in_tasks(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_spawn(&scope, go_round, arg));
    return gyre_scope_close(&scope);
}

static void *go_round_on_loop(void *arg)
{
    must_run(go_round_in_tasks, arg);
    return NULL;
}

static void *go_round_on_thread(void *arg)
{
    (void)go_round(arg);
    return NULL;
}

/* I6 */
KERNEL_TEST2(M3_M8_locks_go_round_between_loops_and_threads)
{
    struct ring ring = { .mutex = GYRE_MUTEX_INIT,
                         .semaphore = GYRE_SEMAPHORE_INIT(2),
                         .each = 2000 / test_scale() };
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        start(&threads[i], i < 2 ? go_round_on_loop : go_round_on_thread,
              &ring);
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    CHECK_EQ(ring.count, 8ul * ring.each);
    gyre_mutex_destroy(&ring.mutex);
    gyre_semaphore_destroy(&ring.semaphore);
}

/* Two threads, one notify for each turn. */
struct turns {
    gyre_mutex mutex;
    gyre_cond cond;
    unsigned turn;
    unsigned rounds;
};

static void take_turns(struct turns *t, unsigned who)
{
    for (unsigned i = 0; i < t->rounds; i++) {
        CHECK_OK(gyre_mutex_lock(&t->mutex));
        while (t->turn % 2 != who)
            CHECK_OK(gyre_cond_wait(&t->cond, &t->mutex));
        t->turn++;
        gyre_cond_notify_one(&t->cond);
        gyre_mutex_unlock(&t->mutex);
    }
}

static void *take_odd_turns(void *turns)
{
    take_turns(turns, 1);
    return NULL;
}

TEST(M5_two_threads_alternate)
{
    struct turns t = { .mutex = GYRE_MUTEX_INIT,
                       .cond = GYRE_COND_INIT,
                       .rounds = 20000 / test_scale() };
    pthread_t thread;

    start(&thread, take_odd_turns, &t);
    take_turns(&t, 0);
    join(thread);
    CHECK_EQ(t.turn, 2 * t.rounds);
    gyre_cond_destroy(&t.cond);
    gyre_mutex_destroy(&t.mutex);
}

/* ---- a run and the threads beside it ------------------------------------- */

static gyre_event event = GYRE_EVENT_INIT;

static void *set_and_end(void *arg)
{
    CHECK_OK(gyre_event_set(&event, arg));
    return NULL;
}

static int wait_for_thread(void *arg)
{
    pthread_t thread;

    CHECK_OK(pthread_create(&thread, NULL, set_and_end, arg));
    CHECK_OK(gyre_event_wait(&event, NULL));
    join(thread);
    return 0;
}

/* The only other thread ends while the run looks whether there is one. */
KERNEL_TEST2(M1_the_last_thread_may_wake_a_task_and_end)
{
    task_patience_ns = 0;
    for (unsigned i = 0; i < 2000 / test_scale(); i++) {
        must_run(wait_for_thread, NULL);
        gyre_event_reset(&event);
    }
}

static pthread_t late;

static void *wait_and_set(void *arg)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 },
                    NULL); /* mostly after the run has begun to wait */
    return set_and_end(arg);
}

static int make_thread(void *arg)
{
    return -pthread_create(&late, NULL, wait_and_set, arg);
}

static int wait_for_late(void *arg)
{
    CHECK_OK(gyre_call_blocking(make_thread, arg));
    return gyre_event_wait(&event, NULL);
}

/* It has the name of the worker that made it, but is none. */
KERNEL_TEST2(M1_a_thread_made_by_a_blocking_call_may_wake_a_task)
{
    task_patience_ns = 0;
    must_run(wait_for_late, NULL);
    join(late);
}

static int wait_for_nobody(void *arg)
{
    (void)arg;
    return gyre_event_wait(&event, NULL);
}

TEST_PANICS(M1_a_wait_that_nobody_can_end_is_a_deadlock, "deadlock")
{
    if (GYRE_TSAN)
        TEST_SKIP("ThreadSanitizer has a thread of its own");
    test_not_on_qemu_user("it has a thread of its own");
    (void)gyre_run(NULL, wait_for_nobody, NULL);
}

static void *end_later(void *arg)
{
    nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
    return arg;
}

TEST_PANICS(M1_a_deadlock_is_told_when_the_last_other_thread_has_ended,
            "deadlock")
{
    pthread_t thread;

    if (GYRE_TSAN)
        TEST_SKIP("ThreadSanitizer has a thread of its own");
    test_not_on_qemu_user("it has a thread of its own");
    task_patience_ns = GYRE_MS; /* looks several times before it ends */
    CHECK_OK(pthread_create(&thread, NULL, end_later, NULL));
    (void)gyre_run(NULL, wait_for_nobody, NULL);
}

static atomic_bool idle_may_end;

static void *idle(void *arg)
{
    while (!atomic_load(&idle_may_end))
        sched_yield();
    return arg;
}

static int wait_locally(void *flags)
{
    gyre_event_init(&event, (unsigned)(uintptr_t)flags);
    return gyre_event_wait(&event, NULL);
}

/* No thread can wake a task that waits for what is GYRE_LOCAL. Of one engine
 * that is known. */
TEST_PANICS(M1_M11_a_local_wait_is_a_deadlock_whatever_other_threads_there_are,
            "deadlock")
{
    pthread_t thread;

    start(&thread, idle, NULL);
    (void)gyre_run(&(gyre_run_options){ .engines = 1 }, wait_locally,
                   (void *)(uintptr_t)GYRE_LOCAL);
}

TEST_PANICS(M12_a_plain_thread_does_not_wait_for_what_is_local, "GYRE_LOCAL")
{
    gyre_event_init(&event, GYRE_LOCAL);
    CHECK_OK(gyre_event_wait(&event, NULL));
}

static void wait_in_callback(gyre_work *work)
{
    (void)work;
    CHECK_OK(gyre_event_wait(&event, NULL));
}

TEST_PANICS(M12_a_callback_does_not_wait, "a callback of a loop must not")
{
    gyre_loop *loop;
    gyre_work work;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_loop_post(loop, &work, wait_in_callback);
    (void)gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE);
}

/* A task of a run that is cancelled as a whole by its loop's end still gets the
 * mutex back that another thread holds: the relock of a condition. */
struct relock {
    gyre_cond cond;
    gyre_mutex mutex;
    atomic_int step;
};

static void *hold_for_a_while(void *arg)
{
    struct relock *r = arg;

    CHECK_OK(gyre_mutex_lock(&r->mutex));
    atomic_store(&r->step, 1);
    while (queue_length((struct object *)&r->mutex) == 0)
        sched_yield();
    gyre_mutex_unlock(&r->mutex);
    return NULL;
}

static int wait_and_relock(void *arg)
{
    struct relock *r = arg;

    CHECK_OK(gyre_mutex_lock(&r->mutex));
    CHECK_ERR(gyre_cond_wait(&r->cond, &r->mutex), -ECANCELED);
    CHECK(gyre_mutex_is_mine(&r->mutex));
    gyre_mutex_unlock(&r->mutex);
    atomic_store(&r->step, 2);
    return 0;
}

KERNEL_TEST2(M5_a_loop_that_ends_waits_for_a_mutex_of_another_thread)
{
    struct relock r = { GYRE_COND_INIT, GYRE_MUTEX_INIT, 0 };
    pthread_t thread;
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_spawn(gyre_loop_scope(loop), wait_and_relock, &r));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    start(&thread, hold_for_a_while, &r);
    while (atomic_load(&r.step) == 0)
        sched_yield();
    gyre_loop_destroy(loop);
    CHECK_EQ(atomic_load(&r.step), 2);
    join(thread);
    gyre_cond_destroy(&r.cond);
    gyre_mutex_destroy(&r.mutex);
}
