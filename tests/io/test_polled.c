/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes that are polled for. Guests have a disk with queues for it
 * (tests/guest/run); elsewhere there is what is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/world.h"
#include "ring/feature.h"

enum { SIZE = 4096, AT_ONCE = 300 };

#define RINGS (TEST_URING | TEST_URING_COOP | TEST_URING_PLAIN)

static int with_polling(gyre_task_fn *fn, void *arg, bool hybrid)
{
    gyre_loop_options loop = {
        .ring = { .iopoll = true, .hybrid_iopoll = hybrid },
    };
    gyre_run_options options = { .loop = &loop };

    return gyre_run(&options, fn, arg);
}

static int disk_open(void)
{
    int fd = -1;

    if (getenv("GYRE_TEST_MACHINE_IS_OURS") != NULL)
        fd = open("/dev/nvme0n1", O_RDWR | O_DIRECT | O_CLOEXEC);
    if (fd < 0)
        TEST_SKIP("there is no disk with queues to be polled");
    return fd;
}

static unsigned char *pages(void)
{
    unsigned char *memory = aligned_alloc(4096, 2 * SIZE);

    CHECK(memory != NULL);
    for (unsigned i = 0; i < SIZE; i++)
        memory[i] = (unsigned char)(i % 251 + 1);
    memset(memory + SIZE, 0, SIZE);
    return memory;
}

static int write_and_read(void *arg)
{
    int fd = *(int *)arg;
    unsigned char *memory = pages();
    struct iovec out = { memory, SIZE }, in = { memory + SIZE, SIZE };

    CHECK_EQ(gyre_writev2(fd, &out, 1, 1 << 20, RWF_HIPRI), SIZE);
    CHECK_EQ(gyre_readv2(fd, &in, 1, 1 << 20, RWF_HIPRI), SIZE);
    CHECK_MEM_EQ(memory, memory + SIZE, SIZE);
    /* And as ever beside it. */
    memset(memory + SIZE, 0, SIZE);
    CHECK_EQ(gyre_read(fd, memory + SIZE, SIZE, 1 << 20), SIZE);
    CHECK_MEM_EQ(memory, memory + SIZE, SIZE);
    CHECK_OK(gyre_sleep(GYRE_MS));
    free(memory);
    return 0;
}

KERNEL_TEST_ON(A5_blocks_are_written_and_read_by_polling, RINGS)
{
    int fd = disk_open();

    CHECK_OK(with_polling(write_and_read, &fd, false));
    close(fd);
}

KERNEL_TEST_ON(A5_polling_may_sleep_first, RINGS)
{
    int fd = disk_open();

    if (!test_has("", 6, 13))
        TEST_SKIP("this Linux only polls without sleeping");
    CHECK_OK(with_polling(write_and_read, &fd, true));
    close(fd);
}

/* More than the ring has places, and other work meanwhile. */
struct flood {
    int fd;
    unsigned char *memory;
    unsigned ended;
};

static int read_one(void *arg)
{
    struct flood *flood = arg;
    struct iovec in = { flood->memory, SIZE };

    CHECK_EQ(gyre_readv2(flood->fd, &in, 1, 0, RWF_HIPRI), SIZE);
    flood->ended++;
    return 0;
}

static int read_many(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < AT_ONCE; i++)
        CHECK_OK(gyre_spawn(&scope, read_one, arg));
    CHECK_OK(gyre_sleep(GYRE_MS));
    return gyre_scope_close(&scope);
}

KERNEL_TEST_ON(A5_more_are_polled_than_the_ring_has_places, RINGS)
{
    struct flood flood = { .fd = disk_open(), .memory = pages() };

    CHECK_OK(with_polling(read_many, &flood, false));
    CHECK_EQ(flood.ended, AT_ONCE);
    free(flood.memory);
    close(flood.fd);
}

