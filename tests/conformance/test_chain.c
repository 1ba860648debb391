/* SPDX-License-Identifier: MIT */
/*
 * test_chain.c - chains and linked timeouts, on every kernel
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chain_stage.h"
#include "ring/abi.h"
#include "runner/patient.h"

/* ---- links --------------------------------------------------------------- */

KERNEL_TEST(D9_write_sync_read_and_close_are_one_chain)
{
    struct chain_stage s;
    char text[5] = "";
    int fd;

    up(&s, 8);
    fd = make_file("chained", 0);
    gyre_op_write(add(&s), fd, "12345", 5, 0);
    gyre_op_fsync(add(&s), fd, true);
    gyre_op_read(add(&s), fd, text, 5, 0);
    gyre_op_close(add(&s), fd);
    begin(&s, 0);
    FINISH(&s, 5, 0, 5, 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(s.order[i], i);
    CHECK(memcmp(text, "12345", 5) == 0);
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
    down(&s);
}

KERNEL_TEST(D9_a_failure_cancels_what_is_behind_it)
{
    struct chain_stage s;

    up(&s, 8);
    add_nop(&s);
    add_failure(&s);
    add_nop(&s);
    add_wait(&s);
    begin(&s, 0);
    FINISH(&s, 0, -EBADF, -ECANCELED, -ECANCELED);
    down(&s);
}

/* Linux ends one that did not begin twice, and does not say so. */
KERNEL_TEST(C8_D9_a_send_without_copying_is_the_first_of_a_chain_or_none)
{
    struct chain_stage s;
    int fds[2];

    up(&s, 8);
    make_connection(fds);
    add_failure(&s);
    gyre_op_send_zc(add(&s), fds[0], "x", 1, 0);
    CHECK_ERR(gyre_chain_start(s.loop, s.links, s.count, 0), -EINVAL);
    s.count = 0;
    gyre_op_send_zc(add(&s), fds[0], "x", 1, 0);
    add_nop(&s);
    begin(&s, 0);
    CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(s.calls[0].lasts, 1);
    CHECK_EQ(s.calls[1].lasts, 1);

    /* Nothing of this chain is done, and what was first ends once, too. */
    s.count = 0;
    gyre_op_send_zc(add(&s), fds[0], "x", 1, 0);
    add_failure(&s);
    gyre_op_sqe(s.links[1].op)->attr_type_mask = 1 << 7;
    begin(&s, 0);
    CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(s.calls[0].lasts, 1);
    CHECK_EQ(s.calls[1].lasts, 1);
    close_both(fds);
    down(&s);
}

KERNEL_TEST(D9_a_hard_link_holds)
{
    struct chain_stage s;

    up(&s, 8);
    add_failure(&s);
    add_failure(&s);
    add_nop(&s);
    s.links[0].hard = true;
    begin(&s, 0);
    FINISH(&s, -EBADF, -EBADF, -ECANCELED);
    add_failure(&s);
    add_failure(&s);
    add_nop(&s);
    s.links[0].hard = s.links[1].hard = true;
    begin(&s, 0);
    FINISH(&s, -EBADF, -EBADF, 0);
    down(&s);
}

KERNEL_TEST(D9_a_short_read_breaks_a_chain)
{
    struct chain_stage s;
    char text[20];
    int fd;

    up(&s, 8);
    fd = make_file("short", 10);
    gyre_op_read(add(&s), fd, text, sizeof text, 0);
    add_nop(&s);
    begin(&s, 0);
    FINISH(&s, 10, -ECANCELED);
    close(fd);
    down(&s);
}

KERNEL_TEST(D9_the_ops_of_a_chain_can_be_started_again)
{
    struct chain_stage s;

    up(&s, 8);
    for (int i = 0; i < 3; i++) {
        add_nop(&s);
        add_failure(&s);
        add_nop(&s);
        begin(&s, 0);
        FINISH(&s, 0, -EBADF, -ECANCELED);
        CHECK_OK(op_run(s.loop, &s.calls[0].op)); /* alone */
        CHECK_OK(op_run(s.loop, &s.calls[2].op));
    }
    down(&s);
}

KERNEL_TEST(D9_long_chains_pass_a_small_queue_whole)
{
    enum { CHAINS = 50, LENGTH = 4 };
    static struct call calls[CHAINS][LENGTH];
    struct chain_stage s;
    struct call lone[CHAINS];
    gyre_chain_link links[LENGTH];

    memset(calls, 0, sizeof calls);
    up(&s, LENGTH);
    s.count = 0;
    for (unsigned c = 0; c < CHAINS; c++) {
        for (unsigned i = 0; i < LENGTH; i++) {
            gyre_op_nop(&calls[c][i].op);
            links[i] = (gyre_chain_link){ &calls[c][i].op, call_done,
                                          &calls[c][i], i % 2 != 0 };
        }
        if (c % 3 == 0)
            gyre_op_read(&calls[c][2].op, -1, &s.byte, 1, 0);
        CHECK_OK(gyre_chain_start(s.loop, links, LENGTH, 0));
        gyre_op_nop(&lone[c].op);
        call_start(s.loop, &lone[c]);
    }
    CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_UNTIL_DONE));
    for (unsigned c = 0; c < CHAINS; c++) {
        CHECK_EQ(lone[c].lasts, 1);
        for (unsigned i = 0; i < LENGTH; i++) {
            bool broken = c % 3 == 0;
            int expected = broken && i == 2   ? -EBADF
                           : broken && i == 3 ? -ECANCELED
                                              : 0;

            CHECK_EQ(calls[c][i].lasts, 1);
            CHECK_ERR(calls[c][i].result.res, expected);
        }
    }
    down(&s);
}

