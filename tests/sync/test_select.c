/* SPDX-License-Identifier: MIT */
/*
 * Select: exactly one case, the first that can be had, and of the others no
 * trace. Ops as cases are in test_select_op.c.
 */
#include "sync/lab.h"

/* ---- what is there at once ----------------------------------------------- */

static int return_number(void *arg)
{
    return *(int *)arg;
}

/* One of each kind but ops, in an order that rotates; bit k of `ready` says
 * that the k-th kind can be had. */
enum { RECV, SEND, TASK, TIMER, EVENT, KINDS };

struct things {
    gyre_channel *full; /* something to receive, if ready */
    gyre_channel *room; /* room to send, if ready */
    gyre_task *task;
    gyre_event event;
    gyre_event hold; /* what a task that is not to end waits for */
    gyre_scope scope;
    int number;
    int received, result;
    void *value;
};

static int wait_for_event(void *arg)
{
    return gyre_event_wait(arg, NULL);
}

static void things_make(struct things *t, unsigned ready)
{
    int n = 5;

    *t = (struct things){ .number = 77 };
    t->full = make_channel(sizeof(int), 1, 0);
    t->room = make_channel(sizeof(int), 1, 0);
    gyre_event_init(&t->event, 0);
    if ((ready & 1U << RECV) != 0)
        CHECK_OK(gyre_channel_try_send(t->full, &n));
    if ((ready & 1U << SEND) == 0)
        CHECK_OK(gyre_channel_try_send(t->room, &n));
    if ((ready & 1U << EVENT) != 0)
        CHECK_OK(gyre_event_set(&t->event, t));
    gyre_scope_open(&t->scope, NULL);
    CHECK_OK(gyre_spawn_with(
        &t->scope, NULL,
        (ready & 1U << TASK) != 0 ? return_number : wait_for_event,
        (ready & 1U << TASK) != 0 ? (void *)&t->number : &t->hold, &t->task));
    let_others_run();
}

static gyre_case things_case(struct things *t, unsigned kind, bool past)
{
    static const int nine = 9;

    switch (kind) {
    case RECV:
        return gyre_on_recv(t->full, &t->received);
    case SEND:
        return gyre_on_send(t->room, &nine);
    case TASK:
        return gyre_on_task(t->task, &t->result);
    case TIMER:
        return gyre_on_timer(past ? 1 : GYRE_NEVER);
    default:
        return gyre_on_event(&t->event, &t->value);
    }
}

/* What was had, and that nothing else was. */
static void things_check(struct things *t, unsigned ready, unsigned won)
{
    CHECK_EQ(t->received, won == RECV ? 5 : 0);
    CHECK_EQ(gyre_channel_length(t->full),
             won != RECV && (ready & 1U << RECV) != 0);
    CHECK_EQ(gyre_channel_length(t->room),
             won == SEND || (ready & 1U << SEND) == 0);
    CHECK_EQ(t->result, won == TASK ? 77 : 0);
    CHECK(t->value == (won == EVENT ? t : NULL));
    if (won != TASK && (ready & 1U << TASK) != 0) {
        CHECK_OK(gyre_join(t->task, &t->result));
        CHECK_EQ(t->result, 77);
    }
}

static void things_free(struct things *t)
{
    gyre_event_set(&t->hold, NULL);
    CHECK_OK(gyre_scope_close(&t->scope));
    gyre_event_destroy(&t->event);
    gyre_channel_destroy(t->full);
    gyre_channel_destroy(t->room);
}

static void choose_at_once(unsigned ready, unsigned turn, bool tries)
{
    gyre_case cases[KINDS];
    struct things things;
    unsigned first = 0;
    int winner;

    things_make(&things, ready);
    for (unsigned i = 0; i < KINDS; i++)
        cases[i] = things_case(&things, (i + turn) % KINDS, ready >> TIMER & 1);
    while ((ready >> (first + turn) % KINDS & 1) == 0)
        first++;
    winner = tries ? gyre_try_select(cases, KINDS) : gyre_select(cases, KINDS);
    CHECK_EQ(winner, (int)first);
    for (unsigned i = 0; i < KINDS; i++)
        CHECK_ERR(cases[i].result, i == first ? 0 : -EAGAIN);
    things_check(&things, ready, (first + turn) % KINDS);
    things_free(&things);
}

