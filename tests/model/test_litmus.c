/* SPDX-License-Identifier: MIT */
/*
 * test_litmus.c - that the models' memory is neither too strong nor too weak
 *
 * The usual small programs: what C11 forbids is not found, and what it allows
 * is found in a mutant with weaker orders.
 */
#include "model/model.h"
#include "runner/test.h"

enum { X, Y };       /* places; X is an object, too */
enum { GOT, GOT_2 }; /* v, each + 2 * the thread */

static uint8_t *got(struct state *s, unsigned who)
{
    return &s->v[GOT + 2 * who];
}

static bool next(struct state *s, unsigned who, uint8_t steps)
{
    s->pc[who] = s->pc[who] + 1 == steps ? DONE : s->pc[who] + 1;
    return true;
}

/* ---- store buffering ----------------------------------------------------- */

/* Each stores to one place and looks at the other. */
enum { BUFFER_STORE = 1, BUFFER_LOAD, BUFFER_FENCES, BUFFER_NO_FENCE };

static bool buffer_step(struct state *s, unsigned who, unsigned mutant)
{
    bool fences = mutant >= BUFFER_FENCES;

    switch (s->pc[who]) {
    case 0:
        store(s, who, who, 1,
              fences ? RELAXED
                     : order_in(mutant, BUFFER_STORE, SEQ_CST, RELEASE));
        break;
    case 1:
        if (mutant == BUFFER_FENCES)
            fence(s, who);
        break;
    default:
        *got(s, who) = load(
            s, who, 1 - who,
            fences ? RELAXED : order_in(mutant, BUFFER_LOAD, SEQ_CST, ACQUIRE));
    }
    return next(s, who, 3);
}

static const char *buffer_judge(const struct state *s)
{
    return s->v[0] == 0 && s->v[2] == 0 ? "neither saw the other" : NULL;
}

/* Variants of a model that are right, too. */
static void check_right(const struct model *model, unsigned variant)
{
    unsigned states;
    const char *found = walk(model, variant, &states);

    if (found != NULL)
        FAIL("variant %u: %s", variant, found);
}

TEST(two_who_store_and_look_miss_each_other_only_if_weak)
{
    static const struct model model = { 2, buffer_step, buffer_judge, NULL };
    static const struct mutant mutants[] = {
        { BUFFER_STORE, "neither saw the other" },
        { BUFFER_LOAD, "neither saw the other" },
        { BUFFER_NO_FENCE, "neither saw the other" },
        { 0, NULL },
    };

    check_model(&model, 5, mutants);
    check_right(&model, BUFFER_FENCES);
}

/* ---- passing a message --------------------------------------------------- */

/*
 * The first writes an object and says so, by 1; the second hands it on, by 3;
 * the last reads the object if it was told.
 */
enum {
    PASS_STORE = 1,
    PASS_LOAD,
    PASS_BY_STORE, /* the second stores: that is not the first's */
    PASS_ALONE     /* there is no second */
};

static bool pass_step(struct state *s, unsigned who, unsigned mutant)
{
    switch (who) {
    case 0:
        plain_write(s, who, X);
        store(s, who, X, 1, order_in(mutant, PASS_STORE, RELEASE, RELAXED));
        return next(s, who, 1);
    case 1:
        if (s->pc[who] == 0)
            *got(s, who) = load(s, who, X, RELAXED);
        else if (mutant == PASS_BY_STORE && *got(s, who) == 1)
            store(s, who, X, 3, RELEASE);
        else if (mutant != PASS_BY_STORE && mutant != PASS_ALONE)
            (void)add(s, who, X, 2, RELAXED); /* relaxed is enough */
        return next(s, who, 2);
    default:
        *got(s, who) =
            load(s, who, X, order_in(mutant, PASS_LOAD, ACQUIRE, RELAXED));
        if (*got(s, who) == 1 || *got(s, who) == 3)
            plain_read(s, who, X);
        return next(s, who, 1);
    }
}

static const char *fine(const struct state *s)
{
    (void)s;
    return NULL;
}

TEST(what_is_released_is_acquired_through_exchanges_not_stores)
{
    static const struct model model = { 3, pass_step, fine, NULL };
    static const struct mutant mutants[] = {
        { PASS_STORE, "a read races a write" },
        { PASS_LOAD, "a read races a write" },
        { PASS_BY_STORE, "a read races a write" },
        { 0, NULL },
    };

    check_model(&model, 5, mutants);
    check_right(&model, PASS_ALONE);
}

