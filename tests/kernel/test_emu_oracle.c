/* SPDX-License-Identifier: MIT */
/*
 * test_emu_oracle.c - the same programs on Linux's ring and on the emulator
 *
 * A program is a seed. It drives a small world (two pairs of sockets, a pipe,
 * an eventfd, a file) with random requests, good and bad ones, and writes down
 * which request ended in which step, how, and what bytes it moved. Both kernels
 * must write the same. What is random in Linux itself is left out: there is at
 * most one waiter per direction of a descriptor, and nothing that runs on a
 * thread is cancelled.
 *
 * A mismatch prints the seed and the step; GYRE_SEED runs that seed alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/choose.h"
#include "runner/test.h"
#include "test_emu_world.h"

enum {
    STEPS = 60,
    DESCRIPTORS = 9,
    BUFFER = 128,
    LOG_MAX = STEPS * 4,
    LAST_CANCEL = 1000,
};

struct entry {
    unsigned step;
    unsigned id;
    int result;
    uint32_t hash; /* of the buffer */
};

struct request_note {
    uint8_t opcode;
    int fd_index;
    bool out; /* the direction in which it may wait */
    bool pending;
    bool faulty; /* has a bad pointer */
    unsigned char buffer[BUFFER];
    struct iovec iov[2];
    struct msghdr message;
    struct ring_timespec time;
    struct statx status;
};

struct world {
    struct kernel *k;
    uint64_t random;
    int fds[DESCRIPTORS];
    bool file_has_nowait;
    unsigned step;
    struct request_note notes[STEPS];
    struct entry log[LOG_MAX];
    unsigned log_count;
};

/* Where each descriptor is in world.fds. */
enum {
    STREAM_A,
    STREAM_B,
    DGRAM_A,
    DGRAM_B,
    PIPE_R,
    PIPE_W,
    EVENT,
    FILE_,
    DIR_
};

static uint32_t draw(struct world *w, uint32_t limit)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32_t)(w->random >> 32) % limit;
}

static bool one_in(struct world *w, uint32_t n)
{
    return draw(w, n) == 0;
}

