/* SPDX-License-Identifier: MIT */
/*
 * test_emu_found.c - lines of docs/DIFFERENCES.md that random programs have
 * found (fuzz/), held on both sides
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/choose.h"
#include "ring/abi_register.h"
#include "runner/test.h"
#include "test_emu_world.h"

#define ID(n) ((uint64_t)(n) << 4)

/* Run `body` on the emulator and, if there is one, on the ring. */
static void on_both(void (*body)(struct kernel *k, bool linux_s))
{
    struct kernel_options options = { .entries = 16 };
    struct kernel *k = world_open(16, 0, 0);

    body(k, false);
    world_close(k);
    if (kernel_uring_refusal() != NULL)
        return;
    CHECK_OK(uring_open(&k, &options));
    CHECK_OK(k->class->attach(k));
    body(k, true);
    k->class->destroy(k);
}

/* The CQEs of `count` requests, by the numbers of their user_data. */
static void cqes_of(struct kernel *k, unsigned count, struct io_uring_cqe *cqes)
{
    for (unsigned i = 0; i < count;) {
        struct io_uring_cqe cqe;

        enter(k, 1);
        cqe = take(k);
        if ((cqe.user_data & KERNEL_TAG_MASK) == KERNEL_TAG_INTERNAL) {
            k->class->internal(k, &cqe);
            continue;
        }
        cqes[cqe.user_data >> 4] = cqe;
        i++;
    }
}

static void counted_in_a_batch(struct kernel *k, bool linux_s)
{
    static const struct ring_timespec far = { .tv_sec = 1000 };
    struct io_uring_cqe cqes[4];

    put(k, IORING_OP_TIMEOUT, -1, &far, 1, ID(1))->off = 1;
    put(k, IORING_OP_NOP, -1, NULL, 0, ID(2));
    put(k, IORING_OP_TIMEOUT_REMOVE, -1, (void *)(uintptr_t)ID(1), 0, ID(3));
    cqes_of(k, 3, cqes);
    if (linux_s) {
        /* An older Linux posts each NOP by itself. */
        CHECK(cqes[1].res == -ECANCELED || cqes[1].res == 0);
    } else {
        CHECK_ERR(cqes[1].res, 0);
        CHECK_ERR(cqes[3].res, -ENOENT);
    }
}

TEST(emu_difference_71_a_count_sees_each_result)
{
    on_both(counted_in_a_batch);
}

static void counted_in_silence(struct kernel *k, bool linux_s)
{
    static const struct ring_timespec far = { .tv_sec = 1000 };
    static const struct ring_timespec soon = { .tv_nsec = 1000000 };
    struct io_uring_cqe cqes[5];
    struct io_uring_sqe *sqe;

    put(k, IORING_OP_TIMEOUT, -1, &far, 1, ID(1))->off = 3;
    sqe = put(k, IORING_OP_TIMEOUT, -1, &soon, 1, ID(2));
    sqe->timeout_flags = IORING_TIMEOUT_ETIME_SUCCESS;
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK;
    put(k, IORING_OP_NOP, -1, NULL, 0, ID(3));
    cqes_of(k, 1, cqes);
    put(k, IORING_OP_TIMEOUT_REMOVE, -1, (void *)(uintptr_t)ID(1), 0, ID(4));
    cqes_of(k, 2, cqes);
    CHECK_EQ(cqes[3].res, 0);
    if (linux_s)
        CHECK(cqes[1].res == -ECANCELED || cqes[1].res == 0);
    else
        CHECK_ERR(cqes[1].res, -ECANCELED);
}

TEST(emu_difference_71_silence_does_not_count)
{
    if (!test_has("", 5, 17))
        TEST_SKIP("this Linux tells of every request");
    on_both(counted_in_silence);
}

