/* SPDX-License-Identifier: MIT */
/*
 * test_copy.c - ops that carry copies of their small arguments
 *
 * Each argument is overwritten with rubbish as soon as the fill returns, and
 * the request that the kernel gets is followed into the memory it points to.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "rig.h"

static void done_nothing(gyre_op *op, gyre_result result)
{
    (void)op, (void)result;
}

/* Start it, let the kernel take it, and return the request. */
static const struct io_uring_sqe *fly(struct rig *rig, gyre_op *op)
{
    gyre_op_start(rig->loop, op, done_nothing, NULL);
    rig_turn(rig);
    return scripted_at(rig->s, scripted_pending(rig->s) - 1);
}

TEST(E17_a_timeout_op_keeps_its_time)
{
    struct rig rig;
    gyre_timeout_op op;
    const struct io_uring_sqe *sqe;
    const int64_t *time;

    rig_open(&rig, 8);
    memset(&op, 0xDD, sizeof op);
    gyre_timeout_op_fill(&op, 3 * GYRE_SECOND + 7, 2, GYRE_TIMEOUT_ABS);
    sqe = fly(&rig, &op.op);
    time = (const int64_t *)(uintptr_t)sqe->addr;
    CHECK_EQ(sqe->opcode, IORING_OP_TIMEOUT);
    CHECK_EQ(time[0], 3);
    CHECK_EQ(time[1], 7);
    CHECK_EQ(sqe->off, 0); /* the loop counts */
    CHECK_EQ(sqe->len, 1);
    CHECK_EQ(sqe->timeout_flags, GYRE_TIMEOUT_ABS);
    rig_close(&rig);
}

TEST(E17_a_connect_op_keeps_its_address)
{
    struct rig rig;
    gyre_connect_op op;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = 0x1234 };
    struct sockaddr_in expected = address;
    const struct io_uring_sqe *sqe;

    rig_open(&rig, 8);
    memset(&op, 0xDD, sizeof op);
    CHECK_OK(gyre_connect_op_fill(&op, 5, (struct sockaddr *)&address,
                                  sizeof address));
    memset(&address, 0xDD, sizeof address);
    sqe = fly(&rig, &op.op);
    CHECK_EQ(sqe->off, sizeof expected);
    CHECK_MEM_EQ((void *)(uintptr_t)sqe->addr, &expected, sizeof expected);
    rig_close(&rig);
    CHECK_ERR(gyre_connect_op_fill(&op, 5, (struct sockaddr *)&address,
                                   sizeof(struct sockaddr_storage) + 1),
              -EINVAL);
}

