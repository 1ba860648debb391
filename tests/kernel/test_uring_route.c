/* SPDX-License-Identifier: MIT */
/*
 * Where requests go whose opcode Linux has, but not every flag of it: each such
 * feature can be taken away by name, so both ways are tested on any Linux.
 */
#include "kernel/uring_test.h"
#include "ring/feature.h"

static struct kernel *open_without(const char *features)
{
    CHECK_EQ(ring_features_restrict(features), 0u);
    return open_attached(8, 0);
}

static enum kernel_route look(struct kernel *kernel, struct io_uring_sqe *sqe)
{
    return kernel->class->look(kernel, sqe);
}

RING_TEST(S2_S4_a_flag_that_is_missing_sends_its_requests_beside)
{
    struct kernel *kernel = open_without("recv_multishot");
    struct io_uring_sqe plain = { .opcode = IORING_OP_RECV };
    struct io_uring_sqe multishot = plain;

    multishot.ioprio = IORING_RECV_MULTISHOT;
    CHECK_EQ(kernel->route[IORING_OP_RECV], KERNEL_ROUTE_LOOK);
    CHECK_EQ(look(kernel, &plain), KERNEL_ROUTE_SQ);
    CHECK_EQ(look(kernel, &multishot), KERNEL_ROUTE_SIDE);
    kernel->class->destroy(kernel);
}

RING_TEST(S2_S4_C2_B6_what_has_many_results_may_be_repeated)
{
    struct kernel *kernel = open_without("accept_multishot,op_read_multishot");
    struct io_uring_sqe accept = { .opcode = IORING_OP_ACCEPT };
    struct io_uring_sqe read = { .opcode = IORING_OP_READ_MULTISHOT };

    CHECK_EQ(kernel->route[IORING_OP_ACCEPT], KERNEL_ROUTE_LOOK);
    CHECK_EQ(look(kernel, &accept), KERNEL_ROUTE_SQ);
    accept.ioprio = IORING_ACCEPT_MULTISHOT;
    CHECK_EQ(look(kernel, &accept), KERNEL_ROUTE_REPEAT);
    CHECK_EQ(accept.ioprio, 0);
    CHECK_EQ(kernel->route[IORING_OP_READ_MULTISHOT], KERNEL_ROUTE_LOOK);
    CHECK_EQ(look(kernel, &read), KERNEL_ROUTE_SIDE); /* to be refused */
    read.flags = IOSQE_BUFFER_SELECT;
    CHECK_EQ(look(kernel, &read), KERNEL_ROUTE_REPEAT);
    CHECK_EQ(read.opcode, IORING_OP_READ);
    CHECK_GT(read.len, 0u);
    kernel->class->destroy(kernel);
}

RING_TEST(S2_S4_a_hint_that_is_missing_is_left_out)
{
    struct kernel *kernel = open_without("poll_first");
    struct io_uring_sqe sqe = { .opcode = IORING_OP_RECV,
                                .ioprio = IORING_RECVSEND_POLL_FIRST };

    CHECK_EQ(kernel->route[IORING_OP_RECV], KERNEL_ROUTE_LOOK);
    CHECK_EQ(look(kernel, &sqe), KERNEL_ROUTE_SQ);
    CHECK_EQ(sqe.ioprio, 0);
    kernel->class->destroy(kernel);
}

RING_TEST(S2_S4_groups_and_tables_belong_to_one_executor)
{
    struct kernel *kernel = open_without("buf_ring");
    struct io_uring_sqe plain = { .opcode = IORING_OP_READ };
    struct io_uring_sqe select = plain, fixed = plain;

    select.flags = IOSQE_BUFFER_SELECT;
    fixed.flags = IOSQE_FIXED_FILE;
    CHECK_EQ(look(kernel, &plain), KERNEL_ROUTE_SQ);
    CHECK_EQ(look(kernel, &select), KERNEL_ROUTE_SIDE);
    kernel->class->destroy(kernel);

    kernel = open_without("sparse_files");
    CHECK_EQ(look(kernel, &plain), KERNEL_ROUTE_SQ);
    CHECK_EQ(look(kernel, &fixed), KERNEL_ROUTE_SIDE);
    kernel->class->destroy(kernel);
}
