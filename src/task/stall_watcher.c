/* SPDX-License-Identifier: MIT */
/*
 * stall_watcher.c - one thread looks at all loops that are watched
 *
 * It is there as long as its list is not empty. The lock is held while it looks
 * and asks, but not while it tells, so that who is told may fork, or take his
 * time: meanwhile `telling` keeps the loop on the list.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/output.h"
#include "kernel/thread.h"
#include "task/stall.h"
#include "task/task.h"

#define STDERR 2

static pthread_t thread;        /* while the list is not empty */
static struct thread_cpus cpus; /* where it runs */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list list = { &list, &list };
static struct stall_watch *telling;
static pthread_cond_t has_told = PTHREAD_COND_INITIALIZER;
static _Atomic uint32_t changed; /* the list: what the watcher sleeps on */

static struct stall_watch *watch_of(const struct list *link)
{
    return CONTAINER_OF((struct list *)(uintptr_t)link, struct stall_watch,
                        link);
}

/* ---- telling ------------------------------------------------------------- */

/* Unlocks meanwhile. */
static void tell(struct stall_watch *watch, gyre_stall *stall)
{
    static char text[STALL_TEXT_BYTES];

    telling = watch;
    pthread_mutex_unlock(&lock);
    stall_text(text, stall, &watch->answer);
    stall->text = text;
    if (watch->options.report != NULL)
        watch->options.report(watch->options.user, stall);
    else
        (void)output_write(STDERR, text, strlen(text));
    pthread_mutex_lock(&lock);
    telling = NULL;
    pthread_cond_broadcast(&has_told);
}

static uint64_t cpu_of(const struct stall_watch *watch)
{
    uint64_t now_ns = thread_cpu_ns(&watch->thread);
    uint64_t since_ns = watch->slice.cpu_since_ns;

    return now_ns > since_ns ? now_ns - since_ns : 0;
}

static gyre_stall_kind kind_of(const struct stall_watch *watch, uint64_t cpu_ns)
{
    if (cpu_ns >= watch->slice.held_ns / 2)
        return GYRE_STALL_COMPUTING;
    return watch->state == 'R' ? GYRE_STALL_WAITING : GYRE_STALL_BLOCKED;
}

/* What is known but for the calls. */
static gyre_stall stall_of(const struct stall_watch *watch, bool ended)
{
    const struct stall_answer *answer = &watch->answer;
    uint64_t cpu_ns = cpu_of(watch);
    gyre_stall stall = {
        .loop_id = gyre_loop_id(watch->loop),
        .engine = watch->engine,
        .ended = ended,
        .kind = kind_of(watch, cpu_ns),
        .held_ns = watch->slice.held_ns,
        .cpu_ns = cpu_ns,
    };

    if (answer->has_task) {
        stall.task = answer->name;
        stall.site = answer->site;
        stall.fn = answer->fn;
    }
    return stall;
}

/* ---- looking ------------------------------------------------------------- */

static void note_length(struct stall_watch *watch)
{
    uint64_t held_ns = watch->slice.held_ns;

    if (held_ns > counter_get(&watch->longest_ns))
        atomic_store_explicit(&watch->longest_ns, held_ns,
                              memory_order_relaxed);
}

static void slice_stalls(struct stall_watch *watch, uint64_t now_ns)
{
    gyre_stall stall;

    watch->told = now_ns >= watch->quiet_until_ns;
    if (!watch->told) {
        watch->untold++;
        counter_add(&watch->stalls, 1);
        return;
    }
    watch->quiet_until_ns = now_ns + watch->options.interval_ns;
    stall_ask(watch->loop, &watch->thread, watch->options.signal,
              &watch->slice.pulse, &watch->answer);
    counter_add(&watch->stalls, 1);
    stall = stall_of(watch, false);
    stall.calls = watch->answer.calls;
    stall.call_count = watch->answer.call_count;
    stall.untold = watch->untold;
    watch->untold = 0;
    tell(watch, &stall);
}

static void slice_ended(struct stall_watch *watch)
{
    gyre_stall stall = stall_of(watch, true);

    counter_add(&watch->total_ns, watch->slice.held_ns);
    if (watch->told)
        tell(watch, &stall);
}

/* A thread that was stopped is not to blame: what follows is another slice. */
static bool is_stopped(struct stall_watch *watch)
{
    watch->state = thread_state(&watch->thread);
    return watch->state == 'T' || watch->state == 't';
}

