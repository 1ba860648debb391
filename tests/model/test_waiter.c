/* SPDX-License-Identifier: MIT */
/*
 * test_waiter.c - the model of src/kernel/emu/waiter.c: a thread that sleeps on
 * futexes for one request after the other
 *
 * The owner gives it two requests and cancels neither, or one; somebody wakes
 * each as soon as the thread is queued. What Linux does with the words is its
 * own matter: `queued` and `woken` are bytes.
 */
#include "model/model.h"
#include "runner/test.h"

enum waiter_mutant {
    IDLE_LATE = 1,  /* waiter_main(): task = WAITER_IDLE after the push */
    AWAKE_LATE,     /*   awake = true after the push */
    WAKE_FIRST,     /* waiter_tell(): the futex, then the task */
    RELAXED_TELL,   /*   the task: relaxed */
    RELAXED_LOOK,   /* waiter_main() looks at the task: relaxed */
    RELAXED_RESULT, /* waiter_push_result(): relaxed */
    RELAXED_TAKE    /* waiter_results(): relaxed */
};

enum { OWNER, SLEEPER, WAKER, WAITER_THREADS };
enum { TASK, AWAKE, RESULTS }; /* places */
enum { REQUEST };              /* an object: what both know of it */
enum { IDLE, SLEEP, LEAVE };   /* tasks */
enum { ROUND, QUEUED, WOKEN, RAN, EVENT, SLEEPS }; /* v */
enum { FUTEX_PORT, EVENT_PORT, JOIN_PORT };

enum { ROUNDS = 2 };

enum sleeper_pc {
    SLEEPER_TASK,   /* waiter_main(): the task */
    SLEEPER_IDLE,   /*   FUTEX_WAIT */
    SLEEPER_ASLEEP, /*   … inside it */
    SLEEPER_QUEUE,  /* waiter_sleep(): it is queued */
    SLEEPER_WAITS,  /*   until it is woken */
    SLEEPER_RESULT, /* waiter_main(): the result; task = WAITER_IDLE */
    SLEEPER_AWAKE,  /*   awake = true */
    SLEEPER_PUSH,   /*   waiter_push_result() */
    SLEEPER_LATE    /* what a mutant does last */
};

static void sleeper_task(struct state *s, unsigned mutant)
{
    uint8_t task = load(s, SLEEPER, TASK,
                        order_in(mutant, RELAXED_LOOK, ACQUIRE, RELAXED));

    if (task == LEAVE)
        port_out(s, SLEEPER, JOIN_PORT);
    s->pc[SLEEPER] = task == LEAVE   ? DONE
                     : task == SLEEP ? SLEEPER_QUEUE
                                     : SLEEPER_IDLE;
}

static void sleeper_push(struct state *s, unsigned mutant)
{
    if (or_into(s, SLEEPER, RESULTS, 1,
                order_in(mutant, RELAXED_RESULT, RELEASE, RELAXED)) == 0) {
        s->v[EVENT] = 1;
        port_out(s, SLEEPER, EVENT_PORT);
    }
    s->pc[SLEEPER] = mutant == IDLE_LATE || mutant == AWAKE_LATE ? SLEEPER_LATE
                                                                 : SLEEPER_TASK;
}

static bool sleeper_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[SLEEPER];

    switch ((enum sleeper_pc) * pc) {
    case SLEEPER_TASK:
        sleeper_task(s, mutant);
        return true;
    case SLEEPER_IDLE:
        *pc = futex_wait(s, SLEEPER, TASK, IDLE, SLEEPS, FUTEX_PORT)
                  ? SLEEPER_ASLEEP
                  : SLEEPER_TASK;
        return true;
    case SLEEPER_ASLEEP:
        *pc = SLEEPER_TASK;
        return !futex_sleeps(s, SLEEPER, SLEEPS);
    case SLEEPER_QUEUE:
        plain_read(s, SLEEPER, REQUEST);
        s->v[QUEUED] = 1;
        *pc = SLEEPER_WAITS;
        return true;
    case SLEEPER_WAITS:
        *pc = SLEEPER_RESULT;
        return s->v[WOKEN];
    case SLEEPER_RESULT:
        s->v[QUEUED] = s->v[WOKEN] = 0;
        s->v[RAN] = 1;
        plain_write(s, SLEEPER, REQUEST);
        if (mutant != IDLE_LATE)
            store(s, SLEEPER, TASK, IDLE, RELAXED);
        *pc = mutant == AWAKE_LATE ? SLEEPER_PUSH : SLEEPER_AWAKE;
        return true;
    case SLEEPER_AWAKE:
        store(s, SLEEPER, AWAKE, 1, RELEASE);
        *pc = SLEEPER_PUSH;
        return true;
    case SLEEPER_PUSH:
        sleeper_push(s, mutant);
        return true;
    case SLEEPER_LATE:
        store(s, SLEEPER, mutant == IDLE_LATE ? TASK : AWAKE,
              mutant == IDLE_LATE ? IDLE : 1, RELEASE);
        *pc = SLEEPER_TASK;
        return true;
    }
    return false;
}

