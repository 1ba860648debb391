/* SPDX-License-Identifier: MIT */
/*
 * test_chain.c - chains, drains and silence on a kernel that does as it is told
 */
#include <errno.h>
#include <sys/socket.h>

#include "rig.h"

enum { LINK = 1 << 2, HARDLINK = 1 << 3, SKIP = 1 << 6, DRAIN = 1 << 1 };

static void chain_fill(struct rig *rig, struct probe *p, gyre_chain_link *links,
                       int first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        probe_init(&p[i], rig, first + (int)i, first + (int)i);
        links[i] = (gyre_chain_link){ &p[i].op, probe_done, &p[i], false };
    }
}

static void chain_fly(struct rig *rig, struct probe *p, unsigned count,
                      unsigned flags)
{
    gyre_chain_link links[64];

    chain_fill(rig, p, links, 10, count);
    CHECK_OK(gyre_chain_start(rig->loop, links, count, flags));
    rig_turn(rig);
}

/* I2: side by side, by one enter(), though there is room for a part of it. */
TEST(D9_a_chain_waits_until_the_queue_has_room_for_all_of_it)
{
    struct rig rig;
    struct probe lone[2], p[3];
    gyre_chain_link links[3];

    rig_open(&rig, 4);
    for (int i = 0; i < 2; i++) {
        probe_init(&lone[i], &rig, i, i);
        probe_start(&lone[i]);
    }
    chain_fill(&rig, p, links, 10, 3);
    links[1].hard = true;
    CHECK_OK(gyre_chain_start(rig.loop, links, 3, 0));
    CHECK_EQ(gyre_op_state(&p[0].op), GYRE_OP_QUEUED);
    rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 2);
    CHECK_EQ(gyre_op_state(&p[0].op), GYRE_OP_QUEUED);
    rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 5);
    CHECK_EQ(scripted_enters(rig.s), 2);
    for (int i = 0; i < 3; i++) {
        const struct io_uring_sqe *sqe = scripted_seen_at(rig.s, 2 + (size_t)i);

        CHECK_EQ(sqe->fd, 10 + i);
        CHECK_EQ(sqe->flags, i == 0 ? LINK : i == 1 ? HARDLINK : 0);
        CHECK_EQ(gyre_op_state(&p[i].op), GYRE_OP_IN_FLIGHT);
        CHECK_EQ(gyre_op_sqe(&p[i].op)->flags, 0);
    }
    rig_close(&rig);
    for (int i = 0; i < 3; i++)
        CHECK_ENDED(&p[i], -ECANCELED);
}

/* Nor do cancels come between its ops. */
TEST(D9_cancels_go_before_a_chain)
{
    struct rig rig;
    struct probe lone[3], p[3];
    gyre_chain_link links[3];

    rig_open(&rig, 4);
    for (int i = 0; i < 3; i++)
        probe_fly(&lone[i], &rig, i, i);
    chain_fill(&rig, p, links, 10, 3);
    CHECK_OK(gyre_chain_start(rig.loop, links, 3, 0));
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_op_cancel(&lone[i].op));
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_EQ(scripted_seen(rig.s), 9);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(scripted_seen_at(rig.s, 6 + (size_t)i)->fd, 10 + i);
    rig_close(&rig);
}

TEST(D9_a_chain_that_enter_cuts_does_not_go_on_as_another)
{
    struct rig rig;
    struct probe p[4], behind;

    rig_open(&rig, 8);
    scripted_take_at_most(rig.s, 2);
    chain_fly(&rig, p, 4, 0);
    CHECK_EQ(scripted_pending(rig.s), 2);
    probe_init(&behind, &rig, 1, 1);
    probe_start(&behind);
    rig_turn(&rig);
    CHECK_ENDED(&p[2], -ECANCELED);
    CHECK_ENDED(&p[3], -ECANCELED);
    scripted_take_at_most(rig.s, UINT32_MAX);
    rig_turn(&rig);
    CHECK_EQ(scripted_seen_at(rig.s, 2)->opcode, IORING_OP_NOP);
    CHECK_EQ(scripted_seen_at(rig.s, 2)->flags, 0);
    CHECK_EQ(scripted_seen_at(rig.s, 3)->opcode, IORING_OP_NOP);
    CHECK_EQ(scripted_seen_at(rig.s, 4)->fd, 1);
    probe_complete(&p[0], 1);
    probe_complete(&p[1], 1);
    CHECK_ENDED(&p[0], 1);
    CHECK_ENDED(&p[1], 1);
    rig_close(&rig);
}

