/* SPDX-License-Identifier: MIT */
/*
 * The file of a trace: what it keeps and what it loses, who may write to it,
 * what is left when a process is killed, and what no reader may stumble over.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/test.h"
#include "trace_show.h"
#include "trace_stage.h"

#define NOPS 10000U

struct repeat {
    unsigned left;
};

static void nop_again(gyre_op *op, gyre_result result)
{
    struct repeat *repeat = op->user;

    CHECK_EQ(result.res, 0);
    if (--repeat->left > 0)
        gyre_op_restart(op);
}

static void do_nops(gyre_loop *loop, unsigned count)
{
    struct repeat repeat = { .left = count };
    gyre_op op;

    gyre_op_nop(&op);
    gyre_op_start(loop, &op, nop_again, &repeat);
    CHECK_EQ(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE), 0);
    CHECK_EQ(repeat.left, 0);
}

/* Every step of an op has as many records as there were ops. */
KERNEL_TEST(W8_nothing_is_lost_where_there_is_room)
{
    struct traced traced;

    traced_begin(&traced, 0);
    do_nops(traced.loop, NOPS);
    traced_end(&traced);
    CHECK_EQ(traced.trace.lost, 0);
    CHECK_EQ(traced.count, NOPS);
    CHECK_EQ(traced_steps(&traced, STEP_STARTED), NOPS);
    CHECK_EQ(traced_steps(&traced, STEP_SUBMITTED), NOPS);
    CHECK_EQ(traced_steps(&traced, STEP_ENDED), NOPS);
    CHECK_EQ(traced_steps(&traced, STEP_RETURNED), NOPS);
    traced_free(&traced);
}

static void check_last(void *user, const struct life *life)
{
    *(uint64_t *)user = life->ended_ns;
}

/* What is there and what is lost is all that there was, and the youngest is
 * there: with nothing but NOPs on one loop, four records each and those of the
 * turns, which tell how many there were. */
KERNEL_TEST(W8_what_is_lost_is_counted)
{
    struct traced small;
    uint64_t lost;
    uint64_t last_ns = 0;
    const struct life_listener listener = { .user = &last_ns,
                                            .life = check_last };
    gyre_loop_stats stats = { .size = sizeof stats };

    traced_begin(&small, GYRE_TRACE_BYTES_MIN);
    do_nops(small.loop, NOPS);
    gyre_loop_get_stats(small.loop, &stats);
    lost = gyre_trace_stop(small.loop);
    CHECK_EQ(gyre_trace_stop(small.loop), 0);
    gyre_loop_destroy(small.loop);
    traced_read(&small);
    CHECK_GT(lost, 0);
    CHECK_EQ(small.trace.lost, lost);
    CHECK_EQ(small.trace.sources[0].lost, lost);
    /* Opened, closed; a turn has one, an enter two. */
    CHECK_EQ(small.trace.event_count + lost,
             2 + 4 * (uint64_t)NOPS + stats.turns + 2 * stats.enters);
    CHECK_GT(small.trace.event_count, 200);
    CHECK_EQ(trace_live(&small.trace, &listener), 0);
    CHECK_GT(last_ns, 0);
    CHECK_EQ(small.trace.events[small.trace.event_count - 1].record->step,
             STEP_CLOSED);
    traced_free(&small);
}

/* ---- several writers ----------------------------------------------------- */

static void *other_thread(void *arg)
{
    const struct traced *traced = arg;
    gyre_loop *loop;

    CHECK_EQ(gyre_loop_create(&loop, NULL), 0);
    CHECK_EQ(gyre_trace_start(loop, traced->fd, 0), 0);
    do_nops(loop, NOPS / 4);
    gyre_loop_destroy(loop); /* which ends the trace, too */
    return NULL;
}

KERNEL_TEST2(W8_loops_of_several_threads_share_a_file)
{
    struct traced traced;
    pthread_t thread[3];

    traced_begin(&traced, 0);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, other_thread, &traced), 0);
    do_nops(traced.loop, NOPS / 4);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
    traced_end(&traced);
    CHECK_EQ(traced.trace.source_count, 4);
    CHECK_EQ(traced.trace.lost, 0);
    CHECK_EQ(traced.count, NOPS);
    for (size_t i = 1; i < traced.trace.event_count; i++)
        CHECK_LE(traced.trace.events[i - 1].record->time_ns,
                 traced.trace.events[i].record->time_ns);
    traced_free(&traced);
}

