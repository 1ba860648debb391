/* SPDX-License-Identifier: MIT */
/*
 * walk.c - all sequences of steps of a model, to every state
 *
 * Depth first. States that were met are remembered by 128 bits of hash, so two
 * would have to collide to be taken for one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "runner/test.h"

static const char *wrong; /* found by a step */

/* The step that is made: which way it goes, of how many (0: not yet told). */
static unsigned way;
static unsigned ways;

void must(bool holds, const char *what)
{
    if (!holds && wrong == NULL)
        wrong = what;
}

unsigned choose(unsigned of)
{
    CHECK_EQ(ways, 0); /* one access in a step */
    CHECK_GT(of, 0);
    ways = of;
    return way;
}

/* ---- the states that were met -------------------------------------------- */

struct print {
    uint64_t a;
    uint64_t b;
};

static void mix(struct print *p, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size; i += 8) {
        uint64_t word;

        memcpy(&word, at + i, 8);
        p->a = (p->a ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        p->a ^= p->a >> 29;
        p->b = (p->b + word) * UINT64_C(0xC2B2AE3D27D4EB4F);
        p->b ^= p->b >> 31;
    }
}

static struct print print_of(const struct state *s)
{
    struct print p = { 1, 1 };

    mix(&p, s, offsetof(struct state, values));
    for (unsigned i = 0; i < MODEL_PLACES; i++)
        mix(&p, s->values[i], s->count[i] * sizeof s->values[i][0]);
    p.a |= 1; /* 0 is free */
    return p;
}

/* ---- the walk ------------------------------------------------------------ */

enum { STATES_MAX = 1 << 20, DEPTH_MAX = 400 };

struct step {
    uint8_t thread;
    uint8_t pc;
    uint8_t way;
};

struct entry {
    struct state state;
    struct step by;
    unsigned depth;
};

struct walker {
    const struct model *model;
    unsigned mutant;
    struct print *met; /* a hash set */
    unsigned count;
    struct entry *stack;
    size_t height;
    size_t room;
    struct step path[DEPTH_MAX];
};

/* False: it was met before. */
static bool is_new(struct walker *w, const struct state *s)
{
    struct print p = print_of(s);
    size_t i = (size_t)(p.b ^ p.a >> 32) & (STATES_MAX - 1);

    for (; w->met[i].a != 0; i = (i + 1) & (STATES_MAX - 1))
        if (w->met[i].a == p.a && w->met[i].b == p.b)
            return false;
    w->met[i] = p;
    CHECK_LT(++w->count, STATES_MAX / 4 * 3);
    return true;
}

static void push(struct walker *w, const struct state *s, struct step by,
                 unsigned depth)
{
    if (w->height == w->room) {
        w->room = w->room * 2 + 64;
        w->stack = realloc(w->stack, w->room * sizeof *w->stack);
        CHECK(w->stack != NULL);
    }
    w->stack[w->height++] = (struct entry){ *s, by, depth };
}

/* All ways of a thread's next step. False: it cannot move. */
static bool step_all(struct walker *w, const struct entry *from,
                     unsigned thread)
{
    bool moved = false;

    way = 0;
    do {
        struct state to = from->state;
        struct step by = { (uint8_t)thread, to.pc[thread], (uint8_t)way };

        ways = 0;
        if (!w->model->step(&to, thread, w->mutant))
            continue;
        moved = true;
        if (wrong != NULL) {
            w->path[from->depth] = by;
            return true;
        }
        state_forget(&to);
        if (is_new(w, &to))
            push(w, &to, by, from->depth + 1);
    } while (++way < ways);
    return moved;
}

static void walk_from(struct walker *w, const struct entry *from)
{
    bool moved = false;

    CHECK_LT(from->depth, DEPTH_MAX);
    if (from->depth > 0)
        w->path[from->depth - 1] = from->by;
    for (unsigned i = 0; i < w->model->threads && wrong == NULL; i++)
        if (from->state.pc[i] != DONE && step_all(w, from, i))
            moved = true;
    if (!moved && wrong == NULL)
        wrong = w->model->judge(&from->state);
}

/* The way to what is wrong: thread:step, and /n for a value that is not the
 * oldest. */
static void tell_path(const struct walker *w, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++)
        printf(w->path[i].way != 0 ? " %u:%u/%u" : " %u:%u", w->path[i].thread,
               w->path[i].pc, w->path[i].way);
    printf("\n");
}

const char *walk(const struct model *model, unsigned mutant, unsigned *states)
{
    struct walker w = { .model = model, .mutant = mutant };
    struct state s;
    struct entry from;

    w.met = calloc(STATES_MAX, sizeof *w.met);
    CHECK(w.met != NULL);
    wrong = NULL;
    state_begin(model, &s);
    push(&w, &s, (struct step){ 0 }, 0);
    while (w.height > 0 && wrong == NULL) {
        from = w.stack[--w.height];
        walk_from(&w, &from);
    }
    if (wrong != NULL && mutant == 0)
        tell_path(&w, from.depth + 1);
    *states = w.count;
    free(w.met);
    free(w.stack);
    return wrong;
}

void check_model(const struct model *model, unsigned states,
                 const struct mutant *mutants)
{
    unsigned count;
    const char *found = walk(model, 0, &count);

    if (found != NULL)
        FAIL("%s", found);
    CHECK_GT(count, states);
    for (; mutants->mutant != 0; mutants++) {
        found = walk(model, mutants->mutant, &count);
        if (found == NULL)
            FAIL("nothing found in mutant %u", mutants->mutant);
        if (strcmp(found, mutants->wrong) != 0)
            FAIL("mutant %u: found \"%s\", not \"%s\"", mutants->mutant, found,
                 mutants->wrong);
    }
}
