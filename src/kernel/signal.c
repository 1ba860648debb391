/* SPDX-License-Identifier: MIT */
/*
 * signal.c - sigaction(2), and handing on
 *
 * A row of the table is written by one thread at a time, under the lock, and
 * read by handlers without it. So `before` of a row is written before the
 * handler is installed and never changed while it may run; what changes under
 * a running handler is `fn` alone, which is atomic.
 *
 * Orderings. A handler counts itself `inside` and then reads what others take
 * away (`fn`, and lists of its users'); who takes something away does that and
 * then waits until nobody is inside. All four are sequentially consistent: a
 * handler that has been missed does not find it.
 */
#include "kernel/signal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#define SIGNALS 65

static struct {
    _Atomic(signal_fn *) fn;
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
    signal_fn *fn;

    atomic_fetch_add(&inside, 1);
    fn = atomic_load(&table[number].fn);
    if (fn != NULL)
        fn(number, context);
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

int signal_watch(int number, signal_fn *fn)
{
    int saved = errno;
    signal_fn *other;
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

bool signal_unblock(int number)
{
    sigset_t set, before;

    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, &before);
    return sigismember(&before, number) == 1;
}

void signal_block(int number)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* ---- what was interrupted ------------------------------------------------ */

struct signal_place signal_place_of(const void *machine)
{
    const mcontext_t *at = &((const ucontext_t *)machine)->uc_mcontext;

#if defined(__x86_64__)
    return (struct signal_place){
        .pc = (const void *)at->gregs[REG_RIP],
        .sp = (const void *)at->gregs[REG_RSP],
        .frame = (const void *)at->gregs[REG_RBP],
        .base = (const void *)at->gregs[REG_RBX],
    };
#elif defined(__aarch64__)
    return (struct signal_place){
        .pc = (const void *)at->pc,
        .sp = (const void *)at->sp,
        .frame = (const void *)at->regs[29],
        .base = (const void *)at->regs[19],
    };
#elif defined(__riscv)
    return (struct signal_place){
        .pc = (const void *)at->__gregs[REG_PC],
        .sp = (const void *)at->__gregs[REG_SP],
    };
#elif defined(__s390x__)
    return (struct signal_place){
        .pc = (const void *)at->psw.addr,
        .sp = (const void *)at->gregs[15],
    };
#else
    (void)at;
    return (struct signal_place){ 0 };
#endif
}

size_t signal_stack_left(const void *here)
{
    stack_t stack;

    if (sigaltstack(NULL, &stack) != 0 || (stack.ss_flags & SS_ONSTACK) == 0)
        return SIZE_MAX;
    return (size_t)((const char *)here - (const char *)stack.ss_sp);
}
