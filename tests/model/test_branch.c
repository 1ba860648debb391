/* SPDX-License-Identifier: MIT */
/*
 * test_branch.c - the model of src/task/branch.c: a task on another engine
 *
 * A, whose scope it is, sends a task to B or lets B take it, and has two wishes
 * while it is away (a cancel, an earlier deadline), the last of which ends it.
 * It may end before, by itself. When it has come home A frees the branch.
 *
 * What must hold (I13): the last wish is seen or the task has ended, it comes
 * home exactly once, and nobody touches the branch after that.
 */
#include "model/model.h"
#include "runner/test.h"

enum branch_mutant {
    WISH_LATE = 1, /* A sets DOWN, then writes the wish */
    CLEAR_LATE,    /* B looks at the wishes, then takes DOWN away */
    POST_UNPLACED, /* A posts to where it may not be */
    POST_ENDED,    /* A posts to a task that has ended */
    POST_TWICE,    /* A posts though DOWN was set */
    UP_AT_ONCE,    /* B sends `up` though a `down` is on its way */
    UP_NEVER,      /* the `down` that finds the end does not send it */
    TELL_ACQUIRE,  /* branch_tell(): no release */
    TELL_RELEASE,  /* branch_tell(): no acquire */
    PLACE_ACQUIRE, /* branch_place(): no release */
    CLEAR_RELEASE  /* DOWN is taken away: no acquire */
};

enum { A, B, BRANCH_THREADS };
enum { STATE, WISH };                           /* places */
enum { BRANCH, AT };                            /* objects */
enum { ARRIVE, DOWN, UP, OBEYED, WISHES, HOW }; /* v */
enum { TO_B, TO_A };                            /* ports */
enum { IS_PLACED = 1, IS_DOWN = 2, IS_ENDED = 4 };
enum { SENT = 1, ENDS = 2 }; /* how: to B by name; it ends by itself */
enum { LAST_WISH = 2 };

/* ---- A ------------------------------------------------------------------- */

enum a_pc {
    A_MAKE,   /* branch_make() */
    A_SEND,   /* branch_send(): offered, or sent: then it is PLACED */
    A_LISTEN, /* has it come home? Then, or meanwhile, … */
    A_WISH,   /* branch_cancel(): wish_cancel = reason */
    A_TELL,   /*   branch_tell(): state |= DOWN */
    A_POST,   /*   the `down` */
    A_LATE,   /* a mutant's wish */
    A_HOME    /* branch_home() */
};

static void a_tell(struct state *s, unsigned mutant)
{
    enum order order = mutant == TELL_ACQUIRE   ? ACQUIRE
                       : mutant == TELL_RELEASE ? RELEASE
                                                : ACQ_REL;
    unsigned before = or_into(s, A, STATE, IS_DOWN, order);

    if (mutant == POST_UNPLACED)
        before |= IS_PLACED;
    if (mutant == POST_ENDED)
        before &= ~(unsigned)IS_ENDED;
    if (mutant == POST_TWICE)
        before &= ~(unsigned)IS_DOWN;
    s->pc[A] = before == IS_PLACED   ? A_POST
               : mutant == WISH_LATE ? A_LATE
                                     : A_LISTEN;
}

static bool a_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[A];

    switch ((enum a_pc) * pc) {
    case A_MAKE:
        s->v[HOW] = (uint8_t)choose(4);
        plain_write(s, A, BRANCH);
        *pc = A_SEND;
        return true;
    case A_SEND:
        if (s->v[HOW] & SENT) {
            plain_write(s, A, AT);
            store(s, A, STATE, IS_PLACED, RELAXED); /* atomic_init() */
        }
        s->v[ARRIVE] = 1;
        port_out(s, A, TO_B);
        *pc = A_LISTEN;
        return true;
    case A_LISTEN:
        if (!s->v[UP] && s->v[WISHES] == LAST_WISH)
            return false;
        if (s->v[UP] && (s->v[WISHES] == LAST_WISH || choose(2) == 0))
            *pc = A_HOME;
        else
            *pc = mutant == WISH_LATE ? A_TELL : A_WISH;
        return true;
    case A_WISH:
        store(s, A, WISH, ++s->v[WISHES], RELAXED);
        *pc = A_TELL;
        return true;
    case A_TELL:
        a_tell(s, mutant);
        return true;
    case A_POST:
        plain_read(s, A, AT);
        must(!s->v[DOWN], "`down` is posted twice");
        s->v[DOWN] = 1;
        port_out(s, A, TO_B);
        *pc = mutant == WISH_LATE ? A_LATE : A_LISTEN;
        return true;
    case A_LATE:
        store(s, A, WISH, ++s->v[WISHES], RELAXED);
        *pc = A_LISTEN;
        return true;
    case A_HOME:
        port_in(s, A, TO_A);
        object_free(s, A, BRANCH);
        *pc = DONE;
        return true;
    }
    return false;
}

/* ---- B ------------------------------------------------------------------- */

