/* SPDX-License-Identifier: MIT */
/*
 * Loops in the child of a fork: refused, and the parent loses nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/patient.h"
#include "stage.h"

/* What a child says before it is ended by SIGABRT for what it does. */
static void expect_refusal(gyre_loop *loop, void (*use)(gyre_loop *loop))
{
    char said[512];
    int ends[2];
    size_t length = 0;
    ssize_t n;
    int status;
    pid_t child;

    CHECK_OK(pipe(ends));
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* no sanitizer's report */
        dup2(ends[1], STDERR_FILENO);
        use(loop);
        _exit(0);
    }
    close(ends[1]);
    while ((n = patient_read(ends[0], said + length,
                             sizeof said - 1 - length)) > 0)
        length += (size_t)n;
    said[length] = '\0';
    close(ends[0]);
    CHECK_EQ(patient_waitpid(child, &status), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(strstr(said, "a loop does not outlive fork()") != NULL);
}

static void use_run(gyre_loop *loop)
{
    (void)!gyre_loop_run(loop, GYRE_RUN_NOWAIT);
}

static void ignore(gyre_op *op, gyre_result result)
{
    (void)op, (void)result;
}

static void use_start(gyre_loop *loop)
{
    gyre_op op;

    gyre_op_nop(&op);
    gyre_op_start(loop, &op, ignore, NULL);
}

static void use_wake(gyre_loop *loop)
{
    gyre_loop_wake(loop, GYRE_WAKE_IO, 1);
}

static void use_remotely(gyre_loop *loop)
{
    gyre_op op;

    gyre_op_nop(&op);
    gyre_op_start_remote(loop, &op, ignore, NULL);
}

static void use_destroy(gyre_loop *loop)
{
    gyre_loop_destroy(loop);
}

KERNEL_TEST(X6_A19_a_loop_is_refused_to_the_child_of_a_fork)
{
    gyre_loop *loop = stage_open(8);
    struct call call = { 0 };
    char byte = 0;
    int ends[2];

    CHECK_OK(pipe(ends));
    gyre_op_read(&call.op, ends[0], &byte, 1, GYRE_CURRENT_POSITION);
    call_start(loop, &call);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    expect_refusal(loop, use_run);
    expect_refusal(loop, use_start);
    expect_refusal(loop, use_wake);
    expect_refusal(loop, use_remotely);
    expect_refusal(loop, use_destroy);
    /* The parent has lost nothing. */
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_EQ(call_wait(loop, &call), 1);
    CHECK_EQ(byte, 'x');
    gyre_loop_destroy(loop);
    close(ends[0]);
    close(ends[1]);
}

KERNEL_TEST(X6_A19_the_child_of_a_fork_makes_loops_of_its_own)
{
    gyre_loop *loop = stage_open(8);
    int status;
    pid_t child = fork();

    CHECK_GE(child, 0);
    if (child == 0) {
        gyre_loop *own = stage_open(8);
        gyre_op op;

        gyre_op_nop(&op);
        CHECK_EQ(op_run(own, &op), 0);
        gyre_loop_destroy(own);
        _exit(0);
    }
    CHECK_EQ(patient_waitpid(child, &status), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    gyre_loop_destroy(loop);
}

/* A task forks, and its child goes on in the same turn of the same loop. */
static int fork_and_wait(void *arg)
{
    pid_t child = fork();
    int status;

    (void)arg;
    CHECK_GE(child, 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        (void)gyre_sleep(GYRE_MS);
        _exit(0);
    }
    CHECK_EQ(patient_waitpid(child, &status), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    return 7;
}

KERNEL_TEST(X6_A19_a_task_that_forked_does_not_go_on_in_the_child)
{
    CHECK_EQ(gyre_run(NULL, fork_and_wait, NULL), 7);
}
