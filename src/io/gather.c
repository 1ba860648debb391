/* SPDX-License-Identifier: MIT */
/*
 * gather.c - all of a vector, however short the single writes are
 *
 * What is left begins in the middle of a piece, and the caller's array is not
 * ours to change: a window of it is copied for each further write.
 */
#include <errno.h>
#include <gyre/file.h>
#include <gyre/socket.h>
#include <sys/uio.h>

#include "io/call.h"

#define WINDOW 16U

struct rest {
    const struct iovec *iov;
    size_t count;
    size_t skip; /* bytes of the first piece that are done */
};

static void rest_advance(struct rest *rest, size_t bytes)
{
    bytes += rest->skip;
    while (rest->count > 0 && bytes >= rest->iov->iov_len) {
        bytes -= rest->iov->iov_len;
        rest->iov++;
        rest->count--;
    }
    ASSERT(rest->count > 0 || bytes == 0);
    rest->skip = bytes;
}

static unsigned rest_window(const struct rest *rest,
                            struct iovec window[WINDOW])
{
    unsigned count = rest->count < WINDOW ? (unsigned)rest->count : WINDOW;

    for (unsigned i = 0; i < count; i++)
        window[i] = rest->iov[i];
    window[0].iov_base = (char *)window[0].iov_base + rest->skip;
    window[0].iov_len -= rest->skip;
    return count;
}

int gyre_writev_all(int fd, const struct iovec *iov, unsigned count,
                    uint64_t offset)
{
    struct rest rest = { .iov = iov, .count = count };
    struct iovec window[WINDOW];

    rest_advance(&rest, 0);
    if (rest.count == 0)
        return gyre_cancelled();
    while (rest.count > 0) {
        unsigned pieces = rest_window(&rest, window);
        ssize_t n = gyre_writev(fd, window, pieces, offset);

        if (n <= 0)
            return n == 0 ? -EIO : (int)n;
        rest_advance(&rest, (size_t)n);
        if (offset != GYRE_CURRENT_POSITION)
            offset += (uint64_t)n;
    }
    return 0;
}

int gyre_sendmsg_all(int fd, const struct msghdr *message, int flags)
{
    struct rest rest = { .iov = message->msg_iov,
                         .count = message->msg_iovlen };
    struct iovec window[WINDOW];
    ssize_t n = gyre_sendmsg(fd, message, flags);

    while (n >= 0) {
        struct msghdr part = { .msg_iov = window };

        rest_advance(&rest, (size_t)n);
        if (rest.count == 0)
            return 0;
        part.msg_iovlen = rest_window(&rest, window);
        n = gyre_sendmsg(fd, &part, flags);
    }
    return (int)n;
}
