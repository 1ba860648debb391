/* SPDX-License-Identifier: MIT */
/*
 * test_sync.c - the model of src/sync/waiter.c: how a wait is claimed, woken
 * and left, by tasks and by plain threads
 *
 * gyre_event_set() and a wait for it, of a task or of a plain thread, which is
 * cancelled, or overdue, at any time; and who sees the event set and destroys
 * it. A task is woken by a post to its loop, a thread by a futex. That a
 * claim acquires and releases is not what anything here rests on: the lock and
 * the wake carry what was seen.
 */
#include "model/model.h"
#include "runner/test.h"

enum claim_mutant {
    NO_CLAIM = 1,       /* the waiter's side looks and stores */
    TOUCH_AFTER_WAKE,   /* the granter reads the frame once more */
    LEAVE_UNLOCKED,     /* the waiter goes without asking for the lock */
    END_UNLOCKED,       /* destroy does not take the lock */
    PASSED_NOT_COUNTED, /* destroy looks at the queue alone */
    WAKE_FIRST,         /* wait_wake(): the futex, then the word */
    NO_COMPARE,         /* the thread sleeps whatever the word is */
    RELAXED_TAKE,       /* take(): the lock: relaxed */
    RELAXED_UNLOCK,     /* gyre_spin_unlock(): relaxed */
    RELAXED_WAKE,       /* wait_wake(): the word: relaxed */
    RELAXED_SLEEPER     /* thread_side() looks at the word: relaxed */
};

enum { WAITER, SETTER, ENDER, CLAIM_THREADS };
enum { LOCK, SET, OUTCOME, WORD }; /* places */
enum { EVENT, QUEUE, FRAME };      /* objects */
enum { PLAIN, QUEUED, PASSED, CAME, TRIED, WOKEN, SLEEPS, RESULT, CLAIMED };
enum { POST_PORT, FUTEX_PORT };
enum { GRANTED = 1, CANCELLED };

static bool take_lock(struct state *s, unsigned who, unsigned mutant)
{
    object_use(s, who, EVENT);
    s->pc[who]++;
    return swap(s, who, LOCK, 1,
                order_in(mutant, RELAXED_TAKE, ACQUIRE, RELAXED)) == 0;
}

static bool give_lock(struct state *s, unsigned who, unsigned mutant)
{
    object_use(s, who, EVENT);
    store(s, who, LOCK, 0, order_in(mutant, RELAXED_UNLOCK, RELEASE, RELAXED));
    s->pc[who]++;
    return true;
}

enum waiter_pc {
    WAITER_BEGIN,  /* wait_begin() */
    WAITER_LOCK,   /* gyre_event_wait(): the lock */
    WAITER_QUEUE,  /*   set_? waiter_enqueue() */
    WAITER_UNLOCK, /*   the lock is given back */
    WAITER_SPLIT,  /* wait_run() */
    WAITER_POST,   /*   task_side(): waits */
    WAITER_WORD,   /*   thread_side(): the word */
    WAITER_SLEEP,  /*     thread_wait() */
    WAITER_ASLEEP, /*     … inside it */
    WAITER_CLAIM,  /*   wait_cancel(), or overdue: wait_claim() */
    WAITER_STORE,  /*     a mutant's store */
    WAITER_ENDED,  /*   the outcome */
    WAITER_AGAIN,  /* wait_queued(): the lock */
    WAITER_LEAVE,  /*   waiter_leave() */
    WAITER_LEFT,   /*   the lock is given back */
    WAITER_GONE    /* the frame goes */
};

static void waiter_enqueue(struct state *s)
{
    plain_write(s, WAITER, QUEUE);
    s->v[CAME] = 1;
    if (load(s, WAITER, SET, RELAXED))
        s->v[RESULT] = GRANTED;
    else
        s->v[QUEUED] = 1;
    s->pc[WAITER] = WAITER_UNLOCK;
}

/* Woken, or cancelled, or overdue: whichever of them is possible. */
static bool waiter_waits(struct state *s, bool woken, uint8_t next)
{
    bool cancelled = !s->v[TRIED];

    if (woken && cancelled)
        cancelled = choose(2) == 1;
    if (!woken && !cancelled)
        return false;
    s->v[SLEEPS] &= (uint8_t) ~(1U << WAITER);
    s->v[TRIED] |= cancelled;
    s->pc[WAITER] = cancelled ? WAITER_CLAIM : next;
    if (!cancelled && !s->v[PLAIN])
        port_in(s, WAITER, POST_PORT);
    return true;
}

