/* SPDX-License-Identifier: MIT */
/*
 * The runner, tested by what it says about tests that go wrong (fixture.c).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/test.h"

static char report[65536];

/* Run the fixture's tests that match; give its exit status. */
static int run_fixture(const char *arguments)
{
    char command[512];
    size_t size = 0, n;

    snprintf(command, sizeof command, "%s %s -j2 %s 2>&1", RUNNER_EMULATOR,
             RUNNER_FIXTURE, arguments);
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    while ((n = fread(report + size, 1, sizeof report - 1 - size, pipe)) > 0)
        size += n;
    report[size] = '\0';
    int status = pclose(pipe);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect_failure(const char *test, const char *says)
{
    CHECK_EQ(run_fixture(test), 1);
    CHECK_STR_HAS(report, "FAIL ");
    CHECK_STR_HAS(report, test);
    CHECK_STR_HAS(report, says);
    CHECK_STR_HAS(report, "\n0 passed, 1 failed, 0 skipped\n");
}

static void expect_leak(const char *test, const char *says)
{
    setenv("GYRE_TEST_PATIENCE", "100", 1);
    expect_failure(test, says);
}

TEST(runner_counts_a_test_that_passes)
{
    CHECK_EQ(run_fixture("fixture_passes"), 0);
    CHECK_STR_EQ(report, "1 passed, 0 failed, 0 skipped\n");
}

/* What a shell puts into the background is begun with both ignored. */
TEST(runner_gives_a_test_the_signals_that_a_shell_ignores)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    CHECK_EQ(run_fixture("fixture_interrupts_itself"), 1);
    CHECK_STR_HAS(report, "killed by signal 2");
    CHECK_EQ(run_fixture("fixture_quits_itself"), 1);
    CHECK_STR_HAS(report, "killed by signal 3");
}

TEST(runner_shows_both_sides_of_a_failed_check)
{
    expect_failure("fixture_fails_a_check",
                   "CHECK_EQ(6 * 7, 41u): 42 and 41 (0x29)");
}

TEST(runner_shows_errors_by_name)
{
    expect_failure("fixture_fails_with_an_error_by_name",
                   "got -ECANCELED (-125), expected -EINVAL (-22)");
}

TEST(runner_hears_of_a_check_that_fails_in_a_forked_process)
{
    expect_failure("fixture_fails_in_a_process_it_forked", "CHECK(false)");
}

TEST(runner_finds_a_leaked_descriptor)
{
    expect_leak("fixture_leaks_a_descriptor", "leaked descriptor /dev/null");
}

TEST(runner_finds_a_leaked_mapping)
{
    expect_leak("fixture_leaks_a_mapping", "leaked mapping /memfd:leaky");
}

TEST(runner_finds_leaked_anonymous_memory)
{
    if (getenv("GYRE_TEST_TUNED") == NULL)
        TEST_SKIP("sanitizers, valgrind and emulated processors keep "
                  "anonymous memory in reserve");
    expect_leak("fixture_leaks_anonymous_memory",
                "leaked anonymous mappings (131072 bytes)");
}

TEST(runner_finds_a_leaked_thread)
{
    expect_leak("fixture_leaks_a_thread", "leaked threads (1 more");
}

TEST(runner_finds_a_leaked_child_process)
{
    expect_leak("fixture_leaks_a_child_process", "leaked child process");
}

TEST(runner_ends_a_test_that_takes_too_long)
{
    expect_failure("fixture_times_out", "timed out");
}

TEST(runner_reports_a_crash)
{
    expect_failure("fixture_crashes", "");
}

TEST(runner_does_not_take_exit_for_success)
{
    expect_failure("fixture_leaves_by_exit", "without returning");
}

TEST(runner_lists_a_skip_with_its_reason)
{
    CHECK_EQ(run_fixture("fixture_skips"), 0);
    CHECK_STR_EQ(report, "SKIP fixture_skips: there is no such thing here\n"
                         "0 passed, 0 failed, 1 skipped\n");
}

TEST(runner_accepts_a_panic_only_with_its_text)
{
    CHECK_EQ(run_fixture("fixture_panics_as_promised"), 0);
    CHECK_STR_EQ(report, "1 passed, 0 failed, 0 skipped\n");
    expect_failure("fixture_panics_otherwise", "panicked with another text");
    expect_failure("fixture_does_not_panic", "was to panic, and did not");
}

TEST(runner_runs_a_kernel_test_on_every_kernel)
{
    CHECK_EQ(run_fixture("fixture_is_told"), 1);
    CHECK_STR_HAS(report, "fixture_is_told_its_kernel [uring]");
    CHECK_STR_HAS(report, "| kernel uring without nothing\n");
    CHECK_STR_HAS(report, "fixture_is_told_its_kernel [uring-coop]");
    CHECK_STR_HAS(report, "| kernel uring without defer_taskrun\n");
    CHECK_STR_HAS(report, "fixture_is_told_its_kernel [uring-plain]");
    CHECK_STR_HAS(report, "| kernel uring without defer_taskrun,");
    CHECK_STR_HAS(report, "fixture_is_told_its_kernel [emu]");
    CHECK_STR_HAS(report, "| kernel emu without nothing\n");
    CHECK_STR_HAS(report, "\n0 passed, 4 failed, 0 skipped\n");
}

TEST(runner_restricts_to_one_kernel)
{
    CHECK_EQ(run_fixture("--kernel=emu fixture_is_told"), 1);
    CHECK_STR_HAS(report, "fixture_is_told_its_kernel [emu]");
    CHECK_STR_HAS(report, "\n0 passed, 1 failed, 0 skipped\n");
}

TEST(runner_removes_the_directory_of_a_test)
{
    expect_failure("fixture_uses_its_directory", "directory=/");
    char *path = strstr(report, "directory=") + strlen("directory=");
    path[strcspn(path, "=")] = '\0';
    CHECK_EQ(access(path, F_OK), -1);
}

TEST(runner_lists_the_names)
{
    CHECK_EQ(run_fixture("--list"), 0);
    CHECK_STR_HAS(report, "fixture_passes\n");
    CHECK_STR_HAS(report, "fixture_is_told_its_kernel [emu]\n");
}