static int top_to_bottom(void *arg)
{
    for (unsigned ready = 1; ready < 1U << KINDS; ready++)
        for (unsigned turn = 0; turn < KINDS; turn++)
            choose_at_once(ready, turn, arg != NULL);
    return 0;
}

TEST(K9_R6_of_what_is_ready_the_first_in_order_is_done_and_nothing_else)
{
    must_run(top_to_bottom, NULL);
}

TEST(K9_R6_a_try_does_likewise)
{
    must_run(top_to_bottom, (void *)1);
}

static int try_nothing(void *arg)
{
    gyre_case cases[KINDS];
    struct things things;

    (void)arg;
    things_make(&things, 0);
    for (unsigned i = 0; i < KINDS; i++)
        cases[i] = things_case(&things, i, false);
    CHECK_ERR(gyre_try_select(cases, KINDS), -EAGAIN);
    for (unsigned i = 0; i < KINDS; i++)
        CHECK_ERR(cases[i].result, -EAGAIN);
    things_check(&things, 0, KINDS);
    things_free(&things);
    return 0;
}

TEST(K9_a_try_that_finds_nothing_leaves_no_trace)
{
    must_run(try_nothing, NULL);
}

/* ---- what comes first ---------------------------------------------------- */

/* A select in a task of its own, and what came of it. */
struct chooser {
    gyre_case cases[8];
    unsigned count;
    int winner;
    int done;
};

static int choose(void *arg)
{
    struct chooser *c = arg;

    c->winner = gyre_select(c->cases, c->count);
    c->done++;
    return 0;
}

/* Make it happen from outside; two of them, one after the other. */
static void happen(struct things *t, gyre_event *task_event, unsigned kind)
{
    int n = 5;

    switch (kind) {
    case RECV:
        CHECK_OK(gyre_channel_try_send(t->full, &n));
        break;
    case SEND:
        CHECK_OK(gyre_channel_try_recv(t->room, &n));
        break;
    case TASK:
        CHECK_OK(gyre_event_set(task_event, NULL));
        let_others_run(); /* the task ends */
        break;
    case TIMER:
        CHECK_OK(gyre_sleep(200 * GYRE_US));
        break;
    default:
        CHECK_OK(gyre_event_set(&t->event, t));
    }
}

struct waits_then_number {
    gyre_event event;
    int number;
};

static int wait_then_number(void *arg)
{
    struct waits_then_number *w = arg;

    CHECK_OK(gyre_event_wait(&w->event, NULL));
    return w->number;
}

static void first_and_second(unsigned first, unsigned second)
{
    struct waits_then_number ends = { GYRE_EVENT_INIT, 77 };
    struct chooser chooser = { .count = KINDS };
    struct things t;
    uint64_t soon;

    things_make(&t, 0);
    CHECK_OK(gyre_spawn_with(&t.scope, NULL, wait_then_number, &ends, &t.task));
    soon = gyre_loop_update_now(gyre_loop_current()) + 100 * GYRE_US;
    for (unsigned i = 0; i < KINDS; i++)
        chooser.cases[i] = things_case(&t, i, false);
    if (first == TIMER || second == TIMER)
        chooser.cases[TIMER] =
            gyre_on_timer(first == TIMER ? soon : soon + GYRE_SECOND);
    must_spawn(&t.scope, choose, &chooser);
    let_others_run();
    CHECK(chooser.done == 0 || first == TIMER);
    happen(&t, &ends.event, first);
    if (second != TIMER)
        happen(&t, &ends.event, second);
    let_others_run();
    CHECK_EQ(chooser.done, 1);
    CHECK_EQ(chooser.winner, (int)first);
    for (unsigned i = 0; i < KINDS; i++)
        CHECK_ERR(chooser.cases[i].result, i == first ? 0 : -EAGAIN);
    things_check(&t,
                 (second < TIMER ? 1U << second : 0) |
                     (second == SEND ? 1U << SEND : 0),
                 first);
    gyre_event_set(&ends.event, NULL);
    things_free(&t);
}

