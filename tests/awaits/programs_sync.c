/* SPDX-License-Identifier: MIT */
/*
 * Programs that fail: tasks that wait for each other. See programs.h.
 *
 * Each has an op here and there, so that something can fail; and no spawn that
 * fails leaves the others waiting, since the error cancels their scope.
 */
#include <errno.h>
#include <gyre/error.h>
#include <sys/socket.h>
#include <unistd.h>

#include "awaits/programs.h"
#include "io/world.h"

static void pair_up(struct stage *stage)
{
    pair_open(stage->fds);
}

static int say(struct stage *stage)
{
    ssize_t n = gyre_send(stage->fds[1], "x", 1, 0);

    return n < 0 ? (int)n : 0;
}

/* Run the body in a scope of its own, so that what it shares with its tasks can
 * be destroyed afterwards: nobody waits for it any more. */
static int share(struct stage *stage, void *shared,
                 int (*body)(gyre_scope *scope, void *stage))
{
    stage->shared = shared;
    return gyre_scope_run(NULL, body, stage);
}

/* ---- mutex --------------------------------------------------------------- */

static int work_with_mutex(void *arg)
{
    struct stage *stage = arg;
    int err;

    GYRE_GUARD(guard, stage->shared);
    if (guard.error < 0)
        return guard.error;
    err = say(stage); /* while it is held */
    stage->count++;
    return err;
}

static int mutex_body(gyre_scope *scope, void *arg)
{
    return spawn_some(scope, work_with_mutex, arg, 3);
}

static int mutex_and_guard_main(gyre_scope *scope, void *arg)
{
    gyre_mutex mutex = GYRE_MUTEX_INIT;
    int err = share(arg, &mutex, mutex_body);

    (void)scope;
    gyre_mutex_destroy(&mutex);
    return err;
}

PROGRAM(mutex_and_guard, .set_up = pair_up, .ops = 3, .spawns = 3);

/* ---- read-write lock ----------------------------------------------------- */

static int work_as_reader(void *arg)
{
    struct stage *stage = arg;
    int err = gyre_rwlock_read(stage->shared);

    if (err < 0)
        return err;
    err = say(stage);
    gyre_rwlock_read_unlock(stage->shared);
    return err;
}

static int work_as_writer(void *arg)
{
    struct stage *stage = arg;
    int err = gyre_rwlock_write(stage->shared);

    if (err < 0)
        return err;
    err = say(stage);
    gyre_rwlock_downgrade(stage->shared);
    if (err == 0)
        err = gyre_yield();
    gyre_rwlock_read_unlock(stage->shared);
    return err;
}

static int rwlock_body(gyre_scope *scope, void *arg)
{
    int err = spawn_some(scope, work_as_reader, arg, 1);

    if (err == 0)
        err = spawn_some(scope, work_as_writer, arg, 1);
    return err < 0 ? err : spawn_some(scope, work_as_reader, arg, 1);
}

static int readers_and_a_writer_main(gyre_scope *scope, void *arg)
{
    gyre_rwlock lock = GYRE_RWLOCK_INIT;
    int err = share(arg, &lock, rwlock_body);

    (void)scope;
    gyre_rwlock_destroy(&lock);
    return err;
}

PROGRAM(readers_and_a_writer, .set_up = pair_up, .ops = 3, .spawns = 3);

/* ---- condition variables ------------------------------------------------- */

struct buffer {
    gyre_mutex mutex;
    gyre_cond changed;
    unsigned full; /* 0 or 1 */
};

static bool is_full(void *arg)
{
    const struct buffer *buffer = arg;

    return buffer->full == 1;
}

static bool is_empty(void *arg)
{
    return !is_full(arg);
}

static int change(struct buffer *buffer, bool (*when)(void *), unsigned full)
{
    int err = gyre_mutex_lock(&buffer->mutex);

    if (err < 0)
        return err;
    err = gyre_cond_wait_for(&buffer->changed, &buffer->mutex, when, buffer,
                             GYRE_NEVER);
    if (err == 0)
        buffer->full = full;
    gyre_cond_notify_all(&buffer->changed);
    gyre_mutex_unlock(&buffer->mutex);
    return err;
}

static int produce(void *arg)
{
    struct stage *stage = arg;
    int err = 0;

    for (int i = 0; i < 3 && err == 0; i++) {
        err = say(stage);
        if (err == 0)
            err = change(stage->shared, is_empty, 1);
    }
    return err;
}

static int consume(void *arg)
{
    struct stage *stage = arg;
    int err = 0;

    for (int i = 0; i < 3 && err == 0; i++)
        err = change(stage->shared, is_full, 0);
    return err;
}

