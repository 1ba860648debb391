/* SPDX-License-Identifier: MIT */
/*
 * test_emu_paths.c - requests on files, names and pipes: what Linux refuses
 *
 * A request has fields that its opcode does not use, and Linux wants them to be
 * zero. Each row makes one that is right but for such a field; it is sent to
 * the emulator and to Linux's ring, and both must refuse it alike. So a Linux
 * that has found a use for a field is noticed, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/choose.h"
#include "ring/feature.h"
#include "ring/ring.h"
#include "runner/test.h"
#include "test_emu_world.h"

enum field {
    IOPRIO,
    OFF,
    ADDR,
    LEN,
    FLAGS,
    BUF_INDEX,
    SPLICE_FD,
    ADDR3,
    FIXED,
    FD,
};

static const struct refused {
    uint8_t opcode;
    enum field field;
    int result;
} refused[] = {
    { IORING_OP_SYNC_FILE_RANGE, IOPRIO, -EINVAL },
    { IORING_OP_SYNC_FILE_RANGE, ADDR, -EINVAL },
    { IORING_OP_SYNC_FILE_RANGE, BUF_INDEX, -EINVAL },
    { IORING_OP_SYNC_FILE_RANGE, SPLICE_FD, -EINVAL },
    { IORING_OP_FALLOCATE, IOPRIO, -EINVAL },
    { IORING_OP_FALLOCATE, FLAGS, -EINVAL },
    { IORING_OP_FALLOCATE, BUF_INDEX, -EINVAL },
    { IORING_OP_FALLOCATE, SPLICE_FD, -EINVAL },
    { IORING_OP_FTRUNCATE, IOPRIO, -EINVAL },
    { IORING_OP_FTRUNCATE, ADDR, -EINVAL },
    { IORING_OP_FTRUNCATE, LEN, -EINVAL },
    { IORING_OP_FTRUNCATE, FLAGS, -EINVAL },
    { IORING_OP_FTRUNCATE, BUF_INDEX, -EINVAL },
    { IORING_OP_FTRUNCATE, SPLICE_FD, -EINVAL },
    { IORING_OP_FTRUNCATE, ADDR3, -EINVAL },
    { IORING_OP_FADVISE, IOPRIO, -EINVAL },
    { IORING_OP_FADVISE, BUF_INDEX, -EINVAL },
    { IORING_OP_FADVISE, SPLICE_FD, -EINVAL },
    { IORING_OP_MADVISE, IOPRIO, -EINVAL },
    { IORING_OP_MADVISE, BUF_INDEX, -EINVAL },
    { IORING_OP_MADVISE, SPLICE_FD, -EINVAL },
    { IORING_OP_RENAMEAT, IOPRIO, -EINVAL },
    { IORING_OP_RENAMEAT, BUF_INDEX, -EINVAL },
    { IORING_OP_RENAMEAT, SPLICE_FD, -EINVAL },
    { IORING_OP_RENAMEAT, FIXED, -EBADF },
    { IORING_OP_UNLINKAT, IOPRIO, -EINVAL },
    { IORING_OP_UNLINKAT, OFF, -EINVAL },
    { IORING_OP_UNLINKAT, LEN, -EINVAL },
    { IORING_OP_UNLINKAT, FLAGS, -EINVAL },
    { IORING_OP_UNLINKAT, BUF_INDEX, -EINVAL },
    { IORING_OP_UNLINKAT, SPLICE_FD, -EINVAL },
    { IORING_OP_UNLINKAT, FIXED, -EBADF },
    { IORING_OP_MKDIRAT, IOPRIO, -EINVAL },
    { IORING_OP_MKDIRAT, OFF, -EINVAL },
    { IORING_OP_MKDIRAT, FLAGS, -EINVAL },
    { IORING_OP_MKDIRAT, BUF_INDEX, -EINVAL },
    { IORING_OP_MKDIRAT, SPLICE_FD, -EINVAL },
    { IORING_OP_MKDIRAT, FIXED, -EBADF },
    { IORING_OP_SYMLINKAT, IOPRIO, -EINVAL },
    { IORING_OP_SYMLINKAT, LEN, -EINVAL },
    { IORING_OP_SYMLINKAT, FLAGS, -EINVAL },
    { IORING_OP_SYMLINKAT, BUF_INDEX, -EINVAL },
    { IORING_OP_SYMLINKAT, SPLICE_FD, -EINVAL },
    { IORING_OP_SYMLINKAT, FIXED, -EBADF },
    { IORING_OP_LINKAT, IOPRIO, -EINVAL },
    { IORING_OP_LINKAT, BUF_INDEX, -EINVAL },
    { IORING_OP_LINKAT, SPLICE_FD, -EINVAL },
    { IORING_OP_LINKAT, FIXED, -EBADF },
    { IORING_OP_GETXATTR, IOPRIO, -EINVAL },
    { IORING_OP_GETXATTR, FLAGS, -EINVAL },
    { IORING_OP_GETXATTR, FIXED, -EBADF },
    { IORING_OP_FGETXATTR, IOPRIO, -EINVAL },
    { IORING_OP_FGETXATTR, FLAGS, -EINVAL },
    { IORING_OP_SETXATTR, IOPRIO, -EINVAL },
    { IORING_OP_SETXATTR, FIXED, -EBADF },
    { IORING_OP_FSETXATTR, IOPRIO, -EINVAL },
    { IORING_OP_SPLICE, IOPRIO, -EINVAL },
    { IORING_OP_SPLICE, FLAGS, -EINVAL },
    { IORING_OP_TEE, IOPRIO, -EINVAL },
    { IORING_OP_TEE, OFF, -EINVAL },
    { IORING_OP_TEE, ADDR, -EINVAL },
    { IORING_OP_TEE, FLAGS, -EINVAL },
    { IORING_OP_PIPE, IOPRIO, -EINVAL },
    { IORING_OP_PIPE, FD, -EINVAL },
    { IORING_OP_PIPE, OFF, -EINVAL },
    { IORING_OP_PIPE, FLAGS, -EINVAL },
    { IORING_OP_PIPE, ADDR3, -EINVAL },
};

/* Requests that succeed, and may be made again. */
struct sound {
    int file;
    int in[2];
    int out[2];
    int made[2];
    char value[4];
    void *memory;
};

