/* SPDX-License-Identifier: MIT */
/*
 * patient.h - a test's own system calls, which no signal ends
 *
 * For tests that run in a storm of signals (GYRE_TEST_SIGNALS): what the
 * library calls is to be interrupted, what the test calls beside it is not.
 */
#ifndef RUNNER_PATIENT_H
#define RUNNER_PATIENT_H

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static inline int patient_poll(struct pollfd *entries, nfds_t count,
                               int timeout_ms)
{
    int n;

    do {
        n = poll(entries, count, timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* One that was interrupted goes on by itself. */
static inline int patient_connect(int fd, const struct sockaddr *address,
                                  socklen_t size)
{
    struct pollfd entry = { .fd = fd, .events = POLLOUT };
    int error = connect(fd, address, size) == 0 ? 0 : errno;
    socklen_t error_size = sizeof error;

    if (error == EINTR &&
        (patient_poll(&entry, 1, -1) < 0 ||
         getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0))
        return -1;
    errno = error;
    return error == 0 ? 0 : -1;
}

static inline ssize_t patient_read(int fd, void *buffer, size_t size)
{
    ssize_t n;

    do {
        n = read(fd, buffer, size);
    } while (n < 0 && errno == EINTR);
    return n;
}

static inline pid_t patient_waitpid(pid_t child, int *status)
{
    pid_t ended;

    do {
        ended = waitpid(child, status, 0);
    } while (ended < 0 && errno == EINTR);
    return ended;
}

#endif
