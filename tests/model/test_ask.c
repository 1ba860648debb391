/* SPDX-License-Identifier: MIT */
/*
 * test_ask.c - the models of src/task/ask.c and src/task/wish.c: what who is
 * elsewhere wants of a loop
 *
 * The ask. He asks, waits, and may be cancelled once meanwhile; the loop
 * answers by and by, or when he leaves. What must hold: he is woken exactly
 * once, and nobody touches his frame after that (I8).
 *
 * The wish. One thread writes a deadline and wishes it, another wishes a
 * cancel; when both have returned, the owner closes the scope. What must hold:
 * it has seen both, a post is under way at most once, and none is when the
 * scope goes.
 */
#include "model/model.h"
#include "runner/test.h"

/* ---- ask.c --------------------------------------------------------------- */

enum ask_mutant {
    LEAVE_ANYWAY = 1, /* he posts `leaving` though the answer was there */
    WAKE_AT_ONCE,     /* the answer wakes him though `leaving` is on its way */
    WAKE_NEVER,       /* the `leaving` that finds the answer does not */
    KEEP_LEAVES,      /* LEAVES is not taken away before `withdraw` */
    WAKE_EARLY        /* he is woken before the result is set */
};

enum { HE, LOOP, ASK_THREADS };
enum { STATE };
enum { ASK };
enum { WORK, LEAVING, WOKEN, CANCELLED, ANSWERED }; /* v */
enum { TO_LOOP, TO_HIM };
enum { IS_LEAVING = 1, IS_ANSWERED = 2 };

enum he_pc {
    H_ASK,    /* ask_and_wait(): the ask is filled */
    H_POST,   /*   and posted */
    H_WAIT,   /* until woken; may be cancelled */
    H_CANCEL, /* ask_cancel(): state |= LEAVES */
    H_LEAVE,  /*   post `leaving` */
    H_END     /* the frame goes */
};

static bool he_waits(struct state *s)
{
    if (s->v[WOKEN] && (s->v[CANCELLED] || choose(2) == 0)) {
        s->pc[HE] = H_END;
        return true;
    }
    if (s->v[CANCELLED])
        return false;
    s->v[CANCELLED] = 1;
    s->pc[HE] = H_CANCEL;
    return true;
}

static bool he_step(struct state *s, unsigned mutant)
{
    switch ((enum he_pc)s->pc[HE]) {
    case H_ASK:
        plain_write(s, HE, ASK);
        s->pc[HE] = H_POST;
        return true;
    case H_POST:
        s->v[WORK] = 1;
        port_out(s, HE, TO_LOOP);
        s->pc[HE] = H_WAIT;
        return true;
    case H_WAIT:
        return he_waits(s);
    case H_CANCEL:
        s->pc[HE] =
            (or_into(s, HE, STATE, IS_LEAVING, ACQ_REL) & IS_ANSWERED) == 0 ||
                    mutant == LEAVE_ANYWAY
                ? H_LEAVE
                : H_WAIT;
        return true;
    case H_LEAVE:
        s->v[LEAVING] = 1;
        port_out(s, HE, TO_LOOP);
        s->pc[HE] = H_WAIT;
        return true;
    case H_END:
        port_in(s, HE, TO_HIM);
        plain_read(s, HE, ASK);
        object_free(s, HE, ASK);
        s->pc[HE] = DONE;
        return true;
    }
    return false;
}

enum loop_pc {
    L_LISTEN,
    L_RESULT, /* ask_answer(): the result */
    L_ANSWER, /*   state |= ANSWERED */
    L_WAKE,   /*   ask_wake() */
    L_LEFT,   /* ask_has_left(): state &= ~LEAVES */
    L_BEGIN
};

static bool loop_listens(struct state *s)
{
    bool begun = s->v[WORK] == 2;

    if (s->v[WORK] == 1)
        s->pc[LOOP] = L_BEGIN;
    else if (s->v[LEAVING] && (s->v[ANSWERED] || choose(2) == 0))
        s->pc[LOOP] = L_LEFT;
    else if (begun && !s->v[ANSWERED])
        s->pc[LOOP] = L_RESULT;
    else
        return false;
    return true;
}

static void loop_left(struct state *s, unsigned mutant)
{
    unsigned keep = mutant == KEEP_LEAVES ? 0xff : (uint8_t)~IS_LEAVING;
    unsigned before;

    port_in(s, LOOP, TO_LOOP);
    object_use(s, LOOP, ASK);
    s->v[LEAVING] = 0;
    before = and_into(s, LOOP, STATE, (uint8_t)keep, ACQ_REL);
    if ((before & IS_ANSWERED) == 0)
        s->pc[LOOP] = L_RESULT;
    else
        s->pc[LOOP] = mutant == WAKE_NEVER ? L_LISTEN : L_WAKE;
}

