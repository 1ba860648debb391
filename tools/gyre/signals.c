/* SPDX-License-Identifier: MIT */
/*
 * signals.c - see signals.h
 *
 * By a handler, and not by a task, which would be one of those that the end of
 * the drain cancels, and could not run while another has the thread. All that
 * it does may be done in a handler: gyre_engines_shutdown() and _exit(). It is
 * never taken back, but looks at the engines only for the first signal, and
 * they do not end before they are shut down.
 *
 * One wish may come as two signals: timeout(1) sends what it gets to its child
 * and to its group. So the second is one that comes a moment later.
 */
#include "signals.h"

#include <errno.h>
#include <gyre/engine.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define MOMENT_NS (GYRE_SECOND / 10)

static gyre_engines *engines;
static const gyre_shutdown_options *phases;
static _Atomic uint64_t begun_ns; /* 0: not yet */

static void both(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

static void on_signal(int number)
{
    int saved = errno;
    struct timespec time;
    uint64_t now_ns, before_ns = 0;

    clock_gettime(CLOCK_MONOTONIC, &time);
    now_ns = (uint64_t)time.tv_sec * GYRE_SECOND + (uint64_t)time.tv_nsec;
    if (atomic_compare_exchange_strong(&begun_ns, &before_ns, now_ns))
        gyre_engines_shutdown(engines, phases);
    else if (now_ns >= before_ns + MOMENT_NS) /* may be of before it */
        _exit(128 + number);
    errno = saved;
}

void signals_hold(void)
{
    sigset_t set;

    both(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

/* A shell starts what is put into the background of a script with SIGINT
 * ignored: that is over with a handler. */
void signals_heed(const gyre_shutdown_options *options)
{
    struct sigaction action = { .sa_handler = on_signal,
                                .sa_flags = SA_ONSTACK };
    sigset_t set;

    engines = gyre_engines_current();
    phases = options;
    both(&set);
    action.sa_mask = set;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void signals_forestall(void)
{
    uint64_t before_ns = 0;

    if (atomic_compare_exchange_strong(&begun_ns, &before_ns, 1))
        gyre_engines_shutdown(NULL, phases);
}
