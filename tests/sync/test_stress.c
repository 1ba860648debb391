/* SPDX-License-Identifier: MIT */
/*
 * test_stress.c - every primitive under threads and two loops at once
 *
 * The same actor runs on plain threads and as tasks of two loops, with random
 * deadlines and cancels, and checks what the primitive promises. To be run
 * under ThreadSanitizer as well.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "sync/kinds.h"

enum { THREADS = 2, LOOPS = 2, TASKS = 3, PARTIES = THREADS + LOOPS * TASKS };

struct stress {
    void (*act)(struct stress *s, unsigned who, uint64_t *random);
    unsigned rounds;
    struct object object;
    struct object second;
    long a, b; /* guarded by the primitive */
    atomic_long hits;
    atomic_long misses;
    atomic_long inside;
    atomic_long phase[PARTIES];
};

struct actor {
    struct stress *stress;
    unsigned who;
};

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* Often none, else so soon that it comes in the middle of things. */
static uint64_t some_deadline(uint64_t *random)
{
    uint64_t r = next_random(random);

    if (r % 3 == 0)
        return GYRE_NEVER;
    return clock_ns() + r / 3 % 200000;
}

/* Wait in a scope that is cancelled by its own deadline, perhaps. */
static int wait_somehow(int (*wait)(struct object *o, uint64_t deadline_ns),
                        struct object *o, uint64_t *random)
{
    gyre_scope_options options = { .deadline_ns = some_deadline(random) };
    gyre_scope scope;
    int result, closed;

    if (gyre_task_current() == NULL || options.deadline_ns == GYRE_NEVER)
        return wait(o, some_deadline(random));
    gyre_scope_open(&scope, &options);
    result = wait(o, some_deadline(random));
    closed = gyre_scope_close(&scope);
    CHECK(closed == 0 || closed == -ETIME);
    return result;
}

static void count(struct stress *s, int result)
{
    if (result >= 0) {
        atomic_fetch_add(&s->hits, 1);
        return;
    }
    CHECK(result == -ETIMEDOUT || result == -ETIME);
    atomic_fetch_add(&s->misses, 1);
}

static int act(void *arg)
{
    struct actor *actor = arg;
    uint64_t random = 88172645463325252U + 977 * actor->who;

    for (unsigned i = 0; i < actor->stress->rounds; i++)
        actor->stress->act(actor->stress, actor->who, &random);
    return 0;
}

static void *act_in_thread(void *arg)
{
    CHECK_OK(act(arg));
    return NULL;
}

static int spawn_actors(void *arg)
{
    struct actor *actors = arg;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < TASKS; i++)
        CHECK_OK(gyre_spawn(&scope, act, &actors[i]));
    return gyre_scope_close(&scope);
}

static void *act_in_tasks(void *arg)
{
    must_run(spawn_actors, arg);
    return NULL;
}

static unsigned scaled(unsigned count)
{
    return count / test_scale() + 1;
}

static void stress_run(struct stress *s, unsigned rounds)
{
    struct actor actors[PARTIES];
    pthread_t threads[THREADS + LOOPS];

    s->rounds = scaled(rounds);
    for (unsigned i = 0; i < PARTIES; i++)
        actors[i] = (struct actor){ s, i };
    for (unsigned i = 0; i < THREADS + LOOPS; i++)
        CHECK_OK(pthread_create(
            &threads[i], NULL, i < THREADS ? act_in_thread : act_in_tasks,
            i < THREADS ? &actors[i]
                        : &actors[THREADS + (i - THREADS) * TASKS]));
    for (unsigned i = 0; i < THREADS + LOOPS; i++)
        CHECK_OK(pthread_join(threads[i], NULL));
}

/* ---- locks --------------------------------------------------------------- */

static int lock_mutex(struct object *o, uint64_t deadline_ns)
{
    return gyre_mutex_lock_until(&o->mutex, deadline_ns);
}

static void stress_mutex(struct stress *s, unsigned who, uint64_t *random)
{
    int err = next_random(random) % 4 == 0 &&
                      gyre_mutex_try_lock(&s->object.mutex)
                  ? 0
                  : wait_somehow(lock_mutex, &s->object, random);

    (void)who;
    count(s, err);
    if (err < 0)
        return;
    CHECK_EQ(s->a, s->b);
    s->a++;
    if (gyre_task_current() != NULL && next_random(random) % 4 == 0)
        (void)gyre_yield();
    s->b++;
    gyre_mutex_unlock(&s->object.mutex);
}

