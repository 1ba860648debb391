/* SPDX-License-Identifier: MIT */
/*
 * keeper.c - the thread of an emulated ring
 *
 * It leads when nobody else does, and it is what notices that the CQ has been
 * emptied. What costs the program that waits in enter is one look in
 * KEEPER_PAUSE_NS, and none while such a wait is long: then it rests, as it
 * does when it leads and nothing is left in the CQ.
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "emulated.h"
#include "kernel/emu/emu.h"
#include "kernel/thread.h"

enum { PAUSES_BEFORE_REST = 8 };

struct keeper {
    struct emulated *ring;
    uint32_t head;    /* the CQ's, at the last look */
    uint64_t tick_ns; /* until the next */
    uint32_t leads;   /* e->leads, at the last look */
    unsigned pauses;  /* since it moved */
};

/* Without the lock; at most `ns`. */
static void keeper_pause(struct keeper *keeper, uint64_t ns)
{
    struct emulated *e = keeper->ring;
    uint32_t word = atomic_load_explicit(&e->keeper_word, memory_order_relaxed);
    const struct timespec limit = { .tv_nsec = (long)ns };

    emulated_unlock(e);
    (void)syscall(SYS_futex, &e->keeper_word, FUTEX_WAIT_PRIVATE, word,
                  ns == KERNEL_FOREVER ? NULL : &limit, NULL, 0);
    emulated_lock(e);
}

/* Somebody else leads, wants to, or has done so just now. */
static void keeper_stand_by(struct keeper *keeper)
{
    struct emulated *e = keeper->ring;
    bool moved = e->leads != keeper->leads || e->wanted;

    keeper->pauses = moved ? 0 : keeper->pauses + 1;
    keeper->leads = e->leads;
    e->wanted = false;
    if (e->led && !e->readable && keeper->pauses >= PAUSES_BEFORE_REST) {
        e->keeper_rests = true;
        keeper_pause(keeper, KERNEL_FOREVER);
        e->keeper_rests = false;
        keeper->pauses = 0;
        return;
    }
    keeper_pause(keeper, KEEPER_PAUSE_NS);
}

static void keeper_lead(struct keeper *keeper)
{
    struct emulated *e = keeper->ring;
    uint32_t head =
        atomic_load_explicit(e->kernel->cq.head, memory_order_relaxed);
    uint64_t until_ns = KERNEL_FOREVER;

    /* The more CQEs lie about the less often it looks after them. */
    keeper->tick_ns = head != keeper->head ? KEEPER_TICK_MIN_NS
                                           : 2 * keeper->tick_ns;
    if (keeper->tick_ns > KEEPER_TICK_MAX_NS)
        keeper->tick_ns = KEEPER_TICK_MAX_NS;
    keeper->head = head;
    if (e->readable)
        until_ns = thread_clock() + keeper->tick_ns;
    else
        e->keeper_rests = true;
    e->led_by_keeper = true;
    (void)emulated_lead(e, until_ns, NULL);
    e->led_by_keeper = false;
    e->keeper_rests = false;
}

/* DEFER_TASKRUN: CQEs come by an enter, and not before. All that there is to
 * tell until then is that there would be some. */
static void keeper_defer(struct keeper *keeper)
{
    struct emulated *e = keeper->ring;

    if (e->pending || e->readable) {
        keeper_pause(keeper, KEEPER_TICK_MIN_NS);
        return;
    }
    e->keeper_rests = true;
    e->led_by_keeper = true;
    (void)emulated_lead(e, KERNEL_FOREVER, NULL);
    e->led_by_keeper = false;
    e->keeper_rests = false;
    if (e->leads != keeper->leads || e->closing)
        return;
    e->pending = true;
    if ((e->setup_flags & IORING_SETUP_TASKRUN_FLAG) != 0)
        atomic_fetch_or(e->kernel->sq.flags, IORING_SQ_TASKRUN);
    emu_ring_event(e->kernel);
}

/* Everything that is in flight ends. What a thread is busy with is waited for,
 * as long as it takes. */
static void keeper_finish(struct emulated *e)
{
    const struct io_uring_sqe cancel = {
        .opcode = IORING_OP_ASYNC_CANCEL,
        .cancel_flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY,
    };

    while (emu_is_busy(e->kernel)) {
        (void)emu_submit(e->kernel, &cancel, 1);
        emu_progress(e->kernel);
        if (emu_is_busy(e->kernel) && !e->led)
            (void)emulated_lead(e, thread_clock() + KEEPER_TICK_MAX_NS, NULL);
    }
}

void *keeper_run(void *ring)
{
    struct emulated *e = ring;
    bool deferred = (e->setup_flags & IORING_SETUP_DEFER_TASKRUN) != 0;
    struct keeper keeper = { .ring = e, .tick_ns = KEEPER_TICK_MIN_NS };

    emulated_lock(e);
    while (!e->closing) {
        if (!deferred && !e->led)
            emu_progress(e->kernel);
        if (e->led || e->wanted || e->leads != keeper.leads)
            keeper_stand_by(&keeper);
        else if (emulated_is_full(e))
            keeper_pause(&keeper, KEEPER_TICK_MIN_NS);
        else if (deferred)
            keeper_defer(&keeper);
        else
            keeper_lead(&keeper);
    }
    while (e->led)
        keeper_pause(&keeper, KEEPER_PAUSE_NS);
    keeper_finish(e);
    emulated_unlock(e);
    emulated_put(e);
    return NULL;
}

int keeper_start(struct emulated *e)
{
    sigset_t all, before;
    int error;

    /* Signals are for the program's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&e->keeper, NULL, keeper_run, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}
