/* SPDX-License-Identifier: MIT */
/*
 * kernels.c - the kernels that KERNEL_TEST runs on
 *
 * One line each: what the child finds in GYRE_KERNEL, GYRE_WITHOUT and
 * GYRE_LOOP. The second and third are the lower rungs of the setup ladder,
 * which an older Linux would have had us take. The last is for whoever asks for
 * it by its name: the tests of the first, and Linux's thread falls asleep a
 * thousand times a second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "runner/runner.h"

const struct test_kernel_entry test_kernels[] = {
    { "uring", "uring", NULL, NULL, TEST_URING, true, false },
    { "uring-coop", "uring", "defer_taskrun", NULL, TEST_URING_COOP, true,
      false },
    { "uring-plain", "uring",
      "defer_taskrun,single_issuer,coop_taskrun,submit_all,no_sqarray,"
      "registered_ring_fd,no_iowait,ext_arg_abs",
      NULL, TEST_URING_PLAIN, true, false },
    { "emu", "emu", NULL, NULL, TEST_EMU, false, false },
    { "uring-sqpoll", "uring", NULL, "sqpoll,sqpoll_idle_ms=1", TEST_URING,
      true, true },
};

const size_t test_kernels_count = sizeof test_kernels / sizeof *test_kernels;

static bool is_named(const char *list, const char *name)
{
    size_t length = strlen(name);

    while (*list != '\0') {
        size_t part = strcspn(list, ", ");

        if (part == length && memcmp(list, name, length) == 0)
            return true;
        list += part;
        list += strspn(list, ", ");
    }
    return false;
}

bool test_has(const char *feature, unsigned major, unsigned minor)
{
    const char *without = getenv("GYRE_WITHOUT");
    struct utsname linux_s;
    unsigned own_major = 0, own_minor = 0;

    if (strcmp(test_kernel(), "emu") == 0)
        return true;
    if (without != NULL && is_named(without, feature))
        return false;
    CHECK_OK(uname(&linux_s));
    CHECK_EQ(sscanf(linux_s.release, "%u.%u", &own_major, &own_minor), 2);
    return own_major > major || (own_major == major && own_minor >= minor);
}
