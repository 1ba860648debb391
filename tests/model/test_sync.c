/* SPDX-License-Identifier: MIT */
/*
 * test_sync.c - the models of src/sync/: claims, holds, and the mutex's word
 *
 * How a wait is claimed, woken and left (waiter.h); how a barrier holds waits;
 * the mutex's word. All that is shared lies in `v`: the steps are
 * sequentially consistent, for all of them are read-modify-writes of one word,
 * or are ordered by the primitive's lock.
 */
#include "model/model.h"
#include "runner/test.h"

/* ---- claim, wake, leave, end --------------------------------------------- */

/*
 * One unit, given by a granter to a waiter that is cancelled at the same time;
 * whoever sees that nobody waits ends the primitive.
 */
enum claim_mutant {
    NO_CLAIM = 1,      /* look and store instead of a compare-exchange */
    TOUCH_AFTER_WAKE,  /* the granter reads the frame once more */
    LEAVE_UNLOCKED,    /* the waiter goes without asking for the lock */
    END_UNLOCKED,      /* destroy does not take the lock */
    PASSED_NOT_COUNTED /* destroy looks at the queue alone */
};

enum { WAITER, GRANTER, CANCELLER, ENDER };
enum {
    LOCK, /* 1 + who has it */
    QUEUED,
    PASSED,
    UNITS,
    OUTCOME, /* 1: granted, 2: cancelled */
    WAKES,
    FRAME, /* 0: not yet, 1: is there, 2: gone */
    ENDED,
    RESULT,
    SAW /* by mutants: the outcome they looked at; one for each claimer */
};

static bool take_lock(struct state *s, unsigned who)
{
    must(!s->v[ENDED], "the lock is asked for after the end");
    if (s->v[LOCK] != 0)
        return false;
    s->v[LOCK] = (uint8_t)(1 + who);
    s->pc[who]++;
    return true;
}

static void give_lock(struct state *s, unsigned who)
{
    must(!s->v[ENDED], "the lock is given back after the end");
    must(s->v[LOCK] == 1 + who, "the lock of somebody else is given back");
    s->v[LOCK] = 0;
    s->pc[who]++;
}

static void touch_frame(const struct state *s)
{
    must(s->v[FRAME] == 1, "the frame is touched when it is gone");
}

static bool claim_waiter(struct state *s, unsigned mutant)
{
    switch (s->pc[WAITER]) {
    case 0:
        return take_lock(s, WAITER);
    case 1: /* is there a unit? */
        s->v[FRAME] = 1;
        if (s->v[UNITS] > 0) {
            s->v[UNITS]--;
            s->v[RESULT] = 1;
        } else {
            s->v[QUEUED] = 1;
        }
        s->pc[WAITER] = 2;
        return true;
    case 2:
        give_lock(s, WAITER);
        s->pc[WAITER] = s->v[QUEUED] || s->v[OUTCOME] ? 3 : 7;
        return true;
    case 3: /* asleep */
        if (s->v[WAKES] == 0)
            return false;
        s->v[RESULT] = s->v[OUTCOME];
        s->pc[WAITER] = s->v[OUTCOME] == 1         ? 7
                        : mutant == LEAVE_UNLOCKED ? 7
                                                   : 4;
        return true;
    case 4:
        return take_lock(s, WAITER);
    case 5: /* waiter_leave() */
        must(s->v[QUEUED] || s->v[PASSED], "it leaves and was never there");
        if (s->v[QUEUED])
            s->v[QUEUED] = 0;
        else
            s->v[PASSED] = 0;
        s->pc[WAITER] = 6;
        return true;
    case 6:
        give_lock(s, WAITER);
        return true;
    default:
        s->v[FRAME] = 2;
        s->pc[WAITER] = DONE;
        return true;
    }
}

/* wait_claim(); by a mutant in two steps. 0: not finished, 1: yes, 2: no. */
static int claim(struct state *s, unsigned who, int outcome, unsigned mutant)
{
    uint8_t *saw = &s->v[SAW + who];

    touch_frame(s);
    if (mutant != NO_CLAIM) {
        if (s->v[OUTCOME] != 0)
            return 2;
        s->v[OUTCOME] = (uint8_t)outcome;
        return 1;
    }
    if (*saw == 0) {
        *saw = (uint8_t)(1 + s->v[OUTCOME]);
        return 0;
    }
    if (*saw != 1)
        return 2;
    s->v[OUTCOME] = (uint8_t)outcome;
    return 1;
}