enum b_pc {
    B_ARRIVE,     /* branch_arrive() */
    B_PLACE,      /* branch_place(): state |= PLACED */
    B_CLEAR,      /*   state &= ~DOWN */
    B_OBEY,       /* part_obey() */
    B_OBEY_FIRST, /* … by a mutant */
    B_RUN,        /* the task runs, and B's loop */
    B_WISHED,     /* branch_wished(): state &= ~DOWN */
    B_END,        /* branch_end(): state |= ENDED */
    B_UP,         /* branch_go_home() */
    B_AFTER       /* B's loop goes on */
};

static bool b_arrive(struct state *s)
{
    if (!s->v[ARRIVE])
        return false;
    port_in(s, B, TO_B);
    if (s->v[HOW] & SENT)
        plain_read(s, B, AT);
    else
        plain_write(s, B, AT); /* who takes it writes where it is */
    s->pc[B] = s->v[HOW] & SENT ? B_OBEY : B_PLACE;
    return true;
}

static void b_place(struct state *s, unsigned mutant)
{
    unsigned before =
        or_into(s, B, STATE, IS_PLACED,
                order_in(mutant, PLACE_ACQUIRE, ACQ_REL, ACQUIRE));

    if ((before & IS_DOWN) == 0)
        s->pc[B] = B_OBEY;
    else
        s->pc[B] = mutant == CLEAR_LATE ? B_OBEY_FIRST : B_CLEAR;
}

/* The last wish ends it; or it ends by itself. */
static bool b_run(struct state *s, unsigned mutant)
{
    bool told = s->v[DOWN];
    bool over = s->v[OBEYED] == LAST_WISH || s->v[HOW] & ENDS;

    if (!told && !over)
        return false;
    if (told && (!over || choose(2) == 0))
        s->pc[B] = mutant == CLEAR_LATE ? B_OBEY_FIRST : B_WISHED;
    else
        s->pc[B] = B_END;
    return true;
}

static void b_wished(struct state *s, unsigned mutant)
{
    unsigned before;

    port_in(s, B, TO_B);
    s->v[DOWN] = 0;
    before = and_into(s, B, STATE, (uint8_t)~IS_DOWN,
                      order_in(mutant, CLEAR_RELEASE, ACQ_REL, RELEASE));
    if (before & IS_ENDED)
        s->pc[B] = mutant == UP_NEVER ? B_AFTER : B_UP;
    else
        s->pc[B] = mutant == CLEAR_LATE ? B_RUN : B_OBEY;
}

static void b_end(struct state *s, unsigned mutant)
{
    unsigned before = or_into(s, B, STATE, IS_ENDED, ACQ_REL);

    s->pc[B] = (before & IS_DOWN) == 0 || mutant == UP_AT_ONCE ? B_UP : B_AFTER;
}

static void b_up(struct state *s)
{
    must(!s->v[UP], "it comes home twice");
    s->v[UP] = 1;
    port_out(s, B, TO_A);
    s->pc[B] = B_AFTER;
}

/* Also: where to go on when that is done. */
static void b_obey(struct state *s, uint8_t next)
{
    s->v[OBEYED] = load(s, B, WISH, RELAXED);
    s->pc[B] = next;
}

static bool b_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[B];

    if (*pc == B_ARRIVE)
        return b_arrive(s);
    if (*pc == B_RUN)
        return b_run(s, mutant);
    if (*pc == B_AFTER) {
        *pc = B_WISHED;
        return s->v[DOWN];
    }
    object_use(s, B, BRANCH);
    switch ((enum b_pc) * pc) {
    case B_PLACE:
        b_place(s, mutant);
        return true;
    case B_CLEAR:
        (void)and_into(s, B, STATE, (uint8_t)~IS_DOWN,
                       order_in(mutant, CLEAR_RELEASE, ACQ_REL, RELEASE));
        *pc = mutant == CLEAR_LATE ? B_RUN : B_OBEY;
        return true;
    case B_OBEY:
        b_obey(s, B_RUN);
        return true;
    case B_OBEY_FIRST:
        b_obey(s, s->v[DOWN] ? B_WISHED : B_CLEAR);
        return true;
    case B_WISHED:
        b_wished(s, mutant);
        return true;
    case B_END:
        b_end(s, mutant);
        return true;
    default:
        b_up(s);
        return true;
    }
}

static bool branch_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == A ? a_step(s, mutant) : b_step(s, mutant);
}

static const char *branch_judge(const struct state *s)
{
    if (s->pc[A] == DONE)
        return NULL;
    return s->pc[B] == B_RUN ? "a wish is lost" : "it never comes home";
}

/* I13 */
TEST(G10_no_interleaving_loses_a_wish_or_the_way_home)
{
    static const struct model model = { BRANCH_THREADS, branch_step,
                                        branch_judge, NULL };
    static const struct mutant mutants[] = {
        { WISH_LATE, "a wish is lost" },
        { CLEAR_LATE, "a wish is lost" },
        { POST_UNPLACED, "a read races a write" },
        { POST_ENDED, "it comes home twice" },
        { POST_TWICE, "`down` is posted twice" },
        { UP_AT_ONCE, "it comes home twice" },
        { UP_NEVER, "it never comes home" },
        { TELL_ACQUIRE, "a wish is lost" },
        { TELL_RELEASE, "a read races a write" },
        { PLACE_ACQUIRE, "a read races a write" },
        { CLEAR_RELEASE, "a wish is lost" },
        { 0, NULL },
    };

    check_model(&model, 200, mutants);
}
