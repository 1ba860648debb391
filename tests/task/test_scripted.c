/* SPDX-License-Identifier: MIT */
/*
 * Tasks, scopes, locks and detached calls on the scripted kernel: every order
 * of a cancel and a completion, and deadlines of years, in no time at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "loop/rig.h"

#define YEAR (UINT64_C(365) * 24 * 3600 * GYRE_SECOND)

static void spawn(struct rig *rig, gyre_task_fn *fn, void *arg)
{
    gyre_scope *root = gyre_loop_scope(rig->loop);

    CHECK(root != NULL);
    CHECK_OK(gyre_spawn(root, fn, arg));
}

static void run_all(struct rig *rig)
{
    CHECK_OK(gyre_loop_run(rig->loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(scripted_pending(rig->s), 0u);
    CHECK_EQ(rig_stats(rig).timers, 0u);
}

/* ---- a cancel and a completion, in each order ---------------------------- */

struct reader {
    gyre_scope scope;
    int first, second;
    bool ended;
};

static int read_twice(void *arg)
{
    struct reader *reader = arg;
    char bytes[8];

    gyre_scope_open(&reader->scope, NULL);
    reader->first = (int)gyre_recv(7, bytes, sizeof bytes, 0);
    reader->second = (int)gyre_recv(7, bytes, sizeof bytes, 0);
    CHECK_OK(gyre_scope_close(&reader->scope));
    reader->ended = true;
    return 0;
}

static void cancelled_read(enum scripted_cancel policy, int late_result,
                           int expected)
{
    struct reader reader = { .ended = false };
    struct rig rig;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, policy);
    spawn(&rig, read_twice, &reader);
    rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 1u);
    gyre_scope_cancel(&reader.scope);
    for (int i = 0; i < 3; i++)
        rig_turn(&rig);
    /* As long as the kernel has the request, the task waits. */
    CHECK_EQ(reader.ended, late_result == 0);
    if (late_result != 0)
        scripted_complete(rig.s, 0, late_result, 0);
    run_all(&rig);
    CHECK(reader.ended);
    CHECK_ERR(reader.first, expected);
    CHECK_ERR(reader.second, -ECANCELED);
    rig_close(&rig);
}

/* I3, I8 */
TEST(R2_R8_a_task_waits_for_the_last_completion_whatever_the_cancel_says)
{
    cancelled_read(SCRIPTED_CANCEL_FIRST, 0, -ECANCELED);
    cancelled_read(SCRIPTED_TARGET_FIRST, 0, -ECANCELED);
    cancelled_read(SCRIPTED_CANCEL_LATE, 5, 5);
    cancelled_read(SCRIPTED_CANCEL_MISSED, 5, 5);
    cancelled_read(SCRIPTED_CANCEL_LATE, -ECANCELED, -ECANCELED);
    cancelled_read(SCRIPTED_CANCEL_LATE, -EIO, -EIO);
}

/* ---- deadlines in virtual time ------------------------------------------- */

static int years(void *arg)
{
    uint64_t *slept_to = arg;
    gyre_scope century, decade, shield;

    gyre_scope_open(
        &century,
        &(gyre_scope_options){ .deadline_ns = gyre_deadline_in(100 * YEAR) });
    gyre_scope_open(&decade, &(gyre_scope_options){
                                 .deadline_ns = gyre_deadline_in(10 * YEAR) });
    CHECK_OK(gyre_sleep(YEAR));
    CHECK_ERR(gyre_sleep(20 * YEAR), -ETIME);
    CHECK_ERR(gyre_scope_close(&decade), -ETIME);
    CHECK_OK(gyre_cancelled());
    gyre_scope_open(&shield, &(gyre_scope_options){
                                 .shield = true,
                                 .deadline_ns = gyre_deadline_in(200 * YEAR) });
    CHECK_OK(gyre_sleep(150 * YEAR)); /* past the century's end */
    CHECK_OK(gyre_scope_close(&shield));
    CHECK_ERR(gyre_cancelled(), -ETIME);
    CHECK_ERR(gyre_scope_close(&century), -ETIME);
    *slept_to = gyre_loop_now(gyre_loop_current());
    return 0;
}

TEST(R3_R5_deadlines_and_shields_of_centuries)
{
    uint64_t begun, slept_to = 0;
    struct rig rig;

    rig_open(&rig, 8);
    begun = scripted_now(rig.s);
    spawn(&rig, years, &slept_to);
    run_all(&rig);
    CHECK_GE(slept_to - begun, 160 * YEAR);
    CHECK_LT(slept_to - begun, 160 * YEAR + GYRE_SECOND);
    rig_close(&rig);
}

/* ---- locks --------------------------------------------------------------- */

static gyre_mutex mutex = GYRE_MUTEX_INIT;

