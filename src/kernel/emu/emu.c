/* SPDX-License-Identifier: MIT */
/*
 * emu.c - the emulator as a kernel: opening, closing, waking
 *
 * The emulator executes SQEs with non-blocking system calls, an epoll and a
 * bounded pool of threads, on the thread that enters it. It needs nothing that
 * a container forbids. Its queues have the layout of Linux's, in private
 * memory: the loop above cannot tell the difference. docs/DIFFERENCES.md lists
 * where a program could.
 */
#include "kernel/emu/emu.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/emu/internal.h"
#include "kernel/emu/waiter.h"
#include "kernel/memory.h"
#include "kernel/options.h"
#include "kernel/restrict.h"
#include "kernel/thread.h"

#define NS_PER_S UINT64_C(1000000000)

enum { CACHE_LINE = 64 };

uint64_t emu_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Ring an eventfd. It fails only if the counter is full: then it rings. */
void emu_signal(int event_fd)
{
    uint64_t one = 1;
    ssize_t ignored = write(event_fd, &one, sizeof one);

    (void)ignored;
}

bool emu_has_opcode(unsigned opcode)
{
    return op_find(opcode) != NULL;
}

void emu_disown(struct kernel *kernel)
{
    emu_of(kernel)->owner = NULL;
}

uint32_t emu_expired(struct kernel *kernel)
{
    return emu_of(kernel)->expired;
}

void emu_ring_event(struct kernel *kernel)
{
    const struct emu *emu = emu_of(kernel);

    if (emu->cq_event.fd >= 0)
        emu_signal(emu->cq_event.fd);
}

bool emu_is_busy(struct kernel *kernel)
{
    return emu_of(kernel)->held_count != 0;
}

int emu_check(const struct io_uring_sqe *sqe)
{
    return request_refusal(sqe);
}

bool emu_names_slot(const struct io_uring_sqe *sqe)
{
    return files_are_named(sqe);
}

int emu_try(const struct io_uring_sqe *sqe)
{
    struct request r;
    int saved = errno;
    int result;

    /* Refused here, but maybe not by Linux; and a slot can be anybody's. */
    if (request_refusal(sqe) != 0 || files_are_named(sqe) ||
        buffers_are_named(sqe))
        return -EAGAIN;
    /* Buffers are chosen where the groups are, and who wants many results wants
     * more than one now. */
    if ((sqe->flags & IOSQE_BUFFER_SELECT) != 0 || request_is_multishot(sqe) ||
        (sqe->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_IO_DRAIN)) !=
            0)
        return -EAGAIN;
    memset(&r, 0, offsetof(struct request, kept));
    r.sqe = *sqe;
    r.op = op_find(sqe->opcode);
    r.place = EMU_NEW;
    if (r.op->no_try || r.op->attempt == NULL)
        return -EAGAIN;
    result = r.op->attempt(&r);
    if (result <= EMU_TAKEN)
        result = request_cut_short(&r, -EAGAIN);
    alloc_free(r.memory);
    errno = saved;
    return result;
}

static int emu_try_now(struct kernel *kernel, const struct io_uring_sqe *asked)
{
    const struct emu_op *op = op_find(asked->opcode);
    struct emu *emu = emu_of(kernel);
    struct io_uring_sqe sqe = *asked;
    int result;

    if (sqe.opcode == IORING_OP_CLOSE && sqe.file_index != 0)
        return files_close(emu, sqe.file_index - 1);
    if ((sqe.flags & IOSQE_FIXED_FILE) != 0) {
        sqe.fd = files_look(emu, (uint32_t)sqe.fd);
        sqe.flags &= (uint8_t)~IOSQE_FIXED_FILE;
        if (sqe.fd < 0)
            return -EBADF;
    }
    /* It would overtake those who wait. */
    if (op != NULL && !op->no_file && wait_has_line(emu, sqe.fd, op->direction))
        return -EAGAIN;
    if (sqe.opcode == IORING_OP_CLOSE && keep_is_needed(emu, sqe.fd))
        return -EAGAIN;
    result = emu_try(&sqe);
    if (sqe.opcode == IORING_OP_CLOSE && result == 0)
        wait_forget(emu, sqe.fd);
    return result;
}

static int emu_attach(struct kernel *kernel)
{
    struct emu *emu = emu_of(kernel);

    turn_own(emu);
    return 0;
}

static int emu_detach(struct kernel *kernel, bool busy)
{
    (void)busy; /* nothing here is a thread's */
    emu_of(kernel)->owner = NULL;
    return 0;
}

static void emu_internal(struct kernel *kernel, const struct io_uring_cqe *cqe)
{
    (void)kernel;
    (void)cqe;
    panic("the emulator makes no internal requests");
}

/* While `woken` is true the next enter() does not sleep, so only who sets it
 * rings. It is taken by an exchange with acquire: what the waker did before is
 * seen. tests/model/test_blocking.c is the model of it. */