TEST(D9_a_limit_of_ops_in_flight_holds_for_chains)
{
    struct rig rig;
    struct probe lone, p[4];
    gyre_chain_link links[4];

    rig_open_with(&rig,
                  &(gyre_loop_options){ .entries = 8, .in_flight_max = 3 });
    probe_fly(&lone, &rig, 1, 1);
    chain_fill(&rig, p, links, 10, 4);
    CHECK_ERR(gyre_chain_start(rig.loop, links, 4, 0), -E2BIG);
    CHECK_OK(gyre_chain_start(rig.loop, links, 3, 0));
    rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 1);
    probe_complete(&lone, 1);
    rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 3);
    rig_close(&rig);
}

/* It ends as a whole, and what is behind it is reached as well. */
TEST(D9_G2_a_cancel_of_everything_goes_on_behind_a_chain)
{
    const gyre_match any = { .flags = GYRE_MATCH_ANY };
    struct rig rig;
    struct probe p[3], behind;
    gyre_chain_link links[3];

    rig_open(&rig, 8);
    rig_turn(&rig);
    chain_fill(&rig, p, links, 10, 3);
    CHECK_OK(gyre_chain_start(rig.loop, links, 3, 0));
    probe_init(&behind, &rig, 1, 1);
    probe_start(&behind);
    CHECK_EQ(gyre_loop_cancel_matching(rig.loop, &any), 2);
    rig_turn(&rig);
    for (int i = 0; i < 3; i++)
        CHECK_ENDED(&p[i], -ECANCELED);
    CHECK_ENDED(&behind, -ECANCELED);
    rig_close(&rig);
}

TEST(D9_F8_a_timeout_of_a_chain_keeps_its_clock)
{
    static const int64_t time[2] = { 1, 0 };
    struct rig rig;
    struct probe p[2], update;
    gyre_chain_link links[2];

    rig_open(&rig, 8);
    chain_fill(&rig, p, links, 10, 2);
    gyre_op_timeout(&p[0].op, time, 0, 0);
    CHECK_OK(gyre_chain_start(rig.loop, links, 2, 0));
    rig_turn(&rig);
    probe_init(&update, &rig, 1, 1);
    gyre_op_timeout_update(&update.op, &p[0].op, time, GYRE_TIMEOUT_BOOTTIME);
    probe_start(&update);
    rig_turn(&rig);
    CHECK_ENDED(&update, -EINVAL);
    probe_complete(&p[0], -ECANCELED);
    probe_complete(&p[1], -ECANCELED);
    CHECK_ENDED(&p[0], -ECANCELED);
    CHECK_EQ(gyre_op_sqe(&p[0].op)->splice_fd_in, 0);
    rig_close(&rig);
}

static bool are_there(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    struct probe *p = arg;

    (void)deadline_ns;
    for (int i = 0; i < 3; i++)
        CHECK_GE(probe_index(&p[i]), 0);
    scripted_complete_all(s, 1);
    return false;
}

