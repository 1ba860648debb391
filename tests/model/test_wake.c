/* SPDX-License-Identifier: MIT */
/*
 * test_wake.c - the model of src/loop/wake.c: sleep, wake, and the end
 *
 * A loop, who posts work, and who wakes it after storing something of its own.
 * Ops are handed over as posts are, and a stop is a word as a wake is.
 *
 * What must hold (I6): when no step is left, the loop sleeps, every post has
 * been run, every wake has been answered by a turn that saw what its thread had
 * stored before; and the kernel was called for no sleep more than once.
 */
#include "model/model.h"
#include "runner/test.h"

/* ---- sleep and wake ------------------------------------------------------ */

enum wake_mutant {
    NO_RECHECK = 1, /* the word `asleep` is stored, whatever was given */
    SLEPT_STORED,   /* it is taken back by a store */
    NO_ROUSE,       /* nobody looks what he has replaced */
    KEEP_SLEEP,     /* who gives something leaves `asleep` there */
    LOOK_FIRST,     /* he goes by what he had seen, not by what he replaced */
    NO_MEMORY,      /* the kernel forgets a wake before the sleep */
    TAKE_ALL,       /* the take of the stack takes the words, too */
    RELAXED_PUSH,
    RELAXED_TAKE,
    RELAXED_WOKEN, /* the word `woken`: relaxed */
    WOKEN_STORED,  /* it is taken away by a store of what was seen */
    WOKEN_UNSEEN   /* … by a relaxed operation */
};

enum { LOOP, POSTER, POSTER_2, WAKER, WAKE_THREADS };
enum { GIVEN, THEIRS }; /* places */
enum { NODE_OF = 0 };   /* + who: objects */
enum { ASLEEP = 1 };    /* in GIVEN; 1 << who: his node; of the waker: woken */
enum {
    RUN,
    SEEN,
    UNUSED,
    KERNEL,
    ROUND,
    POSTS,
    ANSWERED,
    FOUND,
    SAW,
    FIRST = SAW + 4
};
enum { WAKES = 2, KERNEL_PORT = 0, WORDS = 1 << WAKER };

enum loop_pc {
    LOOP_GIVEN,    /* loop_was_given() */
    LOOP_TAKE,     /* loop_take_posted(): fetch_and */
    LOOP_USER,     /* the turn looks at what the waker has stored */
    LOOP_ANNOUNCE, /* loop_may_sleep(): from 0 to `asleep` */
    LOOP_ENTER,    /* kernel->enter() */
    LOOP_SLEEPING, /*   … inside it */
    LOOP_SLEPT,    /* sleep_is_over(): from `asleep` to 0 */
    LOOP_WOKEN,    /* loop_slept(): woken? */
    LOOP_CLEAR     /*   fetch_and */
};

enum poster_pc {
    POST_STORE, /* something of the waker's own */
    POST_LOOK,  /* gyre_loop_post(), give_word(): the first look */
    POST_PUSH,  /*   the compare-exchange */
    POST_WAKE   /* rouse(): kernel->wake() */
};

/* The nodes that were taken: each was written by its poster. */
static void run_nodes(struct state *s, unsigned nodes)
{
    for (unsigned who = POSTER; who <= POSTER_2; who++)
        if (nodes >> who & 1) {
            plain_write(s, LOOP, NODE_OF + who);
            s->v[RUN]++;
        }
}

static bool loop_sleeps(struct state *s)
{
    if (!s->v[KERNEL])
        return false;
    s->v[KERNEL] = 0;
    port_in(s, LOOP, KERNEL_PORT);
    return true;
}

static void announce(struct state *s, unsigned mutant)
{
    bool may = true;

    if (mutant == NO_RECHECK)
        store(s, LOOP, GIVEN, ASLEEP, SEQ_CST);
    else
        may = compare_swap(s, LOOP, GIVEN, 0, ASLEEP, RELAXED, RELAXED) == 0;
    s->v[UNUSED] += may;
    s->pc[LOOP] = may ? LOOP_ENTER : LOOP_WOKEN;
}

static void clear_woken(struct state *s, unsigned mutant)
{
    if (mutant == WOKEN_STORED)
        store(s, LOOP, GIVEN, (uint8_t)(s->v[FOUND] & ~WORDS), SEQ_CST);
    else
        (void)and_into(s, LOOP, GIVEN, (uint8_t)~WORDS,
                       order_in(mutant, WOKEN_UNSEEN, ACQUIRE, RELAXED));
    s->v[ANSWERED] = 1;
    s->pc[LOOP] = LOOP_GIVEN;
}

