/* SPDX-License-Identifier: MIT */
/*
 * finish.c - from a CQE to the op that waits for it
 *
 * A CQE is copied and its place given back before the callback runs, since a
 * callback may take long, and may start, cancel and free what it likes. The
 * last CQE makes its op idle first; after `done` is called nothing here touches
 * the op again (I3).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "loop/fixed.h"
#include "loop/optable.h"
#include "loop/slot.h"
#include "loop/table.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#if defined(NVALGRIND) || !defined(RUNNING_ON_VALGRIND)
/* It is not here, or does not know this processor. */
#undef VALGRIND_MAKE_MEM_DEFINED
#undef RUNNING_ON_VALGRIND
#define VALGRIND_MAKE_MEM_DEFINED(address, size) not_memcheck((address), (size))
#define RUNNING_ON_VALGRIND 0

static inline int not_memcheck(const void *at, size_t size)
{
    (void)at, (void)size;
    return 0;
}
#endif

/* Linux's own codes for "interrupted, do it again" (ERESTARTSYS and its kin),
 * which have been seen in CQEs of interrupted workers. Others of these codes
 * (ENOTSUPP, 524) are errors. */
#define RESTART_FIRST 512
#define RESTART_LAST 514
#define RESTART_BLOCK 516

#define STATX_BYTES 256U /* struct statx, for ever */

bool loop_on_memcheck(void)
{
    char known = 0;

    /* No other tool of valgrind's answers. */
    return RUNNING_ON_VALGRIND != 0 &&
           VALGRIND_MAKE_MEM_DEFINED(&known, sizeof known) != 0;
}

static void mark_vector(const struct iovec *iov, size_t count, size_t bytes)
{
    for (size_t i = 0; i < count && bytes > 0; i++) {
        size_t part = iov[i].iov_len < bytes ? iov[i].iov_len : bytes;

        VALGRIND_MAKE_MEM_DEFINED(iov[i].iov_base, part);
        bytes -= part;
    }
}

/* The iovecs of a read are held until submission only, so all that they lead to
 * is marked before it, also what the kernel will not fill. */
void mark_vectors(const struct op_list *queued)
{
    for (const gyre_op *op = queued->first; op != NULL; op = op->next_) {
        const struct io_uring_sqe *sqe = gyre_op_sqe((gyre_op *)(uintptr_t)op);

        if (op_table[sqe->opcode].output == OP_OUTPUT_VECTOR &&
            (sqe->flags & IOSQE_BUFFER_SELECT) == 0)
            mark_vector((const struct iovec *)(uintptr_t)sqe->addr, sqe->len,
                        SIZE_MAX);
    }
}

static void mark_address(void *at, const socklen_t *size)
{
    if (size == NULL)
        return;
    VALGRIND_MAKE_MEM_DEFINED(size, sizeof *size);
    VALGRIND_MAKE_MEM_DEFINED(at, *size);
}

static void mark_command(const struct io_uring_sqe *sqe, int32_t res)
{
    if (sqe->cmd_op == SOCKET_URING_OP_GETSOCKOPT)
        VALGRIND_MAKE_MEM_DEFINED((void *)(uintptr_t)sqe->optval, (size_t)res);
    else if (sqe->cmd_op == SOCKET_URING_OP_GETSOCKNAME)
        mark_address((void *)(uintptr_t)sqe->addr,
                     (const socklen_t *)(uintptr_t)sqe->addr3);
}

/* memcheck does not see what the kernel writes between two system calls. Where
 * a buffer of a group lies is known to who provided it. */
