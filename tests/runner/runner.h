/* SPDX-License-Identifier: MIT */
/*
 * runner.h - what the parts of the runner tell each other
 *
 * The parent (runner.c) starts one child for each instance of a test; the
 * child (child.c) runs the body between two censuses (census.c) and writes
 * its verdict into a report that both have mapped. What the child prints goes
 * into a file in memory, which the parent shows if the test fails.
 */
#ifndef RUNNER_RUNNER_H
#define RUNNER_RUNNER_H

#include <stdatomic.h>

#include "runner/test.h"

/* One kernel as tests know it. */
struct test_kernel_entry {
    const char *name;    /* as printed in brackets */
    const char *kernel;  /* GYRE_KERNEL */
    const char *without; /* GYRE_WITHOUT; or NULL */
    const char *loop;    /* GYRE_LOOP; or NULL */
    unsigned bit;        /* of enum test_kernel */
    bool is_uring;       /* needs a Linux that permits io_uring */
    bool is_extra;       /* only if --kernel names it */
};

extern const struct test_kernel_entry test_kernels[];
extern const size_t test_kernels_count;

enum { REPORT_TEXT_MAX = 1024 };

/* Shared with the child; each field is written once. */
struct test_report {
    atomic_bool finished; /* the body returned and nothing was left over */
    atomic_bool failed;   /* some process of the test failed a check */
    atomic_bool skipped;
    char text[REPORT_TEXT_MAX]; /* the first complaint, or why it skipped */
};

/* What a child is started with. */
struct test_child {
    const struct test *test;
    const struct test_kernel_entry *kernel; /* or NULL */
    struct test_report *report;
    const char *directory; /* made when the test asks for it */
    int output;            /* becomes standard output and error */
};

/* Run the test in this process, which is a fresh child. */
_Noreturn void child_run(const struct test_child *child);

/* The running child's report, for checks; NULL in the parent. */
struct test_report *child_report(void);

/* Record the first complaint of this child, and that it failed. */
void child_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

bool running_sanitized(void);

/* How many times more runs on this machine than it has processors, up to 4:
 * others take from a test's time, so there is more of it then. */
unsigned runner_busy(void);

#endif
