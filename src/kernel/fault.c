/* SPDX-License-Identifier: MIT */
/*
 * fault.c - the handler, and the stack it runs on
 *
 * The handler before ours is called as Linux would have called it, with the
 * signals blocked that it asked for. It may jump away, mend the fault and
 * return, or end the process. Where there was none, the signal is given back
 * its default action; the instruction at fault is then run again, and dies of
 * it with registers and core as if nobody had looked. A signal that somebody
 * sent does not come again by itself, and is sent again.
 *
 * That handler may need much: the address sanitizer's prints a report.
 */
#include "kernel/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/assert.h"
#include "kernel/memory.h"

#define STACK_BYTES ((size_t)128 * 1024)
#define TEXT_BYTES 256

static const int signals[] = { SIGSEGV, SIGBUS };

static struct sigaction before[ARRAY_SIZE(signals)];
static _Atomic(fault_tell_fn *) tell_fn;

static _Thread_local struct {
    void *memory;
    unsigned users;
} thread_stack;

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

static bool set_stack(void)
{
    stack_t stack;

    if (sigaltstack(NULL, &stack) != 0 || (stack.ss_flags & SS_DISABLE) == 0)
        return false;
    stack =
        (stack_t){ .ss_sp = memory_map(STACK_BYTES), .ss_size = STACK_BYTES };
    if (stack.ss_sp == NULL)
        return false;
    if (sigaltstack(&stack, NULL) != 0) {
        memory_unmap(stack.ss_sp, STACK_BYTES);
        return false;
    }
    thread_stack.memory = stack.ss_sp;
    return true;
}

bool fault_begin_thread(void)
{
    int saved_errno = errno;
    bool is_set;

    if (atomic_load(&tell_fn) == NULL)
        return false;
    is_set = thread_stack.users > 0 || set_stack();
    thread_stack.users += is_set;
    errno = saved_errno;
    return is_set;
}

void fault_end_thread(void)
{
    int saved_errno = errno;
    stack_t stack;

    ASSERT(thread_stack.users > 0);
    if (--thread_stack.users > 0)
        return;
    /* Unless somebody has set his own instead. */
    if (sigaltstack(NULL, &stack) == 0 && stack.ss_sp == thread_stack.memory) {
        stack.ss_flags = SS_DISABLE;
        (void)sigaltstack(&stack, NULL);
    }
    memory_unmap(thread_stack.memory, STACK_BYTES);
    thread_stack.memory = NULL;
    errno = saved_errno;
}