static bool loop_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LOOP];

    switch ((enum loop_pc) * pc) {
    case LOOP_GIVEN:
        *pc = (load(s, LOOP, GIVEN, RELAXED) & ~(WORDS | ASLEEP)) != 0
                  ? LOOP_TAKE
                  : LOOP_USER;
        return true;
    case LOOP_TAKE:
        run_nodes(s,
                  and_into(s, LOOP, GIVEN, mutant == TAKE_ALL ? 0 : WORDS,
                           order_in(mutant, RELAXED_TAKE, ACQUIRE, RELAXED)));
        *pc = LOOP_USER;
        return true;
    case LOOP_USER:
        s->v[SEEN] = load(s, LOOP, THEIRS, RELAXED);
        *pc = LOOP_ANNOUNCE;
        return true;
    case LOOP_ANNOUNCE:
        announce(s, mutant);
        return true;
    case LOOP_ENTER:
        if (mutant == NO_MEMORY)
            s->v[KERNEL] = 0;
        *pc = LOOP_SLEEPING;
        return true;
    case LOOP_SLEEPING:
        *pc = LOOP_SLEPT;
        return loop_sleeps(s);
    case LOOP_SLEPT:
        if (mutant == SLEPT_STORED)
            store(s, LOOP, GIVEN, 0, SEQ_CST);
        else
            (void)compare_swap(s, LOOP, GIVEN, ASLEEP, 0, RELAXED, RELAXED);
        *pc = LOOP_WOKEN;
        return true;
    case LOOP_WOKEN:
        s->v[FOUND] = load(s, LOOP, GIVEN, RELAXED);
        *pc = (s->v[FOUND] & WORDS) != 0 ? LOOP_CLEAR : LOOP_GIVEN;
        return true;
    case LOOP_CLEAR:
        clear_woken(s, mutant);
        return true;
    }
    return false;
}

static void next_round(struct state *s, unsigned who)
{
    if (who == WAKER && ++s->v[ROUND] < WAKES)
        s->pc[who] = POST_STORE;
    else
        s->pc[who] = DONE;
}

/* What was given took the place of `before`. */
static void gave(struct state *s, unsigned who, uint8_t before, unsigned mutant)
{
    bool sleeps = mutant == LOOK_FIRST   ? (s->v[FIRST + who] & ASLEEP) != 0
                  : mutant == KEEP_SLEEP ? (before & ASLEEP) != 0
                                         : before == ASLEEP;

    if (who != WAKER)
        s->v[POSTS]++;
    if (sleeps && mutant != NO_ROUSE)
        s->pc[who] = POST_WAKE;
    else
        next_round(s, who);
}

static void push(struct state *s, unsigned who, unsigned mutant)
{
    enum order order = RELEASE;
    uint8_t before = s->v[SAW + who], after = before, found;

    if (mutant == (who == WAKER ? RELAXED_WOKEN : RELAXED_PUSH))
        order = RELAXED;
    if (mutant != KEEP_SLEEP)
        after &= (uint8_t)~ASLEEP;
    if (who != WAKER)
        plain_write(s, who, NODE_OF + who);
    after |= (uint8_t)(1U << who);
    found = compare_swap(s, who, GIVEN, before, after, order, RELAXED);
    s->v[SAW + who] = found;
    if (found == before)
        gave(s, who, before, mutant);
}

static bool poster_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];

    switch ((enum poster_pc) * pc) {
    case POST_STORE:
        if (who == WAKER)
            store(s, who, THEIRS, s->v[ROUND] + 1, RELAXED);
        *pc = POST_LOOK;
        return true;
    case POST_LOOK:
        s->v[SAW + who] = load(s, who, GIVEN, RELAXED);
        if (mutant == LOOK_FIRST)
            s->v[FIRST + who] = s->v[SAW + who];
        *pc = POST_PUSH;
        return true;
    case POST_PUSH:
        push(s, who, mutant);
        return true;
    case POST_WAKE:
        must(s->v[UNUSED] > 0,
             "the kernel was called more often than the loop slept");
        s->v[UNUSED]--;
        s->v[KERNEL] = 1;
        port_out(s, who, KERNEL_PORT);
        next_round(s, who);
        return true;
    }
    return false;
}

