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

/* A chain that finds memory for some of its requests only does not begin. */
TEST(E1_emu_a_chain_without_memory_is_left_whole)
{
    enum { CHUNK = 64, CHAIN = 3 };
    struct ring_timespec time = { 100, 0 };
    struct kernel *k = world_open(128, 0, 0);
    uint64_t id = 0;

    for (; id < CHUNK - (CHAIN - 1); id++)
        put(k, IORING_OP_TIMEOUT, -1, &time, 1, id);
    expect_nothing(k);
    for (int i = 0; i < CHAIN; i++, id++)
        put(k, IORING_OP_NOP, -1, NULL, 0, id)->flags =
            i < CHAIN - 1 ? IOSQE_IO_LINK : 0;
    sq_publish(&k->sq);
    alloc_fail_nth(1);
    CHECK_ERR(k->class->enter(k, sq_used(&k->sq), 0, KERNEL_NO_WAIT), -ENOMEM);
    alloc_fail_nth(0);
    CHECK_EQ(cq_ready(&k->cq), 0u);
    for (id -= CHAIN; id <= CHUNK; id++)
        expect(k, id, 0);
    put(k, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, 1000)->cancel_flags =
        IORING_ASYNC_CANCEL_ANY;
    expect(k, 1000, CHUNK - (CHAIN - 1));
    enter(k, CHUNK - (CHAIN - 1));
    for (id = 0; id < CHUNK - (CHAIN - 1); id++)
        CHECK_ERR(take(k).res, -ECANCELED);
    world_close(k);
}

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
