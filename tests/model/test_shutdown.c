/* SPDX-License-Identifier: MIT */
/*
 * test_shutdown.c - the models of src/engine/shutdown.c and end.c: how engines
 * hear of times, and come to one verdict. What is freed then: test_finish.c.
 */
#include "model/model.h"
#include "runner/test.h"

/* ---- an engine hears of new times ---------------------------------------- */

/*
 * Two threads, or handlers of signals, call gyre_engines_shutdown(), each with
 * a shorter time. The engine runs, ends at any moment, and then waits for an op
 * that does not end: its alarm has to be the shortest time.
 */
enum told_mutant {
    DROP_TOLD = 1, /* loop_end_begin() drops `told` like other work */
    CLEAR_LATE,    /* engine_told(): told_posted = false after the look */
    TELL_FIRST,    /* tell the engine, then write the time */
    POST_ALWAYS,   /* engines_tell() does not look at told_posted */
    WEAK_CLEAR,    /* told_posted = false: release */
    WEAK_LOOK,     /* engine_set_alarm() looks at the time: acquire */
    WEAK_TELL,     /* told_posted = true: acquire and release */
    WEAK_TIME      /* time_shorten(): acquire and release */
};

enum { ENGINE, CALLER, CALLER_2, TOLD_THREADS };
enum { TIME, TOLD };                                  /* places */
enum { POSTED, ALARM, ENDING, HOOKS, AFTER, BEFORE }; /* v; BEFORE + who */
enum { POST_PORT };
enum { NEVER = 3 };

enum engine_pc {
    ENGINE_RUN,   /* it turns; when it ends, it sleeps with its op */
    ENGINE_TOLD,  /* engine_told(): told_posted = false */
    ENGINE_ALARM, /*   engine_hear(), engine_set_alarm() */
    ENGINE_HEAR,  /* engine_end(): likewise */
    ENGINE_DROP,  /* loop_end_begin() */
    ENGINE_AGAIN, /* engine_end_ops(): engine_set_alarm() */
    ENGINE_LATE   /* a mutant's told_posted = false */
};

static void set_alarm(struct state *s, unsigned mutant)
{
    uint8_t at =
        load(s, ENGINE, TIME, order_in(mutant, WEAK_LOOK, SEQ_CST, ACQUIRE));

    s->v[ALARM] = at;
    if (at != NEVER && s->v[HOOKS] == 0)
        s->v[HOOKS] = 1;
}

static bool engine_run(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[ENGINE];

    if (!s->v[POSTED] && s->v[ENDING])
        return false;
    if (!s->v[POSTED] || (!s->v[ENDING] && choose(2) == 1)) {
        *pc = ENGINE_HEAR;
        return true;
    }
    s->v[POSTED] = 0;
    port_in(s, ENGINE, POST_PORT);
    *pc = mutant == CLEAR_LATE ? ENGINE_ALARM : ENGINE_TOLD;
    return true;
}

static bool engine_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[ENGINE];

    switch ((enum engine_pc) * pc) {
    case ENGINE_RUN:
        return engine_run(s, mutant);
    case ENGINE_TOLD:
    case ENGINE_LATE:
        store(s, ENGINE, TOLD, 0,
              order_in(mutant, WEAK_CLEAR, SEQ_CST, RELEASE));
        *pc = *pc == ENGINE_TOLD ? ENGINE_ALARM : ENGINE_RUN;
        return true;
    case ENGINE_ALARM:
    case ENGINE_HEAR:
        set_alarm(s, mutant);
        *pc = *pc == ENGINE_HEAR     ? ENGINE_DROP
              : mutant == CLEAR_LATE ? ENGINE_LATE
                                     : ENGINE_RUN;
        return true;
    case ENGINE_DROP:
        if (mutant == DROP_TOLD)
            s->v[POSTED] = 0;
        s->v[ALARM] = NEVER;
        *pc = ENGINE_AGAIN;
        return true;
    case ENGINE_AGAIN:
        set_alarm(s, mutant);
        s->v[ENDING] = 1;
        *pc = ENGINE_RUN;
        return true;
    }
    return false;
}

enum caller_pc {
    CALLER_LOOK,    /* time_shorten(): the time */
    CALLER_SHORTEN, /*   the exchange */
    CALLER_TELL,    /* engines_tell(): told_posted = true */
    CALLER_POST     /*   gyre_loop_post() */
};

/* The time that this thread writes. */
static uint8_t time_of(unsigned who)
{
    return (uint8_t)(NEVER - who);
}

static void caller_saw(struct state *s, unsigned who, unsigned mutant,
                       uint8_t before)
{
    s->v[BEFORE + who] = before;
    if (time_of(who) < before)
        s->pc[who] = CALLER_SHORTEN;
    else
        s->pc[who] = mutant == TELL_FIRST ? DONE : CALLER_TELL;
}

