/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/socket.h: what makes a socket, and sends that are more than
 * one piece or no copy. The rest is in calls_io.c.
 *
 * What Linux does at once (an option, an address) waits all the same, for a
 * turn of the loop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"

/* ---- a socket and its address -------------------------------------------- */

static void socket_up(struct scene *scene)
{
    scene->fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(scene->fds[0] >= 0);
}

static void tcp_up(struct scene *scene)
{
    tcp_pair_open(scene->fds);
}

static int wait_socket(struct scene *scene)
{
    int fd = AWAIT(scene, gyre_socket(AF_INET, SOCK_STREAM, 0));

    if (fd < 0)
        return fd;
    CHECK_OK(close(fd));
    return 0;
}

SCENARIO(gyre_socket) = { .wait = wait_socket };

static int wait_bind(struct scene *scene)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    return AWAIT(scene, gyre_bind(scene->fds[0], (struct sockaddr *)&address,
                                  sizeof address));
}

SCENARIO(gyre_bind) = { .wait = wait_bind, .set_up = socket_up };

static int wait_listen(struct scene *scene)
{
    return AWAIT(scene, gyre_listen(scene->fds[0], 4));
}

SCENARIO(gyre_listen) = { .wait = wait_listen, .set_up = socket_up };

static int wait_getsockname(struct scene *scene)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    return AWAIT(scene, gyre_getsockname(scene->fds[0],
                                         (struct sockaddr *)&address, &size));
}

SCENARIO(gyre_getsockname) = { .wait = wait_getsockname, .set_up = tcp_up };

static int wait_getpeername(struct scene *scene)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    return AWAIT(scene, gyre_getpeername(scene->fds[0],
                                         (struct sockaddr *)&address, &size));
}

SCENARIO(gyre_getpeername) = { .wait = wait_getpeername, .set_up = tcp_up };

static int wait_setsockopt(struct scene *scene)
{
    int on = 1;

    return AWAIT(scene, gyre_setsockopt(scene->fds[0], SOL_SOCKET, SO_KEEPALIVE,
                                        &on, sizeof on));
}

SCENARIO(gyre_setsockopt) = { .wait = wait_setsockopt, .set_up = socket_up };

static int wait_getsockopt(struct scene *scene)
{
    int value;
    socklen_t size = sizeof value;

    return AWAIT(scene, gyre_getsockopt(scene->fds[0], SOL_SOCKET, SO_TYPE,
                                        &value, &size));
}

SCENARIO(gyre_getsockopt) = { .wait = wait_getsockopt, .set_up = socket_up };

static int wait_inq(struct scene *scene)
{
    return AWAIT(scene, gyre_inq(scene->fds[0]));
}

SCENARIO(gyre_inq) = { .wait = wait_inq, .set_up = tcp_up };

static int wait_outq(struct scene *scene)
{
    return AWAIT(scene, gyre_outq(scene->fds[0]));
}

SCENARIO(gyre_outq) = { .wait = wait_outq, .set_up = tcp_up };

/* ---- receiving ----------------------------------------------------------- */

static void send_byte(struct scene *scene)
{
    linger(scene);
    CHECK_EQ(write(scene->fds[1], "x", 1), 1);
}

static int wait_recvfrom(struct scene *scene)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;

    return AWAIT(scene, gyre_recvfrom(scene->fds[0], scene->bytes, 8, 0,
                                      (struct sockaddr *)&address, &size));
}

SCENARIO(gyre_recvfrom) = {
    .wait = wait_recvfrom, .help = send_byte, .set_up = tcp_up, .result = { 1 }
};

/* ---- sending ------------------------------------------------------------- */

