/* SPDX-License-Identifier: MIT */
/*
 * Registered files: the table, handles wherever a descriptor may stand, ops
 * that open into slots, and what a loop keeps in its books of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runner/patient.h"
#include "stage.h"

static gyre_slots_stats slots_stats(gyre_loop *loop)
{
    gyre_slots_stats stats = { .size = sizeof stats };

    gyre_slots_get_stats(loop, &stats);
    return stats;
}

static uint32_t used(gyre_loop *loop)
{
    return slots_stats(loop).used;
}

static gyre_loop *stage_with_slots(uint32_t count)
{
    gyre_loop *loop = stage_open(32);

    CHECK_OK(gyre_slots_create(loop, count));
    return loop;
}

/* Put a descriptor into a slot, close it, and give the handle. */
static int move_into(gyre_loop *loop, uint32_t slot, int fd)
{
    CHECK_EQ(gyre_slots_set(loop, slot, &fd, 1), 1);
    CHECK_OK(close(fd));
    return gyre_slot_handle(slot);
}

static int close_handle(gyre_loop *loop, int handle)
{
    gyre_op op;

    gyre_op_close(&op, handle);
    return op_run(loop, &op);
}

static int open_into(gyre_loop *loop, const char *path, int flags,
                     uint32_t slot)
{
    struct call call;

    gyre_op_open_slot(&call.op, AT_FDCWD, path, flags, 0600, slot);
    (void)call_run(loop, &call);
    return gyre_op_slot(&call.op, call.result);
}

TEST(B20_handles_and_descriptors_are_apart)
{
    CHECK(gyre_is_slot(gyre_slot_handle(0)));
    CHECK(gyre_is_slot(gyre_slot_handle((1 << 20) - 1)));
    CHECK_EQ(gyre_slot_number(gyre_slot_handle(77)), 77u);
    CHECK(!gyre_is_slot(-1));
    CHECK(!gyre_is_slot(AT_FDCWD));
    CHECK(!gyre_is_slot(0));
    CHECK(!gyre_is_slot(GYRE_SLOT_BIT - 1));
    CHECK(!gyre_is_slot(INT32_MAX));
}

