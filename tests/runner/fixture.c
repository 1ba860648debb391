/* SPDX-License-Identifier: MIT */
/*
 * fixture.c - tests that go wrong in every way the runner must notice
 *
 * Not part of any suite: test_runner.c runs this program and reads its report.
 * A runner that let one of these pass could let anything pass.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/test.h"

TEST(fixture_passes)
{
    CHECK(true);
}

TEST(fixture_interrupts_itself)
{
    raise(SIGINT);
}

TEST(fixture_quits_itself)
{
    raise(SIGQUIT);
}

TEST(fixture_fails_a_check)
{
    CHECK_EQ(6 * 7, 41u);
}

TEST(fixture_fails_with_an_error_by_name)
{
    CHECK_ERR(-125, -22);
}

TEST(fixture_fails_in_a_process_it_forked)
{
    pid_t pid = fork();

    if (pid == 0)
        CHECK(false);
    waitpid(pid, NULL, 0);
}

TEST(fixture_leaks_a_descriptor)
{
    CHECK_GE(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
}

TEST(fixture_leaks_a_mapping)
{
    int fd = memfd_create("leaky", MFD_CLOEXEC);

    CHECK_EQ(ftruncate(fd, 4096), 0);
    CHECK_NE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
    close(fd);
}

TEST(fixture_leaks_anonymous_memory)
{
    CHECK_NE(mmap(NULL, 131072, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
             MAP_FAILED);
}

static void *wait_for_ever(void *arg)
{
    pause();
    return arg;
}

TEST(fixture_leaks_a_thread)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, wait_for_ever, NULL), 0);
}

TEST(fixture_leaks_a_child_process)
{
    if (fork() == 0)
        wait_for_ever(NULL);
}

TEST_WITH(fixture_times_out, .timeout_s = 1)
{
    wait_for_ever(NULL);
}

TEST(fixture_crashes)
{
    raise(SIGSEGV);
}

TEST(fixture_leaves_by_exit)
{
    exit(0);
}

TEST(fixture_skips)
{
    TEST_SKIP("there is no such thing here");
}

TEST_PANICS(fixture_panics_as_promised, "the text")
{
    fprintf(stderr, "gyre: the text\n");
    abort();
}

TEST_PANICS(fixture_panics_otherwise, "the text")
{
    fprintf(stderr, "gyre: something else\n");
    abort();
}

TEST_PANICS(fixture_does_not_panic, "the text")
{
}

KERNEL_TEST(fixture_is_told_its_kernel)
{
    printf("kernel %s without %s\n", getenv("GYRE_KERNEL"),
           getenv("GYRE_WITHOUT") ? getenv("GYRE_WITHOUT") : "nothing");
    CHECK_STR_EQ(test_kernel(), "none");
}

TEST(fixture_uses_its_directory)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/file", test_directory());
    file = fopen(path, "w");
    CHECK(file != NULL);
    fclose(file);
    FAIL("directory=%s=", test_directory());
}
