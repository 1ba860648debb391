/* SPDX-License-Identifier: MIT */
/*
 * test_model.c - the protocol of sleep and wake in every interleaving
 *
 * A model of src/loop/wake.c: each step is one access to memory that two
 * threads share, or one call of the kernel, and stands beside the line that it
 * models. All interleavings of a loop, two posters and a waker are walked
 * through, to every state that can be reached. A store that is not sequentially
 * consistent waits in its thread's buffer for any time, as on real machines,
 * and may be overtaken by later loads.
 *
 * What must hold (I6): when no step is left, the loop sleeps, every post has
 * been run and every wake has been answered; and the kernel was called for no
 * sleep more than once.
 *
 * A check that cannot fail proves nothing, so each ingredient of the protocol
 * is taken away in turn, and the walk must then find a lost wake.
 */
#include <stdlib.h>
#include <string.h>

#include "runner/test.h"

enum { POSTERS = 2, ROUNDS = 2, THREADS = POSTERS + 1 };

/* What is taken away. */
struct mutant {
    bool no_recheck;     /* sleep without looking at the stacks again */
    bool weak_announce;  /* `sleeping = true` by a relaxed store */
    bool look_then_push; /* look at `sleeping` before pushing */
    bool no_memory;      /* the kernel forgets a wake before the sleep */
    bool no_swap;        /* all who see `sleeping` call the kernel */
};

enum loop_pc {
    LOOP_TAKE,     /* loop_take_posted() */
    LOOP_ANNOUNCE, /* loop_may_sleep(): sleeping = true */
    LOOP_LOOK,     /*   loop_has_posted(): posted */
    LOOP_LOOK_2,   /*   loop_has_posted(): woken */
    LOOP_ENTER,    /* kernel->enter() */
    LOOP_SLEEPING, /*   … inside it */
    LOOP_SLEPT,    /* loop_slept(): sleeping = false */
    LOOP_WOKEN,    /*   woken? */
    LOOP_CLEAR,    /*   woken = false */
};

enum poster_pc {
    POST_PUSH, /* gyre_loop_post(): push; gyre_loop_wake(): woken = true */
    POST_LOOK, /* loop_rouse(): sleeping? */
    POST_SWAP, /*   exchange(sleeping, false) */
    POST_WAKE, /*   kernel->wake() */
    POST_LATE, /* a mutant's push */
    POST_DONE,
};

/* Bytes only: states are compared by memcmp(). */
struct state {
    uint8_t loop;            /* enum loop_pc */
    uint8_t poster[THREADS]; /* enum poster_pc; the last one is the waker */
    uint8_t round[THREADS];
    uint8_t posted; /* on the stack */
    uint8_t run;
    uint8_t woken;
    uint8_t sleeping;
    uint8_t buffered; /* the loop's own store of `sleeping`: 0 none, 1 false,
                         2 true */
    uint8_t kernel_woken;
    int8_t unused; /* sleeps announced, less calls of the kernel */
};

enum { STATES_MAX = 1 << 20 };

struct walk {
    struct mutant mutant;
    struct state *states; /* a hash set; loop + 1, so that 0 is free */
    struct state *stack;
    size_t depth;
    size_t count;
    const char *wrong; /* what was found */
};

static size_t hash(const struct state *s)
{
    const unsigned char *bytes = (const unsigned char *)s;
    uint64_t h = 1469598103934665603U;

    for (size_t i = 0; i < sizeof *s; i++)
        h = (h ^ bytes[i]) * 1099511628211U;
    return (size_t)(h ^ h >> 29) & (STATES_MAX - 1);
}

static void reach(struct walk *w, struct state s)
{
    size_t i;

    s.loop++;
    for (i = hash(&s); w->states[i].loop != 0; i = (i + 1) & (STATES_MAX - 1))
        if (memcmp(&w->states[i], &s, sizeof s) == 0)
            return;
    CHECK_LT(w->count, STATES_MAX / 2);
    w->states[i] = s;
    w->count++;
    s.loop--;
    w->stack[w->depth++] = s;
}

static void store_sleeping(struct state *s, bool value, bool weak)
{
    if (weak) {
        s->buffered = value ? 2 : 1; /* replaces one for the same place */
        return;
    }
    s->buffered = 0; /* what came before is seen before */
    s->sleeping = value;
}

/* One step of the loop; false if it cannot move. */
static bool loop_step(const struct mutant *m, struct state *s)
{
    switch ((enum loop_pc)s->loop) {
    case LOOP_TAKE:
        if (s->posted > 0 && s->buffered != 0)
            return false; /* the exchange waits for the buffer */
        s->run = (uint8_t)(s->run + s->posted);
        s->posted = 0;
        s->loop = LOOP_ANNOUNCE;
        return true;
    case LOOP_ANNOUNCE:
        store_sleeping(s, true, m->weak_announce);
        s->unused++;
        s->loop = m->no_recheck ? LOOP_ENTER : LOOP_LOOK;
        return true;
    case LOOP_LOOK:
        s->loop = s->posted > 0 ? LOOP_SLEPT : LOOP_LOOK_2;
        return true;
    case LOOP_LOOK_2:
        s->loop = s->woken ? LOOP_SLEPT : LOOP_ENTER;
        return true;
    case LOOP_ENTER:
        if (m->no_memory)
            s->kernel_woken = 0;
        s->loop = LOOP_SLEEPING;
        return true;
    case LOOP_SLEEPING:
        if (s->buffered != 0 || !s->kernel_woken)
            return false; /* a system call waits for the buffer, too */
        s->kernel_woken = 0;
        s->loop = LOOP_SLEPT;
        return true;
    case LOOP_SLEPT:
        store_sleeping(s, false, true);
        s->loop = LOOP_WOKEN;
        return true;
    case LOOP_WOKEN:
        s->loop = s->woken ? LOOP_CLEAR : LOOP_TAKE;
        return true;
    case LOOP_CLEAR:
        if (s->buffered != 0)
            return false; /* sequentially consistent */
        s->woken = 0;
        s->loop = LOOP_TAKE;
        return true;
    }
    return false;
}