/* Who comes when all is taken, loses all, and counts it; nobody else does. */
TEST(W8_a_loop_that_found_no_room_counts_what_it_loses)
{
    struct traced traced;
    gyre_loop *late;

    traced_begin(&traced, GYRE_TRACE_BYTES_MIN);
    do_nops(traced.loop, NOPS / 10);
    CHECK_EQ(gyre_loop_create(&late, NULL), 0);
    CHECK_EQ(gyre_trace_start(late, traced.fd, 0), 0);
    do_nops(late, 10);
    CHECK_GE(gyre_trace_stop(late), 40);
    gyre_loop_destroy(late);
    traced_end(&traced);
    CHECK_EQ(traced.trace.source_count, 1);
    CHECK_GT(traced.trace.lost, traced.trace.sources[0].lost);
    traced_free(&traced);
}

/* ---- processes ----------------------------------------------------------- */

static void reap(pid_t child, int wanted)
{
    int status;

    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, wanted);
}

KERNEL_TEST2(W8_a_trace_outlives_a_process_that_is_killed)
{
    struct traced traced = { .fd = memfd_create("trace", MFD_CLOEXEC) };
    pid_t child = fork();

    if (child == 0) {
        struct repeat repeat = { .left = 1 };
        gyre_op op;
        char byte;
        int ends[2];

        CHECK_EQ(pipe(ends), 0);
        CHECK_EQ(gyre_loop_create(&traced.loop, NULL), 0);
        CHECK_EQ(gyre_trace_start(traced.loop, traced.fd, 0), 0);
        do_nops(traced.loop, 100);
        gyre_op_read(&op, ends[0], &byte, 1, GYRE_CURRENT_POSITION);
        gyre_op_start(traced.loop, &op, nop_again, &repeat);
        CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_NOWAIT), 0);
        raise(SIGKILL);
    }
    CHECK_GT(child, 0);
    reap(child, SIGKILL);
    traced_read(&traced);
    CHECK_EQ(traced.count, 101);
    CHECK_EQ(traced_steps(&traced, STEP_CLOSED), 0);
    /* The read goes on, as far as anybody knows. */
    CHECK_EQ(traced_steps(&traced, STEP_SUBMITTED), 101);
    CHECK_EQ(traced_steps(&traced, STEP_ENDED), 100);
    CHECK_EQ(traced.trace.sources[0].process, (uint32_t)child);
    traced_free(&traced);
}

/* It has the mapping, and a task that goes on: nothing of that is written into
 * its parent's chunk. */
static int forks(void *arg)
{
    pid_t child = fork();

    (void)arg;
    if (child == 0) {
        (void)gyre_yield(); /* to nobody, so it is not refused */
        _exit(0);
    }
    CHECK_GT(child, 0);
    reap(child, 0);
    return gyre_yield();
}

KERNEL_TEST2(W8_a_child_of_fork_writes_nothing)
{
    struct traced traced;

    traced_begin(&traced, 0);
    CHECK_EQ(gyre_spawn(gyre_loop_scope(traced.loop), forks, NULL), 0);
    CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_UNTIL_DONE), 0);
    traced_end(&traced);
    CHECK_EQ(traced_steps(&traced, STEP_WAITS), 1);
    CHECK_EQ(traced_steps(&traced, STEP_RUNS), 2);
    CHECK_EQ(traced_steps(&traced, STEP_RETURNS), 1);
    traced_free(&traced);
}

/* ---- refusals ------------------------------------------------------------ */

TEST(W8_a_file_that_cannot_be_a_trace_is_refused)
{
    int file = memfd_create("file", MFD_CLOEXEC);
    int ends[2];
    gyre_loop *loop;

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(gyre_loop_create(&loop, NULL), 0);
    CHECK_EQ(gyre_trace_start(loop, -1, 0), -EBADF);
    CHECK_EQ(gyre_trace_start(loop, ends[1], 0), -ENODEV);
    CHECK_EQ(gyre_trace_start(loop, file, GYRE_TRACE_BYTES_MIN - 1), -EINVAL);
    CHECK_EQ(ftruncate(file, (off_t)GYRE_TRACE_BYTES_MIN), 0);
    CHECK_EQ(gyre_trace_start(loop, file, 0), -EINVAL);
    CHECK_EQ(ftruncate(file, 0), 0);
    CHECK_EQ(gyre_trace_start(loop, file, GYRE_TRACE_BYTES_MIN), 0);
    CHECK_EQ(gyre_trace_start(loop, file, 0), -EALREADY);
    CHECK_EQ(gyre_trace_stop(loop), 0);
    CHECK_EQ(gyre_trace_start(loop, file, 0), 0); /* further records */
    gyre_loop_destroy(loop);
    close(file);
    close(ends[0]);
    close(ends[1]);
}