static void world_init(struct world *w, struct kernel *k, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->k = k;
    w->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    make_pair(SOCK_STREAM, &w->fds[STREAM_A]);
    make_pair(SOCK_DGRAM, &w->fds[DGRAM_A]);
    make_pipe(&w->fds[PIPE_R], O_NONBLOCK);
    w->fds[EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->fds[FILE_] = make_file("f", 1000);
    w->file_has_nowait = preadv2(w->fds[FILE_],
                                 &(struct iovec){ w->notes[0].buffer, 1 }, 1, 0,
                                 RWF_NOWAIT) == 1;
    w->fds[DIR_] = open(test_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void world_fini(struct world *w)
{
    for (int i = 0; i < DESCRIPTORS; i++)
        close(w->fds[i]);
}

/* May a request be left waiting there? Only if nobody else waits. */
static bool is_taken(const struct world *w, int fd_index, bool out)
{
    for (unsigned id = 0; id < w->step; id++)
        if (w->notes[id].pending && w->notes[id].fd_index == fd_index &&
            w->notes[id].out == out)
            return true;
    return false;
}

/* The low bits are the kernel's. */
static uint64_t user_data_of(uint64_t id)
{
    return id << 4;
}

static struct io_uring_sqe *write_sqe(struct world *w, uint8_t opcode,
                                      int fd_index, const void *addr,
                                      uint32_t len)
{
    int fd = fd_index >= 0 ? w->fds[fd_index] : fd_index;

    w->notes[w->step].opcode = opcode;
    w->notes[w->step].fd_index = fd_index;
    /* Which of two errors is told first is not what we ask. */
    if (fd_index >= 0 && !w->notes[w->step].faulty && one_in(w, 40))
        fd = one_in(w, 2) ? -1 : 9999;
    return put(w->k, opcode, fd, addr, len, user_data_of(w->step));
}

static void step_socket(struct world *w)
{
    static const uint32_t recv_flags[] = { 0, 0, MSG_DONTWAIT, MSG_WAITALL,
                                           MSG_PEEK };
    static const uint32_t send_flags[] = { 0, 0, MSG_DONTWAIT, MSG_WAITALL };
    struct request_note *note = &w->notes[w->step];
    int fd_index = (int)draw(w, FILE_ + 1);
    bool out = one_in(w, 2), message = one_in(w, 3);
    void *buffer = note->buffer;
    uint32_t len = draw(w, BUFFER);
    uint8_t opcode = out ? IORING_OP_SEND : IORING_OP_RECV;
    struct io_uring_sqe *sqe;

    if (is_taken(w, fd_index, out)) {
        write_sqe(w, IORING_OP_NOP, -1, NULL, 0);
        return;
    }
    note->out = out;
    if (out)
        memset(note->buffer, (int)w->step + 1, BUFFER);
    if (message) {
        opcode = out ? IORING_OP_SENDMSG : IORING_OP_RECVMSG;
        note->iov[0] = (struct iovec){ note->buffer, len / 2 };
        note->iov[1] = (struct iovec){ note->buffer + len / 2, len - len / 2 };
        note->message.msg_iov = note->iov;
        note->message.msg_iovlen = 2;
        buffer = &note->message;
        len = 1;
    }
    note->faulty = fd_index <= DGRAM_B && one_in(w, 15);
    if (note->faulty)
        buffer = (void *)8;
    sqe = write_sqe(w, opcode, fd_index, buffer, len);
    sqe->msg_flags = out ? send_flags[draw(w, 4)] : recv_flags[draw(w, 5)];
    if (one_in(w, 40))
        sqe->addr2 = 1, sqe->ioprio = 0x4000;
}

static void step_file(struct world *w)
{
    static const uint64_t offsets[] = {
        0, 10, 990, 2000, UINT64_MAX, UINT64_MAX
    };
    struct request_note *note = &w->notes[w->step];
    int fd_index = (int)draw(w, DESCRIPTORS);
    bool out = one_in(w, 2), vector = one_in(w, 3);
    uint32_t len = fd_index == EVENT ? 8 : 2 + draw(w, BUFFER - 2);
    void *buffer = note->buffer;
    uint8_t opcode = out ? IORING_OP_WRITE : IORING_OP_READ;
    struct io_uring_sqe *sqe;

    if (is_taken(w, fd_index, out)) {
        write_sqe(w, IORING_OP_NOP, -1, NULL, 0);
        return;
    }
    note->out = out;
    if (out)
        memset(note->buffer, (int)(w->step % 5) + 1, BUFFER);
    if (vector) {
        opcode = out ? IORING_OP_WRITEV : IORING_OP_READV;
        note->iov[0] = (struct iovec){ note->buffer, len / 2 };
        note->iov[1] = (struct iovec){ note->buffer + len / 2, len - len / 2 };
        if (fd_index == EVENT)
            note->iov[0].iov_len = 8;
        buffer = note->iov;
        len = fd_index == EVENT ? 1 : 1 + draw(w, 2);
    }
    note->faulty = (fd_index <= DGRAM_B || fd_index == FILE_) && one_in(w, 15);
    if (note->faulty)
        buffer = (void *)8;
    sqe = write_sqe(w, opcode, fd_index, buffer, len);
    sqe->off = note->faulty ? UINT64_MAX : offsets[draw(w, 6)];
    /* On a file that knows no NOWAIT the answers differ: difference 17. */
    if (one_in(w, 20) && (fd_index != FILE_ || w->file_has_nowait))
        sqe->rw_flags = RWF_NOWAIT;
}

static void step_poll(struct world *w)
{
    static const uint32_t masks[] = { POLLIN, POLLOUT, POLLIN | POLLOUT, 0,
                                      POLLRDHUP };
    int fd_index = (int)draw(w, DESCRIPTORS);

    w->notes[w->step].out = false;
    if (is_taken(w, fd_index, false)) {
        write_sqe(w, IORING_OP_NOP, -1, NULL, 0);
        return;
    }
    write_sqe(w, IORING_OP_POLL_ADD, fd_index, NULL, 0)->poll32_events =
        masks[draw(w, 5)];
}

static void step_timeout(struct world *w)
{
    struct request_note *note = &w->notes[w->step];
    struct io_uring_sqe *sqe;

    note->time = (struct ring_timespec){ 1000, 0 };
    if (one_in(w, 8))
        note->time.tv_sec = -1;
    sqe = write_sqe(w, IORING_OP_TIMEOUT, -1,
                    one_in(w, 20) ? (void *)8 : &note->time,
                    one_in(w, 20) ? 2 : 1);
    if (one_in(w, 3))
        sqe->off = draw(w, 4);
    if (one_in(w, 20))
        sqe->timeout_flags = 1u << (8 + draw(w, 8));
}

/* Something that waits, or has ended, or never was. */
static uint64_t some_id(struct world *w)
{
    return user_data_of(draw(w, w->step + 2));
}

static void step_cancel(struct world *w)
{
    static const uint32_t flags[] = {
        0,
        0,
        IORING_ASYNC_CANCEL_ALL,
        IORING_ASYNC_CANCEL_FD,
        IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL,
        IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_FD,
        IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_ALL,
        0x4000,
    };
    struct io_uring_sqe *sqe;
    void *id = (void *)(uintptr_t)some_id(w);

    switch (draw(w, 4)) {
    case 0:
        write_sqe(w, IORING_OP_POLL_REMOVE, -1, id, 0);
        break;
    case 1:
        write_sqe(w, IORING_OP_TIMEOUT_REMOVE, -1, id, 0);
        break;
    default:
        sqe = write_sqe(w, IORING_OP_ASYNC_CANCEL, (int)draw(w, EVENT + 1), id,
                        0);
        sqe->cancel_flags = flags[draw(w, 8)];
        if ((sqe->cancel_flags & IORING_ASYNC_CANCEL_OP) != 0)
            sqe->len = IORING_OP_RECV;
    }
}

static void step_other(struct world *w)
{
    struct request_note *note = &w->notes[w->step];
    struct io_uring_sqe *sqe;
    int fd_index;

    switch (draw(w, 8)) {
    case 0:
        sqe = write_sqe(w, IORING_OP_NOP, -1, NULL, draw(w, 100));
        sqe->nop_flags = draw(w, 2) * IORING_NOP_INJECT_RESULT;
        break;
    case 1:
        write_sqe(w, IORING_OP_FSYNC, (int)draw(w, DESCRIPTORS), NULL, 0)
            ->fsync_flags = draw(w, 3);
        break;
    case 2:
        sqe = write_sqe(w, IORING_OP_STATX, DIR_, one_in(w, 2) ? "f" : "g",
                        STATX_SIZE);
        sqe->addr2 = one_in(w, 10) ? 8 : (uintptr_t)&note->status;
        break;
    case 3:
        write_sqe(w, IORING_OP_OPENAT, DIR_, one_in(w, 2) ? "f" : "g", 0)
            ->open_flags = one_in(w, 2) ? O_RDWR : O_RDONLY | O_DIRECTORY;
        break;
    case 4:
        put(w->k, IORING_OP_CLOSE, 9999, NULL, draw(w, 2),
            user_data_of(w->step));
        note->opcode = IORING_OP_CLOSE;
        note->fd_index = -1;
        break;
    case 5:
        write_sqe(w, one_in(w, 2) ? 200 : IORING_OP_NOP, -1, NULL, 0)
            ->personality = 77;
        break;
    case 6:
        if (one_in(w, 4)) {
            /* Not the datagrams: a receive that waits on such a socket ends
             * when Linux loses patience. */
            write_sqe(w, IORING_OP_SHUTDOWN, (int)draw(w, DGRAM_A), NULL,
                      draw(w, 4));
            break;
        }
        /* fallthrough */
    default:
        /* Behind a receive it would wait for its turn to fail. */
        fd_index = (int)draw(w, DESCRIPTORS);
        if (is_taken(w, fd_index, false))
            fd_index = FILE_;
        write_sqe(w, IORING_OP_ACCEPT, fd_index, NULL, draw(w, 2));
    }
}

static uint32_t hash_of(const struct request_note *note)
{
    uint32_t hash = (uint32_t)note->message.msg_flags;

    for (int i = 0; i < BUFFER; i++)
        hash = (hash ^ note->buffer[i]) * 16777619u;
    return hash;
}

static void note_result(struct world *w, unsigned id, int result)
{
    struct request_note *note = &w->notes[id];

    CHECK_LE(id, w->step);
    CHECK_LT(w->log_count, (unsigned)LOG_MAX);
    if (!note->pending)
        FAIL("request %u has ended twice", id);
    note->pending = false;
    if (note->opcode == IORING_OP_OPENAT && result >= 0) {
        close(result);
        result = 0;
    }
    /* A worker of Linux's may look busy for a moment after its CQE. */
    if (note->opcode == IORING_OP_ASYNC_CANCEL && result == -EALREADY)
        result = -ENOENT;
    w->log[w->log_count++] =
        (struct entry){ w->step, id, result, hash_of(note) };
}

static void reap(struct world *w)
{
    struct io_uring_cqe cqe;

    while (cq_take(&w->k->cq, &cqe)) {
        unsigned id = (unsigned)(cqe.user_data >> 4);

        if ((cqe.user_data & KERNEL_TAG_MASK) == KERNEL_TAG_INTERNAL)
            w->k->class->internal(w->k, &cqe);
        else if (id != LAST_CANCEL)
            note_result(w, id, cqe.res);
    }
}

/* Does the request end whatever happens? */
static bool always_ends(const struct request_note *note)
{
    switch (note->opcode) {
    case IORING_OP_FSYNC:
    case IORING_OP_STATX:
    case IORING_OP_OPENAT:
    case IORING_OP_CLOSE:
    case IORING_OP_SHUTDOWN:
    case IORING_OP_NOP:
    case IORING_OP_ASYNC_CANCEL:
    case IORING_OP_POLL_REMOVE:
    case IORING_OP_TIMEOUT_REMOVE:
        return true;
    case IORING_OP_READ:
    case IORING_OP_WRITE:
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
        return note->fd_index == FILE_ || note->fd_index == DIR_;
    default:
        return false;
    }
}

static void run_step(struct world *w)
{
    struct request_note *note = &w->notes[w->step];

    switch (draw(w, 10)) {
    case 0:
    case 1:
    case 2:
        step_socket(w);
        break;
    case 3:
    case 4:
    case 5:
        step_file(w);
        break;
    case 6:
        step_poll(w);
        break;
    case 7:
        step_timeout(w);
        break;
    case 8:
        step_cancel(w);
        break;
    default:
        step_other(w);
    }
    note->pending = true;
    enter(w->k, 0);
    reap(w);
    while (note->pending && always_ends(note)) {
        enter(w->k, 1);
        reap(w);
    }
    /* Linux may need a turn for what this one has woken. */
    for (int i = 0; i < 3; i++) {
        enter(w->k, 0);
        reap(w);
    }
}

static bool anything_pending(const struct world *w)
{
    for (unsigned id = 0; id < STEPS; id++)
        if (w->notes[id].pending)
            return true;
    return false;
}

static int by_step_and_id(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;

    if (left->step != right->step)
        return left->step < right->step ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

static void run(struct world *w, struct kernel *k, uint64_t seed)
{
    world_init(w, k, seed);
    for (w->step = 0; w->step < STEPS; w->step++)
        run_step(w);
    /* The end of all that still waits, and of the world. */
    put(k, IORING_OP_ASYNC_CANCEL, -1, NULL, 0, user_data_of(LAST_CANCEL))
        ->cancel_flags = IORING_ASYNC_CANCEL_ANY;
    enter(k, 1);
    while (anything_pending(w)) {
        if (cq_ready(&k->cq) == 0)
            enter(k, 1);
        reap(w);
    }
    reap(w);
    world_fini(w);
    qsort(w->log, w->log_count, sizeof *w->log, by_step_and_id);
}

static void compare(const struct world *ring, const struct world *emu,
                    unsigned seed)
{
    for (unsigned i = 0; i < ring->log_count || i < emu->log_count; i++) {
        const struct entry *a = &ring->log[i], *b = &emu->log[i];

        if (a->step == b->step && a->id == b->id && a->result == b->result &&
            a->hash == b->hash)
            continue;
        FAIL("seed %u: on the ring request %u (opcode %u, descriptor %d) "
             "ended in step %u with %d (%08x), on the emulator request %u "
             "(opcode %u, descriptor %d) in step %u with %d (%08x)",
             seed, a->id, ring->notes[a->id].opcode,
             ring->notes[a->id].fd_index, a->step, a->result, a->hash, b->id,
             emu->notes[b->id].opcode, emu->notes[b->id].fd_index, b->step,
             b->result, b->hash);
    }
}

/* From Linux 6.12 on both kernels end the same requests in the same step. */
static bool ring_is_young(void)
{
    struct kernel_options options = { .entries = 4 };
    struct kernel *ring;
    bool young;

    if (kernel_uring_refusal() != NULL)
        return true; /* that is another reason to skip */
    CHECK_OK(uring_open(&ring, &options));
    young = (ring->features & IORING_FEAT_MIN_TIMEOUT) != 0;
    ring->class->destroy(ring);
    return young;
}

TEST(emu_random_programs_end_as_on_linux_s_ring)
{
    struct kernel_options options = { .entries = 16 };
    const char *only = getenv("GYRE_SEED");
    unsigned first = only != NULL ? (unsigned)atoi(only) : 1;
    unsigned count = only != NULL ? 1 : 1500 / test_scale();
    static struct world ring, emu;

    if (test_on_valgrind())
        TEST_SKIP("its bad pointers are what valgrind reports");
    /* 6.1 was seen to end a cancelled receive one step after its cancel. */
    if (!ring_is_young())
        TEST_SKIP("an older Linux ends cancelled requests a step later");
    if (kernel_uring_refusal() != NULL)
        TEST_SKIP("needs io_uring");
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    for (unsigned seed = first; seed < first + count; seed++) {
        struct kernel *k;

        CHECK_OK(uring_open(&k, &options));
        CHECK_OK(k->class->attach(k));
        run(&ring, k, seed);
        world_close(k);
        k = world_open(16, 0, 0);
        run(&emu, k, seed);
        world_close(k);
        compare(&ring, &emu, seed);
    }
}
