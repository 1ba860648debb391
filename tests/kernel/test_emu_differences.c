/* SPDX-License-Identifier: MIT */
/*
 * test_emu_differences.c - each line of docs/DIFFERENCES.md, held on both sides
 *
 * A difference is a promise, too: what the emulator does instead is asserted
 * here, and what Linux's ring does is asserted on Linux's ring, where there is
 * one. The number in a test's name is the line's.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel/choose.h"
#include "runner/test.h"
#include "test_emu_world.h"

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

/* user_data whose low bits are those of an op. */
#define ID(n) ((uint64_t)(n) << 4)

static void end(struct kernel *k, uint64_t id)
{
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)id, 0, ID(99));
    enter(k, 2);
    (void)take(k);
    (void)take(k);
}

TEST(emu_difference_1_and_2_what_is_not_emulated_is_refused)
{
    struct kernel *k = world_open(8, 0, 0);

    put(k, IORING_OP_RECV_ZC, -1, NULL, 0, 1);
    expect(k, 1, -EINVAL);
    put(k, IORING_OP_NOP, -1, NULL, 0, 2)->personality = 1;
    expect(k, 2, -EINVAL);
    CHECK_ERR(k->class->reg(k, 255, NULL, 0), -EOPNOTSUPP);
    world_close(k);
}

TEST(emu_difference_3_modes_that_are_refused)
{
    struct kernel *k = world_open(8, 0, 0);
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[0], &byte, 1, 1)->ioprio =
        IORING_RECVSEND_FIXED_BUF;
    expect(k, 1, -EINVAL);
    close_pair(fds);
    world_close(k);
}

static void sock_nonempty(struct kernel *k, bool linux_s)
{
    struct io_uring_cqe cqe;
    char byte;
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    CHECK_EQ(write(fds[1], "xy", 2), 2);
    put(k, IORING_OP_RECV, fds[0], &byte, 1, ID(1));
    enter(k, 1);
    cqe = take(k);
    CHECK_EQ(cqe.res, 1);
    if (!linux_s)
        CHECK_EQ(cqe.flags, 0u);
    close_pair(fds);
}

TEST(emu_difference_4_no_hint_that_the_socket_has_more)
{
    on_both(sock_nonempty);
}

static void closed_under_way(struct kernel *k, bool linux_s)
{
    char byte = 0;
    int fds[2];
    ssize_t n;

    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_RECV, fds[0], &byte, 1, ID(1));
    expect_nothing(k);
    close(fds[0]);
    n = write(fds[1], "x", 1);
    if (linux_s) {
        CHECK_EQ(n, 1);
        expect(k, ID(1), 1);
    } else {
        CHECK_EQ(n, -1);
        CHECK_EQ(errno, EPIPE);
        expect_nothing(k);
        end(k, ID(1));
    }
    close(fds[1]);
}

TEST(emu_difference_5_a_request_does_not_hold_its_file)
{
    on_both(closed_under_way);
}

static void behind_another(struct kernel *k, bool linux_s)
{
    char got[4];
    int fds[2];

    make_pipe(fds, 0);
    put(k, IORING_OP_READ, fds[0], got, 4, ID(1));
    expect_nothing(k);
    put(k, IORING_OP_RECV, fds[0], got, 4, ID(2));
    if (linux_s) {
        expect(k, ID(2), -ENOTSOCK);
        end(k, ID(1));
    } else {
        expect_nothing(k);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        enter(k, 2);
        expect(k, ID(1), 1);
        expect(k, ID(2), -ENOTSOCK);
    }
    close_pair(fds);
}

TEST(emu_difference_6_requests_stand_in_line)
{
    on_both(behind_another);
}

static void empty_write(struct kernel *k, bool linux_s)
{
    int fds[2];
    char byte;

    make_pair(SOCK_DGRAM, fds);
    put(k, IORING_OP_WRITE, fds[0], "", 0, ID(1))->off = UINT64_MAX;
    expect(k, ID(1), 0);
    /* On the ring it was a datagram. */
    CHECK_EQ(recv(fds[1], &byte, 1, MSG_DONTWAIT), linux_s ? 0 : -1);
    close_pair(fds);
}