static bool loop_step(struct state *s, unsigned mutant)
{
    unsigned before;

    switch ((enum loop_pc)s->pc[LOOP]) {
    case L_LISTEN:
        return loop_listens(s);
    case L_BEGIN:
        port_in(s, LOOP, TO_LOOP);
        plain_read(s, LOOP, ASK);
        s->v[WORK] = 2;
        s->pc[LOOP] = L_LISTEN;
        return true;
    case L_RESULT:
        s->v[ANSWERED] = 1;
        if (mutant == WAKE_EARLY) {
            s->v[WOKEN] = 1;
            port_out(s, LOOP, TO_HIM);
        }
        plain_write(s, LOOP, ASK);
        s->pc[LOOP] = L_ANSWER;
        return true;
    case L_ANSWER:
        object_use(s, LOOP, ASK);
        before = or_into(s, LOOP, STATE, IS_ANSWERED, ACQ_REL);
        s->pc[LOOP] = (before & IS_LEAVING) == 0 || mutant == WAKE_AT_ONCE
                          ? L_WAKE
                          : L_LISTEN;
        return true;
    case L_WAKE:
        must(!s->v[WOKEN] || mutant == WAKE_EARLY, "he is woken twice");
        s->v[WOKEN] = 1;
        port_out(s, LOOP, TO_HIM);
        s->pc[LOOP] = L_LISTEN;
        return true;
    case L_LEFT:
        loop_left(s, mutant);
        return true;
    }
    return false;
}

static bool ask_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == HE ? he_step(s, mutant) : loop_step(s, mutant);
}

static const char *ask_judge(const struct state *s)
{
    return s->pc[HE] == DONE ? NULL : "he is never woken";
}

/* I8 */
TEST(R9_who_asks_is_woken_once_and_his_frame_is_his)
{
    static const struct model model = { ASK_THREADS, ask_step, ask_judge,
                                        NULL };
    static const struct mutant mutants[] = {
        { LEAVE_ANYWAY, "he is woken twice" },
        { WAKE_AT_ONCE, "he is woken twice" },
        { WAKE_NEVER, "he is never woken" },
        { KEEP_LEAVES, "he is never woken" },
        { WAKE_EARLY, "a read races a write" },
        { 0, NULL },
    };

    check_model(&model, 40, mutants);
}

/* ---- wish.c -------------------------------------------------------------- */

enum wish_mutant {
    POST_ALWAYS = 1, /* also if something was wished */
    TAKE_LATE,       /* done first, then set to 0 */
    CLOSE_AT_ONCE,   /* the close does not look at the word */
    ADD_RELEASE,     /* no acquire */
    ADD_ACQUIRE,     /* no release */
    TAKE_RELEASE,
    TAKE_ACQUIRE
};

enum { DEADLINE_BY, CANCEL_BY, OWNER, WISH_THREADS };
enum { WISHES, DEADLINE };               /* places */
enum { NODE, SCOPE };                    /* objects */
enum { POSTED, RETURNED, TAKEN, HEARD }; /* v */
enum { TO_OWNER, BACK };                 /* ports */

enum wisher_pc { W_VALUE, W_ADD, W_POST, W_RETURN };

static void wish_add(struct state *s, unsigned who, unsigned mutant)
{
    enum order order = mutant == ADD_RELEASE   ? RELEASE
                       : mutant == ADD_ACQUIRE ? ACQUIRE
                                               : ACQ_REL;
    unsigned before;

    object_use(s, who, SCOPE);
    before = or_into(s, who, WISHES, (uint8_t)(1 << who), order);
    s->pc[who] = before == 0 || mutant == POST_ALWAYS ? W_POST : W_RETURN;
}

static bool wisher_step(struct state *s, unsigned who, unsigned mutant)
{
    switch ((enum wisher_pc)s->pc[who]) {
    case W_VALUE:
        if (who == DEADLINE_BY)
            store(s, who, DEADLINE, 1, RELAXED);
        s->pc[who] = W_ADD;
        return true;
    case W_ADD:
        wish_add(s, who, mutant);
        return true;
    case W_POST:
        must(!s->v[POSTED], "it is posted twice");
        plain_write(s, who, NODE);
        s->v[POSTED] = 1;
        port_out(s, who, TO_OWNER);
        s->pc[who] = W_RETURN;
        return true;
    case W_RETURN:
        s->v[RETURNED]++;
        port_out(s, who, BACK);
        s->pc[who] = DONE;
        return true;
    }
    return false;
}