static int buffer_body(gyre_scope *scope, void *arg)
{
    int err = spawn_some(scope, consume, arg, 1);

    return err < 0 ? err : spawn_some(scope, produce, arg, 1);
}

static int bounded_buffer_main(gyre_scope *scope, void *arg)
{
    struct buffer buffer = { .mutex = GYRE_MUTEX_INIT,
                             .changed = GYRE_COND_INIT };
    int err = share(arg, &buffer, buffer_body);

    (void)scope;
    gyre_cond_destroy(&buffer.changed);
    gyre_mutex_destroy(&buffer.mutex);
    return err;
}

PROGRAM(bounded_buffer, .set_up = pair_up, .ops = 3, .spawns = 2);

/* ---- semaphore ----------------------------------------------------------- */

static int work_with_unit(void *arg)
{
    struct stage *stage = arg;
    int err = gyre_semaphore_acquire(stage->shared, 1);

    if (err < 0)
        return err;
    err = say(stage);
    gyre_semaphore_release(stage->shared, 1);
    return err;
}

static int semaphore_body(gyre_scope *scope, void *arg)
{
    return spawn_some(scope, work_with_unit, arg, 4);
}

static int workers_by_semaphore_main(gyre_scope *scope, void *arg)
{
    gyre_semaphore semaphore = GYRE_SEMAPHORE_INIT(2);
    int err = share(arg, &semaphore, semaphore_body);

    (void)scope;
    CHECK_EQ(gyre_semaphore_units(&semaphore), 2u);
    gyre_semaphore_destroy(&semaphore);
    return err;
}

PROGRAM(workers_by_semaphore, .set_up = pair_up, .ops = 4, .spawns = 4);

/* ---- event, latch, barrier, wait group ----------------------------------- */

struct meeting {
    gyre_event go;
    gyre_latch come;
    gyre_barrier together;
    gyre_wait_group left;
};

static int attend(void *arg)
{
    struct stage *stage = arg;
    struct meeting *meeting = stage->shared;
    int err = gyre_event_wait(&meeting->go, NULL);

    if (err == 0)
        err = say(stage);
    gyre_latch_count_down(&meeting->come, 1);
    if (err == 0)
        err = gyre_barrier_wait(&meeting->together);
    gyre_wait_group_done(&meeting->left);
    return err < 0 ? err : 0;
}

static int meeting_body(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    struct meeting *meeting = stage->shared;
    int err = 0;

    for (int i = 0; i < 2 && err == 0; i++) {
        gyre_wait_group_add(&meeting->left, 1);
        err = gyre_spawn(scope, attend, stage);
        if (err < 0)
            gyre_wait_group_done(&meeting->left);
    }
    if (err == 0)
        err = gyre_event_set(&meeting->go, NULL);
    if (err == 0)
        err = gyre_latch_wait(&meeting->come);
    return err < 0 ? err : gyre_wait_group_wait(&meeting->left);
}

static int all_who_meet_main(gyre_scope *scope, void *arg)
{
    struct meeting meeting = { GYRE_EVENT_INIT, GYRE_LATCH_INIT(2),
                               GYRE_BARRIER_INIT(2), GYRE_WAIT_GROUP_INIT };
    int err = share(arg, &meeting, meeting_body);

    (void)scope;
    gyre_event_destroy(&meeting.go);
    gyre_latch_destroy(&meeting.come);
    gyre_barrier_destroy(&meeting.together);
    gyre_wait_group_destroy(&meeting.left);
    return err;
}

PROGRAM(all_who_meet, .set_up = pair_up, .ops = 2, .spawns = 2);

/* ---- once: who fails lets the next try ----------------------------------- */

static int do_once(void *arg)
{
    struct stage *stage = arg;
    int err = say(stage);

    if (err == 0)
        stage->count++;
    return err;
}

static int need_it_done(void *arg)
{
    struct stage *stage = arg;
    int err = gyre_once_run(stage->shared, do_once, stage);

    if (err == 0)
        CHECK_EQ(stage->count, 1u);
    return err;
}

static int once_body(gyre_scope *scope, void *arg)
{
    return spawn_some(scope, need_it_done, arg, 3);
}

static int once_for_all_main(gyre_scope *scope, void *arg)
{
    gyre_once once = GYRE_ONCE_INIT;
    int err = share(arg, &once, once_body);

    (void)scope;
    gyre_once_destroy(&once);
    return err;
}

PROGRAM(once_for_all, .set_up = pair_up, .ops = 1, .spawns = 3);

/* ---- channels ------------------------------------------------------------ */

struct pipeline {
    gyre_channel *first;
    gyre_channel *second;
};

