/* SPDX-License-Identifier: MIT */
/*
 * test_uring_sockets.c - what gyre takes for granted of Linux's requests on
 * sockets, asked of Linux itself: a kernel that behaves otherwise is noticed
 * here; and where these requests go if Linux lacks a part of them
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/uring/uring.h"
#include "ring/feature.h"
#include "runner/patient.h"
#include "runner/test.h"
#include "test_emu_world.h"

/* user_data whose low bits are those of an op. */
#define ID(n) ((uint64_t)(n) << 4)

#define RING_TEST(name)                                                        \
    KERNEL_TEST_ON(name, TEST_URING | TEST_URING_COOP | TEST_URING_PLAIN)

static struct kernel *ring_open_attached(void)
{
    struct kernel_options options = { .entries = 16 };
    struct kernel *k;

    CHECK_OK(uring_open(&k, &options));
    CHECK_OK(k->class->attach(k));
    return k;
}

static void connect_pair(int fds[2])
{
    struct sockaddr_in address;
    int listener = make_listener(0, &address);

    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(
        patient_connect(fds[0], (struct sockaddr *)&address, sizeof address));
    fds[1] = accept(listener, NULL, NULL);
    CHECK(fds[1] >= 0);
    CHECK_OK(close(listener));
}

static bool has(struct kernel *k, uint8_t opcode)
{
    return k->route[opcode] != KERNEL_ROUTE_SIDE;
}

/* ---- facts --------------------------------------------------------------- */

/* One completion, or two of which the first has MORE and the second is the
 * notification: never the other way round. The result. */
static int zc_result(struct kernel *k, int fd, const void *bytes, uint32_t size)
{
    struct io_uring_cqe first, second;

    put(k, IORING_OP_SEND_ZC, fd, bytes, size, ID(1))->ioprio =
        IORING_SEND_ZC_REPORT_USAGE;
    enter(k, 1);
    first = take(k);
    CHECK_EQ(first.user_data, ID(1));
    CHECK_EQ(first.flags & IORING_CQE_F_NOTIF, 0);
    if ((first.flags & IORING_CQE_F_MORE) == 0) {
        CHECK_LT(first.res, 0);
        return first.res;
    }
    if (cq_ready(&k->cq) == 0)
        enter(k, 1);
    second = take(k);
    CHECK_EQ(second.user_data, ID(1));
    CHECK_EQ(second.flags, IORING_CQE_F_NOTIF);
    CHECK_EQ((uint32_t)second.res & ~IORING_NOTIF_USAGE_ZC_COPIED, 0);
    if (first.res > 0)
        CHECK_EQ((uint32_t)second.res, IORING_NOTIF_USAGE_ZC_COPIED);
    return first.res;
}

RING_TEST(C8_linux_notifies_after_the_bytes_and_at_most_once)
{
    struct kernel *k = ring_open_attached();
    static const char bytes[10000];
    int fds[2], pair[2];

    if (!has(k, IORING_OP_SEND_ZC)) {
        k->class->destroy(k);
        TEST_SKIP("this Linux has no SEND_ZC");
    }
    connect_pair(fds);
    make_pair(SOCK_STREAM, pair);
    CHECK_EQ(zc_result(k, fds[0], bytes, sizeof bytes), (int)sizeof bytes);
    CHECK_EQ(zc_result(k, fds[0], bytes, 0), 0);
    CHECK_ERR(zc_result(k, pair[0], bytes, 10), -EOPNOTSUPP);
    CHECK_ERR(zc_result(k, 777, bytes, 10), -EBADF);
    if (!test_on_valgrind())
        CHECK_ERR(zc_result(k, fds[0], (void *)16, 10), -EFAULT);
    CHECK_OK(shutdown(fds[0], SHUT_WR));
    CHECK_ERR(zc_result(k, fds[0], bytes, 10), -EPIPE);
    close_pair(pair);
    close_pair(fds);
    k->class->destroy(k);
}

/* Of silence about success the second completion would be left. */
RING_TEST(C8_linux_refuses_to_be_silent_about_a_send_without_copying)
{
    struct kernel *k = ring_open_attached();
    int fds[2];

    connect_pair(fds);
    if (has(k, IORING_OP_SEND_ZC)) {
        put(k, IORING_OP_SEND_ZC, fds[0], "x", 1, ID(1))->flags =
            IOSQE_CQE_SKIP_SUCCESS;
        expect(k, ID(1), -EINVAL);
    }
    close_pair(fds);
    k->class->destroy(k);
}

/* POLL_FIRST leaves out the try, so whoever wants no wait has nothing. */
RING_TEST(C13_linux_polls_first)
{
    struct kernel *k = ring_open_attached();
    struct io_uring_sqe *sqe;
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    if (has(k, IORING_OP_SOCKET)) {
        sqe = put(k, IORING_OP_RECV, fds[0], &byte, 1, ID(1));
        sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
        sqe->msg_flags = MSG_DONTWAIT;
        expect(k, ID(1), -EAGAIN);
    }
    put(k, IORING_OP_RECV, fds[0], &byte, 1, ID(2));
    expect(k, ID(2), 1);
    close_pair(fds);
    k->class->destroy(k);
}

