/* SPDX-License-Identifier: MIT */
/*
 * gyre/op.h - one request to the kernel, and who asked
 *
 *     static void got(gyre_op *op, gyre_result r) { ... gyre_op_restart(op); }
 *
 *     gyre_op op;
 *     gyre_op_recv(&op, fd, buf, sizeof buf, 0);
 *     gyre_op_start(loop, &op, got, connection);
 *
 *             start            the turn submits it         last completion
 *     IDLE ----------> QUEUED ---------------------> IN FLIGHT ---------> IDLE
 *                        \------------- cancel, -ECANCELED --------------/
 *
 * Life.     The first word fills an op: gyre_op_recv() and its kin, for any
 *           memory, or gyre_op_raw() and your own SQE.
 *           Each start is answered by calls of `done`, the last of which says
 *           so (gyre_result_is_last()); the op is idle when that call is made,
 *           so the callback may free, refill or restart it. Starting cannot
 *           fail for want of room: what does not fit waits in order of start.
 *
 * Memory.   The caller owns the op. From start to last completion do not
 *           free, move, copy or refill it. Nothing is allocated for an op.
 *           Buffers are held until the last completion, cancelled or not.
 *           Small arguments (timespec, msghdr, iovec, address, path) are held
 *           until submission, that is until gyre_op_state() says in flight; the
 *           larger types at the end of this page copy them.
 *
 * Threads.  Only the thread that runs the loop may start, cancel or query its
 *           ops. gyre_op_start_remote() hands one over from any other.
 *
 * Cancel.   gyre_op_cancel() asks; the answer is still the op's own last
 *           completion: -ECANCELED, or its result if it was quicker.
 *
 * Errors.   An op's errors come as r.res, negative, never from start. -EINTR
 *           is retried inside. An opcode that neither this Linux nor the
 *           emulator executes ends with -EOPNOTSUPP. Nor does an op follow
 *           another because its request says so: one with IOSQE_IO_LINK or
 *           IO_HARDLINK ends with -EINVAL, for links are made of ops that are
 *           started together (gyre_chain_start()).
 */
#ifndef GYRE_OP_H
#define GYRE_OP_H

#include <gyre/timer.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct io_uring_sqe; /* any linux/io_uring.h or liburing.h, before or after */

/* Called on the loop's thread, never from inside start or cancel. */
typedef void gyre_op_fn(gyre_op *op, gyre_result result);

typedef uint64_t __attribute__((may_alias)) gyre_sqe_word;

/* 128 bytes, aligned to 16. Private but for `user`. */
struct gyre_op {
    gyre_sqe_word sqe_[8]; /* the request as the kernel reads it */
    void *user;            /* the caller's; never read by gyre */
    gyre_op_fn *done_;
    gyre_loop *loop_;
    gyre_op *next_; /* on the backlog, or in flight on the same fd */
    gyre_op *prev_;
    gyre_deadline *deadline_;
    int32_t result_; /* when it was started; then the result of an op that
                        ended without the kernel */
    uint32_t slot_;  /* which list of ops in flight */
    uint16_t generation_;
    uint8_t state_;
    uint8_t flags_;
    uint32_t position_; /* in the submission queue */
} __attribute__((aligned(16)));

/* An op whose request is of 128 bytes: gyre/op_command.h. Start, cancel and
 * receive it by its member `op`. */
typedef struct gyre_op128 {
    gyre_op op;
    gyre_sqe_word more_[8]; /* what follows the first 64 */
} gyre_op128;

typedef enum gyre_op_status {
    GYRE_OP_IDLE = 0,
    GYRE_OP_QUEUED = 1,    /* started, the kernel has not seen it */
    GYRE_OP_IN_FLIGHT = 2, /* the kernel has it */
} gyre_op_status;

/* ---- start, cancel, look ------------------------------------------------ */

/*
 * Start an idle, filled op on `loop`. `done` is called for each completion;
 * op->user is set to `user`. Panics if the op is not idle, or on a thread that
 * does not own the loop. Works before the loop has run for the first time.
 */
GYRE_API void gyre_op_start(gyre_loop *loop, gyre_op *op, gyre_op_fn *done,
                            void *user);

/*
 * Start it if the backlog has room (gyre_loop_options.backlog_max): 0, or
 * -EAGAIN, and the op stays idle: the loop has more to do than it was given
 * room for, so take no more in until something has ended.
 */
