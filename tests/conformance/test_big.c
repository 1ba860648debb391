/* SPDX-License-Identifier: MIT */
/*
 * Requests of 128 bytes and completions of 32: whole and mixed queues, fillers
 * at their ends, and what a completion brings beside its result.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ring/abi.h"
#include "stage.h"

enum { MANY = 200 };

/* A loop with these options; the test is over where there can be none: what
 * refuses them says so, by the name of the first. */
static gyre_loop *open_with(const char *options, unsigned major, unsigned minor)
{
    gyre_loop_options asked = { .size = sizeof asked };
    gyre_loop *loop = NULL;
    int err;

    CHECK_OK(unsetenv("GYRE_LOOP")); /* it may exclude them */
    CHECK_OK(gyre_loop_options_set(&asked, options, NULL));
    err = gyre_loop_create(&loop, &asked);
    if (strcmp(test_kernel(), "emu") != 0 && test_has("", major, minor)) {
        CHECK_OK(err);
        return loop;
    }
    CHECK_ERR(err, -EOPNOTSUPP);
    CHECK(strncmp(gyre_loop_create_error(), options, strcspn(options, ",")) ==
          0);
    if (strcmp(test_kernel(), "emu") != 0)
        TEST_SKIP("this Linux is older than the option");
    return NULL;
}

/* A NOP that brings two words back (Linux 6.18). */
static void fill_wordy(gyre_op *op, uint64_t first, uint64_t second)
{
    gyre_op_nop(op);
    gyre_op_sqe(op)->nop_flags = IORING_NOP_CQE32;
    gyre_op_sqe(op)->off = first;
    gyre_op_sqe(op)->addr = second;
}

struct wordy {
    gyre_op op;
    uint64_t extra[2];
    bool ended;
    bool brought;
    gyre_result result;
};

static void wordy_done(gyre_op *op, gyre_result result)
{
    struct wordy *wordy = op->user;

    wordy->brought = gyre_op_extra(op, wordy->extra);
    wordy->result = result;
    wordy->ended = true;
}

static void wordy_run(gyre_loop *loop, struct wordy *wordy)
{
    wordy->ended = false;
    gyre_op_start(loop, &wordy->op, wordy_done, wordy);
    while (!wordy->ended)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
}

/* Every second one brings words, so that large ones meet the end of the CQ at
 * both of the places before it. */
static void run_many(gyre_loop *loop, bool all_big)
{
    struct wordy *many = calloc(MANY, sizeof *many);

    CHECK(many != NULL);
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 5 == 2 || i % 5 == 3)
            fill_wordy(&many[i].op, i, ~(uint64_t)i);
        else
            gyre_op_nop(&many[i].op);
        gyre_op_start(loop, &many[i].op, wordy_done, &many[i]);
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (unsigned i = 0; i < MANY; i++) {
        bool wordy = i % 5 == 2 || i % 5 == 3;

        CHECK(many[i].ended);
        CHECK_OK(many[i].result.res);
        CHECK_EQ(many[i].brought, wordy || all_big);
        CHECK_EQ(many[i].extra[0], wordy ? i : 0);
        CHECK_EQ(many[i].extra[1], wordy ? ~(uint64_t)i : 0);
    }
    free(many);
}

KERNEL_TEST(A8_E6_a_completion_of_32_bytes_brings_two_words)
{
    gyre_loop *loop = open_with("big_cqes,entries=8,cq_entries=16", 5, 19);
    struct wordy wordy;

    if (loop == NULL)
        return;
    gyre_op_nop(&wordy.op);
    wordy_run(loop, &wordy);
    CHECK(wordy.brought);
    CHECK_EQ(wordy.extra[0] | wordy.extra[1], 0u);
    if (test_has("", 6, 18))
        run_many(loop, true);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A8_E6_small_and_large_completions_share_a_queue)
{
    gyre_loop *loop = open_with("mixed_cqes,entries=8,cq_entries=16", 6, 18);

    if (loop == NULL)
        return;
    run_many(loop, false);
    gyre_loop_destroy(loop);
}

/* What does not fit waits in Linux's own list. */
KERNEL_TEST(A8_E6_large_completions_overflow_and_none_is_lost)
{
    gyre_loop *loop = open_with("mixed_cqes,entries=16,cq_entries=16", 6, 18);

    if (loop == NULL)
        return;
    for (int i = 0; i < 3; i++)
        run_many(loop, false);
    CHECK_GT(stage_stats(loop).overflows, 0u);
    gyre_loop_destroy(loop);
}

static void forget(gyre_op *op, gyre_result result)
{
    (void)op, (void)result;
}

