/* SPDX-License-Identifier: MIT */
/*
 * stall_ask.c - a signal asks the thread what it does
 *
 * One question at a time, by the watcher; its number and state are one word:
 *
 *   IDLE -> ASKED       the watcher, who has written the question
 *   ASKED -> ANSWERING  the handler on the thread that is asked
 *   ANSWERING -> IDLE   the handler, who has written the answer
 *   ASKED -> IDLE       the watcher, who waited for long enough
 *
 * So a handler that comes late, or on a thread that somebody else sent the
 * signal to, does nothing; and while one writes, the watcher waits. A handler
 * reads the question before it takes it: that is of the number in its word, or
 * the word is another by then.
 *
 * The handler walks the stack that it interrupted, which the watcher cannot do
 * while the thread goes on. Names are looked up by the watcher.
 *
 * tests/model/test_stall.c is the model of this.
 */
#include <string.h>

#include "kernel/signal.h"
#include "kernel/thread.h"
#include "task/stall.h"
#include "task/task.h"

/* A thread that can run has come to its handler by then, and one that sleeps
 * in the kernel, unless nothing wakes it. */
uint64_t stall_patience_ns = GYRE_SECOND;

enum { IDLE, ASKED, ANSWERING, STATE_MASK = 3, NUMBER_ONE = 4 };

static _Atomic uint32_t word;
static _Atomic(const void *) asked; /* the thread, as loop_thread() has it */
static const gyre_loop *asked_loop;
static struct loop_pulse asked_pulse;
static struct thread_handle asked_thread;
static struct stall_answer given;

/* ---- in the handler ------------------------------------------------------ */

/* The bounds of what was interrupted: the running task's stack or the thread's,
 * from where it stands. */
static void note_stack(struct unwind_start *start, const gyre_task *task)
{
    start->low = start->sp;
    if (task != NULL && stack_holds(task->stack, start->sp))
        start->high = task->stack->bottom + task->stack->size;
    else
        start->high = asked_thread.stack_end;
    if (start->high < start->low)
        start->high = start->low;
}

/* Is there enough of the stack that the handler runs on? */
static bool has_room(const gyre_task *task)
{
    const char *here = __builtin_frame_address(0);
    size_t left = signal_stack_left(here);

    if (left == SIZE_MAX && task != NULL && stack_holds(task->stack, here))
        left = (size_t)(here - task->stack->bottom);
    return left >= UNWIND_STACK;
}

static void note_calls(const gyre_task *task, const void *machine)
{
    const struct signal_place place = signal_place_of(machine);
    struct unwind_start start = {
        .pc = place.pc,
        .sp = place.sp,
        .frame = place.frame,
        .base = place.base,
        .machine = machine,
    };

    note_stack(&start, task);
    given.call_count = unwind_collect(&start, has_room(task), given.calls);
}

static void note_task(const gyre_task *task)
{
    size_t length = strnlen(task->name, STALL_NAME_BYTES);

    memcpy(given.name, task->name, length);
    given.name[length] = '\0';
    given.has_task = true;
    given.site = task->site;
    given.fn = (const void *)(uintptr_t)task->fn;
}

static void give_answer(const void *machine)
{
    struct loop_pulse pulse = loop_pulse(asked_loop);
    const gyre_task *task = task_self;

    given.came = true;
    given.same = loop_pulse_is(&pulse, &asked_pulse);
    if (!given.same)
        return;
    if (task != NULL)
        note_task(task);
    note_calls(task, machine);
}

void stall_on_signal(int number, const void *machine)
{
    uint32_t now = atomic_load(&word);
    uint32_t asking = now & ~(uint32_t)STATE_MASK;

    (void)number;
    if ((now & STATE_MASK) != ASKED || atomic_load(&asked) != loop_thread() ||
        !atomic_compare_exchange_strong(&word, &now, asking | ANSWERING))
        return;
    give_answer(machine);
    atomic_store(&word, asking | IDLE);
    thread_wake((uint32_t *)&word);
}

/* ---- the watcher --------------------------------------------------------- */

/* Until it is answered, or there was time enough: then nobody will. */
static void await_answer(uint32_t asking)
{
    uint64_t deadline_ns = thread_clock() + stall_patience_ns;

    for (;;) {
        uint32_t now = atomic_load(&word);

        if (now == (asking | IDLE))
            return;
        if (now == (asking | ANSWERING)) {
            (void)thread_wait((uint32_t *)&word, now, GYRE_NEVER);
            continue;
        }
        if (thread_wait((uint32_t *)&word, now, deadline_ns) < 0 &&
            atomic_compare_exchange_strong(&word, &now, asking | IDLE))
            return;
    }
}

void stall_ask(const gyre_loop *loop, const struct thread_handle *thread,
               int number, const struct loop_pulse *pulse,
               struct stall_answer *answer)
{
    uint32_t asking = (atomic_load(&word) & ~(uint32_t)STATE_MASK) + NUMBER_ONE;

    ASSERT((atomic_load(&word) & STATE_MASK) == IDLE);
    memset(&given, 0, sizeof given);
    asked_loop = loop;
    asked_pulse = *pulse;
    asked_thread = *thread;
    atomic_store(&asked, loop_owner(loop));
    atomic_store(&word, asking | ASKED);
    if (thread_signal(thread, number) == 0)
        await_answer(asking);
    else
        atomic_store(&word, asking | IDLE);
    *answer = given;
}

void stall_ask_forget(void)
{
    atomic_store(&word, atomic_load(&word) & ~(uint32_t)STATE_MASK);
}
