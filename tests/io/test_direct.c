/* SPDX-License-Identifier: MIT */
/*
 * Files with O_DIRECT: what they want, and a tail.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/world.h"

static void fill(unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i % 251);
}

static void check_filled(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(bytes[i], i % 251);
}

/* A file that goes to a disk. Files in memory have no O_DIRECT on many
 * versions. */
static int open_direct(const char *path)
{
    int fd = gyre_open(path, O_RDWR | O_CREAT | O_DIRECT, 0600);

    test_not_on_qemu_user("its statx tells no alignment");
    if (fd == -EINVAL)
        TEST_SKIP("the file system of the tests' directory has no O_DIRECT");
    CHECK(fd >= 0);
    return fd;
}

static int write_and_read(void *arg)
{
    enum { TAIL = 100 };
    const char *path = arg;
    int fd = open_direct(path), plain;
    gyre_direct direct;
    struct statx status;
    size_t blocks, size;
    unsigned char *out, *in;

    CHECK_OK(gyre_direct_of(fd, &direct));
    blocks = 3 * (size_t)direct.offset;
    size = blocks + TAIL;
    out = gyre_direct_alloc(&direct, size);
    in = gyre_direct_alloc(&direct, size);
    CHECK(out != NULL && in != NULL);
    CHECK_EQ((uintptr_t)out % direct.memory, 0u);
    fill(out, size);

    /* The blocks, then the tail, padded; then the padding is cut off. */
    CHECK_EQ(gyre_write(fd, out, blocks, 0), (ssize_t)blocks);
    CHECK_EQ(gyre_direct_up(&direct, size), blocks + direct.offset);
    CHECK_EQ(gyre_write(fd, out + blocks, direct.offset, blocks),
             (ssize_t)direct.offset);
    CHECK_OK(gyre_ftruncate(fd, size));
    CHECK_OK(gyre_statx(fd, NULL, AT_EMPTY_PATH, STATX_SIZE, &status));
    CHECK_EQ(status.stx_size, size);

    /* All of it at once: the end is short, and nothing is behind it. */
    CHECK_EQ(gyre_read(fd, in, blocks + direct.offset, 0), (ssize_t)size);
    check_filled(in, size);
    CHECK_EQ(gyre_read(fd, in, direct.offset, blocks), TAIL);
    CHECK_EQ(in[0], blocks % 251);
    CHECK_EQ(gyre_read(fd, in, direct.offset, blocks + direct.offset), 0);

    /* From the middle of a block: a whole one is read. */
    CHECK_EQ(gyre_direct_down(&direct, direct.offset + 5), direct.offset);
    CHECK_EQ(gyre_read(fd, in, direct.offset,
                       gyre_direct_down(&direct, direct.offset + 5)),
             (ssize_t)direct.offset);
    CHECK_EQ(in[5], (direct.offset + 5) % 251);

    /* The page cache says the same. */
    plain = gyre_open(path, O_RDONLY, 0);
    CHECK(plain >= 0);
    memset(in, 0, size);
    CHECK_EQ(gyre_read(plain, in, size, 0), (ssize_t)size);
    check_filled(in, size);
    CHECK_OK(gyre_close(plain));
    CHECK_OK(gyre_close(fd));
    gyre_direct_free(in);
    gyre_direct_free(out);
    return 0;
}

KERNEL_TEST(B19_a_direct_file_is_written_and_read_with_its_tail)
{
    char path[600];

    snprintf(path, sizeof path, "%s/direct", test_directory());
    must_run(write_and_read, path);
}

/* There any place will do. */
static bool is_in_memory(int fd)
{
    struct statfs system;

    CHECK_OK(fstatfs(fd, &system));
    return system.f_type == TMPFS_MAGIC;
}

static int out_of_place(void *arg)
{
    int fd = open_direct(arg);
    gyre_direct direct;
    unsigned char *bytes;

    CHECK_OK(gyre_direct_of(fd, &direct));
    bytes = gyre_direct_alloc(&direct, 2 * (size_t)direct.offset);
    CHECK(bytes != NULL);
    CHECK_EQ(gyre_write(fd, bytes, direct.offset, 0), (ssize_t)direct.offset);
    if (direct.offset > 1 && !is_in_memory(fd)) {
        CHECK_ERR(gyre_read(fd, bytes, direct.offset, 1), -EINVAL);
        CHECK_ERR(gyre_write(fd, bytes, direct.offset, 1), -EINVAL);
        CHECK_ERR(gyre_write(fd, bytes, direct.offset - 1, 0), -EINVAL);
    }
    /* Of memory, Linux may take what it did not promise; what it did, it
     * takes. */
    CHECK_EQ(gyre_read(fd, bytes + direct.memory, direct.offset, 0),
             (ssize_t)direct.offset);
    CHECK_OK(gyre_close(fd));
    CHECK_ERR(gyre_direct_of(fd, &direct), -EBADF);
    gyre_direct_free(bytes);
    return 0;
}

KERNEL_TEST(B19_what_is_out_of_place_is_refused)
{
    char path[600];

    snprintf(path, sizeof path, "%s/direct", test_directory());
    must_run(out_of_place, path);
}

TEST(B19_the_alignment_is_read_out_of_statx)
{
    union {
        struct statx status;
        uint32_t words[64];
    } is;
    gyre_direct direct = { 0 };

    memset(&is, 0, sizeof is);
    CHECK_OK(gyre_direct_from(&is.status, &direct));
    CHECK_EQ(direct.memory, 4096u); /* nothing was told */
    CHECK_EQ(direct.offset, 4096u);
    is.words[0x98 / 4] = 4;
    is.words[0x9c / 4] = 512;
    CHECK_OK(gyre_direct_from(&is.status, &direct));
    CHECK_EQ(direct.offset, 4096u);
    is.status.stx_mask = GYRE_STATX_DIOALIGN;
    CHECK_OK(gyre_direct_from(&is.status, &direct));
    CHECK_EQ(direct.memory, 4u);
    CHECK_EQ(direct.offset, 512u);
    CHECK_EQ(gyre_direct_up(&direct, 0), 0u);
    CHECK_EQ(gyre_direct_up(&direct, 1), 512u);
    CHECK_EQ(gyre_direct_up(&direct, 512), 512u);
    CHECK_EQ(gyre_direct_down(&direct, (UINT64_C(1) << 33) + 513),
             (UINT64_C(1) << 33) + 512);
    is.words[0x9c / 4] = 0;
    CHECK_ERR(gyre_direct_from(&is.status, &direct), -EOPNOTSUPP);
}

static void take_and_give(void)
{
    gyre_direct direct = { 4, 512 };
    unsigned char *bytes = gyre_direct_alloc(&direct, 1);

    if (bytes == NULL)
        return;
    CHECK_EQ((uintptr_t)bytes % 512, 0u);
    for (size_t i = 0; i < 512; i++)
        CHECK_EQ(bytes[i], 0);
    gyre_direct_free(bytes);
}

TEST(B19_buffers_are_aligned_and_may_be_refused)
{
    gyre_direct direct = { 4, 512 };

    CHECK_GT(for_each_failure(take_and_give), 0);
    CHECK(gyre_direct_alloc(&direct, SIZE_MAX) == NULL);
    gyre_direct_free(NULL);
}