/* So many requests in flight that the loop wants a larger queue. */
static void make_it_grow(gyre_loop *loop)
{
    gyre_op polls[40];
    int fds[2];

    make_pipe(fds);
    for (unsigned i = 0; i < COUNT_OF(polls); i++) {
        gyre_op_poll(&polls[i], fds[0], POLLIN);
        gyre_op_start(loop, &polls[i], forget, NULL);
    }
    for (unsigned i = 0; i < COUNT_OF(polls); i++)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    for (unsigned i = 0; i < COUNT_OF(polls); i++)
        CHECK_OK(gyre_op_cancel(&polls[i]));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    close_both(fds);
}

/* A queue that doubles under what lies in it; on other rungs it cannot. */
KERNEL_TEST_ON(A8_A12_E6_a_queue_of_large_completions_grows, TEST_URING)
{
    static const char *const options[] = {
        "mixed_cqes,entries=16,cq_entries=16,cq_entries_max=64",
        "big_cqes,entries=16,cq_entries=16,cq_entries_max=64",
    };

    for (unsigned i = 0; i < COUNT_OF(options); i++) {
        gyre_loop *loop = open_with(options[i], 6, 18);
        gyre_loop_options got = { .size = sizeof got };

        run_many(loop, i == 1);
        make_it_grow(loop);
        run_many(loop, i == 1);
        gyre_loop_get_options(loop, &got);
        CHECK_EQ(got.cq_entries, 64u);
        gyre_loop_destroy(loop);
    }
}

KERNEL_TEST(E6_words_are_of_the_completion_that_brought_them)
{
    gyre_loop *loop = open_with("mixed_cqes,entries=8", 6, 18);
    struct wordy wordy;

    if (loop == NULL)
        return;
    fill_wordy(&wordy.op, 1, 2);
    wordy_run(loop, &wordy);
    CHECK(wordy.brought);
    CHECK((wordy.result.flags & GYRE_CQE_32) != 0);
    gyre_op_nop(&wordy.op); /* the same op, by a small one */
    wordy_run(loop, &wordy);
    CHECK(!wordy.brought);
    CHECK_EQ(wordy.extra[0] | wordy.extra[1], 0u);
    fill_wordy(&wordy.op, 3, 4);
    wordy.ended = false;
    gyre_op_start(loop, &wordy.op, wordy_done, &wordy);
    CHECK_OK(gyre_op_cancel(&wordy.op)); /* and without the kernel */
    while (!wordy.ended)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_ERR(wordy.result.res, -ECANCELED);
    CHECK(!wordy.brought);
    gyre_loop_destroy(loop);
}

/* ---- requests of 128 bytes ----------------------------------------------- */

struct big {
    gyre_op128 op;
    bool ended;
    int result;
};

static void big_done(gyre_op *op, gyre_result result)
{
    struct big *big = op->user;

    big->ended = true;
    big->result = result.res;
}

/* Large and small ones in turns that meet the end of the SQ everywhere. */
static void run_sizes(gyre_loop *loop)
{
    struct big *many = calloc(MANY, sizeof *many);

    CHECK(many != NULL);
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 3 != 0)
            gyre_op128_nop(&many[i].op);
        else
            gyre_op_nop(&many[i].op.op);
        gyre_op_start(loop, &many[i].op.op, big_done, &many[i]);
        if (i % 7 == 0)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (unsigned i = 0; i < MANY; i++) {
        CHECK(many[i].ended);
        CHECK_OK(many[i].result);
    }
    free(many);
}

KERNEL_TEST(A8_each_request_may_have_128_bytes)
{
    gyre_loop *loop = open_with("big_sqes,entries=4", 5, 19);

    if (loop == NULL)
        return;
    run_sizes(loop);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A8_small_and_large_requests_share_a_queue)
{
    static const char *const options[] = {
        "mixed_sqes,entries=1",
        "mixed_sqes,entries=2",
        "mixed_sqes,entries=4",
        "mixed_sqes,entries=64",
    };

    for (unsigned i = 0; i < COUNT_OF(options); i++) {
        gyre_loop *loop = open_with(options[i], 6, 19);

        if (loop == NULL)
            return;
        run_sizes(loop);
        gyre_loop_destroy(loop);
    }
}