KERNEL_TEST(I3_I4_a_table_is_made_and_given_back)
{
    gyre_loop *loop = stage_open(8);
    struct rlimit limit;
    int fd = 0;

    CHECK_EQ(slots_stats(loop).count, 0u);
    CHECK_ERR(gyre_slots_destroy(loop), -ENXIO);
    CHECK_ERR(gyre_slots_set(loop, 0, &fd, 1), -ENXIO);
    CHECK_ERR(gyre_slots_set_range(loop, 0, 1), -ENXIO);
    CHECK_ERR(open_into(loop, "/", O_RDONLY, 0), -ENXIO);
    CHECK_ERR(open_into(loop, "/", O_RDONLY, GYRE_SLOT_ANY), -ENFILE);
    CHECK_ERR(close_handle(loop, gyre_slot_handle(0)), -ENXIO);

    CHECK_ERR(gyre_slots_create(loop, 0), -EINVAL);
    CHECK_ERR(gyre_slots_create(loop, GYRE_SLOTS_MAX + 1), -EMFILE);
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 256;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_ERR(gyre_slots_create(loop, 257), -EMFILE);
    CHECK_OK(gyre_slots_create(loop, 256));
    CHECK_ERR(gyre_slots_create(loop, 256), -EBUSY);
    CHECK_EQ(slots_stats(loop).count, 256u);
    CHECK_EQ(used(loop), 0u);
    CHECK_ERR(gyre_slots_set(loop, 255, (int[]){ 0, 0 }, 2), -EINVAL);
    CHECK_ERR(gyre_slots_set(loop, GYRE_SLOT_ANY, &fd, 1), -EINVAL);
    fd = 9999;
    CHECK_ERR(gyre_slots_set(loop, 0, &fd, 1), -EBADF);
    CHECK_OK(gyre_slots_destroy(loop));
    CHECK_EQ(slots_stats(loop).count, 0u);
    CHECK_OK(gyre_slots_create(loop, 4));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(I4_a_large_table_is_filled_to_its_last_slot)
{
    enum { BURST = 64 };
    gyre_loop *loop = stage_open(64);
    struct rlimit limit;
    struct call *calls = calloc(BURST, sizeof *calls);
    unsigned filled = 0;
    uint32_t last;
    int fds[2], handle;

    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    last = limit.rlim_max < 65536 ? (uint32_t)limit.rlim_max - 1 : 65535;
    CHECK_OK(gyre_slots_create(loop, last + 1));
    make_pair(fds);
    handle = move_into(loop, last, fds[0]);
    CHECK_EQ(gyre_slot_number(handle), last);
    CHECK_OK(gyre_slots_set_range(loop, last - BURST, BURST));
    for (unsigned i = 0; i < BURST; i++) {
        gyre_op_open_slot(&calls[i].op, AT_FDCWD, "/", O_RDONLY, 0,
                          GYRE_SLOT_ANY);
        call_start(loop, &calls[i]);
    }
    for (unsigned i = 0; i < BURST; i++)
        filled += call_wait(loop, &calls[i]) >= (int)(last - BURST);
    CHECK_EQ(filled, BURST);
    CHECK_EQ(used(loop), BURST + 1);
    CHECK_ERR(open_into(loop, "/", O_RDONLY, GYRE_SLOT_ANY), -ENFILE);

    gyre_op_send(&calls[0].op, handle, "z", 1, 0);
    CHECK_EQ(call_run(loop, &calls[0]), 1);
    CHECK_OK(close(fds[1]));
    free(calls);
    gyre_loop_destroy(loop);
}

/* The same request on both, which must end in the same way. */
static void both(gyre_loop *loop, gyre_op *plain, gyre_op *fixed, int expected)
{
    CHECK_EQ(op_run(loop, plain), expected);
    CHECK_EQ(op_run(loop, fixed), expected);
}

KERNEL_TEST(B20_sockets_by_handle_are_sockets_by_descriptor)
{
    gyre_loop *loop = stage_with_slots(8);
    struct iovec iov = { (char[1]){ 0 }, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    gyre_op a, b;
    char byte = 0;
    int plain[2], fixed[2], handle;
    uint64_t before = slots_stats(loop).ops;

    make_pair(plain);
    make_pair(fixed);
    handle = move_into(loop, 5, fixed[0]);
    gyre_op_send(&a, plain[0], "s", 1, 0);
    gyre_op_send(&b, handle, "s", 1, 0);
    both(loop, &a, &b, 1);
    gyre_op_write(&a, plain[0], "w", 1, 0);
    gyre_op_write(&b, handle, "w", 1, 0);
    both(loop, &a, &b, 1);
    CHECK_EQ(patient_read(fixed[1], &byte, 1), 1);
    CHECK_EQ(byte, 's');
    CHECK_EQ(patient_read(fixed[1], &byte, 1), 1);
    CHECK_EQ(byte, 'w');
    gyre_op_sendmsg(&a, plain[0], &message, 0);
    gyre_op_sendmsg(&b, handle, &message, 0);
    both(loop, &a, &b, 1);
    CHECK_EQ(write(plain[1], "abc", 3), 3);
    CHECK_EQ(write(fixed[1], "abc", 3), 3);
    gyre_op_poll(&a, plain[0], POLLIN);
    gyre_op_poll(&b, handle, POLLIN);
    both(loop, &a, &b, POLLIN);
    gyre_op_recv(&a, plain[0], &byte, 1, 0);
    gyre_op_recv(&b, handle, &byte, 1, 0);
    both(loop, &a, &b, 1);
    gyre_op_recvmsg(&a, plain[0], &message, 0);
    gyre_op_recvmsg(&b, handle, &message, 0);
    both(loop, &a, &b, 1);
    gyre_op_readv(&a, plain[0], &iov, 1, GYRE_CURRENT_POSITION);
    gyre_op_readv(&b, handle, &iov, 1, GYRE_CURRENT_POSITION);
    both(loop, &a, &b, 1);
    CHECK_EQ(byte, 'a');
    gyre_op_connect(&a, plain[0], NULL, 0);
    gyre_op_connect(&b, handle, NULL, 0);
    both(loop, &a, &b, op_run(loop, &a));
    gyre_op_shutdown(&a, plain[0], SHUT_WR);
    gyre_op_shutdown(&b, handle, SHUT_WR);
    both(loop, &a, &b, 0);
    gyre_op_send(&a, plain[0], "s", 1, 0);
    gyre_op_send(&b, handle, "s", 1, 0);
    both(loop, &a, &b, -EPIPE);
    CHECK_GE(slots_stats(loop).ops - before, 10u);
    gyre_op_close(&a, plain[0]);
    gyre_op_close(&b, handle);
    both(loop, &a, &b, 0);
    gyre_op_close(&a, plain[0]);
    gyre_op_close(&b, handle);
    both(loop, &a, &b, -EBADF);
    gyre_op_recv(&a, plain[0], &byte, 1, 0);
    gyre_op_recv(&b, handle, &byte, 1, 0);
    both(loop, &a, &b, -EBADF);
    gyre_op_recv(&b, gyre_slot_handle(8), &byte, 1, 0);
    CHECK_ERR(op_run(loop, &b), -EBADF);
    CHECK_OK(close(plain[1]));
    CHECK_OK(close(fixed[1]));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B20_files_by_handle_are_files_by_descriptor)
{
    gyre_loop *loop = stage_with_slots(2);
    int fd = make_file("f", 5000);
    char path[300], got[2][100];
    struct statx status;
    gyre_op a, b;
    int handle;

    scratch_path(path, sizeof path, "f");
    CHECK_EQ(gyre_slots_set(loop, 1, &fd, 1), 1);
    handle = gyre_slot_handle(1);
    gyre_op_read(&a, fd, got[0], 100, 300);
    gyre_op_read(&b, handle, got[1], 100, 300);
    both(loop, &a, &b, 100);
    CHECK_EQ(memcmp(got[0], got[1], 100), 0);
    CHECK_EQ((unsigned char)got[1][7], pattern_byte(307));
    gyre_op_write(&a, fd, "new", 3, 10);
    gyre_op_write(&b, handle, "new", 3, 10);
    both(loop, &a, &b, 3);
    gyre_op_fsync(&a, fd, false);
    gyre_op_fsync(&b, handle, false);
    both(loop, &a, &b, 0);
    gyre_op_send(&a, fd, "x", 1, 0);
    gyre_op_send(&b, handle, "x", 1, 0);
    both(loop, &a, &b, -ENOTSOCK);
    gyre_op_accept(&a, fd, NULL, NULL, 0);
    gyre_op_accept(&b, handle, NULL, NULL, 0);
    both(loop, &a, &b, -ENOTSOCK);
    /* A directory's place takes no handle. */
    gyre_op_statx(&b, handle, "x", 0, STATX_SIZE, &status);
    CHECK_ERR(op_run(loop, &b), -EBADF);
    gyre_op_openat(&b, handle, "x", O_RDONLY, 0);
    CHECK_ERR(op_run(loop, &b), -EBADF);
    CHECK_OK(close(fd));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B20_splices_take_handles_for_both_ends)
{
    gyre_loop *loop = stage_with_slots(4);
    char byte = 0;
    int first[2], second[2], ends[3];
    gyre_op op;

    make_pipe(first);
    make_pipe(second);
    ends[0] = move_into(loop, 0, first[0]);
    ends[1] = move_into(loop, 1, second[1]);
    CHECK_EQ(write(first[1], "ab", 2), 2);
    gyre_op_tee(&op, ends[0], ends[1], 1, 0);
    CHECK_EQ(op_run(loop, &op), 1);
    gyre_op_splice(&op, ends[0], GYRE_CURRENT_POSITION, ends[1],
                   GYRE_CURRENT_POSITION, 2, 0);
    CHECK_EQ(op_run(loop, &op), 2);
    CHECK_EQ(patient_read(second[0], &byte, 1), 1);
    CHECK_EQ(byte, 'a');
    gyre_op_splice(&op, gyre_slot_handle(3), GYRE_CURRENT_POSITION, ends[1],
                   GYRE_CURRENT_POSITION, 1, 0);
    CHECK_ERR(op_run(loop, &op), -EBADF);
    CHECK_OK(close(first[1]));
    CHECK_OK(close(second[0]));
    gyre_loop_destroy(loop);
}

/* What Linux has no opcode for is executed in user space, which can reach into
 * a table there only. */
KERNEL_TEST(B20_what_is_emulated_refuses_slots_of_linux)
{
    gyre_loop *loop = stage_with_slots(2);
    bool emulated = slots_stats(loop).emulated;
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), pair[2];
    int file = make_file("f", 10);
    char buffer[4096];
    gyre_op op;
    int handle;

    CHECK_GE(fd, 0);
    handle = move_into(loop, 0, fd);
    gyre_op_getdents(&op, handle, buffer, sizeof buffer);
    if (emulated)
        CHECK_GT(op_run(loop, &op), 0);
    else
        CHECK_ERR(op_run(loop, &op), -EOPNOTSUPP);
    make_pair(pair);
    handle = move_into(loop, 1, file);
    gyre_op_sendfile(&op, pair[0], handle, 0, 10);
    CHECK_ERR(gyre_op_try(loop, &op), -EAGAIN);
    CHECK_EQ(op_run(loop, &op), emulated ? 10 : -EOPNOTSUPP);
    close_both(pair);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(B11_a_file_is_opened_into_a_slot)
{
    gyre_loop *loop = stage_with_slots(3);
    char path[300], byte;
    gyre_op op;
    int first, second, fd = make_file("f", 100);

    CHECK_OK(close(fd));
    scratch_path(path, sizeof path, "f");
    first = open_into(loop, path, O_RDONLY, GYRE_SLOT_ANY);
    CHECK_EQ(first, gyre_slot_handle(0));
    second = open_into(loop, path, O_RDWR | O_CLOEXEC, 2);
    CHECK_EQ(second, gyre_slot_handle(2));
    CHECK_EQ(used(loop), 2u);
    gyre_op_read(&op, first, &byte, 1, 42);
    CHECK_EQ(op_run(loop, &op), 1);
    CHECK_EQ((unsigned char)byte, pattern_byte(42));
    gyre_op_write(&op, first, "x", 1, 0);
    CHECK_ERR(op_run(loop, &op), -EBADF);
    gyre_op_write(&op, second, "x", 1, 0);
    CHECK_EQ(op_run(loop, &op), 1);
    CHECK_ERR(open_into(loop, path, O_RDONLY, 3), -EINVAL);
    CHECK_ERR(open_into(loop, "/no/such", O_RDONLY, 1), -ENOENT);
    CHECK_EQ(used(loop), 2u);
    /* One that has to wait for a thread, and is created. */
    scratch_path(path, sizeof path, "new");
    CHECK_EQ(open_into(loop, path, O_RDWR | O_CREAT | O_EXCL, 0), first);
    CHECK_EQ(used(loop), 2u);
    gyre_op_write(&op, first, "x", 1, 0);
    CHECK_EQ(op_run(loop, &op), 1);
    CHECK_OK(close_handle(loop, first));
    CHECK_OK(close_handle(loop, second));
    CHECK_EQ(used(loop), 0u);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C2_a_connection_is_accepted_into_a_slot)
{
    gyre_loop *loop = stage_with_slots(2);
    struct sockaddr_in address, peer;
    socklen_t size = sizeof peer;
    int listener = make_listener(&address);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), handle;
    struct call call;
    char byte = 0;
    gyre_op op;

    CHECK_GE(client, 0);
    handle = move_into(loop, 0, listener);
    gyre_op_accept_slot(&call.op, handle, (struct sockaddr *)&peer, &size,
                        SOCK_CLOEXEC, GYRE_SLOT_ANY);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_EQ(call.lasts, 0u);
    CHECK_OK(
        patient_connect(client, (struct sockaddr *)&address, sizeof address));
    (void)call_wait(loop, &call);
    handle = gyre_op_slot(&call.op, call.result);
    CHECK_EQ(handle, gyre_slot_handle(1));
    CHECK_EQ(peer.sin_family, AF_INET);
    gyre_op_send(&op, handle, "a", 1, 0);
    CHECK_EQ(op_run(loop, &op), 1);
    CHECK_EQ(patient_read(client, &byte, 1), 1);
    CHECK_EQ(byte, 'a');
    CHECK_OK(close_handle(loop, handle));
    CHECK_EQ(patient_read(client, &byte, 1), 0); /* the connection has ended */
    CHECK_OK(close(client));
    gyre_loop_destroy(loop);
}

static void count_slots(gyre_op *op, gyre_result result)
{
    struct call *call = op->user;

    call_done(op, result);
    if (result.res < 0)
        return;
    CHECK(gyre_is_slot(gyre_op_slot(op, result)));
    if (call->calls == 2)
        gyre_op_dispose(op, result);
}

KERNEL_TEST(C2_connections_are_accepted_into_slots_for_ever)
{
    enum { COUNT = 4 };
    gyre_loop *loop = stage_with_slots(COUNT - 1);
    struct sockaddr_in address;
    int listener = make_listener(&address), clients[COUNT + 1];
    struct call call = { .calls = 0 };

    gyre_op_accept_slot_multishot(&call.op, listener, 0);
    gyre_op_start(loop, &call.op, count_slots, &call);
    for (unsigned i = 0; i < COUNT; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_OK(patient_connect(clients[i], (struct sockaddr *)&address,
                                 sizeof address));
        while (call.calls == i)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        CHECK_EQ(call.lasts, 0u);
    }
    CHECK_EQ(used(loop), COUNT - 1);
    clients[COUNT] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(patient_connect(clients[COUNT], (struct sockaddr *)&address,
                             sizeof address));
    CHECK_ERR(call_wait(loop, &call), -ENFILE);
    for (unsigned i = 0; i <= COUNT; i++)
        CHECK_OK(close(clients[i]));
    CHECK_OK(close(listener));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(C11_a_socket_is_made_in_a_slot)
{
    gyre_loop *loop = stage_with_slots(2);
    struct sockaddr_in address;
    int listener = make_listener(&address), peer;
    struct call call;
    gyre_op op;

    gyre_op_socket_slot(&call.op, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 1);
    CHECK_EQ(call_run(loop, &call), 0);
    CHECK_EQ(gyre_op_slot(&call.op, call.result), gyre_slot_handle(1));
    gyre_op_connect(&op, gyre_slot_handle(1), (struct sockaddr *)&address,
                    sizeof address);
    CHECK_OK(op_run(loop, &op));
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK_GE(peer, 0);
    gyre_op_socket_slot(&call.op, AF_INET, 99, 0, GYRE_SLOT_ANY);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    CHECK_EQ(used(loop), 1u);
    CHECK_OK(close(peer));
    CHECK_OK(close(listener));
    gyre_loop_destroy(loop);
}

/* The table is full: the connection is made, and lost. Nothing leaks. */
KERNEL_TEST(I4_a_full_table_refuses_and_goes_on)
{
    gyre_loop *loop = stage_with_slots(1);
    struct sockaddr_in address;
    int listener = make_listener(&address);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int handle = open_into(loop, "/", O_RDONLY, GYRE_SLOT_ANY);
    char byte;
    gyre_op op;

    CHECK_EQ(handle, gyre_slot_handle(0));
    CHECK_ERR(open_into(loop, "/", O_RDONLY, GYRE_SLOT_ANY), -ENFILE);
    CHECK_OK(
        patient_connect(client, (struct sockaddr *)&address, sizeof address));
    gyre_op_accept_slot(&op, listener, NULL, NULL, 0, GYRE_SLOT_ANY);
    CHECK_ERR(op_run(loop, &op), -ENFILE);
    CHECK_EQ(patient_read(client, &byte, 1), 0);
    CHECK_OK(close_handle(loop, handle));
    CHECK_EQ(open_into(loop, "/", O_RDONLY, GYRE_SLOT_ANY), handle);
    CHECK_OK(close(client));
    CHECK_OK(close(listener));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(G9_a_close_of_a_slot_ends_what_is_on_it)
{
    gyre_loop *loop = stage_with_slots(64);
    struct call receive, poll, other, closing, late;
    char got[2], byte;
    int fds[2], number, handle;

    make_pair(fds);
    number = fds[1];
    handle = move_into(loop, (uint32_t)number, fds[0]);
    gyre_op_recv(&receive.op, handle, got, 1, 0);
    call_start(loop, &receive);
    stage_turn(loop);
    gyre_op_poll(&poll.op, handle, POLLIN);
    call_start(loop, &poll); /* not submitted yet */
    /* A descriptor of the same number is somebody else. */
    gyre_op_recv(&other.op, number, got + 1, 1, 0);
    call_start(loop, &other);
    gyre_op_close(&closing.op, handle);
    call_start(loop, &closing);
    gyre_op_send(&late.op, handle, "x", 1, 0);
    CHECK_ERR(call_run(loop, &late), -EBADF); /* it is being closed */
    CHECK_OK(call_wait(loop, &closing));
    CHECK_EQ(receive.lasts, 1u);
    CHECK_ERR(receive.result.res, -ECANCELED);
    CHECK_EQ(poll.lasts, 1u);
    CHECK_ERR(poll.result.res, -ECANCELED);
    CHECK_EQ(call_wait(loop, &other), 0); /* the end: that was all of it */
    CHECK_EQ(recv(fds[1], &byte, 1, MSG_DONTWAIT), 0);
    CHECK_EQ(used(loop), 0u);
    CHECK_OK(close(fds[1]));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(I3_a_cancel_by_handle_finds_what_is_on_the_slot)
{
    gyre_loop *loop = stage_with_slots(2);
    struct call on[3];
    char byte;
    int fds[2], handle;

    make_pair(fds);
    handle = move_into(loop, 1, fds[0]);
    for (int i = 0; i < 3; i++) {
        gyre_op_recv(&on[i].op, i < 2 ? handle : fds[1], &byte, 1, 0);
        call_start(loop, &on[i]);
        if (i == 0)
            stage_turn(loop);
    }
    CHECK_EQ(gyre_loop_cancel_fd(loop, gyre_slot_handle(0)), 0u);
    CHECK_EQ(gyre_loop_cancel_fd(loop, handle), 2u);
    CHECK_ERR(call_wait(loop, &on[0]), -ECANCELED);
    CHECK_ERR(call_wait(loop, &on[1]), -ECANCELED);
    CHECK_EQ(on[2].lasts, 0u);
    CHECK_EQ(gyre_loop_cancel_fd(loop, fds[1]), 1u);
    CHECK_ERR(call_wait(loop, &on[2]), -ECANCELED);
    for (int i = 0; i < 2; i++) {
        const gyre_match match = {
            .flags = GYRE_MATCH_ALL | GYRE_MATCH_FD |
                     (i == 0 ? 0 : GYRE_MATCH_FIXED),
            .fd = i == 0 ? handle : 1,
        };

        gyre_op_recv(&on[0].op, handle, &byte, 1, 0);
        call_start(loop, &on[0]);
        stage_turn(loop);
        CHECK_EQ(gyre_loop_cancel_matching(loop, &match), 1);
        CHECK_ERR(call_wait(loop, &on[0]), -ECANCELED);
    }
    /* By the kernel's own answer, wherever the target is. */
    gyre_op_recv(&on[0].op, handle, &byte, 1, 0);
    call_start(loop, &on[0]);
    stage_turn(loop);
    gyre_op_cancel_op(&on[1].op, &on[0].op);
    CHECK_OK(call_run(loop, &on[1]));
    CHECK_ERR(call_wait(loop, &on[0]), -ECANCELED);
    CHECK_OK(close(fds[1]));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(F10_a_deadline_ends_an_op_on_a_slot)
{
    gyre_loop *loop = stage_with_slots(1);
    gyre_deadline deadline;
    struct call call;
    char byte;
    int fds[2];

    make_pair(fds);
    gyre_op_recv(&call.op, move_into(loop, 0, fds[0]), &byte, 1, 0);
    call_start(loop, &call);
    gyre_op_set_deadline(&call.op, &deadline, clock_ns() + 2000000);
    CHECK_ERR(call_wait(loop, &call), -ETIME);
    CHECK_OK(close(fds[1]));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(I3_an_op_keeps_its_file_when_its_slot_is_filled_anew)
{
    gyre_loop *loop = stage_with_slots(1);
    struct call call, next;
    char byte = 0;
    int old[2], new[2], handle;

    make_pair(old);
    make_pair(new);
    handle = move_into(loop, 0, old[0]);
    gyre_op_recv(&call.op, handle, &byte, 1, 0);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_EQ(move_into(loop, 0, new[0]), handle);
    CHECK_EQ(used(loop), 1u);
    gyre_op_send(&next.op, handle, "n", 1, 0);
    CHECK_EQ(call_run(loop, &next), 1);
    CHECK_EQ(patient_read(new[1], &byte, 1), 1);
    CHECK_EQ(write(old[1], "o", 1), 1);
    CHECK_EQ(call_wait(loop, &call), 1);
    CHECK_EQ(byte, 'o');
    CHECK_OK(close(old[1]));
    CHECK_OK(close(new[1]));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(I3_a_table_goes_with_ops_on_it)
{
    gyre_loop *loop = stage_with_slots(1);
    struct call call;
    char byte = 0;
    int fds[2];

    make_pair(fds);
    gyre_op_recv(&call.op, move_into(loop, 0, fds[0]), &byte, 1, 0);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_OK(gyre_slots_destroy(loop));
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(call_wait(loop, &call), 1);
    CHECK_EQ(patient_read(fds[1], &byte, 1), 0);
    CHECK_OK(close(fds[1]));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(I3_a_loop_ends_with_its_slots)
{
    gyre_loop *loop = stage_with_slots(4);
    struct call call;
    char byte;
    int fds[2];

    make_pair(fds);
    gyre_op_recv(&call.op, move_into(loop, 2, fds[0]), &byte, 1, 0);
    call_start(loop, &call);
    stage_turn(loop);
    gyre_loop_destroy(loop);
    CHECK_EQ(call.lasts, 1u);
    CHECK_ERR(call.result.res, -ECANCELED);
    CHECK_EQ(patient_read(fds[1], &byte, 1), 0);
    CHECK_OK(close(fds[1]));
}

KERNEL_TEST(D8_slots_are_filled_in_order_with_other_ops)
{
    gyre_loop *loop = stage_with_slots(4);
    struct call fill, send;
    char byte = 0;
    int fds[2], given[3];

    make_pair(fds);
    given[0] = fds[0];
    given[1] = GYRE_SLOT_KEEP;
    given[2] = GYRE_SLOT_EMPTY;
    gyre_op_fill_slots(&fill.op, 1, given, 3);
    call_start(loop, &fill);
    gyre_op_send(&send.op, gyre_slot_handle(1), "x", 1, 0);
    call_start(loop, &send);
    CHECK_EQ(call_wait(loop, &fill), 3);
    CHECK_EQ(call_wait(loop, &send), 1);
    CHECK_EQ(used(loop), 1u);
    CHECK_EQ(patient_read(fds[1], &byte, 1), 1);
    given[0] = 9999;
    gyre_op_fill_slots(&fill.op, 1, given, 1);
    CHECK_ERR(call_run(loop, &fill), -EBADF);
    CHECK_EQ(used(loop), 0u);

    given[0] = given[1] = fds[0];
    gyre_op_fill_slots(&fill.op, GYRE_SLOT_ANY, given, 2);
    CHECK_EQ(call_run(loop, &fill), 2);
    CHECK_NE(given[0], given[1]);
    CHECK_EQ(used(loop), 2u);
    gyre_op_send(&send.op, gyre_slot_handle((uint32_t)given[1]), "y", 1, 0);
    CHECK_EQ(call_run(loop, &send), 1);
    CHECK_EQ(patient_read(fds[1], &byte, 1), 1);
    CHECK_EQ(byte, 'y');
    gyre_op_fill_slots(&fill.op, 4, given, 1);
    CHECK_ERR(call_run(loop, &fill), -EINVAL);
    CHECK_EQ(used(loop), 2u);
    close_both(fds);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D8_a_descriptor_is_made_of_a_slot)
{
    gyre_loop *loop = stage_with_slots(2);
    char byte = 0;
    gyre_op op;
    int fds[2], fd;

    make_pair(fds);
    gyre_op_slot_install(&op, move_into(loop, 1, fds[0]));
    fd = op_run(loop, &op);
    if (fd == -EOPNOTSUPP && !slots_stats(loop).emulated)
        goto out; /* before Linux 6.8: documented */
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_OK(close_handle(loop, gyre_slot_handle(1)));
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(patient_read(fds[1], &byte, 1), 1);
    gyre_op_slot_install(&op, gyre_slot_handle(1));
    CHECK_ERR(op_run(loop, &op), -EBADF);
    gyre_op_slot_install(&op, fd);
    CHECK_ERR(op_run(loop, &op), -EBADF);
    CHECK_OK(close(fd));
out:
    CHECK_OK(close(fds[1]));
    gyre_loop_destroy(loop);
}

/* Before Linux 6.14 it did not. */
KERNEL_TEST(I3_a_closed_file_goes_while_older_ops_wait_on_others)
{
    gyre_loop *loop = stage_with_slots(2);
    struct call call;
    char byte;
    int first[2], second[2];

    make_pair(first);
    make_pair(second);
    gyre_op_recv(&call.op, move_into(loop, 0, first[0]), &byte, 1, 0);
    call_start(loop, &call);
    stage_turn(loop);
    CHECK_OK(close_handle(loop, move_into(loop, 1, second[0])));
    CHECK_EQ(patient_read(second[1], &byte, 1), 0);
    CHECK_EQ(call.lasts, 0u);
    CHECK_OK(close(first[1]));
    CHECK_EQ(call_wait(loop, &call), 0);
    CHECK_OK(close(second[1]));
    gyre_loop_destroy(loop);
}

/* A child of fork() is no other user of what Linux's table holds. */
KERNEL_TEST(I3_slots_survive_a_fork)
{
    gyre_loop *loop = stage_with_slots(1);
    char byte = 0;
    gyre_op op;
    int fds[2], handle, status;
    pid_t child;

    make_pair(fds);
    handle = move_into(loop, 0, fds[0]);
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0)
        _exit(0);
    CHECK_EQ(patient_waitpid(child, &status), child);
    gyre_op_send(&op, handle, "x", 1, 0);
    CHECK_EQ(op_run(loop, &op), 1);
    CHECK_EQ(patient_read(fds[1], &byte, 1), 1);
    CHECK_OK(close_handle(loop, handle));
    CHECK_EQ(patient_read(fds[1], &byte, 1), 0);
    CHECK_OK(close(fds[1]));
    gyre_loop_destroy(loop);
}

/* The same once more, on a ring whose Linux has no such table. */
KERNEL_TEST_ON(I3_I4_B20_a_ring_without_a_table_has_the_emulator_s, TEST_URING)
{
    static void (*const bodies[])(void) = {
        I3_I4_a_table_is_made_and_given_back,
        B20_sockets_by_handle_are_sockets_by_descriptor,
        B20_files_by_handle_are_files_by_descriptor,
        B20_splices_take_handles_for_both_ends,
        B20_what_is_emulated_refuses_slots_of_linux,
        B11_a_file_is_opened_into_a_slot,
        C2_a_connection_is_accepted_into_a_slot,
        C2_connections_are_accepted_into_slots_for_ever,
        C11_a_socket_is_made_in_a_slot,
        I4_a_full_table_refuses_and_goes_on,
        G9_a_close_of_a_slot_ends_what_is_on_it,
        I3_a_cancel_by_handle_finds_what_is_on_the_slot,
        F10_a_deadline_ends_an_op_on_a_slot,
        I3_an_op_keeps_its_file_when_its_slot_is_filled_anew,
        I3_a_table_goes_with_ops_on_it,
        I3_a_loop_ends_with_its_slots,
        D8_slots_are_filled_in_order_with_other_ops,
        D8_a_descriptor_is_made_of_a_slot,
    };
    gyre_loop *loop;

    CHECK_OK(setenv("GYRE_WITHOUT", "sparse_files", 1));
    loop = stage_with_slots(1);
    CHECK(slots_stats(loop).emulated);
    gyre_loop_destroy(loop);
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        bodies[i]();
}

/* What this Linux has no opcode for, while the table is its own: refused. */
KERNEL_TEST_ON(D8_without_the_opcode_a_slot_of_linux_stays_one, TEST_URING)
{
    gyre_loop *loop;
    gyre_op op;
    int fd = 0;

    CHECK_OK(setenv("GYRE_WITHOUT", "op_fixed_fd_install,op_files_update", 1));
    loop = stage_with_slots(1);
    if (slots_stats(loop).emulated)
        TEST_SKIP("this Linux has no table of its own");
    CHECK_EQ(gyre_slots_set(loop, 0, &fd, 1), 1);
    gyre_op_slot_install(&op, gyre_slot_handle(0));
    CHECK_ERR(op_run(loop, &op), -EOPNOTSUPP);
    gyre_op_fill_slots(&op, 0, &fd, 1);
    CHECK_ERR(op_run(loop, &op), -EOPNOTSUPP);
    gyre_loop_destroy(loop);
}
