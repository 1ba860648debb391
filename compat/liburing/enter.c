/* SPDX-License-Identifier: MIT */
/*
 * enter.c - io_uring_enter(2) of an emulated ring
 *
 * What Linux checks before a request reaches its opcode is checked here; the
 * requests are then handed to the emulator as one batch, which copies them.
 *
 * A ring with SQPOLL says that its thread sleeps, always: so a program enters
 * after each submission, as it has to, and its SQEs are taken then.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "emulated.h"
#include "kernel/emu/emu.h"
#include "kernel/post.h"
#include "kernel/thread.h"

#define NS_PER_S UINT64_C(1000000000)

static const unsigned enter_known =
    IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP | IORING_ENTER_SQ_WAIT |
    IORING_ENTER_EXT_ARG | IORING_ENTER_REGISTERED_RING |
    IORING_ENTER_ABS_TIMER | IORING_ENTER_NO_IOWAIT;

/* ---- taking SQEs --------------------------------------------------------- */

static const unsigned links = IOSQE_IO_LINK | IOSQE_IO_HARDLINK;

/* The place of the SQE that was queued as number `at`, or NULL. */
static const struct io_uring_sqe *sqe_at(struct emulated *e, uint32_t at)
{
    uint32_t index = at & e->queues->sq_mask;

    if ((e->setup_flags & IORING_SETUP_NO_SQARRAY) == 0)
        index = e->queues->array[index];
    if (index >= e->entries)
        return NULL;
    return &e->sqes[(e->setup_flags & IORING_SETUP_SQE128) != 0 ? 2 * index
                                                                : index];
}

/* It ends with an error that the emulator would not give, in its place of its
 * chain. */
static void refuse(struct io_uring_sqe *sqe, int error)
{
    *sqe = (struct io_uring_sqe){
        .opcode = IORING_OP_NOP,
        .flags = sqe->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK),
        .nop_flags = IORING_NOP_INJECT_RESULT,
        .len = (uint32_t)error,
        .user_data = sqe->user_data,
    };
}

/* Without SUBMIT_ALL Linux takes no more after one that is wrong in itself,
 * unless a chain goes on behind it. */
static bool ends_batch(const struct emulated *e, const struct io_uring_sqe *sqe,
                       int refused)
{
    return (e->setup_flags & IORING_SETUP_SUBMIT_ALL) == 0 &&
           (sqe->flags & links) == 0 && (refused != 0 || emu_check(sqe) != 0);
}

/* A ring is closed by no request: it would wait for itself. */
static bool closes_ring(const struct io_uring_sqe *sqe)
{
    return sqe->opcode == IORING_OP_CLOSE && sqe->file_index == 0 &&
           kernel_kind_at(sqe->fd) != KERNEL_NONE;
}

/* What Linux can poll for completions of, or does at once. */
static bool is_polled(const struct io_uring_sqe *sqe)
{
    switch (sqe->opcode) {
    case IORING_OP_NOP:
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
    case IORING_OP_READ_FIXED:
    case IORING_OP_WRITE_FIXED:
    case IORING_OP_READV_FIXED:
    case IORING_OP_WRITEV_FIXED:
    case IORING_OP_READ:
    case IORING_OP_WRITE:
    case IORING_OP_FILES_UPDATE:
    case IORING_OP_PROVIDE_BUFFERS:
    case IORING_OP_REMOVE_BUFFERS:
    case IORING_OP_MSG_RING:
        return true;
    default:
        return false;
    }
}

/* 0, or what this ring does not take. */
static int refusal(const struct emulated *e, struct io_uring_sqe *sqe)
{
    if (!restrictions_allow_sqe(&e->restrictions, sqe))
        return -EACCES;
    if (closes_ring(sqe))
        return -EBADF;
    if ((e->setup_flags & IORING_SETUP_IOPOLL) != 0) {
        if (!is_polled(sqe))
            return -EINVAL;
        /* Every request is one of those that are waited for by entering. */
        if (sqe->opcode != IORING_OP_NOP)
            sqe->rw_flags &= (uint32_t)~RWF_HIPRI;
    }
    return 0;
}

/* How many SQEs, of `wanted`, are in the batch; `head` moves on. */
static unsigned gather(struct emulated *e, unsigned wanted, uint32_t *head)
{
    unsigned count = 0;

    while (count < wanted) {
        const struct io_uring_sqe *place = sqe_at(e, (*head)++);
        struct io_uring_sqe *sqe = &e->batch[count];
        int error;

        if (place == NULL) {
            e->queues->sq_dropped++;
            break;
        }
        *sqe = *place;
        error = refusal(e, sqe);
        if (error != 0)
            refuse(sqe, error);
        count++;
        if (ends_batch(e, sqe, error))
            break;
    }
    return count;
}

/* Take SQEs: how many, or a negative errno. */
static int submit(struct emulated *e, unsigned wanted)
{
    struct shared_queues *queues = e->queues;
    uint32_t head =
        atomic_load_explicit(&queues->sq_head, memory_order_relaxed);
    uint32_t queued =
        atomic_load_explicit(&queues->sq_tail, memory_order_acquire) - head;
    unsigned count;
    int error;

    if (queued > e->entries)
        queued = e->entries;
    count = gather(e, wanted < queued ? wanted : queued, &head);
    if (count > 0) {
        error = emu_submit(e->kernel, e->batch, count);
        if (error != 0)
            return -EAGAIN;
    }
    atomic_store_explicit(&queues->sq_head, head, memory_order_release);
    return (int)count;
}

