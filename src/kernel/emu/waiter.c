/* SPDX-License-Identifier: MIT */
/*
 * waiter.c - threads that sleep on futexes for requests
 *
 * A futex can be waited for by a sleeping thread only. One thread could sleep
 * on many words by futex_waitv(2); but of two words that were woken it would
 * learn of one, and the other's wake, which the waker was told to have been
 * heard, would be lost. While it is awake it would hear none at all. So each
 * request has a thread of its own, outside of the bounded pool, which it would
 * fill for ever; idle threads are kept for the next.
 *
 * In Linux's queues the thread stands where the request would: a wake by
 * whoever (this loop, a plain thread, another process) counts it, once, in
 * order of arrival. Three things are needed besides.
 *
 *   It must be queued when the request has been submitted. The last word of its
 *   vector is the waiter's own; Linux queues a thread on the words one after
 *   the other, so when FUTEX_REQUEUE finds it there it stands on all of them.
 *
 *   A cancel must wake it alone: the first word is the waiter's own, too. If
 *   both are woken Linux names the later one, so no wake is lost to a cancel.
 *
 *   Where there are no vectors (before Linux 5.16), or a mask, which vectors
 *   have not: the thread sleeps on the caller's word, and /proc tells when it
 *   does. (Moved there by FUTEX_REQUEUE it would not stay: at each spurious
 *   wake-up Linux lets it begin anew, where it slept first.) Such a thread can
 *   only be cancelled by waking all on the word who have a bit of the mask in
 *   common, as one may: a futex's wait may end for no reason.
 *
 * What owner and thread tell each other is handed over with release and
 * acquire: the task with the request, the results with what became of it.
 * tests/model/test_waiter.c is the model of this.
 */
#include "kernel/emu/waiter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/emu/internal.h"
#include "kernel/thread.h"
#include "ring/feature.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

enum { IDLE_MAX = 8 };

enum waiter_task { WAITER_IDLE, WAITER_SLEEP, WAITER_SLEEP_ONE, WAITER_LEAVE };

struct waiter {
    _Atomic uint32_t task;
    struct emu *emu;
    struct request *r;
    pthread_t thread;
    struct list link; /* emu->idle_waiters */
    struct waiter *next_result;

    struct futex_entry *words; /* with the waiter's own around */
    unsigned count;
    const void *word; /* WAITER_SLEEP_ONE */
    uint32_t value;
    uint32_t mask;
    _Atomic long tid;
    atomic_bool going; /* to sleep on the word */
    int shared_not;    /* FUTEX_PRIVATE_FLAG or 0 */

    _Atomic uint32_t cancel;    /* the first word: 1 ends the sleep */
    _Atomic uint32_t here;      /* the last, always 0 */
    _Atomic uint32_t elsewhere; /* where it is moved to */
    bool cancelled;
    atomic_bool awake;
    int result;
};

static long futex(const void *word, int op, uint32_t value, uintptr_t value2,
                  const void *word2, uint32_t value3)
{
    return syscall(SYS_futex, word, op, value, value2, word2, value3);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_vectors;

static void look_for_vectors(void)
{
    int saved = errno;

    has_vectors = syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) < 0 &&
                  errno == EINVAL;
    errno = saved;
}

bool waiter_has_vectors(void)
{
    pthread_once(&once, look_for_vectors);
    return has_vectors && ring_feature_allowed(RING_FUTEX_VECTORS);
}

/* ---- on its own thread --------------------------------------------------- */

/* What the caller gets: the word that was woken; -ECANCELED for our own. */
static int waiter_sleep(const struct waiter *w)
{
    long woken;

    do
        woken = syscall(SYS_futex_waitv, w->words, w->count + 2, 0, NULL, 0);
    while (woken < 0 && errno == EINTR);
    if (woken < 0)
        return -errno;
    return woken == 0 ? -ECANCELED : (int)woken - 1;
}

static int waiter_sleep_one(struct waiter *w)
{
    long error;

    atomic_store_explicit(&w->going, true, memory_order_release);
    do
        error = futex(w->word, FUTEX_WAIT_BITSET | w->shared_not, w->value, 0,
                      NULL, w->mask);
    while (error < 0 && errno == EINTR);
    return error < 0 ? -errno : 0;
}

