/* SPDX-License-Identifier: MIT */
/*
 * A loop that may do some things and no others: the same on each kernel, and
 * held to by Linux where it can be.
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/restrict.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "stage.h"

static gyre_loop *restricted(const gyre_restriction *restriction)
{
    const gyre_loop_options options = { .restriction = restriction };
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, &options));
    CHECK((gyre_loop_restricted(loop) & GYRE_RESTRICTED) != 0);
    return loop;
}

static void keep(gyre_op *op, gyre_result result)
{
    *(int *)op->user = result.res;
}

static int run(gyre_loop *loop, gyre_op *op)
{
    int result = 1234567;

    gyre_op_start(loop, op, keep, &result);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    return result;
}

KERNEL_TEST(A17_what_is_not_permitted_is_refused)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_STREAMS };
    gyre_loop *loop = restricted(&restriction);
    struct statx found;
    char byte = 'x';
    int ends[2];
    gyre_op op;

    CHECK_OK(pipe(ends));
    gyre_op_write(&op, ends[1], &byte, 1, GYRE_CURRENT_POSITION);
    CHECK_EQ(run(loop, &op), 1);
    gyre_op_read(&op, ends[0], &byte, 1, GYRE_CURRENT_POSITION);
    CHECK_EQ(run(loop, &op), 1);
    gyre_op_openat(&op, AT_FDCWD, "/dev/null", O_RDONLY, 0);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_op_statx(&op, AT_FDCWD, "/", 0, STATX_SIZE, &found);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_op_socket(&op, AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_op_close(&op, ends[0]);
    CHECK_EQ(run(loop, &op), 0);
    close(ends[1]);
    gyre_loop_destroy(loop);
}

/* Not by Linux, and not beside it either: what has no opcode at all. */
KERNEL_TEST(A17_what_is_done_beside_the_ring_is_refused_as_well)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_STREAMS };
    gyre_loop *loop = restricted(&restriction);
    int directory = open("/", O_RDONLY | O_DIRECTORY);
    char entries[512];
    gyre_op op;

    gyre_op_getdents(&op, directory, entries, sizeof entries);
    CHECK_EQ(run(loop, &op), -EACCES);
    close(directory);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A17_ops_are_permitted_by_their_names)
{
    const gyre_restriction restriction = { .ops = "SOCKET, STATX" };
    gyre_loop *loop = restricted(&restriction);
    struct statx found;
    gyre_op op;
    int fd;

    gyre_op_socket(&op, AF_INET, SOCK_DGRAM, 0);
    fd = run(loop, &op);
    CHECK_GE(fd, 0);
    close(fd);
    gyre_op_statx(&op, AT_FDCWD, "/", 0, STATX_SIZE, &found);
    CHECK_EQ(run(loop, &op), 0);
    gyre_op_listen(&op, 0, 1);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A17_flags_of_ops_are_refused_and_required)
{
    const gyre_restriction few = { .allow = GYRE_ALLOW_STREAMS,
                                   .flags_refused = GYRE_OP_ASYNC };
    const gyre_restriction must = { .allow = GYRE_ALLOW_STREAMS,
                                    .flags_required = GYRE_OP_ASYNC };
    gyre_loop *loop = restricted(&few);
    gyre_op op;

    gyre_op_nop(&op);
    gyre_op_add_flags(&op, GYRE_OP_ASYNC);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_op_nop(&op);
    CHECK_EQ(run(loop, &op), 0);
    gyre_loop_destroy(loop);

    loop = restricted(&must);
    gyre_op_nop(&op);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_op_nop(&op);
    gyre_op_add_flags(&op, GYRE_OP_ASYNC);
    CHECK_EQ(run(loop, &op), 0);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A17_a_chain_with_what_is_not_permitted_is_not_begun)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_STREAMS };
    gyre_loop *loop = restricted(&restriction);
    int results[2] = { 1, 1 };
    gyre_op ops[2];
    const gyre_chain_link links[2] = {
        { .op = &ops[0], .done = keep, .user = &results[0] },
        { .op = &ops[1], .done = keep, .user = &results[1] },
    };

    gyre_op_nop(&ops[0]);
    gyre_op_socket(&ops[1], AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(gyre_chain_start(loop, links, 2, 0), -EACCES);
    gyre_op_nop(&ops[1]);
    CHECK_OK(gyre_chain_start(loop, links, 2, 0));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(results[0], 0);
    CHECK_EQ(results[1], 0);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A17_an_op_is_not_tried_that_may_not_be_started)
{
    const gyre_restriction restriction = { .ops = "SEND" };
    gyre_loop *loop = restricted(&restriction);
    char byte = 'x';
    int ends[2];
    gyre_op op;

    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    gyre_op_send(&op, ends[1], &byte, 1, 0);
    CHECK_EQ(gyre_op_try(loop, &op), 1);
    gyre_op_recv(&op, ends[0], &byte, 1, 0);
    CHECK_EQ(gyre_op_try(loop, &op), -EAGAIN);
    close(ends[0]);
    close(ends[1]);
    gyre_loop_destroy(loop);
}

