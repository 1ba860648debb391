/* SPDX-License-Identifier: MIT */
/*
 * Every call of gyre/file.h, socket.h, poll.h: what it does, what it says when
 * it cannot, and that a cancel ends it where it waits. On every kernel, with
 * the same results.
 *
 * The table `waits` lists each call that can wait together with a way to make
 * it wait for ever; one test cancels each of them, before and while it waits.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/world.h"

/* ---- files
 * ------------------------------------------------------------------- */

static int rw_file(void *arg)
{
    const char *path = arg;
    char buffer[16] = "";
    struct iovec iov[2] = { { buffer, 3 }, { buffer + 3, 5 } };
    int fd = gyre_open(path, O_RDWR | O_CREAT, 0600);

    CHECK(fd >= 0);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK_EQ(gyre_write(fd, "hello, world", 12, 0), 12);
    CHECK_EQ(gyre_read(fd, buffer, 5, 7), 5);
    CHECK_MEM_EQ(buffer, "world", 5);
    CHECK_EQ(gyre_read(fd, buffer, 5, GYRE_CURRENT_POSITION), 5);
    CHECK_EQ(gyre_read(fd, buffer, 9, GYRE_CURRENT_POSITION), 7);
    CHECK_MEM_EQ(buffer, ", world", 7);
    CHECK_EQ(gyre_read(fd, buffer, 9, GYRE_CURRENT_POSITION), 0);
    CHECK_EQ(gyre_readv(fd, iov, 2, 4), 8);
    CHECK_MEM_EQ(buffer, "o, world", 8);
    CHECK_EQ(gyre_writev(fd, iov, 2, 100), 8);
    CHECK_EQ(gyre_read(fd, buffer, 16, 102), 6);
    CHECK_OK(gyre_fsync(fd, false));
    CHECK_OK(gyre_fsync(fd, true));
    CHECK_OK(gyre_close(fd));
    CHECK_ERR(gyre_close(fd), -EBADF);
    CHECK_ERR(gyre_read(fd, buffer, 1, 0), -EBADF);
    CHECK_ERR(gyre_fsync(fd, false), -EBADF);
    return 0;
}

KERNEL_TEST(B2_B3_B7_B11_B12_files_are_read_and_written)
{
    char path[600];

    snprintf(path, sizeof path, "%s/file", test_directory());
    must_run(rw_file, path);
}

