/* SPDX-License-Identifier: MIT */
/*
 * Commands for NVMe disks, through the ring and by ioctl. There is a disk to
 * write to in guests (tests/guest/run); anywhere else a test would need one
 * that nobody misses, so what has none is all that is tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/world.h"

enum { BLOCK = 512, BLOCKS = 8, SIZE = BLOCK * BLOCKS };

struct disk {
    int space;      /* /dev/ng0n1 */
    int controller; /* /dev/nvme0 */
    int block;      /* /dev/nvme0n1 */
};

static struct disk disk_open(void)
{
    struct disk disk;

    /* init.c's promise that what is here is for tests. */
    if (getenv("GYRE_TEST_MACHINE_IS_OURS") == NULL)
        TEST_SKIP("there is no NVMe disk to write to");
    disk.controller = open("/dev/nvme0", O_RDWR | O_CLOEXEC);
    if (disk.controller < 0 && errno == ENOENT)
        TEST_SKIP("there is no NVMe disk to write to");
    CHECK_GE(disk.controller, 0);
    disk.block = open("/dev/nvme0n1", O_RDWR | O_DIRECT | O_CLOEXEC);
    CHECK_GE(disk.block, 0);
    disk.space = open("/dev/ng0n1", O_RDWR | O_CLOEXEC);
    if (disk.space < 0 && errno == ENOENT) /* before 5.13 */
        disk.space = dup(disk.block);
    CHECK_GE(disk.space, 0);
    return disk;
}

static void disk_close(const struct disk *disk)
{
    close(disk->space);
    close(disk->controller);
    close(disk->block);
}

/* With large queues, if they can be had, or without. */
static void with_disk(gyre_task_fn *fn, bool large)
{
    gyre_loop_options loop = {
        .ring = { .best_effort = true, .big_cqes = large, .big_sqes = large },
    };
    gyre_run_options options = { .loop = &loop };
    struct disk disk = disk_open();

    CHECK_OK(gyre_run(&options, fn, &disk));
    disk_close(&disk);
}

static int write_and_read(void *arg)
{
    const struct disk *disk = arg;
    static unsigned char out[SIZE] __attribute__((aligned(4096)));
    static unsigned char in[SIZE] __attribute__((aligned(4096)));

    for (unsigned i = 0; i < SIZE; i++)
        out[i] = (unsigned char)(i % 251 + 1);
    CHECK_OK(gyre_nvme_write(disk->space, 1, 16, BLOCKS, out, SIZE));
    CHECK_OK(gyre_nvme_read(disk->space, 1, 16, BLOCKS, in, SIZE));
    CHECK_MEM_EQ(in, out, SIZE);
    /* The block layer sees the same disk. */
    memset(in, 0, sizeof in);
    CHECK_EQ(gyre_read(disk->block, in, SIZE, (uint64_t)16 * BLOCK), SIZE);
    CHECK_MEM_EQ(in, out, SIZE);
    /* A status of the disk's: there are no such blocks. */
    CHECK_GT(gyre_nvme_read(disk->space, 1, UINT64_C(1) << 40, 1, in, BLOCK),
             0);
    return 0;
}

KERNEL_TEST(B18_nvme_blocks_are_written_and_read)
{
    with_disk(write_and_read, true);
}

KERNEL_TEST(B18_nvme_commands_go_to_the_pool_without_large_queues)
{
    with_disk(write_and_read, false);
}

static int identify(void *arg)
{
    const struct disk *disk = arg;
    static unsigned char page[4096] __attribute__((aligned(4096)));
    gyre_nvme_command features = { .opcode = 0x0a, .cdw10 = 7 };
    uint64_t blocks;

    CHECK_OK(gyre_nvme_identify(disk->controller, 0, 1, page));
    CHECK_MEM_EQ(page + 4, "gyre", 4); /* its serial number */
    CHECK_OK(gyre_nvme_identify(disk->controller, 1, 0, page));
    memcpy(&blocks, page, sizeof blocks);
    CHECK_EQ(blocks * BLOCK, (uint64_t)64 << 20);
    /* How many queues it has: a result beside the status. */
    CHECK_OK(gyre_nvme(disk->controller, true, &features));
    CHECK_GT(features.result, 0u);
    return 0;
}

KERNEL_TEST(B18_nvme_disks_say_what_they_are)
{
    with_disk(identify, true);
}

KERNEL_TEST(B18_nvme_disks_say_what_they_are_on_the_pool)
{
    with_disk(identify, false);
}

static int discard(void *arg)
{
    const struct disk *disk = arg;
    static unsigned char page[4096] __attribute__((aligned(4096)));

    CHECK_OK(gyre_discard(disk->block, 0, 1 << 20));
    CHECK_ERR(gyre_discard(disk->block, 1, 4096), -EINVAL);
    CHECK_EQ(gyre_read(disk->block, page, sizeof page, 0), (int)sizeof page);
    return 0;
}

KERNEL_TEST(B18_a_disk_discards_blocks)
{
    with_disk(discard, false);
}

static int refused(void *arg)
{
    int fds[2];
    gyre_nvme_command command = { .opcode = 2 };

    (void)arg;
    test_not_on_qemu_user("it says otherwise what it cannot do");
    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_ERR(gyre_nvme(fds[0], false, &command), -ENOTTY);
    CHECK_ERR(gyre_nvme_read(fds[0], 1, 0, 0, NULL, 0), -EINVAL);
    CHECK_ERR(gyre_nvme_read(fds[0], 1, 0, 65537, NULL, 0), -EINVAL);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

KERNEL_TEST(B18_what_is_no_disk_knows_no_nvme)
{
    must_run(refused, NULL);
}

static int refused_by_ring(void *arg)
{
    int fds[2];
    gyre_nvme_command command = { .opcode = 2, .result = 7 };

    (void)arg;
    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_ERR(gyre_nvme(fds[0], false, &command), -EOPNOTSUPP);
    CHECK_EQ(command.result, 0u);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

KERNEL_TEST_ON(B18_nvme_commands_go_through_large_queues,
               TEST_URING | TEST_URING_COOP | TEST_URING_PLAIN)
{
    gyre_loop_options loop = { .ring = { .big_cqes = true, .big_sqes = true } };
    gyre_run_options options = { .loop = &loop };

    if (!test_has("", 5, 19))
        TEST_SKIP("this Linux has no large queues");
    CHECK_OK(gyre_run(&options, refused_by_ring, NULL));
}

/* ---- by callbacks -------------------------------------------------------- */

static void answered(gyre_op *op, gyre_result result)
{
    uint64_t *answer = op->user;

    CHECK_OK(result.res);
    *answer = gyre_nvme_op_result((gyre_nvme_op *)(void *)op);
}

static void ask(const struct disk *disk, bool large)
{
    const gyre_nvme_command features = { .opcode = 0x0a, .cdw10 = 7 };
    gyre_loop_options options = {
        .ring = { .best_effort = true, .big_cqes = large, .big_sqes = large },
    };
    uint64_t answer = 0;
    gyre_loop *loop;
    gyre_nvme_op op;

    CHECK_OK(gyre_loop_create(&loop, &options));
    gyre_op_nvme(&op, loop, disk->controller, true, &features);
    gyre_op_start(loop, &op.op.op, answered, &answer);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_GT(answer, 0u);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B18_nvme_answers_reach_callbacks)
{
    struct disk disk = disk_open();

    ask(&disk, true);
    ask(&disk, false);
    disk_close(&disk);
}
