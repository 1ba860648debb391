/* SPDX-License-Identifier: MIT */
/*
 * Event, latch and wait group: what each has beside test_every.c.
 */
#include <errno.h>

#include "sync/kinds.h"

static void both(int (*fn)(void *flags))
{
    must_run(fn, NULL);
    must_run(fn, (void *)(uintptr_t)GYRE_LOCAL);
}

/* ---- event --------------------------------------------------------------- */

struct reader {
    gyre_event *event;
    void *value;
};

static int read_value(void *arg)
{
    struct reader *r = arg;

    return gyre_event_wait(r->event, &r->value);
}

static int set_and_reset(void *flags)
{
    int first, second;
    gyre_event event;
    struct reader readers[3];
    gyre_scope scope;
    void *value;

    gyre_event_init(&event, (unsigned)(uintptr_t)flags);
    for (int i = 0; i < 3; i++)
        readers[i] = (struct reader){ .event = &event };
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, read_value, &readers[0]));
    CHECK_OK(gyre_spawn(&scope, read_value, &readers[1]));
    CHECK_OK(gyre_yield());
    CHECK(!gyre_event_is_set(&event));
    CHECK_OK(gyre_event_set(&event, &first));
    CHECK_ERR(gyre_event_set(&event, &second), -EALREADY);
    CHECK(gyre_event_is_set(&event));
    CHECK_OK(gyre_event_wait(&event, &value));
    CHECK_EQ(value, (void *)&first);
    gyre_event_reset(&event); /* before the two have run */
    CHECK(!gyre_event_is_set(&event));
    CHECK_ERR(gyre_event_wait_until(&event, &value, 1), -ETIMEDOUT);
    CHECK_EQ(value, (void *)&first);
    CHECK_OK(gyre_spawn(&scope, read_value, &readers[2]));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_event_set(&event, &second));
    CHECK_OK(gyre_event_wait(&event, NULL));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(readers[0].value, (void *)&first);
    CHECK_EQ(readers[1].value, (void *)&first);
    CHECK_EQ(readers[2].value, (void *)&second);
    gyre_event_destroy(&event);
    return 0;
}

KERNEL_TEST2(M1_who_was_woken_keeps_the_value_whatever_is_set_then)
{
    both(set_and_reset);
}

/* ---- latch --------------------------------------------------------------- */

static bool came_through;

static int come_through(void *latch)
{
    CHECK_OK(gyre_latch_wait(latch));
    came_through = true;
    return 0;
}

static int count_down(void *flags)
{
    gyre_latch latch;
    gyre_scope scope;

    gyre_latch_init(&latch, 5, (unsigned)(uintptr_t)flags);
    came_through = false;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, come_through, &latch));
    CHECK_OK(gyre_yield());
    gyre_latch_count_down(&latch, 0);
    gyre_latch_count_down(&latch, 4);
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_yield());
    CHECK(!came_through);
    CHECK(!gyre_latch_is_open(&latch));
    CHECK_ERR(gyre_latch_wait_until(&latch, 1), -ETIMEDOUT);
    gyre_latch_count_down(&latch, 1);
    CHECK(gyre_latch_is_open(&latch));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK(came_through);
    CHECK_OK(gyre_latch_wait(&latch));
    CHECK_OK(gyre_latch_wait_until(&latch, 1));
    gyre_latch_destroy(&latch);
    gyre_latch_init(&latch, 0, (unsigned)(uintptr_t)flags);
    CHECK_OK(gyre_latch_wait(&latch));
    gyre_latch_destroy(&latch);
    return 0;
}

KERNEL_TEST2(M6_a_latch_opens_at_0_and_stays_open)
{
    both(count_down);
}

TEST_PANICS(M6_counting_down_by_too_much_panics, "by more than is left")
{
    gyre_latch latch = GYRE_LATCH_INIT(2);

    gyre_latch_count_down(&latch, 3);
}

/* ---- wait group ---------------------------------------------------------- */

struct group_reader {
    gyre_wait_group *group;
    int result;
};

static int wait_for_group(void *arg)
{
    struct group_reader *r = arg;

    r->result = gyre_wait_group_wait(r->group);
    return 0;
}

static int use_again(void *flags)
{
    struct group_reader reader = { .result = 42 };
    gyre_wait_group group;
    gyre_scope scope;

    gyre_wait_group_init(&group, (unsigned)(uintptr_t)flags);
    reader.group = &group;
    CHECK_OK(gyre_wait_group_wait(&group)); /* nothing in progress */
    for (int round = 0; round < 3; round++) {
        gyre_wait_group_add(&group, 2);
        gyre_scope_open(&scope, NULL);
        reader.result = 42;
        CHECK_OK(gyre_spawn(&scope, wait_for_group, &reader));
        CHECK_OK(gyre_yield());
        gyre_wait_group_done(&group);
        gyre_wait_group_add(&group, 1);
        gyre_wait_group_done(&group);
        CHECK_OK(gyre_yield());
        CHECK_EQ(reader.result, 42);
        gyre_wait_group_done(&group);
        gyre_wait_group_add(&group, 1); /* it has been 0: who waited goes on */
        CHECK_OK(gyre_scope_close(&scope));
        CHECK_OK(reader.result);
        gyre_wait_group_done(&group);
    }
    CHECK_OK(gyre_wait_group_wait_until(&group, 1));
    gyre_wait_group_destroy(&group);
    return 0;
}

KERNEL_TEST2(M7_a_wait_group_is_used_again_and_again)
{
    both(use_again);
}

TEST_PANICS(M7_done_without_add_panics, "done more often than was added")
{
    gyre_wait_group group = GYRE_WAIT_GROUP_INIT;

    gyre_wait_group_add(&group, 1);
    gyre_wait_group_done(&group);
    gyre_wait_group_done(&group);
}

TEST_PANICS(M7_a_count_above_2_to_the_63_panics, "counts more than 2^63")
{
    gyre_wait_group group = GYRE_WAIT_GROUP_INIT;

    gyre_wait_group_add(&group, (uint64_t)1 << 63);
    gyre_wait_group_add(&group, 1);
}

/* ---- from callbacks ------------------------------------------------------ */

static gyre_event event = GYRE_EVENT_INIT;
static gyre_latch latch = GYRE_LATCH_INIT(1);
static gyre_wait_group group = GYRE_WAIT_GROUP_INIT;
static gyre_semaphore semaphore = GYRE_SEMAPHORE_INIT(0);

static void open_all(gyre_work *work)
{
    (void)work;
    CHECK_OK(gyre_event_set(&event, NULL));
    gyre_latch_count_down(&latch, 1);
    gyre_wait_group_done(&group);
    gyre_semaphore_release(&semaphore, 1);
}

static int wait_for_all(void *arg)
{
    gyre_work work;

    (void)arg;
    gyre_wait_group_add(&group, 1);
    gyre_loop_post(gyre_loop_current(), &work, open_all);
    CHECK_OK(gyre_event_wait(&event, NULL));
    CHECK_OK(gyre_latch_wait(&latch));
    CHECK_OK(gyre_wait_group_wait(&group));
    CHECK_OK(gyre_semaphore_acquire(&semaphore, 1));
    return 0;
}

KERNEL_TEST2(M1_M6_M7_M8_a_callback_opens_what_tasks_wait_for)
{
    must_run(wait_for_all, NULL);
}
