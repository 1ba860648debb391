/* SPDX-License-Identifier: MIT */
/*
 * Calls that can be stuck: the caller leaves at its deadline, and what comes of
 * the request later is disposed of.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gyre/detached.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/world.h"

static const char *fifo_make(void)
{
    static char path[600];

    snprintf(path, sizeof path, "%s/fifo", test_directory());
    CHECK_OK(mkfifo(path, 0600));
    return path;
}

static int plain_use(void *arg)
{
    char path[600], data[8] = "";
    struct statx st;
    int fd;

    snprintf(path, sizeof path, "%s/%s", test_directory(), (const char *)arg);
    fd = gyre_detached_open(path, O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(gyre_detached_write(fd, "detached", 8, 0), 8);
    CHECK_EQ(gyre_detached_read(fd, data, 8, 0), 8);
    CHECK_MEM_EQ(data, "detached", 8);
    CHECK_OK(gyre_detached_fsync(fd, false));
    CHECK_OK(gyre_detached_statx(path, 0, STATX_SIZE, &st));
    CHECK_EQ(st.stx_size, 8u);
    CHECK_OK(gyre_close(fd));
    CHECK_ERR(gyre_detached_read(fd, data, 8, 0), -EBADF);
    CHECK_ERR(gyre_detached_fsync(-1, true), -EBADF);
    CHECK_ERR(gyre_detached_open("/no/such", O_RDONLY, 0), -ENOENT);
    CHECK_ERR(gyre_detached_statx("/no/such", 0, STATX_SIZE, &st), -ENOENT);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    CHECK_ERR(gyre_detached_open(path, O_RDONLY, 0), -ENAMETOOLONG);
    return 0;
}

KERNEL_TEST(R2_detached_calls_do_what_the_plain_ones_do)
{
    char name[] = "file";

    must_run(plain_use, name);
}

/* ---- the caller leaves --------------------------------------------------- */

static int leave_open(void *arg)
{
    gyre_scope scope;
    int writer;

    gyre_scope_open(
        &scope,
        &(gyre_scope_options){
            .deadline_ns = gyre_loop_now(gyre_loop_current()) + 5 * GYRE_MS });
    /* Stuck: nobody has the other end open. (Without O_CREAT, Linux's ring
     * tries it with O_NONBLOCK, which a FIFO likes.) */
    CHECK_ERR(gyre_detached_open(arg, O_RDONLY | O_CREAT, 0600), -ETIME);
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    /* Now somebody has; a descriptor that is made now is closed by itself, as
     * the census of descriptors tells. */
    writer = open(arg, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    CHECK(writer >= 0);
    CHECK_OK(gyre_sleep(5 * GYRE_MS));
    CHECK_OK(gyre_close(writer));
    return 0;
}

KERNEL_TEST(R2_S2_a_stuck_open_is_left_at_the_deadline_and_its_fd_closed)
{
    must_run(leave_open, (void *)(uintptr_t)fifo_make());
}

static int open_stuck(void *arg)
{
    int fd = gyre_detached_open(arg, O_RDONLY | O_CREAT, 0600);

    if (fd >= 0) /* the other end was there before the cancel */
        CHECK_OK(close(fd));
    return fd;
}

static int other_end; /* stays open, for an open that comes late */

static void *open_other_end(void *arg)
{
    usleep(20000); /* until the loop is being destroyed */
    other_end = open(arg, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    CHECK(other_end >= 0);
    return NULL;
}

static int leave_and_end(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, open_stuck, arg));
    CHECK_OK(gyre_sleep(5 * GYRE_MS));
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(R2_L10_a_descriptor_that_is_opened_at_the_loops_end_is_closed)
{
    void *path = (void *)(uintptr_t)fifo_make();
    pthread_t other;

    CHECK_OK(pthread_create(&other, NULL, open_other_end, path));
    must_run(leave_and_end, path);
    CHECK_OK(pthread_join(other, NULL));
    CHECK_OK(close(other_end));
}

static int read_stuck(void *arg)
{
    char byte;

    return (int)gyre_detached_read(*(int *)arg, &byte, 1,
                                   GYRE_CURRENT_POSITION);
}

static int leave_read(void *arg)
{
    gyre_scope scope;
    gyre_task *task;
    int ends[2];

    (void)arg;
    CHECK_OK(pipe2(ends, O_CLOEXEC)); /* blocking, as foreign ones are */
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, read_stuck, &ends[0], &task));
    CHECK_OK(gyre_sleep(2 * GYRE_MS));
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    /* The descriptor can be closed, though the request may be under way. */
    CHECK_OK(gyre_close(ends[0]));
    (void)signal(SIGPIPE, SIG_IGN);
    (void)!write(ends[1], "x", 1); /* lets a thread go that reads */
    CHECK_OK(gyre_close(ends[1]));
    return 0;
}

KERNEL_TEST(R2_the_descriptor_of_a_read_left_behind_can_be_closed)
{
    must_run(leave_read, NULL);
}

/* ---- blocking functions -------------------------------------------------- */

struct job {
    atomic_int began;
    atomic_int go;
    atomic_int disposed;
    int result;
    int seen;
};

