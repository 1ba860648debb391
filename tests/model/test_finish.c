/* SPDX-License-Identifier: MIT */
/*
 * test_finish.c - the model of src/engine/finish.c: what is freed when engines
 * have ended
 *
 * Somebody shuts two engines down and is still about it when they have ended.
 * A task may hold the second, and come back when time is up. engines_finish()
 * frees all, or nothing.
 */
#include "model/model.h"
#include "runner/test.h"

enum fate_mutant {
    NO_CALLERS = 1, /* engines_finish() does not wait for callers */
    ENTER_LATE,     /* callers++ when the engines may end already */
    FREE_HELD,      /* what has ended is freed although an engine is held */
    LOOK_LATE,      /* engines_have_ended(): `news` after `ended` */
    NO_NEWS,        /* engine_end(): ended++, and no news of it */
    RELAXED_NEWS,   /* engines_have_ended(), news: relaxed; ended: acquire */
    RELAXED_ENDED,  /* ended++: relaxed */
    RELAXED_LOOK,   /* engines_have_ended(), ended: relaxed */
    RELAXED_LEAVE,  /* callers--: relaxed */
    RELAXED_AWAIT,  /* engines_await_callers(): relaxed */
    RELAXED_FATE,   /* fate = …: relaxed */
    RELAXED_HEAR    /* engine_await_fate(): relaxed */
};

enum { FIRST, SECOND, MAIN, SHUTTER, TIMER, FATE_THREADS };
enum { CALLERS, ENDED, NEWS, FATE };    /* places */
enum { SET, LOOP_OF = 1, LEFT_OF = 3 }; /* objects; + engine */
enum { OVER, TIME_UP, HELD, SAW_NEWS, SLEEP_NEWS, SLEEP_FATE }; /* v */
enum { OVER_PORT, NEWS_PORT, FATE_PORT, JOIN_PORT };
enum { TO_WAIT, TO_FREE, TO_LEAVE };

enum ended_pc {
    ENDED_RUN,    /* until it is stopped */
    ENDED_HELD,   /* by a task, until time is up */
    ENDED_SAY,    /* engine_end(): left = …; ended++ */
    ENDED_NEWS,   /*   engines_have_news() */
    ENDED_WAKE,   /*     the wake */
    ENDED_FATE,   /* engine_await_fate(): the fate */
    ENDED_SLEEP,  /*   thread_wait() */
    ENDED_ASLEEP, /*   … inside it */
    ENDED_FREE    /* engine_free() */
};

static bool ended_run(struct state *s, unsigned who)
{
    if (!s->v[OVER])
        return false;
    port_in(s, who, OVER_PORT);
    s->v[HELD] |= who == SECOND && choose(2) == 1;
    s->pc[who] = who == SECOND && s->v[HELD] ? ENDED_HELD : ENDED_SAY;
    return true;
}

/* What it did, while it was held, it may have done to the other's loop. */
static bool ended_held(struct state *s, unsigned who)
{
    if (!s->v[TIME_UP])
        return false;
    object_use(s, who, LOOP_OF + FIRST);
    s->pc[who] = ENDED_SAY;
    return true;
}

static bool ended_await(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t fate;

    switch ((enum ended_pc)s->pc[who]) {
    case ENDED_FATE:
        fate = load(s, who, FATE,
                    order_in(mutant, RELAXED_HEAR, ACQUIRE, RELAXED));
        s->pc[who] = fate == TO_WAIT   ? ENDED_SLEEP
                     : fate == TO_FREE ? ENDED_FREE
                                       : DONE; /* it sleeps for good */
        return true;
    case ENDED_SLEEP:
        s->pc[who] = futex_wait(s, who, FATE, TO_WAIT, SLEEP_FATE, FATE_PORT)
                         ? ENDED_ASLEEP
                         : ENDED_FATE;
        return true;
    case ENDED_ASLEEP:
        s->pc[who] = ENDED_FATE;
        return !futex_sleeps(s, who, SLEEP_FATE);
    default:
        object_free(s, who, LOOP_OF + who);
        port_out(s, who, JOIN_PORT);
        s->pc[who] = DONE;
        return true;
    }
}

