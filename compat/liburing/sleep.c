/* SPDX-License-Identifier: MIT */
/*
 * sleep.c - the lock of an emulated ring, and those who sleep without it
 *
 * emulated.h says who leads and who follows. Whoever lets go of the lock tells
 * the others what has changed; so nothing that has happened under it is missed
 * by anybody who sleeps.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "emulated.h"
#include "kernel/emu/emu.h"
#include "kernel/thread.h"

#define NS_PER_S UINT64_C(1000000000)

/* ---- who is in it, and who sleeps ---------------------------------------- */

static void wake_all(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL,
                  0);
}

static void wake_followers(struct emulated *e)
{
    if (e->followers == 0)
        return;
    atomic_fetch_add_explicit(&e->turns, 1, memory_order_release);
    wake_all(&e->turns);
}

/* Wake the leader: by what nobody else can take from it, as an event of the
 * emulator's can be taken by whoever enters meanwhile. */
static void kick(struct emulated *e)
{
    uint64_t once = 1;
    ssize_t ignored = write(e->kick_fd, &once, sizeof once);

    (void)ignored;
}

static void wake_keeper(struct emulated *e)
{
    e->keeper_rests = false;
    atomic_fetch_add_explicit(&e->keeper_word, 1, memory_order_release);
    wake_all(&e->keeper_word);
    kick(e);
}

void emulated_wake_all(struct emulated *e)
{
    atomic_fetch_add_explicit(&e->turns, 1, memory_order_release);
    wake_all(&e->turns);
    wake_keeper(e);
}

uint32_t emulated_ready(const struct emulated *e)
{
    const struct cq *cq = &e->kernel->cq;

    return atomic_load_explicit(cq->tail, memory_order_relaxed) -
           atomic_load_explicit(cq->head, memory_order_acquire);
}

bool emulated_is_full(const struct emulated *e)
{
    return (sq_flags(&e->kernel->sq) & IORING_SQ_CQ_OVERFLOW) != 0;
}

void emulated_lock(struct emulated *e)
{
    pthread_mutex_lock(&e->lock);
}

/* Let the descriptor say whether there are CQEs. */
static void show_readable(struct emulated *e)
{
    bool readable = emulated_ready(e) != 0 || e->pending || emulated_is_full(e);
    uint64_t count = 1;
    ssize_t ignored;

    if (readable == e->readable)
        return;
    e->readable = readable;
    ignored = readable ? write(e->signal_fd, &count, sizeof count)
                       : read(e->signal_fd, &count, sizeof count);
    (void)ignored;
    /* Somebody has to see when the CQ is empty again. */
    if (readable && e->keeper_rests)
        wake_keeper(e);
}

void emulated_unlock(struct emulated *e)
{
    uint32_t tail =
        atomic_load_explicit(e->kernel->cq.tail, memory_order_relaxed);

    show_readable(e);
    /* Who led has left, perhaps with nothing: the keeper's turn comes again. */
    if (e->keeper_rests && !e->led)
        wake_keeper(e);
    if (tail != e->seen) {
        e->seen = tail;
        wake_followers(e);
        if (e->led && !e->led_by_keeper)
            kick(e);
    }
    emu_disown(e->kernel);
    pthread_mutex_unlock(&e->lock);
}

/* How long it is until then. */
static struct timespec *until(uint64_t until_ns, struct timespec *left)
{
    uint64_t now_ns = thread_clock();
    uint64_t ns = until_ns > now_ns ? until_ns - now_ns : 0;

    if (until_ns == KERNEL_FOREVER)
        return NULL;
    left->tv_sec = (time_t)(ns / NS_PER_S);
    left->tv_nsec = (long)(ns % NS_PER_S);
    return left;
}

int emulated_lead(struct emulated *e, uint64_t until_ns,
                  const sigset_t *sigmask)
{
    struct pollfd watched[] = { { .fd = e->watch_fd, .events = POLLIN },
                                { .fd = e->kick_fd, .events = POLLIN } };
    uint64_t kicks;
    struct timespec left;
    int result;

    ASSERT(!e->led);
    e->led = true;
    emulated_unlock(e);
    result = ppoll(watched, 2, until(until_ns, &left), sigmask);
    result = result < 0 ? -errno : 0;
    emulated_lock(e);
    if (result == 0 && watched[1].revents != 0) {
        ssize_t ignored = read(e->kick_fd, &kicks, sizeof kicks);

        (void)ignored;
    }
    e->led = false;
    wake_followers(e);
    return result == -EINTR ? -EINTR : 0;
}

/* A futex's wait cannot begin in one step with letting signals in, as Linux's
 * does: so this sleeps on the emulator's descriptor, too, and looks from time
 * to time, for what that says may have been taken by the leader. */
static int follow_with_signals(struct emulated *e, uint64_t until_ns,
                               const sigset_t *sigmask)
{
    struct pollfd watched = { .fd = e->watch_fd, .events = POLLIN };
    uint64_t limit_ns = thread_clock() + KEEPER_TICK_MAX_NS;
    struct timespec left;

    return ppoll(&watched, 1,
                 until(until_ns < limit_ns ? until_ns : limit_ns, &left),
                 sigmask);
}

static int follow(struct emulated *e, uint64_t until_ns, uint32_t seen)
{
    /* With a limit a futex's wait is not begun anew after a signal. */
    uint64_t limit_ns = thread_clock() + NS_PER_S;
    struct timespec left;

    return (int)syscall(SYS_futex, &e->turns, FUTEX_WAIT_PRIVATE, seen,
                        until(until_ns < limit_ns ? until_ns : limit_ns, &left),
                        NULL, 0);
}

int emulated_follow(struct emulated *e, uint64_t until_ns,
                    const sigset_t *sigmask)
{
    uint32_t seen = atomic_load_explicit(&e->turns, memory_order_relaxed);
    bool steps_down = sigmask != NULL && e->led_by_keeper;
    int result;

    e->followers++;
    e->wanted = e->led_by_keeper;
    if (steps_down)
        kick(e); /* who leads can let signals in as Linux does */
    emulated_unlock(e);
    result = sigmask == NULL || steps_down
                 ? follow(e, until_ns, seen)
                 : follow_with_signals(e, until_ns, sigmask);
    result = result < 0 ? -errno : 0;
    emulated_lock(e);
    e->followers--;
    return result == -EINTR ? -EINTR : 0;
}
