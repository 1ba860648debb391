/* SPDX-License-Identifier: MIT */
/*
 * test_end.c - the model of src/engine/end.c: engines agree that none is left
 *
 * engine_end_tasks() of two engines. The first has a task whose child is on its
 * way to the second; cancelled, the child comes home, or never does. Time may
 * be up. Both engines have to come to one verdict, and none may sleep for ever.
 * What is woken and posted carries all that was seen, so no order matters here.
 */
#include "model/model.h"
#include "runner/test.h"

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
