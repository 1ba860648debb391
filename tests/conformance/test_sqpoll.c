/* SPDX-License-Identifier: MIT */
/*
 * Rings from which a thread of Linux's takes the requests. Whether that thread
 * sleeps is told by the queue itself, inside the loop.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gyre/op_chain.h>
#include <gyre/op_slot.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/loop.h"
#include "runner/patient.h"
#include "stage.h"

static gyre_loop *open_with(const char *options)
{
    gyre_loop_options asked = { 0 };
    gyre_loop *loop;

    CHECK_OK(unsetenv("GYRE_LOOP"));
    CHECK_OK(gyre_loop_options_set(&asked, options, NULL));
    int err = gyre_loop_create(&loop, &asked);

    if (err == -EOPNOTSUPP)
        TEST_SKIP(gyre_loop_create_error());
    CHECK_OK(err);
    CHECK(loop->kernel->sq_thread);
    return loop;
}

/* Let the thread begin: it sleeps until the first request. */
static void warm_up(gyre_loop *loop)
{
    struct call call;

    gyre_op_nop(&call.op);
    CHECK_OK(call_run(loop, &call));
}

/* A turn is taken again and again, as a busy loop does. */
static void busy_wait(gyre_loop *loop, const struct call *call)
{
    while (call->lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
}

KERNEL_TEST_ON(A3_a_busy_loop_makes_no_system_call, TEST_URING)
{
    gyre_loop *loop = open_with("sqpoll,sqpoll_idle_ms=10000");
    uint64_t before;
    int fds[2];
    char byte;

    make_pipe(fds);
    warm_up(loop);
    before = stage_stats(loop).enters;
    for (int i = 0; i < 500; i++) {
        struct call reader = { 0 }, writer = { 0 };

        gyre_op_read(&reader.op, fds[0], &byte, 1, GYRE_CURRENT_POSITION);
        call_start(loop, &reader);
        gyre_op_write(&writer.op, fds[1], "x", 1, GYRE_CURRENT_POSITION);
        call_start(loop, &writer);
        busy_wait(loop, &reader);
        busy_wait(loop, &writer);
        CHECK_EQ(reader.result.res, 1);
        CHECK_EQ(writer.result.res, 1);
    }
    CHECK_EQ(stage_stats(loop).enters - before, 0u);
    CHECK_GE(stage_stats(loop).submitted, 1000u);
    close_both(fds);
    gyre_loop_destroy(loop);
}

static void await_sleep_of_thread(gyre_loop *loop)
{
    while ((sq_flags(&loop->kernel->sq) & IORING_SQ_NEED_WAKEUP) == 0)
        sched_yield();
}

KERNEL_TEST_ON(A3_a_thread_that_sleeps_is_woken, TEST_URING)
{
    gyre_loop *loop = open_with("sqpoll,sqpoll_idle_ms=1");

    for (int i = 0; i < 20; i++) {
        struct call call = { 0 };
        uint64_t before;

        await_sleep_of_thread(loop);
        before = stage_stats(loop).enters;
        gyre_op_nop(&call.op);
        call_start(loop, &call);
        busy_wait(loop, &call);
        CHECK_GE(stage_stats(loop).enters - before, 1u);
    }
    gyre_loop_destroy(loop);
}

/* The loop sleeps, and what ends while both sleep wakes it. */
KERNEL_TEST_ON(A3_a_loop_sleeps_until_something_ends, TEST_URING)
{
    gyre_loop *loop = open_with("sqpoll,sqpoll_idle_ms=1");
    struct call call, timeout;
    int fds[2];
    char byte;

    make_pipe(fds);
    gyre_op_read(&call.op, fds[0], &byte, 1, GYRE_CURRENT_POSITION);
    call_start(loop, &call);
    gyre_op_timeout(&timeout.op, (const int64_t[]){ 0, 5000000 }, 0, 0);
    call_start(loop, &timeout);
    CHECK_OK(gyre_loop_submit(loop));
    CHECK_ERR(call_wait(loop, &timeout), -ETIME);
    CHECK_EQ(call.lasts, 0u);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(call_wait(loop, &call), 1);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST_ON(A3_what_was_submitted_has_been_taken, TEST_URING)
{
    gyre_loop *loop = open_with("sqpoll,sqpoll_idle_ms=1");
    char path[4096];
    struct call call;

    for (int i = 0; i < 50; i++) {
        scratch_path(path, sizeof path, "nothing");
        gyre_op_openat(&call.op, AT_FDCWD, path, O_RDONLY, 0);
        call_start(loop, &call);
        CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_QUEUED);
        CHECK_OK(gyre_loop_submit(loop));
        CHECK_EQ(gyre_op_state(&call.op), GYRE_OP_IN_FLIGHT);
        memset(path, 'x', sizeof path); /* ENAMETOOLONG */
        CHECK_ERR(call_wait(loop, &call), -ENOENT);
    }
    gyre_loop_destroy(loop);
}

/* Many times the queue, in order. */
KERNEL_TEST_ON(A3_a_full_queue_is_waited_for, TEST_URING)
{
    gyre_loop *loop = open_with("entries=2,sqpoll,sqpoll_idle_ms=1");
    struct call *calls = calloc(300, sizeof *calls);

    for (int i = 0; i < 300; i++) {
        gyre_op_nop(&calls[i].op);
        call_start(loop, &calls[i]);
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < 300; i++)
        CHECK_EQ(calls[i].lasts, 1u);
    free(calls);
    gyre_loop_destroy(loop);
}

KERNEL_TEST_ON(A3_completions_that_found_no_room_are_fetched, TEST_URING)
{
    gyre_loop *loop =
        open_with("entries=4,cq_entries=4,sqpoll,sqpoll_idle_ms=1");
    struct call *calls = calloc(100, sizeof *calls);

    for (int i = 0; i < 100; i++) {
        gyre_op_nop(&calls[i].op);
        call_start(loop, &calls[i]);
        CHECK_OK(gyre_loop_submit(loop));
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    for (int i = 0; i < 100; i++)
        CHECK_EQ(calls[i].lasts, 1u);
    free(calls);
    gyre_loop_destroy(loop);
}

/* What may be silent speaks there: nobody knows when it has ended else. */
KERNEL_TEST_ON(A3_a_silent_send_is_told, TEST_URING)
{
    gyre_loop *loop = open_with("sqpoll");
    struct call call;
    int fds[2];

    make_pair(fds);
    gyre_op_send(&call.op, fds[0], "x", 1, MSG_DONTWAIT);
    gyre_op_sqe(&call.op)->flags |= IOSQE_CQE_SKIP_SUCCESS;
    call_start(loop, &call);
    CHECK_EQ(call_wait(loop, &call), 1);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST_ON(A3_an_op_that_nobody_has_taken_is_cancelled, TEST_URING)
{
    gyre_loop *loop = open_with("sqpoll,sqpoll_idle_ms=1");
    int fds[2];
    char byte;

    make_pipe(fds);
    for (int i = 0; i < 100; i++) {
        struct call call = { 0 };

        gyre_op_read(&call.op, fds[0], &byte, 1, GYRE_CURRENT_POSITION);
        call_start(loop, &call);
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
        CHECK_OK(gyre_op_cancel(&call.op));
        CHECK_ERR(call_wait(loop, &call), -ECANCELED);
    }
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* A registration changes nothing for what was submitted before it. */
KERNEL_TEST_ON(A3_a_registration_waits_for_what_was_submitted, TEST_URING)
{
    gyre_loop *loop = open_with("sqpoll,sqpoll_idle_ms=1");
    struct call call;
    char byte = 0;
    int fds[2], copy;

    make_pair(fds);
    for (int i = 0; i < 20; i++) {
        copy = dup(fds[0]);
        CHECK_OK(gyre_slots_create(loop, 1));
        await_sleep_of_thread(loop);
        CHECK_EQ(gyre_slots_set(loop, 0, &copy, 1), 1);
        gyre_op_recv(&call.op, gyre_slot_handle(0), &byte, 1, 0);
        call_start(loop, &call);
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
        CHECK_OK(gyre_slots_destroy(loop));
        CHECK_EQ(write(fds[1], "x", 1), 1);
        CHECK_EQ(call_wait(loop, &call), 1);
        CHECK_OK(close(copy));
    }
    close_both(fds);
    gyre_loop_destroy(loop);
}

/* ---- threads ------------------------------------------------------------- */

/* The thread of this process whose name begins so, or -1. */
static int thread_named(const char *name)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int found = -1;

    CHECK(dir != NULL);
    while (found < 0 && (entry = readdir(dir)) != NULL) {
        char path[300], text[64] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = fopen(path, "re");
        if (file == NULL)
            continue;
        if (fgets(text, sizeof text, file) != NULL &&
            strncmp(text, name, strlen(name)) == 0)
            found = atoi(entry->d_name);
        fclose(file);
    }
    closedir(dir);
    return found;
}

KERNEL_TEST_ON(A4_the_thread_is_bound_to_its_processor, TEST_URING)
{
    char text[80];
    gyre_loop_options got = { .size = sizeof got };
    gyre_loop *loop;
    cpu_set_t set;
    unsigned cpu = CPU_SETSIZE - 1;
    int thread;

    CHECK_OK(sched_getaffinity(0, sizeof set, &set));
    while (!CPU_ISSET(cpu, &set))
        cpu--;
    snprintf(text, sizeof text, "sqpoll,sqpoll_bound,sqpoll_cpu=%u", cpu);
    loop = open_with(text);
    gyre_loop_get_options(loop, &got);
    CHECK(got.ring.sqpoll_bound);
    CHECK_EQ(got.ring.sqpoll_cpu, cpu);
    warm_up(loop);
    thread = thread_named("iou-sqp");
    CHECK_GE(thread, 1);
    CHECK_OK(sched_getaffinity(thread, sizeof set, &set));
    CHECK_EQ(CPU_COUNT(&set), 1);
    CHECK(CPU_ISSET(cpu, &set));
    gyre_loop_destroy(loop);
}

/* As nobody, since root may have any number. */
static void without_threads(void)
{
    gyre_loop_options asked = { .ring.sqpoll = true };
    gyre_loop_options got;
    struct rlimit none = { 1, 1 };
    gyre_loop *loop;

    if (geteuid() == 0)
        CHECK_OK(setuid(65534));
    CHECK_OK(setrlimit(RLIMIT_NPROC, &none));
    CHECK_ERR(gyre_loop_create(&loop, &asked), -EAGAIN);
    CHECK(strncmp(gyre_loop_create_error(), "sqpoll: no thread", 17) == 0);
    asked.ring.best_effort = true;
    CHECK_OK(gyre_loop_create(&loop, &asked));
    got.size = sizeof got;
    gyre_loop_get_options(loop, &got);
    CHECK(!got.ring.sqpoll);
    gyre_loop_destroy(loop);
}

KERNEL_TEST_ON(A3_without_a_thread_to_be_had_the_limit_is_named, TEST_URING)
{
    pid_t child;
    int status;

    gyre_loop_destroy(open_with("sqpoll"));
    child = fork();
    if (child == 0) {
        without_threads();
        _exit(0);
    }
    CHECK_EQ(patient_waitpid(child, &status), child);
    CHECK_EQ(status, 0);
}

/* From now on Linux says of each wait that a completion was lost. */
static void lose_completions(void)
{
    enum { ENTER = 426, WANT = offsetof(struct seccomp_data, args[2]) };
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ENTER, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, WANT),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EBADR),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { COUNT_OF(code), code };

    CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void told_of_loss(void)
{
    gyre_loop_options asked = { .ring.sqpoll = true };
    uint64_t turns;
    struct call call;
    gyre_loop *loop;
    int fds[2];
    char byte;

    CHECK_OK(gyre_loop_create(&loop, &asked));
    make_pipe(fds);
    warm_up(loop);
    lose_completions();
    gyre_op_read(&call.op, fds[0], &byte, 1, GYRE_CURRENT_POSITION);
    call_start(loop, &call);
    turns = stage_stats(loop).turns;
    CHECK_ERR(gyre_loop_run(loop, GYRE_RUN_FOREVER), -EBADR);
    CHECK_EQ(stage_stats(loop).turns - turns, 1u);
}

/* Linux tells of it once, also in a turn that submits. */
KERNEL_TEST_ON(A3_a_lost_completion_is_told_at_once, TEST_URING)
{
    pid_t child;
    int status;

    gyre_loop_destroy(open_with("sqpoll"));
    child = fork();
    if (child == 0) {
        told_of_loss();
        _exit(0);
    }
    CHECK_EQ(patient_waitpid(child, &status), child);
    CHECK_EQ(status, 0);
}

KERNEL_TEST_ON(A3_A4_the_emulator_has_no_such_thread, TEST_EMU)
{
    static const char *const texts[] = { "sqpoll", "sqpoll,sqpoll_bound",
                                         "spin_us=1" };

    for (unsigned i = 0; i < COUNT_OF(texts); i++) {
        gyre_loop_options asked = { 0 };
        gyre_loop_options got = { .size = sizeof got };
        gyre_loop *loop;

        CHECK_OK(gyre_loop_options_set(&asked, texts[i], NULL));
        CHECK_ERR(gyre_loop_create(&loop, &asked), -EOPNOTSUPP);
        CHECK(strncmp(gyre_loop_create_error(), texts[i], 6) == 0);
        asked.ring.best_effort = true;
        CHECK_OK(gyre_loop_create(&loop, &asked));
        gyre_loop_get_options(loop, &got);
        CHECK(!got.ring.sqpoll && got.ring.spin_us == 0);
        gyre_loop_destroy(loop);
    }
}

/* ---- looking before sleeping --------------------------------------------- */

static void *write_later(void *arg)
{
    sched_yield();
    CHECK_EQ(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

/* Something comes while the loop looks, on every rung. */
static void check_spins(gyre_loop *loop)
{
    int fds[2];
    char byte;

    make_pipe(fds);
    for (int i = 0; i < 50; i++) {
        struct call call = { 0 };
        pthread_t thread;

        gyre_op_read(&call.op, fds[0], &byte, 1, GYRE_CURRENT_POSITION);
        call_start(loop, &call);
        CHECK_OK(pthread_create(&thread, NULL, write_later, &fds[1]));
        CHECK_EQ(call_wait(loop, &call), 1);
        CHECK_OK(pthread_join(thread, NULL));
    }
    close_both(fds);
}

KERNEL_TEST_ON(A3_a_loop_looks_before_it_sleeps,
               TEST_URING | TEST_URING_COOP | TEST_URING_PLAIN)
{
    gyre_loop_options asked = { .ring.spin_us = 1000000 };
    gyre_loop_options got = { .size = sizeof got };
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, &asked));
    gyre_loop_get_options(loop, &got);
    CHECK_EQ(got.ring.spin_us, 1000000u);
    check_spins(loop);
    gyre_loop_destroy(loop);
    asked.ring.spin_us++;
    CHECK_ERR(gyre_loop_create(&loop, &asked), -EINVAL);
    CHECK(strncmp(gyre_loop_create_error(), "spin_us", 7) == 0);
}

KERNEL_TEST_ON(A3_a_loop_that_looks_makes_no_system_call, TEST_URING)
{
    gyre_loop *loop = open_with("sqpoll,sqpoll_idle_ms=10000,spin_us=1000000");
    uint64_t before;

    warm_up(loop);
    before = stage_stats(loop).enters;
    check_spins(loop);
    CHECK_EQ(stage_stats(loop).enters - before, 0u);
    gyre_loop_destroy(loop);
}