TEST(W8_a_file_that_cannot_be_written_is_refused)
{
    char path[4096];
    gyre_loop *loop;
    int fd;

    snprintf(path, sizeof path, "%s/trace", test_directory());
    fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK_GE(fd, 0);
    CHECK_EQ(gyre_loop_create(&loop, NULL), 0);
    CHECK_EQ(gyre_trace_start(loop, fd, 0), -EINVAL); /* ftruncate(2) says */
    CHECK_EQ(truncate(path, 4096), 0);
    CHECK_EQ(gyre_trace_start(loop, fd, 0), -EACCES);
    gyre_loop_destroy(loop);
    close(fd);
}

static void start_and_stop(void)
{
    int fd = memfd_create("trace", MFD_CLOEXEC);
    gyre_loop *loop;

    if (gyre_loop_create(&loop, NULL) == 0) {
        int err = gyre_trace_start(loop, fd, 0);

        CHECK(err == 0 || err == -ENOMEM);
        CHECK_EQ(gyre_loop_run(loop, GYRE_RUN_NOWAIT), 0);
        gyre_loop_destroy(loop);
    }
    close(fd);
}

KERNEL_TEST2(W8_without_memory_nothing_is_traced_and_all_goes_on)
{
    CHECK_GT(for_each_failure(start_and_stop), 2);
}

/* ---- readers ------------------------------------------------------------- */

/* Whatever a file holds, it is read to an end. */
KERNEL_TEST2(W8_a_damaged_file_is_read_as_far_as_it_goes)
{
    struct traced traced;
    FILE *nowhere = fopen("/dev/null", "we");
    const struct trace_filter all = { .fd = -1 };
    uint64_t random = 88172645463325252U;
    char *memory;
    size_t size = GYRE_TRACE_BYTES_MIN;

    CHECK(nowhere != NULL);
    traced_begin(&traced, size);
    do_nops(traced.loop, 50);
    traced_end(&traced);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, traced.fd, 0);
    CHECK(memory != MAP_FAILED);
    for (unsigned i = 0; i < 200 / test_scale() + 50; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        memory[random % 8192] = (char)(random >> 32);
        trace_free(&traced.trace);
        if (trace_read(&traced.trace, traced.fd) < 0) {
            /* The header: put back what matters in it. */
            CHECK_EQ(ftruncate(traced.fd, (off_t)size), 0);
            memset(memory, 0, 4096);
            struct trace_file *file = (void *)memory;

            file->magic = TRACE_MAGIC;
            file->version = TRACE_VERSION;
            file->chunk_bytes = TRACE_CHUNK_MIN;
            file->chunk_count = 7;
            file->taken = 3;
            continue;
        }
        CHECK_EQ(trace_show_steps(nowhere, &traced.trace, &all), 0);
        CHECK_EQ(trace_show_ops(nowhere, &traced.trace, &all), 0);
        CHECK_EQ(trace_write_json(nowhere, &traced.trace, &all), 0);
        CHECK_EQ(trace_show_summary(nowhere, &traced.trace, &all), 0);
    }
    CHECK_EQ(munmap(memory, size), 0);
    fclose(nowhere);
    traced_free(&traced);
}

TEST(W8_what_is_no_trace_is_said_to_be_none)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    struct trace trace;

    CHECK_EQ(trace_is_one(fd), false);
    CHECK_EQ(trace_read(&trace, fd), -EINVAL);
    CHECK_EQ(write(fd, "no trace at all, but some text", 30), 30);
    CHECK_EQ(trace_is_one(fd), false);
    CHECK_EQ(trace_read(&trace, fd), -EINVAL);
    close(fd);
}