static void sound_open(struct sound *sound)
{
    sound->file = make_file("f", 100);
    make_pipe(sound->in, 0);
    make_pipe(sound->out, 0);
    sound->memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(sound->memory != MAP_FAILED);
}

static void sound_close(struct sound *sound)
{
    close(sound->file);
    close_pair(sound->in);
    close_pair(sound->out);
    CHECK_OK(munmap(sound->memory, 4096));
}

static struct io_uring_sqe *sound_put(struct kernel *k, struct sound *sound,
                                      uint8_t opcode)
{
    struct io_uring_sqe *sqe = put(k, opcode, sound->file, NULL, 0, 16);

    switch (opcode) {
    case IORING_OP_FALLOCATE:
        sqe->addr = 1;
        break;
    case IORING_OP_MADVISE:
        sqe->addr = (uintptr_t)sound->memory;
        sqe->len = 4096;
        break;
    case IORING_OP_RENAMEAT:
    case IORING_OP_SYMLINKAT:
    case IORING_OP_LINKAT:
        sqe->fd = AT_FDCWD;
        sqe->len = opcode == IORING_OP_SYMLINKAT ? 0 : (uint32_t)AT_FDCWD;
        sqe->addr = (uintptr_t) "/no/such/a";
        sqe->addr2 = (uintptr_t) "/no/such/b";
        break;
    case IORING_OP_UNLINKAT:
    case IORING_OP_MKDIRAT:
        sqe->fd = AT_FDCWD;
        sqe->addr = (uintptr_t) "/no/such/a";
        break;
    case IORING_OP_GETXATTR:
    case IORING_OP_SETXATTR:
    case IORING_OP_FGETXATTR:
    case IORING_OP_FSETXATTR:
        sqe->addr = (uintptr_t) "user.none";
        sqe->addr2 = (uintptr_t)sound->value;
        sqe->len = sizeof sound->value;
        if (opcode == IORING_OP_SETXATTR || opcode == IORING_OP_FSETXATTR)
            sqe->xattr_flags = XATTR_REPLACE;
        if (opcode == IORING_OP_SETXATTR || opcode == IORING_OP_GETXATTR)
            sqe->addr3 = (uintptr_t) "/no/such/a";
        break;
    case IORING_OP_SPLICE:
        sqe->off = sqe->splice_off_in = UINT64_MAX;
        /* fallthrough */
    case IORING_OP_TEE:
        sqe->fd = sound->out[1];
        sqe->splice_fd_in = sound->in[0];
        break;
    case IORING_OP_PIPE:
        sqe->fd = 0;
        sqe->addr = (uintptr_t)sound->made;
        break;
    default:
        break;
    }
    return sqe;
}

static void spoil(struct io_uring_sqe *sqe, enum field field)
{
    switch (field) {
    case IOPRIO:
        sqe->ioprio = 1;
        break;
    case OFF:
        sqe->off = 1;
        break;
    case ADDR:
        sqe->addr = 1;
        break;
    case LEN:
        sqe->len = 1;
        break;
    case FLAGS:
        sqe->op_flags |= 1U << 20;
        break;
    case BUF_INDEX:
        sqe->buf_index = 1;
        break;
    case SPLICE_FD:
        sqe->splice_fd_in = 1;
        break;
    case ADDR3:
        sqe->addr3 = 1;
        break;
    case FIXED:
        sqe->flags = IOSQE_FIXED_FILE;
        break;
    case FD:
        sqe->fd = 1;
        break;
    }
}

