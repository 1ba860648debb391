/* SPDX-License-Identifier: MIT */
/*
 * test_many.c - ops with many results, as the loop sees them
 */
#include <errno.h>

#include "rig.h"

TEST(E7_every_flag_of_a_completion_reaches_the_user)
{
    static const uint32_t flags[] = {
        GYRE_CQE_BUFFER | 65535U << 16,
        GYRE_CQE_SOCK_NONEMPTY,
        GYRE_CQE_NOTIF,
        GYRE_CQE_BUF_MORE,
        GYRE_CQE_SKIP,
        GYRE_CQE_32,
    };
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        scripted_complete(rig.s, 0, 1, flags[i] | IORING_CQE_F_MORE);
        rig_turn(&rig);
        CHECK_EQ(p.result.flags, flags[i] | GYRE_CQE_MORE);
        CHECK_EQ(gyre_result_has_buffer(p.result), i == 0);
        CHECK_EQ(gyre_result_buffer_id(p.result), i == 0 ? 65535 : 0);
        CHECK_EQ(gyre_result_socket_nonempty(p.result), i == 1);
        CHECK_EQ(gyre_result_is_notification(p.result), i == 2);
        CHECK_EQ(gyre_result_buffer_more(p.result), i == 3);
    }
    scripted_complete(rig.s, 0, 1, flags[0]);
    rig_turn(&rig);
    CHECK_ENDED(&p, 1);
    CHECK_EQ(p.result.flags, flags[0]);
    rig_close(&rig);
}

TEST(E6_an_interrupted_op_of_many_results_goes_on)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_init(&p, &rig, 1, 7);
    gyre_op_recv_multishot(&p.op, 7, 3, 0);
    probe_start(&p);
    rig_turn(&rig);
    scripted_complete(rig.s, 0, 5, IORING_CQE_F_MORE);
    scripted_complete(rig.s, 0, -EINTR, 0);
    rig_turn(&rig);
    CHECK_EQ(p.calls, 1);
    rig_turn(&rig);
    CHECK_EQ(scripted_pending(rig.s), 1);
    scripted_complete(rig.s, 0, 6, IORING_CQE_F_MORE);
    scripted_complete(rig.s, 0, 0, 0);
    rig_turn(&rig);
    CHECK_EQ(p.calls, 3);
    CHECK_ENDED(&p, 0);
    rig_close(&rig);
}

/* The co-processor does not know the ring's groups. */
TEST(E6_an_op_that_chooses_a_buffer_is_not_done_by_the_side)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    CHECK(scripted_add_side(rig.s, 8));
    probe_init(&p, &rig, 1, 7);
    gyre_op_recv_multishot(&p.op, 7, 3, 0);
    probe_start(&p);
    rig_turn(&rig);
    scripted_complete(rig.s, 0, -ECANCELED, 0);
    rig_turn(&rig);
    CHECK_ENDED(&p, -ECANCELED);
    rig_close(&rig);
}
