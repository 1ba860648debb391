/* SPDX-License-Identifier: MIT */
/*
 * test_stall.c - the model of src/task/stall_ask.c: a thread is asked by a
 * signal
 *
 * The watcher asks one thread, then another. Each handler comes when it likes,
 * on the first also after the watcher has given up. Only who is asked may
 * answer, and nobody writes the answer while the watcher has it.
 */
#include "model/model.h"
#include "runner/test.h"

enum stall_mutant {
    NO_NUMBER = 1,  /* the word has no number */
    WORD_FIRST,     /* stall_ask(): the word, then who is asked */
    GIVE_UP_BLIND,  /* await_answer() stores IDLE when time is up */
    NO_WAKE,        /* stall_on_signal() does not wake the watcher */
    RELAXED_ASK,    /* stall_ask(): who is asked, and the word: relaxed */
    RELAXED_CLAIM,  /* stall_on_signal(): the look and the claim: relaxed */
    RELAXED_ANSWER, /*   the word: relaxed */
    RELAXED_SEE     /* await_answer() looks at the word: relaxed */
};

enum { WATCHER, FIRST, SECOND, STALL_THREADS };
enum { WORD, ASKED };                  /* places */
enum { QUESTION, ANSWER };             /* objects */
enum { NUMBER, SIGNALS, SLEEPS, SAW }; /* v; SAW + who */
enum { FUTEX_PORT };
enum { IS_IDLE, IS_ASKED, IS_ANSWERING, STATE_MASK = 3, NUMBER_ONE = 4 };

enum watcher_pc {
    WATCHER_WRITE,   /* stall_ask(): the question; who is asked */
    WATCHER_ASK,     /*   the word */
    WATCHER_LATE,    /*   a mutant's who is asked */
    WATCHER_SIGNAL,  /*   thread_signal() */
    WATCHER_LOOK,    /* await_answer(): the word */
    WATCHER_SLEEP,   /*   thread_wait() */
    WATCHER_ASLEEP,  /*   … inside it */
    WATCHER_GIVE_UP, /*  time is up */
    WATCHER_READ     /* stall_ask(): the answer */
};

static uint8_t asking(const struct state *s, unsigned mutant)
{
    return mutant == NO_NUMBER ? 0 : s->v[NUMBER];
}

static void watcher_writes(struct state *s, unsigned mutant)
{
    bool late = s->pc[WATCHER] == WATCHER_LATE;

    if (!late) {
        s->v[NUMBER] += NUMBER_ONE;
        plain_write(s, WATCHER, QUESTION);
        plain_write(s, WATCHER, ANSWER);
    }
    if (late || mutant != WORD_FIRST)
        store(s, WATCHER, ASKED, s->v[NUMBER] / NUMBER_ONE,
              order_in(mutant, RELAXED_ASK, SEQ_CST, RELAXED));
    s->pc[WATCHER] = late ? WATCHER_SIGNAL : WATCHER_ASK;
}

/* Whether there is time left is the model's to choose. */
static bool watcher_asleep(struct state *s)
{
    bool woken = !futex_sleeps(s, WATCHER, SLEEPS);
    bool may_end = (s->v[SAW] & STATE_MASK) == IS_ASKED;

    if (!woken && !may_end)
        return false;
    s->v[SLEEPS] = 0;
    s->pc[WATCHER] = woken ? WATCHER_LOOK : WATCHER_GIVE_UP;
    return true;
}

static void watcher_gives_up(struct state *s, unsigned mutant)
{
    uint8_t idle = asking(s, mutant) | IS_IDLE;
    bool ended = true;

    if (mutant == GIVE_UP_BLIND)
        store(s, WATCHER, WORD, idle, SEQ_CST);
    else
        ended = compare_swap(s, WATCHER, WORD, s->v[SAW], idle, SEQ_CST,
                             SEQ_CST) == s->v[SAW];
    s->pc[WATCHER] = ended ? WATCHER_READ : WATCHER_LOOK;
}

