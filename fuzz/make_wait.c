/* SPDX-License-Identifier: MIT */
/*
 * make_wait.c - requests that wait for something but bytes, and cancels
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "maker.h"

void make_poll(struct maker *m, struct item *item)
{
    static const uint8_t ends[] = { STREAM_A, DGRAM_A, TCP_A,  PIPE_R, PIPE_W,
                                    EVENT,    SLOT_A,  FILE_F, CHILD };
    static const uint32_t masks[] = { POLLIN, POLLOUT,   POLLIN | POLLOUT,
                                      0,      POLLRDHUP, POLLPRI };
    int end = PICK(m, ends);

    if (end == SLOT_A)
        maker_set_slot(item, end);
    else
        maker_set_end(item, end);
    item->sqe.opcode = IORING_OP_POLL_ADD;
    item->sqe.poll32_events = PICK(m, masks);
    item->claims = CLAIM_BOTH(end);
    item->waits = true;
    if (one_in(m, 3)) {
        item->sqe.len = IORING_POLL_ADD_MULTI;
        item->sqe.poll32_events = POLLIN;
    }
}

void make_poll_remove(struct maker *m, struct item *item)
{
    item->sqe.opcode = IORING_OP_POLL_REMOVE;
    item->sqe.fd = -1;
    item->addr = REF_TARGET;
    item->target = (uint16_t)maker_some_target(m);
    item->objects = OBJECTS_ALL;
    if (one_in(m, 3)) {
        item->sqe.len = IORING_POLL_UPDATE_EVENTS;
        item->sqe.poll32_events = one_in(m, 2) ? POLLIN : POLLRDHUP;
        if (one_in(m, 2))
            item->sqe.len |= IORING_POLL_ADD_MULTI;
    }
}

static void set_time(struct maker *m, struct item *item)
{
    item->objects |= UINT32_C(1) << OBJECT_TIME;
    item->addr = REF_TIME;
    item->time = one_in(m, 3) ? TIME_SHORT : TIME_LONG;
    if (one_in(m, 20))
        item->time = one_in(m, 2) ? TIME_NEGATIVE : TIME_ZERO;
    item->loose |= item->time == TIME_ZERO;
}

void make_timeout(struct maker *m, struct item *item)
{
    static const uint32_t flags[] = { 0,
                                      0,
                                      0,
                                      IORING_TIMEOUT_BOOTTIME,
                                      IORING_TIMEOUT_REALTIME,
                                      IORING_TIMEOUT_ETIME_SUCCESS,
                                      IORING_TIMEOUT_CLOCK_MASK };

    item->sqe.opcode = IORING_OP_TIMEOUT;
    item->sqe.fd = -1;
    item->sqe.len = 1;
    item->sqe.timeout_flags = PICK(m, flags);
    set_time(m, item);
    if (item->time == TIME_LONG && one_in(m, 2)) {
        item->sqe.off = 1 + draw(m, 3);
    } else if (item->time == TIME_SHORT && one_in(m, 3)) {
        item->sqe.timeout_flags |= IORING_TIMEOUT_MULTISHOT;
        item->sqe.off = 2;
        maker_needs(item, 604);
    }
}

void make_timeout_remove(struct maker *m, struct item *item)
{
    item->sqe.opcode = IORING_OP_TIMEOUT_REMOVE;
    item->sqe.fd = -1;
    item->addr = REF_TARGET;
    item->target = (uint16_t)maker_some_target(m);
    item->objects = OBJECTS_ALL;
    if (one_in(m, 3)) {
        item->sqe.timeout_flags = IORING_TIMEOUT_UPDATE;
        item->off = REF_TIME;
        item->time = TIME_LONG;
    }
}

/* 75: of several that match, all. */
void make_cancel(struct maker *m, struct item *item)
{
    static const uint32_t flags[] = {
        0,
        0,
        0,
        IORING_ASYNC_CANCEL_ALL,
        IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_USERDATA,
        IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL,
        IORING_ASYNC_CANCEL_ANY,
        IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_FD,
        IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_ALL,
        IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_FD_FIXED |
            IORING_ASYNC_CANCEL_ALL,
        IORING_ASYNC_CANCEL_OP | IORING_ASYNC_CANCEL_USERDATA,
        0x4000,
    };
    static const uint8_t opcodes[] = { IORING_OP_RECV, IORING_OP_READ,
                                       IORING_OP_POLL_ADD, IORING_OP_TIMEOUT };

    item->sqe.opcode = IORING_OP_ASYNC_CANCEL;
    item->sqe.cancel_flags = PICK(m, flags);
    item->sqe.fd = FD_BASE + (int)draw(m, EVENT + 1);
    item->addr = REF_TARGET;
    item->target = (uint16_t)maker_some_target(m);
    item->objects = OBJECTS_ALL;
    if ((item->sqe.cancel_flags & IORING_ASYNC_CANCEL_FD_FIXED) != 0)
        maker_set_slot(item, SLOT_A), item->sqe.flags = 0;
    if ((item->sqe.cancel_flags & IORING_ASYNC_CANCEL_USERDATA) != 0)
        maker_needs(item, 606);
    if ((item->sqe.cancel_flags & IORING_ASYNC_CANCEL_OP) != 0) {
        item->sqe.len = PICK(m, opcodes);
        maker_needs(item, 606);
    }
}

