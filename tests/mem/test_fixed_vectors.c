/* SPDX-License-Identifier: MIT */
/*
 * Vectors in registered memory, and sockets that send and receive in it: what
 * becomes fixed by itself, what stays plain, the bounds of what names a piece,
 * and the same results where the kernel has none of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/world.h"
#include "loop/loop.h"
#include "ring/feature.h"

enum { PIECE = 65536, MUCH = 5000 };

static gyre_loop *loop;
static _Alignas(4096) char memory[2][PIECE];
static int32_t last_res;

static void note(gyre_op *op, gyre_result result)
{
    (void)op;
    if ((result.flags & GYRE_CQE_NOTIF) == 0)
        last_res = result.res;
}

static int32_t perform(gyre_op *op)
{
    gyre_op_start(loop, op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    return last_res;
}

static uint64_t fixed_count(void)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(loop, &stats);
    return stats.fixed;
}

/* Has the kernel of this loop fixed vectors? */
static bool has_vectors(void)
{
    return loop->kernel->route[IORING_OP_READV_FIXED] == KERNEL_ROUTE_SQ;
}

static int file_open(void)
{
    int fd = open(file_make("file", 4 * PIECE), O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0);
    return fd;
}

static void check_file_bytes(const char *at, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        CHECK_EQ((unsigned char)at[i], (from + i) % 251);
}

static unsigned open_with_piece(void)
{
    int index;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    index = gyre_buffers_register(loop, memory[0], PIECE);
    CHECK_GE(index, 0);
    return (unsigned)index;
}

/* ---- by index ------------------------------------------------------------ */

static void by_index(void)
{
    unsigned index = open_with_piece();
    int fd = file_open();
    struct iovec iov[3] = {
        { memory[0] + 100, 1000 },
        { memory[0] + 20000, 1 },
        { memory[0] + PIECE - 3000, 3000 },
    };
    gyre_op op;

    gyre_op_readv_fixed(&op, fd, iov, 3, 7, index);
    CHECK_EQ(perform(&op), 4001);
    check_file_bytes(memory[0] + 100, 1000, 7);
    check_file_bytes(memory[0] + 20000, 1, 1007);
    check_file_bytes(memory[0] + PIECE - 3000, 3000, 1008);
    gyre_op_writev_fixed(&op, fd, iov + 1, 2, 0, index);
    CHECK_EQ(perform(&op), 3001);
    gyre_op_readv_fixed(&op, fd, iov, 1, 1, index);
    CHECK_EQ(perform(&op), 1000);
    check_file_bytes(memory[0] + 100, 1000, 1008);
    gyre_op_readv_fixed(&op, fd, iov, 3, 4 * PIECE, index);
    CHECK_EQ(perform(&op), 0);
    CHECK_EQ(fixed_count(), 0u);
    /* One part out of its bounds; empty; another's piece; nobody's. */
    iov[2].iov_len = 3001;
    gyre_op_readv_fixed(&op, fd, iov, 3, 0, index);
    CHECK_ERR(perform(&op), -EFAULT);
    iov[2].iov_len = 0;
    gyre_op_readv_fixed(&op, fd, iov, 3, 0, index);
    CHECK_ERR(perform(&op), -EFAULT);
    iov[2] = (struct iovec){ memory[1], 100 };
    gyre_op_writev_fixed(&op, fd, iov, 3, 0, index);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_op_readv_fixed(&op, fd, iov, 1, 0, index + 1);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_op_readv_fixed(&op, fd, iov, 1, 0, 65535);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_op_readv_fixed(&op, -1, iov, 1, 0, index);
    CHECK_ERR(perform(&op), -EBADF);
    CHECK_OK(gyre_buffers_unregister(loop, index, NULL, NULL));
    gyre_op_readv_fixed(&op, fd, iov, 1, 0, index);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_loop_destroy(loop);
    CHECK_OK(close(fd));
}

KERNEL_TEST(B5_fixed_vectors_keep_within_their_piece)
{
    by_index();
}

KERNEL_TEST_ON(B5_so_they_do_where_the_kernel_has_none, TEST_URING)
{
    CHECK_EQ(ring_features_restrict("op_readv_fixed op_writev_fixed"), 0u);
    by_index();
    CHECK_EQ(ring_features_restrict("registered_buffers"), 0u);
    by_index();
    CHECK_EQ(ring_features_restrict(NULL), 0u);
}

KERNEL_TEST(B5_fixed_vectors_without_any_piece_are_refused)
{
    struct iovec part = { memory[0], 10 };
    int fd = file_open();
    gyre_op op;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_op_readv_fixed(&op, fd, &part, 1, 0, 0);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_loop_destroy(loop);
    CHECK_OK(close(fd));
}

