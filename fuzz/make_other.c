/* SPDX-License-Identifier: MIT */
/*
 * make_other.c - connections, groups of buffers, slots, messages, and nothing
 */
#include <sys/socket.h>

#include "maker.h"

void make_nop(struct maker *m, struct item *item)
{
    item->sqe.opcode = IORING_OP_NOP;
    item->sqe.fd = -1;
    if (one_in(m, 4)) {
        item->sqe.nop_flags = IORING_NOP_INJECT_RESULT;
        item->sqe.len = one_in(m, 2) ? draw(m, 100) : (uint32_t)-11;
        maker_needs(item, 610);
    }
}

static void set_slot_for_result(struct maker *m, struct item *item)
{
    m->program->options |= OPTION_SLOTS;
    item->sqe.file_index = one_in(m, 2) ? IORING_FILE_INDEX_ALLOC
                                        : 4 + draw(m, 6);
    item->objects |= UINT32_C(1) << OBJECT_SLOTS;
}

void make_accept(struct maker *m, struct item *item)
{
    static const uint8_t ends[] = { LISTENER, LISTENER, LISTENER, STREAM_A,
                                    DGRAM_A };
    int end = PICK(m, ends);

    maker_set_end(item, end);
    item->sqe.opcode = IORING_OP_ACCEPT;
    item->claims = CLAIM_IN(end);
    item->sqe.accept_flags = one_in(m, 2) ? SOCK_CLOEXEC : 0;
    item->loose = true;
    if (one_in(m, 4))
        item->sqe.ioprio |= IORING_ACCEPT_MULTISHOT;
    if (item->sqe.ioprio == 0 && one_in(m, 6)) {
        item->sqe.ioprio |= one_in(m, 2) ? IORING_ACCEPT_DONTWAIT
                                         : IORING_ACCEPT_POLL_FIRST;
        maker_needs(item, 610);
    }
    if (one_in(m, 5)) {
        item->sqe.accept_flags = 0;
        set_slot_for_result(m, item);
    }
}

void make_connect(struct maker *m, struct item *item)
{
    static const uint8_t ends[] = { SOCKET_UNIX, SOCKET_UNIX, SOCKET_UNIX,
                                    STREAM_A };
    int end = PICK(m, ends);

    maker_set_end(item, end);
    item->sqe.opcode = IORING_OP_CONNECT;
    item->addr = REF_ADDRESS;
    item->sqe.addr2 = 12; /* the listener's abstract name */
    item->claims = CLAIM_OUT(end);
    /* An accept that it wakes may fill a slot. */
    item->objects |= OBJECT(LISTENER) | UINT32_C(1) << OBJECT_SLOTS;
    item->loose = true;
}

void make_socket(struct maker *m, struct item *item)
{
    static const int domains[] = { AF_UNIX, AF_INET, AF_INET6, 77 };
    static const uint32_t types[] = { SOCK_STREAM, SOCK_DGRAM,
                                      SOCK_STREAM | SOCK_NONBLOCK,
                                      SOCK_STREAM | SOCK_CLOEXEC, 0x4000000 };

    item->sqe.opcode = IORING_OP_SOCKET;
    item->sqe.fd = PICK(m, domains);
    item->sqe.off = PICK(m, types);
    item->sqe.len = one_in(m, 10) ? 99 : 0;
    if (one_in(m, 4))
        set_slot_for_result(m, item);
}

void make_bind(struct maker *m, struct item *item)
{
    static const uint8_t ends[] = { SOCKET_TCP, SOCKET_TCP, STREAM_A, FILE_F };
    int end = PICK(m, ends);

    maker_set_end(item, end);
    maker_needs(item, 611);
    if (one_in(m, 2)) {
        item->sqe.opcode = IORING_OP_LISTEN;
        item->sqe.len = draw(m, 10);
        /* Without a name Linux gives it a port: so what is bound differs. */
        return;
    }
    item->sqe.opcode = IORING_OP_BIND;
    item->addr = REF_ADDRESS;
    item->sqe.addr2 = end == SOCKET_TCP ? 16 : 12;
}