static int each_winner(void *arg)
{
    (void)arg;
    for (unsigned first = 0; first < KINDS; first++)
        for (unsigned second = 0; second < KINDS; second++)
            if (second != first)
                first_and_second(first, second);
    return 0;
}

KERNEL_TEST2(K9_R6_who_comes_first_wins_whoever_comes_second)
{
    must_run(each_winner, NULL);
}

/* ---- channels only ------------------------------------------------------- */

static int selects_meet(void *arg)
{
    gyre_channel *a = make_channel(sizeof(int), 0, 0);
    gyre_channel *b = make_channel(sizeof(int), 0, 0);
    int gave = 3, got = 0, other = 0;
    struct chooser one = {
        { gyre_on_recv(a, &other), gyre_on_send(b, &gave) }, 2, -1, 0
    };
    struct chooser two = {
        { gyre_on_send(a, &gave), gyre_on_recv(b, &got) }, 2, -1, 0
    };
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, choose, &one);
    let_others_run();
    CHECK_EQ(one.done, 0);
    must_spawn(&scope, choose, &two);
    let_others_run();
    CHECK_EQ(one.winner, 0);
    CHECK_EQ(two.winner, 0);
    CHECK_EQ(other, 3);
    CHECK_EQ(got, 0);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(gyre_channel_try_recv(b, &got), -EAGAIN);
    gyre_channel_destroy(a);
    gyre_channel_destroy(b);
    return 0;
}

TEST(K9_M10_two_selects_meet_on_a_channel_without_capacity)
{
    must_run(selects_meet, NULL);
}

static int both_sides(void *arg)
{
    gyre_channel *channel = make_channel(sizeof(int), 0, 0);
    int gave[2] = { 10, 20 }, got[2] = { 0 }, n;
    struct chooser one = { { gyre_on_send(channel, &gave[0]),
                             gyre_on_recv(channel, &got[0]) },
                           2,
                           -1,
                           0 };
    struct chooser two = { { gyre_on_send(channel, &gave[1]),
                             gyre_on_recv(channel, &got[1]) },
                           2,
                           -1,
                           0 };
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    for (int round = 0; round < 3; round++) {
        must_spawn(&scope, choose, &one);
        let_others_run();
        CHECK_EQ(one.done, 0); /* not with itself */
        n = 30;
        switch (round) {
        case 0: /* the sender waits behind nobody */
            CHECK_OK(gyre_channel_try_send(channel, &n));
            break;
        case 1:
            CHECK_OK(gyre_channel_try_recv(channel, &n));
            break;
        default:
            must_spawn(&scope, choose, &two);
        }
        let_others_run();
        CHECK_EQ(one.done, 1);
        CHECK_EQ(one.winner, round == 1 ? 0 : 1);
        CHECK_EQ(got[0], round == 0 ? 30 : round == 1 ? 0 : 20);
        CHECK_EQ(n, round == 1 ? 10 : 30);
        one.done = got[0] = 0;
    }
    CHECK_EQ(two.winner, 0);
    CHECK_EQ(got[1], 0);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(gyre_channel_try_recv(channel, &n), -EAGAIN);
    CHECK_ERR(gyre_channel_try_send(channel, &n), -EAGAIN);
    gyre_channel_destroy(channel);
    return 0;
}

TEST(K9_M10_to_send_and_receive_on_one_channel_does_not_meet_itself)
{
    must_run(both_sides, NULL);
}