static void waiter_push_result(struct waiter *w)
{
    struct emu *emu = w->emu;
    struct waiter *head =
        atomic_load_explicit(&emu->waiter_results, memory_order_relaxed);

    do
        w->next_result = head;
    while (!atomic_compare_exchange_weak_explicit(&emu->waiter_results, &head,
                                                  w, memory_order_release,
                                                  memory_order_relaxed));
    if (head == NULL)
        emu_signal(emu->event_fd);
}

static void *waiter_main(void *arg)
{
    struct waiter *w = arg;

    atomic_store_explicit(&w->tid, syscall(SYS_gettid), memory_order_relaxed);
    for (;;) {
        uint32_t task = atomic_load_explicit(&w->task, memory_order_acquire);

        if (task == WAITER_LEAVE)
            return NULL;
        if (task == WAITER_IDLE) {
            futex(&w->task, FUTEX_WAIT_PRIVATE, WAITER_IDLE, 0, NULL, 0);
            continue;
        }
        w->result = task == WAITER_SLEEP ? waiter_sleep(w)
                                         : waiter_sleep_one(w);
        atomic_store_explicit(&w->task, WAITER_IDLE, memory_order_relaxed);
        atomic_store_explicit(&w->awake, true, memory_order_release);
        waiter_push_result(w);
    }
}

/* ---- the owner's --------------------------------------------------------- */

static void waiter_tell(struct waiter *w, enum waiter_task task)
{
    atomic_store_explicit(&w->task, task, memory_order_release);
    futex(&w->task, FUTEX_WAKE_PRIVATE, 1, 0, NULL, 0);
}

static void waiter_free(struct waiter *w)
{
    int error;

    waiter_tell(w, WAITER_LEAVE);
    error = pthread_join(w->thread, NULL);
    ASSERT(error == 0);
    alloc_free(w);
}

static struct waiter *waiter_new(struct emu *emu)
{
    struct waiter *w;
    struct list *link = list_take_first(&emu->idle_waiters);

    if (link != NULL) {
        emu->idle_waiter_count--;
        return CONTAINER_OF(link, struct waiter, link);
    }
    w = alloc_zeroed(1, sizeof *w);
    if (w == NULL)
        return NULL;
    list_init(&w->link);
    w->emu = emu;
    if (blocking_thread(&w->thread, waiter_main, w))
        return w;
    alloc_free(w);
    return NULL;
}

static struct waiter *waiter_begin(struct emu *emu, struct request *r)
{
    struct waiter *w = waiter_new(emu);

    if (w == NULL)
        return NULL;
    w->r = r;
    w->cancelled = false;
    atomic_store_explicit(&w->going, false, memory_order_relaxed);
    atomic_store_explicit(&w->cancel, 0, memory_order_relaxed);
    atomic_store_explicit(&w->awake, false, memory_order_relaxed);
    r->kept.waiter = w;
    r->place = EMU_ASLEEP;
    emu->asleep++;
    return w;
}

static bool waiter_is_awake(const struct waiter *w)
{
    return atomic_load_explicit(&w->awake, memory_order_acquire);
}

/* The thread can be moved from its last word, so it is queued on all. */
static void waiter_await_queued(struct waiter *w)
{
    while (futex(&w->here, FUTEX_REQUEUE | w->shared_not, 0, 1, &w->elsewhere,
                 0) < 1 &&
           !waiter_is_awake(w))
        thread_yield();
}

/* Does the thread sleep? What follows its name in /proc is its state. Where
 * there is no /proc, it is believed to. */
static bool thread_sleeps(long tid)
{
    char path[64], text[128];
    const char *state;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    state = strrchr(text, ')');
    return state == NULL || state[1] == '\0' || state[2] == 'S';
}

/* Once it goes, the thread does nothing but queue itself and sleep. */
static void waiter_await_sleep(struct waiter *w)
{
    while (
        !waiter_is_awake(w) &&
        (!atomic_load_explicit(&w->going, memory_order_acquire) ||
         !thread_sleeps(atomic_load_explicit(&w->tid, memory_order_relaxed))))
        thread_yield();
}