/* Interrupted ops before a chain that waits: they wait for room alone. */
TEST(D9_A14_ops_before_a_chain_that_waits_are_not_slept_on)
{
    struct rig rig;
    struct probe p[3], linked[2];
    gyre_chain_link links[2];

    rig_open_with(&rig,
                  &(gyre_loop_options){ .entries = 2, .in_flight_max = 4 });
    for (int i = 0; i < 3; i++)
        probe_fly(&p[i], &rig, i, i + 1);
    chain_fill(&rig, linked, links, 10, 2);
    CHECK_OK(gyre_chain_start(rig.loop, links, 2, 0));
    rig_turn(&rig);
    for (int i = 0; i < 3; i++)
        scripted_complete(rig.s, probe_index(&p[i]), -EINTR, 0);
    rig_turn(&rig);
    CHECK_EQ(rig_stats(&rig).retried, 3);
    scripted_on_sleep(rig.s, are_there, p);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    scripted_on_sleep(rig.s, NULL, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_ENDED(&p[i], 1);
    rig_close(&rig);
}

static bool complete_first(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    (void)deadline_ns;
    (void)arg;
    scripted_complete(s, 0, 1, 0);
    return false;
}

/* It sleeps instead of spinning. */
TEST(D9_a_loop_whose_backlog_drains_sleeps)
{
    struct rig rig;
    struct probe before, drain, behind;

    rig_open(&rig, 8);
    probe_fly(&before, &rig, 1, 1);
    probe_init(&drain, &rig, 2, 2);
    gyre_op_add_flags(&drain.op, GYRE_OP_DRAIN);
    probe_start(&drain);
    probe_init(&behind, &rig, 3, 3);
    probe_start(&behind);
    scripted_on_sleep(rig.s, complete_first, NULL);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(rig.journal[i], i + 1);
    CHECK_EQ(scripted_sleeps(rig.s), 3);
    for (size_t i = 0; i < 3; i++)
        CHECK_EQ(scripted_seen_at(rig.s, i)->flags & DRAIN, 0);
    CHECK_LE(rig_stats(&rig).turns, 8);
    rig_close(&rig);
}

/* What was interrupted is still before the drain. */
TEST(D9_a_retried_op_does_not_pass_a_drain)
{
    struct rig rig;
    struct probe before, drain;

    rig_open(&rig, 8);
    probe_fly(&before, &rig, 1, 1);
    probe_init(&drain, &rig, 2, 2);
    gyre_op_add_flags(&drain.op, GYRE_OP_DRAIN);
    probe_start(&drain);
    rig_turn(&rig);
    probe_complete(&before, -EINTR);
    rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 1);
    CHECK_GE(probe_index(&before), 0);
    probe_complete(&before, 1);
    rig_turn(&rig);
    probe_complete(&drain, -EINTR);
    rig_turn(&rig);
    probe_complete(&drain, 1);
    CHECK_ENDED(&before, 1);
    CHECK_ENDED(&drain, 1);
    rig_close(&rig);
}

TEST(D9_a_close_that_waits_passes_a_drain_that_was_started_later)
{
    struct rig rig;
    struct probe reader, close, drain;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&reader, &rig, 1, 7);
    probe_init(&close, &rig, 2, 7);
    gyre_op_close(&close.op, 7);
    probe_start(&close); /* held */
    probe_init(&drain, &rig, 3, 3);
    gyre_op_add_flags(&drain.op, GYRE_OP_DRAIN);
    probe_start(&drain);
    rig_turn(&rig);
    CHECK_LT(probe_index(&drain), 0);
    probe_complete(&reader, 1);
    rig_turn(&rig);
    CHECK_GE(probe_index(&close), 0);
    CHECK_LT(probe_index(&drain), 0);
    probe_complete(&close, 0);
    rig_turn(&rig);
    CHECK_GE(probe_index(&drain), 0);
    probe_complete(&drain, 1);
    CHECK_ENDED(&close, 0);
    CHECK_ENDED(&drain, 1);
    rig_close(&rig);
}

/* ---- cancels ------------------------------------------------------------- */

static bool let_time_pass(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    unsigned *sleeps = arg;

    (void)deadline_ns;
    if (++*sleeps == 3)
        scripted_set_cancel(s, SCRIPTED_CANCEL_FIRST);
    return false;
}

/* The kernel does not find what has not begun; so it is asked again. */
TEST(D9_a_cancel_in_a_chain_is_not_lost)
{
    struct rig rig;
    struct probe p[3];
    unsigned sleeps = 0;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_MISSED);
    chain_fly(&rig, p, 3, 0);
    CHECK_OK(gyre_op_cancel(&p[1].op));
    CHECK_ERR(gyre_op_cancel(&p[1].op), -EALREADY);
    scripted_on_sleep(rig.s, let_time_pass, &sleeps);
    while (p[1].lasts == 0)
        CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_EQ(sleeps, 3);
    CHECK_GE(rig_stats(&rig).cancels, 3);
    CHECK_ENDED(&p[1], -ECANCELED);
    CHECK_EQ(p[0].lasts + p[2].lasts, 0);
    rig_close(&rig);
}