/* ---- what ops say -------------------------------------------------------- */

KERNEL_TEST(A17_sockets_are_permitted_by_family_and_type)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_UNIX,
                                           .types = 1u << SOCK_STREAM };
    gyre_loop *loop = restricted(&restriction);
    gyre_op op;
    int fd;

    gyre_op_socket(&op, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fd = run(loop, &op);
    CHECK_GE(fd, 0);
    close(fd);
    gyre_op_socket(&op, AF_UNIX, SOCK_DGRAM, 0);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_op_socket(&op, AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_op_socket(&op, 4711, SOCK_STREAM, 0);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A17_peers_are_permitted_by_family)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_INET,
                                           .peers = UINT64_C(1) << AF_UNIX };
    gyre_loop *loop = restricted(&restriction);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = 1 };
    struct sockaddr_un none = { .sun_family = AF_UNIX, .sun_path = "/none" };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    gyre_op op;

    gyre_op_connect(&op, fd, (void *)&to, sizeof to);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_op_connect(&op, fd, (void *)&none, sizeof none);
    CHECK_EQ(run(loop, &op), -ENOENT);
    close(fd);
    gyre_loop_destroy(loop);
}

/* What is looked at may lie anywhere. */
KERNEL_TEST(A17_an_argument_that_leads_nowhere_is_found)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_INET |
                                                    GYRE_ALLOW_FILES,
                                           .peers = UINT64_C(1) << AF_UNIX,
                                           .opens_few = true };
    gyre_loop *loop = restricted(&restriction);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sa_family_t family = AF_UNIX;
    char *end = pages + page;
    gyre_op op;

    CHECK(pages != MAP_FAILED);
    CHECK_OK(mprotect(end, page, PROT_NONE));
    gyre_op_connect(&op, fd, (void *)end, sizeof(struct sockaddr_un));
    CHECK_EQ(run(loop, &op), -EFAULT);
    gyre_op_connect(&op, fd, (void *)(end - 1), sizeof(struct sockaddr_un));
    CHECK_EQ(run(loop, &op), -EFAULT);
    memcpy(end - sizeof family, &family, sizeof family);
    gyre_op_connect(&op, fd, (void *)(end - sizeof family), sizeof family);
    CHECK_EQ(run(loop, &op), -EINVAL); /* there is no name in it */
    gyre_op_openat2(&op, AT_FDCWD, "/", (void *)pages);
    CHECK_OK(mprotect(pages, page, PROT_NONE)); /* it was there when filled */
    CHECK_EQ(run(loop, &op), -EFAULT);
    CHECK_OK(munmap(pages, 2 * page));
    close(fd);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A17_opens_are_permitted_by_what_they_ask)
{
    const gyre_restriction restriction = {
        .allow = GYRE_ALLOW_FILES,
        .opens_few = true,
        .open_flags = O_RDONLY | O_CLOEXEC | O_DIRECTORY,
    };
    gyre_loop *loop = restricted(&restriction);
    gyre_op op;
    int fd;

    gyre_op_openat(&op, AT_FDCWD, "/", O_RDONLY | O_CLOEXEC, 0);
    fd = run(loop, &op);
    CHECK_GE(fd, 0);
    close(fd);
    gyre_op_openat(&op, AT_FDCWD, "/dev/null", O_WRONLY, 0);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_op_openat(&op, AT_FDCWD, "/dev/null", O_RDONLY | O_CREAT, 0600);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A17_opens_must_say_how_paths_are_resolved)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_FILES,
                                           .open_resolve = RESOLVE_BENEATH };
    gyre_loop *loop = restricted(&restriction);
    struct open_how how = { .flags = O_RDONLY | O_CLOEXEC,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV };
    int root = open("/", O_PATH | O_CLOEXEC);
    gyre_op op;
    int fd;

    test_not_on_qemu_user("it has no openat2");
    gyre_op_openat2(&op, root, ".", &how);
    fd = run(loop, &op);
    CHECK_GE(fd, 0);
    close(fd);
    how.resolve = RESOLVE_NO_XDEV;
    gyre_op_openat2(&op, root, ".", &how);
    CHECK_EQ(run(loop, &op), -EACCES);
    gyre_op_openat(&op, root, ".", O_RDONLY, 0);
    CHECK_EQ(run(loop, &op), -EACCES);
    close(root);
    gyre_loop_destroy(loop);
}

