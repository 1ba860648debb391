/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/sync.h.
 *
 * Each has two ways. The second is GYRE_LOCAL; and in it, the _until forms are
 * ended by their own deadline: the helper keeps what the call wants until then.
 */
#include <errno.h>

#include "awaits/stage.h"

static unsigned flags(const struct scene *scene)
{
    return scene->way == 1 ? GYRE_LOCAL : 0;
}

/* Before the helper gives. */
static void keep(struct scene *scene)
{
    if (scene->scenario->result[scene->way] == -ETIMEDOUT)
        linger_until_done(scene);
    else
        linger(scene);
}

#define SYNC_SCENARIO(call, noun, wait_fn, help_fn, ...)                       \
    SCENARIO(call) = { .wait = (wait_fn),                                      \
                       .help = (help_fn),                                      \
                       .set_up = noun##_up,                                    \
                       .tear_down = noun##_down,                               \
                       .ways = 2,                                              \
                       __VA_ARGS__ }

/* ---- mutex --------------------------------------------------------------- */

static void mutex_up(struct scene *scene)
{
    gyre_mutex_init(&scene->mutex, flags(scene));
}

static void mutex_down(struct scene *scene)
{
    gyre_mutex_destroy(&scene->mutex);
}

static void mutex_hold(struct scene *scene)
{
    CHECK(gyre_mutex_try_lock(&scene->mutex));
    keep(scene);
    gyre_mutex_unlock(&scene->mutex);
}

static int mutex_give_back(struct scene *scene, int err)
{
    CHECK_EQ(gyre_mutex_is_mine(&scene->mutex), err == 0);
    if (err == 0)
        gyre_mutex_unlock(&scene->mutex);
    return err;
}

static int wait_mutex(struct scene *scene)
{
    return mutex_give_back(scene, AWAIT(scene, gyre_mutex_lock(&scene->mutex)));
}

SYNC_SCENARIO(gyre_mutex_lock, mutex, wait_mutex, mutex_hold,
              .help_first = true);

static int wait_mutex_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);

    return mutex_give_back(
        scene, AWAIT(scene, gyre_mutex_lock_until(&scene->mutex, deadline)));
}

SYNC_SCENARIO(gyre_mutex_lock_until, mutex, wait_mutex_until, mutex_hold,
              .result = { 0, -ETIMEDOUT }, .help_first = true);

static int wait_guard(struct scene *scene)
{
    gyre_guard guard;
    int err = AWAIT(scene, (guard = gyre_guard_begin(&scene->mutex)).error);

    CHECK_EQ(gyre_mutex_is_mine(&scene->mutex), err == 0);
    gyre_guard_end(&guard);
    return err;
}

SYNC_SCENARIO(gyre_guard_begin, mutex, wait_guard, mutex_hold,
              .help_first = true);

/* ---- read-write lock ----------------------------------------------------- */

static void rwlock_up(struct scene *scene)
{
    gyre_rwlock_init(&scene->sync.rwlock, flags(scene));
}

static void rwlock_down(struct scene *scene)
{
    gyre_rwlock_destroy(&scene->sync.rwlock);
}

static void rwlock_hold_write(struct scene *scene)
{
    CHECK(gyre_rwlock_try_write(&scene->sync.rwlock));
    keep(scene);
    gyre_rwlock_write_unlock(&scene->sync.rwlock);
}

static int read_behind(void *arg)
{
    struct scene *scene = arg;

    if (gyre_rwlock_read(&scene->sync.rwlock) == 0) {
        scene->count = 1;
        gyre_rwlock_read_unlock(&scene->sync.rwlock);
    }
    return 0;
}

/* A reader who stands behind the writer comes in when that one leaves, and need
 * not wait for the readers who are in. */
static void rwlock_hold_read(struct scene *scene)
{
    CHECK(gyre_rwlock_try_read(&scene->sync.rwlock));
    (void)gyre_yield();
    (void)spawn_more(scene, &scene->scope, read_behind, NULL);
    keep(scene);
    if (scene->done && scene->strike == STRIKE_TASK) {
        linger(scene);
        CHECK_EQ(scene->count, 1u);
    }
    gyre_rwlock_read_unlock(&scene->sync.rwlock);
}