enum owner_pc {
    O_LISTEN,
    O_NODE,  /* the work is taken off its lists */
    O_TAKE,  /* wishes_take() */
    O_OBEY,  /* the deadline is read */
    O_CLEAR, /* a mutant's */
    O_BUSY,  /* scope_is_busy() */
    O_CLOSE
};

static bool owner_listens(struct state *s)
{
    if (s->v[POSTED] && (s->v[RETURNED] < 2 || choose(2) == 0))
        s->pc[OWNER] = O_NODE;
    else if (s->v[RETURNED] == 2)
        s->pc[OWNER] = O_BUSY;
    else
        return false;
    return true;
}

static void owner_takes(struct state *s, unsigned mutant)
{
    enum order order = mutant == TAKE_RELEASE   ? RELEASE
                       : mutant == TAKE_ACQUIRE ? ACQUIRE
                                                : ACQ_REL;

    s->v[TAKEN] = mutant == TAKE_LATE ? load(s, OWNER, WISHES, ACQUIRE)
                                      : swap(s, OWNER, WISHES, 0, order);
    s->v[HEARD] |= s->v[TAKEN] & 1 << CANCEL_BY;
    if (s->v[TAKEN] & 1 << DEADLINE_BY)
        s->pc[OWNER] = O_OBEY;
    else
        s->pc[OWNER] = mutant == TAKE_LATE ? O_CLEAR : O_LISTEN;
}

/* If there is something on its way, it waits for that. */
static void owner_looks(struct state *s, unsigned mutant)
{
    uint8_t wishes;

    port_in(s, OWNER, BACK);
    wishes = load(s, OWNER, WISHES, ACQUIRE);
    if (wishes == 0 || mutant == CLOSE_AT_ONCE)
        s->pc[OWNER] = O_CLOSE;
    else
        s->pc[OWNER] = O_NODE;
}

static bool owner_step(struct state *s, unsigned mutant)
{
    switch ((enum owner_pc)s->pc[OWNER]) {
    case O_LISTEN:
        return owner_listens(s);
    case O_NODE:
        if (!s->v[POSTED])
            return false;
        port_in(s, OWNER, TO_OWNER);
        plain_write(s, OWNER, NODE);
        s->v[POSTED] = 0;
        s->pc[OWNER] = O_TAKE;
        return true;
    case O_TAKE:
        owner_takes(s, mutant);
        return true;
    case O_OBEY:
        if (load(s, OWNER, DEADLINE, RELAXED) == 1)
            s->v[HEARD] |= 1 << DEADLINE_BY;
        s->pc[OWNER] = mutant == TAKE_LATE ? O_CLEAR : O_LISTEN;
        return true;
    case O_CLEAR:
        (void)swap(s, OWNER, WISHES, 0, ACQ_REL);
        s->pc[OWNER] = O_LISTEN;
        return true;
    case O_BUSY:
        owner_looks(s, mutant);
        return true;
    case O_CLOSE:
        must(!s->v[POSTED], "it closes under a post");
        must(s->v[HEARD] == (1 << DEADLINE_BY | 1 << CANCEL_BY),
             "a wish is lost");
        object_free(s, OWNER, SCOPE);
        s->pc[OWNER] = DONE;
        return true;
    }
    return false;
}

static bool wish_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == OWNER ? owner_step(s, mutant) : wisher_step(s, who, mutant);
}

static const char *wish_judge(const struct state *s)
{
    return s->pc[OWNER] == DONE ? NULL : "it never closes";
}

TEST(R9_no_wish_is_lost_and_no_scope_closes_under_a_post)
{
    static const struct model model = { WISH_THREADS, wish_step, wish_judge,
                                        NULL };
    static const struct mutant mutants[] = {
        { POST_ALWAYS, "a write races another access" },
        { TAKE_LATE, "a wish is lost" },
        { CLOSE_AT_ONCE, "it closes under a post" },
        { ADD_RELEASE, "a write races another access" },
        { ADD_ACQUIRE, "a wish is lost" },
        { TAKE_RELEASE, "a wish is lost" },
        { TAKE_ACQUIRE, "a write races another access" },
        { 0, NULL },
    };

    check_model(&model, 120, mutants);
}