static void cancelled_with_a_buffer(struct kernel *k, bool linux_s)
{
    static char buffers[2][64];
    struct io_uring_cqe cqes[4];
    struct io_uring_sqe *sqe;
    int fds[2];

    make_pair(SOCK_DGRAM, fds);
    put(k, IORING_OP_PROVIDE_BUFFERS, 2, buffers, 64, ID(1))->buf_group = 5;
    cqes_of(k, 1, cqes);
    CHECK_EQ(cqes[1].res, 0);
    sqe = put(k, IORING_OP_READ, fds[0], NULL, 64, ID(2));
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = 5;
    enter(k, 0);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)ID(2), 0, ID(3));
    cqes_of(k, 2, cqes);
    CHECK_ERR(cqes[2].res, -ECANCELED);
    /* On some versions Linux's tells of a buffer that it has held. */
    if (!linux_s)
        CHECK_EQ(cqes[2].flags, 0u);
    close_pair(fds);
}

TEST(emu_difference_72_a_read_that_waits_holds_no_buffer)
{
    on_both(cancelled_with_a_buffer);
}

static void chain_goes_first(struct kernel *k, bool linux_s)
{
    struct io_uring_cqe cqes[4];
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_READ, fds[0], &byte, 1, ID(1));
    enter(k, 0);
    put(k, IORING_OP_WRITE, fds[1], "x", 1, ID(2))->flags = IOSQE_IO_LINK;
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)ID(1), 0, ID(3));
    cqes_of(k, 3, cqes);
    CHECK_EQ(cqes[2].res, 1);
    if (linux_s)
        CHECK(cqes[1].res == 1 || cqes[1].res == -ECANCELED);
    else
        CHECK_ERR(cqes[1].res, -ECANCELED);
    close_pair(fds);
}

TEST(emu_difference_73_a_chain_goes_before_who_waits)
{
    on_both(chain_goes_first);
}

/* Bytes for an end that is shut down for reading make its peer's reset. */
static void chain_breaks_off(struct kernel *k, bool linux_s)
{
    struct sockaddr_in address;
    int listener = make_listener(0, &address);
    int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), other;
    struct io_uring_cqe cqes[4];
    char byte;

    CHECK_OK(connect(one, (struct sockaddr *)&address, sizeof address));
    CHECK_GE(other = accept4(listener, NULL, NULL, SOCK_CLOEXEC), 0);
    put(k, IORING_OP_RECV, one, &byte, 1, ID(1));
    enter(k, 0);
    put(k, IORING_OP_SHUTDOWN, one, NULL, SHUT_RDWR, ID(2))->flags =
        IOSQE_IO_LINK;
    put(k, IORING_OP_SEND, other, "x", 1, ID(3));
    cqes_of(k, 3, cqes);
    CHECK_EQ(cqes[2].res, 0);
    CHECK_EQ(cqes[3].res, 1);
    if (linux_s)
        CHECK(cqes[1].res == 0 || cqes[1].res == -ECONNRESET);
    else
        CHECK_ERR(cqes[1].res, -ECONNRESET);
    CHECK_OK(close(one));
    CHECK_OK(close(other));
    CHECK_OK(close(listener));
}

TEST(emu_difference_73_a_chain_breaks_off_what_another_reads)
{
    on_both(chain_breaks_off);
}

static void two_mistakes(struct kernel *k, bool linux_s)
{
    struct io_uring_cqe cqes[2];

    put(k, IORING_OP_SENDMSG, -1, (void *)8, 1, ID(1));
    cqes_of(k, 1, cqes);
    /* 6.1, too, looks for the file first. */
    if (linux_s)
        CHECK(cqes[1].res == -EFAULT || cqes[1].res == -EBADF);
    else
        CHECK_ERR(cqes[1].res, -EBADF);
}

TEST(emu_difference_74_which_of_two_mistakes_is_told)
{
    test_not_on_qemu_user("it looks at arguments first");
    if (test_on_valgrind())
        TEST_SKIP("its bad pointers are what valgrind reports");
    on_both(two_mistakes);
}