static bool claim_granter(struct state *s, unsigned mutant)
{
    int claimed;

    switch (s->pc[GRANTER]) {
    case 0:
        if (s->v[ENDED]) { /* it was ended before: misuse, not ours */
            s->pc[GRANTER] = DONE;
            return true;
        }
        return take_lock(s, GRANTER);
    case 1:
        if (!s->v[QUEUED]) {
            s->v[UNITS]++;
            s->pc[GRANTER] = 5;
            return true;
        }
        s->v[QUEUED] = 0;
        touch_frame(s);
        s->pc[GRANTER] = 2;
        return true;
    case 2:
        claimed = claim(s, GRANTER, 1, mutant);
        if (claimed == 0)
            return true;
        if (claimed == 2) {
            s->v[PASSED] = 1;
            s->v[UNITS]++;
        }
        s->pc[GRANTER] = claimed == 1 ? 3 : 5;
        return true;
    case 3:
        give_lock(s, GRANTER);
        return true;
    case 4: /* wait_wake() */
        touch_frame(s);
        s->v[WAKES]++;
        must(s->v[WAKES] == 1, "a wait is woken twice");
        s->pc[GRANTER] = mutant == TOUCH_AFTER_WAKE ? 7 : DONE;
        return true;
    case 5:
        give_lock(s, GRANTER);
        s->pc[GRANTER] = DONE;
        return true;
    default:
        touch_frame(s);
        s->pc[GRANTER] = DONE;
        return true;
    }
}

/* On the waiter's own loop, so only while the waiter sleeps. */
static bool claim_canceller(struct state *s, unsigned mutant)
{
    int claimed;

    switch (s->pc[CANCELLER]) {
    case 0:
        if (s->pc[WAITER] < 3 && s->pc[WAITER] != DONE)
            return false;
        s->pc[CANCELLER] = s->pc[WAITER] == 3 && s->v[WAKES] == 0 ? 1 : DONE;
        return true;
    case 1:
        if (s->pc[WAITER] != 3) {
            s->pc[CANCELLER] = DONE;
            return true;
        }
        claimed = claim(s, CANCELLER, 2, mutant);
        if (claimed != 0)
            s->pc[CANCELLER] = claimed == 1 ? 2 : DONE;
        return true;
    default:
        touch_frame(s);
        s->v[WAKES]++;
        must(s->v[WAKES] == 1, "a wait is woken twice");
        s->pc[CANCELLER] = DONE;
        return true;
    }
}

/* Somebody who has seen the waiter's wait decided, or the unit given, ends the
 * primitive unless _destroy() says that somebody waits. */
static bool claim_ender(struct state *s, unsigned mutant)
{
    bool somebody = s->v[QUEUED] ||
                    (s->v[PASSED] && mutant != PASSED_NOT_COUNTED);

    switch (s->pc[ENDER]) {
    case 0:
        if (s->v[OUTCOME] == 0 && s->v[RESULT] == 0)
            return false;
        if (mutant == END_UNLOCKED) {
            s->v[ENDED] = !somebody;
            s->pc[ENDER] = DONE;
            return true;
        }
        return take_lock(s, ENDER);
    default:
        give_lock(s, ENDER);
        s->v[ENDED] = !somebody;
        s->pc[ENDER] = DONE;
        return true;
    }
}

static bool claim_step(struct state *s, unsigned thread, unsigned mutant)
{
    switch (thread) {
    case WAITER:
        return claim_waiter(s, mutant);
    case GRANTER:
        return claim_granter(s, mutant);
    case CANCELLER:
        return claim_canceller(s, mutant);
    default:
        return claim_ender(s, mutant);
    }
}

static const char *claim_judge(const struct state *s)
{
    if (s->pc[GRANTER] != DONE)
        return "the granter is stuck";
    if (s->v[ENDED])
        return NULL;
    if (s->pc[WAITER] != DONE)
        return "the waiter sleeps for ever";
    if (s->v[UNITS] + (s->v[RESULT] == 1) != 1)
        return "the unit is lost, or there are two";
    return NULL;
}