/* ---- waiting ------------------------------------------------------------- */

struct wait {
    uint64_t until_ns;
    bool masked;
    sigset_t mask;
};

/* Linux's signal set is the first words of libc's. */
static int take_mask(struct wait *wait, const void *mask, size_t size)
{
    if (mask == NULL)
        return 0;
    if (size != _NSIG / 8)
        return -EINVAL;
    sigemptyset(&wait->mask);
    memcpy(&wait->mask, mask, size);
    wait->masked = true;
    return 0;
}

static int take_argument(struct wait *wait, unsigned flags,
                         const void *argument, size_t size)
{
    struct io_uring_getevents_arg given;
    struct ring_timespec ts;
    uint64_t ns;

    *wait = (struct wait){ .until_ns = KERNEL_FOREVER };
    if ((flags & IORING_ENTER_EXT_ARG) == 0)
        return take_mask(wait, argument, size);
    if (size != sizeof given)
        return -EINVAL;
    if (argument == NULL)
        return -EFAULT;
    memcpy(&given, argument, sizeof given);
    if (given.ts != 0) {
        memcpy(&ts, (const void *)(uintptr_t)given.ts, sizeof ts);
        if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= (int64_t)NS_PER_S)
            return -EINVAL;
        ns = (uint64_t)ts.tv_nsec;
        if (__builtin_mul_overflow((uint64_t)ts.tv_sec, NS_PER_S,
                                   &wait->until_ns) ||
            __builtin_add_overflow(wait->until_ns, ns, &wait->until_ns) ||
            ((flags & IORING_ENTER_ABS_TIMER) == 0 &&
             __builtin_add_overflow(wait->until_ns, thread_clock(),
                                    &wait->until_ns)))
            wait->until_ns = KERNEL_FOREVER;
    }
    return take_mask(wait, (const void *)(uintptr_t)given.sigmask,
                     given.sigmask_sz);
}

static void nothing_is_pending(struct emulated *e)
{
    if (!e->pending)
        return;
    e->pending = false;
    atomic_fetch_and(e->kernel->sq.flags, ~IORING_SQ_TASKRUN);
}

/* Until there are `want` CQEs, or a timeout's time has come. Whatever it ends
 * for: 0 if there are any CQEs. */
static int wait_for(struct emulated *e, unsigned want, const struct wait *wait)
{
    const sigset_t *mask = wait->masked ? &wait->mask : NULL;
    uint32_t expired = emu_expired(e->kernel);
    int result = 0;

    if (want > e->queues->cq_entries)
        want = e->queues->cq_entries;
    for (;;) {
        emu_progress(e->kernel);
        nothing_is_pending(e);
        if (emulated_ready(e) >= want || emu_expired(e->kernel) != expired)
            return 0;
        if (result == 0 && wait->until_ns != KERNEL_FOREVER &&
            thread_clock() >= wait->until_ns)
            result = -ETIME;
        if (e->closing)
            result = -EBADF;
        if (result != 0)
            return emulated_ready(e) > 0 ? 0 : result;
        if (e->led) {
            result = emulated_follow(e, wait->until_ns, mask);
        } else {
            e->leads++;
            result = emulated_lead(e, wait->until_ns, mask);
        }
    }
}

/* ---- the call ------------------------------------------------------------ */

/* SINGLE_ISSUER: the thread that enabled the ring, or the first to use it. */
static bool may_submit(struct emulated *e)
{
    if ((e->setup_flags & IORING_SETUP_SINGLE_ISSUER) == 0 ||
        (e->setup_flags & IORING_SETUP_SQPOLL) != 0)
        return true;
    if (e->submitter == NULL)
        e->submitter = emulated_thread();
    return e->submitter == emulated_thread();
}

static int enter_locked(struct emulated *e, unsigned to_submit, unsigned want,
                        unsigned flags, const struct wait *wait)
{
    bool polled = (e->setup_flags & IORING_SETUP_SQPOLL) != 0;
    bool deferred = (e->setup_flags & IORING_SETUP_DEFER_TASKRUN) != 0;
    bool looks = (flags & IORING_ENTER_GETEVENTS) != 0;
    int taken = 0, result = 0;

    if (!e->enabled)
        return -EBADFD;
    if ((to_submit != 0 || (deferred && looks)) && !may_submit(e))
        return -EEXIST;
    if (polled) {
        result = submit(e, e->entries);
        taken = (int)to_submit;
    } else if (to_submit != 0) {
        taken = submit(e, to_submit);
        if (taken < 0 || (unsigned)taken != to_submit)
            return taken;
    }
    if (looks)
        result = wait_for(e, want, wait);
    return taken != 0 ? taken : result < 0 ? result : 0;
}

bool emulated_knows(unsigned flags)
{
    return (flags & ~enter_known) == 0;
}

int emulated_enter(struct emulated *e, unsigned to_submit, unsigned want,
                   unsigned flags, const void *argument, size_t size)
{
    struct wait wait;
    int saved = errno;
    int result;

    if (!emulated_is_ours(e))
        return (e->setup_flags & IORING_SETUP_SINGLE_ISSUER) != 0 ? -EEXIST
                                                                  : -EOPNOTSUPP;
    result = (flags & IORING_ENTER_GETEVENTS) != 0
                 ? take_argument(&wait, flags, argument, size)
                 : 0;
    if (result != 0)
        return result;
    emulated_lock(e);
    result = enter_locked(e, to_submit, want, flags, &wait);
    emulated_unlock(e);
    errno = saved;
    return result;
}
