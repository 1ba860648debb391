/* SPDX-License-Identifier: MIT */
/*
 * test_holders.c - the model of let_go() and pool_hold() in src/mem/pool.c: who
 * holds a buffer, and the last one gives it back
 *
 * One has a buffer and hands it to two other threads; all three read it and let
 * it go. The last one writes it, since the pool may give it to somebody else.
 */
#include "model/model.h"
#include "runner/test.h"

enum holders_mutant {
    PASS_FIRST = 1, /* it is handed over, then pool_hold() */
    NO_EXCHANGE,    /* let_go() stores what it has seen less one */
    RELAXED_LOOK,   /*   who is alone: relaxed */
    ACQUIRE_ONLY,   /*   holders--: acquire */
    RELEASE_ONLY    /*   holders--: release */
};

enum { FIRST, SECOND, THIRD, HOLDERS_THREADS };
enum { HOLDERS };            /* a place */
enum { BUFFER };             /* an object */
enum { PASSED, GIVEN, SAW }; /* v; SAW + who */
enum { PASS_PORT };

enum holder_pc {
    HOLDER_HOLD, /* pool_hold() for the next, who has it from here on */
    HOLDER_LATE, /* a mutant's pool_hold() */
    HOLDER_READ, /* it has the buffer */
    HOLDER_LOOK, /* let_go(): is it alone? */
    HOLDER_LAST, /*   holders = 0 */
    HOLDER_LESS, /*   holders-- */
    HOLDER_GIVE  /* gyre_pool_put(): the buffer is the pool's */
};

static bool holder_holds(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[FIRST];

    if (*pc == HOLDER_LATE || mutant != PASS_FIRST)
        (void)add(s, FIRST, HOLDERS, 1, RELAXED);
    if (*pc == HOLDER_HOLD) {
        s->v[PASSED]++;
        port_out(s, FIRST, PASS_PORT);
    }
    if (*pc == HOLDER_HOLD && mutant == PASS_FIRST)
        *pc = HOLDER_LATE;
    else
        *pc = s->v[PASSED] < 2 ? HOLDER_HOLD : HOLDER_READ;
    return true;
}

static void let_go(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *saw = &s->v[SAW + who];
    enum order order = mutant == ACQUIRE_ONLY   ? ACQUIRE
                       : mutant == RELEASE_ONLY ? RELEASE
                                                : ACQ_REL;

    if (mutant == NO_EXCHANGE)
        store(s, who, HOLDERS, (uint8_t)(*saw - 1), order);
    else
        *saw = add(s, who, HOLDERS, -1, order);
    s->pc[who] = *saw == 1 ? HOLDER_GIVE : DONE;
}

static bool holders_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];

    if (who == FIRST && *pc < HOLDER_READ)
        return holder_holds(s, mutant);
    switch ((enum holder_pc) * pc) {
    case HOLDER_READ:
        if (s->v[PASSED] < who)
            return false;
        if (who != FIRST)
            port_in(s, who, PASS_PORT);
        plain_read(s, who, BUFFER);
        *pc = HOLDER_LOOK;
        return true;
    case HOLDER_LOOK:
        s->v[SAW + who] = load(
            s, who, HOLDERS, order_in(mutant, RELAXED_LOOK, ACQUIRE, RELAXED));
        *pc = s->v[SAW + who] == 1 ? HOLDER_LAST : HOLDER_LESS;
        return true;
    case HOLDER_LAST:
        store(s, who, HOLDERS, 0, RELAXED);
        *pc = HOLDER_GIVE;
        return true;
    case HOLDER_LESS:
        let_go(s, who, mutant);
        return true;
    default:
        must(!s->v[GIVEN], "a buffer is given back twice");
        s->v[GIVEN] = 1;
        plain_write(s, who, BUFFER);
        *pc = DONE;
        return true;
    }
}

static const char *holders_judge(const struct state *s)
{
    return s->v[GIVEN] ? NULL : "nobody gives the buffer back";
}

static void first_has_it(struct state *s)
{
    s->values[HOLDERS][0].value = 1;
    s->pc[SECOND] = s->pc[THIRD] = HOLDER_READ;
}

TEST(I9_the_last_of_all_holders_and_no_other_gives_a_buffer_back)
{
    static const struct model model = { HOLDERS_THREADS, holders_step,
                                        holders_judge, first_has_it };
    static const char races[] = "a write races another access";
    static const struct mutant mutants[] = {
        { PASS_FIRST, "a read races a write" },
        { NO_EXCHANGE, "nobody gives the buffer back" },
        { RELAXED_LOOK, races },
        { ACQUIRE_ONLY, races },
        { RELEASE_ONLY, races },
        { 0, NULL },
    };

    check_model(&model, 50, mutants);
}