TEST(emu_difference_7_writes_of_nothing_do_nothing)
{
    test_not_on_qemu_user("it sends no empty datagram");
    on_both(empty_write);
}

/* Linux's ring ends the receive with 0, when it has tried often enough. */
TEST(emu_difference_8_receives_outlive_a_datagram_socket_shut_down)
{
    struct kernel *k = world_open(16, 0, 0);
    char byte;
    int fds[2];

    make_pair(SOCK_DGRAM, fds);
    put(k, IORING_OP_RECV, fds[0], &byte, 1, ID(1));
    put(k, IORING_OP_SHUTDOWN, fds[0], NULL, SHUT_RD, ID(2));
    expect(k, ID(2), 0);
    for (int i = 0; i < 100; i++)
        expect_nothing(k);
    end(k, ID(1));
    close_pair(fds);
    world_close(k);
}

static void full_backlog(struct kernel *k, bool linux_s)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size = sizeof address;
    int flags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int listener = socket(AF_UNIX, flags, 0);
    int first = socket(AF_UNIX, flags, 0), second = socket(AF_UNIX, flags, 0);

    CHECK_EQ(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)),
             0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    CHECK_EQ(listen(listener, 0), 0);
    CHECK_EQ(connect(first, (struct sockaddr *)&address, size), 0);
    put(k, IORING_OP_CONNECT, second, &address, 0, ID(1))->addr2 = size;
    if (linux_s) {
        int accepted, result;

        enter(k, 0);
        accepted = accept(listener, NULL, NULL);
        CHECK_GE(accepted, 0);
        result = result_of(k, ID(1));
        CHECK(result == 0 || result == -EAGAIN);
        close(accepted);
    } else {
        expect(k, ID(1), -EAGAIN);
    }
    close(first);
    close(second);
    close(listener);
}

TEST(emu_difference_9_connect_to_a_full_unix_backlog_is_EAGAIN)
{
    on_both(full_backlog);
}

static void blocking_connect(struct kernel *k, bool linux_s)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size = sizeof address;
    int flags = SOCK_STREAM | SOCK_CLOEXEC;
    int listener = socket(AF_UNIX, flags, 0);
    int first = socket(AF_UNIX, flags, 0), second = socket(AF_UNIX, flags, 0);
    int result;

    CHECK_EQ(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)),
             0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    CHECK_EQ(listen(listener, 0), 0);
    CHECK_EQ(connect(first, (struct sockaddr *)&address, size), 0);
    put(k, IORING_OP_CONNECT, second, &address, 0, ID(1))->addr2 = size;
    enter(k, 0);
    if (!linux_s) {
        /* Until a thread has taken it, it can still be cancelled. */
        do {
            put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)ID(1), 0, ID(2));
            result = result_of(k, ID(2));
            if (result == 0) {
                expect(k, ID(1), -ECANCELED);
                put(k, IORING_OP_CONNECT, second, &address, 0, ID(1))->addr2 =
                    size;
                enter(k, 0);
            }
        } while (result == 0);
        CHECK_ERR(result, -EALREADY);
        close(accept(listener, NULL, NULL));
        expect(k, ID(1), 0);
    } else {
        close(accept(listener, NULL, NULL));
        expect(k, ID(1), 0);
    }
    close(first);
    close(second);
    close(listener);
}

TEST(emu_difference_10_what_runs_on_a_thread_cannot_be_stopped)
{
    on_both(blocking_connect);
}

static void inotify_waits(struct kernel *k, bool linux_s)
{
    char event[256];
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    CHECK_GE(inotify_add_watch(fd, test_directory(), IN_CREATE), 0);
    put(k, IORING_OP_READ, fd, event, sizeof event, ID(1))->off = UINT64_MAX;
    enter(k, 0);
    if (linux_s && cq_ready(&k->cq) > 0) {
        expect(k, ID(1), -EAGAIN);
    } else {
        CHECK_EQ(cq_ready(&k->cq), 0u);
        close(make_file(linux_s ? "one" : "two", 0));
        CHECK_GT(result_of(k, ID(1)), 0);
    }
    close(fd);
}

