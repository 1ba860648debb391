/* SPDX-License-Identifier: MIT */
/*
 * echo.c - a program of liburing, with not a word about gyre
 *
 * An echo server and its client in one process: `echo N` passes N messages
 * through TCP over loopback and prints how many came back whole. It is linked
 * with libgyre-uring here, and with liburing for the test that puts ours in its
 * place by LD_PRELOAD.
 */
#include <liburing.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 1000, ENTRIES = 8 };
enum { ACCEPT = 1, CONNECT, SERVER, CLIENT };

static struct io_uring ring;

static void die(const char *what, int error)
{
    fprintf(stderr, "echo: %s: %s\n", what, strerror(-error));
    exit(1);
}

static struct io_uring_sqe *next(int fd, __u64 what)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (sqe == NULL)
        die("io_uring_get_sqe", -ENOMEM);
    io_uring_prep_nop(sqe);
    sqe->fd = fd;
    io_uring_sqe_set_data64(sqe, what);
    return sqe;
}

/* The result of one, which is to be of that kind. */
static int wait_for(__u64 what)
{
    struct io_uring_cqe *cqe = NULL;
    int error = io_uring_submit_and_wait(&ring, 1);
    int result;

    if (error >= 0)
        error = io_uring_wait_cqe(&ring, &cqe);
    if (error < 0)
        die("io_uring_wait_cqe", error);
    result = cqe->res;
    if (cqe->user_data != what || result < 0)
        die("a request", result < 0 ? result : -EPROTO);
    io_uring_cqe_seen(&ring, cqe);
    return result;
}

static void move_all(int fd, __u64 what, char *data, int sends)
{
    unsigned done = 0;

    while (done < SIZE) {
        struct io_uring_sqe *sqe = next(fd, what);

        if (sends)
            io_uring_prep_send(sqe, fd, data + done, SIZE - done, 0);
        else
            io_uring_prep_recv(sqe, fd, data + done, SIZE - done, 0);
        io_uring_sqe_set_data64(sqe, what);
        done += (unsigned)wait_for(what);
    }
}

static int listen_at(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof *address;

    *address = (struct sockaddr_in){ .sin_family = AF_INET };
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) < 0 ||
        listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &size) < 0)
        die("listen", -errno);
    return fd;
}

static void connect_both(int *client, int *server)
{
    struct sockaddr_in address;
    int listener = listen_at(&address);
    struct io_uring_sqe *sqe;

    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sqe = next(*client, CONNECT);
    io_uring_prep_connect(sqe, *client, (struct sockaddr *)&address,
                          sizeof address);
    io_uring_sqe_set_data64(sqe, CONNECT);
    (void)wait_for(CONNECT);
    sqe = next(listener, ACCEPT);
    io_uring_prep_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, ACCEPT);
    *server = wait_for(ACCEPT);
    close(listener);
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 10, whole = 0;
    char sent[SIZE], echoed[SIZE], back[SIZE];
    int client, server, error;

    error = io_uring_queue_init(ENTRIES, &ring, 0);
    if (error < 0)
        die("io_uring_queue_init", error);
    connect_both(&client, &server);
    for (long i = 0; i < count; i++) {
        memset(sent, (char)('a' + i % 26), SIZE);
        move_all(client, CLIENT, sent, 1);
        move_all(server, SERVER, echoed, 0);
        move_all(server, SERVER, echoed, 1);
        move_all(client, CLIENT, back, 0);
        whole += memcmp(sent, back, SIZE) == 0;
    }
    printf("%ld of %ld\n", whole, count);
    close(client);
    close(server);
    io_uring_queue_exit(&ring);
    return whole == count ? 0 : 1;
}
