/* SPDX-License-Identifier: MIT */
/*
 * What Linux holds a restricted ring to: requests that are put into it behind
 * the loop's back.
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/gyre.h>
#include <gyre/restrict.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/uring_test.h"
#include "loop/loop.h"
#include "ring/abi_register.h"
#include "ring/syscalls.h"

static gyre_loop *restricted(const gyre_restriction *restriction)
{
    const gyre_loop_options options = { .restriction = restriction };
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, &options));
    return loop;
}

/* A request put into the ring behind the loop's back: its result. */
static int smuggle(gyre_loop *loop, const struct io_uring_sqe *sqe)
{
    struct kernel *kernel = loop->kernel;

    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    put(kernel, *sqe);
    CHECK_EQ(enter(kernel, 1, 0, KERNEL_NO_WAIT), 1);
    return next(kernel).res;
}

RING_TEST(A17_Linux_itself_holds_the_ring_to_it)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_STREAMS,
                                           .flags_refused = GYRE_OP_ASYNC };
    gyre_loop *loop = restricted(&restriction);
    struct io_uring_sqe sqe = { .opcode = IORING_OP_NOP };
    uint32_t counts[2] = { 0 };

    CHECK((gyre_loop_restricted(loop) & GYRE_RESTRICTED_BY_LINUX) != 0);
    CHECK_EQ(smuggle(loop, &sqe), 0);
    sqe.flags = IOSQE_ASYNC;
    CHECK_EQ(smuggle(loop, &sqe), -EACCES);
    sqe = (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT,
                                 .fd = AT_FDCWD,
                                 .addr = (uintptr_t) "/" };
    CHECK_EQ(smuggle(loop, &sqe), -EACCES);
    CHECK_EQ(ring_sys_register(gyre_loop_ring_fd(loop),
                               IORING_REGISTER_IOWQ_MAX_WORKERS, counts, 2),
             -EACCES);
    gyre_loop_destroy(loop);
}

RING_TEST(A17_Linux_itself_looks_at_what_ops_say)
{
    const gyre_restriction restriction = {
        .allow = GYRE_ALLOW_UNIX | GYRE_ALLOW_FILES,
        .types = 1u << SOCK_STREAM,
        .opens_few = true,
        .open_flags = O_RDONLY | O_CLOEXEC,
    };
    gyre_loop *loop = restricted(&restriction);
    struct io_uring_sqe sqe = { .opcode = IORING_OP_SOCKET,
                                .fd = AF_UNIX,
                                .off = SOCK_STREAM | SOCK_CLOEXEC };
    int fd;

    if ((gyre_loop_restricted(loop) & GYRE_RESTRICTED_ALL_BY_LINUX) == 0) {
        gyre_loop_destroy(loop);
        TEST_SKIP("this Linux has no filters of requests (7.0)");
    }
    fd = smuggle(loop, &sqe);
    CHECK_GE(fd, 0);
    close(fd);
    sqe.off = SOCK_DGRAM;
    CHECK_EQ(smuggle(loop, &sqe), -EACCES);
    sqe.off = SOCK_STREAM;
    sqe.fd = AF_INET;
    CHECK_EQ(smuggle(loop, &sqe), -EACCES);
    sqe = (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT,
                                 .fd = AT_FDCWD,
                                 .open_flags = O_CLOEXEC,
                                 .addr = (uintptr_t) "/" };
    fd = smuggle(loop, &sqe);
    CHECK_GE(fd, 0);
    close(fd);
    sqe.open_flags = O_WRONLY;
    sqe.addr = (uintptr_t) "/dev/null";
    CHECK_EQ(smuggle(loop, &sqe), -EACCES);
    gyre_loop_destroy(loop);
}

RING_TEST(A17_Linux_itself_looks_at_the_peers_of_connects)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_UNIX,
                                           .peers = UINT64_C(1) << AF_UNIX };
    gyre_loop *loop = restricted(&restriction);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = 1 };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct io_uring_sqe sqe = { .opcode = IORING_OP_CONNECT,
                                .fd = fd,
                                .addr = (uintptr_t)&to,
                                .off = sizeof to };

    if ((gyre_loop_restricted(loop) & GYRE_RESTRICTED_ALL_BY_LINUX) == 0) {
        gyre_loop_destroy(loop);
        close(fd);
        TEST_SKIP("this Linux does not look at CONNECT (7.2)");
    }
    CHECK_EQ(smuggle(loop, &sqe), -EACCES);
    to.sin_family = AF_UNIX;
    CHECK_NE(smuggle(loop, &sqe), -EACCES);
    close(fd);
    gyre_loop_destroy(loop);
}
