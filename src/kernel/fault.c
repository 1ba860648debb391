/* SPDX-License-Identifier: MIT */
/*
 * fault.c - the handler
 *
 * The handler before ours is called as Linux would have called it, with the
 * signals blocked that it asked for. It may jump away, mend the fault and
 * return, or end the process. Where there was none, the signal is given back
 * its default action; the instruction at fault is then run again, and dies of
 * it with registers and core as if nobody had looked. A signal that somebody
 * sent does not come again by itself, and is sent again.
 */
#include "kernel/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/assert.h"
#include "kernel/signal_stack.h"

#define TEXT_BYTES 256

static const int signals[] = { SIGSEGV, SIGBUS };

static struct sigaction before[ARRAY_SIZE(signals)];
static _Atomic(fault_tell_fn *) tell_fn;

static void tell(const siginfo_t *info)
{
    fault_tell_fn *fn = atomic_load(&tell_fn);
    char text[TEXT_BYTES];
    size_t length;

    /* Somebody sent it: there is no address. */
    if (info->si_code <= 0)
        return;
    length = fn(info->si_addr, text, sizeof text);
    if (length > 0 && write(STDERR_FILENO, text, length) < 0)
        return; /* nobody is there to be told */
}

static void chain(int number, siginfo_t *info, void *context,
                  const struct sigaction *old)
{
    if ((old->sa_flags & SA_SIGINFO) != 0) {
        old->sa_sigaction(number, info, context);
    } else if (old->sa_handler == SIG_IGN && info->si_code <= 0) {
        return;
    } else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
        old->sa_handler(number);
    } else {
        (void)sigaction(number, old, NULL);
        if (info->si_code <= 0)
            (void)raise(number);
    }
}

static void handle(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;

    tell(info);
    errno = saved_errno;
    chain(number, info, context, &before[number == SIGSEGV ? 0 : 1]);
}

static int handle_signal(size_t i)
{
    struct sigaction action;

    if (sigaction(signals[i], NULL, &before[i]) != 0)
        return -errno;
    action = before[i];
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK |
                      (before[i].sa_flags & (SA_NODEFER | SA_RESTART));
    return sigaction(signals[i], &action, NULL) != 0 ? -errno : 0;
}

int fault_handle(fault_tell_fn *fn)
{
    int saved_errno = errno;
    fault_tell_fn *none = NULL;
    int err = 0;

    if (!atomic_compare_exchange_strong(&tell_fn, &none, fn))
        return 0;
    for (size_t i = 0; err == 0 && i < ARRAY_SIZE(signals); i++)
        err = handle_signal(i);
    errno = saved_errno;
    return err;
}

bool fault_begin_thread(void)
{
    return atomic_load(&tell_fn) != NULL && signal_stack_begin();
}

void fault_end_thread(void)
{
    signal_stack_end();
}