/* ---- registrations ------------------------------------------------------- */

KERNEL_TEST(A17_what_is_not_permitted_is_not_registered)
{
    const gyre_restriction none = { .allow = GYRE_ALLOW_STREAMS };
    const gyre_restriction files = { .registers = GYRE_REGISTER_FILES };
    gyre_loop *loop = restricted(&none);

    CHECK_ERR(gyre_slots_create(loop, 4), -EACCES);
    gyre_loop_destroy(loop);
    loop = restricted(&files);
    CHECK_OK(gyre_slots_create(loop, 4));
    CHECK_OK(gyre_slots_destroy(loop));
    gyre_loop_destroy(loop);
}

/* A hosted loop registers an eventfd of its own. */
KERNEL_TEST(A17_what_the_loop_registers_for_itself_is_permitted)
{
    const gyre_restriction none = { .allow = GYRE_ALLOW_STREAMS };
    gyre_loop *loop = restricted(&none);
    uint64_t deadline_ns;
    gyre_op op;

    CHECK_GE(gyre_loop_fd(loop), 0);
    CHECK_OK(gyre_loop_prepare(loop, &deadline_ns));
    gyre_op_nop(&op);
    CHECK_EQ(run(loop, &op), 0);
    gyre_loop_wake(loop, GYRE_WAKE_IO, 1);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    gyre_loop_destroy(loop);
}

/* ---- refusals ------------------------------------------------------------ */

KERNEL_TEST(A17_a_restriction_that_comes_too_late_is_refused)
{
    const gyre_loop_options options = { .ring.restrictable = true };
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_STREAMS };
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, &options));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_ERR(gyre_loop_restrict(loop, &restriction), -EBUSY);
    CHECK(strstr(gyre_restrict_error(), "has run already") != NULL);
    CHECK_EQ(gyre_loop_restricted(loop), 0u);
    gyre_loop_destroy(loop);

    loop = restricted(&restriction);
    CHECK_ERR(gyre_loop_restrict(loop, &restriction), -EBUSY);
    CHECK(strstr(gyre_restrict_error(), "restricted already") != NULL);
    gyre_loop_destroy(loop);
}

KERNEL_TEST_ON(A17_a_ring_that_was_not_made_for_it_says_so, TEST_URING_COOP)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_STREAMS };
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_ERR(gyre_loop_restrict(loop, &restriction), -EOPNOTSUPP);
    CHECK(strstr(gyre_restrict_error(), "restrictable") != NULL);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(A17_a_restriction_that_means_nothing_is_refused)
{
    const struct {
        gyre_restriction restriction;
        const char *part;
    } cases[] = {
        { { .size = 1 }, "size" },
        { { .allow = 1u << 30 }, "allow" },
        { { .allow = GYRE_ALLOW_LOOPS }, "sandbox" },
        { { .registers = 1u << 30 }, "registers" },
        { { .flags_refused = 1u << 9 }, "flag" },
        { { .flags_refused = 1, .flags_required = 1 }, "flag" },
        { { .ops = "SOCKET SOCKT" }, "no op SOCKT" },
    };

    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        const gyre_loop_options options = { .restriction =
                                                &cases[i].restriction };
        gyre_loop *loop;

        CHECK_ERR(gyre_loop_create(&loop, &options), -EINVAL);
        CHECK(strstr(gyre_loop_create_error(), cases[i].part) != NULL);
    }
}

static void make_restricted(void)
{
    const gyre_restriction restriction = { .allow = GYRE_ALLOW_STREAMS };
    const gyre_loop_options options = { .restriction = &restriction };
    gyre_loop *loop;
    int err = gyre_loop_create(&loop, &options);

    if (err == 0)
        gyre_loop_destroy(loop);
    else
        CHECK_ERR(err, -ENOMEM);
}

KERNEL_TEST(A17_without_memory_there_is_no_restricted_loop)
{
    CHECK_GT(for_each_failure(make_restricted), 0);
}
