/* SPDX-License-Identifier: MIT */
/*
 * Which kernel a program gets, and the sentence that says why. Each test is a
 * process of its own, so it may take io_uring away from itself for good.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "kernel/choose.h"
#include "kernel/deny.h"
#include "kernel/facts.h"
#include "kernel/options.h"
#include "kernel/proc.h"
#include "ring/feature.h"
#include "runner/patient.h"
#include "runner/test.h"

static const struct kernel_options small = { .entries = 8 };

static void need_io_uring(void)
{
    if (kernel_uring_refusal() != NULL)
        TEST_SKIP("io_uring is refused here");
}

/* Likewise, but this process decides later: asked in a child. */
static void need_io_uring_at_first(void)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(kernel_uring_refusal() != NULL);
    CHECK_EQ(patient_waitpid(child, &status), child);
    if (status != 0)
        TEST_SKIP("io_uring is refused here");
}

/* Emulated processors do not filter system calls. */
static void deny(const char *way)
{
    if (proc_number("/proc/sys/kernel/io_uring_disabled", 0) != 0)
        TEST_SKIP("kernel.io_uring_disabled forbids it before any filter");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) < 0 && errno != EFAULT)
        TEST_SKIP("there are no seccomp filters here");
    CHECK_OK(deny_io_uring(way));
}

/* A NOP through the kernel that this process gets. */
static void round_trip(const char *name)
{
    struct kernel *kernel;
    struct io_uring_cqe cqe;
    const char *why = NULL;

    CHECK_OK(kernel_open(&kernel, &small, &why));
    CHECK(why == NULL);
    CHECK_STR_EQ(kernel->class->name, name);
    CHECK_STR_EQ(kernel->reason, kernel_chosen_reason());
    CHECK_OK(kernel->class->attach(kernel));
    *sq_next(&kernel->sq) = (struct io_uring_sqe){
        .opcode = IORING_OP_NOP,
        .user_data = 0x70,
    };
    sq_publish(&kernel->sq);
    CHECK_EQ(kernel->class->enter(kernel, 1, 1, KERNEL_FOREVER), 1);
    CHECK(cq_take(&kernel->cq, &cqe));
    CHECK_EQ(cqe.user_data, 0x70u);
    CHECK_EQ(cqe.res, 0);
    kernel->class->destroy(kernel);
}

/* Under this denial, the emulator is taken and this is said. */
static void falls_back(const char *way, const char *sentence)
{
    deny(way);
    CHECK_STR_EQ(kernel_chosen_name(), "emu");
    CHECK_STR_HAS(kernel_chosen_reason(), sentence);
    CHECK(kernel_uring_refusal() == kernel_chosen_reason());
    CHECK(strchr(kernel_chosen_reason(), '\n') == NULL);
    round_trip("emu");
}

TEST(A11_S3_where_io_uring_works_it_is_taken)
{
    need_io_uring();
    CHECK_STR_EQ(kernel_chosen_name(), "uring");
    round_trip("uring");
}

TEST(Q1_Q3_S3_a_container_that_answers_EPERM)
{
    falls_back("EPERM", "io_uring_setup: EPERM (a seccomp filter refuses it");
}

TEST(Q1_Q3_a_sandbox_that_answers_ENOSYS)
{
    falls_back("ENOSYS", "io_uring_setup: ENOSYS (no io_uring");
}

TEST(Q1_Q3_a_policy_that_answers_EACCES)
{
    falls_back("EACCES", "io_uring_setup: EACCES (a seccomp filter");
}

TEST(Q1_Q3_a_filter_that_kills_on_setup_kills_only_the_scout)
{
    falls_back("KILL", "seccomp kills on io_uring_setup (SIGSYS)");
}

TEST(Q1_S3_a_refusal_that_may_pass_decides_nothing)
{
    struct kernel *kernel;
    const char *why = NULL;

    deny("ENOMEM");
    CHECK(kernel_uring_refusal() == NULL);
    CHECK_STR_EQ(kernel_chosen_name(), "uring");
    CHECK_ERR(kernel_open(&kernel, &small, &why), -ENOMEM);
    CHECK_STR_HAS(why, "memlock");
}

TEST(Q1_no_descriptor_left_is_an_error_with_its_remedy)
{
    struct kernel *kernel;
    const char *why = NULL;

    deny("EMFILE");
    CHECK_ERR(kernel_open(&kernel, &small, &why), -EMFILE);
    CHECK_STR_HAS(why, "ulimit -n");
}

TEST(Q1_Q3_S3_a_filter_that_refuses_late_is_found_by_the_nop)
{
    need_io_uring_at_first();
    falls_back("LATE", "EPERM (a seccomp filter refuses it, though not");
    CHECK(strstr(kernel_chosen_reason(), "io_uring_setup: ") == NULL);
}