/* I12 */
KERNEL_TEST2(M14_M3_stress_of_a_mutex)
{
    struct stress s = { .act = stress_mutex };

    gyre_mutex_init(&s.object.mutex, 0);
    stress_run(&s, 2000);
    CHECK_EQ(s.a, atomic_load(&s.hits));
    gyre_mutex_destroy(&s.object.mutex);
}

static int lock_read(struct object *o, uint64_t deadline_ns)
{
    return gyre_rwlock_read_until(&o->rwlock, deadline_ns);
}

static int lock_write(struct object *o, uint64_t deadline_ns)
{
    return gyre_rwlock_write_until(&o->rwlock, deadline_ns);
}

static void stress_rwlock(struct stress *s, unsigned who, uint64_t *random)
{
    gyre_rwlock *lock = &s->object.rwlock;
    bool writes = next_random(random) % 3 == 0;
    int err = wait_somehow(writes ? lock_write : lock_read, &s->object, random);

    (void)who;
    if (err < 0) {
        count(s, err);
        return;
    }
    CHECK_EQ(s->a, s->b);
    if (writes) {
        count(s, 0);
        s->a++;
        s->b++;
        if (next_random(random) % 2 == 0) {
            gyre_rwlock_write_unlock(lock);
            return;
        }
        gyre_rwlock_downgrade(lock);
        CHECK_EQ(s->a, s->b);
    }
    if (gyre_task_current() != NULL)
        (void)gyre_yield();
    CHECK_EQ(s->a, s->b);
    gyre_rwlock_read_unlock(lock);
}

/* I12 */
KERNEL_TEST2(M14_M4_stress_of_a_rwlock)
{
    struct stress s = { .act = stress_rwlock };

    gyre_rwlock_init(&s.object.rwlock, 0);
    stress_run(&s, 2000);
    CHECK_EQ(s.a, atomic_load(&s.hits));
    gyre_rwlock_destroy(&s.object.rwlock);
}

/* ---- semaphore ----------------------------------------------------------- */

static int take_one(struct object *o, uint64_t deadline_ns)
{
    return gyre_semaphore_acquire_until(&o->semaphore, 1, deadline_ns);
}

static int take_two(struct object *o, uint64_t deadline_ns)
{
    return gyre_semaphore_acquire_until(&o->semaphore, 2, deadline_ns);
}

static void stress_semaphore(struct stress *s, unsigned who, uint64_t *random)
{
    unsigned units = next_random(random) % 2 == 0 ? 1 : 2;
    int err =
        wait_somehow(units == 1 ? take_one : take_two, &s->object, random);

    (void)who;
    count(s, err);
    if (err < 0)
        return;
    CHECK_LE(atomic_fetch_add(&s->inside, units) + units, 3);
    if (gyre_task_current() != NULL)
        (void)gyre_yield();
    atomic_fetch_sub(&s->inside, units);
    gyre_semaphore_release(&s->object.semaphore, units);
}

/* I12 */
KERNEL_TEST2(M14_M8_stress_of_a_semaphore)
{
    struct stress s = { .act = stress_semaphore };

    gyre_semaphore_init(&s.object.semaphore, 3, 0);
    stress_run(&s, 2000);
    CHECK_EQ(gyre_semaphore_units(&s.object.semaphore), 3u);
    gyre_semaphore_destroy(&s.object.semaphore);
}

/* ---- condition ----------------------------------------------------------- */

static bool is_positive(void *arg)
{
    return *(const long *)arg > 0;
}

/* Each gives one and takes one, so each take succeeds in the end. */
static void stress_cond(struct stress *s, unsigned who, uint64_t *random)
{
    gyre_mutex *mutex = &s->second.mutex;
    int err;

    (void)who;
    CHECK_OK(gyre_mutex_lock(mutex));
    s->a++;
    if (next_random(random) % 2 == 0)
        gyre_cond_notify_one(&s->object.cond);
    else
        gyre_cond_notify_all(&s->object.cond);
    gyre_mutex_unlock(mutex);
    do {
        CHECK_OK(gyre_mutex_lock(mutex));
        err = gyre_cond_wait_for(&s->object.cond, mutex, is_positive, &s->a,
                                 some_deadline(random));
        if (err == 0)
            s->a--;
        gyre_mutex_unlock(mutex);
        count(s, err);
    } while (err < 0);
}

/* I12 */
KERNEL_TEST2(M14_M5_stress_of_a_condition)
{
    struct stress s = { .act = stress_cond };

    gyre_cond_init(&s.object.cond, 0);
    gyre_mutex_init(&s.second.mutex, 0);
    stress_run(&s, 1000);
    CHECK_EQ(s.a, 0);
    CHECK_EQ(atomic_load(&s.hits), (long)(PARTIES * s.rounds));
    gyre_cond_destroy(&s.object.cond);
    gyre_mutex_destroy(&s.second.mutex);
}

