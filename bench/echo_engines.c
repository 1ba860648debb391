/* SPDX-License-Identifier: MIT */
/*
 * echo_engines.c - gyre bench echo --engines N: servers of several threads
 *
 * As in echo.c a client has one request under way on each connection, and the
 * server's CPU time counts, all threads of it; but the server accepts by
 * itself, and nobody is bound to a CPU. Where there are no more CPUs than
 * engines, client and server share them, so that the time on the wall is that
 * of both. Each server is a process of its own, or a peer, and is killed in the
 * end.
 */
#include "echo_engines.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "echo.h"
#include "tasks.h"

#define CONNECTIONS_MAX 512

/* ---- sockets ------------------------------------------------------------- */

/* On `*port`, which is chosen if it is 0. */
static int listen_on(uint16_t *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(*port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, size) != 0 ||
        listen(fd, CONNECTIONS_MAX) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return -errno;
    *port = ntohs(address.sin_port);
    return fd;
}

/* Of one that is closed nothing stays: many come from one address. */
static int connect_to(uint16_t port)
{
    const struct linger none = { .l_onoff = 1 };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    if (fd < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        return -errno;
    return fd;
}

/* ---- a server ------------------------------------------------------------ */

struct server {
    pid_t pid;
    int gate; /* closed: it may begin */
    FILE *to, *from;
    uint16_t port;
};

struct start {
    engines_server *serve; /* or NULL, then the program */
    const char *program;
    struct engines_job job;
};

static _Noreturn void server_process(const struct start *start, int gate,
                                     const int in[2], const int out[2])
{
    char byte;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(gate, &byte, 1) != 0)
        _exit(1);
    if (start->serve != NULL) {
        struct engines_job job = start->job;

        job.port_to = out[1];
        _exit(start->serve(&job) != 0);
    }
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execl(start->program, start->program, (char *)NULL);
    _exit(127);
}

static int start_server(struct server *server, const struct start *start)
{
    int gate[2], in[2], out[2];

    if (pipe2(gate, O_CLOEXEC) != 0 || pipe2(in, O_CLOEXEC) != 0 ||
        pipe2(out, O_CLOEXEC) != 0)
        return -errno;
    server->pid = fork();
    if (server->pid < 0)
        return -errno;
    if (server->pid == 0) {
        close(gate[1]);
        server_process(start, gate[0], in, out);
    }
    close(gate[0]);
    close(in[0]);
    close(out[1]);
    server->gate = gate[1];
    server->to = fdopen(in[1], "w");
    server->from = fdopen(out[0], "r");
    return server->to == NULL || server->from == NULL ? -ENOMEM : 0;
}

/* Let it begin; who listens by himself says where. */
static int open_gate(struct server *server, const struct start *start)
{
    char line[64];
    unsigned port;

    close(server->gate);
    if (server->port != 0)
        return 0;
    if (start->serve == NULL)
        fprintf(server->to, "echo %u %u\n", start->job.engines,
                start->job.size);
    if (fflush(server->to) != 0 ||
        fgets(line, sizeof line, server->from) == NULL)
        return -EPIPE;
    if (sscanf(line, "port %u", &port) != 1)
        return -ENOTSUP;
    server->port = (uint16_t)port;
    return 0;
}

static void stop_server(struct server *server)
{
    int status;

    kill(server->pid, SIGTERM);
    waitpid(server->pid, &status, 0);
}

/* ---- a sample ------------------------------------------------------------ */

static int connect_and_drive(const struct bench_case *of,
                             const struct server *server, int counter,
                             const struct budget *budget, struct sample *sample)
{
    const struct echo_talk talk = { .size = of->size, .reply_size = of->size };
    int fds[CONNECTIONS_MAX];
    struct echo_client client = { .fds = fds,
                                  .count = of->chunk,
                                  .talk = &talk,
                                  .connect = of->anew ? connect_to : NULL,
                                  .port = server->port };

    for (unsigned i = 0; i < client.count; i++) {
        fds[i] = connect_to(server->port);
        if (fds[i] < 0)
            return fds[i];
    }
    return echo_client_measure(&client, server->pid, counter, budget, sample);
}

/* In the process of a sample, which ends soon: nothing is taken back. */
static int take_from(const struct bench_case *of, const struct start *start,
                     uint16_t port, const struct budget *budget,
                     struct sample *sample)
{
    struct server server = { .port = port };
    int err = start_server(&server, start);
    int counter = -1;

    if (err < 0)
        return err;
    if (calls_are_counted())
        counter = calls_of(server.pid);
    err = open_gate(&server, start);
    for (unsigned i = 0; port != 0 && i < start->job.engines; i++)
        close(start->job.listeners[i]);
    if (err == 0)
        err = connect_and_drive(of, &server, counter, budget, sample);
    stop_server(&server);
    return err;
}