static bool wake_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == LOOP ? loop_step(s, mutant) : poster_step(s, who, mutant);
}

static const char *wake_judge(const struct state *s)
{
    if (s->pc[LOOP] != LOOP_SLEEPING)
        return "the model is stuck";
    if ((last_of(s, GIVEN) & ~(WORDS | ASLEEP)) != 0)
        return "the loop sleeps on posted work";
    if ((last_of(s, GIVEN) & WORDS) != 0)
        return "the loop sleeps on a wake";
    if (s->v[RUN] != s->v[POSTS])
        return "a post was run twice or never";
    if (s->v[SEEN] != last_of(s, THEIRS))
        return "no turn saw what came before a wake";
    if (last_of(s, THEIRS) != 0 && !s->v[ANSWERED])
        return "no turn was for a wake";
    return NULL;
}

static void two_posters(struct state *s)
{
    s->pc[WAKER] = DONE;
}

static void waker_alone(struct state *s)
{
    s->pc[POSTER] = s->pc[POSTER_2] = DONE;
}

static void poster_and_waker(struct state *s)
{
    s->pc[POSTER_2] = DONE;
    s->v[ROUND] = 1; /* a single wake */
}

static const char often[] =
    "the kernel was called more often than the loop slept";
static const char forgot[] = "a post was run twice or never";
static const char slept_on_post[] = "the loop sleeps on posted work";
static const char slept_on_wake[] = "the loop sleeps on a wake";
static const char unseen[] = "no turn saw what came before a wake";
static const char unanswered[] = "no turn was for a wake";
static const char unordered[] = "a write races another access";

/* I6 */
TEST(H10_no_interleaving_loses_a_post)
{
    static const struct model model = { WAKE_THREADS, wake_step, wake_judge,
                                        two_posters };
    static const struct mutant mutants[] = {
        { NO_RECHECK, forgot },
        { SLEPT_STORED, forgot },
        { NO_ROUSE, slept_on_post },
        { KEEP_SLEEP, often },
        { LOOK_FIRST, slept_on_post },
        { NO_MEMORY, slept_on_post },
        { RELAXED_PUSH, unordered },
        { RELAXED_TAKE, unordered },
        { 0, NULL },
    };

    check_model(&model, 500, mutants);
}

/* I6 */
TEST(H3_H10_no_interleaving_loses_a_wake)
{
    static const struct model model = { WAKE_THREADS, wake_step, wake_judge,
                                        waker_alone };
    static const struct mutant mutants[] = {
        { NO_RECHECK, unanswered },  { SLEPT_STORED, unanswered },
        { NO_ROUSE, slept_on_wake }, { LOOK_FIRST, slept_on_wake },
        { RELAXED_WOKEN, unseen },   { WOKEN_STORED, unseen },
        { WOKEN_UNSEEN, unseen },    { 0, NULL },
    };

    check_model(&model, 50, mutants);
}

/* I6 */
TEST(H10_no_interleaving_of_a_post_and_a_wake_loses_either)
{
    static const struct model model = { WAKE_THREADS, wake_step, wake_judge,
                                        poster_and_waker };
    static const struct mutant mutants[] = {
        { WOKEN_STORED, unordered },
        { TAKE_ALL, unanswered },
        { KEEP_SLEEP, often },
        { 0, NULL },
    };

    check_model(&model, 500, mutants);
}

/* ---- the end of a loop --------------------------------------------------- */

/*
 * The call is the reason for the loop to be destroyed: its work says so when it
 * runs, or run-once has returned for its wake. If it has taken a sleep away,
 * the loop must stay until it has woken the kernel (loop_await_calls()). What
 * else a call does to the loop comes before its change of the word.
 */
enum end_mutant {
    NO_AWAIT_ROUSED = 1,
    NOT_COUNTED,    /* the loop does not count that its word was taken */
    ROUSED_EARLY,   /* roused++ before the wake */
    RELAXED_ROUSED, /* roused++: relaxed */
    RELAXED_AWAIT,  /* roused == ?: relaxed */
    LOOK_AFTER,     /* a call looks at the loop when it has given */
    END_PUSH,       /* its change: relaxed */
    END_RELAXED     /* the take: relaxed */
};

enum { CALLER = 1 };
enum { ROUSED = THEIRS };              /* a place */
enum { THE_LOOP };                     /* an object */
enum { IN_ALL, SAID, CAME, WORD = 2 }; /* v; in GIVEN */

