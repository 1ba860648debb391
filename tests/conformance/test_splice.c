/* SPDX-License-Identifier: MIT */
/*
 * test_splice.c - bytes between descriptors, and pipes, on every kernel
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring/feature.h"
#include "stage.h"

#define HERE GYRE_CURRENT_POSITION
#define GIB (UINT64_C(1) << 30)

static void set_nonblocking(int fd, bool on)
{
    CHECK_OK(fcntl(fd, F_SETFL, on ? O_NONBLOCK : 0));
}

static void put_text(int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void check_text(int fd, const char *text)
{
    char got[64];

    CHECK_LT(strlen(text), sizeof got);
    CHECK_EQ(read(fd, got, sizeof got), (ssize_t)strlen(text));
    CHECK_MEM_EQ(got, text, strlen(text));
}

/* Fill what is written to until there is no more room: how much it took. Before
 * Linux 6.5 the last packet of a full socket takes some splices more. */
static size_t stuff(int fd)
{
    static const char bytes[4096];
    int flags = fcntl(fd, F_GETFL), in[2];
    size_t total = 0;
    ssize_t n;

    make_pipe(in);
    set_nonblocking(fd, true);
    while ((n = write(fd, bytes, sizeof bytes)) > 0)
        total += (size_t)n;
    while (write(fd, bytes, 1) > 0)
        total++;
    CHECK_EQ(errno, EAGAIN);
    do {
        put_text(in[1], "x");
        n = splice(in[0], NULL, fd, NULL, 1, SPLICE_F_NONBLOCK);
        total += n > 0;
    } while (n > 0);
    CHECK_EQ(errno, EAGAIN);
    close_both(in);
    CHECK_OK(fcntl(fd, F_SETFL, flags));
    return total;
}

/* Read that again, and not what comes behind it. */
static void unstuff(int fd, size_t total)
{
    char bytes[4096];

    while (total > 0) {
        ssize_t n =
            read(fd, bytes, total < sizeof bytes ? total : sizeof bytes);

        CHECK_GT(n, 0);
        total -= (size_t)n;
    }
}

static void start_splice(gyre_loop *loop, struct call *call, int in, int out,
                         unsigned flags)
{
    gyre_op_splice(&call->op, in, HERE, out, HERE, 4096, flags);
    call_start(loop, call);
}

static int splice_once(gyre_loop *loop, int in, int out, unsigned flags)
{
    struct call call;

    start_splice(loop, &call, in, out, flags);
    return call_wait(loop, &call);
}

static void check_waits(gyre_loop *loop, struct call *call)
{
    for (int i = 0; i < 3; i++)
        stage_turn(loop);
    CHECK_EQ(gyre_op_state(&call->op), GYRE_OP_IN_FLIGHT);
}

/* ---- files --------------------------------------------------------------- */

