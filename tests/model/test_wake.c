/* SPDX-License-Identifier: MIT */
/*
 * test_wake.c - the model of src/loop/wake.c: sleep, wake, and the end
 *
 * A loop, who posts work, and who wakes it after storing something of its own.
 * remote_ops is handled as `posted` is, and `stop` as `woken`.
 *
 * What must hold (I6): when no step is left, the loop sleeps, every post has
 * been run, every wake has been answered by a turn that saw what its thread had
 * stored before; and the kernel was called for no sleep more than once.
 */
#include "model/model.h"
#include "runner/test.h"

/* ---- sleep and wake ------------------------------------------------------ */

enum wake_mutant {
    NO_RECHECK = 1, /* sleep without looking at the stacks again */
    LOOK_THEN_PUSH, /* look at `sleeping` before pushing */
    NO_MEMORY,      /* the kernel forgets a wake before the sleep */
    NO_SWAP,        /* all who see `sleeping` call the kernel */
    WEAK_ANNOUNCE,  /* `sleeping = true`: release */
    WEAK_LOOK,      /* loop_has_posted(), posted: acquire */
    WEAK_LOOK_2,    /* loop_has_posted(), woken: acquire */
    WEAK_PUSH,      /* the push: release */
    WEAK_WOKEN,     /* `woken = true`: release */
    WEAK_ROUSE,     /* loop_rouse() looks at `sleeping`: acquire */
    RELAXED_PUSH,
    RELAXED_TAKE,
    WOKEN_STORED,  /* `woken = false` by a store, after the look */
    RELAXED_WOKEN, /* … by a relaxed exchange */
};

enum { LOOP, POSTER, POSTER_2, WAKER, WAKE_THREADS };
enum { POSTED, SLEEPING, WOKEN, THEIRS };         /* places */
enum { NODE_OF = 0 };                             /* + who: objects */
enum { RUN, SEEN, UNUSED, KERNEL, ROUND, POSTS }; /* v */
enum { WAKES = 2, KERNEL_PORT = 0 };

enum loop_pc {
    LOOP_GIVEN,    /* loop_was_given() */
    LOOP_TAKE,     /* loop_take_posted(): the exchange */
    LOOP_USER,     /* the turn looks at what the waker has stored */
    LOOP_ANNOUNCE, /* loop_may_sleep(): sleeping = true */
    LOOP_LOOK,     /*   loop_has_posted(): posted */
    LOOP_LOOK_2,   /*   loop_has_posted(): woken */
    LOOP_ENTER,    /* kernel->enter() */
    LOOP_SLEEPING, /*   … inside it */
    LOOP_SLEPT,    /* loop_slept(): sleeping = false */
    LOOP_WOKEN,    /*   woken? */
    LOOP_CLEAR     /*   woken = false */
};

enum poster_pc {
    POST_STORE, /* something of the waker's own */
    POST_PUSH,  /* gyre_loop_post(): push; gyre_loop_wake(): woken = true */
    POST_LOOK,  /* loop_rouse(): sleeping? */
    POST_SWAP,  /*   exchange(sleeping, false) */
    POST_WAKE,  /*   kernel->wake() */
    POST_LATE   /* a mutant's push */
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

static bool loop_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LOOP];

    switch ((enum loop_pc) * pc) {
    case LOOP_GIVEN:
        *pc = load(s, LOOP, POSTED, RELAXED) != 0 ? LOOP_TAKE : LOOP_USER;
        return true;
    case LOOP_TAKE:
        run_nodes(s, swap(s, LOOP, POSTED, 0,
                          order_in(mutant, RELAXED_TAKE, ACQUIRE, RELAXED)));
        *pc = LOOP_USER;
        return true;
    case LOOP_USER:
        s->v[SEEN] = load(s, LOOP, THEIRS, RELAXED);
        *pc = LOOP_ANNOUNCE;
        return true;
    case LOOP_ANNOUNCE:
        store(s, LOOP, SLEEPING, 1,
              order_in(mutant, WEAK_ANNOUNCE, SEQ_CST, RELEASE));
        s->v[UNUSED]++;
        *pc = mutant == NO_RECHECK ? LOOP_ENTER : LOOP_LOOK;
        return true;
    case LOOP_LOOK:
        *pc = load(s, LOOP, POSTED,
                   order_in(mutant, WEAK_LOOK, SEQ_CST, ACQUIRE)) != 0
                  ? LOOP_SLEPT
                  : LOOP_LOOK_2;
        return true;
    case LOOP_LOOK_2:
        *pc = load(s, LOOP, WOKEN,
                   order_in(mutant, WEAK_LOOK_2, SEQ_CST, ACQUIRE)) != 0
                  ? LOOP_SLEPT
                  : LOOP_ENTER;
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
        store(s, LOOP, SLEEPING, 0, RELAXED);
        *pc = LOOP_WOKEN;
        return true;
    case LOOP_WOKEN:
        *pc = load(s, LOOP, WOKEN, RELAXED) != 0 ? LOOP_CLEAR : LOOP_GIVEN;
        return true;
    case LOOP_CLEAR:
        if (mutant == WOKEN_STORED)
            store(s, LOOP, WOKEN, 0, SEQ_CST);
        else
            (void)swap(s, LOOP, WOKEN, 0,
                       order_in(mutant, RELAXED_WOKEN, ACQUIRE, RELAXED));
        *pc = LOOP_GIVEN;
        return true;
    }
    return false;
}