/* I12 */
TEST(M14_a_wait_is_claimed_by_one_woken_once_and_left_in_peace)
{
    static const struct model model = { 4, claim_step, claim_judge, NULL };
    static const struct mutant mutants[] = {
        { NO_CLAIM, "a wait is woken twice" },
        { TOUCH_AFTER_WAKE, "the frame is touched when it is gone" },
        { LEAVE_UNLOCKED, "the frame is touched when it is gone" },
        { END_UNLOCKED, "the lock is given back after the end" },
        { PASSED_NOT_COUNTED, "the lock is asked for after the end" },
        { 0, NULL },
    };

    check_model(&model, 100, mutants);
}

/* ---- hold ---------------------------------------------------------------- */

/* Two wait at a barrier for three and are cancelled from elsewhere, while the
 * third comes. */
enum hold_mutant {
    NO_HOLD = 1, /* claim one after the other */
    NO_SPIN,     /* a cancel that meets a held wait takes it for decided */
    NO_LET_GO    /* too few: the held ones stay held */
};

enum { HELD = 3, LAST = 2, OPENED = 2, HAVE = 3 };

/* v[0], v[1]: the outcomes. v[2]: the barrier has opened. v[3]: held so far. */
static bool hold_last(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[LAST];

    switch (*pc) {
    case 0:
    case 1:
        if (s->v[*pc] == 0) {
            s->v[*pc] = mutant == NO_HOLD ? 1 : HELD;
            s->v[HAVE]++;
        }
        ++*pc;
        return true;
    case 2:
        s->v[OPENED] = s->v[HAVE] == 2;
        ++*pc;
        return true;
    case 3:
    case 4:
        if (s->v[*pc - 3] == HELD && (s->v[OPENED] || mutant != NO_LET_GO))
            s->v[*pc - 3] = s->v[OPENED];
        ++*pc;
        return true;
    default:
        *pc = DONE;
        return true;
    }
}

static bool hold_step(struct state *s, unsigned thread, unsigned mutant)
{
    if (thread == LAST)
        return hold_last(s, mutant);
    if (s->v[thread] == HELD && mutant != NO_SPIN)
        return false; /* spins */
    if (s->v[thread] == 0)
        s->v[thread] = 2;
    s->pc[thread] = DONE;
    return true;
}