static bool ended_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];

    object_use(s, who, SET);
    switch ((enum ended_pc) * pc) {
    case ENDED_RUN:
        return ended_run(s, who);
    case ENDED_HELD:
        return ended_held(s, who);
    case ENDED_SAY:
        plain_write(s, who, LEFT_OF + who);
        (void)add(s, who, ENDED, 1,
                  order_in(mutant, RELAXED_ENDED, SEQ_CST, RELAXED));
        *pc = mutant == NO_NEWS ? ENDED_FATE : ENDED_NEWS;
        return true;
    case ENDED_NEWS:
        (void)add(s, who, NEWS, 1, SEQ_CST);
        *pc = ENDED_WAKE;
        return true;
    case ENDED_WAKE:
        futex_wake(s, who, SLEEP_NEWS, NEWS_PORT);
        *pc = ENDED_FATE;
        return true;
    default:
        return ended_await(s, who, mutant);
    }
}

enum main_pc {
    MAIN_NEWS,    /* engines_have_ended(): the news */
    MAIN_ENDED,   /*   have all ended? Is time up? */
    MAIN_SLEEP,   /*   thread_wait() */
    MAIN_ASLEEP,  /*   … inside it */
    MAIN_CALLERS, /* engines_await_callers() */
    MAIN_FREE,    /* report_make(), engines_let_end(): fate = TO_FREE */
    MAIN_LEAVE,   /*   or TO_LEAVE */
    MAIN_WAKE,    /*   the wake */
    MAIN_JOIN,    /*   thread_join() */
    MAIN_END,     /* alloc_free() */
    MAIN_LATE     /* a mutant's look at the news */
};

static bool main_look(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[MAIN];

    switch ((enum main_pc) * pc) {
    case MAIN_NEWS:
    case MAIN_LATE:
        s->v[SAW_NEWS] = load(s, MAIN, NEWS,
                              order_in(mutant, RELAXED_NEWS, SEQ_CST, RELAXED));
        *pc = *pc == MAIN_LATE ? MAIN_SLEEP : MAIN_ENDED;
        return true;
    case MAIN_ENDED:
        if (load(s, MAIN, ENDED,
                 mutant == RELAXED_LOOK   ? RELAXED
                 : mutant == RELAXED_NEWS ? ACQUIRE
                                          : SEQ_CST) == 2)
            *pc = mutant == NO_CALLERS ? MAIN_FREE : MAIN_CALLERS;
        else if (s->v[TIME_UP])
            *pc = mutant == FREE_HELD ? MAIN_FREE : MAIN_LEAVE;
        else
            *pc = mutant == LOOK_LATE ? MAIN_LATE : MAIN_SLEEP;
        return true;
    case MAIN_SLEEP:
        *pc = futex_wait(s, MAIN, NEWS, s->v[SAW_NEWS], SLEEP_NEWS, NEWS_PORT)
                  ? MAIN_ASLEEP
                  : MAIN_NEWS;
        return true;
    case MAIN_ASLEEP:
        *pc = mutant == LOOK_LATE ? MAIN_ENDED : MAIN_NEWS;
        return !futex_sleeps(s, MAIN, SLEEP_NEWS) || s->v[TIME_UP];
    default:
        *pc = MAIN_FREE;
        return load(s, MAIN, CALLERS,
                    order_in(mutant, RELAXED_AWAIT, SEQ_CST, RELAXED)) == 0;
    }
}

static bool main_join(struct state *s)
{
    if (s->pc[FIRST] != DONE || s->pc[SECOND] != DONE)
        return false;
    port_in(s, MAIN, JOIN_PORT);
    s->pc[MAIN] = MAIN_END;
    return true;
}

