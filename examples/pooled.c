/* SPDX-License-Identifier: MIT */
/*
 * pooled [PORT] - an echo server whose connections share their buffers
 *
 * Ten thousand silent clients need no memory for what they might say: the
 * kernel picks a buffer when one of them does. Whoever sends more than his
 * connection's cap waits until it was echoed. Listens on loopback, port 7000
 * unless told otherwise (0: any; it prints which). Ends when its standard input
 * does.
 */
#include <gyre/gyre.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static gyre_buffer_group *group;

static int echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    gyre_incoming in;
    gyre_slice slice;
    int n = gyre_incoming_recv(&in, fd, group, NULL);

    while (n >= 0 && (n = gyre_incoming_next(&in, &slice)) > 0) {
        n = gyre_send_all(fd, slice.data, slice.size, 0);
        gyre_slice_release(&slice);
    }
    gyre_incoming_close(&in); /* both work also when the task is cancelled */
    gyre_close(fd);
    return 0;
}

static int accept_all(void *arg)
{
    gyre_incoming in;
    int fd = gyre_incoming_accept(&in, *(int *)arg, NULL);

    while (fd >= 0 && (fd = gyre_incoming_next_fd(&in)) >= 0)
        if (gyre_spawn(gyre_scope_current(), echo, (void *)(intptr_t)fd) != 0)
            gyre_close(fd);
    gyre_incoming_close(&in);
    return fd;
}

static int serve(gyre_scope *scope, void *arg)
{
    char byte;
    int err = gyre_spawn(scope, accept_all, arg);

    if (err != 0)
        return err;
    while (gyre_read(0, &byte, 1, GYRE_CURRENT_POSITION) > 0)
        ;
    gyre_scope_cancel(scope);
    return 0;
}

/* Every task has ended when the scope has; so the buffers are all back. */
static int run(void *arg)
{
    gyre_pool_stats stats = { .size = sizeof stats };
    gyre_pool *pool;
    int err = gyre_pool_create(&pool, gyre_loop_current(), NULL);

    if (err < 0)
        return err;
    err = gyre_buffer_group_create(&group, pool, NULL);
    if (err == 0)
        err = gyre_scope_run(NULL, serve, arg);
    gyre_buffer_group_destroy(group);
    gyre_pool_get_stats(pool, &stats);
    fprintf(stderr, "at most %llu KiB of buffers were in use\n",
            (unsigned long long)(stats.bytes_peak >> 10));
    gyre_pool_destroy(pool);
    return err;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 7000;
    int err;

    at.sin_port = htons((uint16_t)port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        perror("pooled");
        return 1;
    }
    printf("pooled: 127.0.0.1 port %d\n", ntohs(at.sin_port));
    fflush(stdout);
    err = gyre_run(NULL, run, &fd);
    if (err < 0)
        fprintf(stderr, "pooled: %s %s\n", gyre_strerror(err),
                gyre_loop_create_error());
    return err < 0;
}
