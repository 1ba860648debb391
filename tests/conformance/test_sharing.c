/* SPDX-License-Identifier: MIT */
/*
 * Loops that change their thread, that others submit to, that share threads.
 */
#include <dirent.h>
#include <errno.h>
#include <gyre/op_chain.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ring/abi.h"
#include "stage.h"

static gyre_loop *open_with(const char *options)
{
    gyre_loop_options asked = { 0 };
    gyre_loop *loop;
    int err;

    CHECK_OK(unsetenv("GYRE_LOOP"));
    CHECK_OK(gyre_loop_options_set(&asked, options, NULL));
    err = gyre_loop_create(&loop, &asked);
    if (err == -EOPNOTSUPP)
        TEST_SKIP(gyre_loop_create_error());
    CHECK_OK(err);
    return loop;
}

/* ---- handed over --------------------------------------------------------- */

struct move {
    gyre_loop *loop;
    struct call *waiting; /* or NULL */
    int fd;               /* what it waits for comes by this */
};

static void *go_on(void *arg)
{
    struct move *move = arg;
    struct call call;

    CHECK_OK(gyre_loop_take_over(move->loop));
    CHECK(gyre_loop_is_mine(move->loop));
    gyre_op_nop(&call.op);
    CHECK_OK(call_run(move->loop, &call));
    if (move->waiting != NULL) {
        CHECK_EQ(write(move->fd, "x", 1), 1);
        CHECK_EQ(call_wait(move->loop, move->waiting), 1);
    }
    gyre_loop_wake(move->loop, GYRE_WAKE_TASK, 1);
    CHECK_OK(gyre_loop_run(move->loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_loop_hand_over(move->loop));
    return NULL;
}

/* There, back, and there again, and it ends here. */
static void check_moves(struct move *move)
{
    struct call call;

    for (int i = 0; i < 3; i++) {
        pthread_t thread;

        CHECK_OK(gyre_loop_hand_over(move->loop));
        CHECK(!gyre_loop_is_mine(move->loop));
        CHECK_OK(pthread_create(&thread, NULL, go_on, move));
        CHECK_OK(pthread_join(thread, NULL));
        CHECK_OK(gyre_loop_take_over(move->loop));
        move->waiting = NULL;
        gyre_op_nop(&call.op);
        CHECK_OK(call_run(move->loop, &call));
    }
}

KERNEL_TEST(A21_a_loop_moves_to_another_thread)
{
    gyre_loop_options got = { .size = sizeof got };
    struct move move = { .loop = open_with("movable") };
    struct call call;

    gyre_loop_get_options(move.loop, &got);
    CHECK(got.ring.movable);
    check_moves(&move); /* before its first turn */
    gyre_op_nop(&call.op);
    CHECK_OK(call_run(move.loop, &call));
    check_moves(&move);
    gyre_loop_destroy(move.loop);
}

static void check_moves_in_flight(gyre_loop *loop)
{
    struct move move = { .loop = loop };
    struct call waiting;
    int fds[2];
    char byte;

    make_pipe(fds);
    gyre_op_read(&waiting.op, fds[0], &byte, 1, GYRE_CURRENT_POSITION);
    call_start(loop, &waiting);
    stage_turn(loop);
    move.waiting = &waiting;
    move.fd = fds[1];
    check_moves(&move);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST_ON(A21_a_loop_with_sqpoll_moves_with_ops_in_flight, TEST_URING)
{
    check_moves_in_flight(open_with("movable,sqpoll"));
}

KERNEL_TEST_ON(A21_an_emulated_loop_moves_with_ops_in_flight, TEST_EMU)
{
    check_moves_in_flight(open_with("movable"));
}

KERNEL_TEST(A21_a_loop_that_cannot_move_says_so)
{
    gyre_loop *loop = open_with("");
    struct call call;
    int fds[2];
    char byte;

    CHECK_ERR(gyre_loop_hand_over(loop), -EOPNOTSUPP);
    gyre_loop_destroy(loop);
    if (strcmp(test_kernel(), "emu") == 0)
        return;
    loop = open_with("movable");
    make_pipe(fds);
    gyre_op_read(&call.op, fds[0], &byte, 1, GYRE_CURRENT_POSITION);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_ERR(gyre_loop_hand_over(loop), -EBUSY);
    CHECK(gyre_loop_is_mine(loop));
    CHECK_OK(gyre_op_cancel(&call.op));
    CHECK_ERR(call_wait(loop, &call), -ECANCELED);
    CHECK_OK(gyre_loop_hand_over(loop));
    CHECK_OK(gyre_loop_take_over(loop));
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* ---- submitted to by others ---------------------------------------------- */

#define THREADS 3
#define EACH 200

struct other {
    gyre_loop *loop;
    pthread_t thread;
    gyre_op op;
    atomic_uint ended;
    unsigned started;
};

static void other_done(gyre_op *op, gyre_result result)
{
    struct other *other = op->user;

    CHECK_OK(result.res);
    atomic_fetch_add(&other->ended, 1);
}

static void *submit_each(void *arg)
{
    struct other *other = arg;

    while (other->started < EACH) {
        /* On one processor a busy loop would never be met asleep. */
        if (other->started % 50 == 0)
            usleep(2000);
        gyre_op_nop(&other->op);
        other->started++;
        gyre_op_start_remote(other->loop, &other->op, other_done, other);
        while (atomic_load(&other->ended) < other->started)
            sched_yield();
    }
    gyre_loop_wake(other->loop, GYRE_WAKE_TASK, 1);
    return NULL;
}

/* Let all of them submit, and hear of it. */
static void let_submit(gyre_loop *loop, struct other *others)
{
    unsigned ended = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        others[i] = (struct other){ .loop = loop };
        CHECK_OK(
            pthread_create(&others[i].thread, NULL, submit_each, &others[i]));
    }
    while (ended < THREADS * EACH) {
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        ended = 0;
        for (unsigned i = 0; i < THREADS; i++)
            ended += atomic_load(&others[i].ended);
    }
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_OK(pthread_join(others[i].thread, NULL));
    CHECK_EQ(stage_stats(loop).in_flight, 0u);
}

/* Until one was quicker than a sleeping owner: else this runs out of time. */
static void check_shared(const char *options)
{
    gyre_loop *loop = open_with(options);
    gyre_loop_options got = { .size = sizeof got };
    struct other others[THREADS];

    gyre_loop_get_options(loop, &got);
    CHECK(got.ring.shared);
    gyre_loop_hold(loop);
    do
        let_submit(loop, others);
    while (stage_stats(loop).shared == 0);
    gyre_loop_release(loop);
    gyre_loop_destroy(loop);
}

KERNEL_TEST_ON(A21_others_submit_to_a_loop_that_sleeps, TEST_URING)
{
    check_shared("shared");
}

KERNEL_TEST_ON(A21_others_submit_to_a_loop_with_sqpoll, TEST_URING)
{
    check_shared("shared,sqpoll,sqpoll_idle_ms=1");
}

/* What waits for the loop's own part, and ops of the loop between them. */
KERNEL_TEST_ON(A21_a_close_goes_to_the_owner, TEST_URING)
{
    gyre_loop *loop = open_with("shared");
    struct other other = { .loop = loop };
    uint64_t before = stage_stats(loop).shared;
    int fds[2];

    make_pipe(fds);
    gyre_op_close(&other.op, fds[0]);
    gyre_op_start_remote(loop, &other.op, other_done, &other);
    while (atomic_load(&other.ended) == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_EQ(stage_stats(loop).shared, before);
    CHECK_OK(close(fds[1]));
    gyre_loop_destroy(loop);
}

KERNEL_TEST_ON(A21_the_emulator_is_shared_with_nobody, TEST_EMU)
{
    static const char *const names[] = { "shared", "share_workers=1" };

    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        gyre_loop_options asked = { 0 };
        gyre_loop *loop;

        CHECK_OK(gyre_loop_options_set(&asked, names[i], NULL));
        CHECK_ERR(gyre_loop_create(&loop, &asked), -EOPNOTSUPP);
        CHECK(strncmp(gyre_loop_create_error(), names[i], 6) == 0);
        asked.ring.best_effort = true;
        CHECK_OK(gyre_loop_create(&loop, &asked));
        gyre_loop_destroy(loop);
    }
}

/* ---- threads of Linux's -------------------------------------------------- */

static unsigned threads_named(const char *name)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    unsigned count = 0;

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        char path[300], text[64] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = fopen(path, "re");
        if (file == NULL)
            continue;
        count += fgets(text, sizeof text, file) != NULL &&
                 strncmp(text, name, strlen(name)) == 0;
        fclose(file);
    }
    closedir(dir);
    return count;
}