static int open_errors(void *arg)
{
    const char *path = arg;
    struct open_how beneath = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
    struct open_how bad = { .flags = O_RDONLY, .resolve = ~UINT64_C(0) };
    char byte;
    int dir = gyre_open(test_directory(), O_RDONLY | O_DIRECTORY, 0);
    int fd;

    CHECK(dir >= 0);
    CHECK_ERR(gyre_open("/no/such/file", O_RDONLY, 0), -ENOENT);
    CHECK_ERR(gyre_open(path, O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    CHECK_ERR(gyre_open(path, O_CREAT | O_EXCL | O_RDWR, 0600), -EEXIST);
    if (gyre_openat2(dir, "file", &bad) == -ENOSYS)
        TEST_SKIP("openat2 is unknown to this valgrind, or to this Linux");
    CHECK_ERR(gyre_openat2(dir, "../file", &beneath), -EXDEV);
    CHECK_ERR(gyre_openat2(dir, "file", &bad), -EINVAL);
    fd = gyre_openat2(dir, "file", &beneath);
    CHECK(fd >= 0);
    CHECK_ERR(gyre_write(fd, "x", 1, 0), -EBADF); /* open for reading */
    CHECK_ERR(gyre_read(dir, &byte, 1, 0), -EISDIR);
    CHECK_ERR(gyre_read(fd, (void *)8, 1, 0), -EFAULT);
    CHECK_OK(gyre_close(fd));
    CHECK_OK(gyre_close(dir));
    return 0;
}

KERNEL_TEST(B11_E8_what_cannot_be_opened_or_read_says_why)
{
    char path[600];

    snprintf(path, sizeof path, "%s", file_make("file", 100));
    must_run(open_errors, path);
}

static int stat_file(void *arg)
{
    struct statx st = { 0 };

    CHECK_OK(gyre_statx(AT_FDCWD, arg, 0, STATX_SIZE | STATX_TYPE, &st));
    CHECK_EQ(st.stx_size, 12345u);
    CHECK(S_ISREG(st.stx_mode));
    CHECK_ERR(gyre_statx(AT_FDCWD, "/no/such", 0, STATX_SIZE, &st), -ENOENT);
    CHECK_ERR(gyre_statx(-1, "x", 0, STATX_SIZE, &st), -EBADF);
    return 0;
}

KERNEL_TEST(B13_statx_tells_of_a_file)
{
    char path[600];

    snprintf(path, sizeof path, "%s", file_make("sized", 12345));
    must_run(stat_file, path);
}

static int list_directory(void *arg)
{
    _Alignas(8) char buffer[1024];
    int fd = gyre_open(arg, O_RDONLY | O_DIRECTORY, 0);
    unsigned found = 0, reads = 0;
    ssize_t n;

    CHECK(fd >= 0);
    while ((n = gyre_getdents(fd, buffer, sizeof buffer)) > 0) {
        reads++;
        for (ssize_t at = 0; at < n;) {
            struct dirent64 *entry = (struct dirent64 *)(buffer + at);

            found += strncmp(entry->d_name, "entry", 5) == 0;
            at += entry->d_reclen;
        }
    }
    CHECK_OK(n);
    CHECK_EQ(found, 100u);
    CHECK_GT(reads, 1u);
    CHECK_OK(gyre_close(fd));
    CHECK_ERR(gyre_getdents(fd, buffer, sizeof buffer), -EBADF);
    return 0;
}

KERNEL_TEST(a_directory_is_listed_by_getdents)
{
    char name[64];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "entry%d", i);
        file_make(name, 0);
    }
    must_run(list_directory, (void *)(uintptr_t)test_directory());
}

/* ---- sockets
 * ------------------------------------------------------------------ */

struct tcp {
    struct sockaddr_in address;
    int listener;
};

static int tcp_client(void *arg)
{
    struct tcp *tcp = arg;
    char buffer[64];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK_OK(gyre_connect(fd, (struct sockaddr *)&tcp->address,
                          sizeof tcp->address));
    CHECK_OK(gyre_send_all(fd, "ping", 4, 0));
    CHECK_OK(gyre_recv_all(fd, buffer, 4, 0));
    CHECK_MEM_EQ(buffer, "pong", 4);
    CHECK_OK(gyre_shutdown(fd, SHUT_WR));
    CHECK_ERR(gyre_recv_all(fd, buffer, 4, 0), GYRE_EOF);
    CHECK_OK(gyre_close(fd));
    return 0;
}

static int tcp_server(void *arg)
{
    struct tcp *tcp = arg;
    struct sockaddr_in peer = { 0 };
    socklen_t size = sizeof peer;
    char buffer[64];
    int fd;

    tcp->listener = listen_open(&tcp->address, 8);
    CHECK_OK(gyre_spawn(gyre_scope_current(), tcp_client, tcp));
    fd = gyre_accept(tcp->listener, (struct sockaddr *)&peer, &size,
                     SOCK_NONBLOCK);
    CHECK(fd >= 0);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK_EQ(size, sizeof peer);
    CHECK_EQ(peer.sin_addr.s_addr, tcp->address.sin_addr.s_addr);
    CHECK_NE(peer.sin_port, 0);
    CHECK_EQ(gyre_recv(fd, buffer, sizeof buffer, 0), 4);
    CHECK_MEM_EQ(buffer, "ping", 4);
    CHECK_EQ(gyre_send(fd, "pong", 4, 0), 4);
    CHECK_EQ(gyre_recv(fd, buffer, sizeof buffer, 0), 0);
    CHECK_OK(gyre_close(fd));
    CHECK_OK(gyre_close(tcp->listener));
    return 0;
}

KERNEL_TEST(C1_C3_C4_C10_C15_E9_a_tcp_conversation)
{
    struct tcp tcp;

    must_run(tcp_server, &tcp);
}

