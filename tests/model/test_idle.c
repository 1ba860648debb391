/* SPDX-License-Identifier: MIT */
/*
 * test_idle.c - the model of src/engine/idle.c: who pushes, who steals, who
 * sleeps
 *
 * A busy engine pushes tasks that may begin anywhere; two others have nothing
 * to do. Each task runs for ever, so nobody but who was called comes for the
 * next one: when nothing moves, no task may lie in a queue while an engine
 * sleeps (I6).
 *
 * What is done under a queue's lock is one step. The wake of a loop is a byte
 * here; test_wake.c has it in full.
 */
#include "model/model.h"
#include "runner/test.h"

enum idle_mutant {
    NO_RECHECK = 1, /* idle, and then sleep */
    CALL_FIRST,     /* look who is idle, then push */
    NO_CALL,        /* who took several calls nobody */
    ALL_QUEUED,     /* who took one does not begin it at once */
    FLAG_FIRST,     /* idle = true, then idle_count++ */
    WEAK_COUNT,     /* a queue's count is stored: release */
    WEAK_RECHECK,   /* engines_have_work() looks at it: acquire */
    WEAK_IDLE,      /* idle = true: release */
    WEAK_UP,        /* idle_count++: acquire and release */
    WEAK_LOOK,      /* engines_call_one() looks at idle_count: acquire */
    WEAK_LOOK_2     /*   and at a flag: acquire */
};

enum { BUSY, ENGINE, ENGINE_2, ENGINES };
/* Places: a queue's count and an engine's flag, each + who. */
enum { COUNT_OF, IDLE_OF = ENGINES - 1, IDLE_COUNT = 5 };
/* v, the first four + who. */
enum { QUEUED = 0, TAKEN = 3, WOKEN = 6, AT = 9, LEFT = 12, STEALS };
enum { TASKS_MAX = 3 };
enum { LOCK_OF = 0, WAKE_OF = 3 }; /* ports */

enum engine_pc {
    LOOK,       /* engine_more(): queue_count() of its own */
    TAKE,       /*   and one is taken */
    VICTIM,     /* engine_steal(): queue_count() of the AT-th */
    STEAL,      /*   queue_take_half() */
    KEEP,       /*   queue_push_all() of the rest to its own */
    COUNT_UP,   /* engine_idle(): idle_count++ */
    ANNOUNCE,   /*   idle = true */
    RECHECK,    /*   engines_have_work(): the AT-th */
    SLEEP,      /* in the kernel */
    END_IDLE,   /* idle_end(), of itself */
    COUNT_DOWN, /*   idle_count-- */
    RUNNING,    /* for ever */
    PUSH,       /* engine_offer(): queue_push() */
    CALL,       /* engines_call_one(): idle_count == 0? */
    CALL_LOOK,  /*   idle_end(): idle, of the AT-th? */
    CALL_SWAP,  /*     exchange(idle, false) */
    CALL_DOWN,  /*     idle_count-- */
    CALL_WAKE   /*   gyre_loop_wake() */
};

static void queue_change(struct state *s, unsigned who, unsigned queue, int n,
                         unsigned mutant)
{
    s->v[QUEUED + queue] = (uint8_t)(s->v[QUEUED + queue] + n);
    port_in(s, who, LOCK_OF + queue);
    store(s, who, COUNT_OF + queue, s->v[QUEUED + queue],
          order_in(mutant, WEAK_COUNT, SEQ_CST, RELEASE));
    port_out(s, who, LOCK_OF + queue);
}

static uint8_t other_of(unsigned who)
{
    return who == ENGINE ? ENGINE_2 : ENGINE;
}

/* ---- engines_call_one() -------------------------------------------------- */

static void call_ends(struct state *s, unsigned who, unsigned mutant)
{
    if (who != BUSY)
        s->pc[who] = mutant == ALL_QUEUED ? LOOK : RUNNING;
    else if (s->v[LEFT] == 0)
        s->pc[who] = DONE;
    else
        s->pc[who] = PUSH;
}

/* The AT-th is not idle. */
static void call_next(struct state *s, unsigned who, unsigned mutant)
{
    if (who == BUSY && s->v[AT + who] == ENGINE) {
        s->v[AT + who] = ENGINE_2;
        s->pc[who] = CALL_LOOK;
    } else {
        call_ends(s, who, mutant);
    }
}

