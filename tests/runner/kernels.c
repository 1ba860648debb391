/* SPDX-License-Identifier: MIT */
/*
 * kernels.c - the kernels that KERNEL_TEST runs on
 *
 * One line each: what the child finds in GYRE_KERNEL and GYRE_WITHOUT. The
 * second and third are the lower rungs of the setup ladder, which an older
 * Linux would have had us take.
 */
#include "runner/runner.h"

const struct test_kernel_entry test_kernels[] = {
    { "uring", "uring", NULL, TEST_URING, true },
    { "uring-coop", "uring", "defer_taskrun", TEST_URING_COOP, true },
    { "uring-plain", "uring",
      "defer_taskrun,single_issuer,coop_taskrun,submit_all,no_sqarray,"
      "registered_ring_fd,no_iowait,ext_arg_abs",
      TEST_URING_PLAIN, true },
    { "emu", "emu", NULL, TEST_EMU, false },
};

const size_t test_kernels_count = sizeof test_kernels / sizeof *test_kernels;
