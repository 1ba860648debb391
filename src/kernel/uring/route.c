/* SPDX-License-Identifier: MIT */
/*
 * route.c - where a request goes: to Linux, or to the co-processor
 *
 * Linux first; what it lacks, and what it has no opcode for, the emulator. Most
 * opcodes are decided once, when the ring is made. Some Linux has, but not with
 * every flag: such an opcode has a row below for each of these flags, and if
 * this Linux lacks one, each request of the opcode is looked at.
 *
 * Buffer groups belong to one executor, and so does the table of registered
 * files. If the ring lacks some of what their users need, they belong to the
 * emulator, and every request that names one goes there.
 *
 * A ring that has groups and no READ_MULTISHOT reads once for each result.
 */
#include <sys/socket.h>

#include "kernel/emu/emu.h"
#include "kernel/uring/polled.h"
#include "kernel/uring/uring.h"

enum field {
    FIELD_IOPRIO,
    FIELD_FLAGS,
    FIELD_ADDRESS,   /* 1: there is one */
    FIELD_COMMAND,   /* of a socket: one bit each */
    FIELD_LONG_FILE, /* 1: advice on 4 GiB of it and more */
    FIELD_LONG_MEMORY,
    FIELD_NOWHERE, /* 1: a read at no offset, of what is nobody's but its own */
    FIELD_LEVEL,   /* 1: options of a level that Linux's command refuses */
    FIELD_DISCARD, /* 1: that command */
};

#define COMMAND_BIT(command) RING_BIT(SOCKET_URING_OP_##command)
#define COMMANDS_6_7                                                           \
    (COMMAND_BIT(SIOCINQ) | COMMAND_BIT(SIOCOUTQ) | COMMAND_BIT(GETSOCKOPT) |  \
     COMMAND_BIT(SETSOCKOPT))
#define NO_LINUX RING_FEATURE_COUNT

#define READ_MAX 0x7ffff000U /* Linux moves no more by one request */

/* Where Linux does not know the bit, the request */
enum without {
    BESIDE,   /* goes to the emulator */
    REFUSED,  /* is refused, for it is about what Linux has */
    LEFT_OUT, /* goes without it, which is as good */
    REPEATED, /* goes without it, once for each result */
};

struct need {
    uint8_t opcode;
    enum field field;
    uint32_t flag; /* a request with one of these bits in the field */
    enum ring_feature feature;
    enum without without;
};