static int read_give_back(struct scene *scene, int err)
{
    if (err == 0)
        gyre_rwlock_read_unlock(&scene->sync.rwlock);
    return err;
}

static int wait_rwlock_read(struct scene *scene)
{
    return read_give_back(scene,
                          AWAIT(scene, gyre_rwlock_read(&scene->sync.rwlock)));
}

SYNC_SCENARIO(gyre_rwlock_read, rwlock, wait_rwlock_read, rwlock_hold_write,
              .help_first = true);

static int wait_rwlock_read_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);

    return read_give_back(
        scene,
        AWAIT(scene, gyre_rwlock_read_until(&scene->sync.rwlock, deadline)));
}

SYNC_SCENARIO(gyre_rwlock_read_until, rwlock, wait_rwlock_read_until,
              rwlock_hold_write, .result = { 0, -ETIMEDOUT },
              .help_first = true);

static int write_give_back(struct scene *scene, int err)
{
    if (err == 0)
        gyre_rwlock_write_unlock(&scene->sync.rwlock);
    return err;
}

static int wait_rwlock_write(struct scene *scene)
{
    return write_give_back(
        scene, AWAIT(scene, gyre_rwlock_write(&scene->sync.rwlock)));
}

SYNC_SCENARIO(gyre_rwlock_write, rwlock, wait_rwlock_write, rwlock_hold_read,
              .help_first = true);

static int wait_rwlock_write_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);

    return write_give_back(
        scene,
        AWAIT(scene, gyre_rwlock_write_until(&scene->sync.rwlock, deadline)));
}

SYNC_SCENARIO(gyre_rwlock_write_until, rwlock, wait_rwlock_write_until,
              rwlock_hold_read, .result = { 0, -ETIMEDOUT },
              .help_first = true);

/* ---- condition variable: the mutex is held afterwards, whatever ---------- */

static void cond_up(struct scene *scene)
{
    mutex_up(scene);
    gyre_cond_init(&scene->sync.cond, flags(scene));
}

static void cond_down(struct scene *scene)
{
    gyre_cond_destroy(&scene->sync.cond);
    mutex_down(scene);
}

/* Two notifies, of which the first is for nothing; and the mutex is held for a
 * while, so that the call waits for that, too. */
static void cond_notify(struct scene *scene)
{
    keep(scene);
    CHECK(gyre_mutex_try_lock(&scene->mutex));
    if (scene->value == NULL) {
        gyre_cond_notify_one(&scene->sync.cond);
        (void)gyre_yield();
    }
    scene->count = 1;
    gyre_cond_notify_all(&scene->sync.cond);
    linger(scene);
    gyre_mutex_unlock(&scene->mutex);
}

static int cond_locked(struct scene *scene, int err)
{
    CHECK(gyre_mutex_is_mine(&scene->mutex));
    gyre_mutex_unlock(&scene->mutex);
    return err;
}

static int wait_cond(struct scene *scene)
{
    CHECK(gyre_mutex_try_lock(&scene->mutex));
    return cond_locked(
        scene, AWAIT(scene, gyre_cond_wait(&scene->sync.cond, &scene->mutex)));
}

SYNC_SCENARIO(gyre_cond_wait, cond, wait_cond, cond_notify);

static int wait_cond_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);

    CHECK(gyre_mutex_try_lock(&scene->mutex));
    return cond_locked(
        scene, AWAIT(scene, gyre_cond_wait_until(&scene->sync.cond,
                                                 &scene->mutex, deadline)));
}

SYNC_SCENARIO(gyre_cond_wait_until, cond, wait_cond_until, cond_notify,
              .result = { 0, -ETIMEDOUT });

static bool counted(void *arg)
{
    const struct scene *scene = arg;

    CHECK(gyre_mutex_is_mine(&scene->mutex));
    return scene->count > 0;
}

static int wait_cond_for(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);
    int err;

    CHECK(gyre_mutex_try_lock(&scene->mutex));
    err = AWAIT(scene, gyre_cond_wait_for(&scene->sync.cond, &scene->mutex,
                                          counted, scene, deadline));
    CHECK_EQ(err == 0, counted(scene));
    return cond_locked(scene, err);
}

