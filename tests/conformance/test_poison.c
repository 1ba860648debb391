/* SPDX-License-Identifier: MIT */
/*
 * test_poison.c - what the ops with copies were given goes before it is read
 *
 * Each argument lies at the end of a page of its own, and when the call that
 * fills the op has returned the page is taken away, long before the request is
 * submitted: whoever looks at it again, Linux or a thread of the emulator, gets
 * -EFAULT or a crash.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stage.h"

enum { PAGES_MAX = 8 };

static struct {
    char *base;
    size_t size;
} pages[PAGES_MAX];
static unsigned page_count;

/* A copy, to be taken away. */
static void *lend(const void *bytes, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = (size + page - 1) / page * page;
    char *base = mmap(NULL, whole, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(base != MAP_FAILED);
    CHECK_LT(page_count, (unsigned)PAGES_MAX);
    pages[page_count].base = base;
    pages[page_count++].size = whole;
    /* As near to its end as alignment lets it. */
    return memcpy(base + ((whole - size) & ~(size_t)15), bytes, size);
}

static char *lend_text(const char *text)
{
    return lend(text, strlen(text) + 1);
}

static void take_away(void)
{
    while (page_count > 0) {
        page_count--;
        CHECK_OK(munmap(pages[page_count].base, pages[page_count].size));
    }
}

static int run_poisoned(gyre_loop *loop, gyre_op *op)
{
    take_away();
    return op_run(loop, op);
}

KERNEL_TEST(E17_times_may_go)
{
    gyre_loop *loop = stage_open(8);
    struct call heard = { .calls = 0 };
    gyre_timeout_op op, update;
    uint64_t *ns = lend(&(uint64_t){ 2 * GYRE_MS }, sizeof *ns);
    uint64_t start = clock_ns();

    gyre_timeout_op_fill(&op, *ns, 0, 0);
    CHECK_ERR(run_poisoned(loop, &op.op), -ETIME);
    CHECK_GE(clock_ns(), start + 2 * GYRE_MS);
    gyre_timeout_op_fill(&op, 3600 * GYRE_SECOND, 0, 0);
    gyre_op_start(loop, &op.op, call_done, &heard);
    ns = lend(&(uint64_t){ GYRE_MS }, sizeof *ns);
    gyre_timeout_op_update(&update, &op.op, *ns, 0);
    CHECK_OK(run_poisoned(loop, &update.op));
    while (heard.lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_ERR(heard.result.res, -ETIME);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E17_an_address_may_go)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address;
    int listener = make_listener(&address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    gyre_connect_op op;

    CHECK_GE(fd, 0);
    CHECK_OK(gyre_connect_op_fill(&op, fd, lend(&address, sizeof address),
                                  sizeof address));
    CHECK_OK(run_poisoned(loop, &op.op));
    close(fd);
    close(listener);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E17_paths_may_go)
{
    gyre_loop *loop = stage_open(8);
    struct open_how how = { .flags = O_RDONLY };
    char path[4096], other[4096];
    struct stat stat_bytes;
    struct statx answer;
    gyre_path_op op;
    gyre_two_paths_op two;
    int fd = make_file("poisoned", 100);

    close(fd);
    scratch_path(path, sizeof path, "poisoned");
    scratch_path(other, sizeof other, "renamed");

    CHECK_OK(gyre_path_op_openat(&op, AT_FDCWD, lend_text(path), O_RDONLY, 0));
    fd = run_poisoned(loop, &op.op);
    CHECK_GE(fd, 0);
    close(fd);
    CHECK_OK(gyre_path_op_openat2(&op, AT_FDCWD, lend_text(path),
                                  lend(&how, sizeof how)));
    fd = run_poisoned(loop, &op.op);
    CHECK_GE(fd, 0);
    close(fd);
    CHECK_OK(gyre_path_op_statx(&op, AT_FDCWD, lend_text(path), 0, STATX_SIZE,
                                &answer));
    CHECK_OK(run_poisoned(loop, &op.op));
    CHECK_EQ(answer.stx_size, 100);
    CHECK_OK(gyre_two_paths_op_renameat2(&two, AT_FDCWD, lend_text(path),
                                         AT_FDCWD, lend_text(other), 0));
    CHECK_OK(run_poisoned(loop, &two.op));
    CHECK_OK(gyre_two_paths_op_linkat(&two, AT_FDCWD, lend_text(other),
                                      AT_FDCWD, lend_text(path), 0));
    CHECK_OK(run_poisoned(loop, &two.op));
    CHECK_OK(gyre_path_op_unlinkat(&op, AT_FDCWD, lend_text(path), 0));
    CHECK_OK(run_poisoned(loop, &op.op));
    CHECK_OK(gyre_two_paths_op_symlinkat(&two, lend_text(other), AT_FDCWD,
                                         lend_text(path)));
    CHECK_OK(run_poisoned(loop, &two.op));
    CHECK_OK(lstat(path, &stat_bytes));
    CHECK(S_ISLNK(stat_bytes.st_mode));
    CHECK_OK(unlink(path));
    CHECK_OK(unlink(other));
    CHECK_OK(gyre_path_op_mkdirat(&op, AT_FDCWD, lend_text(path), 0700));
    CHECK_OK(run_poisoned(loop, &op.op));
    CHECK_OK(rmdir(path));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E17_names_of_attributes_may_go)
{
    gyre_loop *loop = stage_open(8);
    char path[4096], value[8];
    gyre_xattr_op op;
    int fd = make_file("attributed", 1), result;

    scratch_path(path, sizeof path, "attributed");
    CHECK_OK(gyre_xattr_op_set(&op, lend_text(path), lend_text("user.poison"),
                               "gone", 4, 0));
    result = run_poisoned(loop, &op.op);
    if (result == -EOPNOTSUPP)
        TEST_SKIP("a file system without attributes");
    CHECK_OK(result);
    CHECK_OK(gyre_xattr_op_get(&op, lend_text(path), lend_text("user.poison"),
                               value, sizeof value));
    CHECK_EQ(run_poisoned(loop, &op.op), 4);
    CHECK_EQ(memcmp(value, "gone", 4), 0);
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E17_messages_may_go)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in from_address, to_address;
    int from = make_datagram(&from_address), to = make_datagram(&to_address);
    char bytes[8] = "abcdefg", got[8];
    struct iovec pieces[2] = { { bytes, 3 }, { bytes + 3, 5 } };
    struct iovec room = { got, sizeof got };
    struct call heard = { .calls = 0 };
    const struct sockaddr_in *sender;
    gyre_msg_op send_op, recv_op;
    socklen_t size;

    /* It waits, so that even a copy made at submission is looked at later. */
    CHECK_OK(gyre_msg_op_recv(&recv_op, to, lend(&room, sizeof room), 1, 0));
    gyre_op_start(loop, &recv_op.op, call_done, &heard);
    take_away();
    stage_turn(loop);
    CHECK_OK(gyre_msg_op_send(&send_op, from, lend(pieces, sizeof pieces), 2,
                              lend(&to_address, sizeof to_address),
                              sizeof to_address, 0));
    CHECK_EQ(run_poisoned(loop, &send_op.op), 8);
    while (heard.lasts == 0)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    CHECK_EQ(heard.result.res, 8);
    CHECK_EQ(memcmp(got, bytes, 8), 0);
    sender = (const void *)gyre_msg_op_from(&recv_op, &size);
    CHECK_EQ(size, sizeof *sender);
    CHECK_EQ(sender->sin_port, from_address.sin_port);
    close(from);
    close(to);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E17_E13_few_bytes_may_go)
{
    gyre_loop *loop = stage_open(8);
    gyre_small_op op;
    char got[4];
    int pair[2];

    make_pair(pair);
    CHECK_OK(gyre_small_op_send(&op, pair[0], lend("wxyz", 4), 4, 0));
    CHECK_EQ(run_poisoned(loop, &op.op), 4);
    CHECK_OK(gyre_small_op_write(&op, pair[0], lend("wxyz", 4), 4,
                                 GYRE_CURRENT_POSITION));
    CHECK_EQ(run_poisoned(loop, &op.op), 4);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(recv(pair[1], got, 4, MSG_WAITALL), 4);
        CHECK_EQ(memcmp(got, "wxyz", 4), 0);
    }
    close_both(pair);
    gyre_loop_destroy(loop);
}