static void caller_shorten(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t before = s->v[BEFORE + who];
    uint8_t was = compare_swap(s, who, TIME, before, time_of(who),
                               order_in(mutant, WEAK_TIME, SEQ_CST, ACQ_REL),
                               SEQ_CST);

    if (was != before)
        caller_saw(s, who, mutant, was);
    else
        s->pc[who] = mutant == TELL_FIRST ? DONE : CALLER_TELL;
}

static bool caller_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t told = mutant == TELL_FIRST ? CALLER_LOOK : DONE;
    uint8_t *pc = &s->pc[who];

    if (mutant == TELL_FIRST && !(s->v[AFTER] >> who & 1)) {
        s->v[AFTER] |= (uint8_t)(1U << who);
        *pc = CALLER_TELL;
    }
    switch ((enum caller_pc) * pc) {
    case CALLER_LOOK:
        caller_saw(s, who, mutant, load(s, who, TIME, SEQ_CST));
        return true;
    case CALLER_SHORTEN:
        caller_shorten(s, who, mutant);
        return true;
    case CALLER_TELL:
        *pc = swap(s, who, TOLD, 1,
                   order_in(mutant, WEAK_TELL, SEQ_CST, ACQ_REL)) == 0 ||
                      mutant == POST_ALWAYS
                  ? CALLER_POST
                  : told;
        return true;
    case CALLER_POST:
        must(!s->v[POSTED], "work is posted twice");
        s->v[POSTED] = 1;
        port_out(s, who, POST_PORT);
        *pc = told;
        return true;
    }
    return false;
}

static bool told_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == ENGINE ? engine_step(s, mutant) : caller_step(s, who, mutant);
}

static const char *told_judge(const struct state *s)
{
    if (s->v[ALARM] != last_of(s, TIME))
        return "an engine sleeps past its time";
    return s->v[HOOKS] != 0 ? NULL : "an engine has not heard of the end";
}

static void no_time_yet(struct state *s)
{
    s->values[TIME][0].value = NEVER;
    s->v[ALARM] = NEVER;
}

TEST(L10_no_interleaving_keeps_new_times_from_an_engine)
{
    static const struct model model = { TOLD_THREADS, told_step, told_judge,
                                        no_time_yet };
    static const char late[] = "an engine sleeps past its time";
    static const struct mutant mutants[] = {
        { DROP_TOLD, late },  { CLEAR_LATE, late },
        { TELL_FIRST, late }, { POST_ALWAYS, "work is posted twice" },
        { WEAK_CLEAR, late }, { WEAK_LOOK, late },
        { WEAK_TELL, late },  { WEAK_TIME, late },
        { 0, NULL },
    };

    check_model(&model, 500, mutants);
}

/* ---- no task is left ----------------------------------------------------- */

/*
 * engine_end_tasks() of two engines. The first has a task whose child is on its
 * way to the second; cancelled, the child comes home, or never does. Time may
 * be up. Both engines have to come to one verdict, and none may sleep for ever.
 * What is woken and posted carries all that was seen, so no order matters here.
 */
enum verdict_mutant {
    NO_WAKE = 1,   /* engine_decide() wakes nobody */
    ENDING_QUIET,  /* the last that begins to end wakes nobody */
    NOT_COUNTED,   /* who sends a task does not count it */
    NO_EXCHANGE,   /* the verdict is stored */
    FIRST_DECIDES, /* engine_end_tasks(): who has no task left decides */
    NO_ALARM       /* the end of all time wakes nobody */
};

enum { FIRST, SECOND, CLOCK, VERDICT_THREADS };
enum { VERDICT, STARTED, GONE }; /* places */
enum { WOKEN, LATE = 2, RANG, TASKS = 5, SAID = 7, SAW = 9, CHILD = 11 };
enum { WAKE_OF, HOME_PORT = 2 }; /* ports; + who */
enum { UNDECIDED, ALL_GONE, OVERDUE };
enum child { CHILD_SENT, CHILD_RUNS, CHILD_RETURNS, CHILD_HOME, CHILD_STAYS };

enum ending_pc {
    END_STARTS,   /* engine_end_tasks(): ending++ */
    END_LOOK,     /*   the verdict */
    END_ALL,      /*   have all started, and is no task left? */
    END_GONE,     /*   gone++ */
    END_DUE,      /*   is time up? */
    END_TURN,     /* engine_turn() */
    END_ALL_GONE, /* engine_decide() */
    END_OVERDUE,
    END_WAKE /*   engines_wake() */
};

static void saw_verdict(struct state *s, unsigned who, uint8_t verdict)
{
    s->v[SAW + who] = verdict;
    s->pc[who] = verdict == UNDECIDED ? END_ALL : DONE;
    if (s->v[SAID + who] && verdict == UNDECIDED)
        s->pc[who] = END_DUE;
    must(verdict != ALL_GONE || s->v[CHILD] == CHILD_HOME,
         "none is left and a task is on its way");
    must(s->v[SAW] == 0 || s->v[SAW + 1] == 0 || s->v[SAW] == s->v[SAW + 1],
         "there are two verdicts");
}

