/* SPDX-License-Identifier: MIT */
/*
 * test_barrier.c - the model of wait_hold() (src/sync/waiter.c, barrier.c)
 *
 * Two wait at a barrier for three and are cancelled from elsewhere, while the
 * third comes. No order matters: what is decided carries nothing.
 */
#include "model/model.h"
#include "runner/test.h"

enum hold_mutant {
    NO_HOLD = 1, /* claim one after the other */
    NO_SPIN,     /* a cancel that meets a held wait takes it for decided */
    NO_LET_GO    /* too few: the held ones stay held */
};

enum { LAST = 2 };
enum { HAVE }; /* v; places: the two outcomes */
enum { GRANTED = 1, CANCELLED, HELD };

enum last_pc {
    LAST_HOLD,      /* hold_all(): the first; then the second */
    LAST_LOOK = 2,  /* claim_all(), let_all_go(): wait_is_held() */
    LAST_DECIDE = 4 /*   held_set(), of the first and the second */
};

static bool hold_last(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LAST];
    unsigned of = *pc % 2;
    bool opens = s->v[HAVE] == 2;

    if (*pc < LAST_LOOK) {
        if (compare_swap(s, LAST, of, 0, mutant == NO_HOLD ? GRANTED : HELD,
                         ACQ_REL, ACQUIRE) == 0)
            s->v[HAVE]++;
        *pc = of == 0 ? 1 : LAST_LOOK;
    } else if (*pc < LAST_DECIDE) {
        if (load(s, LAST, of, RELAXED) == HELD &&
            (opens || mutant != NO_LET_GO))
            *pc = (uint8_t)(LAST_DECIDE + of);
        else
            *pc = of == 0 ? LAST_LOOK + 1 : DONE;
    } else {
        store(s, LAST, of, opens ? GRANTED : 0, RELEASE);
        *pc = of == 0 ? LAST_LOOK + 1 : DONE;
    }
    return true;
}

static bool hold_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t was;

    if (who == LAST)
        return hold_last(s, mutant);
    was = compare_swap(s, who, who, 0, CANCELLED, ACQ_REL, ACQUIRE);
    if (was == HELD && mutant != NO_SPIN)
        return false; /* spins */
    s->pc[who] = DONE;
    return true;
}

static const char *hold_judge(const struct state *s)
{
    for (unsigned i = 0; i < 2; i++) {
        if (s->pc[i] != DONE)
            return "a cancel spins for ever";
        if (last_of(s, i) != (s->v[HAVE] == 2 ? GRANTED : CANCELLED))
            return "some go through and others do not, or a cancel is lost";
    }
    return NULL;
}

/* I12 */
TEST(M14_a_barrier_lets_through_all_or_none)
{
    static const struct model model = { 3, hold_step, hold_judge, NULL };
    static const struct mutant mutants[] = {
        { NO_HOLD, "some go through and others do not, or a cancel is lost" },
        { NO_SPIN, "some go through and others do not, or a cancel is lost" },
        { NO_LET_GO, "a cancel spins for ever" },
        { 0, NULL },
    };

    check_model(&model, 10, mutants);
}