static const char *hold_judge(const struct state *s)
{
    for (unsigned i = 0; i < 2; i++) {
        if (s->pc[i] != DONE)
            return "a cancel spins for ever";
        if (s->v[i] != (s->v[OPENED] ? 1 : 2))
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

/* ---- the mutex's word ---------------------------------------------------- */

/* Three lock and unlock once; the last one may give up while it waits. */
enum word_mutant {
    NO_RECHECK = 1, /* queue after a look from outside the lock */
    UNMARK_ALWAYS,  /* take the mark away although others wait */
    OPEN_FIRST      /* open the word, then let the next one in */
};

enum { WORD_LOCK, WORD, HOLDERS, FIRST, SECOND, GRANTED };
enum { OPEN = 0, LOCKED = 1, MARKED = 3 };

static void enqueue(struct state *s, unsigned who)
{
    s->v[s->v[FIRST] == 0 ? FIRST : SECOND] = (uint8_t)(1 + who);
}

static void dequeue(struct state *s, unsigned who)
{
    if (s->v[FIRST] == 1 + who) {
        s->v[FIRST] = s->v[SECOND];
        s->v[SECOND] = 0;
    } else if (s->v[SECOND] == 1 + who) {
        s->v[SECOND] = 0;
    }
}

static void hold_mutex(struct state *s, unsigned who, uint8_t next)
{
    s->v[HOLDERS]++;
    must(s->v[HOLDERS] == 1, "two hold the mutex");
    s->pc[who] = next;
}

enum word_pc {
    TRY,
    WANT_LOCK,
    MARK,
    UNLOCK_QUEUE,
    SLEEP,
    LEAVE_LOCK,
    LEAVE,
    LEAVE_UNLOCK,
    LET_GO,
    LET_GO_LOCK,
    HAND_OVER,
    LET_GO_UNLOCK,
};

static bool word_lock(struct state *s, uint8_t who, uint8_t next)
{
    if (s->v[WORD_LOCK] != 0)
        return false;
    s->v[WORD_LOCK] = 1;
    s->pc[who] = next;
    return true;
}

static void word_unlock(struct state *s, uint8_t who, uint8_t next)
{
    s->v[WORD_LOCK] = 0;
    s->pc[who] = next;
}

static void mark_and_queue(struct state *s, uint8_t who, unsigned mutant)
{
    if (s->v[WORD] == OPEN && mutant != NO_RECHECK) {
        s->v[WORD] = LOCKED;
        s->v[WORD_LOCK] = 0;
        hold_mutex(s, who, LET_GO);
        return;
    }
    s->v[WORD] = MARKED; /* a mutant stores it whatever it was */
    enqueue(s, who);
    s->pc[who] = UNLOCK_QUEUE;
}

static void unmark(struct state *s, unsigned mutant)
{
    if (s->v[WORD] == MARKED && (s->v[FIRST] == 0 || mutant == UNMARK_ALWAYS))
        s->v[WORD] = LOCKED;
}

static void hand_over(struct state *s, uint8_t who, unsigned mutant)
{
    unsigned next = s->v[FIRST];

    s->v[HOLDERS]--;
    s->pc[who] = LET_GO_UNLOCK;
    if (mutant == OPEN_FIRST)
        s->v[WORD] = OPEN;
    if (next == 0) {
        s->v[WORD] = OPEN;
        return;
    }
    dequeue(s, next - 1);
    s->v[GRANTED + next - 1] = 1;
    s->v[HOLDERS]++;
    unmark(s, mutant);
}

static bool word_wait(struct state *s, uint8_t who, unsigned mutant)
{
    switch (s->pc[who]) {
    case SLEEP:
        if (s->v[GRANTED + who]) {
            s->pc[who] = LET_GO;
            return true;
        }
        if (who != 2)
            return false;
        s->v[GRANTED + who] = 2; /* its deadline claims the wait */
        dequeue(s, who);         /* granters pass over it from now on */
        s->pc[who] = LEAVE_LOCK;
        return true;
    case LEAVE_LOCK:
        return word_lock(s, who, LEAVE);
    case LEAVE:
        unmark(s, mutant);
        s->pc[who] = LEAVE_UNLOCK;
        return true;
    default:
        word_unlock(s, who, DONE);
        return true;
    }
}

static bool word_step(struct state *s, unsigned thread, unsigned mutant)
{
    uint8_t who = (uint8_t)thread;

    switch (s->pc[who]) {
    case TRY:
        if (s->v[WORD] == OPEN) {
            s->v[WORD] = LOCKED;
            hold_mutex(s, who, LET_GO);
        } else {
            s->pc[who] = WANT_LOCK;
        }
        return true;
    case WANT_LOCK:
        return word_lock(s, who, MARK);
    case MARK:
        mark_and_queue(s, who, mutant);
        return true;
    case UNLOCK_QUEUE:
        word_unlock(s, who, SLEEP);
        return true;
    case LET_GO:
        if (s->v[WORD] == LOCKED) {
            s->v[HOLDERS]--;
            s->v[WORD] = OPEN;
            s->pc[who] = DONE;
        } else {
            s->pc[who] = LET_GO_LOCK;
        }
        return true;
    case LET_GO_LOCK:
        return word_lock(s, who, HAND_OVER);
    case HAND_OVER:
        hand_over(s, who, mutant);
        return true;
    case LET_GO_UNLOCK:
        word_unlock(s, who, DONE);
        return true;
    default:
        return word_wait(s, who, mutant);
    }
}

static const char *word_judge(const struct state *s)
{
    for (unsigned i = 0; i < 3; i++)
        if (s->pc[i] != DONE)
            return "somebody waits for a mutex that nobody hands over";
    return s->v[WORD] == OPEN ? NULL : "the mutex is free and looks locked";
}

TEST(M14_M3_the_mutexs_word_loses_nobody)
{
    static const struct model model = { 3, word_step, word_judge, NULL };
    static const struct mutant mutants[] = {
        { NO_RECHECK, "somebody waits for a mutex that nobody hands over" },
        { UNMARK_ALWAYS, "somebody waits for a mutex that nobody hands over" },
        { OPEN_FIRST, "two hold the mutex" },
        { 0, NULL },
    };

    check_model(&model, 100, mutants);
}