static void push(struct state *s, unsigned who, unsigned mutant)
{
    enum order order = mutant == WEAK_PUSH      ? ACQ_REL
                       : mutant == RELAXED_PUSH ? RELAXED
                                                : SEQ_CST;

    if (who == WAKER) {
        store(s, who, WOKEN, 1, order_in(mutant, WEAK_WOKEN, SEQ_CST, RELEASE));
        return;
    }
    s->v[POSTS]++;
    plain_write(s, who, NODE_OF + who);
    (void)or_into(s, who, POSTED, (uint8_t)(1 << who), order);
}

static void next_round(struct state *s, unsigned who)
{
    if (who == WAKER && ++s->v[ROUND] < WAKES)
        s->pc[who] = POST_STORE;
    else
        s->pc[who] = DONE;
}

static void roused(struct state *s, unsigned who, unsigned mutant)
{
    if (mutant == LOOK_THEN_PUSH)
        s->pc[who] = POST_LATE;
    else
        next_round(s, who);
}

static bool poster_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];

    switch ((enum poster_pc) * pc) {
    case POST_STORE:
        if (who == WAKER)
            store(s, who, THEIRS, s->v[ROUND] + 1, RELAXED);
        *pc = POST_PUSH;
        return true;
    case POST_PUSH:
        if (mutant != LOOK_THEN_PUSH)
            push(s, who, mutant);
        *pc = POST_LOOK;
        return true;
    case POST_LOOK:
        if (load(s, who, SLEEPING,
                 order_in(mutant, WEAK_ROUSE, SEQ_CST, ACQUIRE)) != 0)
            *pc = mutant == NO_SWAP ? POST_WAKE : POST_SWAP;
        else
            roused(s, who, mutant);
        return true;
    case POST_SWAP:
        if (swap(s, who, SLEEPING, 0, SEQ_CST) != 0)
            *pc = POST_WAKE;
        else
            roused(s, who, mutant);
        return true;
    case POST_WAKE:
        must(s->v[UNUSED] > 0,
             "the kernel was called more often than the loop slept");
        s->v[UNUSED]--;
        s->v[KERNEL] = 1;
        port_out(s, who, KERNEL_PORT);
        roused(s, who, mutant);
        return true;
    case POST_LATE:
        push(s, who, mutant);
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
    if (last_of(s, POSTED) != 0)
        return "the loop sleeps on posted work";
    if (last_of(s, WOKEN) != 0)
        return "the loop sleeps on a wake";
    if (s->v[RUN] != s->v[POSTS])
        return "a post was run twice or never";
    if (s->v[SEEN] != last_of(s, THEIRS))
        return "no turn saw what came before a wake";
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

/* I6 */
TEST(H10_no_interleaving_loses_a_post)
{
    static const struct model model = { WAKE_THREADS, wake_step, wake_judge,
                                        two_posters };
    static const struct mutant mutants[] = {
        { NO_RECHECK, "the loop sleeps on posted work" },
        { LOOK_THEN_PUSH, "the loop sleeps on posted work" },
        { NO_MEMORY, "the loop sleeps on posted work" },
        { NO_SWAP, "the kernel was called more often than the loop slept" },
        { WEAK_ANNOUNCE, "the loop sleeps on posted work" },
        { WEAK_LOOK, "the loop sleeps on posted work" },
        { WEAK_PUSH, "the loop sleeps on posted work" },
        { WEAK_ROUSE, "the loop sleeps on posted work" },
        { RELAXED_PUSH, "a write races another access" },
        { RELAXED_TAKE, "a write races another access" },
        { 0, NULL },
    };

    check_model(&model, 5000, mutants);
}

/* I6 */
TEST(H10_no_interleaving_loses_a_wake)
{
    static const struct model model = { WAKE_THREADS, wake_step, wake_judge,
                                        waker_alone };
    static const struct mutant mutants[] = {
        { NO_RECHECK, "the loop sleeps on a wake" },
        { LOOK_THEN_PUSH, "the loop sleeps on a wake" },
        { WEAK_ANNOUNCE, "the loop sleeps on a wake" },
        { WEAK_LOOK_2, "the loop sleeps on a wake" },
        { WEAK_WOKEN, "the loop sleeps on a wake" },
        { WEAK_ROUSE, "the loop sleeps on a wake" },
        { WOKEN_STORED, "no turn saw what came before a wake" },
        { RELAXED_WOKEN, "no turn saw what came before a wake" },
        { 0, NULL },
    };

    check_model(&model, 500, mutants);
}

/* I6 */
TEST(H10_no_interleaving_of_a_post_and_a_wake_loses_either)
{
    static const struct model model = { WAKE_THREADS, wake_step, wake_judge,
                                        poster_and_waker };
    static const struct mutant mutants[] = {
        { WEAK_LOOK, "the loop sleeps on posted work" },
        { WEAK_LOOK_2, "the loop sleeps on a wake" },
        { 0, NULL },
    };

    check_model(&model, 5000, mutants);
}

/* ---- the end of a loop --------------------------------------------------- */

/*
 * The call is the reason for the loop to be destroyed: its work says so when it
 * runs, or run-once has returned for its wake. The loop must stay until the
 * call has left it (loop_await_callers()).
 */
enum end_mutant {
    NO_CALLERS = 1,
    ENTER_LATE,    /* callers++ after the push */
    RELAXED_LEAVE, /* callers--: relaxed */
    RELAXED_AWAIT, /* callers == 0?: relaxed */
    END_RELAXED    /* the take, or woken = false: relaxed */
};

enum { CALLER = 1 };
enum { CALLERS = THEIRS }; /* a place */
enum { THE_LOOP };         /* an object */
enum { BARE = 0 };         /* v: it is a bare wake */

enum end_pc { END_CHOOSE, END_LOOK, END_TAKE, END_AWAIT, END_FREE };
enum caller_pc { CALL_ENTER, CALL_PUSH, CALL_LATE, CALL_ROUSE, CALL_LEAVE };

static bool end_loop(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LOOP];
    unsigned place = s->v[BARE] ? WOKEN : POSTED;

    switch ((enum end_pc) * pc) {
    case END_CHOOSE:
        s->v[BARE] = (uint8_t)choose(2);
        *pc = END_LOOK;
        return true;
    case END_LOOK:
        *pc = END_TAKE;
        return load(s, LOOP, place, RELAXED) != 0;
    case END_TAKE:
        (void)swap(s, LOOP, place, 0,
                   order_in(mutant, END_RELAXED, ACQUIRE, RELAXED));
        *pc = END_AWAIT;
        return true;
    case END_AWAIT:
        *pc = END_FREE;
        return load(s, LOOP, CALLERS,
                    order_in(mutant, RELAXED_AWAIT, ACQUIRE, RELAXED)) == 0;
    default:
        object_free(s, LOOP, THE_LOOP);
        *pc = DONE;
        return true;
    }
}