TEST(emu_difference_11_nonblocking_inotify_waits)
{
    on_both(inotify_waits);
}

/* Equal within a tick, so order within it is not promised; never early is. */
TEST(emu_difference_12_timeouts_are_kept_in_ticks)
{
    struct kernel *k = world_open(16, 0, 0);
    struct ring_timespec zero = { 0, 0 };
    uint64_t start_ns = now_ns();
    struct io_uring_sqe *sqe;

    sqe = put(k, IORING_OP_TIMEOUT, -1, &zero, 1, ID(1));
    sqe->timeout_flags = IORING_TIMEOUT_MULTISHOT;
    sqe->off = 100;
    for (int i = 0; i < 100; i++)
        expect(k, ID(1), -ETIME);
    CHECK_GE(now_ns() - start_ns, UINT64_C(99) * 32768);
    world_close(k);
}

/* A file in memory: its file system has no NOWAIT. */
static void nowait_unknown(struct kernel *k, bool linux_s)
{
    char byte = 1;
    int fd = memfd_create("gyre", MFD_CLOEXEC);
    struct iovec iov = { &byte, 1 };

    CHECK(fd >= 0);
    if (pwritev2(fd, &iov, 1, 0, RWF_NOWAIT) >= 0) {
        close(fd);
        return; /* this Linux has taught it */
    }
    put(k, IORING_OP_WRITE, fd, &byte, 1, ID(1))->rw_flags = RWF_NOWAIT;
    expect(k, ID(1), linux_s ? -EOPNOTSUPP : -EAGAIN);
    close(fd);
}

TEST(emu_difference_17_a_file_without_nowait_says_EAGAIN)
{
    on_both(nowait_unknown);
}

static void cancel_by_number(struct kernel *k, bool linux_s)
{
    char byte;
    int fds[2], copy;

    make_pair(SOCK_STREAM, fds);
    copy = dup(fds[0]);
    put(k, IORING_OP_RECV, fds[0], &byte, 1, ID(1));
    expect_nothing(k);
    put(k, IORING_OP_ASYNC_CANCEL, copy, NULL, 0, ID(2))->cancel_flags =
        IORING_ASYNC_CANCEL_FD;
    enter(k, linux_s ? 2 : 1);
    expect(k, ID(2), linux_s ? 0 : -ENOENT);
    if (linux_s)
        expect(k, ID(1), -ECANCELED);
    else
        end(k, ID(1));
    close(copy);
    close_pair(fds);
}

TEST(emu_difference_13_cancel_by_descriptor_compares_numbers)
{
    on_both(cancel_by_number);
}

static void second_poll(struct kernel *k, bool linux_s)
{
    struct io_uring_cqe cqe;
    int fds[2];

    make_pipe(fds, 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    for (uint64_t id = 1; id <= 2; id++) {
        put(k, IORING_OP_POLL_ADD, fds[0], NULL, IORING_POLL_ADD_MULTI, ID(id))
            ->poll32_events = POLLIN;
        enter(k, 1);
        for (uint64_t told = id; told > 0; told--) {
            cqe = take(k);
            CHECK_EQ(cqe.res, POLLIN);
            if (linux_s)
                CHECK_EQ(cqe.user_data, ID(id));
            if (cq_ready(&k->cq) == 0)
                break;
        }
        expect_nothing(k);
    }
    end(k, ID(1));
    end(k, ID(2));
    close_pair(fds);
}

TEST(emu_difference_19_a_second_poll_tells_the_first_again)
{
    on_both(second_poll);
}

static void one_of_two_events(struct kernel *k, bool linux_s)
{
    int fds[2];

    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_POLL_ADD, fds[0], NULL, IORING_POLL_ADD_MULTI, ID(1))
        ->poll32_events = POLLIN | POLLOUT;
    expect(k, ID(1), POLLOUT);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    expect(k, ID(1), linux_s ? POLLIN : POLLIN | POLLOUT);
    end(k, ID(1));
    close_pair(fds);
}