/* fds[0] has no room to write until fds[1] is read. */
static void stuffed_up(struct scene *scene)
{
    int size = 4096;

    tcp_pair_open(scene->fds);
    CHECK_OK(
        setsockopt(scene->fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    while (send(scene->fds[0], scene->bytes, sizeof scene->bytes,
                MSG_DONTWAIT) > 0)
        ;
    CHECK_EQ(errno, EAGAIN);
}

static void drain_until_done(struct scene *scene)
{
    char bytes[STAGE_BYTES];

    linger(scene);
    while (!scene->done) {
        while (recv(scene->fds[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
            ;
        (void)gyre_yield();
    }
}

/* Short or not. */
static int some(ssize_t count)
{
    return count > 0 ? 1 : (int)count;
}

static int wait_sendto(struct scene *scene)
{
    return some(AWAIT(scene, gyre_sendto(scene->fds[0], scene->bytes,
                                         STAGE_BYTES, 0, NULL, 0)));
}

SCENARIO(gyre_sendto) = { .wait = wait_sendto,
                          .help = drain_until_done,
                          .set_up = stuffed_up,
                          .result = { 1 } };

static struct iovec much(void)
{
    static char bytes[4 * STAGE_BYTES];

    return (struct iovec){ bytes, sizeof bytes };
}

static int wait_sendmsg_all(struct scene *scene)
{
    struct iovec iov = much();
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

    return AWAIT(scene, gyre_sendmsg_all(scene->fds[0], &message, 0));
}

SCENARIO(gyre_sendmsg_all) = { .wait = wait_sendmsg_all,
                               .help = drain_until_done,
                               .set_up = stuffed_up,
                               .many = true };

static int wait_writev_all(struct scene *scene)
{
    struct iovec iov = much();

    return AWAIT(
        scene, gyre_writev_all(scene->fds[0], &iov, 1, GYRE_CURRENT_POSITION));
}

SCENARIO(gyre_writev_all) = { .wait = wait_writev_all,
                              .help = drain_until_done,
                              .set_up = stuffed_up,
                              .many = true };

/* ---- without copying ----------------------------------------------------- */

/* They wait for room. Nobody can end the wait for the memory after that, which
 * on loopback is short. */
static int wait_send_zc(struct scene *scene)
{
    return some(AWAIT(scene, gyre_send_zc(scene->fds[0], scene->bytes,
                                          STAGE_BYTES, 0, NULL)));
}

SCENARIO(gyre_send_zc) = { .wait = wait_send_zc,
                           .help = drain_until_done,
                           .set_up = stuffed_up,
                           .result = { 1 } };

static int wait_sendto_zc(struct scene *scene)
{
    return some(AWAIT(scene, gyre_sendto_zc(scene->fds[0], scene->bytes,
                                            STAGE_BYTES, 0, NULL, 0, NULL)));
}

SCENARIO(gyre_sendto_zc) = { .wait = wait_sendto_zc,
                             .help = drain_until_done,
                             .set_up = stuffed_up,
                             .result = { 1 } };

static int wait_sendmsg_zc(struct scene *scene)
{
    struct iovec iov = { scene->bytes, STAGE_BYTES };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

    return some(
        AWAIT(scene, gyre_sendmsg_zc(scene->fds[0], &message, 0, NULL)));
}

SCENARIO(gyre_sendmsg_zc) = { .wait = wait_sendmsg_zc,
                              .help = drain_until_done,
                              .set_up = stuffed_up,
                              .result = { 1 } };

/* ---- commands ------------------------------------------------------------ */

static int wait_command(struct scene *scene)
{
    uint64_t extra[2];

    return AWAIT(scene, gyre_command(scene->fds[0], 0, NULL, 0, extra));
}

SCENARIO(gyre_command) = { .wait = wait_command, .set_up = tcp_up };

static int wait_discard(struct scene *scene)
{
    return AWAIT(scene, gyre_discard(scene->fds[0], 0, 4096));
}

SCENARIO(gyre_discard) = { .wait = wait_discard,
                           .set_up = tcp_up,
                           .result = { -EOPNOTSUPP } };

/* ---- what is no NVMe disk ------------------------------------------------ */

static int wait_nvme(struct scene *scene)
{
    gyre_nvme_command command = { .opcode = 2 };

    return AWAIT(scene, gyre_nvme(scene->fds[0], false, &command));
}

SCENARIO(gyre_nvme) = { .wait = wait_nvme,
                        .set_up = tcp_up,
                        .result = { -ENOTTY } };

static int wait_nvme_identify(struct scene *scene)
{
    return AWAIT(scene, gyre_nvme_identify(scene->fds[0], 0, 1, scene->bytes));
}

SCENARIO(gyre_nvme_identify) = { .wait = wait_nvme_identify,
                                 .set_up = tcp_up,
                                 .result = { -ENOTTY } };

static int wait_nvme_read(struct scene *scene)
{
    return AWAIT(scene,
                 gyre_nvme_read(scene->fds[0], 1, 0, 1, scene->bytes, 512));
}

SCENARIO(gyre_nvme_read) = { .wait = wait_nvme_read,
                             .set_up = tcp_up,
                             .result = { -ENOTTY } };

static int wait_nvme_write(struct scene *scene)
{
    return AWAIT(scene,
                 gyre_nvme_write(scene->fds[0], 1, 0, 1, scene->bytes, 512));
}

SCENARIO(gyre_nvme_write) = { .wait = wait_nvme_write,
                              .set_up = tcp_up,
                              .result = { -ENOTTY } };