void make_command(struct maker *m, struct item *item)
{
    static const uint8_t ends[] = { STREAM_A, TCP_A, TCP_B, DGRAM_A, FILE_F };
    static const uint32_t names[] = { SO_TYPE, SO_REUSEADDR, SO_KEEPALIVE,
                                      SO_RCVBUF, 999 };

    maker_set_end(item, PICK(m, ends));
    item->sqe.opcode = IORING_OP_URING_CMD;
    maker_needs(item, 607);
    item->sqe.cmd_op = draw(m, 4);
    if (one_in(m, 20))
        item->sqe.cmd_op = 77;
    if (item->sqe.cmd_op >= SOCKET_URING_OP_GETSOCKOPT) {
        item->sqe.level = SOL_SOCKET;
        item->sqe.optname = PICK(m, names);
        item->sqe.optlen = 4;
        item->addr3 = REF_BUFFER;
    }
}

void make_groups(struct maker *m, struct item *item)
{
    static const uint16_t groups[] = { GROUP_LISTED, GROUP_LISTED, GROUP_LISTED,
                                       GROUP_RING, 98 };

    m->program->options |= OPTION_GROUPS;
    item->objects = UINT32_C(1) << OBJECT_GROUPS;
    item->sqe.buf_group = PICK(m, groups);
    item->sqe.fd = 1 + (int)draw(m, 4);
    if (one_in(m, 3)) {
        item->sqe.opcode = IORING_OP_REMOVE_BUFFERS;
        return;
    }
    item->sqe.opcode = IORING_OP_PROVIDE_BUFFERS;
    item->addr = REF_GROUP;
    item->sqe.len = one_in(m, 20) ? 0 : GROUP_PIECE;
    item->sqe.off = draw(m, GROUP_ENTRIES - 5);
    if (item->sqe.buf_group == 98)
        item->sqe.buf_group = 97; /* one that is filled, and never used */
}

void make_slots(struct maker *m, struct item *item)
{
    m->program->options |= OPTION_SLOTS;
    item->objects = UINT32_C(1) << OBJECT_SLOTS | OBJECT(SLOT_FILE);
    if (one_in(m, 2)) {
        item->sqe.opcode = IORING_OP_FILES_UPDATE;
        item->sqe.fd = -1;
        item->addr = REF_DESCRIPTORS;
        item->sqe.len = 1 + draw(m, 2);
        item->sqe.off = 3 + draw(m, 6);
        if (one_in(m, 4))
            item->sqe.off = IORING_FILE_INDEX_ALLOC;
        item->loose = true;
        return;
    }
    item->sqe.opcode = IORING_OP_FIXED_FD_INSTALL;
    item->sqe.fd = (int)draw(m, SLOTS + 2);
    item->sqe.flags = one_in(m, 20) ? 0 : (uint8_t)IOSQE_FIXED_FILE;
    item->sqe.install_fd_flags = draw(m, 3);
    maker_needs(item, 608);
    if (item->sqe.flags == 0)
        item->sqe.fd = FD_BASE + FILE_F;
    item->objects |= OBJECT(SLOT_A);
}

void make_message_ring(struct maker *m, struct item *item)
{
    static const int ends[] = { OTHER_RING, OTHER_RING, OTHER_RING, FILE_F };
    int end = PICK(m, ends);

    m->program->options |= OPTION_OTHER_RING;
    item->sqe.opcode = IORING_OP_MSG_RING;
    item->sqe.fd = FD_BASE + end;
    item->sqe.len = draw(m, 1000);
    item->sqe.off = (uint64_t)(1000 + draw(m, 100)) << 4;
    item->objects = OBJECT(OTHER_RING) | OBJECT(FILE_F);
    if (one_in(m, 5)) {
        item->sqe.msg_ring_flags = IORING_MSG_RING_FLAGS_PASS;
        item->sqe.file_index = draw(m, 4) << 4;
        maker_needs(item, 603);
    }
}

void make_unknown(struct maker *m, struct item *item)
{
    item->sqe.opcode = one_in(m, 2) ? 200 : IORING_OP_NOP;
    item->sqe.fd = -1;
    if (one_in(m, 2))
        item->sqe.personality = 77;
    if (one_in(m, 4))
        item->sqe.flags = 0x80;
}
