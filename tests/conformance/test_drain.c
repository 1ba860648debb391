/* SPDX-License-Identifier: MIT */
/*
 * test_drain.c - drains, silence and workers, on every kernel
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chain_stage.h"

/* ---- drain --------------------------------------------------------------- */

KERNEL_TEST(D9_a_drain_waits_for_all_before_and_holds_all_behind)
{
    struct chain_stage s;
    struct call before, drain, behind;
    int later[2];

    up(&s, 8);
    make_pipe(later);
    gyre_op_read(&before.op, s.pipe[0], &s.byte, 1, GYRE_CURRENT_POSITION);
    gyre_op_read(&drain.op, later[0], &s.byte, 1, GYRE_CURRENT_POSITION);
    gyre_op_add_flags(&drain.op, GYRE_OP_DRAIN);
    gyre_op_nop(&behind.op);
    CHECK_EQ(write(later[1], "x", 1), 1);
    call_start(s.loop, &before);
    call_start(s.loop, &drain);
    call_start(s.loop, &behind);
    for (int i = 0; i < 3; i++)
        turn(&s);
    CHECK_EQ(drain.lasts + behind.lasts, 0); /* though it could be read */
    CHECK_EQ(gyre_op_state(&drain.op), GYRE_OP_QUEUED);
    CHECK_EQ(read(later[0], &s.byte, 1), 1);
    CHECK_EQ(write(s.pipe[1], "x", 1), 1);
    CHECK_EQ(call_wait(s.loop, &before), 1);
    for (int i = 0; i < 3; i++)
        turn(&s);
    CHECK_EQ(gyre_op_state(&drain.op), GYRE_OP_IN_FLIGHT);
    CHECK_EQ(gyre_op_state(&behind.op), GYRE_OP_QUEUED);
    CHECK_EQ(write(later[1], "x", 1), 1);
    CHECK_EQ(call_wait(s.loop, &drain), 1);
    CHECK_OK(call_wait(s.loop, &behind));
    close_both(later);
    down(&s);
}

KERNEL_TEST(D9_a_chain_drains_as_a_whole)
{
    struct chain_stage s;
    struct call before, behind;

    up(&s, 8);
    gyre_op_read(&before.op, s.pipe[0], &s.byte, 1, GYRE_CURRENT_POSITION);
    call_start(s.loop, &before);
    add_nop(&s);
    gyre_op_add_flags(add_nop(&s), GYRE_OP_DRAIN);
    add_nop(&s);
    begin(&s, 0);
    gyre_op_nop(&behind.op);
    call_start(s.loop, &behind);
    for (int i = 0; i < 3; i++)
        turn(&s);
    CHECK_EQ(s.ended + behind.lasts, 0);
    CHECK_EQ(write(s.pipe[1], "x", 1), 1);
    FINISH(&s, 0, 0, 0);
    CHECK_EQ(before.lasts, 1);
    CHECK_OK(call_wait(s.loop, &behind));
    down(&s);
}

KERNEL_TEST(D9_a_drain_can_be_cancelled_and_does_not_wait_for_ever)
{
    struct chain_stage s;
    struct call endless, drain, behind;

    up(&s, 8);
    gyre_op_poll_multishot(&endless.op, s.pipe[0], POLLIN);
    call_start(s.loop, &endless);
    gyre_op_nop(&drain.op);
    gyre_op_add_flags(&drain.op, GYRE_OP_DRAIN);
    CHECK_OK(call_run(s.loop, &drain)); /* a poll that goes on is no matter */

    add_wait(&s);
    begin(&s, 0);
    call_start(s.loop, &drain);
    gyre_op_nop(&behind.op);
    call_start(s.loop, &behind);
    for (int i = 0; i < 3; i++)
        turn(&s);
    CHECK_EQ(drain.lasts + behind.lasts, 0);
    CHECK_OK(gyre_op_cancel(&drain.op));
    CHECK_OK(call_wait(s.loop, &behind)); /* nothing is in its way now */
    CHECK_ERR(drain.result.res, -ECANCELED);
    CHECK_OK(gyre_op_cancel(s.links[0].op));
    FINISH(&s, -ECANCELED);
    CHECK_OK(gyre_op_cancel(&endless.op));
    CHECK_ERR(call_wait(s.loop, &endless), -ECANCELED);
    down(&s);
}