KERNEL_TEST(D9_what_is_no_chain_is_refused)
{
    struct chain_stage s;
    gyre_timeout_op limits[2];
    gyre_op ops[5];
    struct call heard = { .calls = 0 };
    gyre_chain_link links[5];
    int fd;

    up(&s, 4);
    for (int i = 0; i < 5; i++) {
        gyre_op_nop(&ops[i]);
        links[i] = (gyre_chain_link){ &ops[i], call_done, &heard, false };
    }
    gyre_timeout_op_link(&limits[0], GYRE_SECOND, 0);
    gyre_timeout_op_link(&limits[1], GYRE_SECOND, 0);
    CHECK_ERR(gyre_chain_start(s.loop, links, 0, 0), -EINVAL);
    CHECK_ERR(gyre_chain_start(s.loop, links, 3, 1u << 7), -EINVAL);
    links[0].op = &limits[0].op; /* first */
    CHECK_ERR(gyre_chain_start(s.loop, links, 3, 0), -EINVAL);
    links[0].op = &ops[0];
    links[1].op = &limits[0].op; /* two in a row */
    links[2].op = &limits[1].op;
    CHECK_ERR(gyre_chain_start(s.loop, links, 3, 0), -EINVAL);
    links[2].op = &ops[2]; /* in the middle of a quiet one */
    CHECK_ERR(gyre_chain_start(s.loop, links, 3, GYRE_CHAIN_QUIET), -EINVAL);
    links[1].op = &ops[1];
    links[1].hard = true;
    CHECK_ERR(gyre_chain_start(s.loop, links, 3, GYRE_CHAIN_QUIET), -EINVAL);
    links[1].hard = false;
    gyre_op_add_flags(&ops[1], GYRE_OP_QUIET);
    CHECK_ERR(gyre_chain_start(s.loop, links, 3, 0), -EINVAL);
    gyre_op_nop(&ops[1]);
    CHECK_ERR(gyre_chain_start(s.loop, links, 5, 0), -E2BIG);
    gyre_op_raw(&ops[1], 0xBF);
    CHECK_ERR(gyre_chain_start(s.loop, links, 3, 0), -EOPNOTSUPP);

    /* A descriptor that others use is not closed under them. */
    fd = dup(s.pipe[0]);
    gyre_op_read(&s.calls[0].op, fd, &s.byte, 1, GYRE_CURRENT_POSITION);
    call_start(s.loop, &s.calls[0]);
    turn(&s);
    gyre_op_close(&ops[1], fd);
    CHECK_ERR(gyre_chain_start(s.loop, links, 3, 0), -EBUSY);
    /* Nor is one that is being closed of any use. */
    gyre_op_close(&s.calls[1].op, fd);
    call_start(s.loop, &s.calls[1]);
    gyre_op_read(&ops[1], fd, &s.byte, 1, GYRE_CURRENT_POSITION);
    CHECK_ERR(gyre_chain_start(s.loop, links, 3, 0), -EBADF);
    CHECK_EQ(heard.calls, 0);
    CHECK_OK(call_wait(s.loop, &s.calls[1]));
    CHECK_ERR(s.calls[0].result.res, -ECANCELED);
    down(&s);
}

