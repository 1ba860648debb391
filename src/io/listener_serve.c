/* SPDX-License-Identifier: MIT */
/*
 * listener_serve.c - gates: who accepts
 *
 * A gate has a scope of its own, in which one task waits for the stop, and
 * cancels it, and others accept. Connections are tasks of another scope, so
 * they go on when the gate has closed.
 *
 * Nobody who was accepted is lost. There is memory for a connection before it
 * is accepted; if there is none, or no stack, the acceptor pauses with the
 * connection in its hand. What a multishot accept has brought when it is
 * cancelled is served. Only if its task can not be started then is a connection
 * closed: there is no memory, no place, or no room in the scope, and no time to
 * wait.
 *
 * A multishot accept that fails for anything but a shortage is followed by
 * single ones, which say the same if the socket is to blame: some Linux in some
 * containers fails the former alone, again and again.
 */
#include <errno.h>
#include <gyre/file.h>
#include <gyre/path.h>

#include "base/alloc.h"
#include "io/acceptor.h"
#include "io/incoming.h"
#include "io/listener.h"

/* Single requests at a time: one would bring one connection a turn. */
#define SINGLE_ACCEPTS 4U
/* Connections that are passed from slot to slot at a time. */
#define PASSES_MAX 256U

/* ---- through a shortage -------------------------------------------------- */

/* As acceptor_pass_over(), counted. */
static int gate_pass_over(struct gate *gate, gyre_acceptor *acceptor, int error)
{
    uint64_t pauses = acceptor->pauses;
    int err = acceptor_pass_over(acceptor, error);

    if (acceptor->pauses == pauses)
        return err;
    atomic_fetch_add_explicit(&gate->pauses, 1, memory_order_relaxed);
    atomic_store_explicit(&gate->last_error, acceptor->last_error,
                          memory_order_relaxed);
    return err;
}

int gate_spawn(struct gate *gate, gyre_acceptor *acceptor,
               struct connection_record *record)
{
    int err;

    while ((err = connection_spawn(record)) < 0) {
        /* A full scope that refuses is a shortage like others. */
        err = gate_pass_over(gate, acceptor, err == -EAGAIN ? -ENOMEM : err);
        if (err < 0)
            break;
    }
    if (err >= 0)
        return 0;
    if (gate->listener->options.places != NULL)
        gyre_semaphore_release(gate->listener->options.places, 1);
    connection_drop(record);
    return err;
}

/* As gate_spawn(), of a record that has its descriptor. */
static int gate_start(struct gate *gate, gyre_acceptor *acceptor,
                      struct connection_record *record)
{
    connection_place(record);
    if (slots_must_pass(record)) {
        if (slots_pass(record) == 0)
            return 0;
        connection_move(record, &gate->listener->houses[gate->engine]);
    }
    return gate_spawn(gate, acceptor, record);
}

/* As connection_record_new(), but waits for memory; NULL: *err ends it. */
static struct connection_record *gate_new(struct gate *gate,
                                          gyre_acceptor *acceptor, int *err)
{
    struct connection_record *record;

    *err = 0;
    while ((record = connection_record_new(gate)) == NULL && *err == 0)
        *err = gate_pass_over(gate, acceptor, -ENOMEM);
    return record;
}

/* ---- one by one ---------------------------------------------------------- */

static int accept_next(struct gate *gate, gyre_acceptor *acceptor,
                       struct connection_record *record)
{
    gyre_connection *connection = &record->connection;
    struct sockaddr *peer = NULL;
    socklen_t *size = NULL;

    if (gate->listener->options.peers) {
        peer = (struct sockaddr *)&record->peer;
        size = &connection->peer_size;
    }
    for (;;) {
        bool slot = slots_are_wanted(gate, true);
        int fd, err;

        connection->peer_size = size != NULL ? sizeof record->peer : 0;
        fd = slot ? gyre_accept_slot(gate->fd, peer, size, SOCK_NONBLOCK,
                                     GYRE_SLOT_ANY)
                  : gyre_accept(gate->fd, peer, size, SOCK_NONBLOCK);
        if (fd >= 0) {
            acceptor->pause_ms = 0;
            connection->fd = fd;
            return 0;
        }
        err = gate_pass_over(gate, acceptor, fd);
        if (err < 0)
            return err;
    }
}

/* Of those that listeners share; one that was accepted is in hand. */
static int gate_take_place(struct gate *gate)
{
    const gyre_listener_options *options = &gate->listener->options;
    int err;

    if (options->places == NULL ||
        gyre_semaphore_try_acquire(options->places, 1))
        return 0;
    /* A connection that comes to rest sees it, or is seen by make_place(). */
    atomic_fetch_add(&gate->waiting, 1);
    if (options->make_place != NULL)
        options->make_place(gate->listener->arg);
    err = gyre_semaphore_acquire(options->places, 1);
    atomic_fetch_sub(&gate->waiting, 1);
    return err;
}

