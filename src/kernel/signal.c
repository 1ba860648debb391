/* SPDX-License-Identifier: MIT */
/*
 * signal.c - sigaction(2), and handing on
 *
 * A row of the table is written by one thread at a time, under the lock, and
 * read by handlers without it. So `before` of a row is written before the
 * handler is installed and never changed while it may run; what changes under
 * a running handler is `fn` alone, which is atomic.
 */
#include "kernel/signal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define SIGNALS 65

typedef void watch_fn(int number);

static struct {
    _Atomic(watch_fn *) fn;
    bool installed;
    struct sigaction before;
} table[SIGNALS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint inside;

static void hand_on(const struct sigaction *before, int number, siginfo_t *info,
                    void *context)
{
    if ((before->sa_flags & SA_SIGINFO) != 0)
        before->sa_sigaction(number, info, context);
    else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        before->sa_handler(number);
}

static void handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    watch_fn *fn;

    atomic_fetch_add(&inside, 1);
    fn = atomic_load(&table[number].fn);
    if (fn != NULL)
        fn(number);
    atomic_fetch_sub(&inside, 1);
    hand_on(&table[number].before, number, info, context);
    errno = saved;
}

/* On the thread's alternate stack, if it has one: that of a task may be short.
 * The handler before ours may count on it, and on the signals it has blocked.
 */
static int install(int number)
{
    struct sigaction action = {
        .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK
    };

    if (sigaction(number, NULL, &table[number].before) < 0)
        return -errno;
    action.sa_mask = table[number].before.sa_mask;
    if (sigaction(number, &action, NULL) < 0)
        return -errno;
    table[number].installed = true;
    return 0;
}

int signal_watch(int number, void (*fn)(int number))
{
    int saved = errno;
    watch_fn *other;
    int result = 0;

    if (number < 1 || number >= SIGNALS)
        return -EINVAL;
    pthread_mutex_lock(&lock);
    other = atomic_load(&table[number].fn);
    if (other != NULL && other != fn) {
        result = -EBUSY;
    } else {
        atomic_store(&table[number].fn, fn);
        if (!table[number].installed)
            result = install(number);
        if (result < 0)
            atomic_store(&table[number].fn, NULL);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

void signal_unwatch(int number)
{
    int saved = errno;
    struct sigaction now;

    pthread_mutex_lock(&lock);
    atomic_store(&table[number].fn, NULL);
    if (table[number].installed && sigaction(number, NULL, &now) == 0 &&
        (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == handle) {
        (void)sigaction(number, &table[number].before, NULL);
        table[number].installed = false;
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
}

void signal_quiesce(void)
{
    while (atomic_load(&inside) != 0)
        (void)sched_yield();
}
