/* SPDX-License-Identifier: MIT */
/*
 * engines.c - tasks of two engines, for tests/scripts/gdb_tasks.sh
 *
 * The first task has sent one to the other engine that waits there, one that
 * holds its thread, and one that nobody has begun. Then all_wait() is called:
 * there the debugger stops.
 */
#include <gyre/gyre.h>
#include <sched.h>
#include <stdatomic.h>

#define NOINLINE __attribute__((noinline))

NOINLINE void all_wait(void);

static volatile int after;
static gyre_event there = GYRE_EVENT_INIT;
static gyre_event over = GYRE_EVENT_INIT;
static atomic_bool holds, hold = true;

void all_wait(void)
{
    after = after + 1;
}

static NOINLINE int visit(void *arg)
{
    int err;

    (void)arg;
    (void)gyre_event_set(&there, NULL);
    err = gyre_event_wait(&over, NULL);
    after = after + 1;
    return err;
}

static int hold_thread(void *arg)
{
    (void)arg;
    atomic_store(&holds, true);
    while (atomic_load(&hold))
        sched_yield();
    return 0;
}

static int spawn_at(gyre_scope *scope, const char *name, int where,
                    gyre_task_fn *fn)
{
    const gyre_task_options options = { .name = name, .where = where };

    return gyre_spawn_with(scope, &options, fn, NULL, NULL);
}

static int first(void *arg)
{
    gyre_scope scope;
    int err, closed;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    err = spawn_at(&scope, "visitor", GYRE_ENGINE(1), visit);
    if (err == 0)
        err = gyre_event_wait(&there, NULL);
    if (err == 0)
        err = spawn_at(&scope, "holder", GYRE_ENGINE(1), hold_thread);
    while (err == 0 && !atomic_load(&holds))
        err = gyre_sleep(GYRE_MS);
    if (err == 0)
        err = spawn_at(&scope, "queued", GYRE_ANYWHERE, visit);
    all_wait();
    atomic_store(&hold, false);
    (void)gyre_event_set(&over, NULL);
    closed = gyre_scope_close(&scope);
    return err != 0 ? err : closed;
}

int main(void)
{
    return gyre_run(&(gyre_run_options){ .engines = 2 }, first, NULL);
}