/* Its vectors are held until submission, its memory to the end. */
KERNEL_TEST(B5_a_fixed_vector_waits_for_data_and_is_cancelled)
{
    unsigned index = open_with_piece();
    struct iovec iov[2] = { { memory[0], 2 }, { memory[0] + 100, 10 } };
    gyre_op op;
    int fds[2];

    CHECK_OK(pipe2(fds, O_CLOEXEC));
    gyre_op_readv_fixed(&op, fds[0], iov, 2, GYRE_CURRENT_POSITION, index);
    gyre_op_start(loop, &op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    memset(iov, 0xff, sizeof iov);
    CHECK_EQ(write(fds[1], "hello", 5), 5);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(last_res, 5);
    CHECK_MEM_EQ(memory[0], "he", 2);
    CHECK_MEM_EQ(memory[0] + 100, "llo", 3);
    iov[0] = (struct iovec){ memory[0], 2 };
    gyre_op_readv_fixed(&op, fds[0], iov, 1, GYRE_CURRENT_POSITION, index);
    gyre_op_start(loop, &op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_op_cancel(&op));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ERR(last_res, -ECANCELED);
    gyre_loop_destroy(loop);
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
}

/* ---- by itself ----------------------------------------------------------- */

static void by_itself(bool told)
{
    unsigned index = open_with_piece();
    uint64_t fixed = told && has_vectors();
    int fd = file_open();
    struct iovec iov[3] = {
        { memory[0] + 100, 1000 },
        { memory[0] + PIECE - 5, 5 },
        { memory[0], 10 },
    };
    struct iovec many[1025];
    gyre_op op;

    gyre_op_readv(&op, fd, iov, 3, 3);
    CHECK_EQ(perform(&op), 1015);
    check_file_bytes(memory[0] + 100, 1000, 3);
    check_file_bytes(memory[0] + PIECE - 5, 5, 1003);
    check_file_bytes(memory[0], 10, 1008);
    CHECK_EQ(fixed_count(), fixed);
    gyre_op_writev2(&op, fd, iov, 2, 3, 0);
    CHECK_EQ(perform(&op), 1005);
    CHECK_EQ(fixed_count(), 2 * fixed);
    /* One part elsewhere, an empty one, none at all, too many. */
    iov[1] = (struct iovec){ memory[1], 5 };
    gyre_op_readv(&op, fd, iov, 3, 3);
    CHECK_EQ(perform(&op), 1015);
    check_file_bytes(memory[1], 5, 1003);
    iov[1] = (struct iovec){ memory[0], 0 };
    gyre_op_readv(&op, fd, iov, 3, 3);
    CHECK_EQ(perform(&op), 1010);
    gyre_op_readv(&op, fd, iov, 0, 3);
    CHECK_EQ(perform(&op), 0);
    for (unsigned i = 0; i < 1025; i++)
        many[i] = (struct iovec){ memory[0] + i, 1 };
    gyre_op_readv(&op, fd, many, 1025, 0);
    CHECK_ERR(perform(&op), -EINVAL);
    CHECK_EQ(fixed_count(), 2 * fixed);
    gyre_op_readv(&op, fd, many, 1024, 0);
    CHECK_EQ(perform(&op), 1024);
    CHECK_EQ(fixed_count(), 3 * fixed);
    CHECK_OK(gyre_buffers_unregister(loop, index, NULL, NULL));
    iov[1] = iov[0];
    gyre_op_readv(&op, fd, iov, 3, 3);
    CHECK_EQ(perform(&op), 2010);
    CHECK_EQ(fixed_count(), 3 * fixed);
    gyre_loop_destroy(loop);
    CHECK_OK(close(fd));
}

KERNEL_TEST(B5_B20_a_vector_in_one_piece_becomes_fixed_by_itself)
{
    by_itself(true);
}

KERNEL_TEST_ON(B5_B20_vectors_stay_plain_where_the_kernel_has_no_other,
               TEST_URING)
{
    CHECK_EQ(ring_features_restrict("op_writev_fixed"), 0u);
    by_itself(false);
    CHECK_EQ(ring_features_restrict("registered_buffers"), 0u);
    by_itself(false);
    CHECK_EQ(ring_features_restrict(NULL), 0u);
}

static int readv_body(void *arg)
{
    struct iovec iov[2] = { { memory[0], 10 }, { memory[0] + 50, 10 } };
    int fd = gyre_open(arg, O_RDWR, 0);
    int index;

    CHECK(fd >= 0);
    loop = gyre_loop_current();
    index = gyre_buffers_register(loop, memory[0], PIECE);
    CHECK_GE(index, 0);
    CHECK_EQ(gyre_readv(fd, iov, 2, 1), 20);
    check_file_bytes(memory[0] + 50, 10, 11);
    CHECK_EQ(gyre_writev(fd, iov, 2, 100), 20);
    CHECK_EQ(fixed_count(), has_vectors() ? 2u : 0u);
    CHECK_OK(gyre_buffers_unregister(loop, (unsigned)index, NULL, NULL));
    CHECK_OK(gyre_close(fd));
    return 0;
}

KERNEL_TEST(B5_B20_the_calls_of_tasks_are_fixed_likewise)
{
    char path[600];

    strcpy(path, file_make("file", PIECE));
    must_run(readv_body, path);
}

/* ---- sockets ------------------------------------------------------------- */

static void send_message_zc(int fd, struct iovec *iov, size_t count,
                            int32_t wanted)
{
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
    gyre_op op;

    gyre_op_sendmsg_zc(&op, fd, &message, 0);
    gyre_op_start(loop, &op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(last_res & 0xffff, wanted);
}

static void send_vector_zc(bool told)
{
    unsigned index = open_with_piece();
    uint64_t fixed = told && has_vectors();
    struct iovec iov[2] = { { memory[0] + 3, MUCH }, { memory[0], 2 } };
    static char got[MUCH + 2];
    int pair[2];

    tcp_pair_open(pair);
    memset(memory[0], 'y', PIECE);
    memset(memory[0] + 3, 'z', MUCH);
    send_message_zc(pair[0], iov, 2, MUCH + 2);
    CHECK_EQ(recv(pair[1], got, sizeof got, MSG_WAITALL), MUCH + 2);
    CHECK_MEM_EQ(got, memory[0] + 3, MUCH);
    CHECK_MEM_EQ(got + MUCH, "yy", 2);
    CHECK_EQ(fixed_count(), fixed);
    iov[1] = (struct iovec){ memory[1], 2 };
    send_message_zc(pair[0], iov, 2, MUCH + 2);
    CHECK_EQ(fixed_count(), fixed);
    CHECK_OK(gyre_buffers_unregister(loop, index, NULL, NULL));
    gyre_loop_destroy(loop);
    pair_close(pair);
}

KERNEL_TEST(B5_C8_a_message_without_copying_is_fixed_if_all_of_it_is_there)
{
    send_vector_zc(true);
}

KERNEL_TEST_ON(B5_C8_and_plain_where_the_kernel_has_no_fixed_vectors,
               TEST_URING)
{
    CHECK_EQ(ring_features_restrict("op_readv_fixed"), 0u);
    send_vector_zc(false);
    CHECK_EQ(ring_features_restrict(NULL), 0u);
}

static void by_sockets(bool told)
{
    unsigned index = open_with_piece();
    uint64_t fixed = told && loop->kernel->sockets_registered;
    gyre_op op;
    int pair[2];

    tcp_pair_open(pair);
    memcpy(memory[0], "hello", 5);
    gyre_op_send(&op, pair[0], memory[0], 5, 0);
    CHECK_EQ(perform(&op), 5);
    CHECK_EQ(fixed_count(), fixed);
    gyre_op_recv(&op, pair[1], memory[0] + 100, 10, 0);
    CHECK_EQ(perform(&op), 5);
    CHECK_MEM_EQ(memory[0] + 100, "hello", 5);
    CHECK_EQ(fixed_count(), 2 * fixed);
    gyre_op_send(&op, pair[0], memory[1], 5, 0);
    CHECK_EQ(perform(&op), 5);
    gyre_op_recv(&op, pair[1], memory[1] + 100, 10, 0);
    CHECK_EQ(perform(&op), 5);
    CHECK_EQ(fixed_count(), 2 * fixed);
    /* It waits for data, and takes them where it was told to. */
    gyre_op_recv(&op, pair[1], memory[0] + 200, 5, MSG_WAITALL);
    gyre_op_start(loop, &op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(write(pair[0], "abc", 3), 3);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(write(pair[0], "de", 2), 2);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(last_res, 5);
    CHECK_MEM_EQ(memory[0] + 200, "abcde", 5);
    CHECK_OK(gyre_buffers_unregister(loop, index, NULL, NULL));
    gyre_loop_destroy(loop);
    pair_close(pair);
}

KERNEL_TEST(B5_B20_sockets_use_registered_memory_where_linux_does)
{
    by_sockets(true);
}

KERNEL_TEST_ON(B5_B20_and_other_memory_where_it_does_not, TEST_URING)
{
    CHECK_EQ(ring_features_restrict("socket_buffers"), 0u);
    by_sockets(false);
    CHECK_EQ(ring_features_restrict(NULL), 0u);
}

/* SEND_ZC with a vector, of which only the raw request speaks. */
KERNEL_TEST(B5_C8_a_vector_sent_without_copying_is_fixed_where_linux_has_it)
{
    unsigned index = open_with_piece();
    struct iovec iov[2] = { { memory[0] + 3, MUCH }, { memory[0], 2 } };
    static char got[MUCH + 2];
    gyre_op op;
    int pair[2];

    if (!loop->kernel->sockets_registered)
        test_skip("this kernel has it not (Linux 7.2)");
    tcp_pair_open(pair);
    memset(memory[0], 'y', PIECE);
    memset(memory[0] + 3, 'z', MUCH);
    gyre_op_send_zc(&op, pair[0], iov, 2, 0);
    ((struct io_uring_sqe *)gyre_op_sqe(&op))->ioprio |= IORING_SEND_VECTORIZED;
    gyre_op_start(loop, &op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(recv(pair[1], got, sizeof got, MSG_WAITALL), MUCH + 2);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(last_res, MUCH + 2);
    CHECK_MEM_EQ(got + MUCH, "yy", 2);
    CHECK_EQ(fixed_count(), 1u);
    CHECK_OK(gyre_buffers_unregister(loop, index, NULL, NULL));
    gyre_loop_destroy(loop);
    pair_close(pair);
}
