/* SPDX-License-Identifier: MIT */
/*
 * request.c - an item becomes an SQE, and what the kernel wrote a number
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

/* ---- addresses ----------------------------------------------------------- */

static void set_vector(struct cell *cell, unsigned size)
{
    unsigned half = size / 3 + 1;

    cell->parts[0] = (struct iovec){ cell->buffer, half };
    cell->parts[1] = (struct iovec){ cell->buffer + half, size };
}

static void set_fixed_vector(struct world *world, struct cell *cell,
                             unsigned index)
{
    unsigned char *at = world->registered[index % REGISTERED];

    cell->parts[0] = (struct iovec){ at + 10, 5 };
    cell->parts[1] = (struct iovec){ at + 40, 9 };
}

static void set_time(struct cell *cell, enum time time)
{
    static const struct ring_timespec times[] = {
        [TIME_LONG] = { 1000, 0 },
        [TIME_SHORT] = { 0, 500000 },
        [TIME_ZERO] = { 0, 0 },
        [TIME_NEGATIVE] = { -1, 0 },
    };

    cell->time = times[time];
}

static void set_how(struct cell *cell, const struct io_uring_sqe *sqe)
{
    cell->how.flags = sqe->open_flags;
    cell->how.mode = (sqe->open_flags & O_CREAT) != 0 ? 0600 : 0;
}

static void set_address(const struct world *world, struct cell *cell,
                        const struct io_uring_sqe *sqe)
{
    if (sqe->addr2 == sizeof cell->address.in) {
        cell->address.in.sin_family = AF_INET;
        cell->address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return;
    }
    cell->address.un.sun_family = AF_UNIX;
    memcpy(cell->address.un.sun_path + 1, world->listener_name, 9);
}

static void set_events(struct cell *cell)
{
    cell->events[0].events = EPOLLIN;
    cell->events[0].data.u64 = 0x1234;
}

static void set_futexes(struct world *world, struct cell *cell)
{
    for (int i = 0; i < 2; i++) {
        cell->futexes[i].address = (uintptr_t)&world->futexes[i];
        cell->futexes[i].flags = 2; /* FUTEX2_SIZE_U32 */
    }
}

static const void *bytes_of(struct world *world, unsigned id, uint8_t ref)
{
    const struct item *item = &world->program->items[id];
    struct cell *cell = &world->cells[id];

    switch (ref) {
    case REF_BUFFER:
        return cell->buffer;
    case REF_VECTOR:
        set_vector(cell, item->sqe.opcode == IORING_OP_READV ? 60 : 20);
        if (item->sqe.fd == FD_BASE + EVENT || item->sqe.fd == FD_BASE + EVENT2)
            cell->parts[0].iov_len = 8;
        return cell->parts;
    case REF_MESSAGE:
        set_vector(cell, 30);
        cell->message.msg_iov = cell->parts;
        cell->message.msg_iovlen =
            (item->sqe.flags & IOSQE_BUFFER_SELECT) != 0 ? 0 : 2;
        return &cell->message;
    case REF_TIME:
        set_time(cell, item->time);
        return &cell->time;
    case REF_NAME:
        return program_names[item->name];
    case REF_NAME2:
        return program_names[item->name2];
    case REF_STATUS:
        return &cell->status;
    case REF_HOW:
        set_how(cell, &item->sqe);
        return &cell->how;
    case REF_ADDRESS:
        set_address(world, cell, &item->sqe);
        return &cell->address;
    case REF_DESCRIPTORS:
        cell->descriptors[0] = FD_BASE + FILE_F;
        cell->descriptors[1] = -1;
        return cell->descriptors;
    case REF_FUTEX:
        return &world->futexes[item->end - FUTEX_0];
    case REF_FUTEXES:
        set_futexes(world, cell);
        return cell->futexes;
    case REF_EVENTS:
        set_events(cell);
        return cell->events;
    case REF_CHILD_INFO:
        return &cell->child;
    case REF_ATTRIBUTE:
        return id % 2 == 0 ? "user.a" : "user.b";
    case REF_PAGES:
        return world->pages;
    case REF_FIXED_VECTOR:
        set_fixed_vector(world, cell, item->sqe.buf_index);
        return cell->parts;
    case REF_REGISTERED:
        return world->registered[item->sqe.buf_index % REGISTERED] + 10;
    case REF_GROUP:
        return world->pieces[2];
    default:
        return NULL;
    }
}

static uint64_t address_of(struct world *world, unsigned id, uint8_t ref,
                           uint64_t number)
{
    switch (ref) {
    case REF_NUMBER:
        return number;
    case REF_BAD:
        return 8;
    case REF_TARGET:
        return (uint64_t)(world->program->items[id].target + 1) << 4;
    default:
        return (uintptr_t)bytes_of(world, id, ref);
    }
}