/* A loop whose thread, and one of its workers, have begun. */
static gyre_loop *loop_at_work(const char *options, struct call *call, int fd)
{
    gyre_loop *loop = open_with(options);
    static char byte;

    gyre_op_nop(&call->op);
    CHECK_OK(call_run(loop, call));
    gyre_op_read(&call->op, fd, &byte, 1, GYRE_CURRENT_POSITION);
    gyre_op_sqe(&call->op)->flags |= IOSQE_ASYNC;
    call_start(loop, call);
    CHECK_OK(gyre_loop_submit(loop));
    return loop;
}

/* A worker has the name of the thread that made it until it begins. */
static void await_sq_threads(const char *first, const char *second,
                             unsigned expected)
{
    struct call calls[2];
    gyre_loop *loops[2];
    int fds[2];

    make_pipe(fds);
    loops[0] = loop_at_work(first, &calls[0], fds[0]);
    loops[1] = loop_at_work(second, &calls[1], fds[0]);
    while (threads_named("iou-sqp") != expected)
        sched_yield();
    for (int i = 0; i < 2; i++)
        gyre_loop_destroy(loops[i]);
    close_both(fds);
}

KERNEL_TEST_ON(A4_A21_rings_of_a_number_share_their_threads, TEST_URING)
{
    await_sq_threads("sqpoll,share_workers=7", "sqpoll,share_workers=7", 1);
}

