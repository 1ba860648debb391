/* SPDX-License-Identifier: MIT */
/*
 * test_match.c - cancels that say what to end
 */
#include <errno.h>
#include <string.h>

#include "rig.h"

static const gyre_match any = { .flags = GYRE_MATCH_ANY };

static gyre_match on_fd(int fd, unsigned flags)
{
    return (gyre_match){ .flags = GYRE_MATCH_FD | flags, .fd = fd };
}

static gyre_match of_opcode(uint8_t opcode, unsigned flags)
{
    return (gyre_match){ .flags = GYRE_MATCH_OPCODE | flags, .opcode = opcode };
}

static void ask_init(struct probe *ask, struct rig *rig, int number,
                     const gyre_match *match)
{
    memset(ask, 0, sizeof *ask);
    ask->rig = rig;
    ask->number = number;
    gyre_op_cancel_matching(&ask->op, match);
}

/* Ask by an op, and let everything come of it that will. */
static int ask_run(struct rig *rig, gyre_match match)
{
    struct probe ask;

    ask_init(&ask, rig, 99, &match);
    probe_start(&ask);
    for (int i = 0; i < 3; i++)
        rig_turn(rig);
    CHECK_EQ(ask.lasts, 1);
    return ask.result.res;
}

TEST(G2_all_on_a_descriptor_wherever_they_are)
{
    struct rig rig;
    struct probe flying, beside, queued, other;

    rig_open(&rig, 8);
    CHECK(scripted_add_side(rig.s, 8));
    probe_fly(&flying, &rig, 1, 7);
    probe_init(&beside, &rig, 2, 7);
    gyre_op_getdents(&beside.op, 7, &beside, 1);
    probe_start(&beside);
    probe_fly(&other, &rig, 3, 8);
    probe_init(&queued, &rig, 4, 7);
    probe_start(&queued);
    CHECK_EQ(ask_run(&rig, on_fd(7, GYRE_MATCH_ALL)), 3);
    CHECK_ENDED(&flying, -ECANCELED);
    CHECK_ENDED(&beside, -ECANCELED);
    CHECK_ENDED(&queued, -ECANCELED);
    CHECK_EQ(other.lasts, 0);
    CHECK_EQ(ask_run(&rig, on_fd(7, GYRE_MATCH_ALL)), 0);
    CHECK_ERR(ask_run(&rig, on_fd(7, 0)), -ENOENT);
    CHECK_EQ(ask_run(&rig, any), 1);
    CHECK_ENDED(&other, -ECANCELED);
    rig_close(&rig);
}

TEST(G2_G4_one_in_the_backlog_ends_without_the_kernel)
{
    struct rig rig;
    struct probe p;
    size_t seen;

    rig_open(&rig, 8);
    rig_turn(&rig);
    seen = scripted_seen(rig.s);
    probe_init(&p, &rig, 1, 7);
    probe_start(&p);
    CHECK_EQ(ask_run(&rig, on_fd(7, 0)), 0);
    CHECK_ENDED(&p, -ECANCELED);
    CHECK_EQ(scripted_seen(rig.s), seen);
    rig_close(&rig);
}

TEST(G2_G3_of_one_in_flight_the_kernel_gives_the_answer)
{
    struct rig rig;
    struct probe p, ask;
    const struct io_uring_sqe *sqe;
    gyre_match match = on_fd(7, 0);

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_PENDS);
    probe_fly(&p, &rig, 1, 7);
    ask_init(&ask, &rig, 2, &match);
    probe_start(&ask);
    rig_turn(&rig);
    sqe = scripted_at(rig.s, (unsigned)probe_index(&ask));
    CHECK_EQ(sqe->addr,
             scripted_at(rig.s, (unsigned)probe_index(&p))->user_data);
    CHECK_EQ(sqe->cancel_flags, 0);
    CHECK_EQ(sqe->fd, -1);
    CHECK_EQ(sqe->pad2_, 0);
    probe_complete(&ask, -EALREADY);
    CHECK_ENDED(&ask, -EALREADY);
    CHECK_EQ(p.lasts, 0);

    /* The request is what it was, and finds nothing after the target's end. */
    CHECK_EQ(gyre_op_sqe(&ask.op)->cancel_flags, GYRE_MATCH_FD);
    CHECK_EQ(gyre_op_sqe(&ask.op)->fd, 7);
    probe_complete(&p, 0);
    gyre_op_restart(&ask.op);
    rig_turn(&rig);
    CHECK_EQ(ask.lasts, 2);
    CHECK_ERR(ask.result.res, -ENOENT);
    rig_close(&rig);
}

TEST(G2_one_beside_the_ring_is_asked_there)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    CHECK(scripted_add_side(rig.s, 8));
    probe_init(&p, &rig, 1, 7);
    gyre_op_getdents(&p.op, 7, &p, 1);
    probe_start(&p);
    rig_turn(&rig);
    CHECK_EQ(ask_run(&rig, on_fd(7, 0)), 0);
    CHECK_ENDED(&p, -ECANCELED);
    CHECK_EQ(rig_stats(&rig).submitted, 0); /* the ring saw none of it */
    rig_close(&rig);
}

