/* SPDX-License-Identifier: MIT */
/*
 * test_programs.c - what programs do with descriptors of every kind: timers,
 * terminals, files through buffers of several sizes, echo between many loops
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "runner/patient.h"
#include "world.h"

static int await_timerfd(void *arg)
{
    const struct itimerspec soon = { .it_value = { 0, 1000000 } };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    uint64_t times = 0;

    (void)arg;
    CHECK_GE(fd, 0);
    CHECK_OK(timerfd_settime(fd, 0, &soon, NULL));
    CHECK_EQ(gyre_poll(fd, POLLIN), POLLIN);
    CHECK_EQ(gyre_read(fd, &times, sizeof times, GYRE_CURRENT_POSITION),
             (ssize_t)sizeof times);
    CHECK_EQ(times, 1u);
    CHECK_OK(gyre_close(fd));
    return 0;
}

KERNEL_TEST(D1_a_timerfd_tells_that_its_time_has_come)
{
    must_run(await_timerfd, NULL);
}

/* ---- a terminal ---------------------------------------------------------- */

/* The child: answers a line with a line and ends. */
static _Noreturn void answer(int terminal)
{
    char line[16];
    ssize_t n;

    if (write(terminal, "name?", 5) != 5)
        _exit(1);
    n = read(terminal, line, sizeof line);
    _exit(n == 5 && memcmp(line, "gyre\n", 5) == 0 ? 42 : 2);
}

static int converse(void *arg)
{
    int master = *(int *)arg, got = 0;
    char text[16];

    while (got < 5) {
        ssize_t n = gyre_read(master, text + got, (uint32_t)(5 - got),
                              GYRE_CURRENT_POSITION);

        CHECK_GT(n, 0);
        got += (int)n;
    }
    CHECK_EQ(memcmp(text, "name?", 5), 0);
    CHECK_EQ(gyre_write(master, "gyre\n", 5, GYRE_CURRENT_POSITION), 5);
    return 0;
}

KERNEL_TEST(B2_a_terminal_carries_words_to_a_child_and_back)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave, status;
    struct termios mode;
    const char *name;
    pid_t child;

    CHECK_GE(master, 0);
    CHECK_OK(grantpt(master));
    CHECK_OK(unlockpt(master));
    name = ptsname(master);
    CHECK(name != NULL);
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK_GE(slave, 0);
    CHECK_OK(tcgetattr(slave, &mode));
    mode.c_lflag &= ~(tcflag_t)ECHO;
    CHECK_OK(tcsetattr(slave, TCSANOW, &mode));
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0)
        answer(slave);
    must_run(converse, &master);
    CHECK_EQ(patient_waitpid(child, &status), child);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
    CHECK_OK(close(slave));
    CHECK_OK(close(master));
}

/* ---- files --------------------------------------------------------------- */

enum { WHOLE = 1000003 }; /* a multiple of no buffer */

static unsigned char byte_of(size_t at)
{
    return (unsigned char)(at * 31 + at / 251);
}

static int write_and_read(void *arg)
{
    size_t size = *(size_t *)arg;
    unsigned char *buffer = malloc(size);
    char path[600];
    size_t at = 0;
    ssize_t n;
    int fd;

    CHECK(buffer != NULL);
    snprintf(path, sizeof path, "%s/whole", test_directory());
    fd = gyre_open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK_GE(fd, 0);
    while (at < WHOLE) {
        size_t part = WHOLE - at < size ? WHOLE - at : size;

        for (size_t i = 0; i < part; i++)
            buffer[i] = byte_of(at + i);
        n = gyre_write(fd, buffer, (uint32_t)part, at);
        CHECK_GT(n, 0);
        at += (size_t)n;
    }
    CHECK_OK(gyre_fsync(fd, false));
    for (at = 0; (n = gyre_read(fd, buffer, (uint32_t)size, at)) > 0;
         at += (size_t)n)
        for (size_t i = 0; i < (size_t)n; i++)
            CHECK_EQ(buffer[i], byte_of(at + i));
    CHECK_EQ(n, 0);
    CHECK_EQ(at, (size_t)WHOLE);
    CHECK_OK(gyre_close(fd));
    free(buffer);
    return 0;
}

KERNEL_TEST(B2_files_are_whole_through_buffers_of_every_size)
{
    static size_t sizes[] = { 8 << 10, 16 << 10, 64 << 10 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        must_run(write_and_read, &sizes[i]);
}

/* ---- echo between loops -------------------------------------------------- */

enum { CLIENTS = 3, ROUNDS = 20, PIECE = 4096 };

static struct sockaddr_in address;

static int talk(void *arg)
{
    int fd = gyre_socket(AF_INET, SOCK_STREAM, 0);
    char sent[PIECE], got[PIECE];

    CHECK_GE(fd, 0);
    CHECK_OK(gyre_connect(fd, (struct sockaddr *)&address, sizeof address));
    for (int round = 0; round < ROUNDS; round++) {
        memset(sent, *(char *)arg + round, sizeof sent);
        CHECK_OK(gyre_send_all(fd, sent, sizeof sent, 0));
        CHECK_OK(gyre_recv_all(fd, got, sizeof got, 0));
        CHECK_EQ(memcmp(sent, got, sizeof got), 0);
    }
    CHECK_OK(gyre_close(fd));
    return 0;
}

static void *client(void *arg)
{
    must_run(talk, arg);
    return NULL;
}

static int echo(void *arg)
{
    int fd = *(int *)arg;
    char piece[PIECE];
    ssize_t n;

    while ((n = gyre_recv(fd, piece, sizeof piece, 0)) > 0)
        CHECK_OK(gyre_send_all(fd, piece, (size_t)n, 0));
    CHECK_EQ(n, 0);
    CHECK_OK(gyre_close(fd));
    return 0;
}

static int serve(void *arg)
{
    gyre_scope scope;
    int fds[CLIENTS];

    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = gyre_accept(*(int *)arg, NULL, NULL, SOCK_CLOEXEC);
        CHECK_GE(fds[i], 0);
        CHECK_OK(gyre_spawn(&scope, echo, &fds[i]));
    }
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(C4_H9_echo_between_the_loops_of_many_threads)
{
    int listener = listen_open(&address, CLIENTS);
    pthread_t threads[CLIENTS];
    char names[CLIENTS] = { 'a', 'A', '0' };

    for (int i = 0; i < CLIENTS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, client, &names[i]), 0);
    must_run(serve, &listener);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_OK(close(listener));
}
