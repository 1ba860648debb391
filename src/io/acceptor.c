/* SPDX-License-Identifier: MIT */
/*
 * acceptor.c - accepting through a shortage
 *
 * Out of descriptors, accept fails at once, again and again: re-arming without
 * a pause would burn a processor (a hundred thousand failures in 100 ms were
 * seen). So the acceptor sleeps, a little longer each time, and tries again.
 * Waiting connections stay in the kernel's listen queue, so none is lost;
 * shedding them by a reserve descriptor would be.
 */
#include "io/acceptor.h"

#include <errno.h>

#include "base/assert.h"

#define PAUSE_MIN_MS 1U
#define PAUSE_MAX_MS 100U

void gyre_acceptor_init(gyre_acceptor *acceptor, int fd)
{
    *acceptor = (gyre_acceptor){ .fd = fd };
}

static bool is_shortage(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOBUFS ||
           err == -ENOMEM;
}

/* accept(2): the new connection's pending network errors come by accept. */
static bool is_dead_connection(int err)
{
    return err == -ECONNABORTED || err == -EPROTO || err == -ENETDOWN ||
           err == -ENOPROTOOPT || err == -EHOSTDOWN || err == -ENONET ||
           err == -EHOSTUNREACH || err == -ENETUNREACH;
}

static int acceptor_pause(gyre_acceptor *acceptor, int err)
{
    uint32_t pause = acceptor->pause_ms * 2;

    if (pause < PAUSE_MIN_MS)
        pause = PAUSE_MIN_MS;
    if (pause > PAUSE_MAX_MS)
        pause = PAUSE_MAX_MS;
    acceptor->pause_ms = pause;
    acceptor->pauses++;
    acceptor->last_error = err;
    return gyre_sleep(pause * GYRE_MS);
}

int acceptor_pass_over(gyre_acceptor *acceptor, int error)
{
    if (is_shortage(error))
        return acceptor_pause(acceptor, error);
    /* A dead connection was one fewer; a shortage passes with time. */
    return is_dead_connection(error) ? gyre_yield() : error;
}

int gyre_acceptor_next(gyre_acceptor *acceptor, struct sockaddr *address,
                       socklen_t *size)
{
    socklen_t room = size != NULL ? *size : 0;

    for (;;) {
        int fd, err;

        if (size != NULL)
            *size = room;
        fd = gyre_accept(acceptor->fd, address, size, SOCK_NONBLOCK);
        if (fd >= 0) {
            acceptor->pause_ms = 0;
            return fd;
        }
        err = acceptor_pass_over(acceptor, fd);
        if (err < 0)
            return err;
    }
}