GYRE_API int gyre_op_try_start(gyre_loop *loop, gyre_op *op, gyre_op_fn *done,
                               void *user) GYRE_MUST_USE;

/* Start an idle op again: same request, loop, callback and user. */
GYRE_API void gyre_op_restart(gyre_op *op);

/*
 * From any thread: hand the op to the loop, which starts it at its next turn
 * and is woken for it (reason GYRE_WAKE_IO). The op belongs to the loop from
 * this call on; `done` is called on the loop's thread.
 */
GYRE_API void gyre_op_start_remote(gyre_loop *loop, gyre_op *op,
                                   gyre_op_fn *done, void *user);

/*
 * Ask a started op to end. 0: asked, or (still queued) it will end with
 * -ECANCELED without reaching the kernel. -ENOENT: the op is idle. -EALREADY:
 * asked before. Allocates nothing, cannot be lost, also with a full queue. The
 * kernel's own answer is had by a cancel op (gyre/op_cancel.h).
 */
GYRE_API int gyre_op_cancel(gyre_op *op);

GYRE_API gyre_op_status gyre_op_state(const gyre_op *op);

/* The request itself, 64 bytes, to read or to change while the op is idle; for
 * instance with liburing's io_uring_prep_*(). user_data is gyre's. */
static inline struct io_uring_sqe *gyre_op_sqe(gyre_op *op)
{
    return (struct io_uring_sqe *)(void *)op->sqe_;
}

/*
 * Execute a filled, idle op at once if that cannot block, without the loop's
 * turn: the result, or -EAGAIN (then start it). For reads, writes, sends,
 * receives and sendfile; others always give -EAGAIN.
 */
GYRE_API int gyre_op_try(gyre_loop *loop, gyre_op *op);

/* Did a read or receive of more than 0 bytes find the end of the stream? Never
 * true for recvmsg, where 0 is an empty datagram or the end, as the socket's
 * type says. */
GYRE_API bool gyre_op_is_eof(const gyre_op *op, gyre_result result);

/*
 * What a completion of 32 bytes brought beside its result, in `done`, before
 * the op is started again: true. False, and zeros: it was none. There are such
 * on loops with gyre_ring_options.big_cqes or mixed_cqes alone, and what the
 * words mean is the matter of the request (gyre/op_command.h). Tasks have
 * gyre_await_extra().
 */
GYRE_API bool gyre_op_extra(const gyre_op *op, uint64_t extra[2]);

/* The memory that the op was filled with: its buffer, of vectors the iovec, of
 * messages the msghdr, of names the path; NULL if it has none. So a callback
 * needs no other record of it. */
GYRE_API void *gyre_op_buffer(const gyre_op *op);

/* "RECV", "OPENAT": the name of an op's request; "?" for an unknown opcode. */
GYRE_API const char *gyre_op_name(const gyre_op *op);

/* ---- a deadline for one op --------------------------------------------- */

/* Embedded by the caller beside the op; private. */
struct gyre_deadline {
    gyre_timer timer_;
    gyre_op *op_;
    bool fired_;
};

/*
 * Cancel a started op when the monotonic clock passes `deadline_ns`; its last
 * completion is then -ETIME instead of -ECANCELED. The deadline is disarmed by
 * itself when the op ends, and must live until then. One for each op and start.
 */
GYRE_API void gyre_op_set_deadline(gyre_op *op, gyre_deadline *deadline,
                                   uint64_t deadline_ns);

/* ---- filling an op ------------------------------------------------------
 *
 * Each sets the whole op. "since" is the first Linux that executes the opcode;
 * below it, and without io_uring, gyre emulates it. Files, sockets, readiness:
 * gyre/op_file.h, op_socket.h, op_poll.h.
 */

/* Fill with zeros and an opcode; the rest by gyre_op_sqe(). */
GYRE_API void gyre_op_raw(gyre_op *op, uint8_t opcode);

/* Does nothing; result 0. since 5.1 */
GYRE_API void gyre_op_nop(gyre_op *op);

/* Run `function(arg)` on a thread of the bounded pool; the result is what it
 * returns. A cancel reaches it only before a thread has taken it. */
GYRE_API void gyre_op_call(gyre_op *op, int (*function)(void *), void *arg);

#ifdef __cplusplus
}
#endif

#endif
