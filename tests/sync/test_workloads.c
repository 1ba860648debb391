/* SPDX-License-Identifier: MIT */
/*
 * test_workloads.c - what a library of coroutines tests itself with, here
 *
 * The workloads of tinyCoro's suites for events, latches, wait groups, mutexes
 * and condition variables, with its numbers of tasks and loops, and with ten
 * times as many under names that end in _tenfold. "Threads 0" are as many loops
 * as there are processors; tasks are dealt out to the loops.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sync/kinds.h"

enum { LOOPS_MAX = 4 };

struct job {
    struct gyre_event event;
    gyre_latch latch;
    gyre_wait_group group;
    gyre_mutex mutex;
    unsigned counters;
    unsigned waiters;
    unsigned loops;
    long count; /* under the mutex */
    long seen;
    gyre_task_fn *wait;
    gyre_task_fn *open;
};

struct part {
    struct job *job;
    unsigned number;
};

/* The waiters first, then those who open: each loop its share. */
static int run_part(void *arg)
{
    const struct part *part = arg;
    struct job *job = part->job;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (unsigned i = part->number; i < job->waiters; i += job->loops)
        CHECK_OK(gyre_spawn(&scope, job->wait, job));
    for (unsigned i = part->number; i < job->counters; i += job->loops)
        CHECK_OK(gyre_spawn(&scope, job->open, job));
    return gyre_scope_close(&scope);
}

static void *run_loop(void *part)
{
    must_run(run_part, part);
    return NULL;
}

static void run_job(struct job *job, unsigned threads, unsigned counters,
                    unsigned waiters)
{
    struct part parts[LOOPS_MAX];
    pthread_t ids[LOOPS_MAX];
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    job->loops = threads != 0 ? threads : (unsigned)online;
    if (job->loops > LOOPS_MAX)
        job->loops = LOOPS_MAX;
    job->counters = counters;
    job->waiters = many_tasks(waiters);
    gyre_event_init(&job->event, 0);
    gyre_latch_init(&job->latch, counters, 0);
    gyre_wait_group_init(&job->group, 0);
    gyre_wait_group_add(&job->group, counters);
    gyre_mutex_init(&job->mutex, 0);
    job->count = job->seen = 0;
    for (unsigned i = 0; i < job->loops; i++) {
        parts[i] = (struct part){ job, i };
        CHECK_OK(pthread_create(&ids[i], NULL, run_loop, &parts[i]));
    }
    for (unsigned i = 0; i < job->loops; i++)
        CHECK_OK(pthread_join(ids[i], NULL));
    CHECK_EQ(job->seen, (long)job->waiters);
    gyre_event_destroy(&job->event);
    gyre_latch_destroy(&job->latch);
    gyre_wait_group_destroy(&job->group);
    gyre_mutex_destroy(&job->mutex);
}

static int saw(struct job *job)
{
    CHECK_OK(gyre_mutex_lock(&job->mutex));
    job->seen++;
    gyre_mutex_unlock(&job->mutex);
    return 0;
}

static int count_up(struct job *job)
{
    CHECK_OK(gyre_mutex_lock(&job->mutex));
    job->count++;
    gyre_mutex_unlock(&job->mutex);
    return 0;
}

static int wait_event(void *arg)
{
    struct job *job = arg;
    void *value;

    CHECK_OK(gyre_event_wait(&job->event, &value));
    CHECK_EQ(value, (void *)job);
    return saw(job);
}

static int open_event(void *arg)
{
    struct job *job = arg;

    return gyre_event_set(&job->event, job);
}

static int wait_latch(void *arg)
{
    struct job *job = arg;

    CHECK_OK(gyre_latch_wait(&job->latch));
    CHECK_OK(gyre_mutex_lock(&job->mutex));
    CHECK_EQ(job->count, (long)job->counters);
    gyre_mutex_unlock(&job->mutex);
    return saw(job);
}

static int open_latch(void *arg)
{
    struct job *job = arg;

    count_up(job);
    gyre_latch_count_down(&job->latch, 1);
    return 0;
}

static int wait_group(void *arg)
{
    struct job *job = arg;

    CHECK_OK(gyre_wait_group_wait(&job->group));
    CHECK_OK(gyre_mutex_lock(&job->mutex));
    CHECK_EQ(job->count, (long)job->counters);
    gyre_mutex_unlock(&job->mutex);
    return saw(job);
}

static int open_group(void *arg)
{
    struct job *job = arg;

    count_up(job);
    gyre_wait_group_done(&job->group);
    return 0;
}

static int fetch_lock(void *arg)
{
    return saw(arg);
}