/* ---- barrier ------------------------------------------------------------- */

static int arrive(struct object *o, uint64_t deadline_ns)
{
    return gyre_barrier_wait_until(&o->barrier, deadline_ns);
}

/* Who gives up comes again: nobody is ever a phase ahead of another. */
static void stress_barrier(struct stress *s, unsigned who, uint64_t *random)
{
    long phase = atomic_load(&s->phase[who]);
    int result;

    do {
        result = wait_somehow(arrive, &s->object, random);
        if (result < 0)
            count(s, result);
    } while (result < 0);
    atomic_fetch_add(&s->hits, result);
    for (unsigned i = 0; i < PARTIES; i++) {
        long other = atomic_load(&s->phase[i]);

        CHECK(other == phase || other == phase + 1);
    }
    atomic_store(&s->phase[who], phase + 1);
}

/* I12 */
KERNEL_TEST2(M14_M8_stress_of_a_barrier)
{
    struct stress s = { .act = stress_barrier };

    gyre_barrier_init(&s.object.barrier, PARTIES, 0);
    stress_run(&s, 400);
    CHECK_EQ(atomic_load(&s.hits), (long)s.rounds); /* one last in each */
    gyre_barrier_destroy(&s.object.barrier);
}

/* ---- event, latch, wait group, once -------------------------------------- */

static int read_event(struct object *o, uint64_t deadline_ns)
{
    void *value = NULL;
    int err = gyre_event_wait_until(&o->event, &value, deadline_ns);

    CHECK(err < 0 || value == o);
    return err;
}

/* Set, reset and wait in any order: only what was set is ever seen. */
static void stress_event(struct stress *s, unsigned who, uint64_t *random)
{
    if (who == 0 || who == PARTIES - 1) {
        int err = gyre_event_set(&s->object.event, &s->object);

        CHECK(err == 0 || err == -EALREADY);
        if (next_random(random) % 2 == 0)
            gyre_event_reset(&s->object.event);
        return;
    }
    (void)read_event(&s->object, clock_ns() + next_random(random) % 100000);
}

static int wait_for_group(struct object *o, uint64_t deadline_ns)
{
    return gyre_wait_group_wait_until(&o->group, deadline_ns);
}

static void stress_group(struct stress *s, unsigned who, uint64_t *random)
{
    (void)who;
    gyre_wait_group_add(&s->object.group, 1);
    if (gyre_task_current() != NULL)
        (void)gyre_yield();
    gyre_wait_group_done(&s->object.group);
    count(s, wait_somehow(wait_for_group, &s->object, random));
}

/* I12 */
KERNEL_TEST2(M14_M1_M7_stress_of_an_event_and_a_wait_group)
{
    struct stress s = { .act = stress_event };

    gyre_event_init(&s.object.event, 0);
    stress_run(&s, 2000);
    gyre_event_destroy(&s.object.event);

    s = (struct stress){ .act = stress_group };
    gyre_wait_group_init(&s.object.group, 0);
    stress_run(&s, 2000);
    CHECK_OK(gyre_wait_group_wait(&s.object.group));
    gyre_wait_group_destroy(&s.object.group);
}

static int fail_or_make(void *arg)
{
    struct stress *s = arg;

    CHECK_EQ(s->a, s->b); /* by one at a time */
    s->a++;
    if (gyre_task_current() != NULL)
        (void)gyre_yield();
    s->b++;
    return s->a % 5 == 0 ? 0 : -EAGAIN;
}

static void stress_once(struct stress *s, unsigned who, uint64_t *random)
{
    int err = gyre_once_run(&s->object.once, fail_or_make, s);

    (void)who;
    (void)random;
    CHECK(err == 0 || err == -EAGAIN);
    if (err == 0)
        CHECK_EQ(s->a, 5);
    /* The latch counts all rounds of all, and who waits for it is the last. */
    gyre_latch_count_down(&s->second.latch, 1);
}

/* I12 */
KERNEL_TEST2(M14_M1_M6_stress_of_once_and_a_latch)
{
    for (unsigned i = 0; i < scaled(40); i++) {
        struct stress s = { .act = stress_once };

        gyre_once_init(&s.object.once, 0);
        gyre_latch_init(&s.second.latch, PARTIES * scaled(20), 0);
        stress_run(&s, 20);
        CHECK_OK(gyre_latch_wait(&s.second.latch));
        CHECK(gyre_once_is_done(&s.object.once));
        gyre_latch_destroy(&s.second.latch);
        gyre_once_destroy(&s.object.once);
    }
}