static int same_twice(void *arg)
{
    gyre_channel *channel = make_channel(sizeof(int), 0, 0);
    int got[3] = { 0 }, n = 7;
    struct chooser one = { { gyre_on_recv(channel, &got[0]),
                             gyre_on_recv(channel, &got[1]),
                             gyre_on_recv(channel, &got[2]) },
                           3,
                           -1,
                           0 };
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, choose, &one);
    let_others_run();
    CHECK_OK(gyre_channel_try_send(channel, &n));
    CHECK_ERR(gyre_channel_try_send(channel, &n), -EAGAIN);
    let_others_run();
    CHECK_EQ(one.winner, 0);
    CHECK_EQ(got[0], 7);
    CHECK_EQ(got[1] + got[2], 0);
    CHECK_OK(gyre_scope_close(&scope));
    gyre_channel_destroy(channel);
    return 0;
}

TEST(K9_M10_a_channel_may_be_there_several_times)
{
    must_run(same_twice, NULL);
}

static int close_selected(void *arg)
{
    gyre_channel *a = make_channel(sizeof(int), 0, 0);
    gyre_channel *b = make_channel(sizeof(int), 0, 0);
    int n = 0;
    struct chooser one = {
        { gyre_on_recv(a, &n), gyre_on_send(b, &n) }, 2, -1, 0
    };
    gyre_case at_once;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, choose, &one);
    let_others_run();
    CHECK_OK(gyre_channel_close(b));
    CHECK_OK(gyre_channel_close(a));
    let_others_run();
    CHECK_EQ(one.winner, 1);
    CHECK_ERR(one.cases[1].result, -EPIPE);
    CHECK_ERR(one.cases[0].result, -EAGAIN);
    CHECK_EQ(gyre_select(one.cases, 2), 0);
    CHECK_ERR(one.cases[0].result, GYRE_EOF);
    at_once = gyre_on_send(b, &n);
    CHECK_EQ(gyre_select(&at_once, 1), 0);
    CHECK_ERR(at_once.result, -EPIPE);
    CHECK_OK(gyre_scope_close(&scope));
    gyre_channel_destroy(a);
    gyre_channel_destroy(b);
    return 0;
}

TEST(K9_M10_a_channel_that_is_closed_wins)
{
    must_run(close_selected, NULL);
}

enum { MANY = 500 };

static int many_channels(void *arg)
{
    static gyre_case cases[2 * MANY];
    static gyre_channel *channels[MANY];
    struct chance chance = { 3 };
    int got = 0;

    (void)arg;
    for (unsigned i = 0; i < MANY; i++)
        channels[i] = make_channel(sizeof(int), 1, 0);
    for (int round = 0; round < 50; round++) {
        unsigned ready = below(&chance, MANY);

        for (unsigned i = 0; i < 2 * MANY; i++)
            cases[i] = gyre_on_recv(channels[below(&chance, MANY)], &got);
        cases[below(&chance, 2 * MANY)] = gyre_on_recv(channels[ready], &got);
        CHECK_OK(gyre_channel_try_send(channels[ready], &round));
        CHECK_GE(gyre_select(cases, 2 * MANY), 0);
        CHECK_EQ(got, round);
        CHECK_ERR(gyre_try_select(cases, 2 * MANY), -EAGAIN);
    }
    for (unsigned i = 0; i < MANY; i++)
        gyre_channel_destroy(channels[i]);
    return 0;
}

TEST(K9_a_thousand_cases_in_any_order_of_addresses)
{
    must_run(many_channels, NULL);
}

/* ---- cancel -------------------------------------------------------------- */