static int try_fetch(void *arg)
{
    struct job *job = arg;

    while (!gyre_mutex_try_lock(&job->mutex))
        CHECK_OK(gyre_yield());
    job->seen++;
    gyre_mutex_unlock(&job->mutex);
    return 0;
}

/* {threads 1 | 0} x counters x waiters, and one large one on all. */
static void run_suite(gyre_task_fn *wait, gyre_task_fn *open, bool counters,
                      unsigned times)
{
    static const unsigned sizes[] = { 1, 100, 10000 };
    struct job job = { .wait = wait, .open = open };

    for (unsigned threads = 0; threads < 2; threads++)
        for (unsigned i = 0; i < 3; i++) {
            run_job(&job, threads, 1, sizes[i] * times);
            if (counters)
                run_job(&job, threads, 100 * times, sizes[i] * times);
        }
}

static void run_large(gyre_task_fn *wait, gyre_task_fn *open, unsigned counters)
{
    struct job job = { .wait = wait, .open = open };

    run_job(&job, 0, counters, 100000);
}

TEST(M1_workload_event)
{
    run_suite(wait_event, open_event, false, 1);
}

TEST(M6_workload_latch)
{
    run_suite(wait_latch, open_latch, true, 1);
}

TEST(M7_workload_wait_group)
{
    run_suite(wait_group, open_group, true, 1);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

KERNEL_TEST2(M3_workload_mutex)
{
    run_suite(fetch_lock, nothing, false, 1);
}

KERNEL_TEST2(M3_workload_mutex_try)
{
    run_suite(try_fetch, nothing, false, 1);
}

/* With one to open it, the largest of each suite below is as large. */
TEST(M6_M7_workload_large_tenfold)
{
    run_large(wait_latch, open_latch, 100);
    run_large(wait_group, open_group, 100);
}

TEST(M1_workload_event_tenfold)
{
    run_suite(wait_event, open_event, false, 10);
}

TEST(M6_workload_latch_tenfold)
{
    run_suite(wait_latch, open_latch, false, 10);
}

TEST(M7_workload_wait_group_tenfold)
{
    run_suite(wait_group, open_group, false, 10);
}

TEST(M3_workload_mutex_tenfold)
{
    run_suite(fetch_lock, nothing, false, 10);
}

/* ---- condition variable -------------------------------------------------- */

struct ping {
    gyre_mutex mutex;
    gyre_cond cond;
    unsigned rounds;
    unsigned turn;
};

struct player {
    struct ping *ping;
    unsigned who;
};

static bool is_my_turn(void *arg)
{
    const struct player *player = arg;

    return player->ping->turn % 2 == player->who;
}

static int alternate(void *arg)
{
    struct player *player = arg;
    struct ping *ping = player->ping;

    for (unsigned i = 0; i < ping->rounds; i++) {
        CHECK_OK(gyre_mutex_lock(&ping->mutex));
        CHECK_OK(gyre_cond_wait_for(&ping->cond, &ping->mutex, is_my_turn,
                                    player, GYRE_NEVER));
        CHECK_EQ(ping->turn, 2 * i + player->who);
        ping->turn++;
        gyre_cond_notify_one(&ping->cond);
        gyre_mutex_unlock(&ping->mutex);
    }
    return 0;
}

static int alternate_all(void *rounds)
{
    struct ping ping = { .rounds = (unsigned)(uintptr_t)rounds };
    struct player players[2] = { { &ping, 0 }, { &ping, 1 } };
    gyre_scope scope;

    gyre_mutex_init(&ping.mutex, 0);
    gyre_cond_init(&ping.cond, 0);
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 2; i++)
        CHECK_OK(gyre_spawn(&scope, alternate, &players[i]));
    CHECK_OK(gyre_scope_close(&scope));
    gyre_cond_destroy(&ping.cond);
    gyre_mutex_destroy(&ping.mutex);
    return 0;
}

KERNEL_TEST2(M5_workload_two_alternate)
{
    for (uintptr_t rounds = 100; rounds <= 10000; rounds *= 10)
        must_run(alternate_all, (void *)rounds);
}

TEST(M5_workload_two_alternate_tenfold)
{
    must_run(alternate_all, (void *)(uintptr_t)(100000 / test_scale()));
}

/* ---- producers and consumers --------------------------------------------- */

struct market {
    gyre_mutex mutex;
    gyre_cond room, goods;
    unsigned producers, consumers, capacity, items; /* items: of each */
    unsigned filled;
    unsigned long made, used;
    unsigned long sum_made, sum_used;
    unsigned *shelf;
    unsigned head;
};

static bool has_room(void *arg)
{
    const struct market *m = arg;

    return m->filled < m->capacity;
}

