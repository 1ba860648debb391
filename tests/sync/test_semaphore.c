/* SPDX-License-Identifier: MIT */
/*
 * The semaphore: units are conserved, and who wants many is not overtaken.
 */
#include <errno.h>

#include "sync/kinds.h"

struct taker {
    gyre_semaphore *semaphore;
    uint64_t units;
    gyre_task *task;
    int result;
    bool ended;
};

static int take(void *arg)
{
    struct taker *t = arg;

    t->result = gyre_semaphore_acquire(t->semaphore, t->units);
    t->ended = true;
    return 0;
}

static void start(struct taker *takers, const unsigned *units, unsigned count,
                  gyre_semaphore *semaphore, gyre_scope *scope)
{
    for (unsigned i = 0; i < count; i++) {
        takers[i] = (struct taker){ .semaphore = semaphore, .units = units[i] };
        CHECK_OK(
            gyre_spawn_with(scope, NULL, take, &takers[i], &takers[i].task));
    }
    CHECK_OK(gyre_yield());
}

static int count_units(void *flags)
{
    gyre_semaphore s;

    gyre_semaphore_init(&s, 3, (unsigned)(uintptr_t)flags);
    CHECK_EQ(gyre_semaphore_units(&s), 3u);
    CHECK_OK(gyre_semaphore_acquire(&s, 2));
    CHECK(!gyre_semaphore_try_acquire(&s, 2));
    CHECK_ERR(gyre_semaphore_acquire_until(&s, 2, 1), -ETIMEDOUT);
    CHECK_EQ(gyre_semaphore_units(&s), 1u);
    CHECK(gyre_semaphore_try_acquire(&s, 1));
    CHECK(gyre_semaphore_try_acquire(&s, 0));
    CHECK_EQ(gyre_semaphore_units(&s), 0u);
    gyre_semaphore_release(&s, 5);
    CHECK_EQ(gyre_semaphore_units(&s), 5u);
    gyre_semaphore_destroy(&s);
    return 0;
}

static int many_before_few(void *flags)
{
    static const unsigned units[] = { 3, 1, 1, 2 };
    struct taker t[4];
    gyre_semaphore s;
    gyre_scope scope;

    gyre_semaphore_init(&s, 2, (unsigned)(uintptr_t)flags);
    gyre_scope_open(&scope, NULL);
    start(t, units, 4, &s, &scope);
    CHECK(!t[0].ended && !t[1].ended); /* though there is enough for 1 */
    CHECK(!gyre_semaphore_try_acquire(&s, 1));
    gyre_semaphore_release(&s, 2);
    CHECK_OK(gyre_yield());
    CHECK(t[0].ended && t[1].ended && !t[2].ended && !t[3].ended);
    CHECK_EQ(gyre_semaphore_units(&s), 0u);
    gyre_semaphore_release(&s, 4);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK(t[2].ended && t[3].ended);
    CHECK_EQ(gyre_semaphore_units(&s), 1u);
    gyre_semaphore_destroy(&s);
    return 0;
}

/* The one who wanted many leaves: those behind him have enough. */
static int serve_behind(void *flags)
{
    static const unsigned units[] = { 9, 1, 1, 1 };
    struct taker t[4];
    gyre_semaphore s;
    gyre_scope scope;

    gyre_semaphore_init(&s, 2, (unsigned)(uintptr_t)flags);
    gyre_scope_open(&scope, NULL);
    start(t, units, 4, &s, &scope);
    gyre_task_cancel(t[0].task);
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    CHECK_ERR(t[0].result, -ECANCELED);
    CHECK(t[1].ended && t[2].ended && !t[3].ended);
    gyre_task_cancel(t[3].task);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(gyre_semaphore_units(&s), 0u);
    gyre_semaphore_destroy(&s);
    return 0;
}

static void both(int (*fn)(void *flags))
{
    must_run(fn, NULL);
    must_run(fn, (void *)(uintptr_t)GYRE_LOCAL);
}

KERNEL_TEST2(M8_units_are_taken_and_given_back)
{
    both(count_units);
}

KERNEL_TEST2(M8_who_wants_many_is_not_overtaken_by_who_wants_few)
{
    both(many_before_few);
}

KERNEL_TEST2(M8_M12_those_behind_one_that_leaves_are_served)
{
    both(serve_behind);
}

TEST_PANICS(M8_more_than_2_to_the_63_units_panic, "more than 2^63 units")
{
    gyre_semaphore s = GYRE_SEMAPHORE_INIT((uint64_t)1 << 63);

    gyre_semaphore_release(&s, 0); /* so many are allowed */
    gyre_semaphore_release(&s, 1);
}
