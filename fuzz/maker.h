/* SPDX-License-Identifier: MIT */
/*
 * maker.h - what the makers of requests share
 *
 * A maker fills in one item: an SQE that is mostly right, what it touches
 * (`objects`), what it may wait for (`claims`), and whether it may run on a
 * thread (`loose`).
 */
#ifndef FUZZ_MAKER_H
#define FUZZ_MAKER_H

#include "program.h"

struct maker {
    uint64_t random;
    struct program *program;
};

uint32_t draw(struct maker *m, uint32_t limit);
bool one_in(struct maker *m, uint32_t n);

/* The request is about that end; it is an object of it. */
void maker_set_end(struct item *item, int end);
void maker_set_slot(struct item *item, int end);

/* No Linux before 100 * major + minor does it right. */
void maker_needs(struct item *item, unsigned since);

/* An earlier item of the program, or one that never is. */
unsigned maker_some_target(struct maker *m);

#define PICK(m, array)                                                         \
    ((array)[draw((m), (uint32_t)(sizeof(array) / sizeof *(array)))])

typedef void make(struct maker *m, struct item *item);

/* make_stream.c */
make make_read, make_write, make_recv, make_send, make_message, make_send_zc,
    make_splice, make_shutdown, make_read_multishot, make_fixed;
/* make_file.c */
make make_file_rw, make_sync, make_open, make_close, make_statx, make_name,
    make_space, make_attribute, make_pipe;
/* make_wait.c */
make make_poll, make_poll_remove, make_timeout, make_timeout_remove,
    make_cancel, make_futex, make_waitid, make_epoll;
/* make_other.c */
make make_nop, make_accept, make_connect, make_socket, make_bind, make_command,
    make_groups, make_slots, make_message_ring, make_unknown;

#endif
