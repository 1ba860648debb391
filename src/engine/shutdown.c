/* SPDX-License-Identifier: MIT */
/*
 * shutdown.c - an end in phases, each with its time
 *
 * Who begins one writes down the times, and posts to each engine. An engine
 * that hears of it calls its hooks and sets an alarm, which is a timer that
 * does not keep its loop from its end: first for the end of the drain, when it
 * stops all runs (end.c), then for the end of all, when it looks what is left.
 * Each engine has its own alarm, so one that does not come back keeps nobody
 * else waiting. If nothing is left before, the runs end without it.
 *
 * Who calls writes the times, then swaps told_posted to true; the engine sets
 * it to false, then looks at the times. All of that is sequentially consistent,
 * so who finds it true has written before the engine looks, and need not post.
 *
 * Beginning is a few atomic words, posts and wakes, all of them lock-free, so a
 * signal handler can do it. It may set off the end of the engines while it is
 * still about it: `callers` keeps the set and the loops until it is done.
 *
 * tests/model/test_shutdown.c is the model of this.
 */
#include <string.h>

#include "engine/engine.h"
#include "kernel/thread.h"
#include "watch/out.h"

static uint64_t time_after(uint64_t from_ns, uint64_t ns)
{
    return ns < GYRE_NEVER - from_ns ? from_ns + ns : GYRE_NEVER;
}

static void time_shorten(_Atomic uint64_t *time_ns, uint64_t ns)
{
    uint64_t before = atomic_load(time_ns);

    while (ns < before && !atomic_compare_exchange_weak(time_ns, &before, ns))
        ;
}

/* ---- the times ----------------------------------------------------------- */

void shutdown_init(struct shutdown *shutdown)
{
    atomic_init(&shutdown->begun_ns, GYRE_NEVER);
    atomic_init(&shutdown->drain_until_ns, GYRE_NEVER);
    atomic_init(&shutdown->cancelled_ns, GYRE_NEVER);
    atomic_init(&shutdown->cancel_ns, GYRE_NEVER);
}

uint64_t shutdown_end_ns(const struct shutdown *shutdown)
{
    uint64_t from_ns = atomic_load(&shutdown->cancelled_ns);

    /* None of the engines may ever get so far as to cancel. */
    if (from_ns == GYRE_NEVER)
        from_ns = atomic_load(&shutdown->drain_until_ns);
    return time_after(from_ns, atomic_load(&shutdown->cancel_ns));
}

bool shutdown_is_overdue(const struct shutdown *shutdown, uint64_t grace_ns)
{
    uint64_t end_ns = time_after(shutdown_end_ns(shutdown), grace_ns);

    return end_ns != GYRE_NEVER && thread_clock() >= end_ns;
}

static void alarm_rings(gyre_timer *timer, int status)
{
    struct engine *engine = timer->user;

    (void)status;
    engines_stop(engine->set); /* else the turn is over, and that is all */
}

void engine_set_alarm(struct engine *engine)
{
    const gyre_engines *set = engine->set;
    const struct shutdown *shutdown = &set->shutdown;
    uint64_t at_ns =
        atomic_load(&set->over)
            ? time_after(shutdown_end_ns(shutdown), engine->grace_ns)
            : atomic_load(&shutdown->drain_until_ns);

    if (at_ns == GYRE_NEVER)
        gyre_timer_stop(&engine->alarm);
    else
        loop_alarm_set(&engine->alarm, at_ns);
}

void engine_init_alarm(struct engine *engine)
{
    gyre_timer_init(&engine->alarm, engine->loop, alarm_rings, engine);
}

/* ---- an engine hears of it ----------------------------------------------- */

static bool has_begun(const gyre_engines *set)
{
    return atomic_load(&set->shutdown.begun_ns) != GYRE_NEVER;
}

static void engine_call_hooks(struct engine *engine)
{
    struct list *link;

    engine->knows = true;
    atomic_fetch_add(&engine->set->shutdown.tasks,
                     census_get(&engine->tasks->alive));
    while ((link = list_take_first(&engine->hooks)) != NULL) {
        gyre_shutdown_hook *hook =
            CONTAINER_OF(link, gyre_shutdown_hook, link_);

        hook->run_(hook);
    }
}

void engine_hear(struct engine *engine)
{
    if (has_begun(engine->set) && !engine->knows)
        engine_call_hooks(engine);
}

static void engine_told(gyre_work *work)
{
    struct engine *engine = CONTAINER_OF(work, struct engine, told);

    /* First: what is written from here on is told anew. */
    atomic_store(&engine->told_posted, false);
    engine_hear(engine);
    engine_set_alarm(engine);
}

static void engines_tell(gyre_engines *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        struct engine *engine = &set->engines[i];

        if (!atomic_exchange(&engine->told_posted, true))
            gyre_loop_post(engine->loop, &engine->told, engine_told);
    }
}