/* Servers that are given their listeners, those that are not, and peers. */
static int given(const struct bench_case *of, const struct budget *budget,
                 struct sample *sample)
{
    struct start start = { .serve = sample->by->serve_engines,
                           .job = { .engines = of->n, .size = of->size } };
    uint16_t port = 0;

    for (unsigned i = 0; i < of->n; i++) {
        start.job.listeners[i] = listen_on(&port);
        if (start.job.listeners[i] < 0)
            return start.job.listeners[i];
    }
    return take_from(of, &start, port, budget, sample);
}

static int own(const struct bench_case *of, const struct budget *budget,
               struct sample *sample)
{
    struct start start = { .serve = sample->by->serve_engines,
                           .job = { .engines = of->n, .size = of->size } };

    return take_from(of, &start, 0, budget, sample);
}

static int peer(const struct bench_case *of, const struct budget *budget,
                struct sample *sample)
{
    char path[PATH_MAX];
    struct start start = { .program = path,
                           .job = { .engines = of->n, .size = of->size } };
    int err = peer_find(sample->by->peer, path, sizeof path);

    return err < 0 ? err : take_from(of, &start, 0, budget, sample);
}

/* ---- threads for those who need them ------------------------------------- */

struct serving {
    const struct engines_job *job;
    int (*fn)(const struct engines_job *job, unsigned n);
    unsigned n;
};

static void *serve_one(void *arg)
{
    struct serving *serving = arg;

    if (serving->fn(serving->job, serving->n) < 0)
        abort();
    return NULL;
}

int serve_on_threads(const struct engines_job *job,
                     int (*fn)(const struct engines_job *job, unsigned n))
{
    static struct serving all[ENGINES_MAX];

    for (unsigned i = 1; i < job->engines; i++) {
        pthread_t thread;

        all[i] = (struct serving){ job, fn, i };
        if (pthread_create(&thread, NULL, serve_one, &all[i]) != 0)
            return -EAGAIN;
    }
    return fn(job, 0);
}

/* ---- the bench ----------------------------------------------------------- */

static const struct contender contenders[] = {
    { .name = "uring by hand",
      .take = given,
      .serve_engines = serve_engines_uring,
      .is_limit = true,
      .uncounted = true },
    { .name = "gyre callbacks",
      .take = given,
      .serve_engines = serve_engines_loops },
    { .name = "gyre tasks, reuseport",
      .take = own,
      .serve_engines = serve_engines_reuseport },
    { .name = "gyre tasks, hand-off",
      .take = own,
      .serve_engines = serve_engines_hand_off },
    { .name = "gyre tasks, hand-off, slots",
      .take = own,
      .serve_engines = serve_engines_hand_off_slots },
    { .name = "epoll by hand",
      .take = given,
      .serve_engines = serve_engines_epoll },
    { .name = "gyre callbacks on emu",
      .take = given,
      .serve_engines = serve_engines_loops,
      .kernel = "emu" },
    { .name = "gyre tasks on emu",
      .take = own,
      .serve_engines = serve_engines_reuseport,
      .kernel = "emu" },
    { .name = "libuv", .take = peer, .peer = "libuv" },
    { .name = "Asio", .take = peer, .peer = "asio" },
    { .name = "Go", .take = peer, .peer = "go" },
};

static const struct contender listeners[] = {
    { .name = "hand-off",
      .take = own,
      .serve_engines = serve_engines_hand_off },
    { .name = "hand-off, slots",
      .take = own,
      .serve_engines = serve_engines_hand_off_slots },
    { .name = "reuseport",
      .take = own,
      .serve_engines = serve_engines_reuseport },
    { .name = "reuseport, slots",
      .take = own,
      .serve_engines = serve_engines_reuseport_slots },
};

/* So many connections as a chunk has. */
static const struct bench_case cases[] = {
    { "64 x 64 B", contenders, CASE_COUNT(contenders), 0, 64, 64,
      .engines = true },
    { "512 x 64 B", contenders, CASE_COUNT(contenders), 0, 64, 512,
      .engines = true },
    { "64 x 4 KiB", contenders, CASE_COUNT(contenders), 0, REQUEST_MAX, 64,
      .engines = true },
    { "64 that stay", listeners, CASE_COUNT(listeners), 0, 64, 64,
      .engines = true },
    { "64 at a time, one request each", listeners, CASE_COUNT(listeners), 0, 64,
      64, .engines = true, .anew = true },
};

const struct bench bench_echo_engines = {
    .name = "echo",
    .unit = "a request, in the server",
    .cases = cases,
    .count = CASE_COUNT(cases),
    .seconds = 0.5,
    .rounds = 5,
    .instruction_ops = 20000,
    .engines = true,
};