KERNEL_TEST(D9_a_link_without_a_chain_is_refused)
{
    struct chain_stage s;
    struct call call;

    up(&s, 4);
    for (unsigned bit = 2; bit <= 3; bit++) { /* IO_LINK, IO_HARDLINK */
        gyre_op_nop(&call.op);
        ((uint8_t *)call.op.sqe_)[1] = (uint8_t)(1u << bit);
        CHECK_ERR(call_run(s.loop, &call), -EINVAL);
    }
    down(&s);
}

KERNEL_TEST(D9_a_chain_runs_on_one_executor)
{
    struct chain_stage s;
    char entries[1024];
    int fd;

    up(&s, 8);
    fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_GE(fd, 0);
    add_nop(&s);
    gyre_op_getdents(add(&s), fd, entries, sizeof entries);
    add_nop(&s);
    begin(&s, 0);
    while (s.ended < 3)
        CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_ONCE));
    CHECK_OK(result_at(&s, 0).res);
    CHECK_GT(result_at(&s, 1).res, 0);
    CHECK_OK(result_at(&s, 2).res);
    if (strcmp(gyre_loop_kernel(s.loop), "uring") == 0)
        CHECK_EQ(stage_stats(s.loop).emulated, 3);
    close(fd);
    down(&s);
}

/* ---- cancels ------------------------------------------------------------- */

KERNEL_TEST(D9_a_chain_that_the_kernel_has_not_seen_ends_whole)
{
    struct chain_stage s;

    up(&s, 8);
    for (unsigned k = 0; k < 3; k++) {
        add_nop(&s);
        add_wait(&s);
        add_nop(&s);
        begin(&s, 0);
        CHECK_OK(gyre_op_cancel(s.links[k].op));
        CHECK_ERR(gyre_op_cancel(s.links[0].op), -EALREADY);
        FINISH(&s, -ECANCELED, -ECANCELED, -ECANCELED);
    }
    down(&s);
}

KERNEL_TEST(D9_what_runs_is_cancelled_and_the_rest_with_it)
{
    struct chain_stage s;

    up(&s, 8);
    add_nop(&s);
    add_wait(&s);
    add_nop(&s);
    begin(&s, 0);
    while (s.ended == 0)
        CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_ONCE));
    turn(&s);
    CHECK_OK(gyre_op_cancel(s.links[1].op));
    FINISH(&s, 0, -ECANCELED, -ECANCELED);
    down(&s);
}

KERNEL_TEST(D9_what_has_not_begun_is_cancelled_when_it_begins)
{
    struct chain_stage s;
    int later[2];

    up(&s, 8);
    make_pipe(later);
    add_wait(&s);
    gyre_op_read(add(&s), later[0], &s.byte, 1, GYRE_CURRENT_POSITION);
    add_nop(&s);
    begin(&s, 0);
    turn(&s);
    CHECK_OK(gyre_op_cancel(s.links[1].op));
    for (int i = 0; i < 3; i++)
        turn(&s);
    CHECK_EQ(s.ended, 0); /* those before it go on */
    CHECK_EQ(write(s.pipe[1], "x", 1), 1);
    FINISH(&s, 1, -ECANCELED, -ECANCELED);
    close_both(later);
    down(&s);
}

KERNEL_TEST(D9_a_deadline_holds_inside_a_chain)
{
    struct chain_stage s;
    gyre_deadline deadline;
    int later[2];

    up(&s, 8);
    make_pipe(later);
    add_nop(&s);
    gyre_op_read(add(&s), later[0], &s.byte, 1, GYRE_CURRENT_POSITION);
    add_nop(&s);
    begin(&s, 0);
    gyre_op_set_deadline(s.links[1].op, &deadline,
                         gyre_deadline_in(2 * GYRE_MS));
    FINISH(&s, 0, -ETIME, -ECANCELED);
    close_both(later);
    down(&s);
}

