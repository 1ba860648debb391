/* SPDX-License-Identifier: MIT */
/*
 * dump_signal.c - a signal asks, the loop's next turn answers
 *
 * The handler runs between any two instructions of any thread. It walks a list
 * of watchers, one for each loop that has asked, and posts each one's work,
 * unless that is posted already; posting is lock-free. All else happens on the
 * loop's own thread.
 *
 * A watcher lies beside its loop from the first registration to the loop's end,
 * since the loop may still hold its posted work. The list changes under a lock;
 * a handler reads it without. A watcher taken off keeps its `next`, so that a
 * handler that stands on it gets on, and signal_quiesce() waits for that
 * handler before anything else happens to the watcher.
 */
#include <errno.h>
#include <gyre/dump.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "kernel/signal.h"
#include "loop/loop.h"

struct watcher {
    gyre_work work;
    _Atomic(struct watcher *) next;
    gyre_loop *loop;
    int signal; /* 0: none, and not on the list */
    int fd;
    atomic_bool posted;
};

static _Atomic(struct watcher *) watchers;
static pthread_mutex_t watchers_lock = PTHREAD_MUTEX_INITIALIZER;

static void write_dump(gyre_work *work)
{
    struct watcher *watcher = CONTAINER_OF(work, struct watcher, work);

    /* First: a signal from here on wants another dump. */
    atomic_store(&watcher->posted, false);
    if (watcher->signal != 0)
        (void)gyre_dump_fd(watcher->loop, watcher->fd);
}

static void on_signal(int number, const void *machine)
{
    struct watcher *watcher = atomic_load(&watchers);

    (void)machine;
    for (; watcher != NULL; watcher = atomic_load(&watcher->next))
        if (watcher->signal == number &&
            !atomic_exchange(&watcher->posted, true))
            gyre_loop_post(watcher->loop, &watcher->work, write_dump);
}

static bool is_watched(int number)
{
    struct watcher *watcher = atomic_load(&watchers);

    while (watcher != NULL && watcher->signal != number)
        watcher = atomic_load(&watcher->next);
    return watcher != NULL;
}

static void watcher_add(struct watcher *watcher, int number, int fd)
{
    watcher->signal = number;
    watcher->fd = fd;
    atomic_store(&watcher->next, atomic_load(&watchers));
    atomic_store(&watchers, watcher);
}

/* Afterwards no handler knows it. */
static void watcher_remove(struct watcher *watcher)
{
    _Atomic(struct watcher *) *at = &watchers;
    int number = watcher->signal;

    if (number == 0)
        return;
    while (atomic_load(at) != watcher)
        at = &atomic_load(at)->next;
    atomic_store(at, atomic_load(&watcher->next));
    if (!is_watched(number))
        signal_unwatch(number);
    signal_quiesce();
    watcher->signal = 0;
}

static void watch_end(gyre_loop *loop)
{
    pthread_mutex_lock(&watchers_lock);
    watcher_remove(loop->watch);
    pthread_mutex_unlock(&watchers_lock);
    alloc_free(loop->watch);
    loop->watch = NULL;
    loop->watch_end = NULL;
}

static struct watcher *watcher_of(gyre_loop *loop)
{
    struct watcher *watcher = loop->watch;

    if (watcher != NULL)
        return watcher;
    watcher = alloc_zeroed(1, sizeof *watcher);
    if (watcher == NULL)
        return NULL;
    watcher->loop = loop;
    loop->watch = watcher;
    loop->watch_end = watch_end;
    return watcher;
}

/* Under the lock. */
static int watcher_move(struct watcher *watcher, int number, int fd)
{
    int err;

    if (number != 0 && watcher->signal == number) {
        watcher->fd = fd;
        return 0;
    }
    if (number != 0) {
        err = signal_watch(number, on_signal);
        if (err < 0)
            return err;
    }
    watcher_remove(watcher);
    if (number != 0)
        watcher_add(watcher, number, fd);
    return 0;
}

int gyre_dump_on_signal(gyre_loop *loop, int signal, int fd)
{
    struct watcher *watcher;
    int result;

    loop_assert_owner(loop);
    if (signal == 0 && loop->watch == NULL)
        return 0;
    watcher = watcher_of(loop);
    if (watcher == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&watchers_lock);
    result = watcher_move(watcher, signal, fd);
    pthread_mutex_unlock(&watchers_lock);
    return result;
}