static int socket_errors(void *arg)
{
    struct sockaddr_in nobody;
    int pair[2], fd = listen_open(&nobody, 1);
    char byte = 0;

    (void)arg;
    CHECK_OK(close(fd)); /* now nobody listens there */
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_ERR(gyre_connect(fd, (struct sockaddr *)&nobody, sizeof nobody),
              -ECONNREFUSED);
    CHECK_ERR(gyre_shutdown(fd, SHUT_WR), -ENOTCONN);
    CHECK_ERR(gyre_accept(fd, NULL, NULL, 0), -EINVAL);
    CHECK_OK(gyre_close(fd));
    CHECK_ERR(gyre_recv(fd, &byte, 1, 0), -EBADF);
    CHECK_ERR(gyre_send(fd, &byte, 1, 0), -EBADF);
    CHECK_ERR(gyre_poll(fd, POLLIN), -EBADF);

    pair_open(pair);
    CHECK_ERR(gyre_recv(pair[0], &byte, 1, MSG_DONTWAIT), -EAGAIN);
    CHECK_OK(gyre_close(pair[1]));
    CHECK_ERR(gyre_send(pair[0], "x", 1, 0), -EPIPE); /* and no SIGPIPE */
    CHECK_OK(gyre_close(pair[0]));
    return 0;
}

KERNEL_TEST(C1_C3_C4_C10_E8_what_a_socket_refuses_says_why)
{
    must_run(socket_errors, NULL);
}

static int datagrams(void *arg)
{
    struct sockaddr_in from = { 0 }, to = { .sin_family = AF_INET };
    socklen_t size = sizeof to;
    char buffer[64];
    char data[] = "datagram";
    struct iovec out[2] = { { data, 4 }, { data + 4, 4 } };
    struct iovec in = { buffer, sizeof buffer };
    struct msghdr message = { .msg_name = &to,
                              .msg_namelen = sizeof to,
                              .msg_iov = out,
                              .msg_iovlen = 2 };
    int a = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int b = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)arg;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_OK(bind(b, (struct sockaddr *)&to, sizeof to));
    CHECK_OK(getsockname(b, (struct sockaddr *)&to, &size));
    CHECK_EQ(gyre_sendmsg(a, &message, 0), 8);
    message.msg_iovlen = 0; /* an empty datagram, which is not the end */
    CHECK_EQ(gyre_sendmsg(a, &message, 0), 0);
    message.msg_iovlen = 1;
    CHECK_EQ(gyre_sendmsg(a, &message, 0), 4);

    message = (struct msghdr){ .msg_name = &from,
                               .msg_namelen = sizeof from,
                               .msg_iov = &in,
                               .msg_iovlen = 1 };
    CHECK_EQ(gyre_recvmsg(b, &message, 0), 8);
    CHECK_MEM_EQ(buffer, "datagram", 8);
    CHECK_EQ(message.msg_namelen, sizeof from);
    CHECK_EQ(from.sin_addr.s_addr, to.sin_addr.s_addr);
    from.sin_port = 0;
    CHECK_EQ(gyre_recvmsg(b, &message, 0), 0);
    CHECK_NE(from.sin_port, 0); /* it had a sender: no end of stream */
    in.iov_len = 2;
    CHECK_EQ(gyre_recvmsg(b, &message, 0), 2);
    CHECK_EQ(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
    CHECK_OK(gyre_close(a));
    CHECK_OK(gyre_close(b));
    return 0;
}

KERNEL_TEST(C5_C14_C15_datagrams_keep_their_sender_and_may_be_empty)
{
    test_not_on_qemu_user("it sends no message without a vector");
    must_run(datagrams, NULL);
}

static int poll_pipe(void *arg)
{
    int fds[2];

    (void)arg;
    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_EQ(gyre_poll(fds[1], POLLOUT), POLLOUT);
    CHECK_EQ(gyre_write(fds[1], "x", 1, GYRE_CURRENT_POSITION), 1);
    CHECK_EQ(gyre_poll(fds[0], POLLIN), POLLIN);
    CHECK_OK(gyre_close(fds[1]));
    CHECK_EQ(gyre_poll(fds[0], POLLIN), POLLIN | POLLHUP);
    CHECK_OK(gyre_close(fds[0]));
    return 0;
}

