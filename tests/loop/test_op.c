/* SPDX-License-Identifier: MIT */
/*
 * test_op.c - one op's life, from start to its last completion
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

TEST(E1_each_completion_is_one_callback)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    CHECK_EQ(scripted_pending(rig.s), 1);
    CHECK_EQ(p.calls, 0);
    probe_complete(&p, 42);
    CHECK_ENDED(&p, 42);
    CHECK_EQ(p.calls, 1);
    rig_turn(&rig);
    CHECK_EQ(p.calls, 1);
    rig_close(&rig);
}

TEST(E1_the_callback_is_never_called_inside_start_or_cancel)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    CHECK_EQ(p.calls, 0);
    CHECK_OK(gyre_op_cancel(&p.op));
    CHECK_EQ(p.calls, 0);
    rig_turn(&rig);
    CHECK_ENDED(&p, -ECANCELED);
    rig_close(&rig);
}

TEST(E4_the_kernel_gets_the_op_own_64_bytes)
{
    struct rig rig;
    struct probe p;
    struct io_uring_sqe expected;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    memcpy(&expected, gyre_op_sqe(&p.op), sizeof expected);
    probe_start(&p);
    expected.user_data = op_user_data(&p.op);
    rig_turn(&rig);
    CHECK_MEM_EQ(scripted_at(rig.s, 0), &expected, sizeof expected);
    CHECK_EQ(expected.user_data & KERNEL_TAG_MASK, KERNEL_TAG_OP);
    probe_complete(&p, 1);
    rig_close(&rig);
}

TEST(E4_an_op_is_128_bytes_and_starting_allocates_nothing)
{
    enum { OPS = 1000 };
    struct rig rig;
    struct probe *p = calloc(OPS, sizeof *p);

    CHECK_EQ(sizeof(gyre_op), 128);
    rig_open(&rig, 8);
    for (int i = 0; i < OPS; i++)
        probe_init(&p[i], &rig, i, -1);
#ifndef GYRE_VERIFY /* whose table of live ops grows */
    alloc_fail_nth(1);
#endif
    for (int i = 0; i < OPS; i++)
        probe_start(&p[i]);
    for (int i = 0; i < OPS; i++)
        CHECK_OK(gyre_op_cancel(&p[i].op));
    while (gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE) != 0)
        ;
#ifndef GYRE_VERIFY
    CHECK(!alloc_did_fail());
    alloc_fail_nth(0);
#endif
    for (int i = 0; i < OPS; i++)
        CHECK_ENDED(&p[i], -ECANCELED);
    rig_close(&rig);
    free(p);
}

TEST(E3_the_state_follows_the_op)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IDLE);
    CHECK(gyre_loop_is_io_idle(rig.loop));
    probe_start(&p);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_QUEUED);
    CHECK(!gyre_loop_is_io_idle(rig.loop));
    CHECK_OK(gyre_loop_submit(rig.loop));
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IN_FLIGHT);
    CHECK(!gyre_loop_is_io_idle(rig.loop));
    scripted_complete_all(rig.s, 0);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IN_FLIGHT);
    rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IDLE);
    CHECK(gyre_loop_is_io_idle(rig.loop));
    rig_close(&rig);
}

TEST(E3_an_op_that_waits_for_its_callback_counts_as_queued)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    CHECK_OK(gyre_op_cancel(&p.op));
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_QUEUED);
    CHECK_EQ(rig_stats(&rig).queued, 1);
    CHECK(!gyre_loop_is_io_idle(rig.loop));
    rig_turn(&rig);
    CHECK(gyre_loop_is_io_idle(rig.loop));
    rig_close(&rig);
}

