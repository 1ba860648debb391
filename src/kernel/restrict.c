/* SPDX-License-Identifier: MIT */
/*
 * restrict.c - what a kernel may be asked for, looked at request by request
 *
 * Linux's rules and Linux's answers, so that a program meets the same on every
 * kernel. The arguments that are looked at lie in the caller's memory, which
 * another thread could change between this look and Linux's: against that helps
 * only what Linux itself holds the ring to.
 */
#include "kernel/restrict.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/memory.h"

/* SOCK_NONBLOCK and SOCK_CLOEXEC are beside the type. */
#define SOCKET_TYPES 15

static bool is_among(uint64_t set, uint64_t number)
{
    return set == 0 || (number < 64 && (set >> number & 1) != 0);
}

static int look_at_socket(const struct restriction *restriction,
                          const struct io_uring_sqe *sqe)
{
    bool permitted =
        is_among(restriction->families, (uint32_t)sqe->fd) &&
        is_among(restriction->types, (uint32_t)sqe->off & SOCKET_TYPES);

    return permitted ? 0 : -EACCES;
}

static int look_at_connect(const struct restriction *restriction,
                           const struct io_uring_sqe *sqe)
{
    sa_family_t family = 0;

    if (restriction->peers == 0)
        return 0;
    if (sqe->addr == 0 || (sqe->addr2 >= sizeof family &&
                           !memory_is_readable(sqe->addr, sizeof family)))
        return -EFAULT;
    if (sqe->addr2 >= sizeof family)
        memcpy(&family, (const void *)(uintptr_t)sqe->addr, sizeof family);
    return is_among(restriction->peers, family) ? 0 : -EACCES;
}

static int look_at_open(const struct restriction *restriction, uint64_t flags,
                        uint64_t resolve)
{
    bool permitted =
        (!restriction->opens_few || (flags & ~restriction->open_flags) == 0) &&
        (resolve & restriction->open_resolve) == restriction->open_resolve;

    return permitted ? 0 : -EACCES;
}

/* struct open_how: flags, mode, resolve. */
static int look_at_open2(const struct restriction *restriction,
                         const struct io_uring_sqe *sqe)
{
    uint64_t how[3];

    if (!restriction->opens_few && restriction->open_resolve == 0)
        return 0;
    if (sqe->len < sizeof how)
        return -EINVAL;
    if (!memory_is_readable(sqe->addr2, sizeof how))
        return -EFAULT;
    memcpy(how, (const void *)(uintptr_t)sqe->addr2, sizeof how);
    return look_at_open(restriction, how[0], how[2]);
}

int restriction_refuses(const struct restriction *restriction,
                        const struct io_uring_sqe *sqe)
{
    uint8_t required = restriction->flags_required;

    if (!restriction_bit(restriction->ops, sqe->opcode) ||
        (sqe->flags & required) != required ||
        (sqe->flags & ~(restriction->flags_allowed | required)) != 0)
        return -EACCES;
    switch (sqe->opcode) {
    case IORING_OP_SOCKET:
        return look_at_socket(restriction, sqe);
    case IORING_OP_CONNECT:
        return look_at_connect(restriction, sqe);
    case IORING_OP_OPENAT:
        return look_at_open(restriction, sqe->open_flags, 0);
    case IORING_OP_OPENAT2:
        return look_at_open2(restriction, sqe);
    default:
        return 0;
    }
}

bool restriction_registers(const struct restriction *restriction,
                           unsigned opcode)
{
    return restriction == NULL ||
           (opcode < 64 && (restriction->registers >> opcode & 1) != 0);
}
