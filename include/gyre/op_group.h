/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_group.h - requests that choose their buffers, and those with many
 * results
 *
 * A *group* of buffers has a number. A request that names one takes a buffer of
 * it when its bytes come, not when it starts, so a thousand waiting receives
 * need no memory. The completion says which: gyre_result_buffer_id(). The
 * buffer is then the program's, until it provides it again.
 *
 * A *multishot* request goes on by itself after each result: `done` is called
 * for each, and gyre_result_is_last() tells the last. It ends when it is
 * cancelled; with an error, of which -ENOBUFS says that the group is empty;
 * with the end of the stream; or with a good result that is the last, if the
 * kernel could not go on, mostly since its completion queue was full. After the
 * latter, and after -ENOBUFS when there are buffers again, start it again;
 * nothing is lost between.
 *
 * Each fills a whole op (gyre/op.h). "since" is the first Linux that executes
 * it; below it, and without io_uring, gyre emulates it. Groups are executed
 * either by the ring or by gyre, decided for each loop: a ring older than 6.0
 * leaves them to gyre.
 */
#ifndef GYRE_OP_GROUP_H
#define GYRE_OP_GROUP_H

#include <gyre/op.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- groups -------------------------------------------------------------- */

/*
 * Give `count` (1 .. 65536) buffers of `size` bytes, which lie one behind the
 * other at `memory`, to a group, which is made if there is none. They are
 * numbered from `first_id`, up to 65535. The memory is held until the buffers
 * were taken and their request has ended, or they were removed. Result: 0; or
 * -E2BIG, -EINVAL (numbers; or the group is a ring of buffers), -ENOMEM. A
 * group of this kind costs Linux an allocation for each buffer. since 5.7
 */
GYRE_API void gyre_op_provide_buffers(gyre_op *op, void *memory, uint32_t size,
                                      unsigned count, uint16_t group,
                                      uint16_t first_id);

/* Take back up to `count` buffers that no request has taken. Result: how many;
 * or -ENOENT: there is no such group. since 5.7 */
GYRE_API void gyre_op_remove_buffers(gyre_op *op, unsigned count,
                                     uint16_t group);

/*
 * Let a filled recv, recvmsg, read, send, or a readv of one part take a buffer
 * of the group in place of its own, which is not looked at; its size, if not 0,
 * limits what is moved. Result: as before, or -ENOBUFS: the group is empty (or,
 * -ENOENT from a send: not there). A send takes its buffer when it is first
 * tried, a receive when it has bytes. since 5.7, send 6.10
 */
GYRE_API void gyre_op_use_group(gyre_op *op, uint16_t group);

/*
 * Let a recv, once or multishot, or a send that uses a group take several
 * buffers at a time. The id is that of the first; the others follow it in the
 * order in which they were provided, each full but the last. A send may have
 * several results. Where it is not known, a receive takes one buffer at a time.
 * since 6.10, a recv once 6.15
 */
GYRE_API void gyre_op_use_bundle(gyre_op *op);

/* ---- many results -------------------------------------------------------- */

/* Each connection is a result: its descriptor, as by gyre_op_accept(). One that
 * comes after a cancel was asked for is delivered before the last completion.
 * since 5.19 */
GYRE_API void gyre_op_accept_multishot(gyre_op *op, int fd, int flags);

/* Each result: bytes in one buffer of the group. The last has 0: the end of the
 * stream, or an empty datagram. No MSG_WAITALL (-EINVAL). since 6.0 */
GYRE_API void gyre_op_recv_multishot(gyre_op *op, int fd, uint16_t group,
                                     int flags);

/*
 * Limits for a filled gyre_op_recv_multishot(): `each` result to so many bytes,
 * and the sum of all to `total`, after which the op has ended; the result that
 * passes it is delivered whole. 0: no limit. since 6.17: -EINVAL on a ring that
 * is older, so it is for programs that know where they run
 */
GYRE_API void gyre_op_recv_limits(gyre_op *op, uint32_t each, uint32_t total);

/*
 * Each result is the length of a message in one buffer of the group, which
 * gyre_message_parse() takes apart. Of the header only msg_namelen and
 * msg_controllen are read: the room for the address and for control data in
 * each buffer; it is held until submission, and msg_iovlen must be 0. -EFAULT:
 * a buffer is too small for these. Ends with a message of no bytes. since 6.0
 */
GYRE_API void gyre_op_recvmsg_multishot(gyre_op *op, int fd,
                                        const struct msghdr *header,
                                        uint16_t group, int flags);

/*
 * Each result: bytes read from a pipe, a terminal, a socket, an eventfd ...
 * into one buffer of the group. The last has 0: the end. -EBADFD: it is a file,
 * which is always ready. since 6.7; from 6.12 by one request, before by a read
 * for each result, which does not notice that it is a file, may take a buffer
 * for the end, and holds one while it waits if the group was provided by
 * gyre_op_provide_buffers()
 */
GYRE_API void gyre_op_read_multishot(gyre_op *op, int fd, uint16_t group);

/* ---- a message in a buffer ----------------------------------------------- */

typedef struct gyre_message {
    const void *name; /* the sender's address, aligned as the buffer is */
    socklen_t name_size;
    socklen_t name_full; /* more than name_size: it was cut */
    void *control;       /* for CMSG_NXTHDR(), by a msghdr of your own */
    size_t control_size;
    void *data;
    size_t size;
    size_t full; /* with MSG_TRUNC asked for, more than `size`: it was cut */
    int flags;   /* MSG_TRUNC, MSG_CTRUNC, ... */
} gyre_message;

/*
 * Take apart what a gyre_op_recvmsg_multishot() with this header has put into
 * `buffer`, of which `size` bytes, its result, are filled. 0, or -EINVAL: it
 * cannot be. The parts lie in the buffer. Any thread.
 */
GYRE_API int gyre_message_parse(gyre_message *message, void *buffer,
                                size_t size,
                                const struct msghdr *header) GYRE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
