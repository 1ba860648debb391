/* SPDX-License-Identifier: MIT */
/*
 * load.c - many clients at once, for tests/scripts/serve.sh
 *
 *   serve_load fetch PORT COUNT PATH
 *       Open COUNT connections, send a request on each, then read all answers.
 *   serve_load half PORT COUNT PATH
 *       The same, but after a megabyte of each answer print "half" and wait for
 *       a line on standard input before reading the rest.
 *   serve_load slow PORT COUNT SECONDS
 *       COUNT clients that send a byte a second; when was each cut?
 *   serve_load ping PORT COUNT PATH
 *       COUNT requests on one connection, a millisecond apart: how long did
 *       each take?
 *   serve_load raw PORT
 *       Send standard input, then print what comes until the end.
 *   serve_load pass COMMAND...
 *       Become the command, with a listening socket on loopback passed to it as
 *       systemd does (LISTEN_FDS).
 *   serve_load hold THREAD
 *       Print "held", and keep that thread of another process from running
 *       until either process ends.
 *
 * Blocking sockets and no threads: the server is what is being tested. Each
 * mode prints one line of key=value and ends with 0 if nothing went wrong with
 * the client itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEGABYTE (1 << 20)

struct client {
    int fd;
    long long length; /* of the body, as announced; -1: not yet known */
    long long got;    /* bytes of the body */
    int status;
    double cut_after; /* seconds */
};

static char buffer[MEGABYTE];

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "serve_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void rest(double seconds)
{
    struct timespec time = { .tv_sec = (time_t)seconds };

    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

static int open_client(int port)
{
    /* Many addresses of the loopback network, for more ports than one has. */
    static uint32_t count;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)port) };
    struct sockaddr_in own = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + count++ / 10000);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    return fd;
}

static void send_request(int fd, const char *path, const char *connection)
{
    int size = snprintf(buffer, sizeof buffer,
                        "GET %s HTTP/1.1\r\nHost: test\r\nConnection: %s\r\n"
                        "\r\n",
                        path, connection);

    if (send(fd, buffer, (size_t)size, MSG_NOSIGNAL) != size)
        die("send");
}

/* Read a head, byte by byte so as not to take of the body. */
static bool read_head(struct client *client)
{
    char head[8192];
    size_t size = 0;

    while (size < 4 || memcmp(head + size - 4, "\r\n\r\n", 4) != 0) {
        if (size == sizeof head - 1 || recv(client->fd, head + size, 1, 0) != 1)
            return false;
        size++;
    }
    head[size] = '\0';

    const char *length = strstr(head, "Content-Length: ");

    client->length = length != NULL ? atoll(length + 16) : 0;
    return sscanf(head, "HTTP/1.1 %d", &client->status) == 1;
}

/* Read up to `limit` bytes of the body in all. */
static void read_body(struct client *client, long long limit)
{
    while (client->got < limit) {
        long long left = limit - client->got;
        ssize_t n = recv(client->fd, buffer,
                         left < MEGABYTE ? (size_t)left : MEGABYTE, 0);

        if (n <= 0)
            return;
        client->got += n;
    }
}

static struct client *open_clients(int port, int count)
{
    struct client *clients = calloc((size_t)count, sizeof *clients);

    if (clients == NULL)
        die("calloc");
    for (int i = 0; i < count; i++)
        clients[i].fd = open_client(port);
    return clients;
}

/* fetch and half: they differ in where they stop in between. */
static int fetch(int port, int count, const char *path, bool half)
{
    struct client *clients = open_clients(port, count);
    int good = 0;

    for (int i = 0; i < count; i++)
        send_request(clients[i].fd, path, "close");
    for (int i = 0; half && i < count; i++) {
        if (!read_head(&clients[i]))
            die("half an answer");
        read_body(&clients[i], MEGABYTE);
    }
    if (half) {
        puts("half");
        fflush(stdout);
        if (fgets(buffer, sizeof buffer, stdin) == NULL)
            die("standard input");
    }
    for (int i = 0; i < count; i++) {
        if (half || read_head(&clients[i]))
            read_body(&clients[i], clients[i].length);
        good += clients[i].status == 200 &&
                clients[i].got == clients[i].length &&
                recv(clients[i].fd, buffer, 1, 0) == 0;
        close(clients[i].fd);
    }
    printf("good=%d\n", good);
    free(clients);
    return 0;
}

