/* SPDX-License-Identifier: MIT */
/*
 * test_emu_world.c - a kernel, driven by hand
 */
#include "test_emu_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "runner/test.h"

struct kernel *world_open(unsigned entries, unsigned cq_entries,
                          unsigned threads)
{
    struct kernel_options options = { .entries = entries,
                                      .cq_entries = cq_entries,
                                      .threads_max = threads };
    struct kernel *k = NULL;

    CHECK_OK(emu_open(&k, &options));
    CHECK_OK(k->class->attach(k));
    return k;
}

void world_close(struct kernel *k)
{
    struct io_uring_cqe cqe;

    while (cq_take(&k->cq, &cqe))
        FAIL("a CQE is left: %llu, %d", (unsigned long long)cqe.user_data,
             cqe.res);
    k->class->destroy(k);
}

struct io_uring_sqe *put(struct kernel *k, uint8_t opcode, int fd,
                         const void *addr, uint32_t len, uint64_t id)
{
    struct io_uring_sqe *sqe;

    CHECK(sq_room(&k->sq) > 0);
    sqe = sq_next(&k->sq);
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = opcode;
    sqe->fd = fd;
    sqe->addr = (uintptr_t)addr;
    sqe->len = len;
    sqe->user_data = id;
    return sqe;
}

void enter(struct kernel *k, unsigned want)
{
    uint64_t deadline_ns = want == 0 ? KERNEL_NO_WAIT : KERNEL_FOREVER;

    sq_publish(&k->sq);
    do {
        unsigned used = sq_used(&k->sq);
        int result = k->class->enter(k, used, want, deadline_ns);

        if (result == -EINTR)
            continue;
        CHECK_EQ(result, (int)used);
    } while (cq_ready(&k->cq) < want);
}

struct io_uring_cqe take(struct kernel *k)
{
    struct io_uring_cqe cqe;

    CHECK(cq_take(&k->cq, &cqe));
    return cqe;
}

int result_of(struct kernel *k, uint64_t id)
{
    struct io_uring_cqe cqe;

    enter(k, 1);
    cqe = take(k);
    CHECK_EQ(cqe.user_data, id);
    return cqe.res;
}

int expect(struct kernel *k, uint64_t id, int result)
{
    int got = result_of(k, id);

    CHECK_ERR(got, result);
    return got;
}

void collect(struct kernel *k, unsigned count, int *results)
{
    enter(k, count);
    for (unsigned i = 0; i < count; i++) {
        struct io_uring_cqe cqe = take(k);

        CHECK_LT(cqe.user_data, 64u);
        results[cqe.user_data] = cqe.res;
    }
}

void expect_nothing(struct kernel *k)
{
    enter(k, 0);
    CHECK_EQ(cq_ready(&k->cq), 0u);
}

void cancel(struct kernel *k, uint64_t id)
{
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)id, 0, ~id);
    enter(k, 2);
    expect(k, ~id, 0);
    expect(k, id, -ECANCELED);
}

void make_pair(int type, int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
}

void make_pipe(int fds[2], int flags)
{
    CHECK_EQ(pipe2(fds, O_CLOEXEC | flags), 0);
}

void close_pair(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

int make_listener(int flags, struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    *address =
        (struct sockaddr_in){ .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)address, size), 0);
    CHECK_EQ(listen(fd, 64), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

unsigned char file_byte(size_t at)
{
    return (unsigned char)(at * 31 + (at >> 8));
}

int make_file(const char *name, size_t size)
{
    char path[512], part[4096];
    int fd;

    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    for (size_t at = 0; at < size;) {
        size_t count = size - at < sizeof part ? size - at : sizeof part;

        for (size_t i = 0; i < count; i++)
            part[i] = (char)file_byte(at + i);
        CHECK_EQ(write(fd, part, count), (ssize_t)count);
        at += count;
    }
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

bool under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