enum end_pc { END_SAY, END_OVER, END_LOOK, END_TAKE, END_AWAIT, END_FREE };
enum caller_pc { CALL_LOOK, CALL_PUSH, CALL_AFTER, CALL_WAKE, CALL_ROUSED };

/* It may wake for something else at any time, or have been awake. */
static bool end_loop(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LOOP];

    switch ((enum end_pc) * pc) {
    case END_SAY:
        s->v[SAID] =
            compare_swap(s, LOOP, GIVEN, 0, ASLEEP, RELAXED, RELAXED) == 0;
        *pc = s->v[SAID] ? END_OVER : END_LOOK;
        return true;
    case END_OVER:
        if (compare_swap(s, LOOP, GIVEN, ASLEEP, 0, RELAXED, RELAXED) !=
                ASLEEP &&
            mutant != NOT_COUNTED)
            s->v[IN_ALL]++;
        *pc = END_LOOK;
        return true;
    case END_LOOK:
        *pc = END_TAKE;
        return (load(s, LOOP, GIVEN, RELAXED) & WORD) != 0;
    case END_TAKE:
        (void)and_into(s, LOOP, GIVEN, (uint8_t)~WORD,
                       order_in(mutant, END_RELAXED, ACQUIRE, RELAXED));
        *pc = mutant == NO_AWAIT_ROUSED ? END_FREE : END_AWAIT;
        return true;
    case END_AWAIT:
        *pc = END_FREE;
        return load(s, LOOP, ROUSED,
                    order_in(mutant, RELAXED_AWAIT, ACQUIRE, RELAXED)) ==
               s->v[IN_ALL];
    default:
        object_free(s, LOOP, THE_LOOP);
        *pc = DONE;
        return true;
    }
}

static void end_push(struct state *s, unsigned mutant)
{
    uint8_t before = s->v[CAME];
    uint8_t found = compare_swap(s, CALLER, GIVEN, before, WORD,
                                 order_in(mutant, END_PUSH, RELEASE, RELAXED),
                                 RELAXED);

    s->v[CAME] = found;
    if (found != before)
        return;
    if (mutant == LOOK_AFTER)
        s->pc[CALLER] = CALL_AFTER;
    else if (before == ASLEEP)
        s->pc[CALLER] = mutant == ROUSED_EARLY ? CALL_ROUSED : CALL_WAKE;
    else
        s->pc[CALLER] = DONE;
}

static bool end_caller(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[CALLER];

    object_use(s, CALLER, THE_LOOP);
    switch ((enum caller_pc) * pc) {
    case CALL_LOOK:
        s->v[CAME] = load(s, CALLER, GIVEN, RELAXED);
        *pc = CALL_PUSH;
        return true;
    case CALL_PUSH:
        end_push(s, mutant);
        return true;
    case CALL_AFTER:
        (void)load(s, CALLER, GIVEN, SEQ_CST);
        *pc = s->v[CAME] == ASLEEP ? CALL_WAKE : DONE;
        return true;
    case CALL_WAKE:
        *pc = mutant == ROUSED_EARLY ? DONE : CALL_ROUSED;
        return true;
    default:
        (void)add(s, CALLER, ROUSED, 1,
                  order_in(mutant, RELAXED_ROUSED, RELEASE, RELAXED));
        *pc = mutant == ROUSED_EARLY ? CALL_WAKE : DONE;
        return true;
    }
}

static bool end_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == LOOP ? end_loop(s, mutant) : end_caller(s, mutant);
}

static const char *end_judge(const struct state *s)
{
    return s->pc[LOOP] == DONE ? NULL : "the loop never ends";
}

TEST(H1_no_interleaving_ends_a_loop_inside_a_call)
{
    static const struct model model = { CALLER + 1, end_step, end_judge, NULL };
    static const char used[] = "it is freed while it is in use";
    static const struct mutant mutants[] = {
        { NO_AWAIT_ROUSED, used },
        { NOT_COUNTED, used },
        { ROUSED_EARLY, used },
        { RELAXED_ROUSED, used },
        { RELAXED_AWAIT, used },
        { LOOK_AFTER, used },
        { END_PUSH, used },
        { END_RELAXED, used },
        { 0, NULL },
    };

    check_model(&model, 20, mutants);
}

/* ---- offers -------------------------------------------------------------- */

