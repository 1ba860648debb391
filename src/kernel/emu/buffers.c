/* SPDX-License-Identifier: MIT */
/*
 * buffers.c - registered buffers
 *
 * A buffer counts its slot and the requests on it. When the last of them is
 * over, the tag that it was registered with, if any, is told by a CQE, for
 * which a request was set aside when the tag came: telling cannot fail.
 */
#include "kernel/emu/buffers.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "kernel/emu/internal.h"
#include "ring/abi_register.h"

#define BUFFERS_MAX (1U << 14) /* these two as Linux */
#define BUFFER_SIZE_MAX ((size_t)1 << 30)

struct emu_buffer {
    uint64_t address;
    uint64_t size;
    uint32_t users;         /* its slot, and requests */
    struct request *teller; /* of the tag, or NULL */
};

void buffers_drop(struct emu *emu, struct emu_buffer *buffer)
{
    if (buffer == NULL)
        return;
    ASSERT(buffer->users > 0);
    if (--buffer->users > 0)
        return;
    if (buffer->teller != NULL)
        request_complete(emu, buffer->teller, 0);
    alloc_free(buffer);
}

static struct emu_buffer *buffer_create(struct emu *emu,
                                        const struct iovec *iov, uint64_t tag)
{
    struct io_uring_sqe sqe = { .user_data = tag };
    struct emu_buffer *buffer = alloc_zeroed(1, sizeof *buffer);

    if (buffer == NULL)
        return NULL;
    if (tag != 0) {
        buffer->teller = request_new(emu, &sqe);
        if (buffer->teller == NULL) {
            alloc_free(buffer);
            return NULL;
        }
    }
    buffer->address = (uintptr_t)iov->iov_base;
    buffer->size = iov->iov_len;
    buffer->users = 1;
    return buffer;
}

/* ---- the table ----------------------------------------------------------- */

static int check_one(const struct iovec *iov, uint64_t tag)
{
    if (iov->iov_base == NULL) {
        if (iov->iov_len != 0)
            return -EFAULT;
        return tag != 0 ? -EINVAL : 0;
    }
    if (iov->iov_len == 0 || iov->iov_len > BUFFER_SIZE_MAX)
        return -EFAULT;
    return 0;
}

static int update_one(struct emu *emu, uint32_t slot, const struct iovec *iov,
                      uint64_t tag)
{
    struct emu_buffer *old = emu->buffers.slots[slot];
    struct emu_buffer *buffer = NULL;
    int error = check_one(iov, tag);

    if (error == 0 && iov->iov_base != NULL) {
        error = copy_check((uintptr_t)iov->iov_base, iov->iov_len);
        if (error == 0) {
            buffer = buffer_create(emu, iov, tag);
            error = buffer == NULL ? -ENOMEM : 0;
        }
    }
    if (error != 0)
        return error;
    emu->buffers.slots[slot] = buffer;
    buffers_drop(emu, old);
    return 0;
}

/* How many slots were done; `error` says what stopped it, if it is fewer. */
static uint32_t update_each(struct emu *emu, uint32_t first, uint64_t vectors,
                            uint64_t tags, uint32_t count, int *error)
{
    for (uint32_t done = 0; done < count; done++) {
        struct iovec iov = { NULL, 0 };
        uint64_t tag = 0;

        *error = copy_in(&iov, vectors + done * sizeof iov, sizeof iov);
        if (*error == 0 && tags != 0)
            *error = copy_in(&tag, tags + done * sizeof tag, sizeof tag);
        if (*error == 0)
            *error = update_one(emu, first + done, &iov, tag);
        if (*error != 0)
            return done;
    }
    return count;
}

static void table_clear(struct emu *emu)
{
    for (uint32_t slot = 0; slot < emu->buffers.count; slot++) {
        struct emu_buffer *buffer = emu->buffers.slots[slot];

        emu->buffers.slots[slot] = NULL;
        buffers_drop(emu, buffer);
    }
    alloc_free(emu->buffers.slots);
    emu->buffers = (struct emu_buffers){ 0 };
}

/* No request is left, so nobody is told. */
void buffers_deinit(struct emu *emu)
{
    for (uint32_t slot = 0; slot < emu->buffers.count; slot++)
        alloc_free(emu->buffers.slots[slot]);
    alloc_free(emu->buffers.slots);
}

/* The tags of a registration that failed are not told. */
static void untag(struct emu *emu, uint32_t count)
{
    for (uint32_t slot = 0; slot < count; slot++) {
        struct emu_buffer *buffer = emu->buffers.slots[slot];

        if (buffer == NULL || buffer->teller == NULL)
            continue;
        buffer->teller->place = EMU_FREE;
        request_release(emu, buffer->teller);
        buffer->teller = NULL;
    }
}

static int table_register(struct emu *emu, uint64_t vectors, uint64_t tags,
                          uint32_t count)
{
    uint32_t done;
    int error = 0;

    if (emu->buffers.slots != NULL)
        return -EBUSY;
    if (count == 0 || count > BUFFERS_MAX)
        return -EINVAL;
    emu->buffers.slots = alloc_zeroed(count, sizeof(struct emu_buffer *));
    if (emu->buffers.slots == NULL)
        return -ENOMEM;
    emu->buffers.count = count;
    if (vectors == 0)
        return 0;
    done = update_each(emu, 0, vectors, tags, count, &error);
    if (done == count)
        return 0;
    untag(emu, done);
    table_clear(emu);
    return error;
}