RING_TEST(C4_linux_waits_on_a_socket_that_does_not_block)
{
    struct kernel *k = ring_open_attached();
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM | SOCK_NONBLOCK, fds);
    put(k, IORING_OP_RECV, fds[0], &byte, 1, ID(1));
    expect_nothing(k);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    expect(k, ID(1), 1);
    close_pair(fds);
    k->class->destroy(k);
}

/* ---- where requests go --------------------------------------------------- */

static struct kernel *open_without(const char *features)
{
    CHECK_EQ(ring_features_restrict(features), 0u);
    return ring_open_attached();
}

static enum kernel_route look(struct kernel *k, struct io_uring_sqe sqe)
{
    if (k->route[sqe.opcode] != KERNEL_ROUTE_LOOK)
        return (enum kernel_route)k->route[sqe.opcode];
    return k->class->look(k, &sqe);
}

static struct io_uring_sqe command(unsigned number, int level)
{
    struct io_uring_sqe sqe = { .opcode = IORING_OP_URING_CMD };

    sqe.cmd_op = number;
    sqe.level = (uint32_t)level;
    return sqe;
}

RING_TEST(S4_C17_an_address_beside_the_bytes_may_be_missing)
{
    struct kernel *k = open_without("send_to");
    struct io_uring_sqe plain = { .opcode = IORING_OP_SEND };
    struct io_uring_sqe to = plain;

    to.addr2 = 1;
    CHECK_EQ(look(k, plain), KERNEL_ROUTE_SQ);
    CHECK_EQ(look(k, to), KERNEL_ROUTE_SIDE);
    k->class->destroy(k);
}

RING_TEST(S4_C12_commands_of_sockets_go_where_they_are_known)
{
    struct kernel *k = open_without("socket_commands");

    for (unsigned i = SOCKET_URING_OP_SIOCINQ; i <= SOCKET_URING_OP_SETSOCKOPT;
         i++)
        CHECK_EQ(look(k, command(i, SOL_SOCKET)), KERNEL_ROUTE_SIDE);
    k->class->destroy(k);
    k = open_without(NULL);
    /* No Linux has that one. */
    CHECK_EQ(look(k, command(SOCKET_URING_OP_GETSOCKOPT, IPPROTO_TCP)),
             KERNEL_ROUTE_SIDE);
    if (uring_of(k)->opcodes.feature[RING_SOCKET_COMMANDS]) {
        CHECK_EQ(look(k, command(SOCKET_URING_OP_GETSOCKOPT, SOL_SOCKET)),
                 KERNEL_ROUTE_SQ);
        CHECK_EQ(look(k, command(SOCKET_URING_OP_SETSOCKOPT, IPPROTO_TCP)),
                 KERNEL_ROUTE_SQ);
    }
    k->class->destroy(k);
    k = open_without("getsockname");
    CHECK_EQ(look(k, command(SOCKET_URING_OP_GETSOCKNAME, 0)),
             KERNEL_ROUTE_SIDE);
    /* A command of a disk is none of ours. */
    if (k->route[IORING_OP_URING_CMD] == KERNEL_ROUTE_LOOK)
        CHECK_EQ(look(k, command(0x1280, 0)), KERNEL_ROUTE_SQ);
    k->class->destroy(k);
}

RING_TEST(S4_C8_a_report_that_is_missing_is_not_asked_for)
{
    struct kernel *k = open_without("send_zc_report");
    struct io_uring_sqe sqe = { .opcode = IORING_OP_SEND_ZC,
                                .ioprio = IORING_SEND_ZC_REPORT_USAGE };

    if (k->route[IORING_OP_SEND_ZC] == KERNEL_ROUTE_LOOK) {
        CHECK_EQ(k->class->look(k, &sqe), KERNEL_ROUTE_SQ);
        CHECK_EQ(sqe.ioprio, 0);
    } else {
        CHECK_EQ(k->route[IORING_OP_SEND_ZC], KERNEL_ROUTE_SIDE);
    }
    k->class->destroy(k);
}

RING_TEST(S4_C1_an_accept_that_must_not_wait_goes_beside)
{
    struct kernel *k = open_without("accept_flags");
    struct io_uring_sqe patient = { .opcode = IORING_OP_ACCEPT };
    struct io_uring_sqe impatient = patient;

    impatient.ioprio = IORING_ACCEPT_DONTWAIT;
    CHECK_EQ(look(k, patient), KERNEL_ROUTE_SQ);
    CHECK_EQ(look(k, impatient), KERNEL_ROUTE_SIDE);
    k->class->destroy(k);
}
