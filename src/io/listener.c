/* SPDX-License-Identifier: MIT */
/*
 * listener.c - listeners: open, stop, close
 */
#include <errno.h>
#include <gyre/file.h>
#include <string.h>

#include "base/alloc.h"
#include "io/listener.h"

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
    if (options->stack_size != 0 && !stack_size_is_valid(options->stack_size))
        return listener_complain(text, -EINVAL,
                                 "options.stack_size is less than 16 KiB or "
                                 "more than 1 GiB");
    return 0;
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

static gyre_listener *listener_new(const gyre_listener_options *options)
{
    gyre_engines *engines = gyre_engines_current();
    unsigned houses = engines != NULL ? gyre_engines_count(engines) : 1;
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
    listener->engines = engines;
    listener->house_count = houses;
    listener->gate_count = gates;
    gyre_event_init(&listener->stop, 0);
    gyre_latch_init(&listener->shut, gates, 0);
    for (unsigned i = 0; i < gates; i++)
        gate_init(listener, i);
    return listener;
}

static void listener_free(gyre_listener *listener)
{
    for (unsigned i = 0; i < listener->gate_count; i++) {
        gate_close(&listener->gates[i]);
        gyre_semaphore_destroy(&listener->gates[i].room);
    }
    gyre_latch_destroy(&listener->shut);
    gyre_event_destroy(&listener->stop);
    alloc_free(listener->gates);
    alloc_free(listener);
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

int gyre_listener_open(gyre_listener **made, const char *address,
                       const gyre_listener_options *options)
{
    static const gyre_listener_options defaults;
    struct listener_address parsed;
    gyre_listener *listener;
    int err;

    if (options == NULL)
        options = &defaults;
    ASSERT_API(options->size == 0 || options->size == sizeof *options,
               "gyre_listener_options.size is not that of this library");
    listener_forgive();
    *made = NULL;
    err = check(address, options, &parsed);
    if (err < 0)
        return err;
    listener = listener_new(options);
    if (listener == NULL)
        return listener_complain(address, -ENOMEM, "no memory for it");
    listener->address = parsed;
    err = listener_open(listener, address);
    if (err < 0) {
        listener_free(listener);
        return err;
    }
    *made = listener;
    return 0;
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
                   "close their scope first");
    listener_free(listener);
}
