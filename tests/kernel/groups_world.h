/* SPDX-License-Identifier: MIT */
/*
 * groups_world.h - a group of buffers, on Linux's ring and on the emulator
 *
 * A BOTH_TEST runs on both and expects the same: it states what Linux does, and
 * that the emulator does it too.
 */
#ifndef KERNEL_GROUPS_WORLD_H
#define KERNEL_GROUPS_WORLD_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/choose.h"
#include "kernel/uring/uring.h"
#include "ring/abi_register.h"
#include "runner/test.h"
#include "test_emu_world.h"

#define ID(n) ((uint64_t)(n) << 4)

enum { GROUP = 7, SIZE = 64 };

/* A ring of buffers of SIZE bytes, registered as GROUP. */
struct ring_of {
    struct kernel *k;
    struct io_uring_buf *entries;
    unsigned count;
    char *memory;
};

static inline void add_part(struct ring_of *ring, unsigned id, char *at,
                            unsigned size)
{
    uint16_t tail = ring->entries[0].resv;
    struct io_uring_buf *entry = &ring->entries[tail & (ring->count - 1)];

    entry->addr = (uintptr_t)at;
    entry->len = size;
    entry->bid = (uint16_t)id;
    __atomic_store_n(&ring->entries[0].resv, (uint16_t)(tail + 1),
                     __ATOMIC_RELEASE);
}

static inline void add(struct ring_of *ring, unsigned id)
{
    add_part(ring, id, ring->memory + id * SIZE, SIZE);
}

static inline int set_up(struct kernel *k, struct ring_of *ring, unsigned count,
                         unsigned flags)
{
    struct io_uring_buf_reg reg = { .ring_entries = count,
                                    .bgid = GROUP,
                                    .flags = (uint16_t)flags };

    ring->k = k;
    ring->count = count;
    ring->entries = mmap(NULL, count * sizeof *ring->entries,
                         PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                         -1, 0);
    CHECK(ring->entries != MAP_FAILED);
    ring->memory = calloc(count, SIZE);
    CHECK(ring->memory != NULL);
    reg.ring_addr = (uintptr_t)ring->entries;
    return k->class->reg(k, IORING_REGISTER_PBUF_RING, &reg, 1);
}

static inline int unregister(struct kernel *k, unsigned group)
{
    struct io_uring_buf_reg reg = { .bgid = (uint16_t)group };

    return k->class->reg(k, IORING_UNREGISTER_PBUF_RING, &reg, 1);
}

static inline void tear_down(struct ring_of *ring)
{
    CHECK_OK(unregister(ring->k, GROUP));
    CHECK_OK(munmap(ring->entries, ring->count * sizeof *ring->entries));
    free(ring->memory);
}

static inline void check_head(struct kernel *k, unsigned head)
{
    struct io_uring_buf_status status = { .buf_group = GROUP };
    int err = k->class->reg(k, IORING_REGISTER_PBUF_STATUS, &status, 1);

    if (err == -EINVAL && k->ring_fd >= 0)
        return; /* Linux < 6.8 */
    CHECK_OK(err);
    CHECK_EQ(status.head, head);
}

static inline struct io_uring_sqe *put_chosen(struct kernel *k, uint8_t opcode,
                                              int fd, uint64_t id)
{
    struct io_uring_sqe *sqe = put(k, opcode, fd, NULL, 0, id);

    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    return sqe;
}

#define MORE IORING_CQE_F_MORE
#define PART IORING_CQE_F_BUF_MORE
#define BUFFER(id)                                                             \
    (IORING_CQE_F_BUFFER | (uint32_t)(id) << IORING_CQE_BUFFER_SHIFT)

/* The next CQE, which must be this; the hint that a socket has more is a hint.
 */
static inline void expect_cqe(struct kernel *k, uint64_t id, int result,
                              uint32_t flags)
{
    struct io_uring_cqe cqe;

    enter(k, 1);
    cqe = take(k);
    CHECK_EQ(cqe.user_data, id);
    CHECK_ERR(cqe.res, result);
    CHECK_EQ(cqe.flags & ~IORING_CQE_F_SOCK_NONEMPTY, flags);
}

static inline void end(struct kernel *k, uint64_t id)
{
    put(k, IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)id, 0, ID(999));
    expect_cqe(k, ID(999), 0, 0);
    expect_cqe(k, id, -ECANCELED, 0);
}

/* May the body go on? On the emulator, and on a ring that has this. */
static inline bool has(struct kernel *k, enum ring_feature feature)
{
    return k->ring_fd < 0 || uring_of(k)->opcodes.feature[feature];
}

static inline bool has_opcode(struct kernel *k, unsigned opcode)
{
    return k->ring_fd < 0 || uring_of(k)->opcodes.has[opcode];
}

static inline void say(int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Run `body` on the emulator and, if there is one that keeps groups, on the
 * ring. */
static inline void on_both(void (*body)(struct kernel *k))
{
    struct kernel_options options = { .entries = 16 };
    struct kernel *k = world_open(16, 0, 0);

    body(k);
    world_close(k);
    if (kernel_uring_refusal() != NULL)
        return;
    CHECK_OK(uring_open(&k, &options));
    CHECK_OK(k->class->attach(k));
    if (has(k, RING_BUF_RING) && has(k, RING_RECV_MULTISHOT))
        body(k);
    k->class->destroy(k);
}

#define BOTH_TEST(name)                                                        \
    static void name##_on(struct kernel *k);                                   \
    TEST(name)                                                                 \
    {                                                                          \
        on_both(name##_on);                                                    \
    }                                                                          \
    static void name##_on(struct kernel *k)

#endif