/* I1 */
TEST(E1_one_last_completion_in_every_order_of_four_ops)
{
    int order[24][4];
    int count = 0;

    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++)
            for (int c = 0; c < 4; c++) {
                if (a == b || b == c || a == c)
                    continue;
                memcpy(order[count++], (int[]){ a, b, c, 6 - a - b - c },
                       sizeof order[0]);
            }
    CHECK_EQ(count, 24);
    for (int n = 0; n < count; n++) {
        struct rig rig;
        struct probe p[4];

        rig_open(&rig, 8);
        for (int i = 0; i < 4; i++)
            probe_fly(&p[i], &rig, i, 10 + i % 2);
        for (int i = 0; i < 4; i++)
            scripted_complete(rig.s, probe_index(&p[order[n][i]]), i, 0);
        rig_turn(&rig);
        CHECK_EQ(rig.calls, 4);
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(rig.journal[i], order[n][i]);
            CHECK_ENDED(&p[order[n][i]], i);
        }
        rig_close(&rig);
    }
}

/* ---- inside the callback ------------------------------------------------- */

static void restart_until_zero(struct probe *probe, gyre_result result)
{
    if (result.res > 0)
        gyre_op_restart(&probe->op);
}

TEST(E2_E11_an_op_restarts_inside_its_last_callback)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    p.then = restart_until_zero;
    probe_start(&p);
    rig_turn(&rig);
    for (int n = 5; n > 0; n--) {
        probe_complete(&p, n);
        CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_QUEUED);
        rig_turn(&rig);
        CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IN_FLIGHT);
    }
    probe_complete(&p, 0);
    CHECK_EQ(p.lasts, 6);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IDLE);
    CHECK_EQ(scripted_seen(rig.s), 6);
    rig_close(&rig);
}

static void refill_as_nop(struct probe *probe, gyre_result result)
{
    (void)result;
    gyre_op_nop(&probe->op);
    probe->then = NULL;
    gyre_op_start(probe->rig->loop, &probe->op, probe_done, probe);
}

TEST(E11_an_op_is_refilled_inside_its_last_callback)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    p.then = refill_as_nop;
    probe_complete(&p, 1);
    rig_turn(&rig);
    CHECK_EQ(scripted_at(rig.s, 0)->opcode, IORING_OP_NOP);
    probe_complete(&p, 0);
    CHECK_EQ(p.lasts, 2);
    rig_close(&rig);
}

static unsigned freed;

static void free_op(gyre_op *op, gyre_result result)
{
    CHECK(gyre_result_is_last(result));
    memset(op, 0xDD, sizeof *op);
    free(op);
    freed++;
}

/* I3 */
TEST(E11_an_op_is_freed_inside_its_last_callback)
{
    struct rig rig;

    rig_open(&rig, 8);
    for (int i = 0; i < 6; i++) {
        gyre_op *op = aligned_alloc(16, sizeof *op);
        gyre_deadline *deadline = NULL;

        CHECK(op != NULL);
        gyre_op_recv(op, 9, &freed, 1, 0);
        gyre_op_start(rig.loop, op, free_op, NULL);
        (void)deadline;
        if (i % 3 == 0)
            CHECK_OK(gyre_op_cancel(op)); /* ends in the backlog */
        if (i % 3 == 1) {
            rig_turn(&rig);
            CHECK_OK(gyre_op_cancel(op)); /* ends by the kernel */
        }
    }
    rig_turn(&rig);
    CHECK_EQ(freed, 4);
    scripted_complete_all(rig.s, 0);
    rig_turn(&rig);
    CHECK_EQ(freed, 6);
    rig_close(&rig);
}

TEST(E2_start_and_restart_use_the_callback_and_user_of_the_start)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    CHECK(p.op.user == &p);
    probe_complete(&p, 3);
    gyre_op_restart(&p.op);
    rig_turn(&rig);
    probe_complete(&p, 4);
    CHECK_EQ(p.lasts, 2);
    CHECK_EQ(p.result.res, 4);
    rig_close(&rig);
}

/* ---- several completions ------------------------------------------------- */