/*
 * loop_offer() and loop_refuse_offers(): whoever is not refused has posted
 * before the loop takes what was posted for the last time.
 */
enum offer_mutant {
    NO_AWAIT = 1,
    LOOK_BEFORE, /* he looks at `refuses`, then enters */
    WEAK_REFUSE, /* refuses = true: release */
    WEAK_AWAIT,  /* callers == 0?: acquire */
    WEAK_ENTER,  /* callers++: relaxed */
    WEAK_OFFER,  /* refuses?: acquire */
    LEAVE_LOOSE  /* callers--: relaxed */
};

enum { OFFERERS = 2 };
enum { REFUSES = THEIRS, CALLERS }; /* places */
enum { TAKEN = 0, REFUSED };        /* v: who, as bits */

enum refuse_pc { REFUSE_SAY, REFUSE_AWAIT, REFUSE_TAKE };
enum offer_pc {
    OFFER_ENTER,
    OFFER_LOOK,
    OFFER_PUSH,
    OFFER_LEAVE,
    OFFER_LATE,   /* a mutant's: enter */
    OFFER_BEFORE, /* its look */
};

static bool refuse_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LOOP];

    switch ((enum refuse_pc) * pc) {
    case REFUSE_SAY:
        store(s, LOOP, REFUSES, 1,
              order_in(mutant, WEAK_REFUSE, SEQ_CST, RELEASE));
        *pc = mutant == NO_AWAIT ? REFUSE_TAKE : REFUSE_AWAIT;
        return true;
    case REFUSE_AWAIT:
        *pc = REFUSE_TAKE;
        return load(s, LOOP, CALLERS,
                    order_in(mutant, WEAK_AWAIT, SEQ_CST, ACQUIRE)) == 0;
    default: /* loop_take_posted(), whose first look is relaxed */
        s->v[TAKEN] = load(s, LOOP, GIVEN, RELAXED);
        *pc = DONE;
        return true;
    }
}

static bool offer_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];
    uint8_t refused;

    if (*pc == OFFER_ENTER && mutant == LOOK_BEFORE)
        *pc = OFFER_BEFORE;
    switch ((enum offer_pc) * pc) {
    case OFFER_ENTER:
        (void)add(s, who, CALLERS, 1,
                  order_in(mutant, WEAK_ENTER, SEQ_CST, RELAXED));
        *pc = OFFER_LOOK;
        return true;
    case OFFER_LOOK:
    case OFFER_BEFORE:
        refused = load(s, who, REFUSES,
                       order_in(mutant, WEAK_OFFER, SEQ_CST, ACQUIRE));
        if (refused)
            s->v[REFUSED] |= (uint8_t)(1U << who);
        if (*pc == OFFER_BEFORE)
            *pc = refused ? DONE : OFFER_LATE;
        else
            *pc = refused ? OFFER_LEAVE : OFFER_PUSH;
        return true;
    case OFFER_LATE:
        (void)add(s, who, CALLERS, 1, SEQ_CST);
        *pc = OFFER_PUSH;
        return true;
    case OFFER_PUSH:
        (void)or_into(s, who, GIVEN, (uint8_t)(1U << who), SEQ_CST);
        *pc = OFFER_LEAVE;
        return true;
    default:
        (void)add(s, who, CALLERS, -1,
                  order_in(mutant, LEAVE_LOOSE, RELEASE, RELAXED));
        *pc = DONE;
        return true;
    }
}

static bool offers_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == LOOP ? refuse_step(s, mutant) : offer_step(s, who, mutant);
}

static const char *offers_judge(const struct state *s)
{
    for (unsigned who = 1; who <= OFFERERS; who++)
        if (((s->v[TAKEN] | s->v[REFUSED]) & 1U << who) == 0)
            return "an offer is neither taken nor refused";
    return NULL;
}

TEST(L11_R9_no_interleaving_loses_an_offer_to_a_loop_that_ends)
{
    static const struct model model = { OFFERERS + 1, offers_step, offers_judge,
                                        NULL };
    static const char lost[] = "an offer is neither taken nor refused";
    static const struct mutant mutants[] = {
        { NO_AWAIT, lost },    { LOOK_BEFORE, lost }, { WEAK_REFUSE, lost },
        { WEAK_AWAIT, lost },  { WEAK_ENTER, lost },  { WEAK_OFFER, lost },
        { LEAVE_LOOSE, lost }, { 0, NULL },
    };

    check_model(&model, 200, mutants);
}