int waiter_start(struct emu *emu, struct request *r, struct futex_entry *words,
                 unsigned count)
{
    const uint32_t flags = FUTEX2_U32 | FUTEX2_SHARED_NOT;
    struct waiter *w = waiter_begin(emu, r);

    if (w == NULL)
        return -ENOMEM;
    w->words = words;
    w->count = count;
    w->shared_not = FUTEX_PRIVATE_FLAG;
    words[0] = (struct futex_entry){ .address = (uintptr_t)&w->cancel,
                                     .flags = flags };
    words[count + 1] =
        (struct futex_entry){ .address = (uintptr_t)&w->here, .flags = flags };
    waiter_tell(w, WAITER_SLEEP);
    waiter_await_queued(w);
    return 0;
}

/* 0, -EAGAIN if the value is another, -EFAULT, -EINVAL. Moves nobody. */
static int word_compare(const struct waiter *w, uint32_t value)
{
    return emu_result(futex(w->word, FUTEX_CMP_REQUEUE | w->shared_not, 0, 0,
                            w->word, value));
}

static void waiter_shake(const struct waiter *w)
{
    futex(w->word, FUTEX_WAKE_BITSET | w->shared_not, INT_MAX, 0, NULL,
          w->mask);
}

int waiter_start_one(struct emu *emu, struct request *r,
                     const struct futex_entry *word, uint32_t mask)
{
    struct waiter job = {
        .word = emu_pointer(word->address),
        .shared_not =
            (word->flags & FUTEX2_SHARED_NOT) != 0 ? FUTEX_PRIVATE_FLAG : 0,
    };
    int error = word_compare(&job, (uint32_t)word->value);
    struct waiter *w;

    if (error != 0)
        return error;
    w = waiter_begin(emu, r);
    if (w == NULL)
        return -ENOMEM;
    w->word = job.word;
    w->value = (uint32_t)word->value;
    w->shared_not = job.shared_not;
    w->mask = mask;
    w->words = NULL;
    waiter_tell(w, WAITER_SLEEP_ONE);
    waiter_await_sleep(w);
    return 0;
}

bool waiter_cancel(struct request *r)
{
    struct waiter *w = r->kept.waiter;

    ASSERT(r->place == EMU_ASLEEP);
    if (w->cancelled)
        return false;
    w->cancelled = true;
    if (w->words == NULL) {
        waiter_shake(w);
        return true;
    }
    atomic_store_explicit(&w->cancel, 1, memory_order_relaxed);
    futex(&w->cancel, FUTEX_WAKE_PRIVATE, 1, 0, NULL, 0);
    return true;
}

static void waiter_end(struct emu *emu, struct waiter *w)
{
    struct request *r = w->r;
    int result = w->result;

    /* Woken by us, or by somebody else at the same time: nobody knows, and all
     * who could have had that wake were woken. */
    if (w->words == NULL && w->cancelled)
        result = -ECANCELED;
    w->r = NULL;
    emu->asleep--;
    if (emu->idle_waiter_count < IDLE_MAX) {
        list_prepend(&emu->idle_waiters, &w->link);
        emu->idle_waiter_count++;
    } else {
        waiter_free(w);
    }
    r->place = EMU_NEW;
    if (r->sqe.opcode == IORING_OP_FUTEX_WAIT && result > 0)
        result = 0;
    /* As on Linux, what is behind it in a chain goes on. */
    r->harmless = result == -ECANCELED;
    request_complete(emu, r, result);
}

void waiter_results(struct emu *emu)
{
    struct waiter *newest, *oldest = NULL;

    if (LIKELY(emu->asleep == 0))
        return;
    newest = atomic_exchange_explicit(&emu->waiter_results, NULL,
                                      memory_order_acquire);
    while (newest != NULL) {
        struct waiter *next = newest->next_result;

        newest->next_result = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct waiter *next = oldest->next_result;

        waiter_end(emu, oldest);
        oldest = next;
    }
}

void waiter_deinit(struct emu *emu)
{
    struct list *link;

    ASSERT(emu->asleep == 0);
    while ((link = list_take_first(&emu->idle_waiters)) != NULL)
        waiter_free(CONTAINER_OF(link, struct waiter, link));
}