static bool waiter_sleeps(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[WAITER];

    switch ((enum waiter_pc) * pc) {
    case WAITER_POST:
        return waiter_waits(s, s->v[WOKEN], WAITER_ENDED);
    case WAITER_WORD:
        *pc = load(s, WAITER, WORD,
                   order_in(mutant, RELAXED_SLEEPER, ACQUIRE, RELAXED))
                  ? WAITER_ENDED
                  : WAITER_SLEEP;
        return true;
    case WAITER_SLEEP:
        if (mutant == NO_COMPARE) {
            s->v[SLEEPS] |= 1U << WAITER;
            *pc = WAITER_ASLEEP;
        } else {
            *pc = futex_wait(s, WAITER, WORD, 0, SLEEPS, FUTEX_PORT)
                      ? WAITER_ASLEEP
                      : WAITER_WORD;
        }
        return true;
    default:
        return waiter_waits(s, !futex_sleeps(s, WAITER, SLEEPS), WAITER_WORD);
    }
}

static void waiter_claims(struct state *s, unsigned mutant)
{
    uint8_t waits = s->v[PLAIN] ? WAITER_WORD : WAITER_POST;
    uint8_t *pc = &s->pc[WAITER];

    if (*pc == WAITER_STORE) {
        store(s, WAITER, OUTCOME, CANCELLED, RELEASE);
        *pc = WAITER_ENDED;
    } else if (mutant == NO_CLAIM) {
        *pc = load(s, WAITER, OUTCOME, ACQUIRE) == 0 ? WAITER_STORE : waits;
    } else {
        *pc = compare_swap(s, WAITER, OUTCOME, 0, CANCELLED, ACQ_REL,
                           ACQUIRE) == 0
                  ? WAITER_ENDED
                  : waits;
    }
}

static void waiter_ended(struct state *s, unsigned mutant)
{
    s->v[RESULT] = load(s, WAITER, OUTCOME, ACQUIRE);
    must(s->v[RESULT] != 0, "it goes on and nobody has decided");
    if (s->v[RESULT] == GRANTED)
        plain_read(s, WAITER, FRAME);
    s->pc[WAITER] = s->v[RESULT] == GRANTED || mutant == LEAVE_UNLOCKED
                        ? WAITER_GONE
                        : WAITER_AGAIN;
}

static void waiter_leaves(struct state *s)
{
    plain_write(s, WAITER, QUEUE);
    must(s->v[QUEUED] || s->v[PASSED], "it leaves and was never there");
    if (s->v[QUEUED])
        s->v[QUEUED] = 0;
    else
        s->v[PASSED] = 0;
    s->pc[WAITER] = WAITER_LEFT;
}

static bool waiter_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[WAITER];

    switch ((enum waiter_pc) * pc) {
    case WAITER_BEGIN:
        s->v[PLAIN] = (uint8_t)choose(2);
        plain_write(s, WAITER, FRAME);
        *pc = WAITER_LOCK;
        return true;
    case WAITER_LOCK:
    case WAITER_AGAIN:
        return take_lock(s, WAITER, mutant);
    case WAITER_QUEUE:
        waiter_enqueue(s);
        return true;
    case WAITER_UNLOCK:
    case WAITER_LEFT:
        return give_lock(s, WAITER, mutant);
    case WAITER_SPLIT:
        *pc = s->v[RESULT]  ? WAITER_GONE
              : s->v[PLAIN] ? WAITER_WORD
                            : WAITER_POST;
        return true;
    case WAITER_CLAIM:
    case WAITER_STORE:
        waiter_claims(s, mutant);
        return true;
    case WAITER_ENDED:
        waiter_ended(s, mutant);
        return true;
    case WAITER_LEAVE:
        waiter_leaves(s);
        return true;
    case WAITER_GONE:
        object_free(s, WAITER, FRAME);
        *pc = DONE;
        return true;
    default:
        return waiter_sleeps(s, mutant);
    }
}

enum setter_pc {
    SETTER_LOCK,   /* gyre_event_set(): the lock */
    SETTER_SET,    /*   set_ = 1 */
    SETTER_NEXT,   /*   sync_claim_first() */
    SETTER_CLAIM,  /*     wait_claim() */
    SETTER_GIVE,   /*   waiter->value, wakes_add() */
    SETTER_UNLOCK, /*   the lock is given back */
    SETTER_WAKE,   /* wait_wake() */
    SETTER_FUTEX,  /*   thread_wake() */
    SETTER_TOUCH   /* a mutant's read */
};

static bool setter_wakes(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[SETTER];
    uint8_t woken = mutant == TOUCH_AFTER_WAKE ? SETTER_TOUCH : DONE;

    if (!s->v[CLAIMED]) {
        *pc = DONE;
        return true;
    }
    if (*pc == SETTER_FUTEX) { /* the frame may be gone */
        futex_wake(s, SETTER, SLEEPS, FUTEX_PORT);
        *pc = mutant == WAKE_FIRST ? SETTER_WAKE : woken;
        s->v[WOKEN] = 1;
        return true;
    }
    if (mutant == WAKE_FIRST && s->v[PLAIN] && !s->v[WOKEN]) {
        *pc = SETTER_FUTEX;
        return true;
    }
    plain_read(s, SETTER, FRAME);
    if (s->v[PLAIN]) {
        store(s, SETTER, WORD, 1,
              order_in(mutant, RELAXED_WAKE, RELEASE, RELAXED));
        *pc = mutant == WAKE_FIRST ? woken : SETTER_FUTEX;
    } else {
        s->v[WOKEN] = 1;
        port_out(s, SETTER, POST_PORT);
        *pc = woken;
    }
    return true;
}

