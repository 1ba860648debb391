/* SPDX-License-Identifier: MIT */
/*
 * Programs that fail: files, sockets, blocking calls. See programs.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/detached.h>
#include <gyre/error.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "awaits/programs.h"
#include "io/world.h"

static void pair_up(struct stage *stage)
{
    pair_open(stage->fds);
}

static struct sockaddr_in address;

static void listen_up(struct stage *stage)
{
    stage->fds[0] = listen_open(&address, 4);
}

static void path_up(struct stage *stage)
{
    snprintf(stage->path, sizeof stage->path, "%s", file_make("some", 6000));
}

/* ---- files --------------------------------------------------------------- */

static int file_written_and_read_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    int fd = hold(stage, scope, gyre_open(stage->path, O_RDWR, 0600));
    ssize_t n = fd;

    if (n >= 0)
        n = gyre_write(fd, "hello", 5, 0);
    if (n >= 0)
        n = gyre_fsync(fd, true);
    if (n >= 0)
        n = gyre_read(fd, stage->bytes, 5, 0);
    if (n >= 0)
        CHECK_MEM_EQ(stage->bytes, "hello", 5);
    return n < 0 ? (int)n : 0;
}

PROGRAM(file_written_and_read, .set_up = path_up, .ops = 4);

/* Until the end of the file; short counts are as good as long ones. */
static int copy(int from, int to, char *bytes)
{
    uint64_t offset = 0;

    for (;;) {
        ssize_t n = gyre_read(from, bytes, PROGRAM_BYTES, offset);

        if (n <= 0)
            return (int)n;
        n = gyre_write(to, bytes, (size_t)n, offset);
        if (n < 0)
            return (int)n;
        offset += (uint64_t)n;
    }
}

static int file_copied_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    struct statx st;
    char path[640];
    int from = hold(stage, scope, gyre_open(stage->path, O_RDONLY, 0));
    int to = from;
    int err;

    snprintf(path, sizeof path, "%s.copy", stage->path);
    if (from >= 0)
        to = hold(stage, scope,
                  gyre_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    err = to < 0 ? to : copy(from, to, stage->bytes);
    if (err == 0)
        err = gyre_statx(AT_FDCWD, path, 0, STATX_SIZE, &st);
    if (err == 0)
        CHECK_EQ(st.stx_size, 6000u);
    return err;
}

PROGRAM(file_copied, .set_up = path_up, .ops = 8);

static int directory_listed_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    ssize_t n = hold(
        stage, scope,
        gyre_openat(AT_FDCWD, test_directory(), O_RDONLY | O_DIRECTORY, 0));
    int fd = (int)n;

    while (n >= 0) {
        n = gyre_getdents(fd, stage->bytes, sizeof stage->bytes);
        if (n == 0)
            break;
    }
    return (int)n;
}

PROGRAM(directory_listed, .set_up = path_up, .ops = 3);

/* ---- sockets ------------------------------------------------------------- */

static int serve_one(struct stage *stage, int fd)
{
    for (;;) {
        char bytes[16];
        ssize_t n = gyre_recv(fd, bytes, sizeof bytes, 0);

        if (n <= 0)
            return (int)n;
        n = gyre_send_all(fd, bytes, (size_t)n, 0);
        if (n < 0)
            return (int)n;
        stage->count++;
    }
}

static int tcp_server(void *arg)
{
    struct stage *stage = arg;
    int fd = hold(stage, gyre_scope_current(),
                  gyre_accept(stage->fds[0], NULL, NULL, SOCK_NONBLOCK));

    return fd < 0 ? fd : serve_one(stage, fd);
}

