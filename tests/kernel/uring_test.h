/* SPDX-License-Identifier: MIT */
/*
 * uring_test.h - short words for tests that drive the io_uring kernel by hand
 */
#ifndef KERNEL_URING_TEST_H
#define KERNEL_URING_TEST_H

#include <errno.h>
#include <string.h>

#include "kernel/kernel.h"
#include "runner/test.h"

#define EVERY_RUNG (TEST_URING | TEST_URING_COOP | TEST_URING_PLAIN)
#define RING_TEST(name) KERNEL_TEST_ON(name, EVERY_RUNG)

#define MS UINT64_C(1000000)

static inline struct kernel *open_ring(unsigned entries, unsigned cq_entries)
{
    struct kernel_options options = { .entries = entries,
                                      .cq_entries = cq_entries };
    struct kernel *kernel;

    CHECK_OK(uring_open(&kernel, &options));
    return kernel;
}

static inline struct kernel *open_attached(unsigned entries,
                                           unsigned cq_entries)
{
    struct kernel *kernel = open_ring(entries, cq_entries);

    CHECK_OK(kernel->class->attach(kernel));
    return kernel;
}

/* A signal does not end it. */
static inline int enter(struct kernel *kernel, unsigned submit, unsigned want,
                        uint64_t deadline_ns)
{
    int result;

    do {
        result = kernel->class->enter(kernel, submit, want, deadline_ns);
    } while (result == -EINTR);
    return result;
}

static inline uint64_t now(struct kernel *kernel)
{
    return kernel->class->now_ns(kernel);
}

static inline void put(struct kernel *kernel, struct io_uring_sqe sqe)
{
    CHECK_GT(sq_room(&kernel->sq), 0u);
    *sq_next(&kernel->sq) = sqe;
    sq_publish(&kernel->sq);
}

static inline void put_nop(struct kernel *kernel, uint64_t id)
{
    put(kernel,
        (struct io_uring_sqe){ .opcode = IORING_OP_NOP, .user_data = id << 4 });
}

static inline void put_read(struct kernel *kernel, uint64_t id, int fd,
                            void *buffer, unsigned size)
{
    put(kernel, (struct io_uring_sqe){ .opcode = IORING_OP_READ,
                                       .fd = fd,
                                       .addr = (uintptr_t)buffer,
                                       .len = size,
                                       .off = UINT64_MAX,
                                       .user_data = id << 4 });
}

/* The next CQE that is the caller's; the kernel gets its own back. */
static inline bool take(struct kernel *kernel, struct io_uring_cqe *cqe)
{
    while (cq_take(&kernel->cq, cqe)) {
        if ((cqe->user_data & KERNEL_TAG_MASK) != KERNEL_TAG_INTERNAL)
            return true;
        kernel->class->internal(kernel, cqe);
    }
    return kernel->side_cq != NULL && cq_take(kernel->side_cq, cqe);
}

/* Sleep until there is one; fails the test by its time-out. */
static inline struct io_uring_cqe next(struct kernel *kernel)
{
    struct io_uring_cqe cqe;

    while (!take(kernel, &cqe)) {
        int err = enter(kernel, 0, 1, KERNEL_FOREVER);

        CHECK_GE(err, 0);
    }
    return cqe;
}

static inline void check_nop_works(struct kernel *kernel)
{
    put_nop(kernel, 77);
    CHECK_EQ(enter(kernel, 1, 0, KERNEL_NO_WAIT), 1);
    CHECK_EQ(next(kernel).user_data, 77u << 4);
}

static inline int call_body(void *argument)
{
    return *(int *)argument;
}

static inline int side_call(struct kernel *kernel, uint64_t id, int *argument)
{
    struct io_uring_sqe sqe = {
        .opcode = KERNEL_OP_CALL,
        .addr = (uintptr_t)call_body,
        .off = (uintptr_t)argument,
        .user_data = id << 4,
    };

    return kernel->class->side(kernel, &sqe, 1);
}

#endif