SYNC_SCENARIO(gyre_cond_wait_for, cond, wait_cond_for, cond_notify,
              .result = { 0, -ETIMEDOUT });

/* ---- semaphore: no unit is lost ------------------------------------------ */

static void semaphore_up(struct scene *scene)
{
    gyre_semaphore_init(&scene->sync.semaphore, 1, flags(scene));
}

static void semaphore_down(struct scene *scene)
{
    CHECK_EQ(gyre_semaphore_units(&scene->sync.semaphore), 2u);
    gyre_semaphore_destroy(&scene->sync.semaphore);
}

static int semaphore_give_back(struct scene *scene, int err)
{
    if (err == 0)
        gyre_semaphore_release(&scene->sync.semaphore, 2);
    return err;
}

static int acquire_behind(void *arg)
{
    struct scene *scene = arg;

    if (gyre_semaphore_acquire(&scene->sync.semaphore, 1) == 0) {
        scene->count = 1;
        gyre_semaphore_release(&scene->sync.semaphore, 1);
    }
    return 0;
}

/* He who wants one unit, which is there, stands behind him who wants two. */
static void semaphore_give(struct scene *scene)
{
    (void)spawn_more(scene, &scene->scope, acquire_behind, NULL);
    keep(scene);
    if (scene->done && scene->strike == STRIKE_TASK) {
        linger(scene);
        CHECK_EQ(scene->count, 1u);
    }
    gyre_semaphore_release(&scene->sync.semaphore, 1);
}

static int wait_semaphore(struct scene *scene)
{
    return semaphore_give_back(
        scene, AWAIT(scene, gyre_semaphore_acquire(&scene->sync.semaphore, 2)));
}

SYNC_SCENARIO(gyre_semaphore_acquire, semaphore, wait_semaphore,
              semaphore_give);

static int wait_semaphore_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);

    return semaphore_give_back(
        scene, AWAIT(scene, gyre_semaphore_acquire_until(&scene->sync.semaphore,
                                                         2, deadline)));
}

SYNC_SCENARIO(gyre_semaphore_acquire_until, semaphore, wait_semaphore_until,
              semaphore_give, .result = { 0, -ETIMEDOUT });

/* ---- event --------------------------------------------------------------- */

static void event_up(struct scene *scene)
{
    gyre_event_init(&scene->sync.event, flags(scene));
}

static void event_down(struct scene *scene)
{
    CHECK(gyre_event_is_set(&scene->sync.event));
    gyre_event_destroy(&scene->sync.event);
}

static void event_set(struct scene *scene)
{
    keep(scene);
    CHECK_OK(gyre_event_set(&scene->sync.event, scene));
}

static int wait_event(struct scene *scene)
{
    int err = AWAIT(scene, gyre_event_wait(&scene->sync.event, &scene->value));

    CHECK(scene->value == (err == 0 ? scene : NULL));
    return err;
}

SYNC_SCENARIO(gyre_event_wait, event, wait_event, event_set);

static int wait_event_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);
    int err = AWAIT(scene, gyre_event_wait_until(&scene->sync.event,
                                                 &scene->value, deadline));

    CHECK(scene->value == (err == 0 ? scene : NULL));
    return err;
}

SYNC_SCENARIO(gyre_event_wait_until, event, wait_event_until, event_set,
              .result = { 0, -ETIMEDOUT });

/* ---- latch --------------------------------------------------------------- */

static void latch_up(struct scene *scene)
{
    gyre_latch_init(&scene->sync.latch, 2, flags(scene));
}

static void latch_down(struct scene *scene)
{
    CHECK(gyre_latch_is_open(&scene->sync.latch));
    gyre_latch_destroy(&scene->sync.latch);
}

static void latch_open(struct scene *scene)
{
    gyre_latch_count_down(&scene->sync.latch, 1);
    keep(scene);
    gyre_latch_count_down(&scene->sync.latch, 1);
}

static int wait_latch(struct scene *scene)
{
    return AWAIT(scene, gyre_latch_wait(&scene->sync.latch));
}

SYNC_SCENARIO(gyre_latch_wait, latch, wait_latch, latch_open);

