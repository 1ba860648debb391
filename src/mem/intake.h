/* SPDX-License-Identifier: MIT */
/*
 * intake.h - zero-copy receive, for receivers and for slices
 */
#ifndef MEM_INTAKE_H
#define MEM_INTAKE_H

#include <gyre/intake.h>

#include "base/list.h"
#include "loop/loop.h"
#include "ring/abi_register.h"

struct gyre_intake {
    gyre_loop *loop;
    struct mark *mark; /* what Linux tells of a card leads to it; or NULL */
    char *area;
    size_t area_size;
    char *region; /* the refill queue, and what Linux counts */
    size_t region_size;
    struct io_uring_zcrx_rqe *entries;
    _Atomic uint32_t *head;          /* moved by the kernel */
    _Atomic uint32_t *tail;          /* moved by us */
    const volatile uint64_t *copied; /* pieces, bytes; NULL: untold */
    uint32_t entry_count;            /* a power of two */
    uint32_t filled;                 /* our tail */
    uint32_t id;
    uint64_t token;
    uint32_t piece; /* bytes */
    bool has_card;
    bool flushes; /* it can be told to take from the queue */
    bool local_ready;
    uint32_t pages;
    uint32_t owed; /* 1 + a page that is yet to go into the queue; 0: none */
    uint32_t *links;
    struct list waiters;
    void (*again)(struct list *link);
    gyre_work local;
    gyre_intake_stats stats;

    _Alignas(64) _Atomic uint32_t returned; /* 1 + the newest; 0: none */
    _Atomic uint32_t posted_now;
    _Atomic uint32_t givers; /* inside a foreign put */
    _Atomic uint32_t *returns;
    gyre_work posted;
};

/* A receiver begins and ends to use it. */
void intake_join(gyre_intake *intake);
void intake_leave(gyre_intake *intake);

/* A receiver cannot: it uses its group. */
void intake_refuse(gyre_intake *intake);

/* How much memory a piece holds. */
uint32_t intake_piece(const gyre_intake *intake);

/* Put a link on the list of those who wait for a piece to come back: `again` is
 * called once one has. 1; 0: some came back meanwhile, try again; -ENOMEM: none
 * is out. */
int intake_wait(gyre_intake *intake, struct list *link,
                void (*again)(struct list *link));
void intake_unwait(gyre_intake *intake, struct list *link);

/* A slice's pool_, if it comes from an intake, and back; NULL: it does not. */
gyre_pool *intake_as_pool(gyre_intake *intake);
gyre_intake *intake_of_pool(gyre_pool *pool);

/* Any thread. */
void intake_put(gyre_intake *intake, const void *memory);

/* What is owed goes into the queue, as far as there is room. True: some did. */
bool intake_refill(gyre_intake *intake);

/* Let Linux take from the queue, if it can be told to. */
void intake_flush(gyre_intake *intake);

/* Of ZCRX_CTRL, with the intake's number. */
int intake_control(gyre_intake *intake, struct zcrx_ctrl *arg);

#endif