TEST(emu_difference_20_a_poll_tells_all_that_is_there)
{
    on_both(one_of_two_events);
}

/* Not a difference: what Linux gives a name to, and refuses. */
static void level_triggered(struct kernel *k, bool linux_s)
{
    int fds[2];

    (void)linux_s;
    make_pair(SOCK_STREAM, fds);
    put(k, IORING_OP_POLL_ADD, fds[0], NULL, IORING_POLL_ADD_LEVEL, ID(1))
        ->poll32_events = POLLIN;
    expect(k, ID(1), -EINVAL);
    close_pair(fds);
}

TEST(D2_no_kernel_has_level_triggered_polls)
{
    on_both(level_triggered);
}

static void any_level(struct kernel *k, bool linux_s)
{
    struct sockaddr_in address;
    int listener = make_listener(0, &address), value = -1;
    struct io_uring_sqe *sqe =
        put(k, IORING_OP_URING_CMD, listener, NULL, 0, ID(1));
    struct io_uring_cqe cqe;

    sqe->cmd_op = SOCKET_URING_OP_GETSOCKOPT;
    sqe->level = IPPROTO_TCP;
    sqe->optname = TCP_NODELAY;
    sqe->optval = (uintptr_t)&value;
    sqe->optlen = sizeof value;
    enter(k, 1);
    cqe = take(k);
    CHECK_ERR(cqe.res, linux_s ? -EOPNOTSUPP : (int)sizeof value);
    CHECK_EQ(value, linux_s ? -1 : 0);
    close(listener);
}

TEST(emu_difference_30_getsockopt_knows_every_level)
{
    on_both(any_level);
}

static void connect_pair(int fds[2])
{
    struct sockaddr_in address;
    int listener = make_listener(0, &address);

    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(connect(fds[0], (struct sockaddr *)&address, sizeof address));
    fds[1] = accept(listener, NULL, NULL);
    CHECK(fds[1] >= 0);
    close(listener);
}

/* More than the peer, who reads nothing, has room for. */
static void late_notification(struct kernel *k, bool linux_s)
{
    static char much[8 << 20];
    struct linger at_once = { 1, 0 };
    struct io_uring_cqe cqe;
    int fds[2];

    connect_pair(fds);
    put(k, IORING_OP_SEND_ZC, fds[0], much, sizeof much, ID(1))->ioprio =
        IORING_SEND_ZC_REPORT_USAGE;
    enter(k, 1);
    cqe = take(k);
    CHECK_GT(cqe.res, 0);
    CHECK_EQ(cqe.flags, IORING_CQE_F_MORE);
    if (linux_s) {
        expect_nothing(k);
        /* It cannot be cancelled, and outlives the descriptor. */
        put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)ID(1), 0, ID(2));
        expect(k, ID(2), -ENOENT);
        CHECK_OK(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &at_once,
                            sizeof at_once));
        close(fds[0]);
        enter(k, 1);
    }
    cqe = take(k);
    CHECK_EQ(cqe.flags, IORING_CQE_F_NOTIF);
    CHECK_EQ((uint32_t)cqe.res, IORING_NOTIF_USAGE_ZC_COPIED);
    if (!linux_s)
        close(fds[0]);
    close(fds[1]);
}

TEST(emu_difference_31_a_notification_comes_at_once)
{
    on_both(late_notification);
}

