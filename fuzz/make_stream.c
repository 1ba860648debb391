/* SPDX-License-Identifier: MIT */
/*
 * make_stream.c - requests that move bytes through sockets, pipes and eventfds
 */
#include <fcntl.h>
#include <sys/socket.h>

#include "maker.h"

static const uint8_t readable[] = { STREAM_A, STREAM_B, DGRAM_A, DGRAM_B,
                                    TCP_A,    TCP_B,    PIPE_R,  PIPE2_R,
                                    EVENT,    EVENT2,   SLOT_A,  SLOT_B };
static const uint8_t writable[] = { STREAM_A, STREAM_B, DGRAM_A, DGRAM_B,
                                    TCP_A,    TCP_B,    PIPE_W,  PIPE2_W,
                                    EVENT,    EVENT2,   SLOT_A,  SLOT_B };
static const uint8_t sockets[] = { STREAM_A, STREAM_B, DGRAM_A, DGRAM_B,
                                   TCP_A,    TCP_B,    SLOT_A,  SLOT_B };

static bool is_event(int end)
{
    return end == EVENT || end == EVENT2;
}

/* Set the end, by slot if it is one, and what may wait there. */
static int set_stream(struct maker *m, struct item *item, int end, bool out)
{
    if (end == SLOT_A || end == SLOT_B)
        maker_set_slot(item, end);
    else
        maker_set_end(item, end);
    item->claims = out ? CLAIM_OUT(end) : CLAIM_IN(end);
    /* Who waits on the epoll hears of it. */
    if (end == EVENT2)
        item->claims |= CLAIM_BOTH(EVENT2) | CLAIM_IN(EPOLL);
    item->loose |= is_event(end);
    /* Linux takes RWF_NOWAIT from a pipe that was spliced. And who waits for
     * it may be a splice, with another end. */
    if (end >= PIPE_R && end <= PIPE2_W &&
        (m->program->options & OPTION_SPLICES) != 0) {
        item->loose = true;
        item->objects |= OBJECT(PIPE_R) | OBJECT(PIPE2_R) | OBJECT(FILE_G);
    }
    item->waits = true;
    return end;
}

/* Let a group choose the buffer. */
static void choose_buffer(struct maker *m, struct item *item, bool multishot)
{
    bool reads = item->sqe.opcode == IORING_OP_READ ||
                 item->sqe.opcode == IORING_OP_READV;
    static const uint16_t any[] = { GROUP_LISTED, GROUP_RING, GROUP_IN_PARTS,
                                    99 };

    m->program->options |= OPTION_GROUPS;
    item->sqe.flags |= IOSQE_BUFFER_SELECT;
    item->sqe.buf_group = PICK(m, any);
    /* 72: a read that waits holds a buffer of a list. */
    if (multishot || (reads && item->sqe.buf_group == GROUP_LISTED))
        item->sqe.buf_group = GROUP_RING;
    if (item->sqe.buf_group == GROUP_IN_PARTS)
        maker_needs(item, 612);
    item->objects |= UINT32_C(1) << OBJECT_GROUPS;
}

/* It may be ready, and be told of it before or after what is behind it. */
static void poll_first(struct item *item)
{
    item->sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
    item->loose = true;
}

static void set_bytes(struct maker *m, struct item *item, int end, bool out)
{
    bool vector = one_in(m, 3);

    item->sqe.opcode = out ? (vector ? IORING_OP_WRITEV : IORING_OP_WRITE)
                           : (vector ? IORING_OP_READV : IORING_OP_READ);
    item->addr = vector ? REF_VECTOR : REF_BUFFER;
    item->sqe.len = is_event(end) ? 8 : 1 + draw(m, 200);
    if (vector)
        item->sqe.len = is_event(end) ? 1 : 2;
    item->sqe.off = one_in(m, 2) ? UINT64_MAX : 0;
}

void make_read(struct maker *m, struct item *item)
{
    int end = set_stream(m, item, PICK(m, readable), false);

    set_bytes(m, item, end, false);
    if (!is_event(end) && one_in(m, 6)) {
        choose_buffer(m, item, false);
        if (item->sqe.opcode == IORING_OP_READV)
            item->sqe.len = 1;
    }
}

void make_write(struct maker *m, struct item *item)
{
    set_bytes(m, item, set_stream(m, item, PICK(m, writable), true), true);
}

void make_recv(struct maker *m, struct item *item)
{
    static const uint32_t flags[] = {
        0, 0, 0, MSG_DONTWAIT, MSG_WAITALL, MSG_PEEK, MSG_TRUNC
    };

    set_stream(m, item, PICK(m, sockets), false);
    item->sqe.opcode = IORING_OP_RECV;
    item->addr = REF_BUFFER;
    item->sqe.len = 1 + draw(m, 200);
    item->sqe.msg_flags = PICK(m, flags);
    if (one_in(m, 5))
        poll_first(item);
    if (one_in(m, 3)) {
        bool multishot = one_in(m, 2);

        choose_buffer(m, item, multishot);
        if (multishot) {
            item->sqe.ioprio = IORING_RECV_MULTISHOT;
            item->sqe.len = 0;
            item->addr = REF_NUMBER;
        }
        item->sqe.msg_flags = !multishot && one_in(m, 6) ? MSG_DONTWAIT : 0;
    }
}

void make_send(struct maker *m, struct item *item)
{
    static const uint32_t flags[] = { 0,           0,           0, MSG_DONTWAIT,
                                      MSG_WAITALL, MSG_NOSIGNAL };

    set_stream(m, item, PICK(m, sockets), true);
    item->sqe.opcode = IORING_OP_SEND;
    item->addr = REF_BUFFER;
    item->sqe.len = 1 + draw(m, 60);
    item->sqe.msg_flags = PICK(m, flags);
    if (one_in(m, 10))
        poll_first(item);
    if (one_in(m, 10)) {
        choose_buffer(m, item, false);
        maker_needs(item, 612);
    }
}