KERNEL_TEST(D1_poll_waits_for_readiness_and_tells_which)
{
    must_run(poll_pipe, NULL);
}

/* ---- sendfile
 * ----------------------------------------------------------------- */

enum { BODY = 3 * 1024 * 1024 + 17 };

static int receive_body(void *arg)
{
    int fd = *(int *)arg;
    unsigned char buffer[8192];
    size_t at = 0;
    ssize_t n;

    while ((n = gyre_recv(fd, buffer, sizeof buffer, 0)) > 0)
        for (ssize_t i = 0; i < n; i++, at++)
            if (buffer[i] != at % (251 * 64) % 251)
                FAIL("byte %zu is %u", at, buffer[i]);
    CHECK_OK(n);
    CHECK_EQ(at, (size_t)BODY);
    return 0;
}

static int send_body(void *arg)
{
    int pair[2], file = gyre_open(arg, O_RDONLY, 0);
    uint64_t at = 0;
    gyre_task *reader;
    ssize_t n;

    CHECK(file >= 0);
    tcp_pair_open(pair);
    CHECK_OK(gyre_spawn_with(gyre_scope_current(), NULL, receive_body, &pair[0],
                             &reader));
    while ((n = gyre_sendfile(pair[1], file, at, (size_t)1 << 30)) > 0)
        at += (uint64_t)n;
    CHECK_OK(n);
    CHECK_EQ(at, (uint64_t)BODY);
    CHECK_OK(gyre_close(pair[1]));
    CHECK_OK(gyre_join(reader, NULL));
    CHECK_ERR(gyre_sendfile(pair[1], file, 0, 10), -EBADF);
    CHECK_ERR(gyre_sendfile(pair[0], -1, 0, 10), -EBADF);
    CHECK_OK(gyre_close(pair[0]));
    CHECK_OK(gyre_close(file));
    return 0;
}

KERNEL_TEST(a_file_is_sent_whole_by_sendfile)
{
    char path[600];

    snprintf(path, sizeof path, "%s", file_make("body", BODY));
    must_run(send_body, path);
}

/* ---- the blocking pool
 * ---------------------------------------------------------- */

static int whoami(void *arg)
{
    *(int *)arg = gettid();
    return -EXFULL; /* any result comes back, errors too */
}

static int call_blocking(void *arg)
{
    int tid = 0;

    (void)arg;
    CHECK_ERR(gyre_call_blocking(whoami, &tid), -EXFULL);
    CHECK_NE(tid, 0);
    CHECK_NE(tid, gettid());
    return 0;
}

KERNEL_TEST(a_blocking_call_runs_on_another_thread)
{
    must_run(call_blocking, NULL);
}

/* ---- cancel at every await
 * ------------------------------------------------------ */

struct stage {
    int pair[2];    /* nothing to read */
    int stuffed[2]; /* a pair whose first end has no room to write, */
    int full;       /* which is this */
    int listener;   /* nobody connects */
    int pipe[2];    /* nothing to read */
    struct sockaddr_in address;
    char path[600];
};

static char scratch[4096];

static int w_read(struct stage *s)
{
    return (int)gyre_read(s->pipe[0], scratch, 1, GYRE_CURRENT_POSITION);
}

static int w_readv(struct stage *s)
{
    struct iovec iov = { scratch, 1 };

    return (int)gyre_readv(s->pipe[0], &iov, 1, GYRE_CURRENT_POSITION);
}

static int w_write(struct stage *s)
{
    return (int)gyre_write(s->full, scratch, sizeof scratch,
                           GYRE_CURRENT_POSITION);
}

static int w_writev(struct stage *s)
{
    struct iovec iov = { scratch, sizeof scratch };

    return (int)gyre_writev(s->full, &iov, 1, GYRE_CURRENT_POSITION);
}

static int w_accept(struct stage *s)
{
    return gyre_accept(s->listener, NULL, NULL, 0);
}

static int w_acceptor(struct stage *s)
{
    gyre_acceptor acceptor;

    gyre_acceptor_init(&acceptor, s->listener);
    return gyre_acceptor_next(&acceptor, NULL, NULL);
}

static int w_recv(struct stage *s)
{
    return (int)gyre_recv(s->pair[0], scratch, 1, 0);
}

