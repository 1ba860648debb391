/* SPDX-License-Identifier: MIT */
/*
 * echo_by_epoll.c - the echo server as one writes it on epoll
 *
 * Level-triggered and one receive for each event, which needs no second receive
 * to find out that there is no more. An answer goes into the socket's buffer,
 * which is larger than any request here.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo.h"

#define EVENTS 256

/* False: the connection is over. */
static bool answer(struct echo_job *job, int fd)
{
    char buffer[4096];
    const char *reply;
    unsigned size;
    ssize_t n = recv(fd, buffer, job->size, MSG_DONTWAIT);

    job->calls++;
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    job->requests++;
    job->calls++;
    size = (unsigned)n;
    reply = echo_reply(job, buffer, &size);
    return reply != NULL &&
           send(fd, reply, size, MSG_NOSIGNAL) == (ssize_t)size;
}

int serve_epoll(struct echo_job *job)
{
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    unsigned left = job->count;

    if (epoll < 0 || job->size > 4096)
        return -errno;
    for (unsigned i = 0; i < job->count; i++) {
        struct epoll_event event = { .events = EPOLLIN,
                                     .data.fd = job->fds[i] };

        if (epoll_ctl(epoll, EPOLL_CTL_ADD, job->fds[i], &event) != 0)
            return -errno;
    }
    job->calls = 0;
    while (left > 0) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        job->calls++;
        for (int i = 0; i < n; i++) {
            if (answer(job, events[i].data.fd))
                continue;
            close(events[i].data.fd);
            left--;
        }
    }
    close(epoll);
    return 0;
}