void make_futex(struct maker *m, struct item *item)
{
    int end = one_in(m, 2) ? FUTEX_0 : FUTEX_1;

    item->sqe.fd = 2; /* FUTEX2_SIZE_U32 */
    item->end = (uint8_t)end;
    item->addr = REF_FUTEX;
    item->sqe.addr3 = UINT32_MAX;
    item->objects = OBJECT(end);
    maker_needs(item, 607);
    switch (draw(m, 3)) {
    case 0:
        /* Who is woken hears of it when a thread has. */
        item->loose = true;
        item->sqe.opcode = IORING_OP_FUTEX_WAKE;
        item->sqe.off = draw(m, 3);
        break;
    case 1:
        item->sqe.opcode = IORING_OP_FUTEX_WAIT;
        item->sqe.off = one_in(m, 5);
        item->loose = item->sqe.off != 0;
        item->claims = CLAIM_BOTH(end);
        item->waits = true;
        if (one_in(m, 4))
            item->sqe.addr3 = one_in(m, 4) ? 0 : 3;
        break;
    default:
        item->sqe.opcode = IORING_OP_FUTEX_WAITV;
        item->sqe.fd = 0;
        item->sqe.addr3 = 0;
        item->addr = REF_FUTEXES;
        item->sqe.len = 1 + draw(m, 2);
        item->claims = CLAIM_BOTH(FUTEX_0) | CLAIM_BOTH(FUTEX_1);
        item->waits = true;
    }
}

void make_waitid(struct maker *m, struct item *item)
{
    static const uint32_t options[] = {
        WEXITED,           WEXITED, WEXITED | WNOHANG,
        WEXITED | WNOWAIT, 0,       WEXITED | 0x4000
    };

    m->program->options |= OPTION_CHILD;
    maker_set_end(item, CHILD);
    item->sqe.opcode = IORING_OP_WAITID;
    item->sqe.len = one_in(m, 2) ? P_PID : P_PIDFD;
    item->sqe.file_index = PICK(m, options);
    item->off = one_in(m, 5) ? REF_NUMBER : REF_CHILD_INFO;
    item->claims = CLAIM_BOTH(CHILD);
    maker_needs(item, 607);
    item->waits = true;
}

void make_epoll(struct maker *m, struct item *item)
{
    static const uint8_t operations[] = { EPOLL_CTL_ADD, EPOLL_CTL_ADD,
                                          EPOLL_CTL_MOD, EPOLL_CTL_DEL, 9 };

    maker_set_end(item, EPOLL);
    if (one_in(m, 2)) {
        item->sqe.opcode = IORING_OP_EPOLL_CTL;
        item->sqe.len = PICK(m, operations);
        item->sqe.off = FD_BASE + (one_in(m, 8) ? FILE_F : EVENT2);
        item->addr = REF_EVENTS;
        item->claims = CLAIM_IN(EPOLL);
        item->loose = true;
    } else {
        item->sqe.opcode = IORING_OP_EPOLL_WAIT;
        item->addr = REF_EVENTS;
        item->sqe.len = draw(m, 4);
        item->claims = CLAIM_IN(EPOLL);
        maker_needs(item, 615);
        item->waits = true;
    }
}