/* Send a byte of an endless head; true if the client was found cut. */
static bool drip(struct client *client, double since, long round)
{
    static const char HEAD[] = "GET / HTTP/1.1\r\nHost: test\r\nX: ";
    char byte = round < (long)sizeof HEAD - 1 ? HEAD[round] : 'x';

    if (client->fd < 0)
        return false;

    ssize_t n = recv(client->fd, buffer, sizeof buffer - 1, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN) {
        send(client->fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        return false;
    }
    if (n > 0) {
        buffer[n] = '\0';
        sscanf(buffer, "HTTP/1.1 %d", &client->status);
    }
    client->cut_after = now() - since;
    close(client->fd);
    client->fd = -1;
    return true;
}

static int slow(int port, int count, double seconds)
{
    struct client *clients = open_clients(port, count);
    double since = now();
    double first = seconds;
    double last = 0;
    int cut = 0;
    int told = 0;

    puts("connected");
    fflush(stdout);
    /* Their bytes come spread over each second, as those of strangers do. */
    for (long i = 0; cut < count && now() - since < seconds; i++) {
        double next = since + (double)i / count;

        cut += drip(&clients[i % count], since, i / count);
        if (next > now() + 0.001)
            rest(next - now());
    }
    for (int i = 0; i < count; i++) {
        if (clients[i].fd >= 0)
            continue;
        told += clients[i].status == 408;
        first = clients[i].cut_after < first ? clients[i].cut_after : first;
        last = clients[i].cut_after > last ? clients[i].cut_after : last;
    }
    printf("cut=%d told=%d first_s=%.1f last_s=%.1f\n", cut, told, first, last);
    free(clients);
    return 0;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static int ping(int port, int count, const char *path)
{
    struct client client = { .fd = open_client(port) };
    double *times = calloc((size_t)count, sizeof *times);

    if (times == NULL)
        die("calloc");
    for (int i = 0; i < count; i++) {
        double since = now();

        send_request(client.fd, path, "keep-alive");
        client.got = 0;
        if (!read_head(&client))
            die("ping");
        read_body(&client, client.length);
        times[i] = now() - since;
        rest(0.001);
    }
    qsort(times, (size_t)count, sizeof *times, compare);
    printf("p50_us=%.0f p99_us=%.0f max_us=%.0f\n", times[count / 2] * 1e6,
           times[count * 99 / 100] * 1e6, times[count - 1] * 1e6);
    free(times);
    return 0;
}

static int raw(int port)
{
    int fd = open_client(port);
    size_t size = fread(buffer, 1, sizeof buffer, stdin);
    ssize_t n;

    /* The server may have closed half way: what it said counts. */
    send(fd, buffer, size, MSG_NOSIGNAL);
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        fwrite(buffer, 1, (size_t)n, stdout);
        fflush(stdout);
    }
    if (n < 0)
        die("recv");
    return 0;
}

static int pass(char **command)
{
    enum { FIRST = 3 };
    struct sockaddr_in address = { .sin_family = AF_INET };
    char pid[16];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 8) != 0 || dup2(fd, FIRST) != FIRST)
        die("listen");
    if (fd != FIRST)
        close(fd);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    execv(command[0], command);
    die(command[0]);
}

static int hold(pid_t thread)
{
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0 ||
        ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0 ||
        waitpid(thread, NULL, __WALL) != thread)
        die("ptrace");
    puts("held");
    fflush(stdout);
    /* Of a thread that is traced its process is not rid otherwise. */
    return waitpid(thread, NULL, __WALL) == thread ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";
    int port = argc > 2 ? atoi(argv[2]) : 0;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (strcmp(mode, "pass") == 0)
        return pass(argv + 2);
    if (strcmp(mode, "hold") == 0)
        return hold(port);
    if (strcmp(mode, "raw") == 0)
        return raw(port);
    if (argc == 5 && strcmp(mode, "fetch") == 0)
        return fetch(port, atoi(argv[3]), argv[4], false);
    if (argc == 5 && strcmp(mode, "half") == 0)
        return fetch(port, atoi(argv[3]), argv[4], true);
    if (argc == 5 && strcmp(mode, "slow") == 0)
        return slow(port, atoi(argv[3]), atof(argv[4]));
    if (argc == 5 && strcmp(mode, "ping") == 0)
        return ping(port, atoi(argv[3]), argv[4]);
    fprintf(stderr,
            "usage: serve_load fetch|half|slow|ping|raw|pass|hold ...\n");
    return 2;
}