KERNEL_TEST(B17_a_file_goes_through_a_pipe_to_another)
{
    enum { SIZE = 300000 };
    static unsigned char bytes[SIZE];
    gyre_loop *loop = stage_open(8);
    int from = make_file("from", SIZE), to = make_file("to", 0), fds[2];
    size_t done = 0;
    struct call call;

    make_pipe(fds);
    while (done < SIZE) {
        int got;

        gyre_op_splice(&call.op, from, done, fds[1], HERE, SIZE, 0);
        got = call_run(loop, &call);
        CHECK_GT(got, 0);
        while (got > 0) {
            gyre_op_splice(&call.op, fds[0], HERE, to, done, (uint32_t)got, 0);
            CHECK_GT(call_run(loop, &call), 0);
            got -= call.result.res;
            done += (size_t)call.result.res;
        }
    }
    gyre_op_splice(&call.op, from, SIZE, fds[1], HERE, 10, 0);
    CHECK_EQ(call_run(loop, &call), 0);
    CHECK_EQ(pread(to, bytes, SIZE, 0), SIZE);
    for (size_t i = 0; i < SIZE; i++)
        CHECK_EQ(bytes[i], pattern_byte(i));
    CHECK_EQ(lseek(from, 0, SEEK_CUR), 0); /* the positions are their owner's */
    CHECK_EQ(lseek(to, 0, SEEK_CUR), 0);
    close_both(fds);
    close(from);
    close(to);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B17_positions_move_and_offsets_are_64_bits)
{
    gyre_loop *loop = stage_open(8);
    int file = make_file("f", 100), fds[2];
    unsigned char bytes[8];
    struct call call;

    make_pipe(fds);
    CHECK_EQ(lseek(file, 30, SEEK_SET), 30);
    gyre_op_splice(&call.op, file, HERE, fds[1], HERE, 5, 0);
    CHECK_EQ(call_run(loop, &call), 5);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 35);
    gyre_op_splice(&call.op, fds[0], HERE, file, 5 * GIB, 5, 0);
    CHECK_EQ(call_run(loop, &call), 5);
    CHECK_EQ(pread(file, bytes, 8, (off_t)(5 * GIB)), 5);
    CHECK_EQ(bytes[0], pattern_byte(30));
    CHECK_EQ(lseek(file, 0, SEEK_END), (off_t)(5 * GIB + 5));
    gyre_op_splice(&call.op, file, 7, fds[1], HERE, 5, SPLICE_F_NONBLOCK);
    CHECK_EQ(call_run(loop, &call), 5);
    CHECK_EQ(read(fds[0], bytes, 8), 5);
    CHECK_EQ(bytes[0], pattern_byte(7));
    gyre_op_splice(&call.op, file, 5 * GIB + 4, fds[1], HERE, 5, 0);
    CHECK_EQ(call_run(loop, &call), 1);
    CHECK_EQ(read(fds[0], bytes, 8), 1);
    CHECK_EQ(bytes[0], pattern_byte(34));
    close_both(fds);
    close(file);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B17_a_file_waits_for_its_pipe)
{
    gyre_loop *loop = stage_open(8);
    int file = make_file("f", 100), fds[2];
    size_t stuffed;
    struct call call;
    char byte;

    make_pipe(fds);
    gyre_op_splice(&call.op, fds[0], HERE, file, 0, 10, 0);
    call_start(loop, &call);
    check_waits(loop, &call);
    put_text(fds[1], "abc");
    CHECK_EQ(call_wait(loop, &call), 3);
    CHECK_EQ(pread(file, &byte, 1, 2), 1);
    CHECK_EQ(byte, 'c');
    stuffed = stuff(fds[1]);
    gyre_op_splice(&call.op, file, 0, fds[1], HERE, 10, 0);
    call_start(loop, &call);
    check_waits(loop, &call);
    unstuff(fds[0], stuffed);
    CHECK_EQ(call_wait(loop, &call), 10);
    close_both(fds);
    close(file);
    gyre_loop_destroy(loop);
}

/* ---- streams ------------------------------------------------------------- */

/* For both, first for room. Not with a blocking socket to read from: while
 * Linux waits for that it keeps the pipe locked, and nobody can read it. */
static void room_then_bytes(gyre_loop *loop, const int in[2], const int out[2])
{
    size_t stuffed = stuff(out[1]);
    struct call call;

    start_splice(loop, &call, in[0], out[1], 0);
    check_waits(loop, &call);
    unstuff(out[0], stuffed);
    check_waits(loop, &call);
    put_text(in[1], "back");
    CHECK_EQ(call_wait(loop, &call), 4);
    check_text(out[0], "back");
}