static const struct need needs[] = {
    { IORING_OP_TIMEOUT, FIELD_FLAGS, IORING_TIMEOUT_CLOCK_MASK,
      RING_TIMEOUT_CLOCKS, BESIDE },
    { IORING_OP_TIMEOUT, FIELD_FLAGS, IORING_TIMEOUT_ETIME_SUCCESS,
      RING_TIMEOUT_ETIME_SUCCESS, BESIDE },
    { IORING_OP_TIMEOUT, FIELD_FLAGS, IORING_TIMEOUT_MULTISHOT,
      RING_TIMEOUT_MULTISHOT, BESIDE },
    { IORING_OP_TIMEOUT, FIELD_FLAGS, IORING_TIMEOUT_IMMEDIATE_ARG,
      RING_INLINE_TIMEOUTS, BESIDE },
    { IORING_OP_LINK_TIMEOUT, FIELD_FLAGS, IORING_TIMEOUT_IMMEDIATE_ARG,
      RING_INLINE_TIMEOUTS, BESIDE },
    { IORING_OP_TIMEOUT_REMOVE, FIELD_FLAGS, IORING_TIMEOUT_IMMEDIATE_ARG,
      RING_INLINE_TIMEOUTS, REFUSED },
    { IORING_OP_FADVISE, FIELD_LONG_FILE, 1, RING_LONG_ADVICE, BESIDE },
    { IORING_OP_MADVISE, FIELD_LONG_MEMORY, 1, RING_LONG_ADVICE, BESIDE },
    { IORING_OP_READ, FIELD_NOWHERE, 1, RING_STREAM_READS, BESIDE },
    { IORING_OP_READV, FIELD_NOWHERE, 1, RING_STREAM_READS, BESIDE },
    { IORING_OP_ACCEPT, FIELD_IOPRIO, IORING_ACCEPT_MULTISHOT,
      RING_ACCEPT_MULTISHOT, REPEATED },
    { IORING_OP_ACCEPT, FIELD_IOPRIO, IORING_ACCEPT_DONTWAIT, RING_ACCEPT_FLAGS,
      BESIDE },
    { IORING_OP_ACCEPT, FIELD_IOPRIO, IORING_ACCEPT_POLL_FIRST,
      RING_ACCEPT_FLAGS, LEFT_OUT },
    { IORING_OP_RECV, FIELD_IOPRIO, IORING_RECV_MULTISHOT, RING_RECV_MULTISHOT,
      BESIDE },
    { IORING_OP_RECV, FIELD_IOPRIO, IORING_RECVSEND_POLL_FIRST, RING_POLL_FIRST,
      LEFT_OUT },
    { IORING_OP_RECV, FIELD_IOPRIO, IORING_RECVSEND_BUNDLE, RING_RECV_BUNDLE,
      LEFT_OUT },
    { IORING_OP_RECVMSG, FIELD_IOPRIO, IORING_RECV_MULTISHOT,
      RING_RECV_MULTISHOT, BESIDE },
    { IORING_OP_RECVMSG, FIELD_IOPRIO, IORING_RECVSEND_POLL_FIRST,
      RING_POLL_FIRST, LEFT_OUT },
    { IORING_OP_SEND, FIELD_IOPRIO, IORING_RECVSEND_POLL_FIRST, RING_POLL_FIRST,
      LEFT_OUT },
    { IORING_OP_SEND, FIELD_IOPRIO, IORING_RECVSEND_BUNDLE, RING_RECV_BUNDLE,
      LEFT_OUT },
    { IORING_OP_SEND, FIELD_ADDRESS, 1, RING_SEND_TO, BESIDE },
    { IORING_OP_SENDMSG, FIELD_IOPRIO, IORING_RECVSEND_POLL_FIRST,
      RING_POLL_FIRST, LEFT_OUT },
    { IORING_OP_URING_CMD, FIELD_COMMAND, COMMANDS_6_7, RING_SOCKET_COMMANDS,
      BESIDE },
    { IORING_OP_URING_CMD, FIELD_COMMAND, COMMAND_BIT(GETSOCKNAME),
      RING_GETSOCKNAME, BESIDE },
    { IORING_OP_URING_CMD, FIELD_LEVEL, 1, NO_LINUX, BESIDE },
    { IORING_OP_URING_CMD, FIELD_DISCARD, 1, RING_BLOCK_DISCARD, BESIDE },
    { IORING_OP_SEND_ZC, FIELD_IOPRIO, IORING_SEND_ZC_REPORT_USAGE,
      RING_SEND_ZC_REPORT, LEFT_OUT },
    { IORING_OP_SENDMSG_ZC, FIELD_IOPRIO, IORING_SEND_ZC_REPORT_USAGE,
      RING_SEND_ZC_REPORT, LEFT_OUT },
};

static uint32_t field_of(const struct io_uring_sqe *sqe, enum field field)
{
    switch (field) {
    case FIELD_IOPRIO:
        return sqe->ioprio;
    case FIELD_FLAGS:
        return sqe->rw_flags;
    case FIELD_ADDRESS:
        return sqe->addr2 != 0;
    case FIELD_COMMAND:
        /* Those of disks and the like are far above these. */
        return sqe->cmd_op <= SOCKET_URING_OP_GETSOCKNAME
                   ? RING_BIT(sqe->cmd_op)
                   : 0;
    case FIELD_LEVEL:
        return sqe->cmd_op == SOCKET_URING_OP_GETSOCKOPT &&
               sqe->level != SOL_SOCKET;
    case FIELD_NOWHERE:
        /* A buffer or a file that is the ring's, the emulator cannot have. */
        return sqe->off == UINT64_MAX &&
               (sqe->flags & (IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE)) == 0;
    case FIELD_DISCARD:
        return sqe->cmd_op == BLOCK_URING_CMD_DISCARD;
    case FIELD_LONG_FILE:
        return sqe->addr != 0;
    case FIELD_LONG_MEMORY:
        return sqe->off != 0;
    }
    ASSERT(false);
    return 0;
}

