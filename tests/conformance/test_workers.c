/* SPDX-License-Identifier: MIT */
/*
 * Linux's threads for requests that block: how many, and where they run. And
 * requests with somebody else's rights.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gyre/restrict.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage.h"

#define RINGS (TEST_URING | TEST_URING_COOP | TEST_URING_PLAIN)

/* Of this process, those of Linux that are at work for its rings: how many;
 * `each` is called with their numbers. */
static unsigned workers(void (*each)(pid_t tid))
{
    DIR *threads = opendir("/proc/self/task");
    struct dirent *entry;
    unsigned count = 0;

    CHECK(threads != NULL);
    while ((entry = readdir(threads)) != NULL) {
        char path[320], name[32] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = fopen(path, "r");
        if (file == NULL)
            continue;
        if (fgets(name, sizeof name, file) != NULL &&
            strncmp(name, "iou-wrk", 7) == 0) {
            count++;
            if (each != NULL)
                each((pid_t)atoi(entry->d_name));
        }
        fclose(file);
    }
    closedir(threads);
    return count;
}

/* Opens of a FIFO that has no writer: each holds a thread. */
#define OPENS 6

struct opens {
    struct call calls[OPENS];
    char path[256];
    int writer;
};

static void opens_begin(gyre_loop *loop, struct opens *opens)
{
    snprintf(opens->path, sizeof opens->path, "%s/fifo", test_directory());
    CHECK_OK(mkfifo(opens->path, 0600));
    for (unsigned i = 0; i < OPENS; i++) {
        memset(&opens->calls[i], 0, sizeof opens->calls[i]);
        gyre_op_openat(&opens->calls[i].op, AT_FDCWD, opens->path,
                       O_RDONLY | O_CLOEXEC, 0);
        gyre_op_add_flags(&opens->calls[i].op, GYRE_OP_ASYNC);
        call_start(loop, &opens->calls[i]);
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
}

static void opens_end(gyre_loop *loop, struct opens *opens)
{
    /* There is a reader when a thread has come to its open. */
    do {
        opens->writer = open(opens->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    } while (opens->writer < 0);
    for (unsigned i = 0; i < OPENS; i++)
        close(call_wait(loop, &opens->calls[i]));
    close(opens->writer);
}

KERNEL_TEST_ON(A17_there_are_no_more_workers_than_were_allowed, RINGS)
{
    const gyre_loop_options options = { .ring.iowq_bounded = 2,
                                        .ring.iowq_unbounded = 3 };
    gyre_loop_options got = { .size = sizeof got };
    struct opens opens;
    gyre_loop *loop;

    test_quiet(); /* else Linux gives up making the second */
    CHECK_OK(gyre_loop_create(&loop, &options));
    gyre_loop_get_options(loop, &got);
    CHECK_EQ(got.ring.iowq_bounded, 2u);
    CHECK_EQ(got.ring.iowq_unbounded, 3u);
    opens_begin(loop, &opens);
    while (workers(NULL) < 2)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    /* A third would have come by now, mostly: Linux makes the next one when
     * the last one blocks. */
    for (unsigned i = 0; i < 200; i++) {
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
        CHECK_LE(workers(NULL), 2u);
    }
    opens_end(loop, &opens);
    gyre_loop_destroy(loop);
}

static cpu_set_t wanted_cpus;
static unsigned bound_workers;

static void check_bound(pid_t tid)
{
    cpu_set_t cpus;

    /* It may have just ended. */
    if (sched_getaffinity(tid, sizeof cpus, &cpus) != 0)
        return;
    CHECK(CPU_EQUAL(&cpus, &wanted_cpus));
    bound_workers++;
}

KERNEL_TEST_ON(A17_workers_run_where_they_may, RINGS)
{
    gyre_loop_options options = { 0 };
    gyre_loop_options got = { .size = sizeof got };
    struct opens opens;
    gyre_loop *loop;
    cpu_set_t ours;
    size_t cpu = CPU_SETSIZE - 1;

    CHECK_OK(sched_getaffinity(0, sizeof ours, &ours));
    if (CPU_COUNT(&ours) < 2)
        TEST_SKIP("there is one processor");
    while (!CPU_ISSET(cpu, &ours))
        cpu--;
    CPU_ZERO(&wanted_cpus);
    CPU_SET(cpu, &wanted_cpus);
    options.ring.iowq_cpus.bits[cpu / 64] = UINT64_C(1) << cpu % 64;
    CHECK_OK(gyre_loop_create(&loop, &options));
    opens_begin(loop, &opens);
    while (bound_workers == 0)
        workers(check_bound);
    opens_end(loop, &opens);
    gyre_loop_get_options(loop, &got);
    CHECK_EQ(got.ring.iowq_cpus.bits[cpu / 64],
             options.ring.iowq_cpus.bits[cpu / 64]);
    gyre_loop_destroy(loop);
}

/* The loop's own registration is none of the program's. */
KERNEL_TEST_ON(A17_workers_of_a_restricted_loop_are_bound_too, RINGS)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_STREAMS };
    gyre_loop_options options = { .restriction = &restriction };
    gyre_loop_options got = { .size = sizeof got };
    gyre_loop *loop;
    cpu_set_t ours;
    size_t cpu = 0;

    CHECK_OK(sched_getaffinity(0, sizeof ours, &ours));
    while (!CPU_ISSET(cpu, &ours))
        cpu++;
    options.ring.iowq_cpus.bits[cpu / 64] = UINT64_C(1) << cpu % 64;
    CHECK_OK(gyre_loop_create(&loop, &options));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    gyre_loop_get_options(loop, &got);
    CHECK_EQ(got.ring.iowq_cpus.bits[cpu / 64],
             options.ring.iowq_cpus.bits[cpu / 64]);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A17_workers_that_cannot_be_had_are_refused)
{
    bool emulated = strcmp(test_kernel(), "emu") == 0;
    gyre_loop_options options = { .ring.iowq_bounded = UINT32_MAX };
    gyre_loop_options got = { .size = sizeof got };
    gyre_loop *loop;

    CHECK_ERR(gyre_loop_create(&loop, &options), -EOPNOTSUPP);
    CHECK(strstr(gyre_loop_create_error(), "iowq_bounded") != NULL);
    options = (gyre_loop_options){ 0 };
    /* No machine that has 1024 processors runs this. */
    options.ring.iowq_cpus.bits[15] = emulated ? 1 : UINT64_C(1) << 63;
    CHECK_ERR(gyre_loop_create(&loop, &options), -EOPNOTSUPP);
    CHECK(strstr(gyre_loop_create_error(), "iowq_cpus") != NULL);
    options.ring.best_effort = true;
    CHECK_OK(gyre_loop_create(&loop, &options));
    gyre_loop_get_options(loop, &got);
    if (!emulated)
        CHECK_EQ(got.ring.iowq_cpus.bits[15], 0u);
    gyre_loop_destroy(loop);
}

