/* SPDX-License-Identifier: MIT */
/*
 * test_process.c - children that end, stop and go on, on every kernel
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/patient.h"
#include "stage.h"

/* A child that ends by itself with the code; -1: it lives until it is killed.
 */
static pid_t child_make(int code)
{
    pid_t child = fork();

    CHECK_GE(child, 0);
    if (child == 0) {
        while (code < 0)
            pause();
        _exit(code);
    }
    return child;
}

static void child_end(pid_t child)
{
    CHECK_OK(kill(child, SIGKILL));
    CHECK_EQ(patient_waitpid(child, NULL), child);
}

static int pidfd_make(pid_t child, unsigned flags)
{
    int fd = (int)syscall(SYS_pidfd_open, child, flags);

    CHECK_GE(fd, 0);
    return fd;
}

static void settle(gyre_loop *loop)
{
    for (int i = 0; i < 4; i++)
        stage_turn(loop);
}

static int wait_for(gyre_loop *loop, int type, int id, siginfo_t *info,
                    int options)
{
    struct call call;

    if (info != NULL)
        memset(info, 0x55, sizeof *info);
    gyre_op_waitid(&call.op, type, id, info, options);
    return call_run(loop, &call);
}

static void check_info(const siginfo_t *info, pid_t child, int code, int status)
{
    CHECK_EQ(info->si_signo, SIGCHLD);
    CHECK_EQ(info->si_errno, 0);
    CHECK_EQ(info->si_pid, child);
    CHECK_EQ(info->si_uid, getuid());
    CHECK_EQ(info->si_code, code);
    CHECK_EQ(info->si_status, status);
}

