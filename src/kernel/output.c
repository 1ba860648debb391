/* SPDX-License-Identifier: MIT */
/*
 * output.c - write(2) until all is written
 */
#include "kernel/output.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* Until a non-blocking descriptor takes more. */
static int wait_writable(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
    int count = poll(&poll_fd, 1, OUTPUT_PATIENCE_MS);

    if (count < 0 && errno != EINTR)
        return -errno;
    return count == 0 ? -EAGAIN : 0;
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);

        if (n >= 0) {
            text += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            int err = wait_writable(fd);

            if (err < 0)
                return err;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

int output_write(int fd, const char *text, size_t size)
{
    int saved = errno;
    int result = write_all(fd, text, size);

    errno = saved;
    return result;
}