static int source(void *arg)
{
    struct stage *stage = arg;
    struct pipeline *pipeline = stage->shared;
    int err = 0;

    for (int i = 1; i <= 4 && err == 0; i++) {
        err = say(stage);
        if (err == 0)
            err = gyre_channel_send(pipeline->first, &i);
    }
    CHECK_OK(gyre_channel_close(pipeline->first));
    return err;
}

static int square(void *arg)
{
    struct stage *stage = arg;
    struct pipeline *pipeline = stage->shared;
    int n, err;

    while ((err = gyre_channel_recv(pipeline->first, &n)) == 0) {
        n *= n;
        err = gyre_channel_send(pipeline->second, &n);
        if (err < 0)
            break;
    }
    CHECK_OK(gyre_channel_close(pipeline->second));
    return err == GYRE_EOF ? 0 : err;
}

static int sum_up(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    struct pipeline *pipeline = stage->shared;
    int n;
    int err = spawn_some(scope, source, stage, 1);

    if (err == 0)
        err = spawn_some(scope, square, stage, 1);
    if (err < 0)
        return err;
    while ((err = gyre_channel_recv(pipeline->second, &n)) == 0)
        stage->count += (unsigned)n;
    return err == GYRE_EOF ? 0 : err;
}

static int channel_pipeline_main(gyre_scope *scope, void *arg)
{
    gyre_channel_options one = { .capacity = 1 };
    struct pipeline pipeline;
    int err = gyre_channel_create(&pipeline.first, sizeof(int), &one);

    (void)scope;
    if (err < 0)
        return err;
    err = gyre_channel_create(&pipeline.second, sizeof(int), NULL);
    if (err == 0) {
        err = share(arg, &pipeline, sum_up);
        gyre_channel_destroy(pipeline.second);
    }
    gyre_channel_destroy(pipeline.first);
    if (err == 0)
        CHECK_EQ(((struct stage *)arg)->count, 1u + 4 + 9 + 16);
    return err;
}

PROGRAM(channel_pipeline, .set_up = pair_up, .ops = 4, .spawns = 2);

/* Each element is something acquired, which whoever gets it releases. */
static void let_go(void *element, void *user)
{
    struct stage *stage = user;

    (void)element;
    stage->live--;
}

static int send_many(void *arg)
{
    struct stage *stage = arg;
    int err = 0;

    for (int i = 0; i < 20 && err == 0; i++) {
        stage->live++;
        err = gyre_channel_send(stage->shared, &i);
        if (err < 0)
            stage->live--;
    }
    return err < 0 ? err : say(stage);
}

static int receive_some(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    int err = spawn_some(scope, send_many, stage, 2);
    int n;

    for (int i = 0; i < 10 && err == 0; i++) {
        err = gyre_channel_recv(stage->shared, &n);
        if (err == 0)
            stage->live--;
    }
    return err;
}

static int channel_of_many_main(gyre_scope *scope, void *arg)
{
    gyre_channel_options options = {
        .capacity = GYRE_UNBOUNDED,
        .dispose = let_go,
        .user = arg,
    };
    gyre_channel *channel;
    int err = gyre_channel_create(&channel, sizeof(int), &options);

    (void)scope;
    if (err < 0)
        return err;
    err = share(arg, channel, receive_some);
    gyre_channel_destroy(channel); /* disposes of the rest */
    return err;
}

PROGRAM(channel_of_many, .set_up = pair_up, .ops = 2, .spawns = 2);

/* ---- oneshot ------------------------------------------------------------- */

static int answer(void *arg)
{
    struct stage *stage = arg;
    gyre_oneshot *reply = stage->shared;
    int err = say(stage);

    if (err < 0)
        gyre_oneshot_close_send(reply);
    else
        err = gyre_oneshot_send(reply, stage);
    return err == -EPIPE ? 0 : err; /* nobody wants it any more */
}

static int ask(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    gyre_oneshot *reply = stage->shared;
    void *value;
    int err = gyre_spawn(scope, answer, stage);

    if (err < 0) {
        gyre_oneshot_close_send(reply);
        (void)gyre_oneshot_close_recv(reply, &value);
        return err;
    }
    err = gyre_oneshot_recv(reply, &value);
    if (err == -ECANCELED || err == -ETIME)
        (void)gyre_oneshot_close_recv(reply, &value);
    /* That there is no answer is an error, but he who gave up knows why. */
    return err == GYRE_EOF ? 0 : err;
}

static int oneshot_answers_main(gyre_scope *scope, void *arg)
{
    gyre_oneshot reply = GYRE_ONESHOT_INIT;
    int err = share(arg, &reply, ask);

    (void)scope;
    gyre_oneshot_destroy(&reply);
    return err;
}

PROGRAM(oneshot_answers, .set_up = pair_up, .ops = 1, .spawns = 1);
