/* SPDX-License-Identifier: MIT */
/*
 * uring.c - Linux's io_uring as a kernel
 *
 * The queues that the loop writes and reads are Linux's own, so most of this
 * kernel is opening and closing. What Linux has no opcode for goes to an
 * emulator beside the ring (the co-processor), which is made when the first
 * such request comes.
 *
 * The ring belongs to the thread that attached. Linux itself enforces that on
 * the highest rung only (SINGLE_ISSUER); here it holds on all, so that a
 * program does not first fail on another machine.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "kernel/blocking.h"
#include "kernel/emu/emu.h"
#include "kernel/memory.h"
#include "kernel/options.h"
#include "kernel/restrict.h"
#include "kernel/thread.h"
#include "kernel/uring/polled.h"
#include "kernel/uring/uring.h"
#include "kernel/uring/wanted.h"
#include "kernel/uring/workers.h"
#include "ring/feature.h"
#include "ring/syscalls.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

_Thread_local char uring_thread;

/* Use the ring by an index in the thread's own table, which spares Linux the
 * look-up of the descriptor. The table has 16 places: do without if it is
 * full. */
static void register_ring_fd(struct uring *uring)
{
    struct io_uring_rsrc_update update = {
        .offset = UINT32_MAX, /* any place */
        .data = (uint64_t)uring->ring.fd,
    };

    if (!ring_feature_allowed(RING_REGISTERED_RING_FD))
        return;
    if (ring_sys_register(uring->ring.fd, IORING_REGISTER_RING_FDS, &update,
                          1) != 1)
        return;
    uring->enter_fd = (int)update.offset;
    uring->enter_flags |= IORING_ENTER_REGISTERED_RING;
}

static void unregister_ring_fd(struct uring *uring)
{
    struct io_uring_rsrc_update update = {
        .offset = (uint32_t)uring->enter_fd,
    };

    if ((uring->enter_flags & IORING_ENTER_REGISTERED_RING) == 0)
        return;
    (void)ring_sys_register(uring->ring.fd, IORING_UNREGISTER_RING_FDS, &update,
                            1);
    uring->enter_fd = uring->ring.fd;
    uring->enter_flags &= ~IORING_ENTER_REGISTERED_RING;
}

/* The ring was another thread's. */
static int attach_again(struct uring *uring)
{
    ASSERT(uring->owner == NULL);
    uring->owner = &uring_thread;
    register_ring_fd(uring);
    uring_watch_move(uring);
    workers_bind(uring);
    return uring->side != NULL ? uring->side->class->attach(uring->side) : 0;
}

static int uring_attach(struct kernel *kernel)
{
    struct uring *uring = uring_of(kernel);

    if (kernel->enabled)
        return attach_again(uring);
    ASSERT(uring->owner == NULL);
    int err = ring_enable(&uring->ring);

    if (err == 0 && uring->polled.fd >= 0)
        err = ring_enable(&uring->polled);
    if (err < 0)
        return err;
    uring->owner = &uring_thread;
    kernel_enabled(kernel);
    register_ring_fd(uring);
    uring->watch[URING_WATCH_WAKE] = WATCH_WANTED;
    /* If it fails, the first enter() tries again before it sleeps, and says
     * so. The ring has its owner, so this must not fail any more. */
    (void)uring_watch_arm(uring);
    workers_bind(uring);
    return 0;
}

static int uring_detach(struct kernel *kernel, bool busy)
{
    struct uring *uring = uring_of(kernel);

    ASSERT(uring_is_owner(uring));
    if ((busy && !kernel->sq_thread) || uring->polled.fd >= 0)
        return -EBUSY;
    unregister_ring_fd(uring);
    uring->owner = NULL;
    return uring->side != NULL ? uring->side->class->detach(uring->side, busy)
                               : 0;
}

static int uring_submit_for(struct kernel *kernel, unsigned submit)
{
    struct uring *uring = uring_of(kernel);

    if (kernel->sq_thread)
        return sqpoll_submit_for(uring, submit);
    /* By the descriptor: its index is the owner's. */
    return ring_sys_enter(uring->ring.fd, submit, 0, 0, NULL, 0);
}

static bool uring_has_own(const struct kernel *kernel)
{
    const struct uring *uring =
        CONTAINER_OF(kernel, const struct uring, kernel);

    return uring_watch_is_wanted(uring) || uring->limits;
}

/* The co-processor, made if need be: 0 or a negative errno. */
static int uring_side_need(struct uring *uring)
{
    return uring->side != NULL ? 0 : uring_side_open(uring);
}