static int accept_one(struct gate *gate, gyre_acceptor *acceptor)
{
    int err;
    struct connection_record *record = gate_new(gate, acceptor, &err);

    if (record == NULL)
        return err;
    err = accept_next(gate, acceptor, record);
    if (err >= 0) {
        err = gate_take_place(gate);
        if (err >= 0)
            return gate_start(gate, acceptor, record);
        (void)gyre_close(record->connection.fd);
    }
    alloc_free(record);
    return err;
}

/* A task. */
static int accept_singly(void *arg)
{
    struct gate *gate = arg;
    bool bounded = gate->listener->options.connections_max > 0;
    gyre_acceptor acceptor;
    int err = 0;

    gyre_acceptor_init(&acceptor, gate->fd);
    while (err >= 0) {
        if (bounded)
            err = gyre_semaphore_acquire(&gate->room, 1);
        if (err < 0)
            break;
        err = accept_one(gate, &acceptor);
        if (err < 0 && bounded)
            gyre_semaphore_release(&gate->room, 1);
    }
    return err;
}

static int spawn_single(struct gate *gate, gyre_scope *accepting)
{
    static const gyre_task_options options = { .name = "accept" };
    int err = 0;

    for (unsigned i = 0; i < SINGLE_ACCEPTS && err == 0; i++)
        err = gyre_spawn_with(accepting, &options, accept_singly, gate, NULL);
    return err;
}

/* ---- many by one request ------------------------------------------------- */

static int gate_serve_fd(struct gate *gate, gyre_acceptor *acceptor, int fd)
{
    int err;
    struct connection_record *record = gate_new(gate, acceptor, &err);

    if (record == NULL) {
        (void)gyre_close(fd);
        return err;
    }
    acceptor->pause_ms = 0;
    record->connection.fd = fd;
    return gate_start(gate, acceptor, record);
}

/* 0: it is time for the other kind. */
static int accept_one_kind(struct gate *gate, gyre_acceptor *acceptor,
                           bool slots)
{
    const gyre_incoming_options options = { .flags = SOCK_NONBLOCK };
    gyre_incoming in;
    int fd, err;

    err = slots ? incoming_accept_slots(&in, gate->fd, &options)
                : gyre_incoming_accept(&in, gate->fd, &options);
    while (err >= 0 && slots_are_wanted(gate, slots) == slots) {
        fd = gyre_incoming_next_fd(&in);
        err = fd >= 0 ? gate_serve_fd(gate, acceptor, fd)
                      : gate_pass_over(gate, acceptor, fd);
    }
    while ((fd = incoming_last_fd(&in)) >= 0)
        (void)gate_serve_fd(gate, acceptor, fd);
    gyre_incoming_close(&in);
    return err;
}

/* A task. */
static int accept_many(void *arg)
{
    struct gate *gate = arg;
    gyre_acceptor acceptor;
    int err;

    gyre_acceptor_init(&acceptor, gate->fd);
    do
        err = accept_one_kind(gate, &acceptor, slots_are_wanted(gate, false));
    while (err >= 0);
    if (result_is_cancel(err))
        return err;
    err = spawn_single(gate, gyre_scope_current());
    return err;
}

/* ---- a gate -------------------------------------------------------------- */

/* A task. */
static int gate_watch(void *arg)
{
    struct gate *gate = arg;
    int err = gyre_event_wait(&gate->listener->stop, NULL);

    if (err == 0)
        gyre_scope_cancel(gyre_scope_current());
    return err;
}

static int gate_open(gyre_scope *accepting, struct gate *gate)
{
    static const gyre_task_options watch = { .name = "listener" };
    static const gyre_task_options accept = { .name = "accept" };
    const gyre_listener_options *options = &gate->listener->options;
    int err = gyre_spawn_with(accepting, &watch, gate_watch, gate, NULL);

    if (err < 0)
        return err;
    if (options->connections_max > 0 || options->peers ||
        options->places != NULL)
        return spawn_single(gate, accepting);
    return gyre_spawn_with(accepting, &accept, accept_many, gate, NULL);
}

/* 0: it was stopped, or the caller cancelled. */
static int gate_run(struct gate *gate)
{
    const gyre_scope_options few = { .max_tasks = PASSES_MAX };
    gyre_scope accepting;
    int err, closed;

    gyre_scope_open(&gate->passing, &few);
    gyre_scope_open(&accepting, NULL);
    err = gate_open(&accepting, gate);
    if (err < 0)
        gyre_scope_cancel(&accepting);
    closed = gyre_scope_close(&accepting);
    gate_close(gate);
    /* Who is being passed on is served, unless there is no room for him. */
    gyre_scope_cancel(&gate->passing);
    (void)!gyre_scope_close(&gate->passing);
    return err < 0 ? err : closed;
}