static int table_register2(struct emu *emu, uint64_t from, unsigned size)
{
    struct io_uring_rsrc_register asked;
    bool sparse;
    int error;

    if (size != sizeof asked)
        return -EINVAL;
    error = copy_in(&asked, from, sizeof asked);
    if (error != 0)
        return error;
    sparse = (asked.flags & IORING_RSRC_REGISTER_SPARSE) != 0;
    if (asked.resv2 != 0 ||
        (asked.flags & ~(uint32_t)IORING_RSRC_REGISTER_SPARSE) != 0 ||
        (sparse && asked.data != 0))
        return -EINVAL;
    if (!sparse && asked.data == 0)
        return -EFAULT;
    return table_register(emu, asked.data, asked.tags, asked.nr);
}

static int table_update(struct emu *emu, uint64_t from, unsigned size)
{
    struct io_uring_rsrc_update2 asked;
    uint32_t done, end;
    int error;

    if (size != sizeof asked)
        return -EINVAL;
    error = copy_in(&asked, from, sizeof asked);
    if (error != 0)
        return error;
    if (asked.nr == 0 || asked.resv != 0 || asked.resv2 != 0)
        return -EINVAL;
    if (emu->buffers.slots == NULL)
        return -ENXIO;
    if (__builtin_add_overflow(asked.offset, asked.nr, &end))
        return -EOVERFLOW;
    if (end > emu->buffers.count)
        return -EINVAL;
    done = update_each(emu, asked.offset, asked.data, asked.tags, asked.nr,
                       &error);
    return done > 0 ? (int)done : error;
}

bool buffers_has(unsigned opcode)
{
    return opcode == IORING_REGISTER_BUFFERS ||
           opcode == IORING_REGISTER_BUFFERS2 ||
           opcode == IORING_REGISTER_BUFFERS_UPDATE ||
           opcode == IORING_UNREGISTER_BUFFERS;
}

int buffers_register(struct emu *emu, unsigned opcode, void *arg,
                     unsigned count)
{
    uint64_t from = (uintptr_t)arg;

    switch (opcode) {
    case IORING_REGISTER_BUFFERS:
        return arg == NULL ? -EFAULT : table_register(emu, from, 0, count);
    case IORING_REGISTER_BUFFERS2:
        return table_register2(emu, from, count);
    case IORING_REGISTER_BUFFERS_UPDATE:
        return table_update(emu, from, count);
    default:
        if (arg != NULL || count != 0)
            return -EINVAL;
        if (emu->buffers.slots == NULL)
            return -ENXIO;
        table_clear(emu);
        return 0;
    }
}

/* ---- requests ------------------------------------------------------------ */

static bool is_vectored(uint8_t opcode)
{
    return opcode == IORING_OP_READV_FIXED || opcode == IORING_OP_WRITEV_FIXED;
}

bool buffers_are_named(const struct io_uring_sqe *sqe)
{
    return sqe->opcode == IORING_OP_READ_FIXED ||
           sqe->opcode == IORING_OP_WRITE_FIXED || is_vectored(sqe->opcode) ||
           ((sqe->opcode == IORING_OP_SEND_ZC ||
             sqe->opcode == IORING_OP_SENDMSG_ZC) &&
            (sqe->ioprio & IORING_RECVSEND_FIXED_BUF) != 0);
}

static bool buffer_holds(const struct emu_buffer *buffer, uint64_t address,
                         uint64_t size)
{
    return address >= buffer->address &&
           address - buffer->address <= buffer->size &&
           size <= buffer->size - (address - buffer->address);
}

/* As Linux, which takes no part that is empty. */
static int check_vector(const struct emu_buffer *buffer, uint64_t from,
                        size_t count)
{
    struct iovec part;

    if (count > IOV_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        int error = copy_in(&part, from + i * sizeof part, sizeof part);

        if (error != 0)
            return error;
        if (part.iov_len == 0 ||
            !buffer_holds(buffer, (uintptr_t)part.iov_base, part.iov_len))
            return -EFAULT;
    }
    return 0;
}

static int check_bounds(const struct emu_buffer *buffer,
                        const struct io_uring_sqe *sqe)
{
    struct msghdr message;
    int error;

    if (is_vectored(sqe->opcode))
        return check_vector(buffer, sqe->addr, sqe->len);
    if (sqe->opcode != IORING_OP_SENDMSG_ZC)
        return buffer_holds(buffer, sqe->addr, sqe->len) ? 0 : -EFAULT;
    error = copy_in(&message, sqe->addr, sizeof message);
    return error != 0 ? error
                      : check_vector(buffer, (uintptr_t)message.msg_iov,
                                     message.msg_iovlen);
}

int buffers_take(struct emu *emu, struct request *r)
{
    struct emu_buffer *buffer = NULL;
    int error;

    if (!buffers_are_named(&r->sqe))
        return 0;
    if (r->sqe.buf_index < emu->buffers.count)
        buffer = emu->buffers.slots[r->sqe.buf_index];
    error = buffer == NULL ? -EFAULT : check_bounds(buffer, &r->sqe);
    if (error != 0)
        return error;
    buffer->users++;
    r->buffer = buffer;
    return 0;
}