/* The record is there until the answer has come, and then it is gone. */
TEST(D9_an_answer_to_a_cancel_may_come_after_the_chain)
{
    struct rig rig;
    struct probe p[2];

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_PENDS);
    for (int i = 0; i < 3; i++) {
        int cancel;

        chain_fly(&rig, p, 2, 0);
        CHECK_OK(gyre_op_cancel(&p[0].op));
        rig_turn(&rig);
        probe_complete(&p[0], -ECANCELED);
        probe_complete(&p[1], -ECANCELED);
        CHECK_ENDED(&p[0], -ECANCELED);
        CHECK_ENDED(&p[1], -ECANCELED);
        cancel = scripted_find_opcode(rig.s, IORING_OP_ASYNC_CANCEL);
        CHECK_GE(cancel, 0);
        if (i == 1)
            continue; /* the loop ends without it */
        scripted_complete(rig.s, cancel, -ENOENT, 0);
        rig_turn(&rig);
    }
    rig_close(&rig);
}

TEST(D9_an_interrupted_op_of_a_chain_is_not_tried_again)
{
    struct rig rig;
    struct probe p[2];

    rig_open(&rig, 8);
    chain_fly(&rig, p, 2, 0);
    probe_complete(&p[0], -EINTR);
    probe_complete(&p[1], -ECANCELED); /* nor rescued */
    CHECK_ENDED(&p[0], -EINTR);
    CHECK_ENDED(&p[1], -ECANCELED);
    CHECK_EQ(rig_stats(&rig).retried, 0);
    rig_close(&rig);
}

/* ---- one executor -------------------------------------------------------- */

TEST(D9_a_chain_goes_beside_the_ring_as_a_whole)
{
    struct rig rig;
    struct probe p[3];

    rig_open(&rig, 8);
    CHECK(scripted_add_side(rig.s, 8));
    scripted_set_route(rig.s, IORING_OP_NOP, KERNEL_ROUTE_SIDE);
    for (int failing = 0; failing < 2; failing++) {
        gyre_chain_link links[3];

        chain_fill(&rig, p, links, 10, 3);
        gyre_op_nop(&p[1].op);
        if (failing == 1)
            scripted_fail_side(rig.s, -ENOMEM, 1);
        CHECK_OK(gyre_chain_start(rig.loop, links, 3, 0));
        rig_turn(&rig);
        if (failing == 1)
            break;
        CHECK_EQ(rig_stats(&rig).emulated, 3);
        CHECK_EQ(scripted_at(rig.s, 0)->flags, LINK);
        for (int i = 0; i < 3; i++)
            probe_complete(&p[i], 0);
    }
    for (int i = 0; i < 3; i++)
        CHECK_ENDED(&p[i], -ENOMEM);
    rig_close(&rig);
}

TEST(D9_a_chain_that_nobody_executes_whole_is_refused)
{
    struct rig rig;
    struct probe p[2];
    gyre_chain_link links[2];

    rig_open(&rig, 8);
    scripted_set_route(rig.s, IORING_OP_RECV, KERNEL_ROUTE_REFUSED);
    chain_fill(&rig, p, links, 10, 2);
    gyre_op_nop(&p[0].op);
    CHECK_ERR(gyre_chain_start(rig.loop, links, 2, 0), -EOPNOTSUPP);
    CHECK_EQ(gyre_op_state(&p[0].op), GYRE_OP_IDLE);
    rig_close(&rig);
}

static void run_without_memory(void)
{
    struct rig rig = { .s = scripted_create(8, 0) };
    struct probe p[3];
    gyre_chain_link links[3];
    int err;

    if (rig.s == NULL)
        return;
    if (loop_create_on(&rig.loop, scripted_kernel(rig.s),
                       &(gyre_loop_options){ .entries = 8 }) < 0) {
        scripted_kernel(rig.s)->class->destroy(scripted_kernel(rig.s));
        return;
    }
    chain_fill(&rig, p, links, 10, 3);
    err = gyre_chain_start(rig.loop, links, 3, 0);
    if (err < 0)
        CHECK_ERR(err, -ENOMEM);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(gyre_op_state(&p[i].op),
                 err < 0 ? GYRE_OP_IDLE : GYRE_OP_QUEUED);
    gyre_loop_destroy(rig.loop);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(p[i].lasts, err < 0 ? 0 : 1);
}

TEST(D9_without_memory_nothing_of_a_chain_is_started)
{
    CHECK_GT(for_each_failure(run_without_memory), 4);
}

