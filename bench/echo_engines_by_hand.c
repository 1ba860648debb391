/* SPDX-License-Identifier: MIT */
/*
 * echo_engines_by_hand.c - echo servers of several threads, as one writes them
 *
 * Each thread has a socket that listens (Linux spreads connections among them)
 * and a ring of its own, or an epoll: nothing is shared. The ring's requests
 * are those of gyre's server, a receive and a send in turn.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "by_hand_uring.h"
#include "echo_engines.h"

/* ---- a ring each --------------------------------------------------------- */

#define ENTRIES 1024
#define SEND UINT64_C(1)   /* in user_data, beside the connection */
#define ACCEPT UINT64_C(2) /* there is no connection */

struct ring_server {
    struct hand_ring ring;
    unsigned size;
    int listener;
};

struct connection {
    int fd;
    char buffer[REQUEST_MAX];
};

static struct io_uring_sqe *request(struct ring_server *server, uint8_t opcode,
                                    int fd, uint64_t tag)
{
    struct io_uring_sqe *sqe;

    if (hand_room(&server->ring) == 0 && hand_enter(&server->ring, 0) < 0)
        abort();
    sqe = hand_sqe(&server->ring);
    sqe->opcode = opcode;
    sqe->fd = fd;
    sqe->user_data = tag;
    return sqe;
}

static void accept_many(struct ring_server *server)
{
    request(server, IORING_OP_ACCEPT, server->listener, ACCEPT)->ioprio =
        IORING_ACCEPT_MULTISHOT;
}

static void receive(struct ring_server *server, struct connection *c)
{
    struct io_uring_sqe *sqe =
        request(server, IORING_OP_RECV, c->fd, (uintptr_t)c);

    sqe->addr = (uintptr_t)c->buffer;
    sqe->len = server->size;
}

static void answer(struct ring_server *server, struct connection *c, int size)
{
    struct io_uring_sqe *sqe =
        request(server, IORING_OP_SEND, c->fd, (uintptr_t)c | SEND);

    sqe->addr = (uintptr_t)c->buffer;
    sqe->len = (uint32_t)size;
    sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
}

static void accepted(struct ring_server *server, const struct io_uring_cqe *cqe)
{
    struct connection *c = malloc(sizeof *c);

    if (cqe->res < 0 || c == NULL)
        abort();
    c->fd = cqe->res;
    receive(server, c);
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        accept_many(server);
}

static void take(struct ring_server *server, const struct io_uring_cqe *cqe)
{
    struct connection *c = (void *)(uintptr_t)(cqe->user_data & ~SEND);

    if (cqe->user_data == ACCEPT) {
        accepted(server, cqe);
    } else if (cqe->res <= 0) {
        close(c->fd);
        free(c);
    } else if ((cqe->user_data & SEND) != 0) {
        receive(server, c);
    } else {
        answer(server, c, cqe->res);
    }
}

static int serve_ring(const struct engines_job *job, unsigned n)
{
    struct ring_server server = { .size = job->size,
                                  .listener = job->listeners[n] };
    int err = hand_open(&server.ring, ENTRIES, 2 * ENTRIES);

    if (err < 0)
        return err;
    accept_many(&server);
    for (;;) {
        uint32_t ready;

        err = hand_enter(&server.ring, 1);
        if (err < 0)
            return err;
        ready = hand_ready(&server.ring);
        for (uint32_t i = 0; i < ready; i++)
            take(&server, hand_cqe(&server.ring, i));
        hand_seen(&server.ring, ready);
    }
}

int serve_engines_uring(const struct engines_job *job)
{
    return serve_on_threads(job, serve_ring);
}

/* ---- an epoll each ------------------------------------------------------- */

#define EVENTS 256

static int watch(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/* False: the connection is over. */
static bool echo(int fd, unsigned size)
{
    char buffer[REQUEST_MAX];
    ssize_t n = recv(fd, buffer, size, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return true;
    return n > 0 && send(fd, buffer, (size_t)n, MSG_NOSIGNAL) == n;
}

static void on_event(int epoll, int fd, int listener, unsigned size)
{
    if (fd != listener) {
        if (!echo(fd, size))
            close(fd);
        return;
    }
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0 && watch(epoll, fd) < 0)
        close(fd);
}

static int serve_epoll(const struct engines_job *job, unsigned n)
{
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int err = epoll < 0 ? -errno : watch(epoll, job->listeners[n]);

    if (err < 0)
        return err;
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < ready; i++)
            on_event(epoll, events[i].data.fd, job->listeners[n], job->size);
    }
}

int serve_engines_epoll(const struct engines_job *job)
{
    return serve_on_threads(job, serve_epoll);
}