static void refuse_all(struct kernel *k, bool linux_s)
{
    struct sound sound;

    sound_open(&sound);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const struct refused *row = &refused[i];
        int first, result;

        if (k->route[row->opcode] != KERNEL_ROUTE_SQ &&
            k->route[row->opcode] != KERNEL_ROUTE_LOOK)
            continue;
        sound_put(k, &sound, row->opcode);
        first = result_of(k, 16);
        if (first == row->result)
            FAIL("%s: refused without a reason: %d",
                 ring_opcode_name(row->opcode), first);
        if (row->opcode == IORING_OP_PIPE)
            close_pair(sound.made);
        spoil(sound_put(k, &sound, row->opcode), row->field);
        result = result_of(k, 16);
        if (result != row->result)
            FAIL("%s, field %d, on %s: %d", ring_opcode_name(row->opcode),
                 (int)row->field, linux_s ? "Linux" : "emu", result);
    }
    sound_close(&sound);
}

TEST(B8_B9_B10_B14_B15_B16_B17_emu_refuses_fields_that_are_not_used)
{
    struct kernel *k = world_open(16, 0, 0);

    refuse_all(k, false);
    world_close(k);
}

TEST(B8_B9_B10_B14_B15_B16_B17_linux_refuses_the_same_fields)
{
    struct kernel_options options = { .entries = 16 };
    struct kernel *k;

    if (kernel_uring_refusal() != NULL)
        TEST_SKIP("needs io_uring");
    CHECK_OK(uring_open(&k, &options));
    CHECK_OK(k->class->attach(k));
    refuse_all(k, true);
    k->class->destroy(k);
}

/* What a thread does in a socket cannot be stopped, so it does little. */
static void splice_much(struct kernel *k, bool linux_s)
{
    static char bytes[20000];
    int fds[2], pair[2];
    struct io_uring_sqe *sqe;

    make_pipe(fds, 0);
    make_pair(SOCK_STREAM, pair);
    CHECK_EQ(write(fds[1], bytes, sizeof bytes), (ssize_t)sizeof bytes);
    sqe = put(k, IORING_OP_SPLICE, pair[0], NULL, sizeof bytes, 16);
    sqe->off = sqe->splice_off_in = UINT64_MAX;
    sqe->splice_fd_in = fds[0];
    expect(k, 16, linux_s ? (int)sizeof bytes : 4096);
    close_pair(fds);
    close_pair(pair);
}

static void on_linux(void (*body)(struct kernel *k, bool linux_s))
{
    struct kernel_options options = { .entries = 16 };
    struct kernel *k;

    if (kernel_uring_refusal() != NULL)
        return;
    CHECK_OK(uring_open(&k, &options));
    CHECK_OK(k->class->attach(k));
    if (k->route[IORING_OP_SPLICE] == KERNEL_ROUTE_SQ)
        body(k, true);
    k->class->destroy(k);
}

TEST(emu_difference_60_a_splice_to_a_blocking_socket_is_short)
{
    struct kernel *k = world_open(16, 0, 0);

    splice_much(k, false);
    world_close(k);
    on_linux(splice_much);
}

TEST(emu_difference_61_a_pipe_is_not_made_into_slots)
{
    struct kernel *k = world_open(16, 0, 0);
    int fds[2];

    put(k, IORING_OP_PIPE, 0, fds, 0, 16)->file_index = 1;
    expect(k, 16, -EINVAL);
    world_close(k);
}

/* A path that no slot has room for, and a descriptor nobody has waited on. */
TEST(emu_paths_and_splices_without_memory_end_with_ENOMEM)
{
    static const uint8_t opcodes[] = { IORING_OP_UNLINKAT, IORING_OP_RENAMEAT,
                                       IORING_OP_GETXATTR };
    struct kernel *k = world_open(16, 0, 0);
    static char path[4000];
    int in[2], out[2];

    make_pipe(in, 0);
    make_pipe(out, 0);
    memset(path, '/', sizeof path - 2);
    path[sizeof path - 2] = '?';
    put(k, IORING_OP_UNLINKAT, AT_FDCWD, path, 0, 16);
    expect(k, 16, -ENOENT);
    for (size_t i = 0; i < sizeof opcodes; i++) {
        for (int last = 0; last < 2; last++) {
            struct io_uring_sqe *sqe =
                put(k, opcodes[i], AT_FDCWD, path, 0, 16);

            if (opcodes[i] == IORING_OP_RENAMEAT)
                sqe->addr2 = (uintptr_t)path;
            if (opcodes[i] == IORING_OP_GETXATTR) {
                sqe->addr = (uintptr_t) "user.a";
                sqe->addr3 = (uintptr_t)path;
            }
            alloc_fail_nth(last == 0 ? 1 : 0);
            expect(k, 16, last == 0 ? -ENOMEM : -ENOENT);
        }
    }
    for (int last = 0; last < 2; last++) {
        struct io_uring_sqe *sqe =
            put(k, IORING_OP_SPLICE, out[1], NULL, 10, 16);

        sqe->off = sqe->splice_off_in = UINT64_MAX;
        sqe->splice_fd_in = in[0];
        alloc_fail_nth(last == 0 ? 1 : 0);
        if (last == 0)
            expect(k, 16, -ENOMEM);
        else
            expect_nothing(k);
    }
    cancel(k, 16);
    close_pair(in);
    close_pair(out);
    world_close(k);
}