KERNEL_TEST(D6_an_exit_code_and_a_signal_are_told_apart)
{
    gyre_loop *loop = stage_open(8);
    siginfo_t info;
    pid_t child = child_make(7);
    struct call call;

    CHECK_OK(wait_for(loop, P_PID, child, &info, WEXITED));
    check_info(&info, child, CLD_EXITED, 7);
    CHECK_ERR(wait_for(loop, P_PID, child, &info, WEXITED), -ECHILD);

    child = child_make(-1);
    gyre_op_waitid(&call.op, P_PID, child, &info, WEXITED);
    call_start(loop, &call);
    settle(loop);
    CHECK_EQ(call.calls, 0u);
    CHECK_OK(kill(child, SIGTERM));
    CHECK_OK(call_wait(loop, &call));
    check_info(&info, child, CLD_KILLED, SIGTERM);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D6_any_child_a_group_and_a_pidfd)
{
    gyre_loop *loop = stage_open(8);
    siginfo_t info;
    pid_t child;
    int fd;

    CHECK_ERR(wait_for(loop, P_ALL, 0, &info, WEXITED), -ECHILD);
    child = child_make(1);
    CHECK_OK(wait_for(loop, P_ALL, 0, &info, WEXITED));
    check_info(&info, child, CLD_EXITED, 1);
    child = child_make(2);
    CHECK_OK(wait_for(loop, P_PGID, 0, &info, WEXITED));
    check_info(&info, child, CLD_EXITED, 2);
    child = child_make(3);
    fd = pidfd_make(child, 0);
    CHECK_OK(wait_for(loop, P_PIDFD, fd, &info, WEXITED));
    check_info(&info, child, CLD_EXITED, 3);
    CHECK_OK(close(fd));
    child = child_make(4);
    CHECK_OK(wait_for(loop, P_ALL, 0, NULL, WEXITED));
    CHECK_ERR(wait_for(loop, P_ALL, 0, NULL, WEXITED), -ECHILD);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D6_a_child_stops_and_goes_on)
{
    gyre_loop *loop = stage_open(8);
    siginfo_t info;
    pid_t child = child_make(-1);
    struct call call;

    gyre_op_waitid(&call.op, P_PID, child, &info, WSTOPPED);
    call_start(loop, &call);
    settle(loop);
    CHECK_OK(kill(child, SIGSTOP));
    CHECK_OK(call_wait(loop, &call));
    check_info(&info, child, CLD_STOPPED, SIGSTOP);

    gyre_op_waitid(&call.op, P_PID, child, &info, WCONTINUED);
    call_start(loop, &call);
    settle(loop);
    CHECK_EQ(call.calls, 0u);
    CHECK_OK(kill(child, SIGCONT));
    CHECK_OK(call_wait(loop, &call));
    check_info(&info, child, CLD_CONTINUED, SIGCONT);
    child_end(child);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D6_looking_does_not_wait_and_does_not_reap)
{
    gyre_loop *loop = stage_open(8);
    siginfo_t info;
    pid_t child = child_make(-1);
    int fd = pidfd_make(child, O_NONBLOCK);

    CHECK_OK(wait_for(loop, P_PID, child, &info, WEXITED | WNOHANG));
    CHECK_EQ(info.si_pid, 0);
    CHECK_EQ(info.si_signo, 0);
    /* As WNOHANG. */
    CHECK_OK(wait_for(loop, P_PIDFD, fd, &info, WEXITED));
    CHECK_EQ(info.si_pid, 0);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_OK(wait_for(loop, P_PID, child, &info, WEXITED | WNOWAIT));
    check_info(&info, child, CLD_KILLED, SIGKILL);
    CHECK_OK(wait_for(loop, P_PID, child, &info, WEXITED));
    check_info(&info, child, CLD_KILLED, SIGKILL);
    CHECK_OK(close(fd));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D6_bad_waits_say_why)
{
    gyre_loop *loop = stage_open(8);
    siginfo_t info;
    pid_t child = child_make(-1);

    CHECK_ERR(wait_for(loop, P_PID, child, &info, 0), -EINVAL);
    CHECK_ERR(wait_for(loop, P_PID, child, &info, WEXITED | 0x100), -EINVAL);
    CHECK_ERR(wait_for(loop, 9, child, &info, WEXITED), -EINVAL);
    CHECK_ERR(wait_for(loop, P_PID, 0, &info, WEXITED), -EINVAL);
    CHECK_ERR(wait_for(loop, P_PID, -3, &info, WEXITED), -EINVAL);
    CHECK_ERR(wait_for(loop, P_PID, 1, &info, WEXITED), -ECHILD);
    CHECK_ERR(wait_for(loop, P_PIDFD, 9999, &info, WEXITED), -EBADF);
    CHECK_ERR(wait_for(loop, P_PIDFD, 0, &info, WEXITED), -EBADF);
    child_end(child);
    if (!test_on_valgrind()) {
        struct call call;

        child = child_make(0);
        gyre_op_waitid(&call.op, P_PID, child, (siginfo_t *)(uintptr_t)8,
                       WEXITED);
        CHECK_ERR(call_run(loop, &call), -EFAULT);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D6_a_cancelled_wait_has_reaped_nobody)
{
    static const int options[] = { WEXITED, WEXITED | WSTOPPED };
    gyre_loop *loop = stage_open(8);
    siginfo_t info;
    pid_t child = child_make(-1);
    struct call call;

    for (int i = 0; i < 2; i++) {
        gyre_op_waitid(&call.op, P_PID, child, &info, options[i]);
        call_start(loop, &call);
        settle(loop);
        CHECK_OK(gyre_op_cancel(&call.op));
        CHECK_ERR(call_wait(loop, &call), -ECANCELED);
    }
    /* The loop's end does the same. */
    gyre_op_waitid(&call.op, P_ALL, 0, &info, WEXITED);
    call_start(loop, &call);
    settle(loop);
    gyre_loop_destroy(loop);
    CHECK_EQ(call.lasts, 1u);
    CHECK_ERR(call.result.res, -ECANCELED);
    child_end(child);
}

KERNEL_TEST(D6_somebody_else_reaps_the_child)
{
    gyre_loop *loop = stage_open(8);
    siginfo_t info;
    pid_t child = child_make(-1);
    struct call call;

    gyre_op_waitid(&call.op, P_PID, child, &info, WEXITED);
    call_start(loop, &call);
    settle(loop);
    CHECK_OK(kill(child, SIGKILL));
    /* Unless the wait was quicker. */
    if (patient_waitpid(child, NULL) == child)
        CHECK_ERR(call_wait(loop, &call), -ECHILD);
    else
        CHECK_OK(call_wait(loop, &call));
    gyre_loop_destroy(loop);
}

/* Each child is told once, whoever of the waits tells it. */
KERNEL_TEST(D6_many_children_each_once)
{
    enum { CHILDREN = 20 };
    gyre_loop *loop = stage_open(4);
    static struct call calls[CHILDREN];
    static siginfo_t infos[CHILDREN];
    pid_t children[CHILDREN];
    unsigned long codes = 0;

    for (int i = 0; i < CHILDREN; i++) {
        children[i] = child_make(-1);
        gyre_op_waitid(&calls[i].op, i % 2 ? P_ALL : P_PGID, 0, &infos[i],
                       WEXITED);
        call_start(loop, &calls[i]);
    }
    settle(loop);
    for (int i = 0; i < CHILDREN; i++)
        CHECK_OK(kill(children[i], SIGKILL));
    for (int i = 0; i < CHILDREN; i++) {
        CHECK_OK(call_wait(loop, &calls[i]));
        for (int j = 0; j < CHILDREN; j++)
            if (infos[i].si_pid == children[j]) {
                CHECK_EQ(codes & 1UL << j, 0UL);
                codes |= 1UL << j;
            }
    }
    CHECK_EQ(codes, (1UL << CHILDREN) - 1);
    gyre_loop_destroy(loop);
}
