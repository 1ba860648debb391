/* SPDX-License-Identifier: MIT */
/*
 * listener_connect.c - connections: where each is served, and how it ends
 *
 * Handed off, connections go round the houses, but past those that have many
 * more than others: so short ones are spread evenly, though the engine that
 * accepts is slower to end them, and long ones do not pile up. Not by
 * GYRE_LEAST_LOADED: that counts every task, those that accept and those that
 * sleep all day, so that while connections are fewer an engine with such tasks
 * gets none. With very many engines only some are looked at, others each time.
 */
#include <errno.h>
#include <gyre/file.h>

#include "base/alloc.h"
#include "io/listener.h"

#define LOOK_AT 16U

struct connection_record *connection_record_new(struct gate *gate)
{
    const gyre_listener *listener = gate->listener;
    size_t size = listener->options.peers
                      ? sizeof(struct connection_record)
                      : offsetof(struct connection_record, peer);
    struct connection_record *record = alloc_zeroed(1, size);

    if (record == NULL)
        return NULL;
    record->connection.fd = -1;
    record->connection.arg = listener->arg;
    record->connection.listener = gate->listener;
    record->gate = gate;
    if (listener->options.peers) {
        record->connection.peer = (struct sockaddr *)&record->peer;
        record->connection.peer_size = sizeof record->peer;
    }
    return record;
}

/* ---- where --------------------------------------------------------------- */

/* How many are not many more than the fewest. */
static uint64_t with_slack(uint64_t fewest)
{
    return fewest + 16 + fewest / 32;
}

static unsigned next_house(gyre_listener *listener)
{
    unsigned count = listener->house_count;
    unsigned first = listener->turn++ % count;
    unsigned look = count < LOOK_AT ? count : LOOK_AT;
    uint64_t open[LOOK_AT], fewest = UINT64_MAX;
    unsigned i;

    for (i = 0; i < look; i++) {
        open[i] = count_of(&listener->houses[(first + i) % count].open);
        if (open[i] < fewest)
            fewest = open[i];
    }
    for (i = 0; open[i] > with_slack(fewest); i++)
        ;
    return (first + i) % count;
}

/* ---- its task ------------------------------------------------------------ */

static void leave_house(struct connection_record *record)
{
    slots_leave(record);
    count_add(&record->house->open, (uint64_t)-1);
    count_add(&record->house->accepted, (uint64_t)-1);
}

static void enter_house(struct connection_record *record, struct house *house)
{
    record->house = house;
    count_add(&house->open, 1);
    count_add(&house->accepted, 1);
    if (!slots_must_pass(record))
        slots_enter(record);
}

void connection_place(struct connection_record *record)
{
    gyre_listener *listener = record->gate->listener;
    unsigned n = record->gate->engine;

    if (listener->gate_count == 1 && listener->house_count > 1)
        n = next_house(listener);
    enter_house(record, &listener->houses[n]);
}

void connection_move(struct connection_record *record, struct house *house)
{
    leave_house(record);
    enter_house(record, house);
}

static int connection_run(void *arg)
{
    struct connection_record *record = arg;
    gyre_connection *connection = &record->connection;
    gyre_listener *listener = connection->listener;
    struct house *house = record->house;
    struct gate *gate = record->gate;
    int result;

    slots_arrive(record);
    result = listener->fn(connection);
    if (connection->fd >= 0)
        (void)gyre_close(connection->fd);
    if (result < 0 && !result_is_cancel(result))
        count_add(&house->failed, 1);
    slots_leave(record);
    alloc_free(record);
    if (listener->options.connections_max > 0)
        gyre_semaphore_release(&gate->room, 1);
    if (listener->options.places != NULL)
        gyre_semaphore_release(listener->options.places, 1);
    /* The last touch: when none is open the listener may be closed. */
    atomic_fetch_sub_explicit(&house->open, 1, memory_order_release);
    return 0;
}

int connection_spawn(struct connection_record *record)
{
    const struct gate *gate = record->gate;
    const gyre_listener *listener = gate->listener;
    const gyre_listener_options *wanted = &listener->options;
    gyre_task_options options = {
        .name = wanted->name != NULL ? wanted->name : "connection",
        .stack_size = wanted->stack_size,
    };

    if (listener->gate_count == 1 && listener->house_count > 1)
        options.where = GYRE_ENGINE(record->house - listener->houses);
    /* The record may be gone then, unless it failed. */
    return gyre_spawn_with(gate->scope, &options, connection_run, record, NULL);
}

void connection_drop(struct connection_record *record)
{
    leave_house(record);
    if (record->is_there) {
        slots_drop(record);
        return;
    }
    (void)gyre_close(record->connection.fd);
    alloc_free(record);
}

/* ---- numbers ------------------------------------------------------------- */

static void add_house(const struct house *house, gyre_listener_stats *stats)
{
    stats->accepted += count_of(&house->accepted);
    stats->open += count_of(&house->open);
    stats->failed += count_of(&house->failed);
    stats->slotted += count_of(&house->slotted);
    stats->passed += count_of(&house->passed);
}

static void add_gate(const struct gate *gate, gyre_listener_stats *stats)
{
    int error = atomic_load_explicit(&gate->last_error, memory_order_relaxed);

    /* In one order with what make_place() looks at. */
    stats->waiting += atomic_load(&gate->waiting);
    stats->pauses += count_of(&gate->pauses);
    if (error != 0)
        stats->last_error = error;
}

void gyre_listener_get_stats(const gyre_listener *listener, int engine,
                             gyre_listener_stats *stats)
{
    ASSERT_API(stats->size == sizeof *stats,
               "gyre_listener_stats.size is not that of this library");
    ASSERT_API(engine >= -1 && engine < (int)listener->house_count,
               "there is no engine of that number: see gyre_engines_count()");
    *stats = (gyre_listener_stats){ .size = sizeof *stats };
    for (unsigned n = 0; n < listener->house_count; n++)
        if (engine < 0 || n == (unsigned)engine)
            add_house(&listener->houses[n], stats);
    for (unsigned i = 0; i < listener->gate_count; i++)
        if (engine < 0 || listener->gates[i].engine == (unsigned)engine)
            add_gate(&listener->gates[i], stats);
}