void make_message(struct maker *m, struct item *item)
{
    bool out = one_in(m, 2);

    set_stream(m, item, PICK(m, sockets), out);
    item->sqe.opcode = out ? IORING_OP_SENDMSG : IORING_OP_RECVMSG;
    item->addr = REF_MESSAGE;
    item->sqe.len = 1;
    if (one_in(m, 6))
        poll_first(item);
    if (one_in(m, 5))
        item->sqe.msg_flags = MSG_DONTWAIT;
    if (!out && one_in(m, 6)) {
        bool multishot = one_in(m, 2);

        choose_buffer(m, item, multishot);
        if (multishot)
            /* 77 */
            item->sqe.ioprio = IORING_RECV_MULTISHOT, item->sqe.msg_flags = 0;
    }
}

void make_send_zc(struct maker *m, struct item *item)
{
    static const uint8_t ends[] = { TCP_A, TCP_B, TCP_A, TCP_B, STREAM_A };

    set_stream(m, item, PICK(m, ends), true);
    item->sqe.opcode = one_in(m, 2) ? IORING_OP_SEND_ZC : IORING_OP_SENDMSG_ZC;
    if (item->sqe.opcode == IORING_OP_SEND_ZC) {
        item->addr = REF_BUFFER;
        item->sqe.len = 1 + draw(m, 60);
        if (one_in(m, 3)) {
            m->program->options |= OPTION_REGISTERED;
            item->addr = REF_REGISTERED;
            item->sqe.ioprio |= IORING_RECVSEND_FIXED_BUF;
            item->sqe.buf_index = (uint16_t)(2 + draw(m, 3));
            item->objects |= UINT32_C(1) << OBJECT_REGISTERED;
        }
    } else {
        item->addr = REF_MESSAGE;
        item->sqe.len = 1;
    }
}

void make_splice(struct maker *m, struct item *item)
{
    static const uint8_t outs[] = { PIPE2_W, PIPE2_W, FILE_G, PIPE_W };
    static const uint8_t ins[] = { PIPE_R, FILE_F, PIPE_R, PIPE_W };
    int in = PICK(m, ins), out = PICK(m, outs);
    bool tee = one_in(m, 3);

    m->program->options |= OPTION_SPLICES;

    item->sqe.opcode = tee ? IORING_OP_TEE : IORING_OP_SPLICE;
    maker_set_end(item, out);
    item->sqe.splice_fd_in = FD_BASE + in;
    item->objects |= OBJECT(in);
    item->claims = CLAIM_OUT(out) | CLAIM_IN(in);
    item->sqe.off = tee ? 0 : UINT64_MAX;
    item->sqe.splice_off_in = tee ? 0 : UINT64_MAX;
    if (!tee && in == FILE_F)
        item->sqe.splice_off_in = draw(m, 100);
    if (!tee && out == FILE_G)
        item->sqe.off = draw(m, 100);
    item->sqe.len = draw(m, 100);
    item->sqe.splice_flags = one_in(m, 2) ? SPLICE_F_NONBLOCK : 0;
    item->loose = true;
}

void make_shutdown(struct maker *m, struct item *item)
{
    static const uint8_t ends[] = { STREAM_A, STREAM_B, TCP_A,
                                    TCP_B,    SLOT_A,   PIPE_R };
    int end = PICK(m, ends);

    if (end == SLOT_A)
        maker_set_slot(item, end);
    else
        maker_set_end(item, end);
    item->sqe.opcode = IORING_OP_SHUTDOWN;
    item->sqe.len = draw(m, 4);
    item->loose = true;
}

void make_read_multishot(struct maker *m, struct item *item)
{
    static const uint8_t ends[] = { PIPE_R, PIPE_R, STREAM_A, FILE_F, SLOT_B };

    set_stream(m, item, PICK(m, ends), false);
    item->sqe.opcode = IORING_OP_READ_MULTISHOT;
    item->sqe.off = UINT64_MAX;
    maker_needs(item, 607);
    choose_buffer(m, item, true);
    /* 79: others may go before all but its first result. */
    item->loose = true;
}

void make_fixed(struct maker *m, struct item *item)
{
    static const uint8_t ins[] = { PIPE_R, STREAM_A, FILE_F, TCP_B };
    static const uint8_t outs[] = { PIPE_W, STREAM_B, FILE_G, TCP_A };
    bool out = one_in(m, 2);
    int end = out ? PICK(m, outs) : PICK(m, ins);

    m->program->options |= OPTION_REGISTERED;
    set_stream(m, item, end, out);
    item->loose |= end == FILE_F || end == FILE_G;
    item->sqe.opcode = out ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
    item->addr = REF_REGISTERED;
    /* Nobody writes from where another reads to; one there is not. */
    item->sqe.buf_index = (uint16_t)(out ? 2 + draw(m, 3) : draw(m, 2));
    item->sqe.len = 1 + draw(m, 100);
    item->sqe.off = end == FILE_F || end == FILE_G ? draw(m, 1200) : 0;
    if (one_in(m, 3)) {
        item->sqe.opcode = out ? IORING_OP_WRITEV_FIXED : IORING_OP_READV_FIXED;
        item->addr = REF_FIXED_VECTOR;
        item->sqe.len = 2;
        maker_needs(item, 615);
    }
    item->objects |= UINT32_C(1) << OBJECT_REGISTERED;
}