static bool end_caller(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[CALLER];

    if (s->pc[LOOP] == END_CHOOSE)
        return false;
    object_use(s, CALLER, THE_LOOP);
    switch ((enum caller_pc) * pc) {
    case CALL_ENTER:
        if (mutant != NO_CALLERS && mutant != ENTER_LATE)
            (void)add(s, CALLER, CALLERS, 1, RELAXED);
        *pc = CALL_PUSH;
        return true;
    case CALL_PUSH:
        if (s->v[BARE])
            store(s, CALLER, WOKEN, 1, SEQ_CST);
        else
            (void)or_into(s, CALLER, POSTED, 1, SEQ_CST);
        *pc = mutant == ENTER_LATE ? CALL_LATE : CALL_ROUSE;
        return true;
    case CALL_LATE:
        (void)add(s, CALLER, CALLERS, 1, RELAXED);
        *pc = CALL_ROUSE;
        return true;
    case CALL_ROUSE: /* looks at `sleeping`, or even wakes the kernel */
        (void)load(s, CALLER, SLEEPING, SEQ_CST);
        *pc = mutant == NO_CALLERS ? DONE : CALL_LEAVE;
        return true;
    default:
        (void)add(s, CALLER, CALLERS, -1,
                  order_in(mutant, RELAXED_LEAVE, RELEASE, RELAXED));
        *pc = DONE;
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
    static const struct mutant mutants[] = {
        { NO_CALLERS, "it is freed while it is in use" },
        { ENTER_LATE, "it is freed while it is in use" },
        { RELAXED_LEAVE, "it is freed while it is in use" },
        { RELAXED_AWAIT, "it is freed while it is in use" },
        { END_RELAXED, "it is freed while it is in use" },
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
enum { REFUSES = SLEEPING }; /* a place */
enum { TAKEN = 0, REFUSED }; /* v: who, as bits */

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
        s->v[TAKEN] = load(s, LOOP, POSTED, RELAXED);
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
        (void)or_into(s, who, POSTED, (uint8_t)(1U << who), SEQ_CST);
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
