/* SPDX-License-Identifier: MIT */
/*
 * The errors of docs/ERRORS.md, each provoked once on every kernel, with the
 * same result. EINTR is what a signal does to a connect on its way, which no
 * test can time: it is put in the place of the kernel's answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "io/world.h"
#include "runner/patient.h"

struct seen {
    gyre_result result;
    unsigned calls;
};

static void note(gyre_op *op, gyre_result result)
{
    struct seen *seen = op->user;

    seen->result = result;
    seen->calls++;
}

static int arguments(void *arg)
{
    int pair[2], pipe_fds[2];
    char byte = 0;

    (void)arg;
    pair_open(pair);
    CHECK_OK(pipe2(pipe_fds, O_CLOEXEC));
    CHECK_ERR(gyre_accept(pair[0], NULL, NULL, 0), -EINVAL);
    if (!test_on_valgrind()) /* it takes the bad pointer for our bug */
        CHECK_ERR(gyre_write(pipe_fds[1], (void *)8, 1, GYRE_CURRENT_POSITION),
                  -EFAULT);
    CHECK_ERR(gyre_read(pipe_fds[1], &byte, 1, GYRE_CURRENT_POSITION), -EBADF);
    CHECK_ERR(gyre_recv(pair[0], &byte, 1, MSG_DONTWAIT), -EAGAIN);
    CHECK_ERR(gyre_open("/no/such/file", O_RDONLY, 0), -ENOENT);
    pair_close(pair);
    pair_close(pipe_fds);
    return 0;
}

KERNEL_TEST(E8_arguments_that_cannot_be_have_linuxs_errors)
{
    must_run(arguments, NULL);
}

KERNEL_TEST(E8_a_cancelled_op_a_late_one_and_a_cancel_of_nothing)
{
    struct seen seen[4] = { 0 };
    gyre_deadline deadline;
    gyre_op ops[4];
    gyre_loop *loop;
    char byte;
    int pair[2];

    pair_open(pair);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_op_recv(&ops[0], pair[0], &byte, 1, 0);
    gyre_op_start(loop, &ops[0], note, &seen[0]);
    gyre_op_recv(&ops[1], pair[1], &byte, 1, 0);
    gyre_op_start(loop, &ops[1], note, &seen[1]);
    gyre_op_set_deadline(&ops[1], &deadline, gyre_loop_now(loop) + GYRE_MS);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    gyre_op_cancel_op(&ops[2], &ops[0]);
    gyre_op_cancel_op(&ops[3], &ops[0]); /* the second finds nothing */
    gyre_op_start(loop, &ops[2], note, &seen[2]);
    while (seen[0].calls == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    gyre_op_start(loop, &ops[3], note, &seen[3]);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ERR(seen[0].result.res, -ECANCELED);
    CHECK_ERR(seen[1].result.res, -ETIME);
    CHECK_OK(seen[2].result.res);
    CHECK_ERR(seen[3].result.res, -ENOENT);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(seen[i].calls, 1u);
    gyre_loop_destroy(loop);
    pair_close(pair);
}

/* The table of registered files is full; and then the process's own. */
static int full_tables(void *arg)
{
    struct rlimit limit, none;
    int slots[2], fd;

    (void)arg;
    CHECK_OK(gyre_slots_create(gyre_loop_current(), 1));
    slots[0] =
        gyre_open_slot(AT_FDCWD, "/dev/null", O_RDONLY, 0, GYRE_SLOT_ANY);
    CHECK(gyre_is_slot(slots[0]));
    CHECK_ERR(gyre_open_slot(AT_FDCWD, "/dev/null", O_RDONLY, 0, GYRE_SLOT_ANY),
              -ENFILE);
    CHECK_OK(gyre_slots_destroy(gyre_loop_current()));

    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    fd = gyre_open("/dev/null", O_RDONLY, 0);
    CHECK_GE(fd, 0);
    none = (struct rlimit){ (rlim_t)fd, limit.rlim_max };
    CHECK_OK(close(fd));
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &none));
    CHECK_ERR(gyre_open("/dev/null", O_RDONLY, 0), -EMFILE);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    return 0;
}

KERNEL_TEST(E8_full_tables_of_files_are_ENFILE_and_EMFILE)
{
    if (test_on_valgrind())
        TEST_SKIP("valgrind has a table of its own");
    must_run(full_tables, NULL);
}

static int interrupted(void *arg)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;

    (void)arg;
    CHECK_GE(fd, 0);
    fault_nth(FAULT_OP, 1, -EINTR);
    CHECK_ERR(gyre_connect(fd, (struct sockaddr *)&address, sizeof address),
              -EINTR);
    CHECK(fault_happened(FAULT_OP));
    /* What can be done again, is. */
    fault_nth(FAULT_OP, 1, -EINTR);
    CHECK_ERR(gyre_recv(fd, &byte, 1, 0), -ENOTCONN);
    CHECK(fault_happened(FAULT_OP));
    CHECK_OK(close(fd));
    return 0;
}