TEST(E1_several_completions_of_one_op_and_the_last_says_so)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    for (int i = 0; i < 5; i++)
        scripted_complete(rig.s, 0, i, IORING_CQE_F_MORE);
    rig_turn(&rig);
    CHECK_EQ(p.calls, 5);
    CHECK_EQ(p.lasts, 0);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IN_FLIGHT);
    scripted_complete(rig.s, 0, 5,
                      IORING_CQE_F_SOCK_NONEMPTY | IORING_CQE_F_BUFFER |
                          77U << 16);
    rig_turn(&rig);
    CHECK_EQ(p.calls, 6);
    CHECK_ENDED(&p, 5);
    CHECK_EQ(p.result.flags,
             GYRE_CQE_SOCK_NONEMPTY | GYRE_CQE_BUFFER | 77U << 16);
    rig_close(&rig);
}

static void cancel_self(struct probe *probe, gyre_result result)
{
    if (!gyre_result_is_last(result) && probe->calls == 1)
        CHECK_OK(gyre_op_cancel(&probe->op));
}

TEST(E2_an_op_of_several_completions_is_cancelled_inside_its_callback)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    p.then = cancel_self;
    scripted_complete(rig.s, 0, 1, IORING_CQE_F_MORE);
    scripted_complete(rig.s, 0, 2, IORING_CQE_F_MORE);
    rig_turn(&rig);
    CHECK_EQ(p.calls, 2); /* what was on its way still comes */
    rig_turn(&rig);
    CHECK_ENDED(&p, -ECANCELED);
    CHECK_EQ(p.calls, 3);
    rig_close(&rig);
}

/* ---- generations and strangers ------------------------------------------- */

TEST(E5_each_start_has_a_generation_of_its_own)
{
    struct rig rig;
    struct probe p;
    uint64_t first;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    first = scripted_at(rig.s, 0)->user_data;
    probe_complete(&p, 1);
    gyre_op_restart(&p.op);
    rig_turn(&rig);
    CHECK_NE(scripted_at(rig.s, 0)->user_data, first);
    probe_complete(&p, 1);
    rig_close(&rig);
}

TEST(E5_a_stale_cancel_op_does_not_hit_a_later_use)
{
    struct rig rig;
    struct probe target, cancel;

    rig_open(&rig, 8);
    probe_fly(&target, &rig, 1, 7);
    memset(&cancel, 0, sizeof cancel);
    cancel.rig = &rig;
    gyre_op_cancel_op(&cancel.op, &target.op);
    probe_complete(&target, 1);
    gyre_op_restart(&target.op);
    rig_turn(&rig);
    probe_start(&cancel); /* names the first use */
    rig_turn(&rig);
    CHECK_ENDED(&cancel, -ENOENT);
    CHECK_EQ(gyre_op_state(&target.op), GYRE_OP_IN_FLIGHT);
    probe_complete(&target, 9);
    CHECK_EQ(target.result.res, 9);
    rig_close(&rig);
}

TEST(E5_a_cancel_asked_in_vain_does_not_hit_a_later_use)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    scripted_complete(rig.s, 0, 5, 0); /* on its way when … */
    CHECK_OK(gyre_op_cancel(&p.op));   /* … the cancel is asked */
    rig_turn(&rig);
    CHECK_ENDED(&p, 5);
    gyre_op_restart(&p.op);
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IN_FLIGHT);
    probe_complete(&p, 6);
    CHECK_EQ(p.result.res, 6);
    CHECK_EQ(p.lasts, 2);
    rig_close(&rig);
}

TEST_PANICS(E5_a_completion_for_an_idle_op_panics, "completion came for")
{
    struct rig rig;
    struct probe p;
    uint64_t user_data;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    user_data = scripted_at(rig.s, 0)->user_data;
    probe_complete(&p, 1);
    scripted_inject(rig.s, user_data, 1, 0);
    rig_turn(&rig);
}

/* I11 */
TEST_PANICS(E5_a_completion_for_an_earlier_use_panics, "completion came for")
{
    struct rig rig;
    struct probe p;
    uint64_t user_data;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    user_data = scripted_at(rig.s, 0)->user_data;
    probe_complete(&p, 1);
    gyre_op_restart(&p.op);
    rig_turn(&rig);
    scripted_inject(rig.s, user_data, 1, 0);
    rig_turn(&rig);
}