/* The child's steps are the second engine's, but for the last. */
static bool child_step(struct state *s, unsigned who)
{
    if (who == SECOND && s->v[CHILD] == CHILD_SENT) {
        s->v[TASKS + SECOND] = 1;
        s->v[CHILD] = CHILD_RUNS;
    } else if (who == SECOND && s->v[CHILD] == CHILD_RUNS) {
        s->v[CHILD] = choose(2) == 0 ? CHILD_RETURNS : CHILD_STAYS;
        s->v[TASKS + SECOND] = s->v[CHILD] == CHILD_STAYS;
        port_out(s, who, HOME_PORT);
    } else if (who == FIRST && s->v[CHILD] == CHILD_RETURNS) {
        port_in(s, who, HOME_PORT);
        s->v[TASKS + FIRST] = 0;
        s->v[CHILD] = CHILD_HOME;
    } else {
        return false;
    }
    return true;
}

static bool turn_step(struct state *s, unsigned who, unsigned mutant)
{
    if (child_step(s, who)) {
        s->pc[who] = END_LOOK;
        return true;
    }
    if (s->v[WOKEN + who]) {
        s->v[WOKEN + who] = 0;
        port_in(s, who, WAKE_OF + who);
    } else if (s->v[LATE] && !s->v[RANG + who] && mutant != NO_ALARM) {
        s->v[RANG + who] = 1;
    } else {
        return false;
    }
    s->pc[who] = END_LOOK;
    return true;
}

static void wake_both(struct state *s, unsigned who)
{
    for (unsigned i = 0; i < 2; i++) {
        s->v[WOKEN + i] = 1;
        port_out(s, who, WAKE_OF + i);
    }
    s->pc[who] = END_LOOK;
}

static void decide(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t verdict = s->pc[who] == END_OVERDUE ? OVERDUE : ALL_GONE;

    if (mutant == NO_EXCHANGE)
        store(s, who, VERDICT, verdict, SEQ_CST);
    else if (compare_swap(s, who, VERDICT, UNDECIDED, verdict, SEQ_CST,
                          SEQ_CST) != UNDECIDED)
        mutant = NO_WAKE;
    s->pc[who] = mutant == NO_WAKE ? END_LOOK : END_WAKE;
}

static bool ending_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];
    bool last;

    switch ((enum ending_pc) * pc) {
    case END_STARTS:
        last = add(s, who, STARTED, 1, SEQ_CST) == 1;
        *pc = last && mutant != ENDING_QUIET ? END_WAKE : END_LOOK;
        return true;
    case END_LOOK:
        saw_verdict(s, who, load(s, who, VERDICT, SEQ_CST));
        return true;
    case END_ALL:
        *pc = load(s, who, STARTED, SEQ_CST) == 2 && !s->v[TASKS + who]
                  ? END_GONE
                  : END_DUE;
        return true;
    case END_GONE:
        s->v[SAID + who] = 1;
        *pc = add(s, who, GONE, 1, SEQ_CST) == 1 || mutant == FIRST_DECIDES
                  ? END_ALL_GONE
                  : END_LOOK;
        return true;
    case END_DUE:
        *pc = s->v[LATE] ? END_OVERDUE : END_TURN;
        return true;
    case END_TURN:
        return turn_step(s, who, mutant);
    case END_ALL_GONE:
    case END_OVERDUE:
        decide(s, who, mutant);
        return true;
    case END_WAKE:
        wake_both(s, who);
        return true;
    }
    return false;
}

static bool verdict_step(struct state *s, unsigned who, unsigned mutant)
{
    if (who != CLOCK)
        return ending_step(s, who, mutant);
    s->v[LATE] = 1;
    s->pc[who] = DONE;
    return true;
}

static const char *verdict_judge(const struct state *s)
{
    return s->pc[FIRST] == DONE && s->pc[SECOND] == DONE
               ? NULL
               : "an engine sleeps for ever";
}

static void child_is_sent(struct state *s)
{
    s->v[TASKS + FIRST] = 1;
}

static void nobody_is_late(struct state *s)
{
    child_is_sent(s);
    s->v[CHILD] = CHILD_RETURNS;
    s->pc[CLOCK] = DONE;
}

TEST(L8_L10_engines_come_to_one_verdict_and_none_sleeps)
{
    static const struct model model = { VERDICT_THREADS, verdict_step,
                                        verdict_judge, child_is_sent };
    static const struct model in_time = { VERDICT_THREADS, verdict_step,
                                          verdict_judge, nobody_is_late };
    static const struct mutant mutants[] = {
        { NO_EXCHANGE, "there are two verdicts" },
        { FIRST_DECIDES, "none is left and a task is on its way" },
        { NO_ALARM, "an engine sleeps for ever" },
        { 0, NULL },
    };
    static const struct mutant in_time_mutants[] = {
        { NO_WAKE, "an engine sleeps for ever" },
        { ENDING_QUIET, "an engine sleeps for ever" },
        { 0, NULL },
    };

    check_model(&model, 100, mutants);
    check_model(&in_time, 20, in_time_mutants);
}
