/* SPDX-License-Identifier: MIT */
/*
 * send-zc - sends that read the caller's memory
 *
 * A task sends the same megabyte to another again and again, each time with
 * other bytes in it: when a send has returned, the memory is its own again. To
 * a receiver on the same machine Linux copies after all, and says so.
 */
#include <gyre/gyre.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 1 << 20, ROUNDS = 4 };

struct pair {
    struct sockaddr_in at;
    long copied;
};

static int sender(void *arg)
{
    static char bytes[SIZE];
    struct pair *pair = arg;
    int fd = gyre_socket(AF_INET, SOCK_STREAM, 0);
    int err = gyre_connect(fd, (struct sockaddr *)&pair->at, sizeof pair->at);

    for (int round = 0; round < ROUNDS && err == 0; round++) {
        size_t sent = 0;

        memset(bytes, 'a' + round, SIZE);
        while (sent < SIZE && err == 0) {
            gyre_zc zc = { .threshold = 0 };
            ssize_t n = gyre_send_zc(fd, bytes + sent, SIZE - sent, 0, &zc);

            if (n < 0)
                err = (int)n;
            else
                sent += (size_t)n;
            pair->copied += zc.copied ? n : 0;
        }
    }
    gyre_close(fd);
    return err;
}

static int receiver(gyre_scope *scope, void *arg)
{
    static char bytes[SIZE];
    struct pair *pair = arg;
    socklen_t size = sizeof pair->at;
    int listener = gyre_socket(AF_INET, SOCK_STREAM, 0), fd;
    int err = gyre_bind(listener, (struct sockaddr *)&pair->at, size);
    int whole = 0;

    if (err == 0)
        err = gyre_listen(listener, 1);
    if (err == 0)
        err = gyre_getsockname(listener, (struct sockaddr *)&pair->at, &size);
    if (err == 0)
        err = gyre_spawn(scope, sender, pair);
    if (err < 0)
        return err;
    fd = gyre_accept(listener, NULL, NULL, SOCK_NONBLOCK);
    for (int round = 0; round < ROUNDS; round++) {
        if (gyre_recv_all(fd, bytes, SIZE, 0) != 0)
            break;
        whole += bytes[0] == 'a' + round &&
                 memcmp(bytes, bytes + 1, SIZE - 1) == 0;
    }
    gyre_close(fd);
    gyre_close(listener);
    printf("send-zc: %d of %d arrived whole\n", whole, ROUNDS);
    return 0;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, receiver, arg);
}

int main(void)
{
    struct pair pair = { .at = { .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
    int err = gyre_run(NULL, run, &pair);

    if (err < 0)
        fprintf(stderr, "send-zc: %s %s\n", gyre_strerror(err),
                gyre_loop_create_error());
    else
        printf("send-zc: the kernel copied %ld bytes\n", pair.copied);
    return err < 0;
}