static void leave_out(struct io_uring_sqe *sqe, const struct need *need)
{
    switch (need->field) {
    case FIELD_IOPRIO:
        sqe->ioprio &= (uint16_t)~need->flag;
        break;
    case FIELD_FLAGS:
        sqe->rw_flags &= ~need->flag;
        break;
    case FIELD_ADDRESS:
    case FIELD_COMMAND:
    case FIELD_LEVEL:
    case FIELD_NOWHERE:
    case FIELD_DISCARD:
    case FIELD_LONG_FILE:
    case FIELD_LONG_MEMORY:
        ASSERT(false); /* no hints */
    }
}

static bool has(const struct uring *uring, enum ring_feature feature)
{
    return feature < NO_LINUX && uring->opcodes.feature[feature];
}

static bool groups_are_beside(const struct uring *uring)
{
    return !has(uring, RING_BUF_RING) || !has(uring, RING_RECV_MULTISHOT);
}

/* Files are passed between tables of Linux's by Linux alone. */
static bool files_are_beside(const struct uring *uring)
{
    return !has(uring, RING_SPARSE_FILES) ||
           !uring->opcodes.has[IORING_OP_MSG_RING];
}

bool uring_registers_beside(const struct uring *uring, unsigned opcode)
{
    switch (opcode) {
    case IORING_REGISTER_PBUF_RING:
    case IORING_UNREGISTER_PBUF_RING:
    case IORING_REGISTER_PBUF_STATUS:
        return groups_are_beside(uring);
    case IORING_REGISTER_FILES:
    case IORING_UNREGISTER_FILES:
    case IORING_REGISTER_FILES_UPDATE:
    case IORING_REGISTER_FILES2:
    case IORING_REGISTER_FILES_UPDATE2:
    case IORING_REGISTER_FILE_ALLOC_RANGE:
        return uring->kernel.files_emulated;
    default:
        return false;
    }
}

/* Does the group ask for what this Linux would refuse, were it not for
 * GYRE_WITHOUT? */
bool uring_lacks_of_group(const struct uring *uring,
                          const struct io_uring_buf_reg *reg)
{
    return reg != NULL && (reg->flags & IOU_PBUF_RING_INC) != 0 &&
           !has(uring, RING_BUF_RING_INC);
}

/* Is the request about the table of registered files, and that is not Linux's?
 */
static bool is_about_files_beside(const struct uring *uring,
                                  const struct io_uring_sqe *sqe)
{
    return uring->kernel.files_emulated && emu_names_slot(sqe);
}

/* Of IOSQE_: a request with one of these is the emulator's. */
static uint8_t flags_beside(const struct uring *uring)
{
    uint8_t flags = 0;

    if (groups_are_beside(uring))
        flags |= IOSQE_BUFFER_SELECT;
    if (files_are_beside(uring))
        flags |= IOSQE_FIXED_FILE;
    return flags;
}

/* Make a READ of a READ_MULTISHOT. False: it is one that is refused. The length
 * is the buffer's; older ones take 0 for a read of nothing. */
static bool read_again(struct io_uring_sqe *sqe)
{
    if ((sqe->flags & IOSQE_BUFFER_SELECT) == 0 || sqe->addr != 0 ||
        sqe->len != 0)
        return false;
    sqe->opcode = IORING_OP_READ;
    sqe->len = READ_MAX;
    return true;
}