/* The cancel is heard when the disk has answered. */
static int read_cancelled(void *arg)
{
    struct flood *flood = arg;
    struct iovec in = { flood->memory, SIZE };
    ssize_t result = gyre_readv2(flood->fd, &in, 1, 0, RWF_HIPRI);

    CHECK(result == SIZE || result == -ECANCELED);
    flood->ended++;
    return 0;
}

static int cancel_many(void *arg)
{
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < AT_ONCE; i++)
        CHECK_OK(gyre_spawn(&scope, read_cancelled, arg));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    gyre_scope_cancel(&scope);
    return gyre_scope_close(&scope);
}

KERNEL_TEST_ON(A5_what_is_polled_ends_though_it_is_cancelled, RINGS)
{
    struct flood flood = { .fd = disk_open(), .memory = pages() };
    int result = with_polling(cancel_many, &flood, false);

    CHECK(result == 0 || result == -ECANCELED);
    CHECK_EQ(flood.ended, AT_ONCE);
    free(flood.memory);
    close(flood.fd);
}

/* ---- what is refused ----------------------------------------------------- */

static int read_pipe(void *arg)
{
    const int *fds = arg;
    char byte;
    struct iovec in = { &byte, 1 };

    CHECK_ERR(gyre_readv2(fds[0], &in, 1, 0, RWF_HIPRI), -EOPNOTSUPP);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(gyre_readv2(fds[0], &in, 1, GYRE_CURRENT_POSITION, 0), 1);
    return 0;
}

KERNEL_TEST_ON(A5_what_cannot_be_polled_is_refused, RINGS)
{
    int fds[2];

    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_OK(with_polling(read_pipe, fds, false));
    close(fds[0]);
    close(fds[1]);
}

/* It has none of its own, whoever else has. */
static int read_slot(void *arg)
{
    gyre_loop *loop = gyre_loop_current();
    int fd = *(const int *)arg;
    char byte;
    struct iovec in = { &byte, 1 };

    CHECK_OK(gyre_slots_create(loop, 1));
    CHECK_EQ(gyre_slots_set(loop, 0, &fd, 1), 1);
    CHECK_ERR(gyre_readv2(gyre_slot_handle(0), &in, 1, 0, RWF_HIPRI),
              -EOPNOTSUPP);
    return gyre_slots_destroy(loop);
}

KERNEL_TEST_ON(A5_files_in_slots_are_not_polled, RINGS)
{
    int fd = open(file_make("file", SIZE), O_RDONLY | O_CLOEXEC);

    CHECK_GE(fd, 0);
    CHECK_OK(with_polling(read_slot, &fd, false));
    /* Also not where the table is the emulator's. */
    CHECK_EQ(ring_features_restrict("sparse_files"), 0u);
    CHECK_OK(with_polling(read_slot, &fd, false));
    close(fd);
}

static int read_unasked(void *arg)
{
    int fd = open(file_make("file", SIZE), O_RDONLY | O_CLOEXEC);
    struct iovec in = { arg, 1 };

    CHECK_GE(fd, 0);
    CHECK_ERR(gyre_readv2(fd, &in, 1, 0, RWF_HIPRI), -EINVAL);
    close(fd);
    return 0;
}

KERNEL_TEST(A5_without_the_option_nothing_is_polled)
{
    char byte;

    must_run(read_unasked, &byte);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

KERNEL_TEST(A5_polling_is_had_or_refused_by_its_name)
{
    gyre_loop_options loop = { .ring.hybrid_iopoll = true };
    gyre_run_options options = { .loop = &loop };
    bool emulated = strcmp(test_kernel(), "emu") == 0;

    CHECK_ERR(with_polling(nothing, NULL, false), emulated ? -EOPNOTSUPP : 0);
    if (emulated)
        CHECK_STR_HAS(gyre_loop_create_error(), "iopoll: ");
    CHECK_ERR(gyre_run(&options, nothing, NULL), -EOPNOTSUPP);
    CHECK_STR_HAS(gyre_loop_create_error(), "hybrid_iopoll: ");
}