KERNEL_TEST(D9_a_close_ends_the_chains_on_its_descriptor)
{
    struct chain_stage s;
    struct call closed;
    int fd;

    up(&s, 8);
    fd = dup(s.pipe[0]);
    for (int started = 0; started < 2; started++) {
        add_nop(&s);
        gyre_op_read(add(&s), fd, &s.byte, 1, GYRE_CURRENT_POSITION);
        add_nop(&s);
        begin(&s, 0);
        if (started == 0)
            gyre_loop_cancel_fd(s.loop, fd);
        else
            while (s.ended == 0)
                turn(&s);
        if (started == 1) {
            gyre_op_close(&closed.op, fd);
            CHECK_OK(call_run(s.loop, &closed));
            FINISH(&s, 0, -ECANCELED, -ECANCELED);
        } else {
            FINISH(&s, -ECANCELED, -ECANCELED, -ECANCELED);
        }
    }
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
    down(&s);
}

KERNEL_TEST(D9_a_loop_ends_with_chains_in_all_states)
{
    struct chain_stage s;
    struct call more[3] = { { .calls = 0 } };
    gyre_chain_link links[3];

    up(&s, 8);
    add_wait(&s);
    add_limit(&s, 1000 * GYRE_SECOND);
    add_wait(&s);
    add_nop(&s);
    s.links[0].hard = s.links[2].hard = true;
    begin(&s, 0);
    turn(&s);
    for (int i = 0; i < 3; i++) {
        gyre_op_nop(&more[i].op);
        links[i] = (gyre_chain_link){ &more[i].op, call_done, &more[i], false };
    }
    CHECK_OK(gyre_chain_start(s.loop, links, 3, 0));
    gyre_loop_destroy(s.loop);
    CHECK_EQ(s.ended, 4);
    CHECK_ERR(result_at(&s, 0).res, -ECANCELED);
    CHECK_ERR(result_at(&s, 2).res, -ECANCELED);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(more[i].lasts, 1);
        CHECK_ERR(more[i].result.res, -ECANCELED);
    }
    close_both(s.pipe);
}

/* ---- linked timeouts ----------------------------------------------------- */

KERNEL_TEST(F11_a_linked_timeout_passes_first)
{
    struct chain_stage s;

    up(&s, 8);
    add_wait(&s);
    add_limit(&s, GYRE_MS);
    add_nop(&s);
    begin(&s, 0);
    FINISH(&s, -ECANCELED, -ETIME, -ECANCELED);
    add_nop(&s);
    add_wait(&s);
    add_limit(&s, GYRE_MS);
    add_nop(&s);
    s.links[1].hard = true;
    begin(&s, 0);
    FINISH(&s, 0, -ECANCELED, -ETIME, 0);
    down(&s);
}

KERNEL_TEST(F11_what_a_linked_timeout_guards_ends_first)
{
    struct chain_stage s;

    up(&s, 8);
    add_wait(&s);
    add_limit(&s, 1000 * GYRE_SECOND);
    add_nop(&s);
    begin(&s, 0);
    turn(&s);
    CHECK_EQ(write(s.pipe[1], "x", 1), 1);
    FINISH(&s, 1, -ECANCELED, 0);
    add_nop(&s); /* at once */
    add_limit(&s, 1000 * GYRE_SECOND);
    begin(&s, 0);
    FINISH(&s, 0, -ECANCELED);
    add_failure(&s);
    add_limit(&s, 1000 * GYRE_SECOND);
    add_nop(&s);
    begin(&s, 0);
    FINISH(&s, -EBADF, -ECANCELED, -ECANCELED);
    down(&s);
}

KERNEL_TEST(F11_what_a_linked_timeout_guards_is_cancelled)
{
    struct chain_stage s;

    up(&s, 8);
    for (unsigned k = 0; k < 2; k++) { /* by either of them */
        add_wait(&s);
        add_limit(&s, 1000 * GYRE_SECOND);
        add_nop(&s);
        begin(&s, 0);
        turn(&s);
        CHECK_OK(gyre_op_cancel(s.links[k].op));
        FINISH(&s, -ECANCELED, -ECANCELED, -ECANCELED);
    }
    down(&s);
}

/* fds: what it waits for, what it writes to when it has begun. */
static int hold_a_thread(void *arg)
{
    const int *fds = arg;
    char byte;

    if (write(fds[1], "x", 1) != 1)
        return -errno;
    return (int)read(fds[0], &byte, 1);
}