TEST(G2_keys_are_combined)
{
    struct rig rig;
    struct probe recv7, read7, recv8;
    gyre_match match;

    rig_open(&rig, 8);
    probe_fly(&recv7, &rig, 1, 7);
    probe_init(&read7, &rig, 2, 7);
    gyre_op_read(&read7.op, 7, &read7, 1, 0);
    probe_start(&read7);
    probe_fly(&recv8, &rig, 3, 8);

    match = on_fd(7, GYRE_MATCH_OPCODE | GYRE_MATCH_ALL);
    match.opcode = IORING_OP_WRITE;
    CHECK_EQ(gyre_loop_cancel_matching(rig.loop, &match), 0);
    match.opcode = IORING_OP_READ;
    CHECK_EQ(gyre_loop_cancel_matching(rig.loop, &match), 1);
    rig_turn(&rig);
    CHECK_ENDED(&read7, -ECANCELED);

    match = of_opcode(IORING_OP_RECV, GYRE_MATCH_OP | GYRE_MATCH_ALL);
    match.op = &recv8.op;
    CHECK_EQ(ask_run(&rig, match), 1);
    CHECK_ENDED(&recv8, -ECANCELED);
    CHECK_EQ(recv7.lasts, 0);

    match = (gyre_match){ .op = &recv8.op }; /* idle: nobody */
    CHECK_ERR(ask_run(&rig, match), -ENOENT);
    match.op = &recv7.op;
    CHECK_EQ(ask_run(&rig, match), 0);
    CHECK_ENDED(&recv7, -ECANCELED);
    rig_close(&rig);
}

TEST(G2_a_registered_file_is_not_the_descriptor_of_that_number)
{
    struct rig rig;
    struct probe fixed, plain;

    rig_open(&rig, 8);
    probe_init(&fixed, &rig, 1, 3);
    gyre_op_sqe(&fixed.op)->flags = IOSQE_FIXED_FILE;
    probe_start(&fixed);
    probe_fly(&plain, &rig, 2, 3);
    CHECK_EQ(ask_run(&rig, on_fd(3, GYRE_MATCH_ALL | GYRE_MATCH_FIXED)), 1);
    CHECK_ENDED(&fixed, -ECANCELED);
    CHECK_EQ(plain.lasts, 0);
    probe_start(&fixed);
    CHECK_EQ(ask_run(&rig, on_fd(3, GYRE_MATCH_ALL)), 1);
    CHECK_ENDED(&plain, -ECANCELED);
    CHECK_EQ(fixed.lasts, 1);
    CHECK_EQ(ask_run(&rig, on_fd(gyre_slot_handle(3), GYRE_MATCH_ALL)), 1);
    CHECK_EQ(fixed.lasts, 2);
    rig_close(&rig);
}

TEST(G2_impossible_keys_are_refused)
{
    static const unsigned flags[] = { GYRE_MATCH_ANY | GYRE_MATCH_FD,
                                      GYRE_MATCH_ANY | GYRE_MATCH_OPCODE,
                                      1U << 6 };
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        gyre_match match = { .flags = flags[i], .fd = 7 };

        CHECK_ERR(ask_run(&rig, match), -EINVAL);
        CHECK_ERR(gyre_loop_cancel_matching(rig.loop, &match), -EINVAL);
        CHECK_ERR(gyre_loop_cancel_sync(rig.loop, &match, 0), -EINVAL);
    }
    CHECK_EQ(p.lasts, 0);
    probe_complete(&p, 0);
    rig_close(&rig);
}

TEST(G2_any_spares_the_loop_s_own_requests_and_itself)
{
    struct rig rig;
    struct probe p[3];

    rig_open(&rig, 8);
    for (int i = 0; i < 3; i++)
        probe_fly(&p[i], &rig, i, i);
    CHECK_EQ(ask_run(&rig, any), 3);
    for (int i = 0; i < 3; i++)
        CHECK_ENDED(&p[i], -ECANCELED);
    for (size_t i = 0; i < scripted_seen(rig.s); i++)
        CHECK_EQ(scripted_seen_at(rig.s, i)->cancel_flags, 0);
    rig_close(&rig);
}

TEST(G2_those_asked_before_are_not_counted_again)
{
    struct rig rig;
    struct probe p;
    gyre_match match = on_fd(7, GYRE_MATCH_ALL);

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&p, &rig, 1, 7);
    CHECK_EQ(gyre_loop_cancel_matching(rig.loop, &match), 1);
    CHECK_EQ(gyre_loop_cancel_matching(rig.loop, &match), 0);
    rig_turn(&rig);
    probe_complete(&p, 5);
    CHECK_ENDED(&p, 5);
    rig_close(&rig);
}