static void stream_to_stream(const int in[2], const int out[2], bool in_is_pipe)
{
    gyre_loop *loop = stage_open(8);
    struct call call;
    size_t stuffed;

    /* in[1] -> in[0] => out[1] -> out[0] */
    put_text(in[1], "ready");
    CHECK_EQ(splice_once(loop, in[0], out[1], 0), 5);
    check_text(out[0], "ready");
    start_splice(loop, &call, in[0], out[1], 0);
    check_waits(loop, &call);
    put_text(in[1], "late");
    CHECK_EQ(call_wait(loop, &call), 4);
    check_text(out[0], "late");

    stuffed = stuff(out[1]);
    put_text(in[1], "crowd");
    start_splice(loop, &call, in[0], out[1], 0);
    check_waits(loop, &call);
    unstuff(out[0], stuffed);
    CHECK_EQ(call_wait(loop, &call), 5);
    check_text(out[0], "crowd");

    /* Both: first for bytes, then for room. */
    stuffed = stuff(out[1]);
    start_splice(loop, &call, in[0], out[1], 0);
    check_waits(loop, &call);
    put_text(in[1], "both");
    check_waits(loop, &call);
    unstuff(out[0], stuffed);
    CHECK_EQ(call_wait(loop, &call), 4);
    check_text(out[0], "both");

    if (in_is_pipe)
        room_then_bytes(loop, in, out);
    CHECK_OK(close(in[1]));
    CHECK_EQ(splice_once(loop, in[0], out[1], 0), 0);
    CHECK_OK(close(in[0]));
    close_both(out);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B17_a_pipe_goes_to_a_pipe)
{
    int in[2], out[2];

    make_pipe(in);
    make_pipe(out);
    stream_to_stream(in, out, true);
}

KERNEL_TEST(B17_a_pipe_goes_to_a_blocking_socket)
{
    int in[2], out[2];

    make_pipe(in);
    make_pair(out);
    stream_to_stream(in, out, true);
}