TEST_PANICS(E5_a_completion_with_an_unknown_tag_panics, "unknown user_data")
{
    struct rig rig;

    rig_open(&rig, 8);
    scripted_inject(rig.s, 0xBADBAD7, 1, 0);
    rig_turn(&rig);
}

#ifdef GYRE_VERIFY
TEST_PANICS(E5_a_completion_for_an_op_never_seen_panics, "unknown op")
{
    struct rig rig;

    rig_open(&rig, 8);
    scripted_inject(rig.s, 0x7FFF00001230, 1, 0); /* not even mapped */
    rig_turn(&rig);
}

TEST_PANICS(E5_refilling_an_op_in_flight_panics, "refilled while")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    gyre_op_nop(&p.op);
    probe_start(&p);
}
#endif

TEST_PANICS(E4_starting_an_op_twice_panics, "already started")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    probe_start(&p);
}

TEST_PANICS(E4_starting_without_a_callback_panics, "no callback")
{
    struct rig rig;
    gyre_op op;

    rig_open(&rig, 8);
    gyre_op_nop(&op);
    gyre_op_start(rig.loop, &op, NULL, NULL);
}

TEST_PANICS(E4_restarting_what_never_started_panics, "never started")
{
    gyre_op op;

    gyre_op_nop(&op);
    gyre_op_restart(&op);
}

TEST(completions_of_the_kernel_itself_go_back_to_it)
{
    struct rig rig;

    rig_open(&rig, 8);
    scripted_inject(rig.s, KERNEL_TAG_INTERNAL | 0x70, 1, 0);
    scripted_inject(rig.s, KERNEL_TAG_INTERNAL, 1, 0);
    rig_turn(&rig);
    CHECK_EQ(scripted_internals(rig.s), 2);
    rig_close(&rig);
}

/* ---- results ------------------------------------------------------------- */

TEST(E8_every_error_reaches_the_callback_unchanged)
{
    static const int errors[] = { EINVAL, EFAULT, EBADF,  EAGAIN,   ECANCELED,
                                  ETIME,  ENOENT, ENOMEM, EALREADY, ENFILE,
                                  EPIPE,  EPERM,  511,    531 };
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        probe_fly(&p, &rig, 1, 7);
        probe_complete(&p, -errors[i]);
        CHECK_ENDED(&p, -errors[i]);
    }
    rig_close(&rig);
}

TEST(E8_an_opcode_that_nobody_executes_is_refused)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    gyre_op_raw(&p.op, 0xEE);
    probe_start(&p);
    CHECK_EQ(p.calls, 0);
    rig_turn(&rig);
    CHECK_ENDED(&p, -EOPNOTSUPP);
    CHECK_EQ(scripted_seen(rig.s), 0);
    rig_close(&rig);
}

TEST(E10_EINTR_is_retried_inside)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    for (int i = 0; i < 3; i++) {
        probe_complete(&p, -EINTR);
        CHECK_EQ(p.calls, 0);
        CHECK_NE(gyre_op_state(&p.op), GYRE_OP_IDLE);
        rig_turn(&rig);
    }
    probe_complete(&p, 4);
    CHECK_ENDED(&p, 4);
    CHECK_EQ(scripted_seen(rig.s), 4);
    CHECK_EQ(rig_stats(&rig).retried, 3);
    rig_close(&rig);
}

TEST(E10_an_interrupted_op_that_is_to_end_is_cancelled_and_not_retried)
{
    static const int codes[] = { EINTR, 512, 513, 514, 516 };
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        probe_fly(&p, &rig, 1, 7);
        CHECK_OK(gyre_op_cancel(&p.op));
        rig_turn(&rig);
        CHECK_EQ(p.calls, 0);
        probe_complete(&p, -codes[i]);
        CHECK_ENDED(&p, -ECANCELED);
    }
    rig_close(&rig);
}