TEST(Q1_Q3_S3_a_filter_that_refuses_only_to_enter_is_found_by_the_nop)
{
    need_io_uring_at_first();
    falls_back("ENTER", "io_uring_enter: EPERM (a seccomp filter refuses it, "
                        "though not io_uring_setup");
}

/* Where a machine is started so; in a guest, with
 * `tests/guest/run -a sysctl.kernel.io_uring_disabled=2`. */
TEST(Q1_Q3_S3_a_sysctl_that_forbids_it_is_named)
{
    struct facts facts;

    if (proc_number("/proc/sys/kernel/io_uring_disabled", 0) != 2)
        TEST_SKIP("kernel.io_uring_disabled is not 2 here");
    CHECK_STR_EQ(kernel_chosen_name(), "emu");
    CHECK_STR_EQ(kernel_chosen_reason(),
                 "io_uring_setup: EPERM (kernel.io_uring_disabled=2)");
    facts_collect(&facts);
    CHECK_EQ(facts.io_uring_disabled, 2);
    CHECK_STR_EQ(facts.refusal, facts.reason);
    round_trip("emu");
}

TEST(Q1_Q3_a_filter_that_kills_late_kills_only_the_scout)
{
    need_io_uring_at_first();
    falls_back("LATEKILL", "seccomp kills on io_uring_enter (SIGSYS)");
}

static void on_child(int signal_number)
{
    (void)signal_number;
    FAIL("the scout raised SIGCHLD");
}

