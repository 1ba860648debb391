/* SPDX-License-Identifier: MIT */
/*
 * test_quiet.c - the model of src/engine/end.c: when there is nothing left
 *
 * Three engines, of which the first has a task that posts to the second, whose
 * task posts to the third. Each goes quiet when it has nothing, and looks
 * whether all are. None may find that while work is on its way or being done,
 * and when nothing moves one must have found it.
 */
#include "model/model.h"
#include "runner/test.h"

enum quiet_mutant {
    FLAG_FIRST = 1, /* a look reads the flag, then the count */
    LOOK_ONCE,      /* no second look */
    NO_POSTED,      /* nobody looks whether anything is posted */
    NO_COUNT,       /* sleeps are not counted */
    WEAK_QUIET,     /* quiet = true: release */
    WEAK_FLAG       /* a look reads the flag: acquire */
};

enum { ENGINES = 3 };
enum { QUIET_OF = 0, SLEEPS_OF = ENGINES }; /* places, + who */
enum { POSTED = 0, AT = 3, SUM = 6, BEFORE = 9, SECOND = 12, OVER = 15, LEFT };

enum engine_pc {
    TASK,       /* it runs: posts to the next engine, and is over */
    QUIET,      /* engine_quiet(): quiet = true */
    LOOK,       /*   engines_are_quiet(): the first word of the AT-th */
    LOOK_2,     /*     the second */
    POSTED_TO,  /*   engines_were_posted_to(): the AT-th */
    SLEEP,      /* in the kernel, or about to */
    AWAKE,      /* engine_awake(): quiet = false */
    AWAKE_SLEPT /*   sleeps++; then what was posted is taken */
};

static void look_begin(struct state *s, unsigned who)
{
    s->v[AT + who] = 0;
    s->v[SUM + who] = 0;
    s->pc[who] = LOOK;
}

/* All are quiet. */
static void look_end(struct state *s, unsigned who, unsigned mutant)
{
    if (!s->v[SECOND + who] && mutant != LOOK_ONCE) {
        s->v[BEFORE + who] = s->v[SUM + who];
        s->v[AT + who] = 0;
        s->pc[who] = POSTED_TO;
        return;
    }
    s->pc[who] = SLEEP;
    if (mutant == LOOK_ONCE || s->v[BEFORE + who] == s->v[SUM + who]) {
        must(s->v[LEFT] == 0, "it is over and there is something left");
        s->v[OVER] = 1;
    }
}

/* Count and flag of one engine, in this order. */
static void look_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *at = &s->v[AT + who];
    bool first = s->pc[who] == LOOK;

    if (first == (mutant != FLAG_FIRST)) {
        s->v[SUM + who] += load(s, who, SLEEPS_OF + *at, SEQ_CST);
    } else if (load(s, who, QUIET_OF + *at,
                    order_in(mutant, WEAK_FLAG, SEQ_CST, ACQUIRE)) == 0) {
        s->pc[who] = SLEEP;
        return;
    }
    s->pc[who] = first ? LOOK_2 : LOOK;
    if (!first && ++*at == ENGINES)
        look_end(s, who, mutant);
}

static void posted_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *at = &s->v[AT + who];

    if (s->v[POSTED + *at] && mutant != NO_POSTED) {
        s->pc[who] = SLEEP;
    } else if (++*at == ENGINES) {
        s->v[SECOND + who] = 1;
        look_begin(s, who);
    }
}

static void task_step(struct state *s, unsigned who)
{
    s->v[LEFT]--;
    if (who + 1 < ENGINES)
        s->v[POSTED + who + 1] = 1;
    s->pc[who] = QUIET;
}

static bool sleep_step(struct state *s, unsigned who)
{
    if (s->v[OVER])
        s->pc[who] = DONE;
    else if (s->v[POSTED + who])
        s->pc[who] = AWAKE;
    else
        return false;
    return true;
}

static bool quiet_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];

    switch ((enum engine_pc) * pc) {
    case TASK:
        task_step(s, who);
        return true;
    case QUIET:
        store(s, who, QUIET_OF + who, 1,
              order_in(mutant, WEAK_QUIET, SEQ_CST, RELEASE));
        s->v[SECOND + who] = 0;
        look_begin(s, who);
        return true;
    case LOOK:
    case LOOK_2:
        look_step(s, who, mutant);
        return true;
    case POSTED_TO:
        posted_step(s, who, mutant);
        return true;
    case SLEEP:
        return sleep_step(s, who);
    case AWAKE:
        store(s, who, QUIET_OF + who, 0, SEQ_CST);
        *pc = AWAKE_SLEPT;
        return true;
    default:
        if (mutant != NO_COUNT)
            (void)add(s, who, SLEEPS_OF + who, 1, SEQ_CST);
        s->v[POSTED + who] = 0;
        *pc = TASK;
        return true;
    }
}

static const char *quiet_judge(const struct state *s)
{
    return s->v[OVER] ? NULL : "nothing is left and nobody finds it";
}

static void one_runs(struct state *s)
{
    s->v[LEFT] = ENGINES;
    for (unsigned i = 1; i < ENGINES; i++) {
        s->pc[i] = SLEEP;
        s->values[QUIET_OF + i][0].value = 1;
    }
}

TEST(L8_no_interleaving_ends_with_work_on_its_way)
{
    static const struct model model = { ENGINES, quiet_step, quiet_judge,
                                        one_runs };
    static const struct mutant mutants[] = {
        { FLAG_FIRST, "it is over and there is something left" },
        { LOOK_ONCE, "it is over and there is something left" },
        { NO_POSTED, "it is over and there is something left" },
        { NO_COUNT, "it is over and there is something left" },
        { WEAK_QUIET, "nothing is left and nobody finds it" },
        { WEAK_FLAG, "nothing is left and nobody finds it" },
        { 0, NULL },
    };

    check_model(&model, 1000, mutants);
}