static bool has_goods(void *arg)
{
    const struct market *m = arg;

    return m->filled > 0 ||
           m->used + m->filled == (unsigned long)m->producers * m->items;
}

static int produce(void *arg)
{
    struct market *m = arg;

    for (unsigned i = 0; i < m->items; i++) {
        CHECK_OK(gyre_mutex_lock(&m->mutex));
        CHECK_OK(
            gyre_cond_wait_for(&m->room, &m->mutex, has_room, m, GYRE_NEVER));
        m->shelf[(m->head + m->filled++) % m->capacity] = (unsigned)m->made;
        m->sum_made += m->made++;
        gyre_cond_notify_one(&m->goods);
        gyre_mutex_unlock(&m->mutex);
    }
    return 0;
}

static int consume(void *arg)
{
    struct market *m = arg;
    bool done = false;

    while (!done) {
        CHECK_OK(gyre_mutex_lock(&m->mutex));
        CHECK_OK(
            gyre_cond_wait_for(&m->goods, &m->mutex, has_goods, m, GYRE_NEVER));
        done = m->filled == 0;
        if (!done) {
            CHECK_EQ(m->shelf[m->head], m->used); /* in order, each once */
            m->sum_used += m->shelf[m->head];
            m->head = (m->head + 1) % m->capacity;
            m->filled--;
            m->used++;
            gyre_cond_notify_one(&m->room);
        }
        if (m->filled == 0 && m->used == (unsigned long)m->producers * m->items)
            gyre_cond_notify_all(&m->goods);
        gyre_mutex_unlock(&m->mutex);
    }
    return 0;
}

static int trade(void *arg)
{
    struct market *m = arg;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < m->producers; i++)
        CHECK_OK(gyre_spawn(&scope, produce, m));
    for (unsigned i = 0; i < m->consumers; i++)
        CHECK_OK(gyre_spawn(&scope, consume, m));
    return gyre_scope_close(&scope);
}

static void market_run(unsigned people, unsigned capacity, unsigned items)
{
    struct market m = { .producers = people,
                        .consumers = people,
                        .capacity = capacity,
                        .items = items / test_scale() };

    if (m.items == 0)
        m.items = 1;
    m.shelf = calloc(capacity, sizeof *m.shelf);
    CHECK(m.shelf != NULL);
    gyre_mutex_init(&m.mutex, 0);
    gyre_cond_init(&m.room, 0);
    gyre_cond_init(&m.goods, 0);
    must_run(trade, &m);
    CHECK_EQ(m.used, (unsigned long)people * m.items);
    CHECK_EQ(m.sum_made, m.sum_used);
    CHECK_EQ(m.filled, 0u);
    gyre_cond_destroy(&m.goods);
    gyre_cond_destroy(&m.room);
    gyre_mutex_destroy(&m.mutex);
    free(m.shelf);
}

KERNEL_TEST2(M5_workload_producers_and_consumers)
{
    static const unsigned capacities[] = { 1, 100 };

    for (int i = 0; i < 2; i++) {
        market_run(1, capacities[i], 1);
        market_run(1, capacities[i], 100);
        market_run(1, capacities[i], 10000);
        market_run(100, capacities[i], 1);
        market_run(100, capacities[i], 100);
        market_run(1000 / test_scale(), capacities[i], 10);
    }
}

TEST(M5_workload_producers_and_consumers_tenfold)
{
    market_run(100, 1, 1000);
    market_run(1000 / test_scale(), 1, 100);
    market_run(1, 100, 100000);
    market_run(100, 100, 10000 / test_scale());
    market_run(1000 / test_scale(), 100, 1000 / test_scale());
}

/* All of them are woken in the order in which they came. */
static int notify_all(void *arg)
{
    struct object object;
    unsigned count = *(const unsigned *)arg;
    struct client *clients = malloc(count * sizeof *clients);
    gyre_scope scope;

    CHECK(clients != NULL);
    kinds[3].init(&object, count, 0);
    clients_init(clients, count, &kinds[3], &object);
    gyre_scope_open(&scope, NULL);
    clients_start(clients, count, &scope);
    while (queue_length(&object) < count)
        CHECK_OK(gyre_yield());
    gyre_cond_notify_all(&object.cond);
    CHECK_OK(gyre_scope_close(&scope));
    for (unsigned i = 0; i < count; i++)
        CHECK_EQ(clients[i].turn, i + 1);
    kinds[3].destroy(&object);
    free(clients);
    return 0;
}

KERNEL_TEST2(M5_workload_notify_all_in_order)
{
    static const unsigned counts[] = { 2, 10, 100, 1000, 10000 };

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        unsigned count = many_tasks(counts[i]);

        must_run(notify_all, &count);
    }
}
