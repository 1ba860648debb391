/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/slot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"
#include "runner/patient.h"

static struct sockaddr_in address;

/* The loop's table, with a file in slot 0. */
static void make_table(struct scene *scene)
{
    int err = gyre_slots_create(scene->loop, 4);

    CHECK(err == 0 || err == -EBUSY);
    CHECK_EQ(gyre_slots_set(scene->loop, 0, &scene->fds[0], 1), 1);
}

/* A slot that was filled after all is ours to empty. */
static int emptied(struct scene *scene, int handle)
{
    int none = GYRE_SLOT_EMPTY;

    if (handle < 0)
        return handle;
    CHECK_EQ(gyre_slots_set(scene->loop, gyre_slot_number(handle), &none, 1),
             1);
    return 0;
}

static void fifo_up(struct scene *scene)
{
    scene->fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK_GE(scene->fds[0], 0);
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
    scene->fds[1] = open(scene->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    CHECK_GE(scene->fds[1], 0);
}

static int wait_open_slot(struct scene *scene)
{
    make_table(scene);
    return emptied(scene,
                   AWAIT(scene, gyre_open_slot(AT_FDCWD, scene->path, O_RDONLY,
                                               0, GYRE_SLOT_ANY)));
}

SCENARIO(gyre_open_slot) = { .wait = wait_open_slot,
                             .help = open_fifo,
                             .set_up = fifo_up,
                             .tear_down = fifo_down };

static void listen_up(struct scene *scene)
{
    scene->fds[0] = listen_open(&address, 4);
}

static void connect_one(struct scene *scene)
{
    linger(scene);
    scene->fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_GE(scene->fds[1], 0);
    CHECK_OK(patient_connect(scene->fds[1], (struct sockaddr *)&address,
                             sizeof address));
}

static int wait_accept_slot(struct scene *scene)
{
    make_table(scene);
    return emptied(scene,
                   AWAIT(scene, gyre_accept_slot(gyre_slot_handle(0), NULL,
                                                 NULL, 0, GYRE_SLOT_ANY)));
}

SCENARIO(gyre_accept_slot) = { .wait = wait_accept_slot,
                               .help = connect_one,
                               .set_up = listen_up };

static void file_up(struct scene *scene)
{
    scene->fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK_GE(scene->fds[0], 0);
}

static int wait_socket_slot(struct scene *scene)
{
    make_table(scene);
    return emptied(scene, AWAIT(scene, gyre_socket_slot(AF_INET, SOCK_STREAM, 0,
                                                        GYRE_SLOT_ANY)));
}

SCENARIO(gyre_socket_slot) = { .wait = wait_socket_slot, .set_up = file_up };

static int wait_fill_slots(struct scene *scene)
{
    int fds[2] = { scene->fds[0], GYRE_SLOT_KEEP };

    make_table(scene);
    return AWAIT(scene, gyre_fill_slots(1, fds, 2));
}

SCENARIO(gyre_fill_slots) = { .wait = wait_fill_slots,
                              .set_up = file_up,
                              .result = { 2 } };

static int wait_slot_install(struct scene *scene)
{
    int fd;

    make_table(scene);
    fd = AWAIT(scene, gyre_slot_install(gyre_slot_handle(0)));
    if (fd < 0)
        return fd == -EOPNOTSUPP ? 0 : fd; /* before Linux 6.8 */
    CHECK_OK(close(fd));
    return 0;
}

SCENARIO(gyre_slot_install) = { .wait = wait_slot_install, .set_up = file_up };

/* Into a slot of another loop, which this thread has as well. */
static gyre_receiver receiver;

static void got_nothing(gyre_receiver *at, int32_t value)
{
    (void)at;
    (void)value;
}

static void other_loop_up(struct scene *scene)
{
    gyre_loop *other;

    file_up(scene);
    CHECK_OK(gyre_loop_create(&other, NULL));
    CHECK_OK(gyre_slots_create(other, 1));
    CHECK_OK(gyre_receiver_open(&receiver, other, got_nothing, NULL));
    scene->value = other;
}

static void other_loop_down(struct scene *scene)
{
    gyre_loop_destroy(scene->value);
}

static int wait_message_send_slot(struct scene *scene)
{
    int handle;

    make_table(scene);
    handle =
        AWAIT(scene, gyre_message_send_slot(gyre_receiver_address(&receiver),
                                            gyre_slot_handle(0), 0));
    return handle < 0 ? handle : 0;
}

SCENARIO(gyre_message_send_slot) = { .wait = wait_message_send_slot,
                                     .set_up = other_loop_up,
                                     .tear_down = other_loop_down };
