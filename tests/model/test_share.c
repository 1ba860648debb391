/* SPDX-License-Identifier: MIT */
/*
 * test_share.c - the model of src/loop/share.c: others submit to a loop whose
 * owner sleeps
 *
 * Two threads start an op each (gyre_op_start_remote()). If the owner sleeps it
 * goes into the queue at once, which may not take it; else it is handed over as
 * in test_wake.c. Nobody touches the loop's books beside another, and when
 * nothing moves every op has ended.
 */
#include "model/model.h"
#include "runner/test.h"

enum share_mutant {
    OPEN_EARLY = 1, /* enter_shared() opens, then submits what is its own */
    CLOSE_LATE,     /* the owner dispatches, then closes */
    LOOK_UNLOCKED,  /* share_start() looks at `open`, then takes the lock */
    LEFT_ALONE,     /* what the queue did not take wakes nobody */
    NO_RECHECK,     /* the owner sleeps without looking at the stack again */
    WEAK_LOOK,      /* loop_has_posted(): acquire */
    WEAK_ROUSE,     /* loop_rouse() looks at `sleeping`: acquire */
    RELAXED_PUSH,   /* gyre_op_start_remote(): the push: relaxed */
    RELAXED_TAKE    /* loop_take_posted(): relaxed */
};

enum { OWNER, STARTER, STARTER_2, SHARE_THREADS };
enum { REMOTE, SLEEPING }; /* places */
enum { BOOKS, OP_OF = 0 }; /* objects; + who */
enum { LOCK, OPEN, BACKLOG, FLYING, ENDED, WOKEN, SAW_OPEN }; /* v; + who */
enum { LOCK_PORT, KERNEL_PORT };

enum owner_pc {
    OWNER_TAKE,     /* loop_take_posted() */
    OWNER_ANNOUNCE, /* loop_may_sleep(): sleeping = true */
    OWNER_LOOK,     /*   loop_has_posted() */
    OWNER_SUBMIT,   /* enter_shared(): what is its own */
    OWNER_OPEN,     /*   share_open(): the lock; open = true */
    OWNER_OPENED,   /*     the lock is given back */
    OWNER_LATE,     /*   a mutant's submit */
    OWNER_ENTER,    /*   enter() */
    OWNER_CLOSE,    /*   share_close(): the lock; open = false */
    OWNER_CLOSED,   /*     the lock is given back */
    OWNER_SLEPT,    /* loop_slept() */
    OWNER_DISPATCH, /* loop_dispatch(): ops have ended */
    OWNER_EARLY     /* a mutant's dispatch */
};

/* Of the ops: they are on the owner's list now, or have ended. */
static void use_ops(struct state *s, uint8_t ops)
{
    plain_write(s, OWNER, BOOKS);
    for (unsigned who = STARTER; who < SHARE_THREADS; who++)
        if ((ops >> who & 1) != 0)
            plain_write(s, OWNER, OP_OF + who);
}

static void owner_submits(struct state *s)
{
    plain_write(s, OWNER, BOOKS);
    s->v[FLYING] |= s->v[BACKLOG];
    s->v[BACKLOG] = 0;
}

static void owner_dispatches(struct state *s)
{
    use_ops(s, s->v[FLYING]);
    s->v[ENDED] |= s->v[FLYING];
    s->v[FLYING] = 0;
}

static bool owner_opens(struct state *s, bool open)
{
    if (!lock(s, OWNER, LOCK, LOCK_PORT))
        return false;
    s->v[OPEN] = open;
    s->pc[OWNER]++;
    return true;
}

/* Linux wakes it for what has ended, too: all that flies, here. */
static bool owner_sleeps(struct state *s, unsigned mutant)
{
    if (!s->v[WOKEN] && s->v[FLYING] == 0)
        return false;
    s->v[WOKEN] = 0;
    port_in(s, OWNER, KERNEL_PORT);
    s->pc[OWNER] = mutant == CLOSE_LATE ? OWNER_EARLY : OWNER_CLOSE;
    return true;
}

static bool owner_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[OWNER];
    uint8_t ops;

    switch ((enum owner_pc) * pc) {
    case OWNER_TAKE:
        ops = swap(s, OWNER, REMOTE, 0,
                   order_in(mutant, RELAXED_TAKE, ACQUIRE, RELAXED));
        use_ops(s, ops);
        s->v[BACKLOG] |= ops;
        *pc = OWNER_ANNOUNCE;
        return true;
    case OWNER_ANNOUNCE:
        store(s, OWNER, SLEEPING, 1, SEQ_CST);
        *pc = mutant == NO_RECHECK ? OWNER_SUBMIT : OWNER_LOOK;
        return true;
    case OWNER_LOOK:
        *pc = load(s, OWNER, REMOTE,
                   order_in(mutant, WEAK_LOOK, SEQ_CST, ACQUIRE)) != 0
                  ? OWNER_SLEPT
                  : OWNER_SUBMIT;
        return true;
    case OWNER_SUBMIT:
    case OWNER_LATE:
        if (mutant != OPEN_EARLY || *pc == OWNER_LATE)
            owner_submits(s);
        if (*pc == OWNER_LATE)
            *pc = OWNER_ENTER;
        else /* what has ended is dispatched first */
            *pc = s->v[FLYING] != 0 ? OWNER_SLEPT : OWNER_OPEN;
        return true;
    case OWNER_OPEN:
    case OWNER_CLOSE:
        return owner_opens(s, *pc == OWNER_OPEN);
    case OWNER_OPENED:
    case OWNER_CLOSED:
        unlock(s, OWNER, LOCK, LOCK_PORT);
        if (*pc == OWNER_CLOSED)
            *pc = OWNER_SLEPT;
        else
            *pc = mutant == OPEN_EARLY ? OWNER_LATE : OWNER_ENTER;
        return true;
    case OWNER_ENTER:
        return owner_sleeps(s, mutant);
    case OWNER_SLEPT:
        store(s, OWNER, SLEEPING, 0, RELAXED);
        *pc = OWNER_DISPATCH;
        return true;
    default:
        owner_dispatches(s);
        *pc = *pc == OWNER_EARLY ? OWNER_CLOSE : OWNER_TAKE;
        return true;
    }
}