/* ---- and waiting --------------------------------------------------------- */

TEST(G6_a_sync_cancel_of_nothing_is_ENOENT)
{
    struct rig rig;
    gyre_match match = on_fd(7, 0);

    rig_open(&rig, 8);
    CHECK_ERR(gyre_loop_cancel_sync(rig.loop, &match, GYRE_NEVER), -ENOENT);
    CHECK_ERR(gyre_loop_cancel_sync(rig.loop, &any, GYRE_NEVER), -ENOENT);
    rig_close(&rig);
}

TEST(G6_a_sync_cancel_returns_when_the_last_has_ended)
{
    struct rig rig;
    struct probe p[3], other;
    gyre_match match = on_fd(7, GYRE_MATCH_ALL);

    rig_open(&rig, 8);
    for (int i = 0; i < 3; i++)
        probe_fly(&p[i], &rig, i, 7);
    probe_fly(&other, &rig, 3, 8);
    CHECK_EQ(gyre_loop_cancel_sync(rig.loop, &match, GYRE_NEVER), 3);
    for (int i = 0; i < 3; i++)
        CHECK_ENDED(&p[i], -ECANCELED);
    CHECK_EQ(other.lasts, 0);

    match.flags = GYRE_MATCH_FD;
    match.fd = 8;
    CHECK_EQ(gyre_loop_cancel_sync(rig.loop, &match, GYRE_NEVER), 1);
    CHECK_ENDED(&other, -ECANCELED);
    rig_close(&rig);
}

static bool end_it(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    struct probe *probe = arg;

    (void)deadline_ns;
    scripted_complete(s, probe_index(probe), 42, 0);
    return false;
}

TEST(G6_a_sync_cancel_waits_for_what_runs_already)
{
    struct rig rig;
    struct probe p;
    gyre_match match = on_fd(7, 0);

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE); /* -EALREADY */
    probe_fly(&p, &rig, 1, 7);
    scripted_on_sleep(rig.s, end_it, &p);
    CHECK_EQ(gyre_loop_cancel_sync(rig.loop, &match, GYRE_NEVER), 1);
    CHECK_ENDED(&p, 42);
    rig_close(&rig);
}

static bool pass(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    (void)arg;
    CHECK(deadline_ns != KERNEL_FOREVER);
    scripted_advance(s, deadline_ns - scripted_now(s));
    return true;
}

TEST(G6_a_sync_cancel_gives_up_at_its_limit)
{
    struct rig rig;
    struct probe p;
    gyre_match match = on_fd(7, 0);
    uint64_t limit;

    rig_open(&rig, 8);
    scripted_set_cancel(rig.s, SCRIPTED_CANCEL_LATE);
    probe_fly(&p, &rig, 1, 7);
    scripted_on_sleep(rig.s, pass, NULL);
    limit = scripted_now(rig.s) + 5 * GYRE_MS;
    CHECK_ERR(gyre_loop_cancel_sync(rig.loop, &match, limit), -ETIME);
    CHECK_GE(scripted_now(rig.s), limit);
    CHECK_EQ(p.lasts, 0);

    /* Asked before, it is awaited all the same. */
    scripted_on_sleep(rig.s, end_it, &p);
    CHECK_EQ(gyre_loop_cancel_sync(rig.loop, &match, GYRE_NEVER), 0);
    CHECK_ENDED(&p, 42);
    rig_close(&rig);
}

static void sync_inside(struct probe *probe, gyre_result result)
{
    (void)result;
    *(int *)probe->arg =
        gyre_loop_cancel_sync(probe->rig->loop, &any, GYRE_NEVER);
}

TEST(G6_a_sync_cancel_inside_a_turn_is_EDEADLK)
{
    struct rig rig;
    struct probe p, other;
    int inside = 0;

    rig_open(&rig, 8);
    probe_fly(&other, &rig, 1, 7);
    probe_fly(&p, &rig, 2, 8);
    p.then = sync_inside;
    p.arg = &inside;
    probe_complete(&p, 0);
    CHECK_ERR(inside, -EDEADLK);
    CHECK_EQ(other.lasts, 0);
    rig_close(&rig);
}

static void start_again(struct probe *probe, gyre_result result)
{
    if (result.res == -ECANCELED && probe->lasts == 1)
        gyre_op_restart(&probe->op);
}

TEST(G6_what_a_callback_starts_meanwhile_is_not_awaited)
{
    struct rig rig;
    struct probe p;
    gyre_match match = on_fd(7, GYRE_MATCH_ALL);

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    p.then = start_again;
    CHECK_EQ(gyre_loop_cancel_sync(rig.loop, &match, GYRE_NEVER), 1);
    CHECK_EQ(p.lasts, 1);
    CHECK_EQ(gyre_loop_cancel_sync(rig.loop, &match, GYRE_NEVER), 1);
    CHECK_EQ(p.lasts, 2);
    rig_close(&rig);
}