enum owner_pc {
    OWNER_BEGIN,  /* waiter_begin(): the request; awake = false */
    OWNER_TELL,   /* waiter_tell(): the task */
    OWNER_WAKE,   /*   FUTEX_WAKE */
    OWNER_LATE,   /*   a mutant's task */
    OWNER_QUEUED, /* waiter_await_queued() */
    OWNER_SLEEP,  /* until there are results; a cancel wakes the thread */
    OWNER_TAKE,   /* waiter_results() */
    OWNER_JOIN    /* waiter_free() */
};

static void owner_tell(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[OWNER];
    bool late = *pc == OWNER_LATE;

    if (mutant != WAKE_FIRST || late)
        store(s, OWNER, TASK, s->v[ROUND] < ROUNDS ? SLEEP : LEAVE,
              order_in(mutant, RELAXED_TELL, RELEASE, RELAXED));
    if (!late)
        *pc = OWNER_WAKE;
    else
        *pc = s->v[ROUND] < ROUNDS ? OWNER_QUEUED : OWNER_JOIN;
}

static bool owner_is_queued(struct state *s)
{
    if (!s->v[QUEUED] && load(s, OWNER, AWAKE, ACQUIRE) == 0)
        return false;
    must(s->v[QUEUED] || s->v[RAN],
         "a request is submitted and its thread is not queued");
    s->pc[OWNER] = OWNER_SLEEP;
    return true;
}

/* It looks at each turn, whatever wakes it. */
static bool owner_sleep(struct state *s)
{
    if (last_of(s, RESULTS) == 0 && !s->v[EVENT]) { /* waiter_cancel() */
        if (s->v[ROUND] != 0 || !s->v[QUEUED] || s->v[WOKEN])
            return false;
        s->v[WOKEN] = 1;
        return true;
    }
    if (s->v[EVENT] && (last_of(s, RESULTS) == 0 || choose(2) == 1)) {
        s->v[EVENT] = 0;
        port_in(s, OWNER, EVENT_PORT);
    }
    s->pc[OWNER] = OWNER_TAKE;
    return true;
}

static void owner_takes(struct state *s, unsigned mutant)
{
    s->pc[OWNER] = OWNER_SLEEP;
    if (swap(s, OWNER, RESULTS, 0,
             order_in(mutant, RELAXED_TAKE, ACQUIRE, RELAXED)) == 0)
        return;
    plain_read(s, OWNER, REQUEST);
    s->pc[OWNER] = ++s->v[ROUND] < ROUNDS ? OWNER_BEGIN : OWNER_TELL;
}

static bool owner_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[OWNER];

    switch ((enum owner_pc) * pc) {
    case OWNER_BEGIN:
        plain_write(s, OWNER, REQUEST);
        s->v[RAN] = 0;
        store(s, OWNER, AWAKE, 0, RELAXED);
        *pc = OWNER_TELL;
        return true;
    case OWNER_TELL:
    case OWNER_LATE:
        owner_tell(s, mutant);
        return true;
    case OWNER_WAKE:
        futex_wake(s, OWNER, SLEEPS, FUTEX_PORT);
        if (mutant == WAKE_FIRST)
            *pc = OWNER_LATE;
        else
            *pc = s->v[ROUND] < ROUNDS ? OWNER_QUEUED : OWNER_JOIN;
        return true;
    case OWNER_QUEUED:
        return owner_is_queued(s);
    case OWNER_SLEEP:
        return owner_sleep(s);
    case OWNER_TAKE:
        owner_takes(s, mutant);
        return true;
    case OWNER_JOIN:
        if (s->pc[SLEEPER] != DONE)
            return false;
        port_in(s, OWNER, JOIN_PORT);
        object_free(s, OWNER, REQUEST);
        *pc = DONE;
        return true;
    }
    return false;
}

static bool waker_step(struct state *s)
{
    if (!s->v[QUEUED] || s->v[WOKEN])
        return false;
    s->v[WOKEN] = 1;
    return true;
}

static bool waiter_step(struct state *s, unsigned who, unsigned mutant)
{
    switch (who) {
    case OWNER:
        return owner_step(s, mutant);
    case SLEEPER:
        return sleeper_step(s, mutant);
    default:
        return waker_step(s);
    }
}

static const char *waiter_judge(const struct state *s)
{
    return s->pc[OWNER] == DONE ? NULL : "a request is never begun, or ended";
}

TEST(D5_no_interleaving_loses_a_request_of_a_thread_that_sleeps)
{
    static const struct model model = { WAITER_THREADS, waiter_step,
                                        waiter_judge, NULL };
    static const char stuck[] = "a request is never begun, or ended";
    static const char races[] = "a read races a write";
    static const struct mutant mutants[] = {
        { IDLE_LATE, stuck },
        { AWAKE_LATE, "a request is submitted and its thread is not queued" },
        { WAKE_FIRST, stuck },
        { RELAXED_TELL, races },
        { RELAXED_LOOK, races },
        { RELAXED_RESULT, races },
        { RELAXED_TAKE, races },
        { 0, NULL },
    };

    check_model(&model, 50, mutants);
}
