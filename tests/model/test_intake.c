/* SPDX-License-Identifier: MIT */
/*
 * test_intake.c - the model of src/mem/intake.c: pieces given back by others
 *
 * Two pieces are out, of one page or of two, and two threads give them back.
 * The loop's thread refills what is owed, so that the card may write there
 * again, and destroys the intake when nothing is out.
 */
#include "model/model.h"
#include "runner/test.h"

enum intake_mutant {
    CLEAR_LATE = 1, /* run_posted() refills, then says it has run */
    POST_FIRST,     /* intake_put() posts, then counts and pushes */
    POST_ALWAYS,    /*   it does not look whether work is posted */
    PUSH_ALWAYS,    /*   it pushes a page that is on a list already */
    TAKE_ALL,       /* intake_refill() sets the counter to 0 */
    NO_GIVERS,      /* givers are not counted */
    RELAXED_COUNT,  /* intake_put(): returns[page]++: relaxed */
    RELAXED_PUSH,   /* push_returned(): relaxed */
    RELAXED_TAKE,   /* take_returned(): relaxed */
    RELAXED_REFILL, /* intake_refill() takes the counter down: relaxed */
    RELAXED_LEAVE,  /* givers--: relaxed */
    RELAXED_AWAIT,  /* gyre_intake_destroy() looks at givers: relaxed */
    ENOUGH          /* right: acquire and release throughout */
};

enum { LOOP, GIVER, GIVER_2, GIVER_3, INTAKE_THREADS };
enum { RETURNS_OF, RETURNED = 2, POSTED_NOW, GIVERS }; /* places; + page */
enum { INTAKE, LINK_OF, PAGE_OF = 3 };                 /* objects; + page */
enum { POSTED, OWED, COUNT, ENDS, OUT_OF };            /* v; + page */
enum { POST_PORT };

enum loop_pc {
    LOOP_SLEEP,  /* until run_posted() is called */
    LOOP_CLEAR,  /*   posted_now = 0 */
    LOOP_TAKE,   /* intake_refill(): take_returned() */
    LOOP_COUNT,  /*   returns[page] */
    LOOP_REFILL, /*   refill_page(); the counter is taken down */
    LOOP_TAIL,   /*   *tail = filled */
    LOOP_AWAIT,  /* gyre_intake_destroy(): givers? Then it refills again */
    LOOP_FORGET, /*   posted_now: loop_forget_work() */
    LOOP_FREE,   /*   intake_free() */
    LOOP_LATE    /* a mutant's posted_now = 0 */
};

/* As the code has it, or as little as it needs, or less. */
static enum order order_of(unsigned mutant, unsigned relaxed_by)
{
    if (relaxed_by != 0 && mutant == relaxed_by)
        return RELAXED;
    return mutant == ENOUGH ? ACQ_REL : SEQ_CST;
}

static bool nothing_out(const struct state *s)
{
    return s->v[OUT_OF] == 0 && s->v[OUT_OF + 1] == 0;
}

/* The page at the front of what is owed. */
static unsigned owed_page(const struct state *s)
{
    return (s->v[OWED] & 1) != 0 ? 0 : 1;
}

static void take_returned(struct state *s, unsigned mutant)
{
    unsigned pages = swap(s, LOOP, RETURNED, 0, order_of(mutant, RELAXED_TAKE));

    for (unsigned page = 0; page < 2; page++)
        if ((pages >> page & 1) != 0)
            plain_write(s, LOOP, LINK_OF + page);
    s->v[OWED] |= (uint8_t)pages;
    s->pc[LOOP] = LOOP_COUNT;
}

static void refilled(struct state *s, unsigned mutant)
{
    if (s->v[ENDS])
        s->pc[LOOP] = LOOP_FORGET;
    else if (mutant == CLEAR_LATE)
        s->pc[LOOP] = LOOP_LATE;
    else
        s->pc[LOOP] = nothing_out(s) ? LOOP_AWAIT : LOOP_SLEEP;
}

