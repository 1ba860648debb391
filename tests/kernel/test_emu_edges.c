/* SPDX-License-Identifier: MIT */
/*
 * test_emu_edges.c - memory that is not there or may not be written to,
 * descriptors that are closed under requests, and what a count counts
 *
 * A BOTH_TEST states what Linux does, and that the emulator does it too.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "groups_world.h"

/* ---- what a count counts ------------------------------------------------- */

BOTH_TEST(F5_each_result_of_a_poll_counts)
{
    struct ring_timespec time = { 3, 0 };
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;

    put(k, IORING_OP_POLL_ADD, fd, NULL, IORING_POLL_ADD_MULTI, ID(1))
        ->poll32_events = POLLIN;
    put(k, IORING_OP_TIMEOUT, -1, &time, 1, ID(2))->off = 2;
    expect_nothing(k);
    CHECK_EQ(write(fd, &one, sizeof one), (ssize_t)sizeof one);
    expect(k, ID(1), POLLIN);
    CHECK_EQ(write(fd, &one, sizeof one), (ssize_t)sizeof one);
    expect(k, ID(1), POLLIN);
    expect(k, ID(2), 0);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)ID(1), 0, ID(3));
    enter(k, 2);
    expect(k, ID(3), 0);
    expect(k, ID(1), -ECANCELED);
    close(fd);
}