TEST(E17_a_path_op_keeps_its_path)
{
    struct rig rig;
    gyre_path_op op;
    char path[] = "/a/path/that/goes";
    struct statx result;
    const struct io_uring_sqe *sqe;

    rig_open(&rig, 8);
    memset(&op, 0xDD, sizeof op);
    CHECK_OK(gyre_path_op_openat(&op, AT_FDCWD, path, O_RDONLY, 0640));
    memset(path, 'x', sizeof path - 1);
    sqe = fly(&rig, &op.op);
    CHECK_STR_EQ((const char *)(uintptr_t)sqe->addr, "/a/path/that/goes");
    CHECK_EQ(sqe->open_flags, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(sqe->len, 0640);
    scripted_complete_all(rig.s, 3);
    rig_turn(&rig);
    strcpy(path, "/b");
    CHECK_OK(gyre_path_op_statx(&op, 4, path, AT_SYMLINK_NOFOLLOW, STATX_SIZE,
                                &result));
    memset(path, 'x', sizeof path - 1);
    sqe = fly(&rig, &op.op);
    CHECK_STR_EQ((const char *)(uintptr_t)sqe->addr, "/b");
    CHECK_EQ(sqe->off, (uintptr_t)&result);
    rig_close(&rig);
}

TEST(E17_an_openat2_op_keeps_path_and_how)
{
    struct rig rig;
    gyre_path_op op;
    char path[] = "inside";
    struct open_how how = { .flags = O_DIRECTORY,
                            .mode = 0,
                            .resolve = RESOLVE_BENEATH };
    struct open_how expected = how;
    const struct io_uring_sqe *sqe;

    rig_open(&rig, 8);
    memset(&op, 0xDD, sizeof op);
    CHECK_OK(gyre_path_op_openat2(&op, 9, path, &how));
    memset(path, 'x', sizeof path - 1);
    CHECK_EQ(how.flags, O_DIRECTORY); /* ours is not touched */
    expected.flags |= O_CLOEXEC;
    memset(&how, 0xDD, sizeof how);
    sqe = fly(&rig, &op.op);
    CHECK_STR_EQ((const char *)(uintptr_t)sqe->addr, "inside");
    CHECK_EQ(sqe->len, sizeof expected);
    CHECK_MEM_EQ((void *)(uintptr_t)sqe->off, &expected, sizeof expected);
    rig_close(&rig);
}

TEST(E17_a_path_that_does_not_fit_is_refused)
{
    gyre_path_op op;
    char path[sizeof op.path_ + 1];
    struct statx result;
    struct open_how how = { 0 };

    memset(path, 'p', sizeof path);
    path[sizeof op.path_ - 1] = '\0';
    CHECK_OK(gyre_path_op_openat(&op, AT_FDCWD, path, 0, 0));
    CHECK_STR_EQ(op.path_, path);
    path[sizeof op.path_ - 1] = 'p';
    path[sizeof op.path_] = '\0';
    CHECK_ERR(gyre_path_op_openat(&op, AT_FDCWD, path, 0, 0), -ENAMETOOLONG);
    CHECK_ERR(gyre_path_op_openat2(&op, AT_FDCWD, path, &how), -ENAMETOOLONG);
    CHECK_ERR(gyre_path_op_statx(&op, AT_FDCWD, path, 0, 0, &result),
              -ENAMETOOLONG);
}

TEST(E17_a_message_op_keeps_its_pieces_and_address)
{
    struct rig rig;
    gyre_msg_op op;
    char a[] = "first", b[] = "second";
    struct iovec iov[2] = { { a, 5 }, { b, 6 } };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = 0x1234 };
    struct sockaddr_in expected = to;
    const struct io_uring_sqe *sqe;
    const struct msghdr *message;

    rig_open(&rig, 8);
    memset(&op, 0xDD, sizeof op);
    CHECK_OK(gyre_msg_op_send(&op, 5, iov, 2, (struct sockaddr *)&to, sizeof to,
                              MSG_MORE));
    memset(iov, 0xDD, sizeof iov);
    memset(&to, 0xDD, sizeof to);
    sqe = fly(&rig, &op.op);
    CHECK_EQ(sqe->msg_flags, MSG_MORE | MSG_NOSIGNAL);
    message = (const struct msghdr *)(uintptr_t)sqe->addr;
    CHECK_EQ(message->msg_iovlen, 2);
    CHECK(message->msg_iov[0].iov_base == a);
    CHECK_EQ(message->msg_iov[1].iov_len, 6);
    CHECK_EQ(message->msg_namelen, sizeof expected);
    CHECK_MEM_EQ(message->msg_name, &expected, sizeof expected);
    CHECK(message->msg_control == NULL);
    rig_close(&rig);
}

TEST(E17_C15_a_received_message_tells_who_sent_it)
{
    struct rig rig;
    gyre_msg_op op;
    char a[8];
    struct iovec iov = { a, sizeof a };
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = 0x4321 };
    const struct sockaddr *told;
    const struct io_uring_sqe *sqe;
    struct msghdr *message;
    socklen_t size = 0;

    rig_open(&rig, 8);
    CHECK_OK(gyre_msg_op_recv(&op, 5, &iov, 1, MSG_PEEK));
    memset(&iov, 0xDD, sizeof iov);
    sqe = fly(&rig, &op.op);
    message = (struct msghdr *)(uintptr_t)sqe->addr;
    CHECK_GE(message->msg_namelen, sizeof from);
    CHECK(message->msg_iov[0].iov_base == a);
    memcpy(message->msg_name, &from, sizeof from); /* as the kernel does */
    message->msg_namelen = sizeof from;
    message->msg_flags = MSG_TRUNC;
    scripted_complete_all(rig.s, 8);
    rig_turn(&rig);
    told = gyre_msg_op_from(&op, &size);
    CHECK_EQ(size, sizeof from);
    CHECK_MEM_EQ(told, &from, sizeof from);
    CHECK_EQ(gyre_msg_op_flags(&op), MSG_TRUNC);
    rig_close(&rig);
}