static void count_page(struct state *s, unsigned mutant)
{
    unsigned page = owed_page(s);

    if (s->v[OWED] == 0) {
        refilled(s, mutant);
        return;
    }
    plain_read(s, LOOP, LINK_OF + page);
    s->v[COUNT] = load(s, LOOP, RETURNS_OF + page, order_of(mutant, 0));
    s->pc[LOOP] = LOOP_REFILL;
}

static void refill_page(struct state *s, unsigned mutant)
{
    unsigned page = owed_page(s);
    uint8_t count = s->v[COUNT];
    enum order order = order_of(mutant, RELAXED_REFILL);
    uint8_t was = mutant == TAKE_ALL
                      ? swap(s, LOOP, RETURNS_OF + page, 0, order)
                      : add(s, LOOP, RETURNS_OF + page, -count, order);

    must(s->v[OUT_OF + page] >= count, "a piece was given back twice");
    s->v[OUT_OF + page] -= count;
    if (was == count || mutant == TAKE_ALL)
        s->v[OWED] &= (uint8_t) ~(1U << page);
    else
        plain_write(s, LOOP, LINK_OF + page);
    s->v[COUNT] = (uint8_t)page;
    s->pc[LOOP] = LOOP_TAIL;
}

static bool loop_end(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LOOP];

    switch ((enum loop_pc) * pc) {
    case LOOP_AWAIT:
        s->v[ENDS] = 1;
        *pc = LOOP_TAKE;
        return load(s, LOOP, GIVERS, order_of(mutant, RELAXED_AWAIT)) == 0;
    case LOOP_FORGET:
        if (load(s, LOOP, POSTED_NOW, order_of(mutant, 0)) != 0) {
            must(s->v[POSTED], "what is to be forgotten is not there");
            s->v[POSTED] = 0;
        }
        *pc = LOOP_FREE;
        return true;
    default:
        must(!s->v[POSTED], "the intake goes and its work stays");
        object_free(s, LOOP, INTAKE);
        *pc = DONE;
        return true;
    }
}

static bool loop_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LOOP];

    switch ((enum loop_pc) * pc) {
    case LOOP_SLEEP:
        if (!s->v[POSTED])
            return false;
        s->v[POSTED] = 0;
        port_in(s, LOOP, POST_PORT);
        *pc = mutant == CLEAR_LATE ? LOOP_TAKE : LOOP_CLEAR;
        return true;
    case LOOP_CLEAR:
    case LOOP_LATE:
        store(s, LOOP, POSTED_NOW, 0, order_of(mutant, 0));
        if (*pc == LOOP_CLEAR)
            *pc = LOOP_TAKE;
        else
            *pc = nothing_out(s) ? LOOP_AWAIT : LOOP_SLEEP;
        return true;
    case LOOP_TAKE:
        take_returned(s, mutant);
        return true;
    case LOOP_COUNT:
        count_page(s, mutant);
        return true;
    case LOOP_REFILL:
        refill_page(s, mutant);
        return true;
    case LOOP_TAIL: /* the card may write when all of a page is back */
        if (s->v[OUT_OF + s->v[COUNT]] == 0)
            plain_write(s, LOOP, PAGE_OF + s->v[COUNT]);
        *pc = LOOP_COUNT;
        return true;
    default:
        return loop_end(s, mutant);
    }
}

enum giver_pc {
    GIVER_ENTER, /* intake_put(): givers++ */
    GIVER_COUNT, /*   returns[page]++ */
    GIVER_PUSH,  /*   push_returned() */
    GIVER_POST,  /*   posted_now = 1 */
    GIVER_WORK,  /*   gyre_loop_post() */
    GIVER_LEAVE  /*   givers-- */
};

static bool giver_count(struct state *s, unsigned who, unsigned mutant)
{
    unsigned page = who == GIVER_3;
    enum order order = order_of(mutant, RELAXED_COUNT);
    bool first = add(s, who, RETURNS_OF + page, 1, order) == 0;

    if (first || mutant == PUSH_ALWAYS)
        s->pc[who] = GIVER_PUSH;
    else
        s->pc[who] = mutant == POST_FIRST ? GIVER_LEAVE : GIVER_POST;
    return true;
}