static int tcp_client(gyre_scope *scope, struct stage *stage)
{
    int fd = hold(stage, scope, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    char answer[6];
    int err = gyre_connect(fd, (struct sockaddr *)&address, sizeof address);

    for (int i = 0; i < 2 && err == 0; i++) {
        err = gyre_send_all(fd, "hello", 6, 0);
        if (err == 0)
            err = gyre_recv_all(fd, answer, 6, 0);
        if (err == 0)
            CHECK_STR_EQ(answer, "hello");
    }
    return err < 0 ? err : gyre_shutdown(fd, SHUT_WR);
}

static int echo_over_tcp_main(gyre_scope *scope, void *arg)
{
    int err = spawn_some(scope, tcp_server, arg, 1);

    return err < 0 ? err : tcp_client(scope, arg);
}

PROGRAM(echo_over_tcp, .set_up = listen_up, .ops = 10, .spawns = 1);

static int pair_server(void *arg)
{
    struct stage *stage = arg;
    char bytes[64];
    int err = gyre_recv_all(stage->fds[1], bytes, sizeof bytes, 0);

    return err < 0 ? err : gyre_send_all(stage->fds[1], bytes, sizeof bytes, 0);
}

static int echo_of_exact_sizes_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    char answer[64];
    int err = spawn_some(scope, pair_server, stage, 1);

    /* In two pieces, which the other side puts together. */
    if (err == 0)
        err = gyre_send_all(stage->fds[0], stage->bytes, 40, 0);
    if (err == 0)
        err = gyre_yield();
    if (err == 0)
        err = gyre_send_all(stage->fds[0], stage->bytes, 24, 0);
    if (err == 0)
        err = gyre_recv_all(stage->fds[0], answer, sizeof answer, 0);
    return err;
}

PROGRAM(echo_of_exact_sizes, .set_up = pair_up, .ops = 5, .spawns = 1);

static int connect_and_listen(void *arg)
{
    struct stage *stage = arg;
    char byte;
    int fd = hold(stage, gyre_scope_current(),
                  socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int err = gyre_connect(fd, (struct sockaddr *)&address, sizeof address);

    return err < 0 ? err : gyre_recv_all(fd, &byte, 1, 0);
}

static int acceptor_of_two_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    gyre_acceptor acceptor;
    int err = spawn_some(scope, connect_and_listen, stage, 2);

    gyre_acceptor_init(&acceptor, stage->fds[0]);
    for (int i = 0; i < 2 && err == 0; i++) {
        int fd = hold(stage, scope, gyre_acceptor_next(&acceptor, NULL, NULL));

        err = fd < 0 ? fd : gyre_send_all(fd, "x", 1, 0);
    }
    return err;
}

/* A shortage of memory is only a pause. */
PROGRAM(acceptor_of_two, .set_up = listen_up, .copes = { -ENOMEM }, .ops = 8,
        .spawns = 2);

static int receive_to_the_end(void *arg)
{
    struct stage *stage = arg;

    for (;;) {
        char bytes[2048];
        ssize_t n = gyre_recv(stage->fds[1], bytes, sizeof bytes, 0);

        if (n <= 0)
            return (int)n;
        stage->count += (unsigned)n;
    }
}

static int file_sent_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    uint64_t sent = 0;
    int file = hold(stage, scope, gyre_open(stage->path, O_RDONLY, 0));
    int err = file < 0 ? file : spawn_some(scope, receive_to_the_end, stage, 1);

    while (err == 0 && sent < 6000) {
        ssize_t n = gyre_sendfile(stage->fds[0], file, sent, 6000 - sent);

        if (n < 0)
            err = (int)n;
        else
            sent += (uint64_t)n;
    }
    return err < 0 ? err : gyre_shutdown(stage->fds[0], SHUT_WR);
}

static void pair_and_path_up(struct stage *stage)
{
    pair_up(stage);
    path_up(stage);
}

PROGRAM(file_sent, .set_up = pair_and_path_up, .ops = 3, .spawns = 1);

static int send_byte(void *arg)
{
    struct stage *stage = arg;

    return (int)gyre_send(stage->fds[1], "x", 1, 0);
}