KERNEL_TEST(A8_without_large_requests_such_an_op_is_refused)
{
    gyre_loop *loop = stage_open(8);
    gyre_op128 op;

    gyre_op128_nop(&op);
    CHECK_ERR(op_run(loop, &op.op), -EOPNOTSUPP);
    CHECK_OK(gyre_op128_command(&op, 0, 1, NULL, 0));
    CHECK_ERR(op_run(loop, &op.op), -EOPNOTSUPP);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A8_a_large_request_is_refused_in_a_chain)
{
    gyre_loop *loop = open_with("big_sqes", 5, 19);
    gyre_op128 op;
    gyre_op small;
    struct call call;
    gyre_chain_link links[] = {
        { .op = &small, .done = call_done, .user = &call },
        { .op = &op.op, .done = call_done, .user = &call },
    };

    if (loop == NULL)
        return;
    gyre_op_nop(&small);
    gyre_op128_nop(&op);
    CHECK_ERR(gyre_chain_start(loop, links, COUNT_OF(links), 0), -EOPNOTSUPP);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A8_two_sizes_of_one_queue_are_refused)
{
    static const char *const options[] = {
        "big_cqes,mixed_cqes",
        "big_sqes,mixed_sqes",
    };

    for (unsigned i = 0; i < COUNT_OF(options); i++) {
        gyre_loop_options asked = { .size = sizeof asked };
        gyre_loop *loop;

        CHECK_OK(gyre_loop_options_set(&asked, options[i], NULL));
        CHECK_ERR(gyre_loop_create(&loop, &asked), -EOPNOTSUPP);
        CHECK_STR_HAS(gyre_loop_create_error(), i == 0 ? "cqes" : "sqes");
        asked.ring.best_effort = true;
        CHECK_OK(gyre_loop_create(&loop, &asked));
        gyre_loop_get_options(loop, &asked);
        CHECK(!asked.ring.mixed_cqes && !asked.ring.mixed_sqes);
        CHECK_EQ(asked.ring.big_cqes || asked.ring.big_sqes,
                 strcmp(test_kernel(), "emu") != 0 && test_has("", 5, 19));
        gyre_loop_destroy(loop);
    }
}

/* ---- commands ------------------------------------------------------------ */

/* How many bytes lie in a socket, by the number of its command. */
static void check_inq(gyre_loop *loop, bool large)
{
    gyre_op128 op;
    int fds[2];

    make_connection(fds);
    CHECK_EQ(write(fds[1], "five!", 5), 5);
    if (large)
        CHECK_OK(
            gyre_op128_command(&op, fds[0], SOCKET_URING_OP_SIOCINQ, NULL, 0));
    else
        CHECK_OK(
            gyre_op_command(&op.op, fds[0], SOCKET_URING_OP_SIOCINQ, NULL, 0));
    CHECK_EQ(op_run(loop, &op.op), 5);
    close_both(fds);
}

KERNEL_TEST(B18_a_command_is_a_number_and_some_bytes)
{
    gyre_loop *loop = stage_open(8);
    uint64_t bytes[2] = { 1, 2 };
    gyre_op op;
    int fds[2];

    check_inq(loop, false);
    make_pipe(fds);
    CHECK_OK(gyre_op_command(&op, fds[0], 77, bytes, sizeof bytes));
    CHECK_EQ(gyre_op_sqe(&op)->cmd_op, 77u);
    CHECK_MEM_EQ(&gyre_op_sqe(&op)->addr3, bytes, sizeof bytes);
    CHECK_ERR(op_run(loop, &op), -EOPNOTSUPP); /* pipes know none */
    close_both(fds);
    gyre_loop_destroy(loop);
}

TEST(B18_more_bytes_than_fit_are_refused)
{
    unsigned char bytes[81];
    gyre_op128 op;

    memset(bytes, 'b', sizeof bytes);
    CHECK_ERR(gyre_op_command(&op.op, 0, 1, bytes, 17), -EMSGSIZE);
    CHECK_ERR(gyre_op128_command(&op, 0, 1, bytes, 81), -EMSGSIZE);
    CHECK_OK(gyre_op128_command(&op, 0, 1, bytes, 80));
    CHECK_MEM_EQ(&gyre_op_sqe(&op.op)->addr3, bytes, 16);
    CHECK_MEM_EQ(op.more_, bytes, 64);
}

TEST(B18_a_command_may_name_registered_memory)
{
    gyre_op op;

    CHECK_OK(gyre_op_command(&op, 0, 1, NULL, 0));
    gyre_op_command_set_buffer(&op, 3);
    CHECK_EQ(gyre_op_sqe(&op)->uring_cmd_flags, IORING_URING_CMD_FIXED);
    CHECK_EQ(gyre_op_sqe(&op)->buf_index, 3u);
}

/* In places of 128 bytes, after requests that left something in the second
 * half. */
KERNEL_TEST(B18_commands_work_among_large_requests)
{
    gyre_loop *loop = open_with("big_sqes,entries=1", 5, 19);
    unsigned char junk[80];
    gyre_op128 op;

    if (loop == NULL)
        return;
    memset(junk, 0xa5, sizeof junk);
    CHECK_OK(gyre_op128_command(&op, -1, 1, junk, sizeof junk));
    CHECK_ERR(op_run(loop, &op.op), -EBADF);
    if (test_has("socket_commands", 6, 7)) /* nobody else does large ones */
        check_inq(loop, true);
    check_inq(loop, false);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B18_what_is_no_disk_discards_nothing)
{
    gyre_loop *loop = stage_open(8);
    int fd = make_file("file", 4096);
    gyre_op op;

    gyre_op_discard(&op, fd, 0, 4096);
    CHECK_ERR(op_run(loop, &op), -EOPNOTSUPP);
    close(fd);
    gyre_loop_destroy(loop);
}