static bool giver_push(struct state *s, unsigned who, unsigned mutant)
{
    unsigned page = who == GIVER_3;

    plain_write(s, who, LINK_OF + page);
    (void)or_into(s, who, RETURNED, (uint8_t)(1U << page),
                  order_of(mutant, RELAXED_PUSH));
    s->pc[who] = mutant == POST_FIRST ? GIVER_LEAVE : GIVER_POST;
    return true;
}

static bool giver_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t posted = mutant == POST_FIRST ? GIVER_COUNT : GIVER_LEAVE;
    uint8_t *pc = &s->pc[who];

    object_use(s, who, INTAKE);
    switch ((enum giver_pc) * pc) {
    case GIVER_ENTER:
        plain_read(s, who, PAGE_OF + (who == GIVER_3)); /* the slice */
        if (mutant != NO_GIVERS)
            (void)add(s, who, GIVERS, 1, order_of(mutant, 0));
        *pc = mutant == POST_FIRST ? GIVER_POST : GIVER_COUNT;
        return true;
    case GIVER_COUNT:
        return giver_count(s, who, mutant);
    case GIVER_PUSH:
        return giver_push(s, who, mutant);
    case GIVER_POST:
        *pc = swap(s, who, POSTED_NOW, 1, order_of(mutant, 0)) == 0 ||
                      mutant == POST_ALWAYS
                  ? GIVER_WORK
                  : posted;
        return true;
    case GIVER_WORK:
        must(!s->v[POSTED], "work is posted twice");
        s->v[POSTED] = 1;
        port_out(s, who, POST_PORT);
        *pc = posted;
        return true;
    default:
        if (mutant != NO_GIVERS)
            (void)add(s, who, GIVERS, -1, order_of(mutant, RELAXED_LEAVE));
        *pc = DONE;
        return true;
    }
}

static bool intake_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == LOOP ? loop_step(s, mutant) : giver_step(s, who, mutant);
}

static const char *intake_judge(const struct state *s)
{
    return s->pc[LOOP] == DONE ? NULL : "a piece that came back is forgotten";
}

static void one_of_each_out(struct state *s)
{
    s->v[OUT_OF] = s->v[OUT_OF + 1] = 1;
    s->pc[GIVER_2] = DONE;
}

static void one_page_out(struct state *s)
{
    s->v[OUT_OF] = 2;
    s->pc[GIVER_3] = DONE;
}

TEST(I11_no_interleaving_forgets_a_piece_that_came_back)
{
    static const struct model of_two_pages = { INTAKE_THREADS, intake_step,
                                               intake_judge, one_of_each_out };
    static const struct model of_one_page = { INTAKE_THREADS, intake_step,
                                              intake_judge, one_page_out };
    static const char lost[] = "a piece that came back is forgotten";
    static const char races[] = "a write races another access";
    static const char freed[] = "it is freed while it is in use";
    static const struct mutant mutants[] = {
        { CLEAR_LATE, lost },
        { POST_FIRST, lost },
        { POST_ALWAYS, "work is posted twice" },
        { PUSH_ALWAYS, races },
        { TAKE_ALL, lost },
        { NO_GIVERS, freed },
        { RELAXED_COUNT, races },
        { RELAXED_PUSH, races },
        { RELAXED_TAKE, races },
        { RELAXED_REFILL, races },
        { RELAXED_LEAVE, freed },
        { RELAXED_AWAIT, freed },
        { 0, NULL },
    };
    static const struct mutant of_two[] = { { CLEAR_LATE, lost },
                                            { RELAXED_PUSH, races },
                                            { 0, NULL } };
    unsigned states;

    check_model(&of_one_page, 500, mutants);
    check_model(&of_two_pages, 500, of_two);
    CHECK(walk(&of_one_page, ENOUGH, &states) == NULL);
    CHECK(walk(&of_two_pages, ENOUGH, &states) == NULL);
}