static int cancelled_select(void *arg)
{
    struct chooser one = { .count = KINDS };
    gyre_scope scope;
    struct things t;

    (void)arg;
    things_make(&t, 1U << RECV);
    gyre_scope_open(&scope, NULL);
    gyre_scope_cancel(&scope);
    for (unsigned i = 0; i < KINDS; i++)
        one.cases[i] = things_case(&t, i, false);
    CHECK_ERR(gyre_select(one.cases, KINDS), -ECANCELED);
    things_check(&t, 1U << RECV, KINDS); /* it did nothing */
    CHECK_EQ(gyre_try_select(one.cases, KINDS), RECV);
    CHECK_OK(gyre_scope_close(&scope));
    things_free(&t);

    things_make(&t, 0);
    for (unsigned i = 0; i < KINDS; i++)
        one.cases[i] = things_case(&t, i, false);
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, choose, &one);
    let_others_run();
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(one.winner, -ECANCELED);
    for (unsigned i = 0; i < KINDS; i++)
        CHECK_ERR(one.cases[i].result, -EAGAIN);
    things_check(&t, 0, KINDS);
    gyre_event_set(&t.hold, NULL);
    CHECK_OK(gyre_join(t.task, NULL)); /* can be joined as ever */
    things_free(&t);
    return 0;
}

TEST(K9_R8_M12_a_cancelled_select_has_done_nothing)
{
    must_run(cancelled_select, NULL);
}

static int won_then_cancelled(void *arg)
{
    gyre_channel *channel = make_channel(sizeof(int), 0, 0);
    int got = 0, n = 8;
    struct chooser one = {
        { gyre_on_recv(channel, &got), gyre_on_timer(GYRE_NEVER) }, 2, -1, 0
    };
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, choose, &one);
    let_others_run();
    CHECK_OK(gyre_channel_try_send(channel, &n));
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(one.winner, 0);
    CHECK_EQ(got, 8);
    gyre_channel_destroy(channel);
    return 0;
}

TEST(K9_M12_a_case_that_was_done_before_the_cancel_counts)
{
    must_run(won_then_cancelled, NULL);
}

static int scope_deadline(void *arg)
{
    gyre_scope_options options = {
        .deadline_ns = gyre_loop_update_now(gyre_loop_current()) + GYRE_MS
    };
    gyre_case never = gyre_on_timer(GYRE_NEVER);
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, &options);
    CHECK_ERR(gyre_select(&never, 1), -ETIME);
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    return 0;
}

KERNEL_TEST2(K9_R3_the_scopes_deadline_ends_a_select)
{
    must_run(scope_deadline, NULL);
}

/* ---- events -------------------------------------------------------------- */

static int event_reset(void *arg)
{
    gyre_event event = GYRE_EVENT_INIT;
    void *value = NULL;
    struct chooser one = { { gyre_on_event(&event, &value) }, 1, -1, 0 };
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, choose, &one);
    let_others_run();
    CHECK_OK(gyre_event_set(&event, &scope));
    gyre_event_reset(&event);
    let_others_run();
    CHECK_EQ(one.winner, 0);
    CHECK(value == &scope); /* as it was when it was set */
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

TEST(K9_M1_a_select_keeps_the_value_an_event_was_set_to)
{
    must_run(event_reset, NULL);
}

/* ---- misuse -------------------------------------------------------------- */

TEST_PANICS(K9_outside_of_a_task_it_panics, "inside a task")
{
    gyre_case at = gyre_on_timer(1);

    (void)!gyre_select(&at, 1);
}

static int no_case(void *arg)
{
    gyre_case cases[1] = { { 0 } };

    return gyre_select(cases, arg == NULL);
}

TEST_PANICS(K9_without_a_case_it_panics, "between 1 and 65535")
{
    must_run(no_case, (void *)1);
}

TEST_PANICS(K9_a_case_that_nobody_made_panics, "made by one of gyre_on_")
{
    must_run(no_case, NULL);
}

static int task_twice(void *arg)
{
    gyre_event event = GYRE_EVENT_INIT;
    gyre_task *task;
    gyre_case cases[2];

    (void)arg;
    CHECK_OK(gyre_spawn_with(gyre_scope_current(), NULL, wait_for_event, &event,
                             &task));
    cases[0] = cases[1] = gyre_on_task(task, NULL);
    return gyre_select(cases, 2);
}

TEST_PANICS(K9_K5_a_task_twice_panics, "is being joined already")
{
    must_run(task_twice, NULL);
}