static void mark_written(const gyre_op *op, int32_t res)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe((gyre_op *)(uintptr_t)op);
    void *at = (void *)(uintptr_t)sqe->addr;
    struct msghdr *message = at;

    if (res < 0 || (sqe->flags & IOSQE_BUFFER_SELECT) != 0)
        return;
    switch ((enum op_output)op_table[sqe->opcode].output) {
    case OP_OUTPUT_NONE:
    case OP_OUTPUT_VECTOR: /* done by mark_vectors() */
        break;
    case OP_OUTPUT_BYTES:
        VALGRIND_MAKE_MEM_DEFINED(at, (size_t)res);
        break;
    case OP_OUTPUT_PAIR:
        VALGRIND_MAKE_MEM_DEFINED(at, 2 * sizeof(int));
        break;
    case OP_OUTPUT_VALUE: /* len 0 asks for the size alone */
        VALGRIND_MAKE_MEM_DEFINED((void *)(uintptr_t)sqe->addr2,
                                  (uint32_t)res < sqe->len ? (uint32_t)res
                                                           : sqe->len);
        break;
    case OP_OUTPUT_MESSAGE:
        VALGRIND_MAKE_MEM_DEFINED(message, sizeof *message);
        VALGRIND_MAKE_MEM_DEFINED(message->msg_name, message->msg_namelen);
        VALGRIND_MAKE_MEM_DEFINED(message->msg_control,
                                  message->msg_controllen);
        mark_vector(message->msg_iov, message->msg_iovlen, (size_t)res);
        break;
    case OP_OUTPUT_STATX:
        VALGRIND_MAKE_MEM_DEFINED((void *)(uintptr_t)sqe->off, STATX_BYTES);
        break;
    case OP_OUTPUT_ADDRESS:
        mark_address(at, (const socklen_t *)(uintptr_t)sqe->addr2);
        break;
    case OP_OUTPUT_COMMAND:
        mark_command(sqe, res);
        break;
    case OP_OUTPUT_EVENTS:
        VALGRIND_MAKE_MEM_DEFINED(at, (size_t)res * sizeof(struct epoll_event));
        break;
    case OP_OUTPUT_SIGINFO:
        if (sqe->addr2 != 0)
            VALGRIND_MAKE_MEM_DEFINED((void *)(uintptr_t)sqe->addr2,
                                      sizeof(siginfo_t));
        break;
    }
}

static bool op_is_retried(const gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe((gyre_op *)(uintptr_t)op);

    return op_table[sqe->opcode].retry;
}

/* What the caller is told. Linux stops a worker by a signal, so the end of a
 * cancelled op may call itself an interruption. */
static int32_t result_of(const gyre_op *op, int32_t res)
{
    bool internal;

    if (LIKELY(res >= 0))
        return res;
    internal = (res <= -RESTART_FIRST && res >= -RESTART_LAST) ||
               res == -RESTART_BLOCK;
    /* An error; or not Linux's answer but that of somebody's function. */
    if ((!internal && res != -EINTR) ||
        gyre_op_sqe((gyre_op *)(uintptr_t)op)->opcode == KERNEL_OP_CALL)
        return res;
    if ((op->flags_ & OP_CANCEL_ASKED) != 0 && (internal || op_is_retried(op)))
        return -ECANCELED;
    return -EINTR;
}

static bool op_wants_retry(const gyre_op *op, int32_t res)
{
    return UNLIKELY(res == -EINTR) && op_is_retried(op) &&
           (op->flags_ & OP_CANCEL_ASKED) == 0;
}

/*
 * Did the ring give up on an op that nobody asked it to? Linux does when it
 * cannot make a worker: a signal came meanwhile, or RLIMIT_NPROC is reached.
 * The co-processor, if there is one, then does it; but not what chooses from
 * the ring's groups, which only the ring knows.
 */
static bool op_was_dropped(const gyre_loop *loop, const gyre_op *op,
                           int32_t res)
{
    return UNLIKELY(res == -ECANCELED) && op_is_retried(op) &&
           (op->flags_ & (OP_CANCEL_ASKED | OP_SIDE | OP_RESCUED)) == 0 &&
           (gyre_op_sqe((gyre_op *)(uintptr_t)op)->flags &
            IOSQE_BUFFER_SELECT) == 0 &&
           !loop->others_cancel &&
           loop->kernel->route[KERNEL_OP_CALL] == KERNEL_ROUTE_SIDE;
}

/* An op is about to be called back: what other ops, or the op itself, have made
 * of its completion. */
