/* SPDX-License-Identifier: MIT */
/*
 * peer.c - contenders that are programs of their own
 *
 * What another language or library does is measured by a small program
 * (bench/peers/), which is built if its package is there and stands in
 * `bench-peers/` beside gyre, or in $GYRE_BENCH_PEERS_DIR. It is started for a
 * sample, as a child of the process that takes it, and asked by lines:
 *
 *     TEST N OPS      do OPS operations of this test; what N is, the test knows
 *
 *     ns DONE CPU WALL     so many were done, in so many ns
 *     bytes DONE BYTES     or: for so many there is so much more memory in use
 *     unknown              there is no such test
 *
 *     echo ENGINES SIZE    serve, until killed (echo_engines.c)
 *     port NUMBER          where
 *
 * It measures itself, so neither the pipe nor its start is in the figures; and
 * the first answer is thrown away, as measure() does with the first chunk. At
 * the end of its input it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

extern char **environ;

static const struct {
    const char *peer;
    const char *package;
} packages[] = {
    { "asio", "libasio-dev" },
    { "boost-context", "libboost-context-dev" },
    { "boost-fiber", "libboost-fiber-dev" },
    { "dill", "libdill" },
    { "go", "golang-go" },
    { "libuv", "libuv1-dev" },
};

const char *peer_package(const char *peer)
{
    for (size_t i = 0; i < sizeof packages / sizeof packages[0]; i++)
        if (strcmp(packages[i].peer, peer) == 0)
            return packages[i].package;
    return peer;
}

int peer_find(const char *peer, char *path, size_t size)
{
    const char *directory = getenv("GYRE_BENCH_PEERS_DIR");
    char self[PATH_MAX];
    int length;

    if (directory != NULL) {
        length = snprintf(path, size, "%s/%s", directory, peer);
    } else {
        ssize_t end = readlink("/proc/self/exe", self, sizeof self - 1);

        if (end < 0)
            return -ENOENT;
        while (end > 0 && self[end - 1] != '/')
            end--;
        length =
            snprintf(path, size, "%.*sbench-peers/%s", (int)end, self, peer);
    }
    if (length < 0 || (size_t)length >= size)
        return -ENAMETOOLONG;
    return access(path, X_OK) == 0 ? 0 : -ENOENT;
}

struct peer {
    pid_t pid;
    FILE *to;
    FILE *from;
};

static int start_program(struct peer *peer, const char *path, int in[2],
                         int out[2])
{
    char *arguments[] = { (char *)(uintptr_t)path, NULL };
    posix_spawn_file_actions_t actions;
    int err;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    err = posix_spawn(&peer->pid, path, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -err;
}

/* In the process of a sample, which ends soon: nothing is taken back. */
static int peer_open(struct peer *peer, const char *name)
{
    char path[PATH_MAX];
    int in[2], out[2];
    int err = peer_find(name, path, sizeof path);

    if (err < 0)
        return err;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        return -errno;
    err = start_program(peer, path, in, out);
    if (err < 0)
        return err;
    close(in[0]);
    close(out[1]);
    peer->to = fdopen(in[1], "w");
    peer->from = fdopen(out[0], "r");
    return peer->to == NULL || peer->from == NULL ? -ENOMEM : 0;
}

static void peer_close(struct peer *peer)
{
    int status;

    fclose(peer->to);
    fclose(peer->from);
    waitpid(peer->pid, &status, 0);
}

/* One question; what is in the answer is added to the sample. */
static int peer_ask(struct peer *peer, const struct bench_case *of,
                    const char *test, uint64_t ops, struct sample *sample)
{
    uint64_t done, cost, wall = 0;
    char line[128];

    fprintf(peer->to, "%s %u %" PRIu64 "\n", test, of->n, ops);
    if (fflush(peer->to) != 0 || fgets(line, sizeof line, peer->from) == NULL)
        return -EPIPE;
    if (strcmp(line, "unknown\n") == 0)
        return -ENOTSUP;
    if (of->in_bytes
            ? sscanf(line, "bytes %" SCNu64 " %" SCNu64, &done, &cost) != 2
            : sscanf(line, "ns %" SCNu64 " %" SCNu64 " %" SCNu64, &done, &cost,
                     &wall) != 3)
        return -EPROTO;
    sample->ops += done;
    sample->cpu_ns += cost;
    sample->wall_ns += wall;
    return 0;
}

int peer_take(const struct bench_case *of, const struct contender *contender,
              const struct budget *budget, struct sample *sample)
{
    struct sample warm_up = { 0 };
    struct peer peer;
    uint64_t calls;
    int err = peer_open(&peer, contender->peer);

    if (err < 0)
        return err;
    /* Memory is asked for once: what was used before would be used again. */
    if (!of->in_bytes)
        err = peer_ask(&peer, of, contender->test, of->chunk, &warm_up);
    calls = calls_so_far();
    while (err == 0) {
        err = peer_ask(&peer, of, contender->test, of->chunk, sample);
        if (of->in_bytes ||
            (budget->ns != 0 && sample->wall_ns >= budget->ns) ||
            (budget->ops != 0 && sample->ops >= budget->ops))
            break;
    }
    if (calls_are_counted())
        sample->calls = calls_so_far() - calls;
    peer_close(&peer);
    return err;
}