static void call_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];
    uint8_t *at = &s->v[AT + who];

    switch ((enum engine_pc) * pc) {
    case CALL:
        *at = who == BUSY ? ENGINE : other_of(who);
        if (load(s, who, IDLE_COUNT,
                 order_in(mutant, WEAK_LOOK, SEQ_CST, ACQUIRE)) != 0)
            *pc = CALL_LOOK;
        else
            call_ends(s, who, mutant);
        return;
    case CALL_LOOK:
        if (load(s, who, IDLE_OF + *at,
                 order_in(mutant, WEAK_LOOK_2, SEQ_CST, ACQUIRE)) != 0)
            *pc = CALL_SWAP;
        else
            call_next(s, who, mutant);
        return;
    case CALL_SWAP:
        if (swap(s, who, IDLE_OF + *at, 0, SEQ_CST) != 0)
            *pc = CALL_DOWN;
        else
            call_next(s, who, mutant);
        return;
    case CALL_DOWN:
        (void)add(s, who, IDLE_COUNT, -1, SEQ_CST);
        *pc = CALL_WAKE;
        return;
    default:
        s->v[WOKEN + *at] = 1;
        port_out(s, who, WAKE_OF + *at);
        call_ends(s, who, mutant);
    }
}

/* ---- taking and stealing ------------------------------------------------- */

static void victim_next(struct state *s, unsigned who, unsigned mutant)
{
    if (s->v[AT + who] == BUSY) {
        s->v[AT + who] = other_of(who);
        s->pc[who] = VICTIM;
    } else {
        s->pc[who] = mutant == FLAG_FIRST ? ANNOUNCE : COUNT_UP;
    }
}

static void steal(struct state *s, unsigned who, unsigned mutant)
{
    unsigned victim = s->v[AT + who];
    int n = (s->v[QUEUED + victim] + 1) / 2;

    if (n == 0) {
        victim_next(s, who, mutant);
        return;
    }
    must(++s->v[STEALS] <= TASKS_MAX, "a task is stolen again and again");
    s->v[TAKEN + who] = (uint8_t)(n - (mutant != ALL_QUEUED));
    queue_change(s, who, victim, -n, mutant);
    s->pc[who] = s->v[TAKEN + who] > 0 ? KEEP : RUNNING;
}

static void work_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];
    uint8_t none = who == BUSY ? DONE : VICTIM;

    switch ((enum engine_pc) * pc) {
    case LOOK:
        s->v[AT + who] = BUSY;
        *pc = load(s, who, COUNT_OF + who, SEQ_CST) != 0 ? TAKE : none;
        return;
    case TAKE:
        *pc = s->v[QUEUED + who] > 0 ? RUNNING : none;
        if (*pc == RUNNING)
            queue_change(s, who, who, -1, mutant);
        return;
    case VICTIM:
        if (load(s, who, COUNT_OF + s->v[AT + who], SEQ_CST) != 0)
            *pc = STEAL;
        else
            victim_next(s, who, mutant);
        return;
    case STEAL:
        steal(s, who, mutant);
        return;
    case KEEP:
        queue_change(s, who, who, s->v[TAKEN + who], mutant);
        *pc = mutant != NO_CALL ? CALL : RUNNING;
        return;
    default: /* PUSH */
        queue_change(s, who, who, 1, mutant);
        s->v[LEFT]--;
        *pc = mutant != CALL_FIRST || s->v[LEFT] > 0 ? CALL : DONE;
    }
}

/* ---- going to sleep ------------------------------------------------------ */