static int32_t op_reveal(gyre_loop *loop, gyre_op *op, int32_t res, bool last)
{
    if (loop->counted != NULL)
        count_event(loop, op);
    if (!last || !op_hides(op))
        return res;
    loop->disguised--;
    if (gyre_op_sqe(op)->opcode == IORING_OP_TIMEOUT)
        return count_finish(loop, op, res);
    if (gyre_op_sqe(op)->opcode == IORING_OP_TIMEOUT_REMOVE)
        reclock_finish(loop, op, res);
    else
        match_finish(op);
    return res;
}

/* The loop is traced. */
static __attribute__((noinline)) void op_finish_told(gyre_loop *loop,
                                                     gyre_op *op,
                                                     gyre_result result)
{
    uint64_t name = op_user_data(op);

    loop_tell(loop, STEP_ENDED, op, result.res, result.flags);
    op->done_(op, result);
    loop_tell(loop, STEP_RETURNED, NULL, 0, name);
}

/* The last completion: books first, callback last. */
static inline void op_finish(gyre_loop *loop, gyre_op *op, int32_t res,
                             uint32_t flags)
{
    gyre_result result;

    slot_leave(loop, op);
    op->state_ = OP_IDLE; /* I1 */
    live_remove(loop, op);
    if (UNLIKELY(loop->disguised > 0))
        res = op_reveal(loop, op, res, true);
    if (UNLIKELY(op->deadline_ != NULL))
        res = deadline_finish(op, res);
    loop->called++;
    result = (gyre_result){ res, flags };
    if (UNLIKELY(loop->tell != NULL)) {
        op_finish_told(loop, op, result);
        return;
    }
    op->done_(op, result); /* I3: the op may be gone */
}

/* A completion with more to come. */
static void op_continue(gyre_loop *loop, gyre_op *op, int32_t res,
                        uint32_t flags)
{
    /* The notification that follows is not what a close has to wait for: it may
     * be the close that makes it come. */
    if (op_table[gyre_op_sqe(op)->opcode].notifies)
        loop_disown(loop, op);
    if (UNLIKELY(op->deadline_ != NULL))
        res = deadline_result(op, res);
    loop_tell(loop, STEP_MORE, op, res, flags);
    loop->called++;
    op->done_(op, (gyre_result){ res, flags });
}

void loop_finish_flying(gyre_loop *loop, gyre_op *op, int32_t res,
                        uint32_t flags)
{
    if ((op->flags_ & OP_ON_CANCELS) != 0)
        op_head_remove(&loop->cancels, op);
    else
        op_head_remove(&loop->slots[op->slot_].flying, op);
    counter_sub(&loop->in_flight, 1);
    op_finish(loop, op, res, flags);
}

static void op_requeue(gyre_loop *loop, gyre_op *op)
{
    op->flags_ &= (uint8_t)~OP_SIDE;
    op->state_ = OP_QUEUED;
    counter_add(&loop->queued, 1);
}

/* It was started before all on the backlog, of which one may drain (I2). */
static void op_retry(gyre_loop *loop, gyre_op *op)
{
    counter_add(&loop->retried, 1);
    op_requeue(loop, op);
    op_list_prepend(&loop->backlog, op);
    loop_tell(loop, STEP_AGAIN, op, 0, 0);
}

/* A result of a request that the kernel has not got with many results: tell it
 * as one of several, and make it again first, so that a cancel by the callback
 * finds it. */
static bool op_repeats(const gyre_op *op, int32_t res)
{
    return UNLIKELY((op->flags_ & OP_REPEATS) != 0) && res >= 0 &&
           (op->flags_ & OP_CANCEL_ASKED) == 0 &&
           gyre_op_sqe((gyre_op *)(uintptr_t)op)->opcode !=
               IORING_OP_MSG_RING &&
           !gyre_op_is_eof(op, (gyre_result){ .res = res });
}