/* ---- the order of stores ------------------------------------------------- */

/* Two store to two places in opposite order: can both first ones be last? */
enum { STORES_WEAK = 1 };

static bool stores_step(struct state *s, unsigned who, unsigned mutant)
{
    store(s, who, s->pc[who] == 0 ? who : 1 - who, s->pc[who] + 1,
          order_in(mutant, STORES_WEAK, SEQ_CST, RELEASE));
    return next(s, who, 2);
}

static const char *stores_judge(const struct state *s)
{
    return last_of(s, X) == 1 && last_of(s, Y) == 1 ? "both firsts are last"
                                                    : NULL;
}

TEST(stores_of_two_places_are_in_one_order_only_if_strong)
{
    static const struct model model = { 2, stores_step, stores_judge, NULL };
    static const struct mutant mutants[] = {
        { STORES_WEAK, "both firsts are last" },
        { 0, NULL },
    };

    check_model(&model, 5, mutants);
}

/* Two store, two look at both in opposite order: do they agree? */
enum { READERS_WEAK = 1 };

static bool readers_step(struct state *s, unsigned who, unsigned mutant)
{
    enum order order = order_in(mutant, READERS_WEAK, SEQ_CST, ACQUIRE);
    unsigned at = s->pc[who] ^ (who & 1);

    if (who < 2) {
        store(s, who, who, 1, SEQ_CST);
        return next(s, who, 1);
    }
    got(s, who)[s->pc[who]] = load(s, who, at, order);
    return next(s, who, 2);
}

static const char *readers_judge(const struct state *s)
{
    const uint8_t *a = &s->v[GOT + 4];
    const uint8_t *b = &s->v[GOT + 6];

    return a[0] && !a[1] && b[0] && !b[1] ? "they disagree" : NULL;
}

TEST(readers_agree_on_the_order_of_stores_only_if_strong)
{
    static const struct model model = { 4, readers_step, readers_judge, NULL };
    static const struct mutant mutants[] = {
        { READERS_WEAK, "they disagree" },
        { 0, NULL },
    };

    check_model(&model, 20, mutants);
}

/* ---- one place ----------------------------------------------------------- */

/* Relaxed throughout: two add, one stores, one looks twice. */
static bool place_step(struct state *s, unsigned who, unsigned mutant)
{
    (void)mutant;
    if (who < 2)
        (void)add(s, who, X, 1, RELAXED);
    if (who < 2)
        return next(s, who, 1);
    got(s, who)[s->pc[who]] = load(s, who, X, RELAXED);
    return next(s, who, 2);
}

static const char *place_judge(const struct state *s)
{
    const uint8_t *seen = &s->v[GOT + 4];

    if (last_of(s, X) != 2)
        return "an addition is lost";
    return seen[1] < seen[0] ? "an older value after a newer" : NULL;
}

TEST(one_place_is_coherent_and_exchanges_are_whole)
{
    static const struct model model = { 3, place_step, place_judge, NULL };
    static const struct mutant mutants[] = { { 0, NULL } };

    check_model(&model, 10, mutants);
}

/* ---- the end of an object ------------------------------------------------ */

/* One uses it and says when it is done; the other waits for that and frees. */
enum { FREE_STORE = 1, FREE_LOAD, FREE_AT_ONCE };

static bool free_step(struct state *s, unsigned who, unsigned mutant)
{
    if (who == 0) {
        if (s->pc[who] == 0)
            object_use(s, who, X);
        else
            store(s, who, X, 1, order_in(mutant, FREE_STORE, RELEASE, RELAXED));
        return next(s, who, 2);
    }
    if (load(s, who, X, order_in(mutant, FREE_LOAD, ACQUIRE, RELAXED)) == 0 &&
        mutant != FREE_AT_ONCE)
        return false;
    object_free(s, who, X);
    return next(s, who, 1);
}

TEST(who_frees_has_acquired_the_last_use)
{
    static const struct model model = { 2, free_step, fine, NULL };
    static const struct mutant mutants[] = {
        { FREE_STORE, "it is freed while it is in use" },
        { FREE_LOAD, "it is freed while it is in use" },
        { FREE_AT_ONCE, "what was freed is used" },
        { 0, NULL },
    };

    check_model(&model, 2, mutants);
}