TEST(E10_codes_between_parts_of_the_kernel_are_retried)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    probe_complete(&p, -512);
    CHECK_EQ(p.calls, 0);
    rig_turn(&rig);
    probe_complete(&p, -516);
    CHECK_EQ(p.calls, 0);
    rig_turn(&rig);
    probe_complete(&p, 1);
    CHECK_ENDED(&p, 1);
    /* ENOTSUPP, which drivers let out, is no interruption. */
    probe_fly(&p, &rig, 2, 7);
    probe_complete(&p, -524);
    CHECK_ENDED(&p, -524);
    rig_close(&rig);
}

TEST(E10_what_may_have_happened_is_not_done_twice)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    gyre_op_close(&p.op, 7);
    probe_start(&p);
    rig_turn(&rig);
    probe_complete(&p, -EINTR);
    CHECK_ENDED(&p, -EINTR);
    CHECK_EQ(scripted_seen(rig.s), 1);
    rig_close(&rig);
}

TEST(E15_a_filled_op_waits_for_its_start)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    rig_turn(&rig);
    CHECK_EQ(scripted_seen(rig.s), 0);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IDLE);
    gyre_op_sqe(&p.op)->msg_flags = MSG_PEEK; /* may be changed until then */
    probe_start(&p);
    rig_turn(&rig);
    CHECK_EQ(scripted_at(rig.s, 0)->msg_flags, MSG_PEEK);
    probe_complete(&p, 0);
    rig_close(&rig);
}

static void wake_waiter(struct probe *probe, gyre_result result)
{
    struct probe *waiter = probe->arg;

    (void)result;
    probe_start(waiter);
}

TEST(E16_a_result_makes_exactly_the_waiting_one_go_on)
{
    struct rig rig;
    struct probe first, second;

    rig_open(&rig, 8);
    probe_init(&second, &rig, 2, 8);
    probe_fly(&first, &rig, 1, 7);
    first.then = wake_waiter;
    first.arg = &second;
    probe_complete(&first, 0);
    CHECK_ENDED(&first, 0);
    rig_turn(&rig);
    CHECK_EQ(gyre_op_state(&second.op), GYRE_OP_IN_FLIGHT);
    probe_complete(&second, 0);
    CHECK_ENDED(&second, 0);
    rig_close(&rig);
}

TEST(A16_any_request_goes_through_by_hand)
{
    struct rig rig;
    struct probe p;
    struct io_uring_sqe *sqe;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, -1);
    gyre_op_raw(&p.op, IORING_OP_FTRUNCATE);
    sqe = gyre_op_sqe(&p.op);
    sqe->fd = 5;
    sqe->off = 4096;
    sqe->user_data = 0x1234; /* gyre's; must not get through */
    probe_start(&p);
    rig_turn(&rig);
    CHECK_EQ(scripted_at(rig.s, 0)->opcode, IORING_OP_FTRUNCATE);
    CHECK_EQ(scripted_at(rig.s, 0)->off, 4096);
    CHECK_EQ(scripted_at(rig.s, 0)->user_data, op_user_data(&p.op));
    CHECK_EQ(gyre_loop_ring_fd(rig.loop), -1);
    probe_complete(&p, 0);
    CHECK_ENDED(&p, 0);
    rig_close(&rig);
}

TEST(C14_the_end_of_a_stream_is_not_an_empty_result)
{
    gyre_op op;
    struct msghdr message = { 0 };
    char byte;

    gyre_op_recv(&op, 3, &byte, 1, 0);
    CHECK(gyre_op_is_eof(&op, (gyre_result){ 0, 0 }));
    CHECK(!gyre_op_is_eof(&op, (gyre_result){ 1, 0 }));
    CHECK(!gyre_op_is_eof(&op, (gyre_result){ -EAGAIN, 0 }));
    gyre_op_recv(&op, 3, &byte, 0, 0);
    CHECK(!gyre_op_is_eof(&op, (gyre_result){ 0, 0 }));
    gyre_op_read(&op, 3, &byte, 1, 0);
    CHECK(gyre_op_is_eof(&op, (gyre_result){ 0, 0 }));
    gyre_op_recvmsg(&op, 3, &message, 0);
    CHECK(!gyre_op_is_eof(&op, (gyre_result){ 0, 0 }));
    gyre_op_write(&op, 3, &byte, 1, 0);
    CHECK(!gyre_op_is_eof(&op, (gyre_result){ 0, 0 }));
}