/* A file of Linux's table for a kernel whose table is not: by a descriptor. */
static void export_file(struct io_uring_sqe *sqe)
{
    *sqe = (struct io_uring_sqe){
        .opcode = IORING_OP_FIXED_FD_INSTALL,
        .flags = IOSQE_FIXED_FILE | (sqe->flags & IOSQE_ASYNC),
        .fd = (int)(uint32_t)sqe->addr3,
        .user_data = sqe->user_data,
    };
}

/* A message to a kernel that is no ring, or not yet: Linux would not take it.
 */
static enum kernel_route look_at_message(const struct uring *uring,
                                         struct io_uring_sqe *sqe,
                                         enum kernel_route beside)
{
    enum kernel_kind kind = kernel_kind_at(sqe->fd);

    if (sqe->addr != IORING_MSG_SEND_FD)
        return kind == KERNEL_BOX ? beside : KERNEL_ROUTE_SQ;
    if (kind == KERNEL_NONE || kernel_takes_files_itself(sqe->fd))
        return KERNEL_ROUTE_SQ;
    if (!uring->opcodes.has[IORING_OP_FIXED_FD_INSTALL])
        return KERNEL_ROUTE_REFUSED;
    export_file(sqe);
    return KERNEL_ROUTE_EXPORT;
}

static bool is_fixed_vector(uint8_t opcode)
{
    return opcode == IORING_OP_READV_FIXED || opcode == IORING_OP_WRITEV_FIXED;
}

static bool is_big(uint8_t opcode)
{
    return opcode == IORING_OP_NOP128 || opcode == IORING_OP_URING_CMD128;
}

static bool has_big_places(const struct uring *uring)
{
    return (uring->ring.setup_flags & IORING_SETUP_SQE128) != 0;
}

/* Where all requests are of 128 bytes, these have no names of their own. */
static enum kernel_route look_at_big(const struct uring *uring,
                                     struct io_uring_sqe *sqe)
{
    if (has_big_places(uring))
        sqe->opcode = sqe->opcode == IORING_OP_NOP128 ? IORING_OP_NOP
                                                      : IORING_OP_URING_CMD;
    return KERNEL_ROUTE_BIG;
}

/* Requests of 128 bytes; and in big places commands must not find what was
 * there before, so the loop is to look at them, too. */
static void fill_big_routes(struct uring *uring)
{
    uint8_t *route = uring->kernel.route;
    bool mixed = (uring->ring.setup_flags & IORING_SETUP_SQE_MIXED) != 0;
    const bool *has = uring->opcodes.has;

    route[IORING_OP_NOP128] = has_big_places(uring) ||
                                      (mixed && has[IORING_OP_NOP128])
                                  ? KERNEL_ROUTE_LOOK
                                  : KERNEL_ROUTE_REFUSED;
    route[IORING_OP_URING_CMD128] =
        (has_big_places(uring) && has[IORING_OP_URING_CMD]) ||
                (mixed && has[IORING_OP_URING_CMD128])
            ? KERNEL_ROUTE_LOOK
            : KERNEL_ROUTE_REFUSED;
    if (has_big_places(uring) && route[IORING_OP_URING_CMD] == KERNEL_ROUTE_SQ)
        route[IORING_OP_URING_CMD] = KERNEL_ROUTE_LOOK;
}

enum kernel_route uring_look(struct kernel *kernel, struct io_uring_sqe *sqe)
{
    struct uring *uring = uring_of(kernel);
    enum kernel_route beside =
        emu_has_opcode(sqe->opcode) ? KERNEL_ROUTE_SIDE : KERNEL_ROUTE_REFUSED;
    enum kernel_route route = KERNEL_ROUTE_SQ;

    if ((sqe->flags & flags_beside(uring)) != 0 ||
        is_about_files_beside(uring, sqe))
        return beside;
    if (is_fixed_vector(sqe->opcode) && !uring->opcodes.has[sqe->opcode])
        return beside;
    if (sqe->opcode == IORING_OP_MSG_RING)
        return look_at_message(uring, sqe, beside);
    if (is_big(sqe->opcode))
        return look_at_big(uring, sqe);
    if (UNLIKELY(polled_wants(uring, sqe)))
        return (sqe->flags & IOSQE_BUFFER_SELECT) != 0 ? KERNEL_ROUTE_REFUSED
                                                       : KERNEL_ROUTE_SIDE;
    if (sqe->opcode == IORING_OP_READ_MULTISHOT && uring->reads_again)
        return read_again(sqe) ? KERNEL_ROUTE_REPEAT : beside;
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
        const struct need *need = &needs[i];