static int uring_side(struct kernel *kernel, const struct io_uring_sqe *sqes,
                      unsigned count)
{
    struct uring *uring = uring_of(kernel);
    ASSERT(uring_is_owner(uring));
    ASSERT(kernel->route[sqes->opcode] == KERNEL_ROUTE_SIDE ||
           emu_has_opcode(sqes->opcode));
    /* Only Linux can reach into its table, or be somebody else. */
    for (unsigned i = 0; i < count; i++)
        if (UNLIKELY(sqes[i].personality != 0) ||
            (UNLIKELY(emu_names_slot(&sqes[i])) && !kernel->files_emulated))
            return -EOPNOTSUPP;
    if (UNLIKELY(uring->polled.fd >= 0) && count == 1) {
        if (polled_wants(uring, sqes))
            return polled_submit(uring, sqes);
        /* What is polled cannot be cancelled, and there is nothing else. */
        if (uring->side == NULL && sqes->user_data == KERNEL_TAG_CANCEL)
            return 0;
    }
    int err = uring_side_need(uring);

    return err != 0 ? err : emu_submit(uring->side, sqes, count);
}

static void uring_internal(struct kernel *kernel,
                           const struct io_uring_cqe *cqe)
{
    uring_watch_event(uring_of(kernel), cqe);
}

static int uring_try_now(struct kernel *kernel, const struct io_uring_sqe *sqe)
{
    return polled_wants(uring_of(kernel), sqe) ? -EAGAIN : emu_try(sqe);
}

static int uring_register(struct kernel *kernel, unsigned opcode, void *arg,
                          unsigned count)
{
    struct uring *uring = uring_of(kernel);

    if (!restriction_registers(kernel->restriction, opcode))
        return -EACCES;
    if (uring_registers_beside(uring, opcode)) {
        int err = uring_side_need(uring);

        return err != 0
                   ? err
                   : uring->side->class->reg(uring->side, opcode, arg, count);
    }
    if (opcode == IORING_REGISTER_EVENTFD ||
        opcode == IORING_REGISTER_EVENTFD_ASYNC ||
        opcode == IORING_UNREGISTER_EVENTFD)
        return uring_event_register(uring, opcode, arg, count);
    if (opcode == IORING_REGISTER_PBUF_RING && count == 1 &&
        uring_lacks_of_group(uring, arg))
        return -EINVAL;
    if (opcode >= uring->register_opcodes ||
        (opcode == IORING_REGISTER_BUFFERS2 &&
         !uring->opcodes.feature[RING_REGISTERED_BUFFERS]))
        return -EOPNOTSUPP;
    /* What was submitted before means the tables as they were. */
    if (kernel->sq_thread)
        (void)sqpoll_await_taken(uring);
    return ring_sys_register(uring->ring.fd, opcode, arg, count);
}

static int uring_await_taken(struct kernel *kernel)
{
    return sqpoll_await_taken(uring_of(kernel));
}

static size_t whole_pages(size_t size)
{
    size_t page = memory_page_size();

    return (size + page - 1) / page * page;
}

static void *uring_map(struct kernel *kernel, size_t size)
{
    void *memory = memory_map(whole_pages(size));

    (void)kernel;
    /* A child's copy would no longer be what the kernel writes to. */
    if (memory != NULL &&
        madvise(memory, whole_pages(size), MADV_DONTFORK) != 0) {
        memory_unmap(memory, whole_pages(size));
        memory = NULL;
    }
    return memory;
}

static void uring_unmap(struct kernel *kernel, void *memory, size_t size)
{
    (void)kernel;
    memory_unmap(memory, whole_pages(size));
}

static uint64_t uring_random(struct kernel *kernel)
{
    uint64_t value;
    int saved = errno;

    /* Eight bytes come whole or, on a Linux that has none yet or a filter
     * that refuses, not at all. */
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value) {
        errno = saved;
        value = (uring_now_ns(kernel) ^ (uintptr_t)kernel) *
                UINT64_C(0x9E3779B97F4A7C15);
    }
    return value;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

static uint64_t uring_coarse_ns(struct kernel *kernel)
{
    (void)kernel;
    return thread_clock_coarse();
}

static void uring_pool(struct kernel *kernel, struct kernel_pool *pool)
{
    struct uring *uring = uring_of(kernel);
    struct kernel *side =
        atomic_load_explicit(&uring->seen_side, memory_order_acquire);

    if (side != NULL)
        side->class->pool(side, pool);
    else if (uring->options.pool != NULL)
        blocking_look(uring->options.pool, pool);
    else
        *pool = (struct kernel_pool){
            .threads_max = uring->options.threads_max,
            .queue_max = uring->options.queue_max,
            .idle_ms = uring->options.idle_ms,
        };
}