static bool idle_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];
    uint8_t *at = &s->v[AT + who];

    switch ((enum engine_pc) * pc) {
    case COUNT_UP:
        (void)add(s, who, IDLE_COUNT, 1,
                  order_in(mutant, WEAK_UP, SEQ_CST, ACQ_REL));
        *at = 0;
        *pc = mutant == FLAG_FIRST ? RECHECK : ANNOUNCE;
        return true;
    case ANNOUNCE:
        store(s, who, IDLE_OF + who, 1,
              order_in(mutant, WEAK_IDLE, SEQ_CST, RELEASE));
        *pc = mutant == FLAG_FIRST   ? COUNT_UP
              : mutant == NO_RECHECK ? SLEEP
                                     : RECHECK;
        return true;
    case RECHECK:
        if (load(s, who, COUNT_OF + *at,
                 order_in(mutant, WEAK_RECHECK, SEQ_CST, ACQUIRE)) != 0)
            *pc = END_IDLE;
        else if (++*at == ENGINES)
            *pc = SLEEP;
        return true;
    case SLEEP:
        *pc = END_IDLE;
        port_in(s, who, WAKE_OF + who);
        return s->v[WOKEN + who]-- != 0;
    case END_IDLE:
        *pc = swap(s, who, IDLE_OF + who, 0, SEQ_CST) != 0 ? COUNT_DOWN : LOOK;
        return true;
    default: /* COUNT_DOWN */
        (void)add(s, who, IDLE_COUNT, -1, SEQ_CST);
        *pc = LOOK;
        return true;
    }
}

static bool engines_step(struct state *s, unsigned who, unsigned mutant)
{
    switch ((enum engine_pc)s->pc[who]) {
    case RUNNING:
        return false;
    case LOOK:
    case TAKE:
    case VICTIM:
    case STEAL:
    case KEEP:
    case PUSH:
        work_step(s, who, mutant);
        return true;
    case CALL:
    case CALL_LOOK:
    case CALL_SWAP:
    case CALL_DOWN:
    case CALL_WAKE:
        call_step(s, who, mutant);
        return true;
    default:
        return idle_step(s, who, mutant);
    }
}

static const char *engines_judge(const struct state *s)
{
    bool waits = false;
    bool sleeps = false;

    for (unsigned i = 0; i < ENGINES; i++) {
        waits = waits || s->v[QUEUED + i] > 0;
        sleeps = sleeps || s->pc[i] == SLEEP;
    }
    return waits && sleeps ? "a task waits and an engine sleeps" : NULL;
}

static void two_tasks(struct state *s)
{
    s->pc[BUSY] = PUSH;
    s->v[LEFT] = 2;
}

static void queued(struct state *s, uint8_t count)
{
    s->v[QUEUED + BUSY] = count;
    s->values[COUNT_OF + BUSY][0].value = count;
}

/* They are queued, and the busy engine is about to take one. */
static void three_tasks(struct state *s)
{
    queued(s, 3);
}

/* It is queued, and the busy engine does something else. */
static void one_task(struct state *s)
{
    queued(s, 1);
    s->pc[BUSY] = DONE;
}

/* I6 */
TEST(L6_no_interleaving_leaves_a_task_to_a_busy_engine)
{
    static const struct model model = { ENGINES, engines_step, engines_judge,
                                        two_tasks };
    static const struct mutant mutants[] = {
        { NO_RECHECK, "a task waits and an engine sleeps" },
        { CALL_FIRST, "a task waits and an engine sleeps" },
        { FLAG_FIRST, "a task waits and an engine sleeps" },
        { WEAK_COUNT, "a task waits and an engine sleeps" },
        { WEAK_RECHECK, "a task waits and an engine sleeps" },
        { WEAK_IDLE, "a task waits and an engine sleeps" },
        { WEAK_UP, "a task waits and an engine sleeps" },
        { WEAK_LOOK, "a task waits and an engine sleeps" },
        { WEAK_LOOK_2, "a task waits and an engine sleeps" },
        { 0, NULL },
    };

    check_model(&model, 1000, mutants);
}

/* I6 */
TEST(L6_no_interleaving_leaves_what_was_stolen_to_the_thief)
{
    static const struct model model = { ENGINES, engines_step, engines_judge,
                                        three_tasks };
    static const struct mutant mutants[] = {
        { NO_CALL, "a task waits and an engine sleeps" },
        { 0, NULL },
    };

    check_model(&model, 500, mutants);
}

TEST(L6_no_interleaving_steals_a_task_for_ever)
{
    static const struct model model = { ENGINES, engines_step, engines_judge,
                                        one_task };
    static const struct mutant mutants[] = {
        { ALL_QUEUED, "a task is stolen again and again" },
        { 0, NULL },
    };

    check_model(&model, 20, mutants);
}