void gyre_engines_shutdown(gyre_engines *engines,
                           const gyre_shutdown_options *options)
{
    static const gyre_shutdown_options defaults;
    gyre_engines *set = engines != NULL ? engines : gyre_engines_current();
    uint64_t now_ns = thread_clock();

    if (options == NULL)
        options = &defaults;
    ASSERT_API(options->size == 0 || options->size == sizeof *options,
               "gyre_shutdown_options.size is not that of this library");
    ASSERT_API(set != NULL,
               "this thread is no engine's: tell gyre_engines_shutdown() "
               "which engines");
    atomic_fetch_add(&set->shutdown.callers, 1);
    time_shorten(&set->shutdown.drain_until_ns,
                 time_after(now_ns, options->drain_ns));
    if (options->cancel_ns != 0)
        time_shorten(&set->shutdown.cancel_ns, options->cancel_ns);
    time_shorten(&set->shutdown.begun_ns, now_ns);
    atomic_store(&set->draining, true);
    engines_tell(set);
    engines_have_news(set);
    atomic_fetch_sub(&set->shutdown.callers, 1);
}

/* ---- who wants to know --------------------------------------------------- */

bool gyre_is_shutting_down(const gyre_engines *engines)
{
    if (engines == NULL)
        engines = gyre_engines_current();
    return engines != NULL && has_begun(engines);
}

static struct list *hook_link(gyre_shutdown_hook *hook)
{
    return (struct list *)(uintptr_t)hook->link_;
}

bool gyre_shutdown_watch(gyre_shutdown_hook *hook,
                         void (*run)(gyre_shutdown_hook *hook))
{
    struct engine *engine = engine_self;

    ASSERT_API(engine != NULL, "a shutdown is watched on an engine's thread");
    ASSERT_API(run != NULL, "a hook needs a function");
    if (engine->knows)
        return false;
    hook->run_ = run;
    list_append(&engine->hooks, hook_link(hook));
    return true;
}

void gyre_shutdown_unwatch(gyre_shutdown_hook *hook)
{
    if (list_is_linked(hook_link(hook)))
        list_remove(hook_link(hook));
}

struct shutdown_wait {
    gyre_shutdown_hook hook;
    gyre_task *task;
};

static void wait_is_over(gyre_shutdown_hook *hook)
{
    task_wake(CONTAINER_OF(hook, struct shutdown_wait, hook)->task);
}

static void wait_cancel(gyre_task *task)
{
    gyre_shutdown_unwatch(&((struct shutdown_wait *)task->waits_for)->hook);
    task->waits_for = NULL;
    task_wake(task);
}

int gyre_wait_shutdown(void)
{
    gyre_task *task = task_running();
    gyre_loop *loop = task->tasks->loop;
    struct shutdown_wait wait = { .task = task };

    ASSERT_API(engine_self != NULL && engine_self->tasks == task->tasks,
               "only engines are shut down: use gyre_run() or "
               "gyre_engines_create()");
    if (task_cancelled(task) != 0)
        return task_cancelled(task);
    if (!gyre_shutdown_watch(&wait.hook, wait_is_over))
        return 0;
    task->waits_for = &wait;
    /* Whoever comes to say so need not be a thread: a signal may. */
    gyre_loop_hold(loop);
    task_wait(task, wait_cancel, "shutdown", engine_self->set);
    gyre_loop_release(loop);
    return task->waits_for != NULL ? 0 : task_cancelled(task);
}

/* ---- what is left -------------------------------------------------------- */

static void text_add(void *user, const char *text, size_t size)
{
    struct shutdown *shutdown = user;
    size_t room = sizeof shutdown->text - 1 - shutdown->length;

    gyre_spin_lock(&shutdown->lock);
    if (size > room)
        size = room;
    if (!shutdown->closed) {
        memcpy(shutdown->text + shutdown->length, text, size);
        shutdown->length += size;
    }
    gyre_spin_unlock(&shutdown->lock);
}

void engine_tell_left(struct engine *engine)
{
    tasks_tell_left(engine->tasks, engine->number, text_add,
                    &engine->set->shutdown);
}

/* The name of the task that has the thread; NULL: none has, or it has no name.
 * Its stack stays mapped as long as the engine has not ended, and what lies in
 * the place of the name is a name, or nothing; that it may change while it is
 * read does not matter. */
__attribute__((no_sanitize("thread", "address"))) static const char *
name_of_running(const struct engine *engine)
{
    const gyre_task *task = __atomic_load_n(engine->running, __ATOMIC_RELAXED);

    return task != NULL ? task->name : NULL;
}

void engine_tell_held(struct engine *engine)
{
    const char *name = name_of_running(engine);
    struct out out;

    out_init(&out, text_add, &engine->set->shutdown);
    out_print(&out, "engine %u: ", engine->number);
    if (name != NULL) {
        out_print(&out, "task ");
        out_name(&out, name);
    } else {
        out_print(&out, "a callback");
    }
    out_print(&out, " holds its thread: it runs and does not wait\n");
    out_flush(&out);
}
