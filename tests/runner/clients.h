/* SPDX-License-Identifier: MIT */
/*
 * clients.h - many clients of a server that runs out of descriptors
 *
 * They are a process of their own, with descriptors of its own: each connects,
 * all say a byte, and each waits until its byte has come back.
 */
#ifndef RUNNER_CLIENTS_H
#define RUNNER_CLIENTS_H

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include "runner/patient.h"
#include "runner/test.h"

#define CLIENTS_MAX 64

/* The process, whose status is 0 if all was well. */
static inline pid_t clients_start(const struct sockaddr_in *address, int count)
{
    int fds[CLIENTS_MAX];
    pid_t child;

    CHECK_LE(count, CLIENTS_MAX);
    child = fork();
    CHECK_GE(child, 0);
    if (child != 0)
        return child;
    for (int i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0 ||
            patient_connect(fds[i], (const struct sockaddr *)address,
                            sizeof *address) < 0)
            _exit(1);
    }
    for (int i = 0; i < count; i++) {
        char byte = (char)i;

        if (write(fds[i], &byte, 1) != 1)
            _exit(2);
    }
    for (int i = 0; i < count; i++) {
        char byte;

        if (patient_read(fds[i], &byte, 1) != 1 || byte != (char)i)
            _exit(3);
    }
    _exit(0);
}

static inline void clients_end(pid_t child)
{
    int status;

    CHECK_EQ(patient_waitpid(child, &status), child);
    CHECK_EQ(status, 0);
}

/* Leave this process so many descriptors; what its limit was, to be set again.
 */
static inline struct rlimit leave_descriptors(unsigned room)
{
    struct rlimit limit, tight;
    int highest = open("/dev/null", O_RDONLY | O_CLOEXEC);

    CHECK_GE(highest, 0);
    CHECK_OK(close(highest));
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    tight = limit;
    tight.rlim_cur = (rlim_t)highest + room;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &tight));
    return limit;
}

#endif