static void op_repeat(gyre_loop *loop, gyre_op *op, int32_t res, uint32_t flags)
{
    op_requeue(loop, op);
    op_list_append(&loop->backlog, op); /* others have their turn, too */
    if (UNLIKELY(loop->counted != NULL))
        count_event(loop, op);
    loop_tell(loop, STEP_MORE, op, res, flags | IORING_CQE_F_MORE);
    loop->called++;
    op->done_(op, (gyre_result){ res, flags | IORING_CQE_F_MORE });
}

/* The last completion that may not be the last, or not of one op alone. */
static __attribute__((noinline)) void op_land_seldom(gyre_loop *loop,
                                                     gyre_op *op, int32_t res,
                                                     uint32_t flags)
{
    if ((op->flags_ & OP_CHAINED) != 0) {
        chain_complete(loop, op, res, flags);
        return;
    }
    if ((op->flags_ & OP_ON_CANCELS) != 0)
        op_head_remove(&loop->cancels, op);
    else
        op_head_remove(&loop->slots[op->slot_].flying, op);
    counter_sub(&loop->in_flight, 1);
    if (UNLIKELY(op_was_dropped(loop, op, res))) {
        op->flags_ |= OP_RESCUED;
        op_retry(loop, op);
    } else if (op_wants_retry(op, res) || (UNLIKELY(loop->disguised > 0) &&
                                           reclock_goes_on(loop, op, res))) {
        op_retry(loop, op);
    } else if (op_repeats(op, res)) {
        op_repeat(loop, op, res, flags);
    } else {
        if (UNLIKELY((op->flags_ & OP_REPEATS) != 0))
            res = message_pass(op, res);
        op_finish(loop, op, res, flags);
    }
}

static inline void op_complete(gyre_loop *loop, const struct io_uring_cqe *cqe)
{
    const uint8_t seldom = OP_ON_CANCELS | OP_CHAINED | OP_REPEATS;
    gyre_op *op = (gyre_op *)(uintptr_t)(cqe->user_data & OP_ADDRESS_MASK);
    int32_t res;

    live_check(loop, op);
    /* I3 and I11: the op is still what was started, and this start of it. */
    ASSERT_API(op->state_ == OP_FLYING && op_user_data(op) == cqe->user_data,
               "a completion came for an op that is not in flight: it was "
               "freed, moved or refilled before its last completion");
    res = result_of(op, cqe->res);
    if (UNLIKELY(loop->on_memcheck))
        mark_written(op, res);
    if (UNLIKELY(loop->table != NULL))
        table_note(loop, op, res);
    if ((cqe->flags & IORING_CQE_F_MORE) != 0) {
        if (UNLIKELY(loop->disguised > 0))
            (void)op_reveal(loop, op, res, false);
        op_continue(loop, op, res, cqe->flags);
        return;
    }
    if (UNLIKELY((op->flags_ & seldom) != 0 || res < 0 ||
                 loop->disguised > 0)) {
        op_land_seldom(loop, op, res, cqe->flags);
        return;
    }
    op_head_remove(&loop->slots[op->slot_].flying, op);
    counter_sub(&loop->in_flight, 1);
    op_finish(loop, op, res, cqe->flags);
}

static void loop_take_gone(gyre_loop *loop, const struct io_uring_cqe *cqe)
{
    struct gone_tag *tag =
        (struct gone_tag *)(uintptr_t)(cqe->user_data & ~KERNEL_TAG_MASK);

    loop->called++;
    tag->gone(tag);
}

/* Whatever is no op's. */
static __attribute__((noinline)) bool loop_take_other(
    gyre_loop *loop, const struct io_uring_cqe *cqe)
{
    switch (cqe->user_data & KERNEL_TAG_MASK) {
    case KERNEL_TAG_CANCEL:
        /* The target tells by its own last CQE what came of it. */
        if (UNLIKELY(cqe->user_data != KERNEL_TAG_CANCEL))
            chain_cancel_answered(loop, cqe->user_data);
        return true;
    case KERNEL_TAG_INTERNAL:
        loop->kernel->class->internal(loop->kernel, cqe);
        return false;
    case KERNEL_TAG_MESSAGE:
    case KERNEL_TAG_FILE:
        message_arrived(loop, cqe);
        return false;
    case KERNEL_TAG_GONE:
        loop_take_gone(loop, cqe);
        return false;
    default:
        panic("a completion with unknown user_data %#llx: the ring is used by "
              "somebody else",
              (unsigned long long)cqe->user_data);
    }
}