KERNEL_TEST(B17_a_pipe_goes_to_a_blocking_connection)
{
    int in[2], out[2], size = 4096;

    make_pipe(in);
    make_connection(out);
    CHECK_OK(setsockopt(out[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    stream_to_stream(in, out, true);
}

KERNEL_TEST(B17_a_blocking_socket_goes_to_a_pipe)
{
    int in[2], out[2];

    make_pair(in);
    make_pipe(out);
    stream_to_stream(in, out, false);
}

KERNEL_TEST(B17_a_blocking_connection_goes_to_a_pipe)
{
    int in[2], out[2];

    make_connection(in);
    make_pipe(out);
    stream_to_stream(in, out, false);
}

KERNEL_TEST(B17_many_wait_for_one_pipe)
{
    enum { CALLS = 10 }; /* each takes a page of the pipe */
    gyre_loop *loop = stage_open(32);
    struct call call[CALLS];
    int in[2], out[2];
    char bytes[CALLS + 1];

    make_pipe(in);
    make_pipe(out);
    for (int i = 0; i < CALLS; i++) {
        gyre_op_splice(&call[i].op, in[0], HERE, out[1], HERE, 1, 0);
        call_start(loop, &call[i]);
    }
    check_waits(loop, &call[0]);
    CHECK_EQ(write(in[1], "0123456789", CALLS), CALLS);
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(call_wait(loop, &call[i]), 1);
    CHECK_EQ(read(out[0], bytes, sizeof bytes), CALLS);
    CHECK_MEM_EQ(bytes, "0123456789", CALLS);
    close_both(in);
    close_both(out);
    gyre_loop_destroy(loop);
}

/* As Linux has it: here O_NONBLOCK counts. */
KERNEL_TEST(B17_a_nonblocking_end_says_EAGAIN)
{
    gyre_loop *loop = stage_open(8);
    int in[2], out[2], pair[2];

    make_pipe(in);
    make_pipe(out);
    make_pair(pair);
    CHECK_ERR(splice_once(loop, in[0], out[1], SPLICE_F_NONBLOCK), -EAGAIN);
    set_nonblocking(in[0], true);
    CHECK_ERR(splice_once(loop, in[0], out[1], 0), -EAGAIN);
    CHECK_ERR(splice_once(loop, in[0], pair[0], 0), -EAGAIN);
    set_nonblocking(in[0], false);
    set_nonblocking(out[1], true);
    CHECK_ERR(splice_once(loop, in[0], out[1], 0), -EAGAIN);
    CHECK_ERR(splice_once(loop, pair[0], out[1], 0), -EAGAIN);
    put_text(in[1], "here");
    stuff(out[1]);
    CHECK_ERR(splice_once(loop, in[0], out[1], 0), -EAGAIN);
    set_nonblocking(out[1], false);
    CHECK_ERR(splice_once(loop, in[0], out[1], SPLICE_F_NONBLOCK), -EAGAIN);
    stuff(pair[0]);
    set_nonblocking(pair[0], true);
    CHECK_ERR(splice_once(loop, in[0], pair[0], 0), -EAGAIN);
    check_text(in[0], "here");
    close_both(in);
    close_both(out);
    close_both(pair);
    gyre_loop_destroy(loop);
}

/* The flag is about pipes: a socket waits if it is a blocking one. */
KERNEL_TEST(B17_a_blocking_socket_does_not_hear_of_the_flag)
{
    gyre_loop *loop = stage_open(8);
    int in[2], pair[2];
    size_t stuffed;
    struct call call;

    make_pipe(in);
    make_pair(pair);
    put_text(in[1], "here");
    stuffed = stuff(pair[0]);
    start_splice(loop, &call, in[0], pair[0], SPLICE_F_NONBLOCK);
    check_waits(loop, &call);
    unstuff(pair[1], stuffed);
    CHECK_EQ(call_wait(loop, &call), 4);
    check_text(pair[1], "here");
    close_both(in);
    close_both(pair);
    gyre_loop_destroy(loop);
}

/* SIGPIPE would end the test. */
KERNEL_TEST(B17_nobody_to_read_is_EPIPE_and_no_signal)
{
    gyre_loop *loop = stage_open(8);
    int file = make_file("f", 100), in[2], out[2], pair[2];
    struct call call;

    make_pipe(in);
    make_pipe(out);
    make_pair(pair);
    put_text(in[1], "lost");
    CHECK_OK(close(out[0]));
    CHECK_OK(close(pair[1]));
    CHECK_ERR(splice_once(loop, in[0], out[1], 0), -EPIPE);
    CHECK_ERR(splice_once(loop, in[0], pair[0], 0), -EPIPE);
    gyre_op_splice(&call.op, file, 0, out[1], HERE, 10, 0);
    CHECK_ERR(call_run(loop, &call), -EPIPE);
    CHECK_OK(close(out[1]));
    CHECK_OK(close(pair[0]));
    close_both(in);
    close(file);
    gyre_loop_destroy(loop);
}

static int splice_of(gyre_loop *loop, int in, uint64_t in_at, int out,
                     uint64_t out_at, uint32_t size, unsigned flags)
{
    struct call call;

    gyre_op_splice(&call.op, in, in_at, out, out_at, size, flags);
    return call_run(loop, &call);
}

KERNEL_TEST(B17_what_cannot_be_spliced_says_why)
{
    gyre_loop *loop = stage_open(8);
    int file = make_file("f", 100), in[2], out[2], pair[2];

    make_pipe(in);
    make_pipe(out);
    make_pair(pair);
    put_text(in[1], "here");
    CHECK_ERR(splice_of(loop, file, 0, file, 50, 10, 0), -EINVAL);
    CHECK_ERR(splice_of(loop, pair[0], HERE, pair[1], HERE, 10, 0), -EINVAL);
    CHECK_ERR(splice_of(loop, in[0], HERE, in[1], HERE, 10, 0), -EINVAL);
    CHECK_ERR(splice_of(loop, in[0], 0, out[1], HERE, 10, 0), -ESPIPE);
    CHECK_ERR(splice_of(loop, in[0], HERE, out[1], 5, 10, 0), -ESPIPE);
    CHECK_ERR(splice_of(loop, in[0], HERE, 9999, HERE, 10, 0), -EBADF);
    CHECK_ERR(splice_of(loop, 9999, HERE, out[1], HERE, 10, 0), -EBADF);
    CHECK_ERR(splice_of(loop, in[1], HERE, out[1], HERE, 10, 0), -EBADF);
    CHECK_ERR(splice_of(loop, in[0], HERE, out[0], HERE, 10, 0), -EBADF);
    CHECK_ERR(splice_of(loop, in[0], HERE, out[1], HERE, 10, 1U << 20),
              -EINVAL);
    CHECK_EQ(splice_of(loop, in[0], HERE, out[1], HERE, 0, 0), 0);
    check_text(in[0], "here");
    close_both(in);
    close_both(out);
    close_both(pair);
    close(file);
    gyre_loop_destroy(loop);
}

static void cancel_it(gyre_loop *loop, struct call *call)
{
    check_waits(loop, call);
    CHECK_OK(gyre_op_cancel(&call->op));
    CHECK_ERR(call_wait(loop, call), -ECANCELED);
}

KERNEL_TEST(B17_G1_a_splice_that_waits_is_cancelled)
{
    gyre_loop *loop = stage_open(8);
    int file = make_file("f", 100), in[2], out[2], pair[2];
    struct call call;

    make_pipe(in);
    make_pipe(out);
    make_pair(pair);
    start_splice(loop, &call, in[0], out[1], 0);
    cancel_it(loop, &call);
    start_splice(loop, &call, pair[0], out[1], 0);
    cancel_it(loop, &call);
    gyre_op_splice(&call.op, in[0], HERE, file, 0, 10, 0);
    call_start(loop, &call);
    cancel_it(loop, &call);
    gyre_op_tee(&call.op, in[0], out[1], 10, 0);
    call_start(loop, &call);
    cancel_it(loop, &call);
    put_text(in[1], "kept");
    stuff(out[1]);
    stuff(pair[0]);
    start_splice(loop, &call, in[0], out[1], 0);
    cancel_it(loop, &call);
    start_splice(loop, &call, in[0], pair[0], 0);
    cancel_it(loop, &call);
    gyre_op_tee(&call.op, in[0], out[1], 10, 0);
    call_start(loop, &call);
    cancel_it(loop, &call);
    check_text(in[0], "kept");
    close_both(in);
    close_both(out);
    close_both(pair);
    close(file);
    gyre_loop_destroy(loop);
}

/* ---- tee ----------------------------------------------------------------- */

KERNEL_TEST(B17_tee_leaves_the_bytes_where_they_are)
{
    gyre_loop *loop = stage_open(8);
    int in[2], out[2], file = make_file("f", 10);
    size_t stuffed;
    struct call call;

    make_pipe(in);
    make_pipe(out);
    gyre_op_tee(&call.op, in[0], out[1], 100, 0);
    call_start(loop, &call);
    check_waits(loop, &call);
    put_text(in[1], "twice");
    CHECK_EQ(call_wait(loop, &call), 5);
    check_text(out[0], "twice");
    gyre_op_tee(&call.op, in[0], out[1], 2, 0);
    CHECK_EQ(call_run(loop, &call), 2);
    check_text(out[0], "tw");
    stuffed = stuff(out[1]);
    gyre_op_tee(&call.op, in[0], out[1], 100, 0);
    call_start(loop, &call);
    check_waits(loop, &call);
    unstuff(out[0], stuffed);
    CHECK_EQ(call_wait(loop, &call), 5);
    check_text(out[0], "twice");
    check_text(in[0], "twice");

    gyre_op_tee(&call.op, in[0], out[1], 100, SPLICE_F_NONBLOCK);
    CHECK_ERR(call_run(loop, &call), -EAGAIN);
    set_nonblocking(out[1], true);
    gyre_op_tee(&call.op, in[0], out[1], 100, 0);
    CHECK_ERR(call_run(loop, &call), -EAGAIN);
    set_nonblocking(out[1], false);
    gyre_op_tee(&call.op, in[0], file, 100, 0);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_tee(&call.op, in[0], in[1], 100, 0);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_tee(&call.op, 9999, out[1], 100, 0);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_op_tee(&call.op, in[0], 9999, 100, 0);
    CHECK_ERR(call_run(loop, &call), -EBADF);
    gyre_op_tee(&call.op, in[0], out[1], 100, 1U << 20);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    CHECK_OK(close(out[0]));
    put_text(in[1], "x");
    gyre_op_tee(&call.op, in[0], out[1], 100, 0);
    CHECK_ERR(call_run(loop, &call), -EPIPE);
    CHECK_OK(close(out[1]));
    close_both(in);
    close(file);
    gyre_loop_destroy(loop);
}

/* ---- pipes --------------------------------------------------------------- */

KERNEL_TEST(B17_a_pipe_is_made)
{
    gyre_loop *loop = stage_open(8);
    struct rlimit limit, low;
    int fds[2] = { -1, -1 };
    struct call call;

    test_not_on_qemu_user("it forgets a pipe whose numbers it cannot tell");
    gyre_op_pipe(&call.op, fds, 0);
    CHECK_EQ(call_run(loop, &call), 0);
    put_text(fds[1], "through");
    check_text(fds[0], "through");
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        CHECK_EQ(fcntl(fds[i], F_GETFL) & O_NONBLOCK, 0);
    }
    close_both(fds);
    gyre_op_pipe(&call.op, fds, O_NONBLOCK | O_DIRECT);
    CHECK_EQ(call_run(loop, &call), 0);
    CHECK_EQ(fcntl(fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(fcntl(fds[1], F_GETFL) & (O_NONBLOCK | O_DIRECT),
             O_NONBLOCK | O_DIRECT);
    close_both(fds);

    gyre_op_pipe(&call.op, fds, O_APPEND);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    if (!test_on_valgrind()) {
        int *none =
            mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        CHECK(none != MAP_FAILED);
        gyre_op_pipe(&call.op, none, 0);
        CHECK_ERR(call_run(loop, &call), -EFAULT);
        CHECK_OK(munmap(none, 4096));
    }
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    low = limit;
    low.rlim_cur = 3;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &low));
    gyre_op_pipe(&call.op, fds, 0);
    CHECK_ERR(call_run(loop, &call), -EMFILE);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    gyre_loop_destroy(loop);
}

/* ---- beside the ring ----------------------------------------------------- */

KERNEL_TEST2(B17_S2_splices_are_emulated_where_linux_has_none)
{
    unsigned beside = strcmp(test_kernel(), "emu") != 0 ? 1 : 0;
    int fds[2], out[2];
    struct call call;
    gyre_loop *loop;

    CHECK_EQ(ring_features_restrict("op_splice,op_tee,op_pipe"), 0u);
    loop = stage_open(8);
    gyre_op_pipe(&call.op, fds, 0);
    CHECK_EQ(call_run(loop, &call), 0);
    CHECK_EQ(stage_stats(loop).emulated, beside);
    make_pipe(out);
    start_splice(loop, &call, fds[0], out[1], 0);
    check_waits(loop, &call);
    put_text(fds[1], "aside");
    CHECK_EQ(call_wait(loop, &call), 5);
    CHECK_EQ(stage_stats(loop).emulated, 2 * beside);
    gyre_op_tee(&call.op, out[0], fds[1], 5, 0);
    CHECK_EQ(call_run(loop, &call), 5);
    CHECK_EQ(stage_stats(loop).emulated, 3 * beside);
    check_text(fds[0], "aside");
    check_text(out[0], "aside");
    close_both(fds);
    close_both(out);
    gyre_loop_destroy(loop);
}