static bool setter_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[SETTER];

    switch ((enum setter_pc) * pc) {
    case SETTER_LOCK:
        return take_lock(s, SETTER, mutant);
    case SETTER_SET:
        plain_write(s, SETTER, QUEUE);
        store(s, SETTER, SET, 1, RELEASE);
        *pc = SETTER_NEXT;
        return true;
    case SETTER_NEXT:
        *pc = s->v[QUEUED] ? SETTER_CLAIM : SETTER_UNLOCK;
        if (s->v[QUEUED])
            plain_read(s, SETTER, FRAME);
        s->v[QUEUED] = 0;
        return true;
    case SETTER_CLAIM:
        object_use(s, SETTER, FRAME);
        s->v[CLAIMED] =
            compare_swap(s, SETTER, OUTCOME, 0, GRANTED, ACQ_REL, ACQUIRE) == 0;
        s->v[PASSED] = !s->v[CLAIMED];
        *pc = s->v[CLAIMED] ? SETTER_GIVE : SETTER_UNLOCK;
        return true;
    case SETTER_GIVE:
        plain_write(s, SETTER, FRAME);
        *pc = SETTER_UNLOCK;
        return true;
    case SETTER_UNLOCK:
        return give_lock(s, SETTER, mutant);
    case SETTER_TOUCH:
        object_use(s, SETTER, FRAME);
        *pc = DONE;
        return true;
    default:
        return setter_wakes(s, mutant);
    }
}

enum ender_pc {
    ENDER_SEES,   /* gyre_event_is_set() */
    ENDER_LOCK,   /* sync_destroy(): the lock */
    ENDER_LOOK,   /*   does somebody wait? Then it panics: not ours */
    ENDER_UNLOCK, /*   the lock is given back */
    ENDER_FREE
};

static bool ender_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[ENDER];
    bool somebody = s->v[QUEUED] ||
                    (s->v[PASSED] && mutant != PASSED_NOT_COUNTED);

    switch ((enum ender_pc) * pc) {
    case ENDER_SEES: /* nobody may come later */
        *pc = mutant == END_UNLOCKED ? ENDER_FREE : ENDER_LOCK;
        return s->v[CAME] && load(s, ENDER, SET, ACQUIRE) == 1;
    case ENDER_LOCK:
        return take_lock(s, ENDER, mutant);
    case ENDER_LOOK:
        plain_read(s, ENDER, QUEUE);
        s->v[CAME] = somebody ? 2 : 1;
        *pc = ENDER_UNLOCK;
        return true;
    case ENDER_UNLOCK:
        return give_lock(s, ENDER, mutant);
    default:
        if (s->v[CAME] == 1)
            object_free(s, ENDER, EVENT);
        *pc = DONE;
        return true;
    }
}

static bool claim_step(struct state *s, unsigned who, unsigned mutant)
{
    switch (who) {
    case WAITER:
        return waiter_step(s, mutant);
    case SETTER:
        return setter_step(s, mutant);
    default:
        return ender_step(s, mutant);
    }
}

static const char *claim_judge(const struct state *s)
{
    if (s->pc[WAITER] != DONE)
        return "the waiter sleeps for ever";
    return s->pc[SETTER] == DONE && s->pc[ENDER] == DONE ? NULL
                                                         : "somebody is stuck";
}

/* I12 */
TEST(M14_a_wait_is_claimed_by_one_woken_once_and_left_in_peace)
{
    static const struct model model = { CLAIM_THREADS, claim_step, claim_judge,
                                        NULL };
    static const char used[] = "what was freed is used";
    static const char freed[] = "it is freed while it is in use";
    static const struct mutant mutants[] = {
        { NO_CLAIM, used },
        { TOUCH_AFTER_WAKE, "a read races a write" },
        { LEAVE_UNLOCKED, freed },
        { END_UNLOCKED, freed },
        { PASSED_NOT_COUNTED, used },
        { WAKE_FIRST, "the waiter sleeps for ever" },
        { NO_COMPARE, "the waiter sleeps for ever" },
        { RELAXED_TAKE, "a write races another access" },
        { RELAXED_UNLOCK, "a write races another access" },
        { RELAXED_WAKE, "it goes on and nobody has decided" },
        { RELAXED_SLEEPER, "it goes on and nobody has decided" },
        { 0, NULL },
    };

    check_model(&model, 500, mutants);
}