/* Whatever the result, so many bytes are in the last datagram. */
static void full_receiver(struct kernel *k, bool linux_s)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct io_uring_cqe cqe;
    char bytes[8];
    ssize_t n, last = -1;

    /* A name of Linux's choice. */
    socklen_t size = sizeof address;
    CHECK_OK(bind(to, (struct sockaddr *)&address, sizeof(sa_family_t)));
    CHECK_OK(getsockname(to, (struct sockaddr *)&address, &size));
    CHECK_OK(connect(from, (struct sockaddr *)&address, size));
    while (send(from, "full", 4, MSG_DONTWAIT) == 4)
        ;
    put(k, IORING_OP_SEND, from, "last one", 8, ID(1));
    expect_nothing(k);
    while (recv(to, bytes, 8, MSG_DONTWAIT) == 4)
        ;
    enter(k, 1);
    cqe = take(k);
    while ((n = recv(to, bytes, 8, MSG_DONTWAIT)) >= 0)
        last = n;
    if (!linux_s)
        CHECK_EQ(cqe.res, 8);
    if (cqe.res == 8)
        CHECK_MEM_EQ(bytes, "last one", 8);
    else
        CHECK(cqe.res == 0 || cqe.res == -EAGAIN);
    if (last >= 0)
        CHECK_EQ(last, cqe.res);
    close(to);
    close(from);
}

TEST(emu_difference_32_a_datagram_for_a_full_receiver_is_sent_whole)
{
    on_both(full_receiver);
}

static void put_futex(struct kernel *k, const uint32_t *word, uint32_t mask,
                      uint64_t id)
{
    /* FUTEX2_SIZE_U32, FUTEX2_PRIVATE */
    put(k, IORING_OP_FUTEX_WAIT, 2 | 128, word, 0, id)->addr3 = mask;
    enter(k, 0);
    CHECK_EQ(cq_ready(&k->cq), 0u);
}

static bool lacks_futexes(const struct kernel *k)
{
    return k->route[IORING_OP_FUTEX_WAIT] != KERNEL_ROUTE_SQ;
}

static void shared_mask(struct kernel *k, bool linux_s)
{
    uint32_t word = 0;
    int results[3] = { 1, 1, 1 };

    if (lacks_futexes(k))
        return;
    put_futex(k, &word, 3, ID(1));
    put_futex(k, &word, 1, ID(2));
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)ID(1), 0, ID(0));
    enter(k, linux_s ? 2 : 3);
    for (int i = linux_s ? 2 : 3; i > 0; i--) {
        struct io_uring_cqe cqe = take(k);

        results[cqe.user_data >> 4] = cqe.res;
    }
    CHECK_ERR(results[1], -ECANCELED);
    CHECK_EQ(results[2], linux_s ? 1 : 0);
    if (linux_s)
        end(k, ID(2));
}

TEST(emu_difference_22_a_cancel_wakes_who_shares_the_mask)
{
    on_both(shared_mask);
}

static void too_many_words(struct kernel *k, bool linux_s)
{
    static const uint32_t word;
    struct {
        uint64_t value, address;
        uint32_t flags, zero;
    } words[128];

    if (lacks_futexes(k))
        return;
    memset(words, 0, sizeof words);
    for (int i = 0; i < 128; i++) {
        words[i].address = (uintptr_t)&word;
        words[i].flags = 2 | 128;
    }
    put(k, IORING_OP_FUTEX_WAITV, 0, words, 128, ID(1));
    if (linux_s) {
        expect_nothing(k);
        end(k, ID(1));
    } else {
        expect(k, ID(1), -EINVAL);
    }
}

TEST(emu_difference_23_two_words_fewer_at_once)
{
    on_both(too_many_words);
}

static void cancel_s_answer(struct kernel *k, bool linux_s)
{
    uint32_t word = 0;
    struct io_uring_cqe cqe;

    if (lacks_futexes(k))
        return;
    put_futex(k, &word, UINT32_MAX, ID(1));
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)ID(1), 0, ID(2));
    enter(k, 2);
    cqe = take(k);
    CHECK_EQ(cqe.user_data, ID(2));
    CHECK(cqe.res == 0 || (linux_s && cqe.res == 1));
    expect(k, ID(1), -ECANCELED);
}

TEST(emu_difference_24_a_cancel_s_answer_is_0)
{
    on_both(cancel_s_answer);
}
