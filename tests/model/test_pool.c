/* SPDX-License-Identifier: MIT */
/*
 * test_pool.c - the model of src/mem/pool.c: buffers given back from elsewhere
 *
 * The loop's thread wants the two buffers that two other threads hold, waits
 * while there is none, and destroys the pool when it has both.
 */
#include "model/model.h"
#include "runner/test.h"

enum pool_mutant {
    LOOK_FIRST = 1, /* pool_wait() looks at the stack, then says it waits */
    QUIET_LATE,     /* run_posted() tells the waiters, then says it has run */
    POST_ALWAYS,    /* all givers that see WANTED post */
    NO_GIVERS,      /* givers are not counted */
    WEAK_WANT,      /* pool_wait(): wish becomes WANTED: acquire and release */
    WEAK_LOOK,      /*   it looks at the stack: acquire */
    WEAK_PUSH,      /* put_foreign(): the push: acquire and release */
    WEAK_WISH,      /*   it looks at `wish`: acquire */
    RELAXED_PUSH,
    RELAXED_TAKE,
    RELAXED_LEAVE, /* givers--: relaxed */
    RELAXED_AWAIT  /* gyre_pool_destroy() looks at `givers`: relaxed */
};

enum { LOOP, GIVER, GIVER_2, POOL_THREADS };
enum { RETURNED, WISH, GIVERS }; /* places */
enum { POOL, BUFFER_OF };        /* objects; + who */
enum { HAS, POSTED, LATE };      /* v */
enum { QUIET, WANTED, HAS_POSTED };
enum { POST_PORT };

enum loop_pc {
    LOOP_TAKE,    /* take_returned() */
    LOOP_WANT,    /* pool_wait(): wish: QUIET to WANTED */
    LOOP_LOOK,    /*   returned? */
    LOOP_SLEEP,   /* until run_posted() is called */
    LOOP_QUIET,   /*   wish = QUIET */
    LOOP_AWAIT,   /* gyre_pool_destroy(): givers? */
    LOOP_FORGET,  /*   wish == POSTED: loop_forget_work() */
    LOOP_FREE,    /* pool_free() */
    LOOP_TAKE_ALL /* a mutant's run_posted() */
};

static void take(struct state *s, unsigned mutant)
{
    unsigned nodes = swap(s, LOOP, RETURNED, 0,
                          order_in(mutant, RELAXED_TAKE, ACQUIRE, RELAXED));

    for (unsigned who = GIVER; who <= GIVER_2; who++)
        if (nodes >> who & 1) {
            plain_write(s, LOOP, BUFFER_OF + who);
            s->v[HAS]++;
        }
}

static bool loop_wait(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LOOP];
    enum order want = order_in(mutant, WEAK_WANT, SEQ_CST, ACQ_REL);

    switch ((enum loop_pc) * pc) {
    case LOOP_WANT:
        (void)compare_swap(s, LOOP, WISH, QUIET, WANTED, want, RELAXED);
        *pc = mutant == LOOK_FIRST ? LOOP_SLEEP : LOOP_LOOK;
        return true;
    case LOOP_LOOK:
        if (load(s, LOOP, RETURNED,
                 order_in(mutant, WEAK_LOOK, SEQ_CST, ACQUIRE)) != 0)
            *pc = LOOP_TAKE;
        else if (s->v[LATE])
            *pc = LOOP_QUIET;
        else
            *pc = mutant == LOOK_FIRST ? LOOP_WANT : LOOP_SLEEP;
        return true;
    case LOOP_SLEEP:
        if (!s->v[POSTED])
            return false;
        s->v[POSTED] = 0;
        port_in(s, LOOP, POST_PORT);
        *pc = mutant == QUIET_LATE ? LOOP_TAKE_ALL : LOOP_QUIET;
        return true;
    case LOOP_TAKE_ALL:
        take(s, mutant);
        s->v[LATE] = s->v[HAS] != 2;
        *pc = s->v[LATE] ? LOOP_WANT : LOOP_QUIET;
        return true;
    default:
        store(s, LOOP, WISH, QUIET, SEQ_CST);
        *pc = s->v[LATE] ? LOOP_SLEEP : LOOP_TAKE;
        s->v[LATE] = 0;
        return true;
    }
}

