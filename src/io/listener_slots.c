/* SPDX-License-Identifier: MIT */
/*
 * listener_slots.c - connections in slots, and how they are passed on
 *
 * With options.slots a gate accepts into slots of its loop. Who is to be served
 * by another engine is passed into a slot there by a message of the ring, which
 * a task of its own waits for, so that an engine that is slow to answer holds
 * nobody else up; for a while it is in both. Its reader at the other end is the
 * connection's task: no completion tells that loop of it (CQE_SKIP).
 *
 * Linux accepts before it looks for a slot, and drops who finds none. So there
 * is always one: what comes before a multishot accept has ended is, in turn,
 * what the iterator takes before it stops, and twice what the completion queue
 * has room for (one that is full ends it), before and after the stop was heard
 * of. So many are kept free, and with fewer the gate accepts into descriptors;
 * nor is anybody passed into such a table, for another listener's gate may be
 * accepting into it.
 *
 * A connection that cannot be passed (the table there is full, the loop has
 * gone) gets a descriptor and is handed over as any; with no descriptor left,
 * it is served where it is.
 */
#include <errno.h>
#include <gyre/error.h>
#include <gyre/file.h>
#include <gyre/message.h>
#include <stdio.h>

#include "base/alloc.h"
#include "io/listener.h"
#include "kernel/post.h"
#include "loop/loop.h"
#include "loop/table.h"

/* Taken in by iterators of this loop's gates before they stop. */
#define TAKEN_IN 256U

static uint32_t spare_of(const gyre_loop *loop)
{
    return 2 * (loop->kernel->cq.entries + 1) + TAKEN_IN;
}

static gyre_slots_stats table_of(const gyre_loop *loop)
{
    gyre_slots_stats stats = { .size = sizeof stats };

    gyre_slots_get_stats(loop, &stats);
    return stats;
}

/* Would an accept that goes on soon find none? */
static bool table_is_narrow(const gyre_loop *loop)
{
    gyre_slots_stats table = table_of(loop);

    return table.count - table.used <= spare_of(loop);
}

/* ---- the tables ---------------------------------------------------------- */

/* A task, on each engine. */
static int house_open(void *arg)
{
    gyre_listener *listener = arg;
    gyre_loop *loop = gyre_loop_current();
    unsigned n = listener->engines != NULL ? (unsigned)gyre_engine_current()
                                           : 0;
    struct house *house = &listener->houses[n];
    gyre_slots_stats table = table_of(loop);
    int err = 0;

    if (table.emulated)
        return 0;
    if (table.count == 0)
        err = gyre_slots_create(loop, listener->options.slots + spare_of(loop));
    house->address = loop->kernel->address;
    house->has_slots = err == 0 && (listener->house_count == 1 ||
                                    kernel_takes_files_itself(house->address));
    atomic_store_explicit(&house->narrow, table_is_narrow(loop),
                          memory_order_relaxed);
    return err;
}

static int complain(const char *text, int error)
{
    char why[160];

    if (error == -EMFILE)
        return listener_complain(
            text, error,
            "options.slots and some 2300 more are more than RLIMIT_NOFILE; "
            "raise it (ulimit -n, LimitNOFILE=), or ask for fewer");
    snprintf(why, sizeof why, "no tables for options.slots: %s",
             gyre_strerror(error));
    return listener_complain(text, error, why);
}

int slots_open(gyre_listener *listener, const char *text)
{
    static const gyre_task_options options = { .name = "slots" };
    gyre_scope scope;
    int err, closed;

    if (listener->options.slots == 0)
        return 0;
    gyre_scope_open(&scope, NULL);
    err = gyre_spawn_all(&scope, &options, house_open, listener, NULL);
    closed = gyre_scope_close(&scope);
    if (err == 0)
        err = closed;
    return err < 0 ? complain(text, err) : 0;
}

/* ---- how many ------------------------------------------------------------ */

bool slots_are_wanted(const struct gate *gate, bool already)
{
    const gyre_listener *listener = gate->listener;
    const struct house *house = &listener->houses[gate->engine];
    uint32_t most = listener->options.slots;
    uint32_t slack = already ? 0 : most / 4; /* or it would come and go */
    const gyre_loop *loop = gyre_loop_current();
    gyre_slots_stats table;

    if (!house->has_slots || count_of(&house->in_slots) + slack >= most)
        return false;
    table = table_of(loop);
    return table.count - table.used > spare_of(loop) + slack;
}