static void uring_destroy(struct kernel *kernel)
{
    struct uring *uring = uring_of(kernel);
    int saved = errno;

    kernel_withdraw(kernel);
    post_box_clear(&uring->mail);
    if (uring_is_owner(uring)) {
        /* SQEs that were written and never submitted are nobody's now. */
        kernel->sq.filled -= kernel->sq_thread ? sq_unpublished(&kernel->sq)
                                               : sq_used(&kernel->sq);
        sq_publish(&kernel->sq);
        uring_watch_stop(uring);
        unregister_ring_fd(uring);
    }
    if (uring->side != NULL)
        uring->side->class->destroy(uring->side);
    ring_close(&uring->polled);
    ring_close(&uring->ring);
    uring_waits_free(uring);
    close_if_open(atomic_load(&uring->host_fd));
    close_if_open(uring->event_fd);
    close_if_open(uring->wake_fd);
    if (uring->options.pool != NULL)
        blocking_let_go(uring->options.pool);
    alloc_free(kernel->restriction);
    alloc_free(uring);
    errno = saved;
}

static const struct kernel_class uring_class = {
    .name = "uring",
    .attach = uring_attach,
    .enter = uring_enter,
    .await_taken = uring_await_taken,
    .detach = uring_detach,
    .submit_for = uring_submit_for,
    .has_own = uring_has_own,
    .side = uring_side,
    .side_has = uring_side_has,
    .look = uring_look,
    .internal = uring_internal,
    .try_now = uring_try_now,
    .wake = uring_wake,
    .post = uring_post,
    .give = uring_give,
    .pollable_fd = uring_pollable_fd,
    .reg = uring_register,
    .map = uring_map,
    .unmap = uring_unmap,
    .now_ns = uring_now_ns,
    .coarse_ns = uring_coarse_ns,
    .random = uring_random,
    .grow = uring_grow,
    .pool = uring_pool,
    .restrict_to = uring_restrict,
    .destroy = uring_destroy,
};

static int open_alone(struct kernel **kernel,
                      const struct kernel_options *options)
{
    struct uring *uring = alloc_zeroed(1, sizeof *uring);

    if (uring == NULL)
        return -ENOMEM;
    atomic_init(&uring->host_fd, -1);
    uring->ring.fd = -1;
    uring->polled.fd = -1;
    uring->wake_fd = -1;
    uring->event_fd = -1;
    int err = kernel_options_resolve(&uring->options, options, NULL);

    if (err == 0)
        err = wanted_open(uring);
    if (err == 0) {
        uring->wake_fd = uring_eventfd();
        err = uring->wake_fd < 0 ? uring->wake_fd : 0;
    }
    if (err < 0) {
        ring_close(&uring->polled);
        ring_close(&uring->ring);
        uring_waits_free(uring);
        alloc_free(uring);
        return err;
    }
    uring->register_opcodes = ring_register_opcodes();
    uring->enter_fd = uring->ring.fd;
    uring->patient = RUNNING_ON_VALGRIND != 0;
    uring->limits = !ring_feature_allowed(RING_TIMED_WAIT);
    if ((uring->ring.features & IORING_FEAT_NO_IOWAIT) != 0)
        uring->enter_flags = IORING_ENTER_NO_IOWAIT;
    uring->kernel = (struct kernel){
        .class = &uring_class,
        .sq = uring->ring.sq,
        .cq = uring->ring.cq,
        .polled_cq = uring->polled.fd >= 0 ? &uring->polled.cq : NULL,
        .setup_flags = uring->ring.setup_flags,
        .features = uring->ring.features,
        .ring_fd = uring->ring.fd,
        .ring = uring->kernel.ring,
        .sq_thread = (uring->ring.setup_flags & IORING_SETUP_SQPOLL) != 0,
        .batch_max = uring->kernel.ring.share_workers != 0 ? KERNEL_SHARED_BATCH
                                                           : 0,
        .reason = "asked for",
    };
    if ((uring->ring.setup_flags & IORING_SETUP_SQ_REWIND) != 0)
        uring_rewind_begin(uring);
    uring->spin_ns = UINT64_C(1000) * uring->kernel.ring.spin_us;
    ring_probe(&uring->ring, &uring->opcodes);
    uring_fill_routes(uring);
    uring->kernel.sockets_registered =
        uring->opcodes.feature[RING_SOCKET_BUFFERS];
    if (uring->options.pool != NULL)
        blocking_hold(uring->options.pool);
    kernel_announce(&uring->kernel, uring->ring.fd);
    *kernel = &uring->kernel;
    return 0;
}

int uring_open(struct kernel **kernel, const struct kernel_options *options)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    if (options->ring.share_workers == 0)
        return open_alone(kernel, options);
    /* The second finds the first. */
    pthread_mutex_lock(&lock);
    int err = open_alone(kernel, options);

    pthread_mutex_unlock(&lock);
    return err;
}