/* ---- silence, and threads ------------------------------------------------ */

/* Where silence is not known the result is the true one. */
static void check_silent(gyre_result result, int otherwise)
{
    if ((result.flags & GYRE_CQE_SKIP) != 0)
        CHECK_OK(result.res);
    else
        CHECK_EQ(result.res, otherwise);
}

KERNEL_TEST(D10_E7_only_the_last_of_a_quiet_chain_reports)
{
    struct chain_stage s;
    int fds[2];
    char got[8];

    up(&s, 8);
    make_pair(fds);
    gyre_op_send(add(&s), fds[0], "ab", 2, 0);
    add_nop(&s);
    gyre_op_recv(add(&s), fds[1], got, sizeof got, 0);
    add_limit(&s, 1000 * GYRE_SECOND);
    begin(&s, GYRE_CHAIN_QUIET);
    while (s.ended < 4)
        CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_ONCE));
    check_silent(result_at(&s, 0), 2);
    check_silent(result_at(&s, 1), 0);
    CHECK_EQ(result_at(&s, 2).res, 2);
    CHECK_EQ(result_at(&s, 2).flags & GYRE_CQE_SKIP, 0);
    CHECK_ERR(result_at(&s, 3).res, -ECANCELED);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(s.order[i], i);
    close_both(fds);
    down(&s);
}

KERNEL_TEST(D10_a_failure_in_a_quiet_chain_reports_and_silences_the_rest)
{
    struct chain_stage s;

    up(&s, 8);
    add_nop(&s);
    add_failure(&s);
    add_nop(&s);
    add_wait(&s);
    add_limit(&s, 1000 * GYRE_SECOND);
    begin(&s, GYRE_CHAIN_QUIET);
    FINISH(&s, 0, -EBADF, -ECANCELED, -ECANCELED, -ECANCELED);
    CHECK_EQ(s.calls[1].result.flags & GYRE_CQE_SKIP, 0);
    /* A chain that the kernel refuses as a whole. */
    add_nop(&s);
    add_nop(&s);
    gyre_op_raw(add(&s), 16); /* CONNECT, with what it has no use for */
    s.calls[2].op.sqe_[3] = 77;
    add_nop(&s);
    begin(&s, GYRE_CHAIN_QUIET);
    while (s.ended < 4)
        CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_ONCE));
    for (unsigned i = 0; i < 4; i++)
        CHECK_LT(result_at(&s, i).res, 0);
    down(&s);
}

KERNEL_TEST(D10_a_quiet_chain_is_cancelled)
{
    struct chain_stage s;

    up(&s, 8);
    add_nop(&s);
    add_wait(&s);
    add_nop(&s);
    begin(&s, GYRE_CHAIN_QUIET);
    turn(&s);
    CHECK_OK(gyre_op_cancel(s.links[1].op));
    FINISH(&s, 0, -ECANCELED, -ECANCELED);
    /* One that may have begun or not: nobody can tell. */
    add_wait(&s);
    add_wait(&s);
    add_nop(&s);
    begin(&s, GYRE_CHAIN_QUIET);
    turn(&s);
    CHECK_OK(gyre_op_cancel(s.links[1].op));
    turn(&s);
    CHECK_EQ(write(s.pipe[1], "x", 1), 1);
    while (s.ended < 3)
        CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_ONCE));
    check_silent(result_at(&s, 0), 1);
    CHECK_ERR(result_at(&s, 1).res, -ECANCELED);
    CHECK_ERR(result_at(&s, 2).res, -ECANCELED);
    down(&s);
}