        if (need->opcode != sqe->opcode || has(uring, need->feature) ||
            (field_of(sqe, need->field) & need->flag) == 0)
            continue;
        if (need->without == BESIDE)
            return beside;
        if (need->without == REFUSED)
            return KERNEL_ROUTE_REFUSED;
        if (need->without == REPEATED)
            route = KERNEL_ROUTE_REPEAT;
        leave_out(sqe, need);
    }
    return route;
}

/* What names a group or a file of the ring's is none of the emulator's. */
bool uring_side_has(struct kernel *kernel, const struct io_uring_sqe *sqe)
{
    uint8_t named = sqe->flags & (IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE);

    return emu_has_opcode(sqe->opcode) &&
           (named & ~flags_beside(uring_of(kernel))) == 0 &&
           (kernel->files_emulated || !emu_names_slot(sqe));
}

/* What may be polled for. */
static const uint8_t polled_ops[] = {
    IORING_OP_READ,   IORING_OP_WRITE,      IORING_OP_READV,
    IORING_OP_WRITEV, IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED,
};

void uring_fill_routes(struct uring *uring)
{
    uint8_t *route = uring->kernel.route;
    bool look = flags_beside(uring) != 0;

    uring->kernel.files_emulated = files_are_beside(uring);

    static_assert((int)IORING_OP_LAST <= (int)KERNEL_OP_GETDENTS,
                  "private opcodes and Linux's are apart");
    for (unsigned i = 0; i < ARRAY_SIZE(uring->kernel.route); i++) {
        route[i] = KERNEL_ROUTE_REFUSED;
        if (i < KERNEL_OP_GETDENTS && uring->opcodes.has[i])
            route[i] = look ? KERNEL_ROUTE_LOOK : KERNEL_ROUTE_SQ;
        else if (emu_has_opcode(i))
            route[i] = KERNEL_ROUTE_SIDE;
    }
    uring->reads_again = !groups_are_beside(uring) &&
                         !uring->opcodes.has[IORING_OP_READ_MULTISHOT];
    if (uring->reads_again)
        route[IORING_OP_READ_MULTISHOT] = KERNEL_ROUTE_LOOK;
    /* What the loop has not made plain is out of bounds. */
    if (!uring->opcodes.has[IORING_OP_READV_FIXED])
        route[IORING_OP_READV_FIXED] = KERNEL_ROUTE_LOOK;
    if (!uring->opcodes.has[IORING_OP_WRITEV_FIXED])
        route[IORING_OP_WRITEV_FIXED] = KERNEL_ROUTE_LOOK;
    if (route[IORING_OP_MSG_RING] == KERNEL_ROUTE_SQ)
        route[IORING_OP_MSG_RING] = KERNEL_ROUTE_LOOK;
    if (groups_are_beside(uring)) {
        route[IORING_OP_PROVIDE_BUFFERS] = KERNEL_ROUTE_SIDE;
        route[IORING_OP_REMOVE_BUFFERS] = KERNEL_ROUTE_SIDE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
        if (route[needs[i].opcode] == KERNEL_ROUTE_SQ &&
            !has(uring, needs[i].feature))
            route[needs[i].opcode] = KERNEL_ROUTE_LOOK;
    }
    fill_big_routes(uring);
    for (size_t i = 0; uring->polled.fd >= 0 && i < ARRAY_SIZE(polled_ops); i++)
        if (route[polled_ops[i]] == KERNEL_ROUTE_SQ)
            route[polled_ops[i]] = KERNEL_ROUTE_LOOK;
}
