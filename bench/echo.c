/* SPDX-License-Identifier: MIT */
/*
 * echo.c - a server that sends back what it gets: CPU time for each request
 *
 * The client is the same program for all servers, and is not measured. Server
 * and client are two processes on two CPUs (where there are two), with TCP over
 * loopback between them, and the client always has one request on each
 * connection under way: with many connections a server that is as fast as the
 * client is never idle. The server's CPU time is its process's (threads and the
 * kernel's workers included), read from outside when the window opens and when
 * it closes.
 */
#include "echo.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTIONS_MAX 512

struct pairs {
    int servers[CONNECTIONS_MAX];
    int clients[CONNECTIONS_MAX];
    unsigned count;
};

struct answer {
    int error;
    uint64_t requests;
    uint64_t calls;
};

static void raise_descriptors(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void close_all(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

static int listen_anywhere(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address =
        (struct sockaddr_in){ .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)address, size) != 0 ||
        listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &size) != 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

static int connect_pair(int listener, const struct sockaddr_in *address,
                        int *client, int *server)
{
    const int on = 1;

    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*client < 0)
        return -errno;
    if (connect(*client, (const struct sockaddr *)address, sizeof *address) !=
            0 ||
        (*server = accept(listener, NULL, NULL)) < 0) {
        int error = errno;

        close(*client);
        return -error;
    }
    setsockopt(*client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(*server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return 0;
}

static int connect_pairs(struct pairs *pairs, unsigned count)
{
    struct sockaddr_in address;
    int listener = listen_anywhere(&address);
    int err = listener < 0 ? listener : 0;

    pairs->count = 0;
    while (err == 0 && pairs->count < count) {
        err = connect_pair(listener, &address, &pairs->clients[pairs->count],
                           &pairs->servers[pairs->count]);
        if (err == 0)
            pairs->count++;
    }
    if (listener >= 0)
        close(listener);
    return err;
}

/* The first or the last of the CPUs that we may run on. */
static void run_on_cpu(bool last)
{
    cpu_set_t all, one;
    size_t chosen = CPU_SETSIZE;

    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2)
        return;
    for (size_t i = 0; i < CPU_SETSIZE && (last || chosen == CPU_SETSIZE); i++)
        if (CPU_ISSET(i, &all))
            chosen = i;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    sched_setaffinity(0, sizeof one, &one);
}

static _Noreturn void server_process(const struct pairs *pairs,
                                     const struct echo_talk *talk,
                                     echo_server *serve, int to)
{
    struct echo_job job = { .fds = pairs->servers,
                            .count = pairs->count,
                            .size = talk->size,
                            .talk = talk,
                            .calls = CALLS_UNKNOWN };
    struct answer answer;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run_on_cpu(true);
    close_all(pairs->clients, pairs->count);
    answer.error = serve(&job);
    answer.requests = job.requests;
    answer.calls = job.calls;
    _exit(write(to, &answer, sizeof answer) != (ssize_t)sizeof answer);
}

static int drive_and_wait(struct pairs *pairs, const struct echo_talk *talk,
                          pid_t server, int from, const struct budget *budget,
                          struct sample *sample)
{
    struct echo_client client = { .fds = pairs->clients,
                                  .count = pairs->count,
                                  .talk = talk };
    struct answer answer = { .error = -EPIPE };
    int err, status;

    close_all(pairs->servers, pairs->count);
    run_on_cpu(false);
    err = echo_client_measure(&client, server, -1, budget, sample);
    close_all(pairs->clients, pairs->count);
    if (read(from, &answer, sizeof answer) != (ssize_t)sizeof answer)
        answer.error = -EPIPE;
    waitpid(server, &status, 0);
    if (err == 0)
        err = answer.error;
    if (err < 0)
        return err;
    if (answer.calls != CALLS_UNKNOWN && answer.requests > 0)
        sample->calls = (uint64_t)((double)answer.calls /
                                   (double)answer.requests *
                                   (double)sample->ops);
    if (budget->ns == 0)
        sample->ops = answer.requests; /* instructions: of the whole run */
    return 0;
}

int echo_take(const struct bench_case *of, const struct budget *budget,
              struct sample *sample, const struct echo_talk *talk)
{
    struct pairs pairs;
    int ends[2];
    pid_t server;
    int err;

    raise_descriptors();
    err = connect_pairs(&pairs, of->n);
    if (err < 0)
        return err;
    if (pipe(ends) != 0)
        return -errno;
    server = fork();
    if (server < 0)
        return -errno;
    if (server == 0) {
        close(ends[0]);
        server_process(&pairs, talk, sample->by->serve, ends[1]);
    }
    close(ends[1]);
    err = drive_and_wait(&pairs, talk, server, ends[0], budget, sample);
    close(ends[0]);
    return err;
}

/* The same bytes back. */
static int take(const struct bench_case *of, const struct budget *budget,
                struct sample *sample)
{
    struct echo_talk talk = { .size = of->size, .reply_size = of->size };

    return echo_take(of, budget, sample, &talk);
}

static const struct contender contenders[] = {
    { .name = "uring by hand, best",
      .take = take,
      .serve = serve_uring_best,
      .is_limit = true },
    { .name = "uring by hand, same ops",
      .take = take,
      .serve = serve_uring_plain },
    { .name = "gyre callbacks", .take = take, .serve = serve_callbacks },
    { .name = "gyre callbacks, slots", .take = take, .serve = serve_slots },
    { .name = "gyre tasks", .take = take, .serve = serve_tasks },
    { .name = "gyre callbacks, pooled",
      .take = take,
      .serve = serve_callbacks_pooled },
    { .name = "gyre tasks, pooled", .take = take, .serve = serve_tasks_pooled },
    { .name = "gyre tasks, small pages",
      .take = take,
      .serve = serve_tasks_pooled_small },
    { .name = "epoll by hand", .take = take, .serve = serve_epoll },
    { .name = "gyre callbacks on emu",
      .take = take,
      .serve = serve_callbacks,
      .kernel = "emu" },
    { .name = "gyre tasks on emu",
      .take = take,
      .serve = serve_tasks,
      .kernel = "emu" },
};
#define COUNT (sizeof contenders / sizeof contenders[0])

static const struct bench_case cases[] = {
    { "1 x 64 B", contenders, COUNT, 1, 64 },
    { "64 x 64 B", contenders, COUNT, 64, 64 },
    { "512 x 64 B", contenders, COUNT, 512, 64 },
    { "64 x 4 KiB", contenders, COUNT, 64, 4096 },
    { "512 x 4 KiB", contenders, COUNT, 512, 4096 },
};

const struct bench bench_echo = {
    .name = "echo",
    .unit = "a request, in the server",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .seconds = 0.5,
    .rounds = 5,
    .instruction_ops = 20000,
};
