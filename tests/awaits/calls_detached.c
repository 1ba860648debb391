/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/detached.h: the call returns, and its request may go on. So
 * the loop is run until that has ended, too, before the census.
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/detached.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"

#define DETACHED(call, up, wait_fn, help_fn, ...)                              \
    SCENARIO(call) = { .wait = (wait_fn),                                      \
                       .help = (help_fn),                                      \
                       .set_up = (up),                                         \
                       .may_leave = true,                                      \
                       __VA_ARGS__ }

static void pipe_up(struct scene *scene)
{
    CHECK_OK(pipe2(scene->fds, O_CLOEXEC));
}

static void send_byte(struct scene *scene)
{
    linger(scene);
    CHECK_EQ(write(scene->fds[1], "x", 1), 1);
}

/* In the second way it is a file. */
static void fifo_up(struct scene *scene)
{
    if (scene->way == 1) {
        snprintf(scene->path, sizeof scene->path, "%s", file_make("any", 16));
        return;
    }
    snprintf(scene->path, sizeof scene->path, "%s/fifo", test_directory());
    CHECK_OK(mkfifo(scene->path, 0600));
}

static void fifo_down(struct scene *scene)
{
    CHECK_OK(unlink(scene->path));
}

static void open_fifo(struct scene *scene)
{
    linger(scene);
    if (scene->way == 1)
        return;
    scene->fds[1] = open(scene->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    CHECK(scene->fds[1] >= 0);
}

static int wait_open(struct scene *scene)
{
    int fd = AWAIT(scene, gyre_detached_open(scene->path, O_RDONLY, 0));

    if (fd < 0)
        return fd;
    CHECK_OK(close(fd));
    return 0;
}

DETACHED(gyre_detached_open, fifo_up, wait_open, open_fifo,
         .tear_down = fifo_down, .ways = 2);

static int wait_read(struct scene *scene)
{
    return AWAIT(scene, gyre_detached_read(scene->fds[0], scene->bytes, 8,
                                           GYRE_CURRENT_POSITION));
}

DETACHED(gyre_detached_read, pipe_up, wait_read, send_byte, .result = { 1 });

static void stuffed_up(struct scene *scene)
{
    pair_open(scene->fds);
    while (send(scene->fds[0], scene->bytes, sizeof scene->bytes,
                MSG_DONTWAIT) > 0)
        ;
    CHECK_EQ(errno, EAGAIN);
}

static void drain(struct scene *scene)
{
    char bytes[STAGE_BYTES];

    linger(scene);
    while (recv(scene->fds[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

static int wait_write(struct scene *scene)
{
    int sent =
        AWAIT(scene, gyre_detached_write(scene->fds[0], scene->bytes,
                                         STAGE_BYTES, GYRE_CURRENT_POSITION));

    return sent > 0 ? 1 : sent;
}

DETACHED(gyre_detached_write, stuffed_up, wait_write, drain, .result = { 1 });

static void file_up(struct scene *scene)
{
    snprintf(scene->path, sizeof scene->path, "%s", file_make("any", 16));
    scene->fds[0] = open(scene->path, O_RDWR | O_CLOEXEC);
    CHECK(scene->fds[0] >= 0);
}

static int wait_fsync(struct scene *scene)
{
    return AWAIT(scene, gyre_detached_fsync(scene->fds[0], false));
}

DETACHED(gyre_detached_fsync, file_up, wait_fsync, NULL);

static int wait_statx(struct scene *scene)
{
    struct statx st;
    int err =
        AWAIT(scene, gyre_detached_statx(scene->path, 0, STATX_SIZE, &st));

    if (err == 0)
        CHECK_EQ(st.stx_size, 16u);
    return err;
}

DETACHED(gyre_detached_statx, file_up, wait_statx, NULL);

/* ---- a function: disposed of exactly once, if nobody got its result ------ */

static int read_byte(void *arg)
{
    struct scene *scene = arg;
    char byte;

    return (int)read(scene->fds[0], &byte, 1);
}

static void dispose(void *arg, int result)
{
    struct scene *scene = arg;

    CHECK(result == 1 || result == -ECANCELED);
    scene->count++;
}

static void disposed(struct scene *scene)
{
    CHECK_EQ(scene->count, scene->result == 1 ? 0u : 1u);
}

static int wait_call(struct scene *scene)
{
    return AWAIT(scene, gyre_detached_call(read_byte, scene, dispose));
}

DETACHED(gyre_detached_call, pipe_up, wait_call, send_byte, .result = { 1 },
         .tear_down = disposed);