static int job_run(void *arg)
{
    struct job *job = arg;

    atomic_store(&job->began, 1);
    while (!atomic_load(&job->go))
        usleep(200);
    return job->result;
}

static void job_dispose(void *arg, int result)
{
    struct job *job = arg;

    job->seen = result;
    atomic_fetch_add(&job->disposed, 1);
}

static int call_job(void *arg)
{
    return gyre_detached_call(job_run, arg, job_dispose);
}

static int leave_call(void *arg)
{
    struct job job = { .result = 7 };
    gyre_scope scope;
    gyre_task *task;
    int result = 1;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, call_job, &job, &task));
    while (atomic_load(&job.began) == 0)
        CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_task_cancel(task);
    CHECK_OK(gyre_join(task, &result));
    CHECK_ERR(result, -ECANCELED);
    CHECK_EQ(atomic_load(&job.disposed), 0); /* the function has `job` still */
    atomic_store(&job.go, 1);
    while (atomic_load(&job.disposed) == 0)
        CHECK_OK(gyre_sleep(GYRE_MS));
    CHECK_EQ(job.seen, 7);
    CHECK_EQ(atomic_load(&job.disposed), 1);
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(R2_a_call_left_behind_disposes_of_its_argument_once)
{
    must_run(leave_call, NULL);
}

static int finish_call(void *arg)
{
    struct job job = { .go = 1, .result = 5 };
    gyre_scope scope;

    (void)arg;
    CHECK_EQ(gyre_detached_call(job_run, &job, job_dispose), 5);
    CHECK_EQ(job.disposed, 0); /* the caller has it */
    job.result = -ECANCELED;
    CHECK_ERR(gyre_detached_call(job_run, &job, job_dispose), -ECANCELED);
    CHECK_EQ(job.disposed, 1);
    gyre_scope_open(&scope, NULL);
    gyre_scope_cancel(&scope);
    CHECK_ERR(gyre_detached_call(job_run, &job, job_dispose), -ECANCELED);
    CHECK_EQ(job.disposed, 2); /* never begun */
    CHECK_ERR(job.seen, -ECANCELED);
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(R2_a_detached_call_says_who_has_the_argument)
{
    must_run(finish_call, NULL);
}

/* The caller goes while the request is still queued, with the loop. */
static int leave_at_the_end(void *arg)
{
    struct job *job = arg;
    gyre_scope scope;
    gyre_task *task;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, call_job, job, &task));
    CHECK_OK(gyre_yield());
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    atomic_store(&job->go, 1);
    return 0;
}

KERNEL_TEST(R2_L10_the_loops_end_waits_for_what_was_left_behind)
{
    struct job job = { .result = 3 };

    must_run(leave_at_the_end, &job);
    CHECK_EQ(atomic_load(&job.disposed), 1);
}

/* ---- what keeps the loop from ending is named ---------------------------- */

/* Goes on until something is said about it. */
static int slow_job(void *begun)
{
    struct stat said;

    atomic_store((atomic_int *)begun, 1);
    do {
        usleep(10000);
        CHECK_EQ(fstat(2, &said), 0);
    } while (said.st_size == 0);
    return 0;
}

static int wait_for_slow_job(void *arg)
{
    return gyre_call_blocking(slow_job, arg);
}

static int leave_slow_job(void *begun)
{
    CHECK_OK(gyre_spawn(gyre_loop_scope(gyre_loop_current()), wait_for_slow_job,
                        begun));
    while (!atomic_load((atomic_int *)begun))
        CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_loop_stop(gyre_loop_current());
    return 0;
}

KERNEL_TEST2(L10_U2_what_keeps_a_loop_from_ending_is_named_after_a_second)
{
    int console = dup(2), captured = memfd_create("stderr", MFD_CLOEXEC);
    char text[500] = "";
    atomic_int begun = 0;

    CHECK(console >= 0 && captured >= 0 && dup2(captured, 2) == 2);
    must_run(leave_slow_job, &begun);
    CHECK(dup2(console, 2) == 2);
    CHECK_GT(pread(captured, text, sizeof text - 1, 0), 0);
    CHECK_STR_HAS(text, "gyre: the loop cannot end: CALL was asked to end a "
                        "second ago and goes on\n");
    CHECK_OK(close(console));
    CHECK_OK(close(captured));
}

/* What a send without copying has from the caller, Linux gives back when the
 * peer has it: nothing ends that wait but the peer. */
struct deaf {
    int fds[2];
    int said;
    atomic_bool begun;
};

static int send_to_deaf(void *arg)
{
    enum { SIZE = 16 << 20 };
    struct deaf *deaf = arg;
    char *bytes = calloc(SIZE, 1);

    CHECK(bytes != NULL);
    atomic_store(&deaf->begun, true);
    (void)gyre_send_zc(deaf->fds[0], bytes, SIZE, 0, NULL);
    free(bytes);
    return 0;
}

static int leave_send_to_deaf(void *arg)
{
    struct deaf *deaf = arg;

    CHECK_OK(
        gyre_spawn(gyre_loop_scope(gyre_loop_current()), send_to_deaf, deaf));
    while (!atomic_load(&deaf->begun))
        CHECK_OK(gyre_yield());
    CHECK_OK(gyre_sleep(20 * GYRE_MS));
    gyre_loop_stop(gyre_loop_current());
    return 0;
}

