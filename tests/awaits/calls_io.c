/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/file.h, socket.h, poll.h, blocking.h, acceptor.h.
 *
 * What the kernel does at once (opening a file, statx) waits all the same, for
 * a turn of the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"
#include "runner/patient.h"

/* ---- worlds -------------------------------------------------------------- */

/* fds[0] has nothing to read until something is written to fds[1]. */
static void pipe_up(struct scene *scene)
{
    CHECK_OK(pipe2(scene->fds, O_CLOEXEC));
}

static void pair_up(struct scene *scene)
{
    pair_open(scene->fds);
}

/* fds[0] has no room to write until fds[1] is read. */
static void stuffed_up(struct scene *scene)
{
    int size = 4096;

    pair_open(scene->fds);
    CHECK_OK(
        setsockopt(scene->fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    while (send(scene->fds[0], scene->bytes, sizeof scene->bytes,
                MSG_DONTWAIT) > 0)
        ;
    CHECK_EQ(errno, EAGAIN);
}

/* fds[2] is a file of 4096 bytes, beside that. */
static void stuffed_and_file_up(struct scene *scene)
{
    stuffed_up(scene);
    scene->fds[2] = open(file_make("file", 4096), O_RDONLY | O_CLOEXEC);
    CHECK(scene->fds[2] >= 0);
}

/* A file, and in the second way a FIFO. */
static void path_up(struct scene *scene)
{
    const char *path = file_make("any", 16);

    if (scene->way == 0) {
        snprintf(scene->path, sizeof scene->path, "%s", path);
        return;
    }
    snprintf(scene->path, sizeof scene->path, "%s/fifo", test_directory());
    CHECK_OK(mkfifo(scene->path, 0600));
}

static void path_down(struct scene *scene)
{
    if (scene->way == 1)
        CHECK_OK(unlink(scene->path));
}

/* fds[0] listens, at `value`. */
static struct sockaddr_in address;

static void listen_up(struct scene *scene)
{
    scene->fds[0] = listen_open(&address, 4);
}

/* ---- helpers ------------------------------------------------------------- */

static void send_byte(struct scene *scene)
{
    linger(scene);
    CHECK_EQ(write(scene->fds[1], "x", 1), 1);
}

static void send_two_bytes(struct scene *scene)
{
    send_byte(scene);
    send_byte(scene);
}

static void drain(struct scene *scene)
{
    char bytes[STAGE_BYTES];

    linger(scene);
    while (recv(scene->fds[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

/* Again and again: more is sent than there is room for. */
static void drain_until_done(struct scene *scene)
{
    while (!scene->done) {
        drain(scene);
        (void)gyre_yield();
    }
}

static void connect_one(struct scene *scene)
{
    linger(scene);
    scene->fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(scene->fds[1] >= 0);
    CHECK_OK(patient_connect(scene->fds[1], (struct sockaddr *)&address,
                             sizeof address));
}

/* Let the opening of the FIFO go on: somebody to write to it is there. */
static void open_fifo(struct scene *scene)
{
    linger(scene);
    if (scene->way == 0)
        return;
    scene->fds[1] = open(scene->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    CHECK(scene->fds[1] >= 0);
}

/* A descriptor that came after all is ours to close. */
static int closed(int fd)
{
    if (fd < 0)
        return fd;
    CHECK_OK(close(fd));
    return 0;
}

/* Short or not. */
static int some(ssize_t count)
{
    return count > 0 ? 1 : (int)count;
}

/* ---- reading and writing ------------------------------------------------- */

static int wait_read(struct scene *scene)
{
    return AWAIT(scene, gyre_read(scene->fds[0], scene->bytes, 8,
                                  GYRE_CURRENT_POSITION));
}

SCENARIO(gyre_read) = {
    .wait = wait_read, .help = send_byte, .set_up = pipe_up, .result = { 1 }
};

static int wait_readv(struct scene *scene)
{
    struct iovec iov = { scene->bytes, 8 };

    return AWAIT(scene,
                 gyre_readv(scene->fds[0], &iov, 1, GYRE_CURRENT_POSITION));
}

SCENARIO(gyre_readv) = {
    .wait = wait_readv, .help = send_byte, .set_up = pipe_up, .result = { 1 }
};

static int wait_write(struct scene *scene)
{
    return some(AWAIT(scene, gyre_write(scene->fds[0], scene->bytes,
                                        STAGE_BYTES, GYRE_CURRENT_POSITION)));
}

SCENARIO(gyre_write) = {
    .wait = wait_write, .help = drain, .set_up = stuffed_up, .result = { 1 }
};

static int wait_writev(struct scene *scene)
{
    struct iovec iov = { scene->bytes, STAGE_BYTES };

    return some(AWAIT(
        scene, gyre_writev(scene->fds[0], &iov, 1, GYRE_CURRENT_POSITION)));
}

SCENARIO(gyre_writev) = {
    .wait = wait_writev, .help = drain, .set_up = stuffed_up, .result = { 1 }
};

/* ---- files --------------------------------------------------------------- */

static int wait_open(struct scene *scene)
{
    return closed(AWAIT(scene, gyre_open(scene->path, O_RDONLY, 0)));
}

SCENARIO(gyre_open) = { .wait = wait_open,
                        .help = open_fifo,
                        .set_up = path_up,
                        .tear_down = path_down,
                        .ways = 2 };

static int wait_openat(struct scene *scene)
{
    return closed(
        AWAIT(scene, gyre_openat(AT_FDCWD, scene->path, O_RDONLY, 0)));
}

SCENARIO(gyre_openat) = { .wait = wait_openat,
                          .help = open_fifo,
                          .set_up = path_up,
                          .tear_down = path_down,
                          .ways = 2 };

static int wait_openat2(struct scene *scene)
{
    struct open_how how = { .flags = O_RDONLY };
    int fd = AWAIT(scene, gyre_openat2(AT_FDCWD, scene->path, &how));

    if (fd == -ENOSYS)
        TEST_SKIP("openat2 is unknown to this valgrind, or to this Linux");
    return closed(fd);
}

SCENARIO(gyre_openat2) = { .wait = wait_openat2,
                           .help = open_fifo,
                           .set_up = path_up,
                           .tear_down = path_down,
                           .ways = 2 };

/* Somebody receives on what is closed: his op has to end first. */
static int receive_what_is_closed(void *arg)
{
    struct scene *scene = arg;
    char byte;
    int result = (int)gyre_recv(scene->fds[0], &byte, 1, 0);

    return result == -ECANCELED || result == -ETIME || result == -EBADF
               ? 0
               : result;
}

static int wait_close(struct scene *scene)
{
    int result = spawn_more(scene, &scene->scope, receive_what_is_closed, NULL);

    if (result < 0)
        return result;
    (void)gyre_yield();
    result = AWAIT(scene, gyre_close(scene->fds[0]));
    scene->fds[0] = -1;
    return result;
}

SCENARIO(gyre_close) = { .wait = wait_close,
                         .set_up = pair_up,
                         .deaf = { true } };

static int wait_statx(struct scene *scene)
{
    struct statx st;

    return AWAIT(scene, gyre_statx(AT_FDCWD, scene->path, 0, STATX_SIZE, &st));
}

SCENARIO(gyre_statx) = { .wait = wait_statx, .set_up = path_up };

static void file_up(struct scene *scene)
{
    scene->fds[0] = open(file_make("any", 16), O_RDWR | O_CLOEXEC);
    CHECK(scene->fds[0] >= 0);
}

static int wait_fsync(struct scene *scene)
{
    return AWAIT(scene, gyre_fsync(scene->fds[0], false));
}

SCENARIO(gyre_fsync) = { .wait = wait_fsync, .set_up = file_up };

static void directory_up(struct scene *scene)
{
    scene->fds[0] = open(test_directory(), O_RDONLY | O_CLOEXEC);
    CHECK(scene->fds[0] >= 0);
}

static int wait_getdents(struct scene *scene)
{
    return some(
        AWAIT(scene, gyre_getdents(scene->fds[0], scene->bytes, STAGE_BYTES)));
}

SCENARIO(gyre_getdents) = { .wait = wait_getdents,
                            .set_up = directory_up,
                            .result = { 1 } };

/* ---- sockets ------------------------------------------------------------- */

static int wait_accept(struct scene *scene)
{
    return closed(AWAIT(scene, gyre_accept(scene->fds[0], NULL, NULL, 0)));
}

SCENARIO(gyre_accept) = { .wait = wait_accept,
                          .help = connect_one,
                          .set_up = listen_up };

static void connect_up(struct scene *scene)
{
    listen_up(scene);
    scene->fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(scene->fds[1] >= 0);
}

static int wait_connect(struct scene *scene)
{
    return AWAIT(scene, gyre_connect(scene->fds[1], (struct sockaddr *)&address,
                                     sizeof address));
}

SCENARIO(gyre_connect) = { .wait = wait_connect, .set_up = connect_up };

static int wait_recv(struct scene *scene)
{
    return AWAIT(scene, gyre_recv(scene->fds[0], scene->bytes, 8, 0));
}

SCENARIO(gyre_recv) = {
    .wait = wait_recv, .help = send_byte, .set_up = pair_up, .result = { 1 }
};

static int wait_recv_all(struct scene *scene)
{
    return AWAIT(scene, gyre_recv_all(scene->fds[0], scene->bytes, 2, 0));
}

SCENARIO(gyre_recv_all) = { .wait = wait_recv_all,
                            .help = send_two_bytes,
                            .set_up = pair_up,
                            .many = true };

static int wait_recvmsg(struct scene *scene)
{
    struct iovec iov = { scene->bytes, 8 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

    return AWAIT(scene, gyre_recvmsg(scene->fds[0], &message, 0));
}

SCENARIO(gyre_recvmsg) = {
    .wait = wait_recvmsg, .help = send_byte, .set_up = pair_up, .result = { 1 }
};

static int wait_send(struct scene *scene)
{
    return some(
        AWAIT(scene, gyre_send(scene->fds[0], scene->bytes, STAGE_BYTES, 0)));
}

SCENARIO(gyre_send) = {
    .wait = wait_send, .help = drain, .set_up = stuffed_up, .result = { 1 }
};

static int wait_sendmsg(struct scene *scene)
{
    struct iovec iov = { scene->bytes, STAGE_BYTES };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

    return some(AWAIT(scene, gyre_sendmsg(scene->fds[0], &message, 0)));
}

SCENARIO(gyre_sendmsg) = {
    .wait = wait_sendmsg, .help = drain, .set_up = stuffed_up, .result = { 1 }
};

static int wait_send_all(struct scene *scene)
{
    static char much[4 * STAGE_BYTES];

    return AWAIT(scene, gyre_send_all(scene->fds[0], much, sizeof much, 0));
}

SCENARIO(gyre_send_all) = { .wait = wait_send_all,
                            .help = drain_until_done,
                            .set_up = stuffed_up,
                            .many = true };

static int wait_sendfile(struct scene *scene)
{
    return some(
        AWAIT(scene, gyre_sendfile(scene->fds[0], scene->fds[2], 0, 4096)));
}

SCENARIO(gyre_sendfile) = { .wait = wait_sendfile,
                            .help = drain,
                            .set_up = stuffed_and_file_up,
                            .result = { 1 } };

static int wait_shutdown(struct scene *scene)
{
    return AWAIT(scene, gyre_shutdown(scene->fds[0], SHUT_WR));
}

SCENARIO(gyre_shutdown) = { .wait = wait_shutdown, .set_up = pair_up };

/* ---- waiting ------------------------------------------------------------- */

static int wait_poll(struct scene *scene)
{
    return AWAIT(scene, gyre_poll(scene->fds[0], POLLIN));
}

SCENARIO(gyre_poll) = { .wait = wait_poll,
                        .help = send_byte,
                        .set_up = pair_up,
                        .result = { POLLIN } };

static void epoll_up(struct scene *scene)
{
    struct epoll_event event = { .events = EPOLLIN };

    pipe_up(scene);
    scene->fds[2] = epoll_create1(EPOLL_CLOEXEC);
    CHECK(scene->fds[2] >= 0);
    CHECK_OK(epoll_ctl(scene->fds[2], EPOLL_CTL_ADD, scene->fds[0], &event));
}

static int wait_epoll_wait(struct scene *scene)
{
    struct epoll_event got;

    return AWAIT(scene, gyre_epoll_wait(scene->fds[2], &got, 1));
}

SCENARIO(gyre_epoll_wait) = { .wait = wait_epoll_wait,
                              .help = send_byte,
                              .set_up = epoll_up,
                              .result = { 1 } };

static int wait_epoll_ctl(struct scene *scene)
{
    struct epoll_event event = { .events = EPOLLIN };

    return AWAIT(scene, gyre_epoll_ctl(scene->fds[2], EPOLL_CTL_MOD,
                                       scene->fds[0], &event));
}

SCENARIO(gyre_epoll_ctl) = { .wait = wait_epoll_ctl, .set_up = epoll_up };

/* Children that live until they are killed; in the second way any will do. */
static void child_up(struct scene *scene)
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        for (;;)
            pause();
    }
    scene->count = (unsigned)child;
}

static void child_down(struct scene *scene)
{
    (void)kill((pid_t)scene->count, SIGKILL);
    (void)patient_waitpid((pid_t)scene->count, NULL);
}

static void kill_child(struct scene *scene)
{
    linger(scene);
    CHECK_OK(kill((pid_t)scene->count, SIGKILL));
}

static int wait_waitid(struct scene *scene)
{
    siginfo_t info;

    return AWAIT(scene, scene->way == 0
                            ? gyre_waitid(P_PID, (int)scene->count, &info,
                                          WEXITED | WNOWAIT)
                            : gyre_waitid(P_ALL, 0, &info, WEXITED | WNOWAIT));
}

SCENARIO(gyre_waitid) = { .wait = wait_waitid,
                          .help = kill_child,
                          .set_up = child_up,
                          .tear_down = child_down,
                          .ways = 2 };

static int read_byte(void *arg)
{
    struct scene *scene = arg;
    char byte;

    return (int)read(scene->fds[0], &byte, 1);
}

static int wait_call(struct scene *scene)
{
    return AWAIT(scene, gyre_call_blocking(read_byte, scene));
}

SCENARIO(gyre_call_blocking) = {
    .wait = wait_call, .help = send_byte, .set_up = pipe_up, .result = { 1 }
};

/* ---- clocks, and ending the waits of others ------------------------------ */

static int wait_sleep_clock(struct scene *scene)
{
    struct timespec time;

    CHECK_OK(clock_gettime(CLOCK_REALTIME, &time));
    time.tv_nsec += (long)stage_delay();
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return AWAIT(scene, gyre_sleep_until_clock(CLOCK_REALTIME, time));
}

SCENARIO(gyre_sleep_until_clock) = { .wait = wait_sleep_clock };

static void target_done(gyre_op *op, gyre_result result)
{
    (void)op;
    CHECK_ERR(result.res, -ECANCELED);
}

/* Of one op that the kernel has, the kernel gives the answer. */
static int wait_cancel_matching(struct scene *scene)
{
    static gyre_op target; /* may end after this has returned */
    gyre_match match = { .flags = GYRE_MATCH_FD, .fd = scene->fds[0] };
    int result;

    gyre_op_recv(&target, scene->fds[0], scene->bytes, 1, 0);
    gyre_op_start(scene->loop, &target, target_done, NULL);
    CHECK_GE(gyre_loop_submit(scene->loop), 0);
    result = AWAIT(scene, gyre_cancel_matching(&match));
    (void)gyre_op_cancel(&target);
    return result;
}

SCENARIO(gyre_cancel_matching) = { .wait = wait_cancel_matching,
                                   .set_up = pair_up,
                                   .may_leave = true };

/* ---- accepting for ever -------------------------------------------------- */

/* In the second way there is a connection, but no descriptor for it. (Under
 * valgrind the limit is not Linux's.) */
static bool is_short(const struct scene *scene)
{
    return scene->way == 1 && !test_on_valgrind();
}

static void acceptor_up(struct scene *scene)
{
    struct rlimit limit;

    listen_up(scene);
    if (!is_short(scene))
        return;
    scene->fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(patient_connect(scene->fds[1], (struct sockaddr *)&address,
                             sizeof address));
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    scene->count = (unsigned)limit.rlim_cur;
    limit.rlim_cur = (rlim_t)dup(0);
    CHECK_OK(close((int)limit.rlim_cur));
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

static void descriptors_again(const struct scene *scene)
{
    struct rlimit limit;

    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = scene->count;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

static void acceptor_help(struct scene *scene)
{
    if (!is_short(scene)) {
        connect_one(scene);
    } else {
        linger(scene);
        linger(scene);
        descriptors_again(scene);
    }
}

static void acceptor_down(struct scene *scene)
{
    if (is_short(scene))
        descriptors_again(scene);
}

static int wait_acceptor(struct scene *scene)
{
    gyre_acceptor acceptor;

    gyre_acceptor_init(&acceptor, scene->fds[0]);
    return closed(AWAIT(scene, gyre_acceptor_next(&acceptor, NULL, NULL)));
}

SCENARIO(gyre_acceptor_next) = { .wait = wait_acceptor,
                                 .help = acceptor_help,
                                 .set_up = acceptor_up,
                                 .tear_down = acceptor_down,
                                 .ways = 2,
                                 .many = true };