static int hold_a_day(void *arg)
{
    (void)arg;
    CHECK_OK(gyre_mutex_lock(&mutex));
    CHECK_OK(gyre_sleep(24 * 3600 * GYRE_SECOND));
    gyre_mutex_unlock(&mutex);
    return 0;
}

static int try_an_hour(void *arg)
{
    uint64_t hour = gyre_deadline_in(3600 * GYRE_SECOND);

    CHECK_ERR(gyre_mutex_lock_until(&mutex, hour), -ETIMEDOUT);
    CHECK_GE(gyre_loop_now(gyre_loop_current()), hour);
    CHECK_OK(gyre_mutex_lock_until(&mutex, GYRE_NEVER));
    gyre_mutex_unlock(&mutex);
    *(bool *)arg = true;
    return 0;
}

TEST(M3_M12_a_lock_is_given_up_after_an_hour_and_had_after_a_day)
{
    bool done = false;
    struct rig rig;

    rig_open(&rig, 8);
    spawn(&rig, hold_a_day, NULL);
    spawn(&rig, try_an_hour, &done);
    run_all(&rig);
    CHECK(done);
    rig_close(&rig);
    gyre_mutex_destroy(&mutex);
}

/* ---- detached ------------------------------------------------------------ */

static int open_in_a_minute(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope,
                    &(gyre_scope_options){
                        .deadline_ns = gyre_deadline_in(60 * GYRE_SECOND) });
    *(int *)arg = gyre_detached_open("/stuck", O_RDONLY, 0);
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    return 0;
}

TEST(R2_a_descriptor_that_comes_after_its_caller_left_is_closed)
{
    struct rig rig;
    int result = 0, at;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    spawn(&rig, open_in_a_minute, &result);
    for (int i = 0; i < 4; i++)
        rig_turn(&rig);
    CHECK_EQ(result, 0);
    scripted_advance(rig.s, 61 * GYRE_SECOND);
    for (int i = 0; i < 4; i++)
        rig_turn(&rig);
    CHECK_ERR(result, -ETIME); /* has left; the kernel has the request yet */
    at = scripted_find_opcode(rig.s, IORING_OP_OPENAT);
    CHECK_GE(at, 0);
    scripted_complete(rig.s, at, 99, 0);
    rig_turn(&rig);
    rig_turn(&rig);
    at = scripted_find_opcode(rig.s, IORING_OP_CLOSE);
    CHECK_GE(at, 0);
    CHECK_EQ(scripted_at(rig.s, (unsigned)at)->fd, 99);
    scripted_complete(rig.s, at, 0, 0);
    run_all(&rig);
    rig_close(&rig);
}

struct behind {
    gyre_scope scope;
    int read, closed;
};

static int read_left(void *arg)
{
    struct behind *behind = arg;
    char byte;

    gyre_scope_open(&behind->scope, NULL);
    behind->read = (int)gyre_detached_read(7, &byte, 1, 0);
    behind->closed = gyre_close(7);
    CHECK_OK(gyre_scope_close(&behind->scope));
    return 0;
}

TEST(R2_a_close_does_not_wait_for_a_read_that_was_left_behind)
{
    struct behind behind = { .read = 0, .closed = 1 };
    struct rig rig;
    int at;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    spawn(&rig, read_left, &behind);
    rig_turn(&rig);
    gyre_scope_cancel(&behind.scope);
    for (int i = 0; i < 3; i++)
        rig_turn(&rig);
    CHECK_ERR(behind.read, -ECANCELED);
    at = scripted_find_opcode(rig.s, IORING_OP_CLOSE);
    CHECK_GE(at, 0); /* submitted while the read is in flight */
    scripted_complete(rig.s, at, 0, 0);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_OK(behind.closed);
    scripted_complete(rig.s, 0, 1, 0); /* the read, at last */
    run_all(&rig);
    rig_close(&rig);
}

/* ---- one timer for a scope ----------------------------------------------- */

static int wait_on(void *arg)
{
    char byte;

    return (int)gyre_recv((int)(intptr_t)arg, &byte, 1, 0);
}

static int many_under_one(void *arg)
{
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(
        &scope, &(gyre_scope_options){ .deadline_ns = gyre_deadline_in(YEAR) });
    for (int fd = 10; fd < 110; fd++)
        CHECK_OK(gyre_spawn(&scope, wait_on, (void *)(intptr_t)fd));
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    return 0;
}

TEST(R3_a_hundred_ops_share_the_timer_of_their_scope)
{
    struct rig rig;

    rig_open(&rig, 128);
    spawn(&rig, many_under_one, NULL);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 100u);
    CHECK_EQ(rig_stats(&rig).timers, 1u);
    run_all(&rig); /* the year passes */
    CHECK_EQ(rig_stats(&rig).cancels, 100u);
    rig_close(&rig);
}
