/* SPDX-License-Identifier: MIT */
/*
 * chain.h - ops that the kernel executes one after the other
 *
 * A chain's ops lie side by side on the backlog, and are copied into the SQ
 * side by side, by one flush, so one enter() submits them all. They fly, land
 * and are cancelled as any others; the record says what belongs together. An op
 * of a chain has OP_CHAINED, and `position_` is the number of its record.
 *
 * A record outlives its ops while requests to cancel some of them are not
 * answered: the answers name it.
 *
 * An op that may be silent about its success, alone, has a record too: it has
 * ended when its SQE has been taken and no CQE of it has come.
 */
#ifndef LOOP_CHAIN_H
#define LOOP_CHAIN_H

#include "loop/loop.h"

struct chain_member {
    gyre_op *op; /* NULL: it has ended */
    uint8_t links;
};

struct chain {
    gyre_loop *loop;
    struct list silent; /* on chains.silent: alone, and submitted */
    uint32_t number;
    uint32_t count;
    uint32_t left;     /* those that have not ended */
    uint32_t first;    /* none before it is left */
    uint32_t position; /* of the first in the submission queue */
    uint32_t pins;     /* unanswered cancels, and callers on the stack */
    bool quiet;        /* in the kernel: the last op reports */
    bool side;
    bool drains;
    gyre_timer again; /* when to look after cancels that met nothing */
    uint64_t again_ns;
    struct chain_member members[];
};

struct chains {
    struct chain **at; /* by number */
    uint32_t size;
    uint32_t used;
    uint32_t next; /* where a free number is likely */
    struct list silent;
};

/* ---- chain.c: records ---------------------------------------------------- */

/* NULL: no memory. */
struct chain *chain_create(gyre_loop *loop, uint32_t count);
struct chain *chain_of(const gyre_op *op);

/* ---- special.c: into the submission queue -------------------------------- */

/* The first op of the backlog, which the kernel is not to get as it is: false
 * if it has to wait. */
bool special_flush(gyre_loop *loop, gyre_op *op, uint32_t room,
                   uint32_t *taken);

/* ---- drain.c ------------------------------------------------------------- */

/* Has everything before the first op of the backlog ended? Else it waits. */
bool drain_is_over(gyre_loop *loop, const gyre_op *op, uint32_t taken);
/* What drains has left the backlog, and nothing may follow: false. */
bool drain_begins(gyre_loop *loop);

#endif