void gate_close(struct gate *gate)
{
    const gyre_scope_options always = { .shield = true,
                                        .deadline_ns = GYRE_NEVER };
    const struct listener_address *address = &gate->listener->address;
    const char *path = listener_path(address);
    gyre_scope scope;
    int err;

    if (gate->fd < 0)
        return;
    /* The file first: a successor replaces it only when nobody listens. */
    if (path != NULL && address->adopted < 0) {
        gyre_scope_open(&scope, &always);
        (void)gyre_unlink(path);
        err = gyre_scope_close(&scope);
        ASSERT(err == 0);
    }
    (void)gyre_close(gate->fd);
    gate->fd = -1;
}

/* ---- a gate on each engine ----------------------------------------------- */

/* A task. */
static int gate_main(void *arg)
{
    struct gate *gate = arg;
    gyre_listener *listener = gate->listener;
    int none = 0;
    int err;

    /* Of another engine it is a part of the scope. */
    gate->scope = gyre_scope_current();
    err = gate_run(gate);
    if (err < 0) {
        (void)atomic_compare_exchange_strong(&listener->error, &none, err);
        gyre_listener_stop(listener);
    }
    gyre_latch_count_down(&listener->shut, 1);
    return 0;
}

/* Also if the caller is cancelled alone. */
static void wait_for_gates(gyre_listener *listener)
{
    const gyre_scope_options always = { .shield = true,
                                        .deadline_ns = GYRE_NEVER };
    gyre_scope scope;
    int err = gyre_latch_wait(&listener->shut);

    if (err == 0)
        return;
    gyre_listener_stop(listener);
    gyre_scope_open(&scope, &always);
    err = gyre_latch_wait(&listener->shut);
    ASSERT(err == 0);
    err = gyre_scope_close(&scope);
    ASSERT(err == 0);
}

static int serve_on_each(gyre_listener *listener, gyre_scope *scope)
{
    gyre_task_options options = { .name = "listener" };
    int err = 0;

    for (unsigned i = 0; i < listener->gate_count; i++) {
        struct gate *gate = &listener->gates[i];

        options.where = GYRE_ENGINE(gate->engine);
        if (err == 0)
            err = gyre_spawn_with(scope, &options, gate_main, gate, NULL);
        if (err == 0)
            continue;
        gyre_listener_stop(listener);
        gate_close(gate);
        gyre_latch_count_down(&listener->shut, 1);
    }
    wait_for_gates(listener);
    return err != 0 ? err : atomic_load(&listener->error);
}

/* ---- serving ------------------------------------------------------------- */

static bool scope_is_around(const gyre_scope *scope)
{
    const gyre_scope *at = gyre_scope_current();

    while (at != NULL && at != scope)
        at = at->parent_;
    return at != NULL;
}

static void stop_for_shutdown(gyre_shutdown_hook *hook)
{
    gyre_listener_stop(CONTAINER_OF(hook, gyre_listener, hook));
}

int gyre_listener_serve(gyre_listener *listener, gyre_scope *scope,
                        gyre_connection_fn *fn, void *arg)
{
    enum listener_state open = LISTENER_OPEN;
    int came, err;

    ASSERT_API(fn != NULL, "a connection needs a function");
    came = listener_come_in(listener);
    if (came < 0)
        gyre_listener_stop(listener);
    ASSERT_API(gyre_engines_current() == listener->engines,
               "a listener is served by the engines it was opened on");
    ASSERT_API(scope_is_around(scope),
               "a listener is served in the scope that its connections are "
               "tasks of, or in one below it");
    ASSERT_API(atomic_compare_exchange_strong(&listener->state, &open,
                                              LISTENER_SERVES),
               "a listener serves once: open another");
    listener->fn = fn;
    listener->arg = arg;
    if (listener->engines != NULL &&
        !gyre_shutdown_watch(&listener->hook, stop_for_shutdown))
        gyre_listener_stop(listener);
    if (listener->gate_count > 1) {
        err = serve_on_each(listener, scope);
    } else {
        if (listener->engines != NULL)
            listener->gates[0].engine = (unsigned)gyre_engine_current();
        listener->gates[0].scope = scope;
        err = gate_run(&listener->gates[0]);
    }
    gyre_shutdown_unwatch(&listener->hook);
    atomic_store(&listener->state, LISTENER_OVER);
    if (came < 0)
        err = came;
    else if (err == 0)
        err = gyre_cancelled();
    /* A shutdown stops it before it cancels, whichever is seen first. */
    return err == -ECANCELED && gyre_is_shutting_down(listener->engines) ? 0
                                                                         : err;
}