/* ---- the SQE ------------------------------------------------------------- */

static bool writes(uint8_t opcode)
{
    switch (opcode) {
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV:
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC:
    case IORING_OP_FSETXATTR:
    case IORING_OP_SETXATTR:
        return true;
    default:
        return false;
    }
}

struct io_uring_sqe world_request(struct world *world, unsigned id)
{
    const struct item *item = &world->program->items[id];
    struct cell *cell = &world->cells[id];
    struct io_uring_sqe sqe = item->sqe;

    if (writes(sqe.opcode))
        memset(cell->buffer, (int)(id % 5) + 1, sizeof cell->buffer);
    if (sqe.opcode == IORING_OP_URING_CMD)
        memset(cell->buffer, 0, 8), cell->buffer[0] = 1;
    sqe.addr = address_of(world, id, item->addr, sqe.addr);
    if (item->off != REF_NUMBER)
        sqe.off = address_of(world, id, item->off, sqe.off);
    if (item->addr3 != REF_NUMBER)
        sqe.addr3 = address_of(world, id, item->addr3, sqe.addr3);
    if (sqe.opcode == IORING_OP_OPENAT2)
        sqe.open_flags = 0;
    if (sqe.opcode == IORING_OP_WAITID && sqe.len == P_PID &&
        sqe.fd == FD_BASE + CHILD)
        sqe.fd = world->child;
    if (sqe.opcode == IORING_OP_MSG_RING && sqe.fd == FD_BASE + OTHER_RING &&
        (sqe.flags & IOSQE_FIXED_FILE) == 0)
        sqe.fd = world->other != NULL ? world->other->address : -1;
    sqe.user_data = (uint64_t)(id + 1) << 4;
    return sqe;
}

/* ---- answers ------------------------------------------------------------- */

uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 16777619u;
    return hash;
}

static uint32_t hash_descriptor(int fd)
{
    struct stat status;
    uint32_t words[3] = { 0 };

    if (fstat(fd, &status) == 0)
        words[0] = status.st_mode & S_IFMT;
    words[1] = (uint32_t)fcntl(fd, F_GETFL);
    words[2] = (uint32_t)fcntl(fd, F_GETFD);
    return hash_bytes(1, words, sizeof words);
}

static uint32_t hash_status(const struct statx *status)
{
    uint64_t words[3] = { status->stx_size, status->stx_mode & S_IFMT,
                          status->stx_nlink };

    if (S_ISDIR(status->stx_mode))
        words[0] = 0;
    return hash_bytes(2, words, sizeof words);
}

static uint32_t hash_child(const siginfo_t *child)
{
    int words[3] = { child->si_signo, child->si_code, child->si_status };

    return hash_bytes(3, words, sizeof words);
}

static uint32_t hash_message(const struct cell *cell)
{
    uint64_t words[3] = { (uint64_t)cell->message.msg_flags,
                          cell->message.msg_namelen,
                          cell->message.msg_controllen };

    return hash_bytes(hash_bytes(4, words, sizeof words), cell->buffer,
                      sizeof cell->buffer);
}

static uint32_t hash_pipe(const struct cell *cell)
{
    uint32_t hash = 5;

    for (int i = 0; i < 2; i++) {
        hash = hash * 31 + hash_descriptor(cell->descriptors[i]);
        close(cell->descriptors[i]);
    }
    return hash;
}

uint32_t world_answer(const struct world *world, unsigned id, int result)
{
    const struct item *item = &world->program->items[id];
    const struct cell *cell = &world->cells[id];
    size_t events = result > 0 ? (size_t)result : 0;

    switch (item->sqe.opcode) {
    case IORING_OP_OPENAT:
    case IORING_OP_OPENAT2:
    case IORING_OP_ACCEPT:
    case IORING_OP_SOCKET:
        return result < 0 || item->sqe.file_index != 0
                   ? 0
                   : hash_descriptor(result);
    case IORING_OP_FIXED_FD_INSTALL:
        return result < 0 ? 0 : hash_descriptor(result);
    case IORING_OP_PIPE:
        return result == 0 ? hash_pipe(cell) : 0;
    case IORING_OP_STATX:
        return result == 0 ? hash_status(&cell->status) : 0;
    case IORING_OP_WAITID:
        return hash_child(&cell->child);
    case IORING_OP_RECVMSG:
        return hash_message(cell);
    case IORING_OP_EPOLL_WAIT:
        return hash_bytes(6, cell->events, events * sizeof *cell->events);
    case IORING_OP_FILES_UPDATE:
        return hash_bytes(7, cell->descriptors, sizeof cell->descriptors);
    default:
        return hash_bytes(8, cell->buffer, sizeof cell->buffer);
    }
}