static int w_recv_all(struct stage *s)
{
    return gyre_recv_all(s->pair[0], scratch, 1, 0);
}

static int w_send(struct stage *s)
{
    return (int)gyre_send(s->full, scratch, sizeof scratch, 0);
}

static int w_send_all(struct stage *s)
{
    return gyre_send_all(s->full, scratch, sizeof scratch, 0);
}

static int w_recvmsg(struct stage *s)
{
    struct iovec iov = { scratch, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

    return (int)gyre_recvmsg(s->pair[0], &message, 0);
}

static int w_sendmsg(struct stage *s)
{
    struct iovec iov = { scratch, sizeof scratch };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

    return (int)gyre_sendmsg(s->full, &message, 0);
}

static int w_sendfile(struct stage *s)
{
    int file = open(s->path, O_RDONLY | O_CLOEXEC);
    int result = (int)gyre_sendfile(s->full, file, 0, 4096);

    CHECK_OK(close(file));
    return result;
}

static int w_poll(struct stage *s)
{
    return gyre_poll(s->pair[0], POLLIN);
}

static int w_sleep(struct stage *s)
{
    (void)s;
    return gyre_sleep(1000 * GYRE_SECOND);
}

static int w_await(struct stage *s)
{
    gyre_op op;

    gyre_op_recv(&op, s->pair[0], scratch, 1, 0);
    return gyre_await(&op).res;
}

static int w_timeout(struct stage *s)
{
    gyre_timeout_op timeout;

    (void)s;
    gyre_timeout_op_fill(&timeout, 1000 * GYRE_SECOND, 0, 0);
    return gyre_await(&timeout.op).res;
}

/* These need not wait on a healthy system: only the cancel before is tried. */
static int n_open(struct stage *s)
{
    return gyre_open(s->path, O_RDONLY, 0);
}

static int n_openat(struct stage *s)
{
    return gyre_openat(AT_FDCWD, s->path, O_RDONLY, 0);
}

static int n_openat2(struct stage *s)
{
    struct open_how how = { .flags = O_RDONLY };

    return gyre_openat2(AT_FDCWD, s->path, &how);
}

static int n_statx(struct stage *s)
{
    struct statx st;

    return gyre_statx(AT_FDCWD, s->path, 0, STATX_SIZE, &st);
}

static int n_fsync(struct stage *s)
{
    return gyre_fsync(s->pipe[0], false);
}

static int n_getdents(struct stage *s)
{
    return (int)gyre_getdents(s->pipe[0], scratch, sizeof scratch);
}

static int n_connect(struct stage *s)
{
    return gyre_connect(s->pair[0], (struct sockaddr *)&s->address,
                        sizeof s->address);
}

static int n_shutdown(struct stage *s)
{
    return gyre_shutdown(s->pair[0], SHUT_RD);
}

static int n_call(struct stage *s)
{
    (void)s;
    return gyre_call_blocking(whoami, scratch);
}

static int n_yield(struct stage *s)
{
    (void)s;
    return gyre_yield();
}

struct wait {
    const char *name;
    int (*call)(struct stage *stage);
    bool waits;
};

static const struct wait waits[] = {
    { "read", w_read, true },          { "readv", w_readv, true },
    { "write", w_write, true },        { "writev", w_writev, true },
    { "accept", w_accept, true },      { "acceptor", w_acceptor, true },
    { "recv", w_recv, true },          { "recv_all", w_recv_all, true },
    { "send", w_send, true },          { "send_all", w_send_all, true },
    { "recvmsg", w_recvmsg, true },    { "sendmsg", w_sendmsg, true },
    { "sendfile", w_sendfile, true },  { "poll", w_poll, true },
    { "sleep", w_sleep, true },        { "await", w_await, true },
    { "timeout", w_timeout, true },    { "open", n_open, false },
    { "openat", n_openat, false },     { "openat2", n_openat2, false },
    { "statx", n_statx, false },       { "fsync", n_fsync, false },
    { "getdents", n_getdents, false }, { "connect", n_connect, false },
    { "shutdown", n_shutdown, false }, { "call", n_call, false },
    { "yield", n_yield, false },
};

static void stage_open(struct stage *s)
{
    pair_open(s->pair);
    pair_open(s->stuffed);
    s->full = s->stuffed[0];
    while (send(s->full, scratch, sizeof scratch, MSG_DONTWAIT) > 0)
        ;
    CHECK_EQ(errno, EAGAIN);
    CHECK_OK(pipe2(s->pipe, O_CLOEXEC));
    s->listener = listen_open(&s->address, 1);
    snprintf(s->path, sizeof s->path, "%s", file_make("any", 4096));
}

static void stage_close(struct stage *s)
{
    pair_close(s->pair);
    pair_close(s->stuffed);
    pair_close(s->pipe);
    CHECK_OK(close(s->listener));
}

struct attempt {
    const struct wait *wait;
    struct stage *stage;
    int result;
};

static int attempt(void *arg)
{
    struct attempt *a = arg;

    a->result = a->wait->call(a->stage);
    return 0;
}

static int cancel_each(void *arg)
{
    struct stage stage;

    (void)arg;
    stage_open(&stage);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        struct attempt a = { .wait = &waits[i], .stage = &stage };
        gyre_loop_stats stats = { .size = sizeof stats };
        gyre_scope scope;

        /* Before it is called. */
        gyre_scope_open(&scope, NULL);
        gyre_scope_cancel(&scope);
        CHECK_OK(gyre_spawn(&scope, attempt, &a));
        CHECK_OK(gyre_scope_close(&scope));
        if (a.result != -ECANCELED)
            FAIL("%s in a cancelled scope: %d", waits[i].name, a.result);
        if (!waits[i].waits)
            continue;

        /* While it waits: once before it was submitted, once after. */
        for (int late = 0; late < 2; late++) {
            a.result = 0;
            gyre_scope_open(&scope, NULL);
            CHECK_OK(gyre_spawn(&scope, attempt, &a));
            CHECK_OK(late ? gyre_sleep(GYRE_MS) : gyre_yield());
            gyre_scope_cancel(&scope);
            CHECK_OK(gyre_scope_close(&scope));
            if (a.result != -ECANCELED)
                FAIL("%s that waited: %d", waits[i].name, a.result);
        }
        gyre_loop_get_stats(gyre_loop_current(), &stats);
        CHECK_EQ(stats.in_flight + stats.queued, 0u);
    }
    stage_close(&stage);
    return 0;
}