static int wait_latch_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);

    return AWAIT(scene, gyre_latch_wait_until(&scene->sync.latch, deadline));
}

SYNC_SCENARIO(gyre_latch_wait_until, latch, wait_latch_until, latch_open,
              .result = { 0, -ETIMEDOUT });

/* ---- barrier: who leaves takes his arrival back -------------------------- */

static void barrier_up(struct scene *scene)
{
    gyre_barrier_init(&scene->sync.barrier, 2, flags(scene));
}

static void barrier_down(struct scene *scene)
{
    /* Both went on, or neither. */
    CHECK_EQ(scene->count == 1, scene->result == 0);
    gyre_barrier_destroy(&scene->sync.barrier);
}

/* The last to come does not wait; if the other has left, he is the first. */
static void barrier_arrive(struct scene *scene)
{
    gyre_scope shield;
    uint64_t soon;
    int err;

    keep(scene);
    gyre_scope_open(&shield, &(gyre_scope_options){
                                 .shield = true,
                                 .deadline_ns = GYRE_NEVER,
                             });
    soon = gyre_loop_update_now(scene->loop) + 100 * GYRE_US;
    err = gyre_barrier_wait_until(&scene->sync.barrier, soon);
    CHECK_OK(gyre_scope_close(&shield));
    if (err != 1)
        CHECK_ERR(err, -ETIMEDOUT);
    scene->count = err == 1;
}

static int wait_barrier(struct scene *scene)
{
    return AWAIT(scene, gyre_barrier_wait(&scene->sync.barrier));
}

SYNC_SCENARIO(gyre_barrier_wait, barrier, wait_barrier, barrier_arrive);

static int wait_barrier_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);

    return AWAIT(scene,
                 gyre_barrier_wait_until(&scene->sync.barrier, deadline));
}

SYNC_SCENARIO(gyre_barrier_wait_until, barrier, wait_barrier_until,
              barrier_arrive, .result = { 0, -ETIMEDOUT });

/* ---- wait group ---------------------------------------------------------- */

static void group_up(struct scene *scene)
{
    gyre_wait_group_init(&scene->sync.group, flags(scene));
    gyre_wait_group_add(&scene->sync.group, 1);
}

static void group_down(struct scene *scene)
{
    gyre_wait_group_destroy(&scene->sync.group);
}

static void group_done(struct scene *scene)
{
    keep(scene);
    gyre_wait_group_done(&scene->sync.group);
}

static int wait_group(struct scene *scene)
{
    return AWAIT(scene, gyre_wait_group_wait(&scene->sync.group));
}

SYNC_SCENARIO(gyre_wait_group_wait, group, wait_group, group_done);

static int wait_group_until(struct scene *scene)
{
    uint64_t deadline = own_deadline(scene);

    return AWAIT(scene,
                 gyre_wait_group_wait_until(&scene->sync.group, deadline));
}

SYNC_SCENARIO(gyre_wait_group_wait_until, group, wait_group_until, group_done,
              .result = { 0, -ETIMEDOUT });

/* ---- once: in the second way, who came first fails ----------------------- */

static void once_up(struct scene *scene)
{
    gyre_once_init(&scene->sync.once, flags(scene));
}

static void once_down(struct scene *scene)
{
    gyre_once_destroy(&scene->sync.once);
}

static int slowly(void *arg)
{
    struct scene *scene = arg;

    linger(scene);
    scene->count++;
    return scene->way == 0 ? 0 : -EAGAIN;
}

static int quickly(void *arg)
{
    struct scene *scene = arg;

    scene->count++;
    return 0;
}

static void once_help(struct scene *scene)
{
    int err = gyre_once_run(&scene->sync.once, slowly, scene);

    if (err != -ECANCELED && err != -ETIME)
        CHECK_ERR(err, scene->way == 0 ? 0 : -EAGAIN);
}

static int wait_once(struct scene *scene)
{
    int err = AWAIT(scene, gyre_once_run(&scene->sync.once, quickly, scene));

    if (err == 0)
        CHECK(gyre_once_is_done(&scene->sync.once));
    return err;
}

SYNC_SCENARIO(gyre_once_run, once, wait_once, once_help, .help_first = true);
