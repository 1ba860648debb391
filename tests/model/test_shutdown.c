/* SPDX-License-Identifier: MIT */
/*
 * test_shutdown.c - the model of src/engine/shutdown.c: an engine hears of new
 * times. What comes then: test_end.c, test_finish.c.
 *
 * Two threads, or handlers of signals, call gyre_engines_shutdown(), each with
 * a shorter time. The engine runs, ends at any moment, and then waits for an op
 * that does not end: its alarm has to be the shortest time.
 */
#include "model/model.h"
#include "runner/test.h"

enum told_mutant {
    DROP_TOLD = 1, /* loop_end_begin() drops `told` like other work */
    HEAR_LATE,     /* engine_end_ops() lets hooks be called */
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
enum { POSTED, ALARM, ENDING, KNOWS, AFTER, BEFORE }; /* v; BEFORE + who */
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
    if (at != NEVER && !s->v[KNOWS]) {
        must(!s->v[ENDING], "a hook is called by an engine that closes");
        s->v[KNOWS] = 1;
    }
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
        s->v[KNOWS] |= mutant != HEAR_LATE;
        s->v[ENDING] = 1;
        s->v[ALARM] = NEVER;
        *pc = ENGINE_AGAIN;
        return true;
    case ENGINE_AGAIN:
        set_alarm(s, mutant);
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
    return s->v[ALARM] == last_of(s, TIME) ? NULL
                                           : "an engine sleeps past its time";
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
        { DROP_TOLD, late },
        { CLEAR_LATE, late },
        { TELL_FIRST, late },
        { POST_ALWAYS, "work is posted twice" },
        { WEAK_CLEAR, late },
        { WEAK_LOOK, late },
        { WEAK_TELL, late },
        { WEAK_TIME, late },
        { HEAR_LATE, "a hook is called by an engine that closes" },
        { 0, NULL },
    };

    check_model(&model, 500, mutants);
}