static void emu_wake(struct kernel *kernel)
{
    struct emu *emu = emu_of(kernel);
    int saved = errno;

    if (!atomic_exchange_explicit(&emu->woken, true, memory_order_acq_rel))
        emu_signal(emu->event_fd);
    errno = saved;
}

/* The epoll's own descriptor, plus a timer for what lies on the wheel. */
static int emu_pollable_fd(struct kernel *kernel)
{
    struct emu *emu = emu_of(kernel);
    int saved = errno;
    int fd;

    if (emu->timer_fd >= 0)
        return emu->epoll_fd;
    fd = turn_timer_open(emu, CLOCK_MONOTONIC, EMU_KEY_TIMER);
    if (fd >= 0) {
        emu->timer_fd = fd;
        turn_arm_timer(emu);
    }
    errno = saved;
    return fd < 0 ? fd : emu->epoll_fd;
}

static int emu_reg(struct kernel *kernel, unsigned opcode, void *arg,
                   unsigned count)
{
    struct emu *emu = emu_of(kernel);
    int saved = errno;
    int result;

    turn_own(emu);
    if (!restriction_registers(kernel->restriction, opcode))
        return -EACCES;
    result = register_call(emu, opcode, arg, count);
    errno = saved;
    return result;
}

static size_t whole_pages(size_t size)
{
    size_t page = memory_page_size();

    return (size + page - 1) & ~(page - 1);
}

static void *emu_map(struct kernel *kernel, size_t size)
{
    (void)kernel;
    return memory_map(whole_pages(size));
}

static void emu_unmap(struct kernel *kernel, void *memory, size_t size)
{
    (void)kernel;
    memory_unmap(memory, whole_pages(size));
}

static uint64_t emu_kernel_now_ns(struct kernel *kernel)
{
    (void)kernel;
    return emu_now_ns();
}

static uint64_t emu_random(struct kernel *kernel)
{
    uint64_t number;
    int saved = errno;

    (void)kernel;
    /* Refused by a filter, or long before Linux's pool is full: the clock is
     * random enough for what this serves (seeds of hashes, jitter). */
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) !=
        (ssize_t)sizeof number)
        number = emu_now_ns() * UINT64_C(0x9E3779B97F4A7C15);
    errno = saved;
    return number;
}

static uint64_t emu_coarse_ns(struct kernel *kernel)
{
    (void)kernel;
    return thread_clock_coarse();
}

static void emu_pool(struct kernel *kernel, struct kernel_pool *pool)
{
    blocking_look(emu_of(kernel)->pool.pool, pool);
}

static int emu_restrict(struct kernel *kernel,
                        const struct restriction *restriction)
{
    if (emu_of(kernel)->owner != NULL || kernel->restriction != NULL)
        return -EBUSY;
    kernel->restriction = alloc_zeroed(1, sizeof *restriction);
    if (kernel->restriction == NULL)
        return -ENOMEM;
    *kernel->restriction = *restriction;
    return 0;
}

static void emu_free(struct emu *emu)
{
    if (emu->kernel.class != NULL)
        kernel_withdraw(&emu->kernel);
    post_box_clear(&emu->mail);
    waiter_deinit(emu);
    if (emu->pool.pool != NULL)
        blocking_leave(&emu->pool);
    files_deinit(emu);
    buffers_deinit(emu);
    wait_deinit(emu);
    request_deinit(emu);
    group_deinit(emu);
    clock_deinit(emu);
    if (emu->timer_fd >= 0)
        close(emu->timer_fd);
    if (emu->sleep_fd >= 0)
        close(emu->sleep_fd);
    if (emu->polls_fd >= 0)
        close(emu->polls_fd);
    if (emu->cq_event.fd >= 0)
        close(emu->cq_event.fd);
    if (emu->event_fd >= 0)
        close(emu->event_fd);
    if (emu->epoll_fd >= 0)
        close(emu->epoll_fd);
    alloc_free(emu->kernel.sq.sqes);
    alloc_free(emu->kernel.cq.cqes);
    alloc_free(emu->kernel.restriction);
    alloc_free(emu);
}

static void emu_destroy(struct kernel *kernel)
{
    struct emu *emu = emu_of(kernel);
    int saved = errno;

    ASSERT_API(emu->held_count == 0,
               "every request must have had its last CQE");
    emu_free(emu);
    errno = saved;
}

static const struct kernel_class emu_class = {
    .name = "emu",
    .attach = emu_attach,
    .detach = emu_detach,
    .enter = turn_enter,
    .side = NULL,
    .internal = emu_internal,
    .try_now = emu_try_now,
    .wake = emu_wake,
    .post = mail_post,
    .give = mail_give,
    .pollable_fd = emu_pollable_fd,
    .reg = emu_reg,
    .map = emu_map,
    .unmap = emu_unmap,
    .now_ns = emu_kernel_now_ns,
    .coarse_ns = emu_coarse_ns,
    .random = emu_random,
    .pool = emu_pool,
    .restrict_to = emu_restrict,
    .destroy = emu_destroy,
};

