/* SPDX-License-Identifier: MIT */
/*
 * listener.c - listeners: open, stop, close
 *
 * A plain thread that opens one has no loop for the ops that it takes, and gets
 * one for as long as that is. Closing must not fail for want of one: it does
 * without, by system calls.
 */
#include <errno.h>
#include <gyre/file.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "io/listener.h"
#include "kernel/proc.h"

/* ---- open ---------------------------------------------------------------- */

static int check(const char *text, const gyre_listener_options *options,
                 struct listener_address *address)
{
    bool apart = options->spread == GYRE_SPREAD_REUSEPORT;

    if (!listener_parse(text, address))
        return listener_complain(
            text, -EINVAL,
            "no such form of address; give 127.0.0.1:80, [::1]:80, :80, "
            "unix:PATH, unix:@NAME, vsock:PORT, vsock:CID:PORT, fd:NUMBER or "
            "systemd:NUMBER");
    if (options->spread != GYRE_SPREAD_HAND_OFF && !apart)
        return listener_complain(text, -EINVAL,
                                 "options.spread is neither "
                                 "GYRE_SPREAD_HAND_OFF nor "
                                 "GYRE_SPREAD_REUSEPORT");
    if (apart && (address->adopted >= 0 || address->not_passed))
        return listener_complain(
            text, -EINVAL,
            "a socket that is open already is one, not one for each engine; "
            "use GYRE_SPREAD_HAND_OFF");
    if (apart && (address->any.ss_family == AF_UNIX ||
                  address->any.ss_family == AF_VSOCK))
        return listener_complain(text, -EINVAL,
                                 "unix and vsock sockets cannot share an "
                                 "address (SO_REUSEPORT); use "
                                 "GYRE_SPREAD_HAND_OFF");
    if (options->backlog < 0)
        return listener_complain(text, -EINVAL,
                                 "options.backlog is negative; 0 is as many as "
                                 "net.core.somaxconn allows");
    if (options->slots > GYRE_SLOTS_MAX)
        return listener_complain(text, -EINVAL,
                                 "options.slots is more than a loop can have, "
                                 "2^20");
    if (options->stack_size != 0 && !stack_size_is_valid(options->stack_size))
        return listener_complain(text, -EINVAL,
                                 "options.stack_size is less than 16 KiB or "
                                 "more than 1 GiB");
    return 0;
}

static bool is_outside(void)
{
    ASSERT_API(task_self != NULL || gyre_loop_current() == NULL,
               "in a callback, listeners are neither opened nor closed: spawn "
               "a task that does");
    return task_self == NULL;
}

static void gate_init(gyre_listener *listener, unsigned number)
{
    struct gate *gate = &listener->gates[number];
    uint32_t most = listener->options.connections_max;
    uint32_t share = most / listener->gate_count +
                     (most % listener->gate_count != 0);

    gate->listener = listener;
    gate->fd = -1;
    gate->engine = number;
    gyre_semaphore_init(&gate->room, share, 0);
}

static gyre_listener *listener_new(const gyre_listener_options *options,
                                   unsigned houses)
{
    unsigned gates = options->spread == GYRE_SPREAD_REUSEPORT ? houses : 1;
    gyre_listener *listener =
        alloc_aligned(_Alignof(gyre_listener),
                      sizeof *listener + houses * sizeof(struct house));

    if (listener == NULL)
        return NULL;
    listener->gates =
        alloc_aligned(_Alignof(struct gate), gates * sizeof(struct gate));
    if (listener->gates == NULL) {
        alloc_free(listener);
        return NULL;
    }
    listener->options = *options;
    listener->from_outside = is_outside();
    listener->engines = gyre_engines_current();
    listener->house_count = houses;
    listener->gate_count = gates;
    gyre_event_init(&listener->stop, 0);
    gyre_latch_init(&listener->shut, gates, 0);
    for (unsigned i = 0; i < gates; i++)
        gate_init(listener, i);
    return listener;
}

static void gate_close_outside(struct gate *gate)
{
    const struct listener_address *address = &gate->listener->address;

    if (gate->fd < 0)
        return;
    proc_close_socket(gate->fd,
                      address->adopted < 0 ? listener_path(address) : NULL);
    gate->fd = -1;
}