KERNEL_TEST(D10_E7_a_quiet_send_ends_in_the_turn_that_submits_it)
{
    enum { SENDS = 20 };
    struct chain_stage s;
    struct call sends[SENDS];
    int fds[2];
    char got[SENDS + 1];

    up(&s, 8);
    make_pair(fds);
    for (int i = 0; i < SENDS; i++) {
        gyre_op_send(&sends[i].op, fds[0], &"0123456789abcdefghij"[i], 1,
                     MSG_DONTWAIT);
        gyre_op_add_flags(&sends[i].op, GYRE_OP_QUIET);
        call_start(s.loop, &sends[i]);
    }
    CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < SENDS; i++) {
        CHECK_EQ(sends[i].lasts, 1);
        check_silent(sends[i].result, 1);
        CHECK_EQ(gyre_op_state(&sends[i].op), GYRE_OP_IDLE);
    }
    CHECK_EQ(recv(fds[1], got, sizeof got, 0), SENDS);
    CHECK(memcmp(got, "0123456789abcdefghij", SENDS) == 0);
    close_both(fds);
    down(&s);
}

KERNEL_TEST(D10_a_quiet_send_that_fails_or_is_short_reports)
{
    enum { BIG = 4 << 20 };
    static char big[BIG];
    struct chain_stage s;
    struct call call;
    int fds[2];

    up(&s, 8);
    make_connection(fds);
    gyre_op_send(&call.op, fds[0], big, BIG, MSG_DONTWAIT);
    gyre_op_add_flags(&call.op, GYRE_OP_QUIET);
    CHECK_LT(call_run(s.loop, &call), BIG);
    CHECK_GT(call.result.res, 0);
    CHECK_EQ(call.result.flags & GYRE_CQE_SKIP, 0);
    while (call_run(s.loop, &call) > 0)
        CHECK_EQ(call.result.flags & GYRE_CQE_SKIP, 0);
    CHECK_ERR(call.result.res, -EAGAIN);
    gyre_op_send(&call.op, -1, big, 1, MSG_DONTWAIT);
    gyre_op_add_flags(&call.op, GYRE_OP_QUIET);
    CHECK_ERR(call_run(s.loop, &call), -EBADF);
    /* What could take its time is refused. */
    gyre_op_send(&call.op, fds[0], big, 1, 0);
    gyre_op_add_flags(&call.op, GYRE_OP_QUIET);
    CHECK_ERR(call_run(s.loop, &call), -EINVAL);
    gyre_op_send(&call.op, fds[0], big, 1, MSG_DONTWAIT);
    gyre_op_add_flags(&call.op, GYRE_OP_QUIET | GYRE_OP_ASYNC);
    CHECK_ERR(call_run(s.loop, &call), -EINVAL);
    gyre_op_nop(&call.op);
    gyre_op_add_flags(&call.op, GYRE_OP_QUIET);
    CHECK_ERR(call_run(s.loop, &call), -EINVAL);
    close_both(fds);
    down(&s);
}

KERNEL_TEST(D10_an_async_op_has_the_same_result)
{
    struct chain_stage s;
    struct call call;
    char text[10];
    int fd;

    up(&s, 8);
    fd = make_file("async", 10);
    gyre_op_read(&call.op, fd, text, 10, 0);
    gyre_op_add_flags(&call.op, GYRE_OP_ASYNC);
    CHECK_EQ(call_run(s.loop, &call), 10);
    CHECK_EQ(text[9], (char)pattern_byte(9));
    CHECK_EQ(call_run(s.loop, &call), 10); /* the flag stays */
    gyre_op_read(&call.op, s.pipe[0], text, 1, GYRE_CURRENT_POSITION);
    gyre_op_add_flags(&call.op, GYRE_OP_ASYNC);
    call_start(s.loop, &call);
    turn(&s);
    CHECK_OK(gyre_op_cancel(&call.op));
    CHECK_ERR(call_wait(s.loop, &call), -ECANCELED);
    close(fd);
    down(&s);
}
