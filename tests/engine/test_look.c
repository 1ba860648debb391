/* SPDX-License-Identifier: MIT */
/*
 * What is seen of tasks that are on other engines than their scopes: dumps of
 * both sides, also by a signal, and traces.
 */
#include <gyre/dump.h>
#include <gyre/trace.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/crew.h"

struct text {
    char bytes[16384];
    size_t used;
};

static void keep(void *user, const char *bytes, size_t size)
{
    struct text *text = user;

    CHECK_LT(text->used + size, sizeof text->bytes);
    memcpy(text->bytes + text->used, bytes, size);
    text->used += size;
    text->bytes[text->used] = '\0';
}

static struct text *dump_here(void)
{
    static _Thread_local struct text text;

    text.used = 0;
    gyre_dump(gyre_loop_current(), keep, &text);
    return &text;
}

static int dump_once(void *arg)
{
    (void)arg;
    (void)dump_here();
    return 0;
}

/* libunwind keeps a pipe. */
void test_warm_up(void)
{
    CHECK_OK(gyre_run(NULL, dump_once, NULL));
}

/* ---- a dump of each side ------------------------------------------------- */

struct stay {
    gyre_event there;
    gyre_event over;
};

static void stay_init(struct stay *stay)
{
    gyre_event_init(&stay->there, 0);
    gyre_event_init(&stay->over, 0);
}

static void stay_destroy(struct stay *stay)
{
    gyre_event_destroy(&stay->there);
    gyre_event_destroy(&stay->over);
}

static int stay_until_over(void *arg)
{
    struct stay *stay = arg;

    (void)gyre_event_set(&stay->there, NULL);
    return gyre_event_wait(&stay->over, NULL);
}

static int look_at_guest(void *arg)
{
    const char *text = dump_here()->bytes;

    (void)arg;
    CHECK_STR_HAS(text, ", engine 1\n");
    CHECK_STR_HAS(text, " guests of other engines");
    CHECK_STR_HAS(text, "task 'visitor' 0x");
    CHECK_STR_HAS(text, ": waiting for ");
    CHECK_STR_HAS(text, "its part of scope 0x");
    CHECK_STR_HAS(text, " of engine 0: 0 children");
    return 0;
}

static int look_from_both_sides(void *arg)
{
    const gyre_task_options visitor = { .name = "visitor",
                                        .where = GYRE_ENGINE(1) };
    struct stay stay;
    gyre_scope scope;
    gyre_task *looks;
    const char *text;

    (void)arg;
    stay_init(&stay);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, &visitor, stay_until_over, &stay, NULL));
    CHECK_OK(gyre_event_wait(&stay.there, NULL));
    text = dump_here()->bytes;
    CHECK_STR_HAS(text, ", engine 0\n");
    CHECK_STR_HAS(text, ", 1 of them for other engines");
    CHECK_STR_HAS(text, "task 'visitor' 0x");
    CHECK_STR_HAS(text, ": on engine 1\n");
#ifdef GYRE_HAVE_LIBUNWIND
    CHECK_STR_HAS(text, "stay_until_over");
#endif
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), look_at_guest, NULL, &looks));
    CHECK_OK(gyre_join(looks, NULL));
    CHECK_EQ(gyre_event_set(&stay.over, NULL), 0);
    CHECK_OK(gyre_scope_close(&scope));
    stay_destroy(&stay);
    return 0;
}

KERNEL_TEST2(L3_U2_a_dump_tells_of_tasks_on_other_engines_from_both_sides)
{
    run_on_engines(2, look_from_both_sides, NULL);
}

/* ---- tasks that nobody has begun ----------------------------------------- */

static int hold_thread(void *arg)
{
    atomic_bool *hold = arg;

    while (atomic_load(hold))
        sched_yield();
    return 0;
}

/* In one place, whatever a compiler makes of a loop: by that they are alike. */
static __attribute__((noinline)) void spawn_queued(gyre_scope *scope,
                                                   atomic_bool *hold)
{
    const gyre_task_options queued = { .name = "queued",
                                       .where = GYRE_ANYWHERE };

    CHECK_OK(gyre_spawn_with(scope, &queued, hold_thread, hold, NULL));
}

static int look_at_queued(void *arg)
{
    atomic_bool hold = true;
    gyre_scope scope;
    const char *text;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(spawn_at(&scope, GYRE_ENGINE(1), hold_thread, &hold, NULL));
    for (int i = 0; i < 5; i++)
        spawn_queued(&scope, &hold);
    text = dump_here()->bytes;
    CHECK_STR_HAS(text, "task 'queued' 0x");
    CHECK_STR_HAS(text, ": waits to begin on any engine\n");
    CHECK_STR_HAS(text, "and 2 more like task 'queued' 0x");
    gyre_scope_cancel(&scope);
    CHECK_STR_HAS(dump_here()->bytes, "on any engine; cancelled");
    atomic_store(&hold, false);
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(L6_U2_a_dump_tells_of_tasks_that_wait_to_begin)
{
    run_on_engines(2, look_at_queued, NULL);
}

/* ---- by a signal --------------------------------------------------------- */

static int dump_at_signal(void *arg)
{
    return gyre_dump_on_signal(gyre_loop_current(), SIGUSR1, *(int *)arg);
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned n = 0;

    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        n++;
    }
    return n;
}

static int ask_all_by_signal(void *arg)
{
    static char text[65536];
    int fd = *(int *)arg;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_all(&scope, NULL, dump_at_signal, arg, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(kill(getpid(), SIGUSR1));
    do {
        ssize_t n = pread(fd, text, sizeof text - 1, 0);

        CHECK_GE(n, 0);
        text[n] = '\0';
        CHECK_OK(gyre_sleep(GYRE_MS));
    } while (count_of(text, "end of dump\n") < 3);
    CHECK_EQ(count_of(text, "end of dump\n"), 3);
    CHECK_STR_HAS(text, ", engine 0\n");
    CHECK_STR_HAS(text, ", engine 1\n");
    CHECK_STR_HAS(text, ", engine 2\n");
    return 0;
}

KERNEL_TEST2(L3_U2_one_signal_asks_all_engines_for_a_dump)
{
    int fd = memfd_create("dump", MFD_CLOEXEC);

    CHECK_GE(fd, 0);
    run_on_engines(3, ask_all_by_signal, &fd);
    CHECK_OK(close(fd));
}

/* ---- traces -------------------------------------------------------------- */

static int begin_trace(void *arg)
{
    return gyre_trace_start(gyre_loop_current(), *(int *)arg, 0);
}

static int pass_through(void *arg)
{
    CHECK_OK(gyre_yield());
    atomic_fetch_add((atomic_uint *)arg, 1);
    CHECK_OK(gyre_sleep(GYRE_MS));
    return 0;
}

static int trace_all(void *arg)
{
    atomic_uint passed = 0;
    gyre_scope scope;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_all(&scope, NULL, begin_trace, arg, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 20; i++)
        CHECK_OK(spawn_at(&scope, i % 2 == 0 ? GYRE_ENGINE(1) : GYRE_ANYWHERE,
                          pass_through, &passed, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(passed, 20);
    return 0;
}

KERNEL_TEST2(L3_tasks_are_traced_where_they_run)
{
    int fd = memfd_create("trace", MFD_CLOEXEC);

    CHECK_GE(fd, 0);
    run_on_engines(2, trace_all, &fd);
    CHECK_OK(close(fd));
}
