/* SPDX-License-Identifier: MIT */
/*
 * A process that keeps what it needs and gives up the rest. Each test does it
 * in a process of its own, for it cannot be undone.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <gyre/sandbox.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "runner/patient.h"
#include "stage.h"
#include "task/fiber_tools.h"

#define NOBODY 65534
#define SETUP 425 /* io_uring_setup */

/* Run fn in a process of its own: what it ended with. */
static int in_child(void (*fn)(void))
{
    pid_t child;
    int status;

    test_not_on_qemu_user("it has no seccomp");
    if (GYRE_TSAN)
        TEST_SKIP("ThreadSanitizer has a thread of its own");
    if (test_on_valgrind())
        TEST_SKIP("valgrind knows no seccomp");
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        fn();
        _exit(0);
    }
    CHECK_EQ(patient_waitpid(child, &status), child);
    return status;
}

static void ends_well(void (*fn)(void))
{
    int status = in_child(fn);

    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static gyre_loop *open_loop(void)
{
    const gyre_loop_options options = { .ring.restrictable = true };
    gyre_loop *loop;

    /* With sqpoll there is a thread that would keep the user. */
    CHECK_OK(unsetenv("GYRE_LOOP"));
    CHECK_OK(gyre_loop_create(&loop, &options));
    return loop;
}

static gyre_loop *enter(unsigned allow)
{
    const gyre_sandbox_options options = { .allow = allow };
    gyre_loop *loop = open_loop();
    int err = gyre_sandbox(&options);

    if (err != 0)
        FAIL("gyre_sandbox: %d, %s", err, gyre_sandbox_error());
    return loop;
}

/* ---- what goes on -------------------------------------------------------- */

static int answer(void *arg)
{
    return *(int *)arg;
}

static int use_everything(void *arg)
{
    int *ends = arg;
    int number = 42;
    char bytes[4] = { 0 };

    CHECK_EQ(gyre_send(ends[0], "ping", 4, 0), 4);
    CHECK_EQ(gyre_recv(ends[1], bytes, 4, 0), 4);
    CHECK_OK(memcmp(bytes, "ping", 4));
    CHECK_OK(gyre_sleep(GYRE_MS));
    CHECK_EQ(gyre_call_blocking(answer, &number), 42);
    CHECK_OK(gyre_close(ends[0]));
    CHECK_EQ(gyre_recv(ends[1], bytes, 4, 0), 0);
    return gyre_close(ends[1]);
}

static void *body(void *arg)
{
    return arg;
}

static void goes_on(void)
{
    int ends[2];
    gyre_loop *loop;
    pthread_t thread;
    gyre_loop_stats stats = { .size = sizeof stats };

    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    loop = enter(GYRE_ALLOW_STREAMS);
    CHECK_OK(gyre_spawn(gyre_loop_scope(loop), use_everything, ends));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    gyre_loop_get_stats(loop, &stats);
    CHECK_GT(stats.completions, 4u);
    CHECK_OK(pthread_create(&thread, NULL, body, NULL));
    CHECK_OK(pthread_join(thread, NULL));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(X6_a_sandboxed_process_goes_on_with_what_it_needs)
{
    ends_well(goes_on);
}

static int refuse_within(void *arg)
{
    CHECK(open("/etc/passwd", O_RDONLY) == -1 && errno == EPERM);
    return use_everything(arg);
}

static void run_in_one(void)
{
    const gyre_sandbox_options sandbox = { .allow = GYRE_ALLOW_STREAMS };
    const gyre_run_options options = { .sandbox = &sandbox };
    int ends[2];

    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    CHECK_OK(gyre_run(&options, refuse_within, ends));
}

KERNEL_TEST(X6_a_run_begins_in_its_sandbox)
{
    ends_well(run_in_one);
}

static void run_in_none(void)
{
    const gyre_sandbox_options sandbox = { .allow = 1u << 30 };
    const gyre_run_options options = { .sandbox = &sandbox };

    CHECK_ERR(gyre_run(&options, refuse_within, NULL), -EINVAL);
    CHECK(strstr(gyre_sandbox_error(), "a set") != NULL);
}

KERNEL_TEST2(X6_a_run_does_not_begin_without_its_sandbox)
{
    ends_well(run_in_none);
}

/* ---- what is refused ----------------------------------------------------- */

#define REFUSED(call) CHECK((call) == -1 && errno == EPERM)

static void others_are_refused(void)
{
    char *const nothing[] = { NULL };
    char params[256] = { 0 }; /* struct io_uring_params */
    gyre_loop *loop = enter(GYRE_ALLOW_STREAMS);
    struct call call = { 0 };

    REFUSED(execve("/bin/false", nothing, nothing));
    REFUSED(ptrace(PTRACE_TRACEME, 0, 0, 0));
    REFUSED(socket(AF_INET, SOCK_STREAM, 0));
    REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
    REFUSED(syscall(SETUP, 1, params));
    REFUSED(open("/etc/passwd", O_RDONLY));
    REFUSED(fork());
    REFUSED(kill(getppid(), 0));
    REFUSED(mount("none", "/", "tmpfs", 0, NULL));
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
               -1, 0) == MAP_FAILED);
    gyre_op_openat(&call.op, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
    CHECK_EQ(call_run(loop, &call), -EACCES);
    memset(&call, 0, sizeof call);
    gyre_op_socket(&call.op, AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(call_run(loop, &call), -EACCES);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(X6_what_is_in_no_set_is_refused)
{
    ends_well(others_are_refused);
}

static void own_sockets(void)
{
    gyre_loop *loop = enter(GYRE_ALLOW_UNIX);
    struct sockaddr_un none = { .sun_family = AF_UNIX, .sun_path = "/none" };
    struct call call = { 0 };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK_GE(fd, 0);
    REFUSED(socket(AF_INET, SOCK_STREAM, 0));
    gyre_op_connect(&call.op, fd, (void *)&none, sizeof none);
    CHECK_EQ(call_run(loop, &call), -ENOENT);
    close(fd);
    memset(&call, 0, sizeof call);
    gyre_op_socket(&call.op, AF_UNIX, SOCK_STREAM, 0);
    fd = call_run(loop, &call);
    CHECK_GE(fd, 0);
    close(fd);
    memset(&call, 0, sizeof call);
    gyre_op_socket(&call.op, AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(call_run(loop, &call), -EACCES);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(X6_sockets_of_a_set_are_made_and_no_others)
{
    ends_well(own_sockets);
}

static void files_and_no_changes(void)
{
    gyre_loop *loop = enter(GYRE_ALLOW_STREAMS | GYRE_ALLOW_FILES);
    struct call call = { 0 };
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    CHECK_GE(fd, 0);
    close(fd);
    REFUSED(unlink("/none"));
    gyre_op_openat(&call.op, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
    fd = call_run(loop, &call);
    CHECK_GE(fd, 0);
    close(fd);
    memset(&call, 0, sizeof call);
    gyre_op_unlinkat(&call.op, AT_FDCWD, "/none", 0);
    CHECK_EQ(call_run(loop, &call), -EACCES);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(X6_files_are_opened_and_names_are_not_changed)
{
    ends_well(files_and_no_changes);
}

static void processes_too(void)
{
    const int calls[] = { SYS_ptrace };
    const gyre_sandbox_options options = { .allow = GYRE_ALLOW_PROCESSES,
                                           .calls = calls,
                                           .call_count = 1 };
    gyre_loop *loop = open_loop();
    pid_t child;

    CHECK_OK(gyre_sandbox(&options));
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0)
        _exit(3);
    CHECK_EQ(patient_waitpid(child, NULL), child);
    CHECK(ptrace(PTRACE_CONT, getpid(), 0, 0) == -1 && errno == ESRCH);
    gyre_loop_destroy(loop);
}

KERNEL_TEST2(X6_processes_and_further_calls_are_allowed_by_name)
{
    ends_well(processes_too);
}

/* All that can be asked for is a filter that Linux takes. */
static void everything_at_once(void)
{
    int calls[256];
    const gyre_sandbox_options options = { .allow = GYRE_ALLOW_CODE * 2 - 1,
                                           .calls = calls,
                                           .call_count = COUNT_OF(calls) };

    for (int i = 0; i < (int)COUNT_OF(calls); i++)
        calls[i] = SYS_ptrace;
    (void)open_loop();
    CHECK_OK(gyre_sandbox(&options));
}

static void most_looked_at(void)
{
    int calls[256];
    const gyre_sandbox_options options = {
        .allow = (GYRE_ALLOW_CODE * 2 - 1) & ~GYRE_ALLOW_PROCESSES,
        .calls = calls,
        .call_count = COUNT_OF(calls),
    };

    for (int i = 0; i < (int)COUNT_OF(calls); i++)
        calls[i] = SYS_ptrace;
    (void)open_loop();
    CHECK_OK(gyre_sandbox(&options));
}

KERNEL_TEST2(X6_as_much_as_can_be_allowed_is_a_filter)
{
    ends_well(everything_at_once);
    ends_well(most_looked_at);
}

static void is_killed(void)
{
    const gyre_sandbox_options options = { .allow = GYRE_ALLOW_STREAMS,
                                           .kill = true };

    (void)open_loop();
    signal(SIGSYS, SIG_DFL);
    CHECK_OK(gyre_sandbox(&options));
    (void)!open("/etc/passwd", O_RDONLY);
}

KERNEL_TEST2(X6_what_is_refused_ends_the_process_if_that_was_asked)
{
    int status = in_child(is_killed);

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void other_threads_too(void)
{
    REFUSED(open("/etc/passwd", O_RDONLY));
}

static int call_other(void *arg)
{
    (void)arg;
    other_threads_too();
    return 0;
}

static int call_on_pool(void *arg)
{
    (void)arg;
    return gyre_call_blocking(call_other, NULL);
}

/* The pool's threads have the filter, whenever they were made. */
static void threads_are_in_it(void)
{
    gyre_loop *loop = enter(GYRE_ALLOW_STREAMS);

    CHECK_OK(gyre_spawn(gyre_loop_scope(loop), call_on_pool, NULL));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    gyre_loop_destroy(loop);
}

KERNEL_TEST2(X6_the_threads_of_the_pool_are_in_the_sandbox)
{
    ends_well(threads_are_in_it);
}

/* ---- privileges ---------------------------------------------------------- */

static void becomes_nobody(void)
{
    const gid_t groups[] = { NOBODY - 1 };
    const gyre_sandbox_options options = { .allow = GYRE_ALLOW_STREAMS,
                                           .drop = true,
                                           .uid = NOBODY,
                                           .gid = NOBODY,
                                           .groups = groups,
                                           .group_count = 1,
                                           .calls = (int[]){ SYS_setuid,
                                                             SYS_setgid },
                                           .call_count = 2 };
    gid_t has[4];
    gyre_loop *loop = open_loop();

    CHECK_OK(gyre_sandbox(&options));
    CHECK_EQ(getuid(), NOBODY + 0u);
    CHECK_EQ(geteuid(), NOBODY + 0u);
    CHECK_EQ(getgid(), NOBODY + 0u);
    CHECK_EQ(getegid(), NOBODY + 0u);
    CHECK_EQ(getgroups(4, has), 1);
    CHECK_EQ(has[0], NOBODY - 1u);
    REFUSED(setuid(0));
    REFUSED(setgid(0));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(X6_a_process_becomes_another_user_first)
{
    if (geteuid() != 0)
        TEST_SKIP("needs root, who can become nobody");
    ends_well(becomes_nobody);
}

/* A group that is named twice does not stand for another one. */
static void keeps_no_group(void)
{
    const gid_t before[] = { NOBODY - 1, NOBODY - 2 };
    const gid_t groups[] = { NOBODY - 1, NOBODY - 1 };
    const gyre_sandbox_options options = { .allow = GYRE_ALLOW_STREAMS,
                                           .drop = true,
                                           .uid = NOBODY,
                                           .gid = NOBODY,
                                           .groups = groups,
                                           .group_count = 2 };
    gid_t has[4];
    int count;

    (void)open_loop();
    CHECK_OK(setgroups(2, before));
    CHECK_OK(gyre_sandbox(&options));
    count = getgroups(4, has);
    CHECK_GT(count, 0);
    for (int i = 0; i < count; i++)
        CHECK_EQ(has[i], NOBODY - 1u);
}

KERNEL_TEST2(X6_no_group_is_kept_that_was_not_named)
{
    if (geteuid() != 0)
        TEST_SKIP("needs root, who can become nobody");
    ends_well(keeps_no_group);
}

static void is_nobody_already(void)
{
    gyre_sandbox_options options = { .allow = GYRE_ALLOW_STREAMS,
                                     .drop = true,
                                     .uid = NOBODY - 1,
                                     .gid = NOBODY };

    (void)open_loop();
    CHECK_OK(setgroups(0, NULL));
    CHECK_OK(setgid(NOBODY));
    CHECK_OK(setuid(NOBODY));
    CHECK_ERR(gyre_sandbox(&options), -EPERM);
    CHECK(strstr(gyre_sandbox_error(), "CAP_SETUID") != NULL);
    options.gid = NOBODY - 1;
    CHECK_ERR(gyre_sandbox(&options), -EPERM);
    CHECK(strstr(gyre_sandbox_error(), "CAP_SETGID") != NULL);
    /* Who is that user already may say so. */
    options.uid = NOBODY;
    options.gid = NOBODY;
    CHECK_OK(gyre_sandbox(&options));
}

KERNEL_TEST2(X6_who_may_not_change_the_user_is_told)
{
    if (geteuid() != 0)
        TEST_SKIP("needs root, who can become nobody");
    ends_well(is_nobody_already);
}

/* ---- misuse -------------------------------------------------------------- */

static void expect(const gyre_sandbox_options *options, int err,
                   const char *part)
{
    CHECK_ERR(gyre_sandbox(options), err);
    if (strstr(gyre_sandbox_error(), part) == NULL)
        FAIL("no '%s' in '%s'", part, gyre_sandbox_error());
    /* Nothing has happened. */
    close(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static void *wait_for_end(void *arg)
{
    pthread_mutex_lock(arg);
    pthread_mutex_unlock(arg);
    return NULL;
}

static void misuse(void)
{
    gyre_sandbox_options options = { .allow = GYRE_ALLOW_STREAMS };
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    gyre_loop *loop;

    expect(&options, -ENXIO, "GYRE_ALLOW_LOOPS");
    loop = open_loop();
    pthread_mutex_lock(&lock);
    CHECK_OK(pthread_create(&thread, NULL, wait_for_end, &lock));
    expect(&options, -EBUSY, "other threads run");
    pthread_mutex_unlock(&lock);
    CHECK_OK(pthread_join(thread, NULL));
    options.allow = 1u << 30;
    expect(&options, -EINVAL, "a set");
    options.allow = GYRE_ALLOW_STREAMS;
    options.size = 3;
    expect(&options, -EINVAL, "size");
    options.size = sizeof options;
    options.drop = true;
    expect(&options, -EINVAL, "root");
    options.drop = false;
    options.call_count = 257;
    expect(&options, -E2BIG, "more than 256");
    options.call_count = 0;
    if (gyre_loop_ring_fd(loop) >= 0) {
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
        expect(&options, -EBUSY, "has run already");
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(X6_a_sandbox_that_would_not_hold_is_refused)
{
    ends_well(misuse);
}

static void not_restrictable(void)
{
    const gyre_sandbox_options options = { .allow = GYRE_ALLOW_STREAMS };
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    expect(&options, -EBUSY, "restrictable");
}

KERNEL_TEST_ON(X6_a_ring_that_cannot_be_restricted_is_no_sandbox,
               TEST_URING_COOP)
{
    ends_well(not_restrictable);
}

static void restricted_and_running(void)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_STREAMS };
    const gyre_loop_options loop_options = { .restriction = &restriction };
    const gyre_sandbox_options options = { .allow = GYRE_ALLOW_STREAMS };
    gyre_loop *loop;
    gyre_op op;

    CHECK_OK(gyre_loop_create(&loop, &loop_options));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_sandbox(&options));
    gyre_op_nop(&op);
    CHECK_EQ(op_run(loop, &op), 0);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(X6_a_loop_that_was_restricted_may_run_before)
{
    ends_well(restricted_and_running);
}

/* ---- later loops --------------------------------------------------------- */

static void later_loops_are_emulated(void)
{
    gyre_loop *loop = enter(GYRE_ALLOW_STREAMS);
    gyre_loop *later;
    gyre_op op;

    CHECK_OK(gyre_loop_create(&later, NULL));
    CHECK_EQ(strcmp(gyre_loop_kernel(later), "emu"), 0);
    gyre_op_nop(&op);
    CHECK_EQ(op_run(later, &op), 0);
    gyre_loop_destroy(later);
    gyre_loop_destroy(loop);
}

TEST(X6_a_loop_that_is_made_in_a_sandbox_is_emulated)
{
    ends_well(later_loops_are_emulated);
}

static void later_loops_are_allowed(void)
{
    const gyre_sandbox_options options = { .allow = GYRE_ALLOW_STREAMS |
                                                    GYRE_ALLOW_UNIX |
                                                    GYRE_ALLOW_LOOPS };
    struct call call = { 0 };
    gyre_loop *later;
    int fd;

    CHECK_OK(gyre_sandbox(&options));
    CHECK_OK(gyre_loop_create(&later, NULL));
    gyre_op_socket(&call.op, AF_UNIX, SOCK_STREAM, 0);
    fd = call_run(later, &call);
    CHECK_GE(fd, 0);
    close(fd);
    memset(&call, 0, sizeof call);
    gyre_op_socket(&call.op, AF_INET, SOCK_STREAM, 0);
    fd = call_run(later, &call);
    CHECK(fd == -EACCES || fd == -EPERM); /* by the ring, by the filter */
    memset(&call, 0, sizeof call);
    gyre_op_openat(&call.op, AT_FDCWD, "/dev/null", O_RDONLY, 0);
    fd = call_run(later, &call);
    CHECK(fd == -EACCES || fd == -EPERM);
    gyre_loop_destroy(later);
}

TEST(X6_loops_that_are_made_later_are_held_to_the_sets)
{
    ends_well(later_loops_are_allowed);
}

/* ---- without memory ------------------------------------------------------ */

static long fails_at;

static void fails_somewhere(void)
{
    const gyre_sandbox_options options = { .allow = GYRE_ALLOW_STREAMS };
    int err;

    (void)open_loop();
    alloc_fail_nth(fails_at);
    err = gyre_sandbox(&options);
    alloc_fail_nth(0);
    _exit(err == -ENOMEM ? 1 : err == 0 ? 0 : 2);
}

KERNEL_TEST2(X6_without_memory_there_is_no_sandbox)
{
    int status;

    do {
        fails_at++;
        status = in_child(fails_somewhere);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    } while (WEXITSTATUS(status) != 0);
    CHECK_GT(fails_at, 1);
}
