/* SPDX-License-Identifier: MIT */
/*
 * files.c - what sending a file costs: read and send, or sendfile
 *
 *   serve_files [DIRECTORY]
 *
 * For each size from 1 KiB to 1 GiB a task sends a head of 300 bytes and a
 * cached file over a loopback connection, again and again, both ways in turn:
 *
 *   read+send  read behind the head into one buffer of up to 256 KiB, send
 *   sendfile   send the head with MSG_MORE, then slices of 256 KiB
 *
 * A thread at the other end throws the bytes away. Printed is the CPU time of
 * the sending thread for each response, the least of five rounds. The threshold
 * of gyre serve (EXCHANGE_SMALL_MAX) and docs/PERFORMANCE.md stand on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/gyre.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_SIZE 300
#define SLICE (256 * 1024)
#define ROUNDS 5
#define ROUND_BYTES (256ULL << 20) /* at most, and at least one response */
#define ROUND_RESPONSES 4000ULL

struct sender {
    int file;
    int socket;
    uint64_t size;
    char *buffer; /* HEAD_SIZE + SLICE */
};

static double cpu_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

_Noreturn static void die(const char *what, int error)
{
    fprintf(stderr, "serve_files: %s: %s\n", what, gyre_strerror(error));
    exit(1);
}

/* The other end: read and forget. */
static void *swallow(void *arg)
{
    int fd = *(int *)arg;
    static char sink[1 << 20];

    while (recv(fd, sink, sizeof sink, MSG_TRUNC) > 0)
        ;
    close(fd);
    return NULL;
}

static void connect_pair(int pair[2])
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pair[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || pair[1] < 0 ||
        bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0 ||
        connect(pair[1], (struct sockaddr *)&address, size) != 0)
        die("connect", -errno);
    pair[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (pair[0] < 0)
        die("accept", -errno);
    setsockopt(pair[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    close(listener);
}

static void respond_by_read(struct sender *sender)
{
    uint64_t offset = 0;
    size_t head = HEAD_SIZE;

    while (offset < sender->size) {
        ssize_t n =
            gyre_read(sender->file, sender->buffer + head, SLICE, offset);

        if (n <= 0)
            die("read", (int)n);
        offset += (uint64_t)n;

        int error = gyre_send_all(sender->socket, sender->buffer,
                                  head + (size_t)n,
                                  offset < sender->size ? MSG_MORE : 0);

        if (error != 0)
            die("send", error);
        head = 0;
    }
}

static void respond_by_sendfile(struct sender *sender)
{
    uint64_t offset = 0;
    int error =
        gyre_send_all(sender->socket, sender->buffer, HEAD_SIZE, MSG_MORE);

    if (error != 0)
        die("send", error);
    while (offset < sender->size) {
        ssize_t n = gyre_sendfile(sender->socket, sender->file, offset, SLICE);

        if (n <= 0)
            die("sendfile", (int)n);
        offset += (uint64_t)n;
        gyre_yield();
    }
}

/* CPU time for one response, in ns. */
static double measure(struct sender *sender, void (*respond)(struct sender *))
{
    uint64_t count = ROUND_BYTES / sender->size;

    if (count > ROUND_RESPONSES)
        count = ROUND_RESPONSES;
    if (count == 0)
        count = 1;

    double since = cpu_now();

    for (uint64_t i = 0; i < count; i++)
        respond(sender);
    return (cpu_now() - since) / (double)count;
}

static void compare(struct sender *sender)
{
    double by_read = 0;
    double by_sendfile = 0;

    /* Into the page cache first. */
    respond_by_read(sender);
    for (int round = 0; round < ROUNDS; round++) {
        double read = measure(sender, respond_by_read);
        double sendfile = measure(sender, respond_by_sendfile);

        by_read = round == 0 || read < by_read ? read : by_read;
        by_sendfile = round == 0 || sendfile < by_sendfile ? sendfile
                                                           : by_sendfile;
    }
    printf("| %7llu KiB | %9.1f us | %9.1f us | %5.3f | %5.3f | %4.2f |\n",
           (unsigned long long)(sender->size >> 10), by_read / 1e3,
           by_sendfile / 1e3, by_read / (double)sender->size,
           by_sendfile / (double)sender->size, by_sendfile / by_read);
    fflush(stdout);
}

static int run(void *arg)
{
    struct sender *sender = arg;

    printf("kernel: %s\n", gyre_loop_kernel(gyre_loop_current()));
    printf("|        size | read+send    | sendfile     | ns/B  | ns/B  | "
           "ratio |\n|---|---|---|---|---|---|\n");
    for (int shift = 10; shift <= 30; shift += 2) {
        sender->size = 1ULL << shift;
        if (ftruncate(sender->file, (off_t)sender->size) != 0)
            die("ftruncate", -errno);
        compare(sender);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sender sender = { .buffer = calloc(1, HEAD_SIZE + SLICE) };
    const char *directory = argc > 1 ? argv[1] : "/tmp";
    pthread_t thread;
    int pair[2];

    /* A hole would be sent without a disk, but with pages all the same. */
    sender.file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (sender.buffer == NULL || sender.file < 0)
        die(directory, -errno);
    connect_pair(pair);
    sender.socket = pair[0];
    if (pthread_create(&thread, NULL, swallow, &pair[1]) != 0)
        die("pthread_create", -EAGAIN);

    int result = gyre_run(NULL, run, &sender);

    close(pair[0]);
    pthread_join(thread, NULL);
    free(sender.buffer);
    return result < 0;
}