static bool main_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[MAIN];
    bool leaves = *pc == MAIN_LEAVE;

    switch ((enum main_pc) * pc) {
    case MAIN_FREE:
    case MAIN_LEAVE:
        if (!leaves && mutant != FREE_HELD) { /* report_count() */
            plain_read(s, MAIN, LEFT_OF + FIRST);
            plain_read(s, MAIN, LEFT_OF + SECOND);
        }
        store(s, MAIN, FATE, leaves ? TO_LEAVE : TO_FREE,
              order_in(mutant, RELAXED_FATE, RELEASE, RELAXED));
        *pc = MAIN_WAKE;
        return true;
    case MAIN_WAKE:
        futex_wake(s, MAIN, SLEEP_FATE, FATE_PORT);
        *pc = last_of(s, FATE) == TO_LEAVE ? DONE : MAIN_JOIN;
        return true;
    case MAIN_JOIN:
        return main_join(s);
    case MAIN_END:
        object_free(s, MAIN, SET);
        *pc = DONE;
        return true;
    default:
        return main_look(s, mutant);
    }
}

enum shutter_pc {
    SHUTTER_ENTER, /* gyre_engines_shutdown(): callers++ */
    SHUTTER_TELL,  /*   the engines end from here; engines_tell() */
    SHUTTER_LATE,  /*   a mutant's callers++ */
    SHUTTER_POST,  /*   the second engine's post */
    SHUTTER_NEWS,  /*   engines_have_news() */
    SHUTTER_WAKE,  /*     the wake */
    SHUTTER_LEAVE  /*   callers-- */
};

static bool shutter_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[SHUTTER];

    object_use(s, SHUTTER, SET);
    switch ((enum shutter_pc) * pc) {
    case SHUTTER_ENTER:
    case SHUTTER_LATE:
        if (mutant != ENTER_LATE || *pc == SHUTTER_LATE)
            (void)add(s, SHUTTER, CALLERS, 1, SEQ_CST);
        *pc = *pc == SHUTTER_ENTER ? SHUTTER_TELL : SHUTTER_POST;
        return true;
    case SHUTTER_TELL:
        s->v[OVER] = 1;
        port_out(s, SHUTTER, OVER_PORT);
        object_use(s, SHUTTER, LOOP_OF + FIRST);
        *pc = mutant == ENTER_LATE ? SHUTTER_LATE : SHUTTER_POST;
        return true;
    case SHUTTER_POST:
        object_use(s, SHUTTER, LOOP_OF + SECOND);
        *pc = SHUTTER_NEWS;
        return true;
    case SHUTTER_NEWS:
        (void)add(s, SHUTTER, NEWS, 1, SEQ_CST);
        *pc = SHUTTER_WAKE;
        return true;
    case SHUTTER_WAKE:
        futex_wake(s, SHUTTER, SLEEP_NEWS, NEWS_PORT);
        *pc = SHUTTER_LEAVE;
        return true;
    default:
        (void)add(s, SHUTTER, CALLERS, -1,
                  order_in(mutant, RELAXED_LEAVE, SEQ_CST, RELAXED));
        *pc = DONE;
        return true;
    }
}

static bool fate_step(struct state *s, unsigned who, unsigned mutant)
{
    switch (who) {
    case MAIN:
        return main_step(s, mutant);
    case SHUTTER:
        return shutter_step(s, mutant);
    case TIMER: /* there is a grace for who is not held */
        if (!s->v[HELD])
            return false;
        s->v[TIME_UP] = 1;
        s->pc[who] = DONE;
        return true;
    default:
        return ended_step(s, who, mutant);
    }
}

static const char *fate_judge(const struct state *s)
{
    return s->pc[MAIN] == DONE ? NULL : "all have ended and nobody sees it";
}

TEST(L10_no_interleaving_frees_what_is_in_use_at_the_end)
{
    static const struct model model = { FATE_THREADS, fate_step, fate_judge,
                                        NULL };
    static const char freed[] = "it is freed while it is in use";
    static const char unseen[] = "all have ended and nobody sees it";
    static const struct mutant mutants[] = {
        { NO_CALLERS, freed },
        { ENTER_LATE, freed },
        { FREE_HELD, freed },
        { LOOK_LATE, unseen },
        { NO_NEWS, unseen },
        { RELAXED_NEWS, unseen },
        { RELAXED_ENDED, "a read races a write" },
        { RELAXED_LOOK, "a read races a write" },
        { RELAXED_LEAVE, freed },
        { RELAXED_AWAIT, freed },
        { RELAXED_FATE, freed },
        { RELAXED_HEAR, freed },
        { 0, NULL },
    };

    check_model(&model, 1000, mutants);
}