/* Does the CQE answer a request of the loop? The kernel's own do not count. */
static inline bool loop_take_cqe(gyre_loop *loop,
                                 const struct io_uring_cqe *cqe)
{
    if (UNLIKELY((cqe->user_data & KERNEL_TAG_MASK) != KERNEL_TAG_OP))
        return loop_take_other(loop, cqe);
    op_complete(loop, cqe);
    return true;
}

static unsigned loop_dispatch_ended(gyre_loop *loop, unsigned limit)
{
    unsigned taken = 0;
    gyre_op *op;

    while (taken < limit && (op = loop->ended.first) != NULL) {
        ASSERT(op->state_ == OP_ENDED);
        op_list_remove(&loop->ended, op);
        counter_sub(&loop->queued, 1);
        taken++;
        if (UNLIKELY((op->flags_ & OP_CHAINED) != 0))
            chain_leave(op);
        op_finish(loop, op, op->result_, 0);
    }
    return taken;
}

static inline __attribute__((always_inline)) unsigned loop_dispatch_cq(
    gyre_loop *loop, struct cq *cq, unsigned limit)
{
    struct io_uring_cqe cqe;
    unsigned taken = 0;
    unsigned answers = 0;

    while (taken < limit && cq_take(cq, &cqe)) {
        taken++;
        answers += loop_take_cqe(loop, &cqe);
    }
    if (answers > 0) {
        counter_add(&loop->completions, answers);
        loop->completions_untaken += answers;
    }
    return taken;
}

/* The same again for queues that few loops have. */
static __attribute__((noinline)) unsigned loop_dispatch_more(gyre_loop *loop,
                                                             struct cq *cq,
                                                             unsigned limit)
{
    return loop_dispatch_cq(loop, cq, limit);
}

unsigned loop_dispatch(gyre_loop *loop, unsigned limit)
{
    struct kernel *kernel = loop->kernel;
    unsigned ended = 0;
    unsigned taken;

    if (UNLIKELY(loop->ended.first != NULL))
        ended = loop_dispatch_ended(loop, limit);
    taken = loop_dispatch_cq(loop, &kernel->cq, limit);
    if (UNLIKELY(kernel->side_cq != NULL))
        taken += loop_dispatch_more(loop, kernel->side_cq, limit);
    if (UNLIKELY(kernel->polled_cq != NULL))
        taken += loop_dispatch_more(loop, kernel->polled_cq, limit);
    if (UNLIKELY(loop->silent > 0))
        chains_settle(loop);
    if (UNLIKELY(loop->after_batch != NULL))
        loop->after_batch(loop);
    return ended + taken;
}

bool gyre_op_extra(const gyre_op *op, uint64_t extra[2])
{
    const struct cq *cq = &op->loop_->kernel->cq;
    bool brought = cq->extra_of == op_user_data(op); /* I11 */

    extra[0] = brought ? cq->extra[0] : 0;
    extra[1] = brought ? cq->extra[1] : 0;
    return brought;
}

bool gyre_op_is_eof(const gyre_op *op, gyre_result result)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe((gyre_op *)(uintptr_t)op);

    /* Of how many bytes is its buffer's matter, if it is a group's. */
    bool some = sqe->len > 0 || (sqe->flags & IOSQE_BUFFER_SELECT) != 0;

    return result.res == 0 && some && op_table[sqe->opcode].stream;
}

void *gyre_op_buffer(const gyre_op *op)
{
    return (void *)(uintptr_t)gyre_op_sqe((gyre_op *)(uintptr_t)op)->addr;
}

const char *gyre_op_name(const gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe((gyre_op *)(uintptr_t)op);
    const char *name = op_table[sqe->opcode].name;

    return name != NULL ? name : "?";
}