/* Of two that match, one ends. */
static void one_of_two(struct kernel *k, bool linux_s)
{
    struct io_uring_cqe cqes[6];
    struct io_uring_sqe *sqe;
    int first[2], second[2];
    char byte;

    make_pair(SOCK_STREAM, first);
    make_pair(SOCK_STREAM, second);
    put(k, IORING_OP_RECV, first[0], &byte, 1, ID(1));
    put(k, IORING_OP_RECV, second[0], &byte, 1, ID(2));
    enter(k, 0);
    sqe = put(k, IORING_OP_ASYNC_CANCEL, -1, NULL, IORING_OP_RECV, ID(3));
    sqe->cancel_flags = IORING_ASYNC_CANCEL_OP;
    cqes[1] = cqes[2] = (struct io_uring_cqe){ .res = 1 };
    cqes_of(k, 2, cqes);
    CHECK_ERR(cqes[3].res, 0);
    if (linux_s)
        CHECK((cqes[1].res == -ECANCELED) != (cqes[2].res == -ECANCELED));
    else
        CHECK_ERR(cqes[1].res, -ECANCELED);
    put(k, IORING_OP_ASYNC_CANCEL, -1,
        (void *)(uintptr_t)ID(cqes[1].res == 1 ? 1 : 2), 0, ID(4));
    cqes_of(k, 2, cqes);
    CHECK_ERR(cqes[4].res, 0);
    close_pair(first);
    close_pair(second);
}

TEST(emu_difference_75_a_cancel_of_one_ends_the_oldest)
{
    if (!test_has("", 6, 6))
        TEST_SKIP("this Linux does not cancel by opcode");
    on_both(one_of_two);
}

static void command_with_a_buffer(struct kernel *k, bool linux_s)
{
    struct io_uring_cqe cqes[2];
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_URING_CMD, fds[0], NULL, 0, ID(1))->flags =
        IOSQE_BUFFER_SELECT;
    cqes_of(k, 1, cqes);
    if (linux_s)
        CHECK(cqes[1].res == -EINVAL || cqes[1].res == -EOPNOTSUPP);
    else
        CHECK_ERR(cqes[1].res, -EOPNOTSUPP);
    close_pair(fds);
}

TEST(emu_difference_76_commands_choose_no_buffers)
{
    on_both(command_with_a_buffer);
}

static void end_of_a_stream(struct kernel *k, bool linux_s)
{
    static char buffers[4][64];
    struct io_uring_cqe first, last, cqes[2];
    struct io_uring_sqe *sqe;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_EQ(write(fds[1], "abc", 3), 3);
    CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    put(k, IORING_OP_PROVIDE_BUFFERS, 4, buffers, 64, ID(1))->buf_group = 6;
    cqes_of(k, 1, cqes);
    sqe = put(k, IORING_OP_RECV, fds[0], NULL, 0, ID(1));
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = 6;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->msg_flags = MSG_DONTWAIT;
    enter(k, 2);
    first = take(k);
    last = take(k);
    CHECK_EQ(first.res, 3);
    CHECK_EQ(last.flags & IORING_CQE_F_MORE, 0u);
    if (linux_s)
        CHECK(last.res == 0 || last.res == -EAGAIN);
    else
        CHECK_ERR(last.res, 0);
    close_pair(fds);
}

TEST(emu_difference_77_an_impatient_receive_tells_the_end)
{
    if (!test_has("", 6, 1))
        TEST_SKIP("this Linux has no multishot receives");
    on_both(end_of_a_stream);
}

static void shut_down_without_buffers(struct kernel *k, bool linux_s)
{
    struct io_uring_cqe cqes[4];
    struct io_uring_sqe *sqe;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    sqe = put(k, IORING_OP_RECV, fds[0], NULL, 64, ID(1));
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = 7;
    sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
    enter(k, 0);
    put(k, IORING_OP_SHUTDOWN, fds[0], NULL, SHUT_WR, ID(2));
    cqes_of(k, 1, cqes);
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)ID(1), 0, ID(3));
    cqes_of(k, 2, cqes);
    CHECK_EQ(cqes[2].res, 0);
    if (linux_s)
        CHECK(cqes[1].res == -ENOBUFS || cqes[1].res == -ECANCELED);
    else
        CHECK_ERR(cqes[1].res, -ECANCELED);
    close_pair(fds);
}