KERNEL_TEST(E8_E10_an_interrupted_connect_is_EINTR_and_a_receive_goes_on)
{
#ifdef GYRE_VERIFY
    must_run(interrupted, NULL);
#else
    (void)interrupted;
    TEST_SKIP("only builds with GYRE_VERIFY can be made to fail so");
#endif
}

/* A limit passed, a count that is late, and what is of the wrong kind. */
KERNEL_TEST(E8_a_timeout_an_update_of_nothing_and_keys_that_cannot_be)
{
    gyre_match match = { .flags = GYRE_MATCH_ANY | GYRE_MATCH_FD };
    struct seen seen[3] = { 0 };
    gyre_timeout_op timeout, update;
    gyre_loop *loop;
    gyre_op ask;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_timeout_op_fill(&timeout, GYRE_MS, 0, 0);
    gyre_op_start(loop, &timeout.op, note, &seen[0]);
    gyre_timeout_op_update(&update, &timeout.op, GYRE_MS, 0);
    while (seen[0].calls == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    gyre_op_start(loop, &update.op, note, &seen[1]);
    gyre_op_cancel_matching(&ask, &match);
    gyre_op_start(loop, &ask, note, &seen[2]);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ERR(seen[0].result.res, -ETIME);
    CHECK_ERR(seen[1].result.res, -ENOENT);
    CHECK_ERR(seen[2].result.res, -EINVAL);
    gyre_loop_destroy(loop);
}

/* A blocking call that tells when it runs, and ends when it is told to. */
static int wait_for_byte(void *arg)
{
    int *fds = arg;
    char byte = 1;

    if (write(fds[1], &byte, 1) != 1)
        return -errno;
    return read(fds[2], &byte, 1) == 1 ? 7 : -errno;
}

KERNEL_TEST(G3_E8_the_cancel_of_what_runs_already_says_so)
{
    struct seen call_seen = { 0 }, cancel_seen = { 0 };
    gyre_op call, cancel;
    gyre_loop *loop;
    char byte = 0;
    int fds[4];

    CHECK_OK(pipe2(&fds[0], O_CLOEXEC)); /* it says that it runs */
    CHECK_OK(pipe2(&fds[2], O_CLOEXEC)); /* it is told to end */
    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_op_call(&call, wait_for_byte, fds);
    gyre_op_start(loop, &call, note, &call_seen);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(patient_read(fds[0], &byte, 1), 1);
    gyre_op_cancel_op(&cancel, &call);
    gyre_op_start(loop, &cancel, note, &cancel_seen);
    while (cancel_seen.calls == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_ERR(cancel_seen.result.res, -EALREADY);
    CHECK_EQ(call_seen.calls, 0u);
    CHECK_EQ(write(fds[3], &byte, 1), 1);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(call_seen.result.res, 7); /* it ran to its end all the same */
    gyre_loop_destroy(loop);
    for (int i = 0; i < 4; i++)
        CHECK_OK(close(fds[i]));
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

TEST(E8_a_loop_of_too_many_threads_is_refused_by_name)
{
    gyre_loop_options options = { .blocking_threads_max = 1025 };
    gyre_loop *loop;

    CHECK_ERR(gyre_loop_create(&loop, &options), -EINVAL);
    CHECK_STR_HAS(gyre_loop_create_error(), "blocking_threads_max");
}

static int send_nothing(gyre_scope *scope, void *arg)
{
    int *pair = arg;

    CHECK_OK(gyre_send_all(pair[0], "", 0, 0));
    CHECK_OK(gyre_recv_all(pair[0], pair, 0, 0));
    gyre_scope_cancel(scope);
    CHECK_ERR(gyre_send_all(pair[0], "", 0, 0), -ECANCELED);
    CHECK_ERR(gyre_recv_all(pair[0], pair, 0, 0), -ECANCELED);
    return 0;
}

static int all_of_nothing(void *arg)
{
    return gyre_scope_run(NULL, send_nothing, arg);
}

KERNEL_TEST2(all_of_nothing_still_hears_of_a_cancel)
{
    int pair[2];

    pair_open(pair);
    must_run(all_of_nothing, pair);
    pair_close(pair);
}

TEST(E8_without_memory_a_loop_and_a_task_are_refused)
{
    gyre_loop *loop;
    int err;

    /* A ring without memory is tried again smaller; the loop itself is not. */
    for (long n = 1;; n++) {
        alloc_fail_nth(n);
        err = gyre_loop_create(&loop, NULL);
        if (err != 0)
            break;
        CHECK(alloc_did_fail());
        gyre_loop_destroy(loop);
    }
    CHECK_ERR(err, -ENOMEM);
    CHECK(gyre_loop_create_error()[0] != 0);
    alloc_fail_nth(0);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_STR_EQ(gyre_loop_create_error(), "");
    CHECK(gyre_loop_scope(loop) != NULL);
    alloc_fail_nth(1);
    CHECK_ERR(gyre_spawn(gyre_loop_scope(loop), nothing, NULL), -ENOMEM);
    alloc_fail_nth(0);
    gyre_loop_destroy(loop);
}