static void look(struct stall_watch *watch, uint64_t elapsed_ns,
                 uint64_t now_ns)
{
    const struct loop_pulse pulse = loop_pulse(watch->loop);
    struct slice *slice = &watch->slice;

    switch (
        slice_look(slice, &pulse, elapsed_ns, watch->options.threshold_ns)) {
    case SLICE_NEW:
        if (pulse.runs)
            slice->cpu_since_ns = thread_cpu_ns(&watch->thread);
        break;
    case SLICE_STALLS:
        if (is_stopped(watch)) {
            *slice = (struct slice){ 0 };
            break;
        }
        note_length(watch);
        slice_stalls(watch, now_ns);
        break;
    case SLICE_GOES_ON:
        if (slice->stalls) {
            (void)is_stopped(watch);
            note_length(watch);
        }
        break;
    case SLICE_ENDED:
        note_length(watch);
        slice_ended(watch);
        break;
    }
}

static uint64_t sample_ns(void)
{
    uint64_t least = GYRE_NEVER;

    for (struct list *at = list.next; at != &list; at = at->next) {
        uint64_t threshold_ns = watch_of(at)->options.threshold_ns;

        if (threshold_ns < least)
            least = threshold_ns;
    }
    return least / STALL_SAMPLES;
}

static void look_at_all(uint64_t elapsed_ns, uint64_t now_ns)
{
    for (struct list *at = list.next; at != &list; at = at->next)
        look(watch_of(at), elapsed_ns, now_ns);
}

/* Sleeps until the next sample, or a change of the list. */
static void *watch_all(void *arg)
{
    uint64_t last_ns = thread_clock();

    thread_set_cpus(&cpus);
    thread_set_helper_name();
    pthread_mutex_lock(&lock);
    while (!list_is_empty(&list)) {
        uint64_t every_ns = sample_ns();
        uint64_t until_ns = thread_clock() + every_ns;
        uint32_t seen = atomic_load(&changed);
        uint64_t now_ns, late_ns;

        pthread_mutex_unlock(&lock);
        (void)thread_wait((uint32_t *)&changed, seen, until_ns);
        now_ns = thread_clock();
        late_ns = now_ns > until_ns ? now_ns - until_ns : 0;
        pthread_mutex_lock(&lock);
        look_at_all(slice_elapsed(now_ns - last_ns, late_ns, every_ns), now_ns);
        last_ns = now_ns;
    }
    pthread_mutex_unlock(&lock);
    return arg;
}

/* ---- the list ------------------------------------------------------------ */

static void tell_watcher(void)
{
    atomic_fetch_add(&changed, 1);
    thread_wake((uint32_t *)&changed);
}

/* Its maker may be bound to one CPU, and that may be what the loop does not let
 * go of. */
static int watcher_start(const gyre_loop *loop)
{
    const struct tasks *tasks = loop->tasks;

    if (alloc_must_fail())
        return -EAGAIN;
    if (tasks != NULL)
        cpus = tasks->cpus;
    else
        thread_get_cpus(&cpus);
    thread_add_main_cpus(&cpus);
    return thread_start(&thread, watch_all, NULL);
}

int watcher_add(struct stall_watch *watch)
{
    bool first;
    int err = 0;

    watch->slice = (struct slice){ 0 };
    watch->quiet_until_ns = 0;
    watch->untold = 0;
    pthread_mutex_lock(&lock);
    first = list_is_empty(&list);
    list_append(&list, &watch->link);
    if (first)
        err = watcher_start(watch->loop);
    if (err < 0)
        list_remove(&watch->link);
    pthread_mutex_unlock(&lock);
    if (!first)
        tell_watcher();
    return err;
}

void watcher_remove(struct stall_watch *watch)
{
    bool last;

    pthread_mutex_lock(&lock);
    while (telling == watch)
        pthread_cond_wait(&has_told, &lock);
    list_remove(&watch->link);
    last = list_is_empty(&list);
    pthread_mutex_unlock(&lock);
    if (last) {
        tell_watcher();
        thread_join(thread);
    }
}

bool watcher_has_signal(int number)
{
    bool has = false;

    pthread_mutex_lock(&lock);
    for (struct list *at = list.next; at != &list; at = at->next)
        has = has || watch_of(at)->options.signal == number;
    pthread_mutex_unlock(&lock);
    return has;
}

void watcher_hold(void)
{
    pthread_mutex_lock(&lock);
}

void watcher_release(void)
{
    pthread_mutex_unlock(&lock);
}

void watcher_forget(void)
{
    list_init(&list);
    telling = NULL;
    stall_ask_forget();
    pthread_cond_init(&has_told, NULL);
    pthread_mutex_unlock(&lock);
}