/* ---- personalities ------------------------------------------------------- */

#define NOBODY 65534

static int open_as(gyre_loop *loop, int directory, const char *name,
                   int personality)
{
    struct call call = { 0 };
    int result;

    gyre_op_openat(&call.op, directory, name, O_RDONLY | O_CLOEXEC, 0);
    gyre_op_set_personality(&call.op, personality);
    result = call_run(loop, &call);
    if (result >= 0)
        close(result);
    return result;
}

static void put_file(int directory, const char *name, mode_t mode)
{
    int fd = openat(directory, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    CHECK_GE(fd, 0);
    CHECK_OK(fchmod(fd, mode));
    close(fd);
}

KERNEL_TEST_ON(A17_an_op_is_executed_with_the_rights_that_it_names, RINGS)
{
    gyre_loop *loop;
    int directory, nobody;

    if (geteuid() != 0)
        TEST_SKIP("needs root, who can become nobody");
    CHECK_OK(chmod(test_directory(), 0755));
    directory = open(test_directory(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    put_file(directory, "mine", 0600);
    put_file(directory, "everybodys", 0644);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(seteuid(NOBODY));
    nobody = gyre_loop_register_personality(loop);
    CHECK_OK(seteuid(0));
    CHECK_GT(nobody, 0);
    CHECK_EQ(open_as(loop, directory, "mine", nobody), -EACCES);
    CHECK_GE(open_as(loop, directory, "mine", 0), 0);
    CHECK_GE(open_as(loop, directory, "everybodys", nobody), 0);
    CHECK_OK(gyre_loop_unregister_personality(loop, nobody));
    CHECK_EQ(open_as(loop, directory, "everybodys", nobody), -EINVAL);
    CHECK_ERR(gyre_loop_unregister_personality(loop, nobody), -EINVAL);
    CHECK_ERR(gyre_loop_unregister_personality(loop, 0), -EINVAL);
    gyre_loop_destroy(loop);
    close(directory);
}

/* What is done beside the ring is done by this process. */
KERNEL_TEST(A17_somebody_elses_rights_are_refused_where_they_cannot_be_had)
{
    bool emulated = strcmp(test_kernel(), "emu") == 0;
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct call call = { 0 };
    char entries[512];
    gyre_loop *loop;
    int mine;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    mine = gyre_loop_register_personality(loop);
    if (emulated)
        CHECK_EQ(mine, -EOPNOTSUPP);
    else
        CHECK_GT(mine, 0);
    gyre_op_getdents(&call.op, directory, entries, sizeof entries);
    gyre_op_set_personality(&call.op, emulated ? 1 : mine);
    CHECK_EQ(call_run(loop, &call), emulated ? -EINVAL : -EOPNOTSUPP);
    gyre_loop_destroy(loop);
    close(directory);
}