TEST(Q3_the_scout_is_nobody_elses_child)
{
    signal(SIGCHLD, on_child);
    deny("KILL");
    CHECK(kernel_uring_refusal() != NULL);
    errno = 0;
    CHECK_EQ(waitpid(-1, NULL, __WALL | WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
}

TEST(A9_Q1_without_MKDIRAT_linux_is_too_old)
{
    ring_features_restrict("op_mkdirat");
    if (kernel_uring_refusal() == NULL)
        FAIL("io_uring was taken");
    if (strstr(kernel_uring_refusal(), "too old") == NULL)
        TEST_SKIP("io_uring is refused here");
    CHECK_STR_HAS(kernel_chosen_reason(), "is too old (no MKDIRAT");
    round_trip("emu");
}

TEST(A9_Q1_without_EXT_ARG_linux_is_too_old)
{
    ring_features_restrict("ext_arg");
    if (kernel_uring_refusal() == NULL)
        FAIL("io_uring was taken");
    if (strstr(kernel_uring_refusal(), "too old") == NULL)
        TEST_SKIP("io_uring is refused here");
    CHECK_STR_HAS(kernel_chosen_reason(), "is too old (no EXT_ARG");
    round_trip("emu");
}

TEST(Q1_the_emulator_by_request_never_tries_io_uring)
{
    CHECK_OK(setenv("GYRE_KERNEL", "emu", 1));
    /* Nobody goes first here: any of the three calls would kill this test. */
    deny("KILL");
    CHECK_STR_EQ(kernel_chosen_name(), "emu");
    CHECK_STR_EQ(kernel_chosen_reason(), "GYRE_KERNEL=emu");
    round_trip("emu");
}

TEST(Q3_io_uring_by_request_fails_with_the_reason)
{
    struct kernel *kernel;
    const char *why = NULL;

    CHECK_OK(setenv("GYRE_KERNEL", "uring", 1));
    deny("EPERM");
    CHECK_STR_EQ(kernel_chosen_name(), "uring");
    CHECK_ERR(kernel_open(&kernel, &small, &why), -EPERM);
    CHECK_STR_HAS(why, "a seccomp filter refuses it");
}

TEST(Q1_a_kernel_that_does_not_exist_is_named)
{
    struct kernel *kernel;
    const char *why = NULL;

    CHECK_OK(setenv("GYRE_KERNEL", "windows", 1));
    CHECK_ERR(kernel_open(&kernel, &small, &why), -EINVAL);
    CHECK_STR_HAS(why, "GYRE_KERNEL names no kernel");
    CHECK_STR_EQ(kernel_chosen_name(), "none");
}

KERNEL_TEST2(A1_entries_out_of_range_are_refused_by_name)
{
    const struct {
        unsigned entries, cq_entries;
        const char *sentence;
    } cases[] = {
        { 0, 0, "a ring needs entries" },
        { 32769, 0, "too many entries" },
        { UINT32_MAX, 0, "too many entries" },
        { 8, 65537, "too many CQ entries" },
        { 8, 4, "the CQ must have as many entries" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct kernel_options options = { .entries = cases[i].entries,
                                          .cq_entries = cases[i].cq_entries };
        struct kernel *kernel;
        const char *why = NULL;

        CHECK_ERR(kernel_open(&kernel, &options, &why), -EINVAL);
        CHECK_STR_HAS(why, cases[i].sentence);
        CHECK_ERR(kernel_open(&kernel, &options, NULL), -EINVAL);
    }
}

KERNEL_TEST2(A1_A2_entries_are_rounded_up_and_clamped_on_request)
{
    const struct {
        unsigned entries, cq_entries;
        unsigned sq, cq;
    } cases[] = {
        { 0, 0, 1, 2 },         { 1, 1, 1, 1 }, { 5, 0, 8, 16 },
        { 5, 9, 8, 16 },        { 8, 2, 8, 8 }, { 32769, 0, 32768, 65536 },
        { 8, 70000, 8, 65536 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct kernel_options options = { .entries = cases[i].entries,
                                          .cq_entries = cases[i].cq_entries,
                                          .clamp = true };
        struct kernel *kernel;

        CHECK_OK(kernel_open(&kernel, &options, NULL));
        CHECK_EQ(kernel->sq.entries, cases[i].sq);
        CHECK_EQ(kernel->cq.entries, cases[i].cq);
        kernel->class->destroy(kernel);
    }
}

/* ---- without privileges -------------------------------------------------- */

/* Somebody who has locked nothing elsewhere, and may lock so many bytes. */
static void lock_at_most(rlim_t bytes)
{
    const uid_t somebody = 1000000 + (uid_t)getpid();
    const struct rlimit limit = { bytes, bytes };

    CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
    if (getuid() == 0 && (setgid(somebody) != 0 || setuid(somebody) != 0))
        TEST_SKIP("cannot stop being root");
    CHECK_OK(prctl(PR_SET_DUMPABLE, 1)); /* /proc/self stays ours */
}

/* Linux gives back what a closed ring had locked a little later. */
TEST(Q10_rings_come_and_go_with_little_lockable_memory)
{
    need_io_uring_at_first();
    lock_at_most(64 * 1024);
    for (unsigned i = 0; i < 20; i++) {
        struct kernel_options options = { .entries = 256 };
        struct kernel *kernel;
        const char *why = NULL;

        CHECK_OK(kernel_open(&kernel, &options, &why));
        CHECK_STR_EQ(kernel->class->name, "uring");
        CHECK_GE(kernel->sq.entries, 64u);
        kernel->class->destroy(kernel);
    }
}

TEST(Q10_nobody_gets_a_ring)
{
    need_io_uring_at_first();
    lock_at_most(8 * 1024 * 1024);
    round_trip("uring");
}

TEST(Q10_without_lockable_memory_the_limit_is_named)
{
    struct kernel *kernel;
    const char *why = NULL;

    need_io_uring_at_first();
    lock_at_most(0);
    int err = kernel_open(&kernel, &small, &why);

    if (err == 0) { /* no ring of this Linux counts against it */
        kernel->class->destroy(kernel);
        TEST_SKIP("this Linux locks nothing for a ring");
    }
    CHECK_ERR(err, -ENOMEM);
    CHECK_STR_HAS(why, "ulimit -l");
}

TEST(A10_facts_agree_with_what_was_chosen)
{
    struct facts facts;
    const char *names[32];

    facts_collect(&facts);
    CHECK_STR_EQ(facts.kernel, kernel_chosen_name());
    CHECK_OK(facts.error_code);
    CHECK(strlen(facts.release) > 0 && strlen(facts.libc) > 0);
    CHECK_GT(facts.nofile.hard, 0u);
    CHECK_LE(facts.nofile.soft, facts.nofile.hard);
    if (facts.refusal != NULL)
        TEST_SKIP("io_uring is refused here");
    CHECK(facts.opcodes.has[IORING_OP_MKDIRAT]);
    unsigned count = facts_setup_flag_names(&facts, names);

    CHECK_EQ(count, (unsigned)__builtin_popcount(facts.setup_flags));
    CHECK_GT(facts_feature_names(&facts, names), 8u);
}

TEST(A10_Q3_facts_without_io_uring_have_no_opcodes_and_a_reason)
{
    struct facts facts;
    const char *names[32];

    deny("EPERM");
    facts_collect(&facts);
    CHECK_STR_EQ(facts.kernel, "emu");
    CHECK_STR_HAS(facts.refusal, "EPERM");
    CHECK_STR_EQ(facts.reason, facts.refusal);
    CHECK_OK(facts.error_code);
    CHECK_EQ(facts.seccomp, 2);
    CHECK_EQ(facts_setup_flag_names(&facts, names), 0u);
    for (unsigned i = 0; i < ARRAY_SIZE(facts.opcodes.has); i++)
        CHECK(!facts.opcodes.has[i]);
}