TEST(an_op_knows_its_name)
{
    gyre_op op;

    gyre_op_recv(&op, 3, NULL, 0, 0);
    CHECK_STR_EQ(gyre_op_name(&op), "RECV");
    gyre_op_getdents(&op, 3, NULL, 0);
    CHECK_STR_EQ(gyre_op_name(&op), "GETDENTS");
    gyre_op_raw(&op, 0xEE);
    CHECK_STR_EQ(gyre_op_name(&op), "?");
}

TEST(E15_trying_an_op_is_one_question_to_the_kernel)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    CHECK_OK(gyre_loop_submit(rig.loop));
    CHECK_ERR(gyre_op_try(rig.loop, &p.op), -EAGAIN);
    scripted_set_try(rig.s, 12);
    CHECK_EQ(gyre_op_try(rig.loop, &p.op), 12);
    CHECK_EQ(p.calls, 0);
    CHECK_EQ(scripted_enters(rig.s), 0);
    rig_close(&rig);
}

TEST_PANICS(E15_trying_an_op_in_flight_panics, "only an idle op")
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    gyre_op_try(rig.loop, &p.op);
}

/* ---- the side ------------------------------------------------------------ */

TEST(A13_ops_of_both_executors_end_on_one_loop)
{
    struct rig rig;
    struct probe ring, side;

    rig_open(&rig, 8);
    CHECK(scripted_add_side(rig.s, 8));
    probe_fly(&ring, &rig, 1, 7);
    probe_init(&side, &rig, 2, 8);
    gyre_op_getdents(&side.op, 8, &side, 1);
    probe_start(&side);
    rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 2);
    CHECK_EQ(rig_stats(&rig).emulated, 1);
    scripted_complete_all(rig.s, 3);
    rig_turn(&rig);
    CHECK_ENDED(&ring, 3);
    CHECK_ENDED(&side, 3);
    rig_close(&rig);
}

TEST(A13_what_the_ring_drops_unasked_is_done_by_the_side)
{
    struct rig rig;
    struct probe dropped, asked;

    rig_open(&rig, 8);
    CHECK(scripted_add_side(rig.s, 8));
    probe_fly(&dropped, &rig, 1, 7);
    scripted_complete_all(rig.s, -ECANCELED); /* no worker could be made */
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_EQ(dropped.calls, 0u);
    CHECK_EQ(scripted_pending(rig.s), 1);
    CHECK_EQ(rig_stats(&rig).emulated, 1);
    scripted_complete_all(rig.s, 5);
    rig_turn(&rig);
    CHECK_ENDED(&dropped, 5);

    /* Dropped by both, or asked to end: it has ended. */
    probe_fly(&asked, &rig, 1, 7);
    scripted_complete_all(rig.s, -ECANCELED);
    rig_turn(&rig);
    rig_turn(&rig);
    scripted_complete_all(rig.s, -ECANCELED);
    rig_turn(&rig);
    CHECK_ENDED(&asked, -ECANCELED);
    rig_close(&rig);
}

TEST(A13_what_the_side_refuses_ends_with_its_error)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    CHECK(scripted_add_side(rig.s, 8));
    scripted_fail_side(rig.s, -ENOMEM, 1);
    probe_init(&p, &rig, 2, 8);
    gyre_op_getdents(&p.op, 8, &p, 1);
    probe_start(&p);
    rig_turn(&rig);
    CHECK_ENDED(&p, -ENOMEM);
    rig_close(&rig);
}
