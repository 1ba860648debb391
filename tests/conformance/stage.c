/* SPDX-License-Identifier: MIT */
/*
 * stage.c - see stage.h
 */
#include "stage.h"
#include "runner/patient.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

gyre_loop *stage_open(unsigned entries)
{
    gyre_loop *loop = NULL;
    gyre_loop_options options = { .size = sizeof options, .entries = entries };

    CHECK_OK(gyre_loop_create(&loop, &options));
    CHECK(strncmp(test_kernel(), gyre_loop_kernel(loop),
                  strlen(gyre_loop_kernel(loop))) == 0);
    return loop;
}

void call_done(gyre_op *op, gyre_result result)
{
    struct call *call = op->user;

    call->calls++;
    call->lasts += gyre_result_is_last(result);
    call->result = result;
}

void call_start(gyre_loop *loop, struct call *call)
{
    call->calls = call->lasts = 0;
    gyre_op_start(loop, &call->op, call_done, call);
}

int call_wait(gyre_loop *loop, struct call *call)
{
    while (call->lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_EQ(call->lasts, 1);
    CHECK_EQ(gyre_op_state(&call->op), GYRE_OP_IDLE);
    return call->result.res;
}

int call_run(gyre_loop *loop, struct call *call)
{
    call_start(loop, call);
    return call_wait(loop, call);
}

int op_run(gyre_loop *loop, gyre_op *op)
{
    struct call heard = { .calls = 0 };

    gyre_op_start(loop, op, call_done, &heard);
    while (heard.lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    return heard.result.res;
}

void stage_turn(gyre_loop *loop)
{
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_loop_submit(loop));
}

gyre_loop_stats stage_stats(gyre_loop *loop)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(loop, &stats);
    return stats;
}

void make_pipe(int fds[2])
{
    CHECK_OK(pipe2(fds, O_CLOEXEC));
}

void make_pair(int fds[2])
{
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
}

static int make_bound(int type, struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    CHECK_GE(fd, 0);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_OK(bind(fd, (struct sockaddr *)address, size));
    CHECK_OK(getsockname(fd, (struct sockaddr *)address, &size));
    return fd;
}

int make_listener(struct sockaddr_in *address)
{
    int fd = make_bound(SOCK_STREAM, address);

    CHECK_OK(listen(fd, 128));
    return fd;
}

int make_datagram(struct sockaddr_in *address)
{
    return make_bound(SOCK_DGRAM, address);
}

void make_connection(int fds[2])
{
    struct sockaddr_in address;
    int listener = make_listener(&address);

    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_GE(fds[0], 0);
    CHECK_OK(
        patient_connect(fds[0], (struct sockaddr *)&address, sizeof address));
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK_GE(fds[1], 0);
    close(listener);
}

void close_both(const int fds[2])
{
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
}

const char *scratch_path(char *buffer, size_t size, const char *name)
{
    int length = snprintf(buffer, size, "%s/%s", test_directory(), name);

    CHECK(length > 0 && (size_t)length < size);
    return buffer;
}

unsigned char pattern_byte(size_t offset)
{
    return (unsigned char)(offset * 31 + offset / 251);
}

int make_file(const char *name, size_t size)
{
    char path[4096];
    unsigned char *bytes = malloc(size + 1);
    int fd = open(scratch_path(path, sizeof path, name),
                  O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(bytes != NULL);
    CHECK_GE(fd, 0);
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern_byte(i);
    CHECK_EQ(pwrite(fd, bytes, size, 0), (ssize_t)size);
    free(bytes);
    return fd;
}

uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * GYRE_SECOND + (uint64_t)now.tv_nsec;
}