enum starter_pc {
    STARTER_LOCK,   /* share_start(): the lock */
    STARTER_LOOK,   /*   may_submit() */
    STARTER_SUBMIT, /*   loop_enqueue(), loop_flush(), submit() */
    STARTER_UNLOCK, /*   the lock is given back */
    STARTER_PUSH,   /* gyre_op_start_remote(): the push */
    STARTER_ROUSE,  /*   loop_rouse(): sleeping? */
    STARTER_SWAP,   /*     exchange(sleeping, false) */
    STARTER_WAKE,   /*     kernel->wake() */
    STARTER_BEFORE, /* a mutant's look */
    STARTER_THEN    /*   and lock */
};

static bool starter_shares(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];
    uint8_t *open = &s->v[SAW_OPEN + who];

    switch ((enum starter_pc) * pc) {
    case STARTER_BEFORE:
        *open = s->v[OPEN];
        *pc = STARTER_THEN;
        return true;
    case STARTER_THEN:
        *pc = *open ? STARTER_SUBMIT : STARTER_UNLOCK;
        return lock(s, who, LOCK, LOCK_PORT);
    case STARTER_LOCK:
        *pc = STARTER_LOOK;
        return lock(s, who, LOCK, LOCK_PORT);
    case STARTER_LOOK:
        *open = s->v[OPEN];
        if (*open)
            plain_read(s, who, BOOKS);
        *open = *open && s->v[BACKLOG] == 0;
        *pc = *open ? STARTER_SUBMIT : STARTER_UNLOCK;
        return true;
    case STARTER_SUBMIT:
        plain_write(s, who, BOOKS);
        if (choose(2) == 0) {
            s->v[FLYING] |= (uint8_t)(1U << who);
        } else {
            s->v[BACKLOG] |= (uint8_t)(1U << who);
            *open = 2;
        }
        *pc = STARTER_UNLOCK;
        return true;
    default:
        unlock(s, who, LOCK, LOCK_PORT);
        if (*open == 2)
            *pc = mutant == LEFT_ALONE ? DONE : STARTER_WAKE;
        else
            *pc = *open ? DONE : STARTER_PUSH;
        return true;
    }
}

static bool starter_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];

    if (*pc == STARTER_LOCK)
        plain_write(s, who, OP_OF + who);
    if (*pc == STARTER_LOCK && mutant == LOOK_UNLOCKED)
        *pc = STARTER_BEFORE;
    switch ((enum starter_pc) * pc) {
    case STARTER_PUSH:
        (void)or_into(s, who, REMOTE, (uint8_t)(1U << who),
                      order_in(mutant, RELAXED_PUSH, SEQ_CST, RELAXED));
        *pc = STARTER_ROUSE;
        return true;
    case STARTER_ROUSE:
        *pc = load(s, who, SLEEPING,
                   order_in(mutant, WEAK_ROUSE, SEQ_CST, ACQUIRE))
                  ? STARTER_SWAP
                  : DONE;
        return true;
    case STARTER_SWAP:
        *pc = swap(s, who, SLEEPING, 0, SEQ_CST) ? STARTER_WAKE : DONE;
        return true;
    case STARTER_WAKE:
        s->v[WOKEN] = 1;
        port_out(s, who, KERNEL_PORT);
        *pc = DONE;
        return true;
    default:
        return starter_shares(s, who, mutant);
    }
}

static bool share_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == OWNER ? owner_step(s, mutant) : starter_step(s, who, mutant);
}

static const char *share_judge(const struct state *s)
{
    return s->v[ENDED] == (1U << STARTER | 1U << STARTER_2)
               ? NULL
               : "the owner sleeps on an op";
}

TEST(A21_H9_no_interleaving_loses_an_op_or_shares_the_books)
{
    static const struct model model = { SHARE_THREADS, share_step, share_judge,
                                        NULL };
    static const char lost[] = "the owner sleeps on an op";
    static const char races[] = "a write races another access";
    static const struct mutant mutants[] = {
        { OPEN_EARLY, races },    { CLOSE_LATE, races },
        { LOOK_UNLOCKED, races }, { LEFT_ALONE, lost },
        { NO_RECHECK, lost },     { WEAK_LOOK, lost },
        { WEAK_ROUSE, lost },     { RELAXED_PUSH, races },
        { RELAXED_TAKE, races },  { 0, NULL },
    };

    check_model(&model, 500, mutants);
}