static int poll_and_receive_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    int n = spawn_some(scope, send_byte, stage, 1);

    if (n == 0)
        n = gyre_poll(stage->fds[0], POLLIN);
    if (n >= 0)
        n = (int)gyre_recv(stage->fds[0], stage->bytes, 8, 0);
    if (n >= 0)
        CHECK_EQ(n, 1);
    return n < 0 ? n : 0;
}

PROGRAM(poll_and_receive, .set_up = pair_up, .ops = 3, .spawns = 1);

static int messages_and_vectors_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    struct iovec iov[2] = { { stage->bytes, 3 }, { stage->bytes + 3, 5 } };
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
    ssize_t n = gyre_sendmsg(stage->fds[0], &message, 0);

    (void)scope;
    if (n >= 0)
        n = gyre_recvmsg(stage->fds[1], &message, 0);
    if (n >= 0)
        n = gyre_writev(stage->fds[0], iov, 2, GYRE_CURRENT_POSITION);
    if (n >= 0)
        n = gyre_readv(stage->fds[1], iov, 2, GYRE_CURRENT_POSITION);
    if (n >= 0)
        CHECK_EQ(n, 8);
    return n < 0 ? (int)n : 0;
}

PROGRAM(messages_and_vectors, .set_up = pair_up, .ops = 4);

static int stream_shut_down_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    int err = spawn_some(scope, receive_to_the_end, stage, 1);

    if (err == 0)
        err = gyre_send_all(stage->fds[0], stage->bytes, 100, 0);
    if (err == 0)
        err = gyre_shutdown(stage->fds[0], SHUT_WR);
    return err;
}

PROGRAM(stream_shut_down, .set_up = pair_up, .ops = 4, .spawns = 1);

/* ---- beside the loop ----------------------------------------------------- */

static int count_calls(void *arg)
{
    __atomic_fetch_add((unsigned *)arg, 1, __ATOMIC_RELAXED);
    return 3;
}

static int call_once(void *arg)
{
    struct stage *stage = arg;
    int n = gyre_call_blocking(count_calls, &stage->count);

    if (n >= 0)
        CHECK_EQ(n, 3);
    return n;
}

static int blocking_calls_main(gyre_scope *scope, void *arg)
{
    return spawn_some(scope, call_once, arg, 4);
}

PROGRAM(blocking_calls, .ops = 4, .spawns = 4);

static void release(void *arg, int result)
{
    struct stage *stage = arg;

    (void)result;
    stage->live--;
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int detached_calls_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    struct statx st;
    int fd = hold(stage, scope, gyre_detached_open(stage->path, O_RDWR, 0));
    ssize_t n = fd;

    if (n >= 0)
        n = gyre_detached_write(fd, "hello", 5, 0);
    if (n >= 0)
        n = gyre_detached_fsync(fd, true);
    if (n >= 0)
        n = gyre_detached_read(fd, stage->bytes, 5, 0);
    if (n >= 0)
        n = gyre_detached_statx(stage->path, 0, STATX_SIZE, &st);
    if (n < 0)
        return (int)n;
    stage->live++;
    n = gyre_detached_call(seven, stage, release);
    if (n != -ECANCELED && n != -ETIME)
        stage->live--;
    return n < 0 ? (int)n : 0;
}

PROGRAM(detached_calls, .set_up = path_up, .ops = 6);

/* An op with a companion: whatever fails, both have ended. */
static int op_with_timeout_main(gyre_scope *scope, void *arg)
{
    struct stage *stage = arg;
    gyre_timeout_op timeout;
    gyre_op op;
    int n;

    (void)scope;
    gyre_timeout_op_fill(&timeout, 50 * GYRE_US, 0, 0);
    n = gyre_await(&timeout.op).res;
    if (n != -ETIME)
        return n; /* which a timeout ends with */
    n = (int)gyre_send(stage->fds[1], "x", 1, 0);
    gyre_op_recv(&op, stage->fds[0], stage->bytes, 8, 0);
    if (n >= 0)
        n = gyre_await(&op).res;
    return n < 0 ? n : 0;
}

PROGRAM(op_with_timeout, .set_up = pair_up, .ops = 3);
