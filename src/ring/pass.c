/* SPDX-License-Identifier: MIT */
/*
 * pass.c - a file for the table of somebody's ring
 *
 * Linux passes files from table to table only. Who has no ring with a table of
 * its own makes one for the occasion, with nothing but the file in it.
 */
#include <errno.h>

#include "ring/pass.h"
#include "ring/ring.h"
#include "ring/syscalls.h"

static int submit(struct ring *ring, const struct io_uring_sqe *sqe)
{
    struct io_uring_cqe cqe;
    unsigned submitted = 0;

    *sq_next(&ring->sq) = *sqe;
    sq_publish(&ring->sq);
    while (!cq_take(&ring->cq, &cqe)) {
        int result = ring_sys_enter(ring->fd, 1 - submitted, 1,
                                    IORING_ENTER_GETEVENTS, NULL, 0);

        if (result < 0 && result != -EINTR)
            return result;
        submitted |= result == 1;
    }
    return cqe.res;
}

int ring_pass_file(int to, int fd, uint32_t index, uint64_t user_data)
{
    const struct io_uring_sqe sqe = {
        .opcode = IORING_OP_MSG_RING,
        .fd = to,
        .off = user_data,
        .addr = IORING_MSG_SEND_FD,
        .file_index = index,
    };
    struct ring ring = { .fd = -1 };
    int result = ring_open_plain(&ring, 1, 0);

    if (result == 0)
        result = ring_enable(&ring);
    if (result == 0)
        result = ring_sys_register(ring.fd, IORING_REGISTER_FILES, &fd, 1);
    if (result == 0)
        result = submit(&ring, &sqe);
    ring_close(&ring);
    return result;
}