static int emu_init_queues(struct emu *emu,
                           const struct kernel_options *options)
{
    struct sq *sq = &emu->kernel.sq;
    struct cq *cq = &emu->kernel.cq;

    sq->entries = options->entries;
    cq->entries = options->cq_entries != 0 ? options->cq_entries
                                           : 2 * options->entries;
    sq->mask = sq->entries - 1;
    sq->stride = SQE_SIZE;
    cq->mask = cq->entries - 1;
    sq->head = &emu->sq_head;
    sq->tail = &emu->sq_tail;
    sq->flags = &emu->sq_flags;
    cq->head = &emu->cq_head;
    cq->tail = &emu->cq_tail;
    cq->flags = &emu->cq_flags;
    sq->sqes = alloc_aligned(CACHE_LINE, sq->entries * sizeof *sq->sqes);
    cq->cqes = alloc_aligned(CACHE_LINE, cq->entries * sizeof *cq->cqes);
    return sq->sqes == NULL || cq->cqes == NULL ? -ENOMEM : 0;
}

/* Move a descriptor of ours to where it is in nobody's way. */
int emu_move(const struct emu *emu, int fd)
{
    int moved;

    if (fd < 0 || fd >= emu->fd_first)
        return fd;
    moved = fcntl(fd, F_DUPFD_CLOEXEC, emu->fd_first);
    if (moved < 0)
        return fd; /* so high is more than the process may have */
    close(fd);
    return moved;
}

static int emu_init_descriptors(struct emu *emu)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET,
                                 .data.u64 = EMU_KEY_SIGNAL };

    emu->epoll_fd = emu_move(emu, emu_result(epoll_create1(EPOLL_CLOEXEC)));
    if (emu->epoll_fd < 0)
        return emu->epoll_fd;
    emu->event_fd =
        emu_move(emu, emu_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
    if (emu->event_fd < 0)
        return emu->event_fd;
    return emu_result(
        epoll_ctl(emu->epoll_fd, EPOLL_CTL_ADD, emu->event_fd, &event));
}

static void emu_tell(struct blocking_user *user)
{
    emu_signal(CONTAINER_OF(user, struct emu, pool)->event_fd);
}

/* One that is shared, or one of its own, which only it holds. */
static int emu_init_pool(struct emu *emu, const struct kernel_options *options)
{
    struct gyre_blocking_pool *pool = options->pool;

    if (pool != NULL) {
        blocking_use(&emu->pool, pool, emu_tell);
        return 0;
    }
    pool = blocking_create(options);
    if (pool == NULL)
        return -ENOMEM;
    blocking_use(&emu->pool, pool, emu_tell);
    blocking_let_go(pool);
    return 0;
}

static int emu_init(struct emu *emu, const struct kernel_options *asked)
{
    struct kernel_options options;
    int error;

    emu->epoll_fd = emu->event_fd = -1;
    emu->timer_fd = emu->sleep_fd = emu->polls_fd = -1;
    emu->cq_event.fd = -1;
    emu->timer_ns = WHEEL_NEVER;
    emu->fd_first = asked->fd_first;
    list_init(&emu->orphans);
    list_init(&emu->idle_waiters);
    chain_init(emu);
    list_init(&emu->counted);
    clock_init(emu);
    group_init(emu);
    files_init(emu);
    wheel_init(&emu->timers, emu_now_ns());
    error = kernel_options_resolve(&options, asked, NULL);
    if (error == 0)
        error = request_init(emu);
    if (error == 0)
        error = emu_init_queues(emu, &options);
    if (error == 0)
        error = emu_init_descriptors(emu);
    if (error != 0)
        return error;
    return emu_init_pool(emu, &options);
}

int emu_open(struct kernel **kernel, const struct kernel_options *options)
{
    int saved = errno;
    int error = kernel_options_refuse_ring(options);
    struct emu *emu;

    if (error != 0)
        return error;
    emu = alloc_zeroed(1, sizeof *emu);
    if (emu == NULL)
        return -ENOMEM;
    error = emu_init(emu, options);
    if (error != 0) {
        emu_free(emu);
        errno = saved;
        return error;
    }
    emu->kernel.class = &emu_class;
    for (unsigned opcode = 0; opcode < 256; opcode++)
        if (op_find(opcode) != NULL)
            emu->kernel.route[opcode] = KERNEL_ROUTE_SQ;
    emu->kernel.features = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                           IORING_FEAT_RW_CUR_POS | IORING_FEAT_FAST_POLL |
                           IORING_FEAT_POLL_32BITS | IORING_FEAT_EXT_ARG |
                           IORING_FEAT_CQE_SKIP;
    emu->kernel.ring.movable = options->ring.movable;
    emu->kernel.ring.restrictable = options->ring.restrictable;
    emu->kernel.files_emulated = true;
    emu->kernel.ring_fd = -1;
    emu->kernel.reason = "requests are executed in user space";
    kernel_announce(&emu->kernel, emu->epoll_fd);
    *kernel = &emu->kernel;
    errno = saved;
    return 0;
}