static bool loop_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LOOP];

    switch ((enum loop_pc) * pc) {
    case LOOP_TAKE:
        take(s, mutant);
        if (s->v[HAS] == 2)
            *pc = LOOP_AWAIT;
        else
            *pc = mutant == LOOK_FIRST ? LOOP_LOOK : LOOP_WANT;
        return true;
    case LOOP_AWAIT:
        *pc = LOOP_FORGET;
        return load(s, LOOP, GIVERS,
                    order_in(mutant, RELAXED_AWAIT, ACQUIRE, RELAXED)) == 0;
    case LOOP_FORGET:
        if (load(s, LOOP, WISH, SEQ_CST) == HAS_POSTED) {
            must(s->v[POSTED], "what is to be forgotten is not there");
            s->v[POSTED] = 0;
        }
        *pc = LOOP_FREE;
        return true;
    case LOOP_FREE:
        must(!s->v[POSTED], "the pool goes and its work stays");
        object_free(s, LOOP, POOL);
        *pc = DONE;
        return true;
    default:
        return loop_wait(s, mutant);
    }
}

enum giver_pc {
    GIVER_ENTER, /* gyre_pool_put(): givers++ */
    GIVER_PUSH,  /* put_foreign() */
    GIVER_WISH,  /*   wish == WANTED? */
    GIVER_CLAIM, /*   WANTED to POSTED */
    GIVER_POST,  /*   gyre_loop_post() */
    GIVER_LEAVE  /* givers-- */
};

static void giver_push(struct state *s, unsigned who, unsigned mutant)
{
    enum order order = mutant == WEAK_PUSH      ? ACQ_REL
                       : mutant == RELAXED_PUSH ? RELAXED
                                                : SEQ_CST;

    plain_write(s, who, BUFFER_OF + who);
    (void)or_into(s, who, RETURNED, (uint8_t)(1 << who), order);
}

static bool giver_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];

    object_use(s, who, POOL);
    switch ((enum giver_pc) * pc) {
    case GIVER_ENTER:
        if (mutant != NO_GIVERS)
            (void)add(s, who, GIVERS, 1, RELAXED);
        *pc = GIVER_PUSH;
        return true;
    case GIVER_PUSH:
        giver_push(s, who, mutant);
        *pc = GIVER_WISH;
        return true;
    case GIVER_WISH:
        if (load(s, who, WISH, order_in(mutant, WEAK_WISH, SEQ_CST, ACQUIRE)) !=
            WANTED)
            *pc = GIVER_LEAVE;
        else
            *pc = mutant == POST_ALWAYS ? GIVER_POST : GIVER_CLAIM;
        return true;
    case GIVER_CLAIM:
        *pc = compare_swap(s, who, WISH, WANTED, HAS_POSTED, SEQ_CST,
                           SEQ_CST) == WANTED
                  ? GIVER_POST
                  : GIVER_LEAVE;
        return true;
    case GIVER_POST:
        must(!s->v[POSTED], "work is posted twice");
        s->v[POSTED] = 1;
        port_out(s, who, POST_PORT);
        *pc = GIVER_LEAVE;
        return true;
    case GIVER_LEAVE:
        if (mutant != NO_GIVERS)
            (void)add(s, who, GIVERS, -1,
                      order_in(mutant, RELAXED_LEAVE, RELEASE, RELAXED));
        *pc = DONE;
        return true;
    }
    return false;
}

static bool pool_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == LOOP ? loop_step(s, mutant) : giver_step(s, who, mutant);
}

static const char *pool_judge(const struct state *s)
{
    return s->pc[LOOP] != DONE ? "a waiter sleeps and there are buffers" : NULL;
}

TEST(I9_no_interleaving_forgets_who_waits_for_a_buffer)
{
    static const struct model model = { POOL_THREADS, pool_step, pool_judge,
                                        NULL };
    static const struct mutant mutants[] = {
        { LOOK_FIRST, "a waiter sleeps and there are buffers" },
        { QUIET_LATE, "what is to be forgotten is not there" },
        { POST_ALWAYS, "the pool goes and its work stays" },
        { NO_GIVERS, "it is freed while it is in use" },
        { WEAK_WANT, "a waiter sleeps and there are buffers" },
        { WEAK_LOOK, "a waiter sleeps and there are buffers" },
        { WEAK_PUSH, "a waiter sleeps and there are buffers" },
        { WEAK_WISH, "a waiter sleeps and there are buffers" },
        { RELAXED_PUSH, "a write races another access" },
        { RELAXED_TAKE, "a write races another access" },
        { RELAXED_LEAVE, "it is freed while it is in use" },
        { RELAXED_AWAIT, "it is freed while it is in use" },
        { 0, NULL },
    };

    check_model(&model, 1000, mutants);
}