KERNEL_TEST_ON(A4_A21_rings_of_two_numbers_share_nothing, TEST_URING)
{
    await_sq_threads("sqpoll,share_workers=7", "sqpoll,share_workers=8", 2);
}

KERNEL_TEST_ON(A4_A21_without_sqpoll_nothing_is_shared_and_it_is_told,
               TEST_URING)
{
    gyre_loop_options asked = { .ring.share_workers = 1 };
    gyre_loop_options got = { .size = sizeof got };
    gyre_loop *loop;

    CHECK_OK(unsetenv("GYRE_LOOP"));
    CHECK_ERR(gyre_loop_create(&loop, &asked), -EOPNOTSUPP);
    CHECK(strncmp(gyre_loop_create_error(), "share_workers: needs sqpoll",
                  27) == 0);
    asked.ring.best_effort = true;
    CHECK_OK(gyre_loop_create(&loop, &asked));
    gyre_loop_get_options(loop, &got);
    CHECK_EQ(got.ring.share_workers, 0u);
    gyre_loop_destroy(loop);
}

/* A thread that polls several rings takes eight requests of each at a time: a
 * chain is never cut by that. The first of each fails, so no other may run. */
KERNEL_TEST_ON(A21_chains_are_whole_on_rings_that_share_a_thread, TEST_URING)
{
    const char *options = "sqpoll,share_workers=9,sqpoll_idle_ms=1";
    gyre_loop *other = open_with(options);
    gyre_loop *loop = open_with(options);
    struct call calls[9], before[7];
    gyre_chain_link links[9];

    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < round % 8; i++) {
            gyre_op_nop(&before[i].op);
            call_start(loop, &before[i]);
        }
        for (unsigned i = 0; i < 9; i++) {
            calls[i] = (struct call){ 0 };
            if (i == 0)
                gyre_op_read(&calls[0].op, -1, NULL, 0, 0);
            else
                gyre_op_nop(&calls[i].op);
            links[i] = (gyre_chain_link){ .op = &calls[i].op,
                                          .done = call_done,
                                          .user = &calls[i] };
        }
        CHECK_ERR(gyre_chain_start(loop, links, 9, 0), -E2BIG);
        CHECK_OK(gyre_chain_start(loop, links, 8, 0));
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
        CHECK_ERR(calls[0].result.res, -EBADF);
        for (unsigned i = 1; i < 8; i++)
            CHECK_ERR(calls[i].result.res, -ECANCELED);
    }
    gyre_loop_destroy(loop);
    gyre_loop_destroy(other);
}