static void push(struct state *s, int i)
{
    if (i < POSTERS)
        s->posted++;
    else
        s->woken = 1;
}

static void next_round(struct state *s, int i)
{
    s->poster[i] = ++s->round[i] < ROUNDS ? POST_PUSH : POST_DONE;
}

static void roused(const struct mutant *m, struct state *s, int i)
{
    if (m->look_then_push)
        s->poster[i] = POST_LATE;
    else
        next_round(s, i);
}

static bool poster_step(const struct mutant *m, struct state *s, int i)
{
    switch ((enum poster_pc)s->poster[i]) {
    case POST_PUSH:
        if (!m->look_then_push)
            push(s, i);
        s->poster[i] = POST_LOOK;
        return true;
    case POST_LOOK:
        if (s->sleeping)
            s->poster[i] = m->no_swap ? POST_WAKE : POST_SWAP;
        else
            roused(m, s, i);
        return true;
    case POST_SWAP:
        if (s->sleeping)
            s->poster[i] = POST_WAKE;
        else
            roused(m, s, i);
        s->sleeping = 0;
        return true;
    case POST_WAKE:
        s->kernel_woken = 1;
        s->unused--;
        roused(m, s, i);
        return true;
    case POST_LATE:
        push(s, i);
        next_round(s, i);
        return true;
    case POST_DONE:
        return false;
    }
    return false;
}

static bool flush_step(struct state *s)
{
    if (s->buffered == 0)
        return false;
    s->sleeping = s->buffered == 2;
    s->buffered = 0;
    return true;
}

/* Every state that one step leads to. */
static bool expand(struct walk *w, const struct state *from)
{
    struct state s = *from;
    bool moved = false;

    if (loop_step(&w->mutant, &s)) {
        reach(w, s);
        moved = true;
    }
    for (int i = 0; i < THREADS; i++) {
        s = *from;
        if (poster_step(&w->mutant, &s, i)) {
            reach(w, s);
            moved = true;
        }
    }
    s = *from;
    if (flush_step(&s)) {
        reach(w, s);
        moved = true;
    }
    return moved;
}

static void judge(struct walk *w, const struct state *s, bool moved)
{
    if (s->unused < 0)
        w->wrong = "the kernel was called more often than the loop slept";
    if (moved)
        return;
    if (s->loop != LOOP_SLEEPING)
        w->wrong = "the model is stuck";
    else if (s->posted > 0)
        w->wrong = "the loop sleeps on posted work";
    else if (s->woken)
        w->wrong = "the loop sleeps on a wake";
    else if (s->run != POSTERS * ROUNDS)
        w->wrong = "a post was run twice or never";
}

/* NULL, or what goes wrong. */
static const char *walk_all(struct mutant mutant, size_t *count)
{
    struct walk w = { .mutant = mutant };
    const struct state start = { .loop = LOOP_TAKE };

    w.states = calloc(STATES_MAX, sizeof *w.states);
    w.stack = calloc(STATES_MAX, sizeof *w.stack);
    CHECK(w.states != NULL && w.stack != NULL);
    reach(&w, start);
    while (w.depth > 0 && w.wrong == NULL) {
        struct state s = w.stack[--w.depth];

        judge(&w, &s, expand(&w, &s));
    }
    *count = w.count;
    free(w.states);
    free(w.stack);
    return w.wrong;
}

/* I6 */
TEST(H10_no_interleaving_loses_a_wake)
{
    size_t count;
    const char *wrong =
        walk_all((struct mutant){ .no_recheck = false }, &count);

    if (wrong != NULL)
        FAIL("%s", wrong);
    CHECK_GT(count, 1000);
}

TEST(H10_each_ingredient_is_needed)
{
    static const struct {
        struct mutant mutant;
        const char *wrong;
    } cases[] = {
        { { .no_recheck = true }, "the loop sleeps on" },
        { { .weak_announce = true }, "the loop sleeps on" },
        { { .look_then_push = true }, "the loop sleeps on" },
        { { .no_memory = true }, "the loop sleeps on" },
        { { .no_swap = true }, "more often than the loop slept" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t count;
        const char *wrong = walk_all(cases[i].mutant, &count);

        if (wrong == NULL)
            FAIL("nothing found without ingredient %zu", i);
        CHECK_STR_HAS(wrong, cases[i].wrong);
    }
}
