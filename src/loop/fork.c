/* SPDX-License-Identifier: MIT */
/*
 * fork.c - loops in the child of a fork
 *
 * Its kernel is one that can do nothing. The queues are full, so that nobody
 * writes into them first.
 */
#include "loop/fork.h"

#include "loop/loop.h"

static _Noreturn void refuse(void)
{
    panic(LOOP_FORKED);
}

static int refuse_attach(struct kernel *kernel)
{
    (void)kernel;
    refuse();
}

static int refuse_enter(struct kernel *kernel, unsigned submit, unsigned want,
                        uint64_t deadline_ns)
{
    (void)kernel, (void)submit, (void)want, (void)deadline_ns;
    refuse();
}

static void refuse_internal(struct kernel *kernel,
                            const struct io_uring_cqe *cqe)
{
    (void)kernel, (void)cqe;
    refuse();
}

static int refuse_try(struct kernel *kernel, const struct io_uring_sqe *sqe)
{
    (void)kernel, (void)sqe;
    refuse();
}

static void refuse_wake(struct kernel *kernel)
{
    (void)kernel;
    refuse();
}

static int refuse_post(struct kernel *kernel, uint64_t user_data, int32_t res,
                       uint32_t flags)
{
    (void)kernel, (void)user_data, (void)res, (void)flags;
    refuse();
}

static int refuse_give(struct kernel *kernel, const void *from, int fd,
                       uint32_t index, uint64_t user_data)
{
    (void)kernel, (void)from, (void)fd, (void)index, (void)user_data;
    refuse();
}

static int refuse_reg(struct kernel *kernel, unsigned opcode, void *arg,
                      unsigned count)
{
    (void)kernel, (void)opcode, (void)arg, (void)count;
    refuse();
}

static void *refuse_map(struct kernel *kernel, size_t size)
{
    (void)kernel, (void)size;
    refuse();
}

static void refuse_unmap(struct kernel *kernel, void *memory, size_t size)
{
    (void)kernel, (void)memory, (void)size;
    refuse();
}

static uint64_t refuse_number(struct kernel *kernel)
{
    (void)kernel;
    refuse();
}

static const struct kernel_class class = {
    .name = "none, after fork()",
    .attach = refuse_attach,
    .enter = refuse_enter,
    .internal = refuse_internal,
    .try_now = refuse_try,
    .wake = refuse_wake,
    .post = refuse_post,
    .give = refuse_give,
    .pollable_fd = refuse_attach,
    .reg = refuse_reg,
    .map = refuse_map,
    .unmap = refuse_unmap,
    .now_ns = refuse_number,
    .random = refuse_number,
    .destroy = refuse_wake,
};

static _Atomic uint32_t zero;
static struct io_uring_cqe cqe;
static struct io_uring_sqe sqe;

/* One place, which is taken; and none to reap. */
struct kernel fork_kernel = {
    .class = &class,
    .sq = { .head = &zero,
            .tail = &zero,
            .flags = &zero,
            .sqes = &sqe,
            .entries = 1,
            .filled = 1 },
    .cq = { .head = &zero,
            .tail = &zero,
            .flags = &zero,
            .cqes = &cqe,
            .entries = 1 },
    .ring_fd = -1,
    .reason = "after fork()",
};