static bool watcher_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[WATCHER];

    switch ((enum watcher_pc) * pc) {
    case WATCHER_WRITE:
    case WATCHER_LATE:
        watcher_writes(s, mutant);
        return true;
    case WATCHER_ASK:
        store(s, WATCHER, WORD, asking(s, mutant) | IS_ASKED,
              order_in(mutant, RELAXED_ASK, SEQ_CST, RELAXED));
        *pc = mutant == WORD_FIRST ? WATCHER_LATE : WATCHER_SIGNAL;
        return true;
    case WATCHER_SIGNAL:
        s->v[SIGNALS] |= (uint8_t)(1U << s->v[NUMBER] / NUMBER_ONE);
        *pc = WATCHER_LOOK;
        return true;
    case WATCHER_LOOK:
        s->v[SAW] = load(s, WATCHER, WORD,
                         order_in(mutant, RELAXED_SEE, SEQ_CST, RELAXED));
        *pc = s->v[SAW] == (asking(s, mutant) | IS_IDLE) ? WATCHER_READ
                                                         : WATCHER_SLEEP;
        return true;
    case WATCHER_SLEEP:
        *pc = futex_wait(s, WATCHER, WORD, s->v[SAW], SLEEPS, FUTEX_PORT)
                  ? WATCHER_ASLEEP
                  : WATCHER_LOOK;
        return true;
    case WATCHER_ASLEEP:
        return watcher_asleep(s);
    case WATCHER_GIVE_UP:
        watcher_gives_up(s, mutant);
        return true;
    case WATCHER_READ:
        plain_read(s, WATCHER, ANSWER);
        *pc = s->v[NUMBER] < 2 * NUMBER_ONE ? WATCHER_WRITE : DONE;
        return true;
    }
    return false;
}

enum handler_pc {
    HANDLER_LOOK,   /* stall_on_signal(): is anybody asked? */
    HANDLER_ME,     /*   am I? */
    HANDLER_CLAIM,  /*   the word becomes ANSWERING */
    HANDLER_ANSWER, /*   give_answer() */
    HANDLER_SAY,    /*   the word becomes IDLE */
    HANDLER_WAKE    /*   thread_wake() */
};

static bool handler_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];
    uint8_t *saw = &s->v[SAW + who];
    enum order claim = order_in(mutant, RELAXED_CLAIM, SEQ_CST, RELAXED);
    uint8_t answering = (uint8_t)((*saw & ~STATE_MASK) | IS_ANSWERING);

    switch ((enum handler_pc) * pc) {
    case HANDLER_LOOK:
        if ((s->v[SIGNALS] >> who & 1) == 0)
            return false;
        *saw = load(s, who, WORD, claim);
        *pc = (*saw & STATE_MASK) == IS_ASKED ? HANDLER_ME : DONE;
        return true;
    case HANDLER_ME:
        *pc = load(s, who, ASKED, claim) == who ? HANDLER_CLAIM : DONE;
        return true;
    case HANDLER_CLAIM:
        *pc = compare_swap(s, who, WORD, *saw, answering, claim, claim) == *saw
                  ? HANDLER_ANSWER
                  : DONE;
        return true;
    case HANDLER_ANSWER:
        must(s->v[NUMBER] == who * NUMBER_ONE, "another thread answers");
        plain_read(s, who, QUESTION);
        plain_write(s, who, ANSWER);
        *pc = HANDLER_SAY;
        return true;
    case HANDLER_SAY:
        store(s, who, WORD, (uint8_t)(*saw & ~STATE_MASK),
              order_in(mutant, RELAXED_ANSWER, SEQ_CST, RELAXED));
        *pc = mutant == NO_WAKE ? DONE : HANDLER_WAKE;
        return true;
    case HANDLER_WAKE:
        futex_wake(s, who, SLEEPS, FUTEX_PORT);
        *pc = DONE;
        return true;
    }
    return false;
}

static bool stall_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == WATCHER ? watcher_step(s, mutant)
                          : handler_step(s, who, mutant);
}

static const char *stall_judge(const struct state *s)
{
    return s->pc[WATCHER] == DONE ? NULL : "the watcher sleeps for ever";
}

TEST(U6_only_who_is_asked_answers_and_the_watcher_goes_on)
{
    static const struct model model = { STALL_THREADS, stall_step, stall_judge,
                                        NULL };
    static const char races[] = "a read races a write";
    static const struct mutant mutants[] = {
        { NO_NUMBER, "another thread answers" },
        { WORD_FIRST, "another thread answers" },
        { GIVE_UP_BLIND, races },
        { NO_WAKE, "the watcher sleeps for ever" },
        { RELAXED_ASK, races },
        { RELAXED_CLAIM, races },
        { RELAXED_ANSWER, races },
        { RELAXED_SEE, races },
        { 0, NULL },
    };

    check_model(&model, 100, mutants);
}
