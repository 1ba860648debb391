/* SPDX-License-Identifier: MIT */
/*
 * test_chain.c - a task runs a chain
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

static int pipe_of_test[2];

static int write_sync_close(void *arg)
{
    char path[512];
    gyre_op ops[3];
    gyre_result results[3];
    gyre_chain_link links[3] = { { .op = &ops[0] },
                                 { .op = &ops[1] },
                                 { .op = &ops[2] } };
    int fd;

    (void)arg;
    snprintf(path, sizeof path, "%s/chained", test_directory());
    fd = gyre_open(path, O_CREAT | O_WRONLY, 0600);
    CHECK_GE(fd, 0);
    gyre_op_write(&ops[0], fd, "text", 4, 0);
    gyre_op_fsync(&ops[1], fd, false);
    gyre_op_close(&ops[2], fd);
    CHECK_OK(gyre_chain_run(links, 3, 0, results));
    CHECK_EQ(results[0].res, 4);
    CHECK_OK(results[1].res);
    CHECK_OK(results[2].res);
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
    return 0;
}

KERNEL_TEST(D9_a_task_runs_a_chain)
{
    CHECK_OK(gyre_run(NULL, write_sync_close, NULL));
}

static int fail_in_many_ways(void *arg)
{
    gyre_op ops[3];
    gyre_failure failure;
    gyre_timeout_op limit;
    gyre_result results[4];
    gyre_chain_link links[4] = { { .op = &ops[0] },
                                 { .op = &ops[1] },
                                 { .op = &limit.op },
                                 { .op = &ops[2] } };
    char byte;

    (void)arg;
    /* What broke it, and not what came of it. */
    gyre_op_nop(&ops[0]);
    gyre_op_read(&ops[1], -1, &byte, 1, 0);
    gyre_timeout_op_link(&limit, GYRE_SECOND, 0);
    gyre_op_nop(&ops[2]);
    CHECK_ERR(gyre_chain_run(links, 4, 0, results), -EBADF);
    CHECK_OK(results[0].res);
    CHECK_ERR(results[3].res, -ECANCELED);
    gyre_task_failure(&failure);
    CHECK_STR_EQ(failure.call, "READ");
    /* A limit of time. */
    gyre_op_read(&ops[1], pipe_of_test[0], &byte, 1, GYRE_CURRENT_POSITION);
    gyre_timeout_op_link(&limit, GYRE_MS, 0);
    CHECK_ERR(gyre_chain_run(links, 4, 0, results), -ETIME);
    CHECK_ERR(results[1].res, -ECANCELED);
    /* What is refused. */
    CHECK_ERR(gyre_chain_run(links, 0, 0, results), -EINVAL);
    CHECK_ERR(gyre_chain_run(links + 2, 2, 0, results), -EINVAL);
    return 0;
}

KERNEL_TEST(D9_F11_a_task_is_told_what_broke_its_chain)
{
    CHECK_EQ(pipe2(pipe_of_test, O_CLOEXEC), 0);
    CHECK_OK(gyre_run(NULL, fail_in_many_ways, NULL));
    close(pipe_of_test[0]);
    close(pipe_of_test[1]);
}

static int wait_in_a_chain(void *arg)
{
    gyre_op ops[3];
    gyre_result *results = arg;
    gyre_chain_link links[3] = { { .op = &ops[0] },
                                 { .op = &ops[1], .hard = true },
                                 { .op = &ops[2] } };
    char byte;

    gyre_op_nop(&ops[0]);
    gyre_op_read(&ops[1], pipe_of_test[0], &byte, 1, GYRE_CURRENT_POSITION);
    gyre_op_read(&ops[2], pipe_of_test[0], &byte, 1, GYRE_CURRENT_POSITION);
    return gyre_chain_run(links, 3, 0, results);
}

static int cancel_in_a_chain(void *arg)
{
    gyre_scope scope;
    gyre_result results[3];

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, wait_in_a_chain, results));
    CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(results[0].res);
    CHECK_ERR(results[1].res, -ECANCELED);
    CHECK_ERR(results[2].res, -ECANCELED); /* though the link was a hard one */
    return 0;
}

KERNEL_TEST(D9_a_cancelled_task_leaves_no_op_of_its_chain)
{
    CHECK_EQ(pipe2(pipe_of_test, O_CLOEXEC), 0);
    CHECK_OK(gyre_run(NULL, cancel_in_a_chain, NULL));
    close(pipe_of_test[0]);
    close(pipe_of_test[1]);
}