/* ---- silence ------------------------------------------------------------- */

static void silent_open(struct rig *rig)
{
    rig_open(rig, 8);
    scripted_kernel(rig->s)->features |= IORING_FEAT_CQE_SKIP;
}

TEST(D10_silence_is_asked_for_and_understood)
{
    struct rig rig;
    struct probe p[4];

    silent_open(&rig);
    chain_fly(&rig, p, 4, GYRE_CHAIN_QUIET);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(scripted_at(rig.s, i)->flags, i < 3 ? SKIP | LINK : 0);
    probe_complete(&p[3], 5);
    for (int i = 0; i < 4; i++) {
        CHECK_ENDED(&p[i], i < 3 ? 0 : 5);
        CHECK_EQ(rig.journal[i], 10 + i);
        CHECK_EQ(p[i].result.flags, i < 3 ? GYRE_CQE_SKIP : 0u);
    }
    for (int i = 0; i < 3; i++) /* the kernel's are gone as well */
        scripted_forget(rig.s, 0);
    chain_fly(&rig, p, 4, GYRE_CHAIN_QUIET);
    probe_complete(&p[1], -EIO);
    CHECK_ENDED(&p[0], 0);
    CHECK_ENDED(&p[1], -EIO);
    CHECK_ENDED(&p[2], -ECANCELED);
    CHECK_ENDED(&p[3], -ECANCELED);
    while (scripted_pending(rig.s) > 0)
        scripted_forget(rig.s, 0);
    rig_close(&rig);
}

TEST(D10_without_silence_all_report)
{
    struct rig rig;
    struct probe p[2];

    rig_open(&rig, 8);
    chain_fly(&rig, p, 2, GYRE_CHAIN_QUIET);
    CHECK_EQ(scripted_at(rig.s, 0)->flags, LINK);
    probe_complete(&p[0], 3);
    probe_complete(&p[1], 4);
    CHECK_ENDED(&p[0], 3);
    CHECK_ENDED(&p[1], 4);
    rig_close(&rig);
}

static void send_quietly(struct rig *rig, struct probe *p, int number)
{
    probe_init(p, rig, number, 5);
    gyre_op_send(&p->op, 5, "x", 1, MSG_DONTWAIT);
    gyre_op_add_flags(&p->op, GYRE_OP_QUIET);
    probe_start(p);
}

TEST(D10_a_silent_send_ends_when_nothing_has_come)
{
    struct rig rig;
    struct probe p[3];

    silent_open(&rig);
    for (int i = 0; i < 3; i++)
        send_quietly(&rig, &p[i], i);
    rig_turn(&rig);
    CHECK_EQ(scripted_at(rig.s, 0)->flags, SKIP);
    CHECK_NE(scripted_at(rig.s, 0)->msg_flags & MSG_WAITALL, 0);
    CHECK_EQ(gyre_op_sqe(&p[0].op)->msg_flags & MSG_WAITALL, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_ENDED(&p[i], 0);
        CHECK_EQ(p[i].result.flags, (uint32_t)GYRE_CQE_SKIP);
        scripted_forget(rig.s, 0);
    }
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

static bool fail_with_epipe(void *arg, const struct io_uring_sqe *sqe,
                            int32_t *res)
{
    (void)arg;
    (void)sqe;
    *res = -EPIPE;
    return true;
}

/* Not while its SQE is not taken, nor while CQEs wait for room. */
TEST(D10_a_silent_send_is_not_ended_too_early)
{
    enum { SENDS = 8 };
    struct rig rig;
    struct probe p[SENDS];

    rig_open_with(&rig, &(gyre_loop_options){ .entries = 8, .cq_entries = 2 });
    scripted_kernel(rig.s)->features |= IORING_FEAT_CQE_SKIP;
    scripted_fail_enter(rig.s, -EAGAIN, 2);
    send_quietly(&rig, &p[0], 0);
    rig_turn(&rig);
    CHECK_EQ(p[0].calls, 0);
    for (int i = 1; i < SENDS; i++)
        send_quietly(&rig, &p[i], i);
    scripted_set_policy(rig.s, fail_with_epipe, NULL);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < SENDS; i++)
        CHECK_ENDED(&p[i], -EPIPE);
    CHECK_GT(rig_stats(&rig).overflows, 0);
    rig_close(&rig);
}
