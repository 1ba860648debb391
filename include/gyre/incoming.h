/* SPDX-License-Identifier: MIT */
/*
 * gyre/incoming.h - what comes in, one piece after the other, with a bound
 *
 *     gyre_incoming in;
 *     gyre_slice slice;
 *     int n = gyre_incoming_recv(&in, fd, group, NULL);
 *
 *     while (n >= 0 && (n = gyre_incoming_next(&in, &slice)) > 0) {
 *         use(slice.data, slice.size);
 *         gyre_slice_release(&slice);
 *     }
 *     gyre_incoming_close(&in);
 *
 * One request receives again and again (multishot) into buffers that the kernel
 * picks from a group when there is data: a connection that is silent holds
 * none. Whoever is slow stops the request at his cap; then the rest stays with
 * the socket, whose sender waits. Nothing is lost. When no more than half of
 * the cap is left to take, it is started again.
 *
 * Life.     One of the calls that open it, next as often as you like, close:
 *           in any case before the descriptor is, and before the struct goes. A
 *           call that fails to open has opened nothing; closing is allowed.
 *
 * Memory.   The struct is the caller's, and must not move while it is open.
 *           Undelivered data lies in buffers of the group; slices are the
 *           caller's to release, also after the close.
 *
 * Threads.  One task at a time. Slices may be released by any thread.
 *
 * Cancel.   next returns -ECANCELED, or -ETIME for a deadline, when the scope
 *           is cancelled, and loses nothing: what has come stays to be taken.
 *           close works in a cancelled scope, waits for the kernel, and
 *           disposes of what was not taken: buffers go back, accepted
 *           descriptors are closed.
 */
#ifndef GYRE_INCOMING_H
#define GYRE_INCOMING_H

#include <gyre/buffers.h>
#include <gyre/intake.h>
#include <gyre/op.h>
#include <gyre/op_group.h>
#include <gyre/task.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero is the default of every member. */
typedef struct gyre_incoming_options {
    size_t size; /* sizeof(gyre_incoming_options), or 0 */
    /* Bytes not taken yet, in whole buffers, at which it stops;
     * 0: 256 KiB. Of accepted connections, their number; 0: 64. It is never
     * exceeded if the group is no larger than half of it; else by what the
     * kernel has received until it hears of it, at most all of the group. */
    size_t cap;
    int flags; /* MSG_* of the receives; SOCK_* of accepted connections */
    /* For messages: room for address and control data in each buffer. */
    uint32_t address_size;
    uint32_t control_size;
    bool stream; /* messages of a stream: an empty one is its end */
    /* Bytes by recv may come in several buffers at a time, for fewer
     * completions; not into a group that is incremental. since 6.10 */
    bool bundle;
    /* Bytes by recv come from there, not from the group, if it is a TCP
     * connection: gyre/intake.h. Of others they come from the group; without
     * one it ends with -EPROTONOSUPPORT. */
    gyre_intake *zero_copy;
} gyre_incoming_options;

/* Private. */
typedef struct gyre_incoming {
    gyre_op op_;
    gyre_loop *loop_;
    gyre_buffer_group *group_;
    gyre_intake *intake_; /* NULL: none, or not for this */
    gyre_task *waiter_;
    void *dry_[2]; /* among those who wait for buffers */
    struct msghdr message_;
    uint64_t bytes_; /* received and not taken */
    uint64_t cap_;
    int *fds_;           /* accepted and not taken, a ring */
    gyre_slice *slices_; /* of the intake, likewise */
    uint32_t fds_first_;
    uint32_t fds_count_;
    uint32_t fds_room_;
    uint32_t first_; /* of the group's buffers, 1 + number; 0: none */
    uint32_t last_;
    int32_t end_; /* if ended_: what next returns when all is taken */
    int fd_;
    int flags_;
    uint8_t kind_;
    uint8_t state_;
    bool ended_;
    bool stream_;
    bool bundle_;
    bool slots_;
    uint32_t stops_; /* how often the cap stopped it */
} gyre_incoming;

/* Bytes of a socket; since 6.0. `options` may be NULL. 0; -EINVAL. What is
 * wrong with the descriptor, next says. */
GYRE_API int gyre_incoming_recv(
    gyre_incoming *in, int fd, gyre_buffer_group *group,
    const gyre_incoming_options *options) GYRE_MUST_USE;

/* Bytes of whatever can be polled: a pipe, a terminal; since 6.7. -EINVAL also
 * for a group that is incremental. next says -EBADFD of a file. */
GYRE_API int gyre_incoming_read(
    gyre_incoming *in, int fd, gyre_buffer_group *group,
    const gyre_incoming_options *options) GYRE_MUST_USE;

/* Messages with their senders and control data; since 6.0. Each takes a buffer,
 * of which 16 bytes and the two sizes of the options go to that: -EINVAL if
 * nothing would be left, or for a group that is incremental. A message larger
 * than what is left is cut (MSG_TRUNC). */
GYRE_API int gyre_incoming_recvmsg(
    gyre_incoming *in, int fd, gyre_buffer_group *group,
    const gyre_incoming_options *options) GYRE_MUST_USE;

/* Connections; since 5.19. SOCK_CLOEXEC is added to the flags. */
GYRE_API int gyre_incoming_accept(gyre_incoming *in, int fd,
                                  const gyre_incoming_options *options)
    GYRE_MUST_USE;

/*
 * Wait for the next piece: its size, which is more than 0, and *slice, to be
 * released. 0: the end, and each later call says so again. -ECANCELED, -ETIME;
 * other errors are the receive's own, and final.
 */
GYRE_API int gyre_incoming_next(gyre_incoming *in,
                                gyre_slice *slice) GYRE_WAITS GYRE_MUST_USE;

/* Likewise for messages: 1, *message, whose parts lie in *slice, and *slice, to
 * be released. 0: the end (of a stream). */
GYRE_API int gyre_incoming_next_message(
    gyre_incoming *in, gyre_message *message,
    gyre_slice *slice) GYRE_WAITS GYRE_MUST_USE;

/* Likewise for connections: a descriptor, the caller's to close. Errors but
 * -ECANCELED and -ETIME are accept's own; the next call tries again. */
GYRE_API int gyre_incoming_next_fd(gyre_incoming *in) GYRE_WAITS GYRE_MUST_USE;

/* Do bytes come from options.zero_copy? Known with the first piece or the end.
 */
GYRE_API bool gyre_incoming_is_zero_copy(const gyre_incoming *in);

/* Stop it, wait until the kernel has, dispose of what was not taken. Closing
 * again does nothing. */
GYRE_API void gyre_incoming_close(gyre_incoming *in) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