TEST(emu_difference_42_nor_where_writing_is_shut_down)
{
    if (!test_has("", 6, 1))
        TEST_SKIP("this Linux does not poll first");
    on_both(shut_down_without_buffers);
}

static void written_behind_a_close(struct kernel *k, bool linux_s)
{
    struct sigaction ignored = { .sa_handler = SIG_IGN };
    struct io_uring_cqe cqes[3];
    int fds[2];

    CHECK_OK(sigaction(SIGPIPE, &ignored, NULL));
    make_pipe(fds, 0);
    put(k, IORING_OP_CLOSE, fds[0], NULL, 0, ID(1))->flags = IOSQE_IO_LINK;
    put(k, IORING_OP_WRITE, fds[1], "x", 1, ID(2))->off = UINT64_MAX;
    cqes_of(k, 2, cqes);
    CHECK_EQ(cqes[1].res, 0);
    if (linux_s)
        CHECK(cqes[2].res == 1 || cqes[2].res == -EPIPE);
    else
        CHECK_ERR(cqes[2].res, -EPIPE);
    CHECK_OK(close(fds[1]));
}

TEST(emu_difference_78_what_is_closed_is_gone_at_once)
{
    on_both(written_behind_a_close);
}

/* What comes while a request reads, and is in its second result, or behind. */
static void read_of_many(struct kernel *k, bool linux_s)
{
    static char buffers[4][64];
    struct io_uring_cqe cqe, cqes[2];
    struct io_uring_sqe *sqe;
    int fds[2], results[3], count = 0;
    bool sent = false;

    make_pair(SOCK_STREAM, fds);
    CHECK_EQ(write(fds[1], buffers, 100), 100);
    put(k, IORING_OP_PROVIDE_BUFFERS, 4, buffers, 64, ID(1))->buf_group = 8;
    cqes_of(k, 1, cqes);
    sqe = put(k, IORING_OP_READ_MULTISHOT, fds[0], NULL, 0, ID(1));
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = 8;
    sqe->off = UINT64_MAX;
    put(k, IORING_OP_SEND, fds[1], "0123456789ab", 12, ID(2));
    for (int sum = 0; sum < 112 || !sent;) {
        enter(k, 1);
        cqe = take(k);
        CHECK_GT(cqe.res, 0);
        if (cqe.user_data == ID(2)) {
            sent = true;
            continue;
        }
        CHECK_LT(count, 3);
        sum += results[count++] = cqe.res;
    }
    CHECK_EQ(results[0], 64);
    if (linux_s)
        CHECK(results[1] == 36 || results[1] == 48);
    else
        CHECK_EQ(results[1], 36);
    cancel(k, ID(1));
    close_pair(fds);
}

TEST(emu_difference_79_a_read_of_many_takes_all_that_is_there)
{
    if (!test_has("", 6, 7))
        TEST_SKIP("this Linux has no multishot reads");
    on_both(read_of_many);
}

static void all_of_messages(struct kernel *k, bool linux_s)
{
    struct io_uring_cqe cqes[2];
    struct io_uring_sqe *sqe;
    char bytes[10];
    int fds[2];

    make_pair(SOCK_SEQPACKET, fds);
    CHECK_EQ(write(fds[1], "abc", 3), 3);
    sqe = put(k, IORING_OP_RECV, fds[0], bytes, 10, ID(1));
    sqe->flags = IOSQE_ASYNC;
    sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
    sqe->msg_flags = MSG_WAITALL;
    enter(k, 0);
    CHECK_EQ(write(fds[1], "defghij", 7), 7);
    cqes_of(k, 1, cqes);
    if (linux_s)
        CHECK(cqes[1].res == 3 || cqes[1].res == 10);
    else
        CHECK_EQ(cqes[1].res, 10);
    close_pair(fds);
}

TEST(emu_difference_80_who_waits_for_all_waits_for_more)
{
    if (!test_has("", 6, 1))
        TEST_SKIP("this Linux does not poll first");
    on_both(all_of_messages);
}