TEST(E17_a_message_of_too_many_pieces_is_refused)
{
    gyre_msg_op op;
    struct iovec iov[GYRE_MSG_IOV_MAX + 1] = { { NULL, 0 } };
    struct sockaddr_storage to = { 0 };

    CHECK_OK(gyre_msg_op_recv(&op, 5, iov, GYRE_MSG_IOV_MAX, 0));
    CHECK_ERR(gyre_msg_op_recv(&op, 5, iov, GYRE_MSG_IOV_MAX + 1, 0),
              -EMSGSIZE);
    CHECK_ERR(gyre_msg_op_send(&op, 5, iov, GYRE_MSG_IOV_MAX + 1, NULL, 0, 0),
              -EMSGSIZE);
    CHECK_ERR(gyre_msg_op_send(&op, 5, iov, 1, (struct sockaddr *)&to,
                               sizeof to + 1, 0),
              -EINVAL);
}

TEST(E15_every_fill_writes_the_whole_op)
{
    gyre_op a, b;
    char buffer[4];
    struct iovec iov = { buffer, 4 };
    struct msghdr message = { 0 };
    struct sockaddr_in address = { 0 };
    socklen_t size = sizeof address;
    struct statx stat;
    struct open_how how = { 0 };
    int64_t time[2] = { 1, 0 };

#define CHECK_FILL(call)                                                       \
    do {                                                                       \
        gyre_op *op = &a;                                                      \
        memset(&a, 0x00, sizeof a);                                            \
        call;                                                                  \
        op = &b;                                                               \
        memset(&b, 0xFF, sizeof b);                                            \
        call;                                                                  \
        CHECK_MEM_EQ(&a, &b, sizeof a);                                        \
        CHECK_EQ(gyre_op_state(&b), GYRE_OP_IDLE);                             \
    } while (0)

    CHECK_FILL(gyre_op_raw(op, 44));
    CHECK_FILL(gyre_op_nop(op));
    CHECK_FILL(gyre_op_read(op, 1, buffer, 4, 9));
    CHECK_FILL(gyre_op_write(op, 1, buffer, 4, 9));
    CHECK_FILL(gyre_op_readv(op, 1, &iov, 1, 9));
    CHECK_FILL(gyre_op_writev(op, 1, &iov, 1, 9));
    CHECK_FILL(gyre_op_openat(op, 1, "x", O_RDWR, 0600));
    CHECK_FILL(gyre_op_openat2(op, 1, "x", &how));
    CHECK_FILL(gyre_op_close(op, 1));
    CHECK_FILL(gyre_op_statx(op, 1, "x", 0, STATX_SIZE, &stat));
    CHECK_FILL(gyre_op_fsync(op, 1, true));
    CHECK_FILL(gyre_op_accept(op, 1, (struct sockaddr *)&address, &size,
                              SOCK_CLOEXEC));
    CHECK_FILL(gyre_op_connect(op, 1, (struct sockaddr *)&address, size));
    CHECK_FILL(gyre_op_recv(op, 1, buffer, 4, 0));
    CHECK_FILL(gyre_op_send(op, 1, buffer, 4, 0));
    CHECK_FILL(gyre_op_recvmsg(op, 1, &message, 0));
    CHECK_FILL(gyre_op_sendmsg(op, 1, &message, 0));
    CHECK_FILL(gyre_op_shutdown(op, 1, SHUT_WR));
    CHECK_FILL(gyre_op_poll(op, 1, 1));
    CHECK_FILL(gyre_op_timeout(op, time, 0, 0));
    CHECK_FILL(gyre_op_getdents(op, 1, buffer, 4));
    CHECK_FILL(gyre_op_sendfile(op, 1, 2, 0, 4));
    CHECK_FILL(gyre_op_call(op, NULL, NULL));
#undef CHECK_FILL
}