static void listener_free(gyre_listener *listener)
{
    for (unsigned i = 0; i < listener->gate_count; i++) {
        if (is_outside())
            gate_close_outside(&listener->gates[i]);
        else
            gate_close(&listener->gates[i]);
        gyre_semaphore_destroy(&listener->gates[i].room);
    }
    gyre_latch_destroy(&listener->shut);
    gyre_event_destroy(&listener->stop);
    alloc_free(listener->gates);
    alloc_free(listener);
}

/* For how many engines? */
static int count_engines(const char *text, const gyre_listener_options *options,
                         unsigned *count)
{
    const gyre_run_options run = { .engines = options->engines };
    gyre_engines *engines = gyre_engines_current();
    int err;

    *count = engines != NULL ? gyre_engines_count(engines) : 1;
    if (!is_outside())
        return 0;
    err = engines_count_wanted(&run, count);
    return err < 0 ? listener_complain(text, err, gyre_loop_create_error()) : 0;
}

static int listener_open(gyre_listener *listener, const char *text)
{
    for (unsigned i = 0; i < listener->gate_count; i++) {
        int fd = listener_socket(listener, text, i > 0);

        if (fd < 0)
            return fd;
        listener->gates[i].fd = fd;
    }
    listener_name(&listener->address, listener->name, sizeof listener->name);
    return 0;
}

struct opening {
    gyre_listener *listener;
    const char *text;
};

/* A task. */
static int open_in_task(void *arg)
{
    struct opening *opening = arg;

    return listener_open(opening->listener, opening->text);
}

static int listener_open_outside(gyre_listener *listener, const char *text)
{
    static const gyre_run_options alone = { .engines = 1 };
    struct opening opening = { listener, text };
    int err = gyre_run(&alone, open_in_task, &opening);

    if (err < 0 && gyre_listener_error()[0] == '\0')
        listener_complain(text, err, gyre_loop_create_error());
    return err;
}

int gyre_listener_open(gyre_listener **made, const char *address,
                       const gyre_listener_options *options)
{
    static const gyre_listener_options defaults;
    struct listener_address parsed;
    gyre_listener *listener;
    unsigned count;
    int err;

    if (options == NULL)
        options = &defaults;
    ASSERT_API(options->size == 0 || options->size == sizeof *options,
               "gyre_listener_options.size is not that of this library");
    listener_forgive();
    *made = NULL;
    err = check(address, options, &parsed);
    if (err >= 0)
        err = count_engines(address, options, &count);
    if (err < 0)
        return err;
    listener = listener_new(options, count);
    if (listener == NULL)
        return listener_complain(address, -ENOMEM, "no memory for it");
    listener->address = parsed;
    if (is_outside()) {
        err = listener_open_outside(listener, address);
    } else {
        err = slots_open(listener, address);
        if (err == 0)
            err = listener_open(listener, address);
    }
    if (err < 0) {
        listener_free(listener);
        return err;
    }
    *made = listener;
    return 0;
}

int listener_come_in(gyre_listener *listener)
{
    gyre_engines *engines = gyre_engines_current();
    unsigned count = engines != NULL ? gyre_engines_count(engines) : 1;

    if (!listener->from_outside)
        return 0;
    ASSERT_API(count == listener->house_count,
               "gyre_listener_options.engines is not the number of the engines "
               "that serve it");
    listener->engines = engines;
    listener->from_outside = false;
    listener_forgive();
    return slots_open(listener, listener->name);
}

const char *gyre_listener_address(const gyre_listener *listener)
{
    return listener->name;
}

/* ---- the end ------------------------------------------------------------- */

void gyre_listener_stop(gyre_listener *listener)
{
    (void)gyre_event_set(&listener->stop, NULL);
}

void gyre_listener_close(gyre_listener *listener)
{
    if (listener == NULL)
        return;
    ASSERT_API(atomic_load(&listener->state) != LISTENER_SERVES,
               "a listener is closed when serving has ended: "
               "gyre_listener_stop()");
    for (unsigned i = 0; i < listener->house_count; i++)
        ASSERT_API(atomic_load_explicit(&listener->houses[i].open,
                                        memory_order_acquire) == 0,
                   "a listener is closed when its connections have ended: "
                   "close their scope first, or leave it if a shutdown has "
                   "left them");
    listener_free(listener);
}