static void *hear_when_named(void *arg)
{
    const struct deaf *deaf = arg;
    char text[500] = "", bytes[4096];

    while (strstr(text, "the loop cannot end") == NULL) {
        usleep(1000);
        CHECK_GE(pread(deaf->said, text, sizeof text - 1, 0), 0);
    }
    while (read(deaf->fds[1], bytes, sizeof bytes) > 0)
        ;
    return NULL;
}

KERNEL_TEST_ON(C8_L10_U2_a_send_that_the_peer_does_not_take_is_named,
               TEST_URING)
{
    struct deaf deaf = { .begun = false };
    int console = dup(2);
    char text[500] = "", wanted[100];
    pthread_t thread;

    deaf.said = memfd_create("stderr", MFD_CLOEXEC);
    tcp_pair_open(deaf.fds);
    CHECK(console >= 0 && deaf.said >= 0 && dup2(deaf.said, 2) == 2);
    CHECK_OK(pthread_create(&thread, NULL, hear_when_named, &deaf));
    must_run(leave_send_to_deaf, &deaf);
    CHECK(dup2(console, 2) == 2);
    CHECK_OK(close(deaf.fds[0]));
    CHECK_OK(pthread_join(thread, NULL));
    CHECK_GT(pread(deaf.said, text, sizeof text - 1, 0), 0);
    (void)snprintf(wanted, sizeof wanted,
                   "gyre: the loop cannot end: SEND_ZC on fd %d was "
                   "asked to end",
                   deaf.fds[0]);
    CHECK_STR_HAS(text, wanted);
    CHECK_OK(close(deaf.fds[1]));
    CHECK_OK(close(console));
    CHECK_OK(close(deaf.said));
}

static int each_without_memory(void *arg)
{
    char byte = 0;
    struct statx st;
    struct job job = { .go = 1 };

    (void)arg;
    for (int i = 0; i < 6; i++) {
        alloc_fail_nth(1);
        CHECK_ERR(i == 0   ? gyre_detached_open("/", O_RDONLY, 0)
                  : i == 1 ? (int)gyre_detached_read(0, &byte, 1, 0)
                  : i == 2 ? (int)gyre_detached_write(1, &byte, 1, 0)
                  : i == 3 ? gyre_detached_fsync(0, false)
                  : i == 4 ? gyre_detached_statx("/", 0, STATX_SIZE, &st)
                           : gyre_detached_call(job_run, &job, job_dispose),
                  -ENOMEM);
        alloc_fail_nth(0);
    }
    CHECK_EQ(job.disposed, 0);
    return 0;
}

KERNEL_TEST2(R2_a_detached_call_without_memory_says_so)
{
    must_run(each_without_memory, NULL);
}

/* ---- a descriptor's number, taken again ---------------------------------- */

static atomic_bool writes_wait;
static atomic_int writes_begun;

typedef ssize_t pwritev2_fn(int fd, const struct iovec *iov, int count,
                            off_t offset, int flags);

/* In place of the C library's: a worker of the emulator stops before the call,
 * as if another thread had been given the processor. The call itself remains
 * the library's, which knows what to do where the system has none. */
ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset,
                 int flags)
{
    pwritev2_fn *real;

    *(void **)&real = dlsym(RTLD_NEXT, "pwritev2");
    CHECK(real != NULL);
    if (atomic_load(&writes_wait)) {
        if (flags != 0) {
            errno = EAGAIN;
            return -1;
        }
        atomic_fetch_add(&writes_begun, 1);
        while (atomic_load(&writes_wait))
            sched_yield();
    }
    return real(fd, iov, count, offset, flags);
}

static int cancel_when_begun(void *scope)
{
    while (atomic_load(&writes_begun) == 0)
        CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_scope_cancel(scope);
    return 0;
}

static int write_in_scope(gyre_scope *scope, void *fd)
{
    CHECK_OK(gyre_spawn(scope, cancel_when_begun, scope));
    return (int)gyre_detached_write(*(int *)fd, "secret", 6, 0);
}

static int close_and_open(void *arg)
{
    char byte;
    int fd = memfd_create("mine", MFD_CLOEXEC), other;

    (void)arg;
    atomic_store(&writes_wait, true);
    CHECK_ERR(gyre_scope_run(NULL, write_in_scope, &fd), -ECANCELED);
    CHECK_OK(gyre_close(fd));
    other = memfd_create("others", MFD_CLOEXEC);
    CHECK(other != fd);
    atomic_store(&writes_wait, false);
    while (fcntl(fd, F_GETFD) >= 0) /* until the number is given back */
        CHECK_OK(gyre_sleep(GYRE_MS));
    CHECK_EQ(pread(other, &byte, 1, 0), 0);
    CHECK_OK(close(other));
    return 0;
}

KERNEL_TEST_ON(R2_U2_a_write_that_was_left_meets_no_other_file, TEST_EMU)
{
    must_run(close_and_open, NULL);
}