void slots_enter(struct connection_record *record)
{
    if (!gyre_is_slot(record->connection.fd))
        return;
    record->in_slot = true;
    count_add(&record->house->in_slots, 1);
}

void slots_leave(struct connection_record *record)
{
    if (!record->in_slot)
        return;
    record->in_slot = false;
    count_add(&record->house->in_slots, (uint64_t)-1);
}

/* ---- from one table to another ------------------------------------------- */

bool slots_must_pass(const struct connection_record *record)
{
    const struct gate *gate = record->gate;

    return gyre_is_slot(record->connection.fd) &&
           record->house != &gate->listener->houses[gate->engine];
}

/* The handle there, or an error. */
static int send_to_house(struct connection_record *record)
{
    const struct house *house = record->house;
    /* It tells nobody: any name will do. */
    const gyre_address to = { .id = 1, .loop = house->address };
    gyre_op op;
    int there;

    if (!house->has_slots ||
        atomic_load_explicit(&house->narrow, memory_order_relaxed) ||
        count_of(&house->in_slots) >= record->gate->listener->options.slots)
        return -ENFILE;
    slots_enter(record);
    gyre_op_message_slot(&op, to, record->connection.fd, GYRE_SLOT_ANY);
    gyre_op_sqe(&op)->msg_ring_flags = IORING_MSG_RING_CQE_SKIP;
    there = gyre_op_slot(&op, task_await_shielded(&op));
    record->is_there = there >= 0;
    if (there < 0)
        slots_leave(record);
    return there;
}

static int descriptor_of(int handle)
{
    gyre_op op;

    gyre_op_slot_install(&op, handle);
    return task_await_shielded(&op).res;
}

/* A task, on the gate's loop. */
static int pass_on(void *arg)
{
    struct connection_record *record = arg;
    struct gate *gate = record->gate;
    gyre_listener *listener = gate->listener;
    int here = record->connection.fd;
    int fd = send_to_house(record);
    gyre_acceptor acceptor;

    if (fd < 0)
        fd = descriptor_of(here);
    if (fd < 0) {
        connection_move(record, &listener->houses[gate->engine]);
        here = -1;
    } else {
        record->connection.fd = fd;
    }
    gyre_acceptor_init(&acceptor, gate->fd);
    if (gate_spawn(gate, &acceptor, record) < 0 &&
        listener->options.connections_max > 0)
        gyre_semaphore_release(&gate->room, 1);
    if (here >= 0)
        (void)gyre_close(here);
    return 0;
}

int slots_pass(struct connection_record *record)
{
    static const gyre_task_options options = { .name = "passing on" };

    return gyre_spawn_with(&record->gate->passing, &options, pass_on, record,
                           NULL);
}

/* ---- there --------------------------------------------------------------- */

/* Gates here may accept into the table, too. Each connection looks, whatever it
 * came in: those of others may have ended. */
static void note_width(struct house *house)
{
    bool narrow;

    if (!house->has_slots)
        return;
    narrow = table_is_narrow(gyre_loop_current());
    if (narrow != atomic_load_explicit(&house->narrow, memory_order_relaxed))
        atomic_store_explicit(&house->narrow, narrow, memory_order_relaxed);
}

void slots_arrive(const struct connection_record *record)
{
    int handle = record->connection.fd;

    if (!gyre_is_slot(handle)) {
        note_width(record->house);
        return;
    }
    count_add(&record->house->slotted, 1);
    if (!record->is_there)
        return;
    count_add(&record->house->passed, 1);
    table_note_passed(gyre_loop_current(), gyre_slot_number(handle));
    note_width(record->house);
}

/* On the loop whose slot it is. */
static void drop_here(gyre_work *work)
{
    struct connection_record *record =
        CONTAINER_OF(work, struct connection_record, drop);
    const int none = GYRE_SLOT_EMPTY;

    (void)!gyre_slots_set(gyre_loop_current(),
                          gyre_slot_number(record->connection.fd), &none, 1);
    alloc_free(record);
}

void slots_drop(struct connection_record *record)
{
    const gyre_listener *listener = record->gate->listener;
    unsigned n = (unsigned)(record->house - listener->houses);

    gyre_loop_post(gyre_engine_loop(listener->engines, n), &record->drop,
                   drop_here);
}
