/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/file.h: the room that files take, advice, and vectors with
 * flags.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"

/* fds[0] has nothing to read until something is written to fds[1]. */
static void pair_up(struct scene *scene)
{
    pair_open(scene->fds);
}

static void file_up(struct scene *scene)
{
    scene->fds[0] = open(file_make("any", 16), O_RDWR | O_CLOEXEC);
    CHECK(scene->fds[0] >= 0);
}

static void send_byte(struct scene *scene)
{
    linger(scene);
    CHECK_EQ(write(scene->fds[1], "x", 1), 1);
}

static int wait_readv2(struct scene *scene)
{
    struct iovec iov = { scene->bytes, 8 };

    return AWAIT(scene,
                 gyre_readv2(scene->fds[0], &iov, 1, GYRE_CURRENT_POSITION, 0));
}

SCENARIO(gyre_readv2) = {
    .wait = wait_readv2, .help = send_byte, .set_up = pair_up, .result = { 1 }
};

static int wait_writev2(struct scene *scene)
{
    struct iovec iov = { scene->bytes, 8 };

    return AWAIT(scene, gyre_writev2(scene->fds[0], &iov, 1, 0, RWF_DSYNC));
}

SCENARIO(gyre_writev2) = { .wait = wait_writev2,
                           .set_up = file_up,
                           .result = { 8 } };

static int wait_sync_file_range(struct scene *scene)
{
    return AWAIT(scene, gyre_sync_file_range(scene->fds[0], 0, 0,
                                             SYNC_FILE_RANGE_WRITE));
}

SCENARIO(gyre_sync_file_range) = { .wait = wait_sync_file_range,
                                   .set_up = file_up };

static int wait_fallocate(struct scene *scene)
{
    return AWAIT(scene, gyre_fallocate(scene->fds[0], 0, 0, 4096));
}

SCENARIO(gyre_fallocate) = { .wait = wait_fallocate, .set_up = file_up };

static int wait_ftruncate(struct scene *scene)
{
    return AWAIT(scene, gyre_ftruncate(scene->fds[0], 5));
}

SCENARIO(gyre_ftruncate) = { .wait = wait_ftruncate, .set_up = file_up };

static int wait_fadvise(struct scene *scene)
{
    return AWAIT(scene, gyre_fadvise(scene->fds[0], 0, 0, POSIX_FADV_WILLNEED));
}

SCENARIO(gyre_fadvise) = { .wait = wait_fadvise, .set_up = file_up };

static void memory_up(struct scene *scene)
{
    scene->value = mmap(NULL, STAGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(scene->value != MAP_FAILED);
}

static void memory_down(struct scene *scene)
{
    CHECK_OK(munmap(scene->value, STAGE_BYTES));
}

static int wait_madvise(struct scene *scene)
{
    return AWAIT(scene, gyre_madvise(scene->value, STAGE_BYTES, MADV_DONTNEED));
}

SCENARIO(gyre_madvise) = { .wait = wait_madvise,
                           .set_up = memory_up,
                           .tear_down = memory_down };

static int wait_direct_of(struct scene *scene)
{
    gyre_direct direct;

    return AWAIT(scene, gyre_direct_of(scene->fds[0], &direct));
}

SCENARIO(gyre_direct_of) = { .wait = wait_direct_of, .set_up = file_up };