KERNEL_TEST(G7_G8_every_call_that_waits_can_be_cancelled_there)
{
    must_run(cancel_each, NULL);
}

static int close_in_cancelled(gyre_scope *scope, void *arg)
{
    gyre_scope_cancel(scope);
    CHECK_ERR(gyre_yield(), -ECANCELED);
    CHECK_OK(gyre_close(*(int *)arg));
    return 0;
}

static int close_works(void *arg)
{
    int fd = dup(0);

    (void)arg;
    CHECK_OK(gyre_scope_run(NULL, close_in_cancelled, &fd));
    CHECK_ERR(gyre_close(fd), -EBADF);
    return 0;
}

KERNEL_TEST(B12_close_works_in_a_cancelled_scope)
{
    must_run(close_works, NULL);
}

static int recv_until_closed(void *arg)
{
    char byte;

    return gyre_recv(*(int *)arg, &byte, 1, 0) == -ECANCELED ? 0 : -EIO;
}

static int close_under_recv(void *arg)
{
    int pair[2];
    gyre_task *task;
    int result;

    (void)arg;
    pair_open(pair);
    CHECK_OK(gyre_spawn_with(gyre_scope_current(), NULL, recv_until_closed,
                             &pair[0], &task));
    CHECK_OK(gyre_sleep(GYRE_MS));
    CHECK_OK(gyre_close(pair[0])); /* cancels, waits, closes */
    CHECK_OK(gyre_join(task, &result));
    CHECK_OK(result);
    /* Linux's own close would have left the file open under the recv. */
    CHECK_ERR(gyre_send(pair[1], "x", 1, 0), -EPIPE);
    CHECK_OK(gyre_close(pair[1]));
    return 0;
}

KERNEL_TEST(G9_close_ends_what_waits_on_the_descriptor)
{
    must_run(close_under_recv, NULL);
}