/* The plain ops: at submission and no later. */
KERNEL_TEST(E17_small_arguments_of_plain_ops_may_go_after_submission)
{
    gyre_loop *loop = stage_open(8);
    struct sockaddr_in address;
    int fd = make_datagram(&address), pair[2];
    char got[2][4];
    struct iovec room = { got[0], sizeof got[0] };
    int64_t time[2] = { 0, 2000000 };
    struct call calls[2];

    make_pair(pair);
    gyre_op_readv(&calls[0].op, pair[0], lend(&room, sizeof room), 1,
                  GYRE_CURRENT_POSITION);
    gyre_op_timeout(&calls[1].op, lend(time, sizeof time), 0, 0);
    for (int i = 0; i < 2; i++)
        call_start(loop, &calls[i]);
    CHECK_OK(gyre_loop_submit(loop));
    CHECK_EQ(gyre_op_state(&calls[0].op), GYRE_OP_IN_FLIGHT);
    take_away();
    CHECK_EQ(send(pair[1], "late", 4, 0), 4);
    CHECK_EQ(call_wait(loop, &calls[0]), 4);
    CHECK_EQ(memcmp(got[0], "late", 4), 0);
    CHECK_ERR(call_wait(loop, &calls[1]), -ETIME);
    close_both(pair);
    close(fd);
    gyre_loop_destroy(loop);
}