KERNEL_TEST(F11_what_runs_on_a_thread_ends_by_itself)
{
    struct chain_stage s;

    const int64_t soon[2] = { 0, 1000000 };
    struct call update;
    int begun[2], fds[2];

    up(&s, 8);
    make_pipe(begun);
    fds[0] = s.pipe[0];
    fds[1] = begun[1];
    gyre_op_call(add(&s), hold_a_thread, fds);
    add_limit(&s, 1000 * GYRE_SECOND);
    begin(&s, 0);
    turn(&s);
    CHECK_EQ(patient_read(begun[0], &s.byte, 1), 1);
    gyre_op_link_timeout_update(&update.op, &s.limit.op, soon, 0);
    CHECK_OK(call_run(s.loop, &update));
    while (s.limit_heard.lasts == 0)
        CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_ONCE));
    CHECK_ERR(s.limit_heard.result.res, -EALREADY);
    CHECK_EQ(write(s.pipe[1], "x", 1), 1);
    FINISH(&s, 1, -EALREADY);
    close_both(begun);
    down(&s);
}

KERNEL_TEST(F11_a_linked_timeout_is_updated)
{
    struct chain_stage s;
    struct call update;
    const int64_t soon[2] = { 0, 1000000 };

    up(&s, 8);
    add_wait(&s);
    add_limit(&s, 1000 * GYRE_SECOND);
    begin(&s, 0);
    gyre_op_link_timeout_update(&update.op, &s.limit.op, soon, 0);
    turn(&s);
    CHECK_OK(call_run(s.loop, &update));
    FINISH(&s, -ECANCELED, -ETIME);

    /* Not while its op has not begun. */
    add_wait(&s);
    add_nop(&s);
    add_limit(&s, 1000 * GYRE_SECOND);
    begin(&s, 0);
    turn(&s);
    gyre_op_link_timeout_update(&update.op, &s.limit.op, soon, 0);
    CHECK_ERR(call_run(s.loop, &update), -ENOENT);
    CHECK_EQ(write(s.pipe[1], "x", 1), 1);
    FINISH(&s, 1, 0, -ECANCELED);
    down(&s);
}

/* ---- what a quiet chain must not keep to itself -------------------------- */

static int begin_quiet(struct chain_stage *s)
{
    return gyre_chain_start(s->loop, s->links, s->count, GYRE_CHAIN_QUIET);
}

KERNEL_TEST(D10_nothing_is_silent_about_a_descriptor)
{
    struct chain_stage s;

    up(&s, 8);
    CHECK_OK(gyre_slots_create(s.loop, 4));
    gyre_op_openat(add(&s), AT_FDCWD, "/", O_RDONLY, 0);
    add_nop(&s);
    CHECK_ERR(begin_quiet(&s), -EINVAL);
    gyre_op_open_slot(s.links[0].op, AT_FDCWD, "/", O_RDONLY, 0, GYRE_SLOT_ANY);
    CHECK_ERR(begin_quiet(&s), -EINVAL);
    gyre_op_recv(s.links[0].op, s.pipe[0], NULL, 0, 0);
    gyre_op_use_group(s.links[0].op, 1);
    CHECK_ERR(begin_quiet(&s), -EINVAL);
    down(&s);
}

/* A slot that was named is filled in silence, and counts. */
KERNEL_TEST(D10_D8_a_quiet_chain_fills_a_slot)
{
    gyre_slots_stats stats = { .size = sizeof stats };
    struct chain_stage s;

    up(&s, 8);
    CHECK_OK(gyre_slots_create(s.loop, 4));
    gyre_op_open_slot(add(&s), AT_FDCWD, "/", O_RDONLY, 0, 2);
    gyre_op_fsync(add(&s), gyre_slot_handle(2), true);
    CHECK_OK(begin_quiet(&s));
    while (s.ended < 2)
        CHECK_OK(gyre_loop_run(s.loop, GYRE_RUN_ONCE));
    CHECK_OK(s.calls[0].result.res);
    CHECK_OK(s.calls[1].result.res);
    gyre_slots_get_stats(s.loop, &stats);
    CHECK_EQ(stats.used, 1u);
    down(&s);
}
