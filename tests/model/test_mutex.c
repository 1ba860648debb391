/* SPDX-License-Identifier: MIT */
/*
 * test_mutex.c - the model of src/sync/mutex.c: its word, its queue, and what
 * it guards
 *
 * Three lock and unlock once; the last one may give up while it waits. Who
 * holds the mutex writes what it guards.
 */
#include "model/model.h"
#include "runner/test.h"

enum word_mutant {
    NO_RECHECK = 1, /* take_or_mark() marks and does not try to take */
    UNMARK_ALWAYS,  /* unmark_if_empty() although others wait */
    OPEN_FIRST,     /* unlock_slowly() opens the word, then hands over */
    RELAXED_TAKE,   /* state_change() from OPEN: relaxed */
    RELAXED_OPEN,   /* state_change() to OPEN: relaxed */
    RELAXED_STORE,  /* unlock_slowly(): nobody is left: relaxed */
    RELAXED_LOCK,   /* take(): the queue's lock: relaxed */
    RELAXED_UNLOCK  /* gyre_spin_unlock(): relaxed */
};

enum { THREADS = 3, QUITTER = 2 };
enum { LOCK, WORD };                      /* places */
enum { GUARDED, QUEUE };                  /* objects */
enum { FIRST, SECOND, OUTCOME, SAW = 5 }; /* v; OUTCOME and SAW + who */
enum { WAKE_OF };                         /* ports; + who */
enum { OPEN = 0, LOCKED = 1, MARKED = 3 };
enum { GRANTED = 1, OVERDUE };

enum word_pc {
    TRY,        /* gyre_mutex_lock(): OPEN to LOCKED */
    SLOW,       /* lock_slowly(): the queue's lock */
    TAKE,       /*   take_or_mark(): OPEN to LOCKED */
    LOOK,       /*     the word */
    MARK,       /*     LOCKED to MARKED */
    QUEUE_UP,   /*   waiter_enqueue() */
    UNLOCK,     /*   the queue's lock is given back */
    SLEEP,      /*   until granted or overdue */
    QUIT,       /* wait_queued(): the queue's lock */
    LEAVE,      /*   waiter_leave(), unmark_if_empty() */
    LEFT,       /*   the queue's lock is given back */
    HOLD,       /* what the mutex guards is written */
    LET_GO,     /* gyre_mutex_unlock(): LOCKED to OPEN */
    LET_SLOW,   /* unlock_slowly(): the queue's lock */
    CLAIM,      /*   sync_claim_first() */
    OPEN_LATE,  /*   nobody waits: OPEN */
    UNMARK,     /*   unmark_if_empty() */
    LET_UNLOCK, /*   the queue's lock is given back */
    WAKE        /* wakes_run() */
};

static bool queue_lock(struct state *s, unsigned who, unsigned mutant)
{
    s->pc[who]++;
    return swap(s, who, LOCK, 1,
                order_in(mutant, RELAXED_LOCK, ACQUIRE, RELAXED)) == 0;
}

static void queue_unlock(struct state *s, unsigned who, unsigned mutant,
                         uint8_t next)
{
    store(s, who, LOCK, 0, order_in(mutant, RELAXED_UNLOCK, RELEASE, RELAXED));
    s->pc[who] = next;
}

/* state_change() */
static bool change(struct state *s, unsigned who, uint8_t from, uint8_t to,
                   unsigned mutant)
{
    enum order order = ACQ_REL;

    if (from == OPEN)
        order = order_in(mutant, RELAXED_TAKE, ACQ_REL, RELAXED);
    else if (to == OPEN)
        order = order_in(mutant, RELAXED_OPEN, ACQ_REL, RELAXED);
    return compare_swap(s, who, WORD, from, to, order, RELAXED) == from;
}

static void enqueue(struct state *s, unsigned who)
{
    plain_write(s, who, QUEUE);
    s->v[s->v[FIRST] == 0 ? FIRST : SECOND] = (uint8_t)(1 + who);
    s->pc[who] = UNLOCK;
}

static void dequeue(struct state *s, unsigned who)
{
    if (s->v[FIRST] == 1 + who)
        s->v[FIRST] = s->v[SECOND];
    if (s->v[FIRST] == s->v[SECOND] || s->v[SECOND] == 1 + who)
        s->v[SECOND] = 0;
}

static bool unmark(struct state *s, unsigned who, unsigned mutant, uint8_t next)
{
    s->pc[who] = next;
    if (s->v[FIRST] == 0 || mutant == UNMARK_ALWAYS)
        (void)change(s, who, MARKED, LOCKED, mutant);
    return true;
}

static bool slow_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];
    uint8_t word;

    switch ((enum word_pc) * pc) {
    case TAKE:
        if (mutant == NO_RECHECK)
            *pc = MARK;
        else
            *pc = change(s, who, OPEN, LOCKED, mutant) ? LEFT : LOOK;
        s->v[SAW + who] = *pc == LEFT;
        return true;
    case LOOK:
        *pc = load(s, who, WORD, RELAXED) == MARKED ? QUEUE_UP : MARK;
        return true;
    case MARK:
        word = compare_swap(s, who, WORD, LOCKED, MARKED, ACQ_REL, RELAXED);
        *pc = word == LOCKED || mutant == NO_RECHECK ? QUEUE_UP : TAKE;
        return true;
    case QUEUE_UP:
        enqueue(s, who);
        return true;
    case UNLOCK:
        queue_unlock(s, who, mutant, SLEEP);
        return true;
    case SLEEP:
        if (s->v[OUTCOME + who] == 0 && who == QUITTER) {
            s->v[OUTCOME + who] = OVERDUE; /* its deadline claims the wait */
            *pc = QUIT;
            return true;
        }
        *pc = HOLD;
        port_in(s, who, WAKE_OF + who);
        return s->v[SAW + who] == GRANTED; /* it was woken */
    case LEAVE:
        plain_write(s, who, QUEUE);
        dequeue(s, who);
        return unmark(s, who, mutant, LEFT);
    default:
        queue_unlock(s, who, mutant, s->v[SAW + who] ? HOLD : DONE);
        return true;
    }
}

/* The first whose wait is not over; they who were passed over leave. */
static void claim(struct state *s, unsigned who, unsigned mutant)
{
    unsigned next;

    plain_write(s, who, QUEUE);
    while ((next = s->v[FIRST]) != 0 && s->v[OUTCOME + next - 1] != 0)
        dequeue(s, next - 1);
    s->v[SAW + who] = (uint8_t)next;
    s->pc[who] = next != 0 ? UNMARK : OPEN_LATE;
    if (next == 0)
        return;
    dequeue(s, next - 1);
    s->v[OUTCOME + next - 1] = GRANTED;
    if (mutant == OPEN_FIRST)
        store(s, who, WORD, OPEN, RELEASE);
}

static bool unlock_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];
    unsigned next = s->v[SAW + who];

    switch ((enum word_pc) * pc) {
    case LET_GO:
        s->v[SAW + who] = 0;
        *pc = change(s, who, LOCKED, OPEN, mutant) ? DONE : LET_SLOW;
        return true;
    case CLAIM:
        claim(s, who, mutant);
        return true;
    case OPEN_LATE:
        store(s, who, WORD, OPEN,
              order_in(mutant, RELAXED_STORE, RELEASE, RELAXED));
        *pc = LET_UNLOCK;
        return true;
    case UNMARK:
        return unmark(s, who, mutant, LET_UNLOCK);
    case LET_UNLOCK:
        queue_unlock(s, who, mutant, next != 0 ? WAKE : DONE);
        return true;
    default:
        s->v[SAW + next - 1] = GRANTED;
        port_out(s, who, WAKE_OF + next - 1);
        *pc = DONE;
        return true;
    }
}

static bool word_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t *pc = &s->pc[who];

    switch ((enum word_pc) * pc) {
    case TRY:
        *pc = change(s, who, OPEN, LOCKED, mutant) ? HOLD : SLOW;
        return true;
    case SLOW:
    case QUIT:
    case LET_SLOW:
        return queue_lock(s, who, mutant);
    case HOLD:
        plain_write(s, who, GUARDED);
        *pc = LET_GO;
        return true;
    default:
        return *pc < HOLD ? slow_step(s, who, mutant)
                          : unlock_step(s, who, mutant);
    }
}

static const char *word_judge(const struct state *s)
{
    for (unsigned i = 0; i < THREADS; i++)
        if (s->pc[i] != DONE)
            return "somebody waits for a mutex that nobody hands over";
    return last_of(s, WORD) == OPEN ? NULL
                                    : "the mutex is free and looks locked";
}

TEST(M14_M3_the_mutexs_word_loses_nobody)
{
    static const struct model model = { THREADS, word_step, word_judge, NULL };
    static const char lost[] =
        "somebody waits for a mutex that nobody hands over";
    static const char races[] = "a write races another access";
    static const struct mutant mutants[] = {
        { NO_RECHECK, lost },
        { UNMARK_ALWAYS, lost },
        { OPEN_FIRST, races },
        { RELAXED_TAKE, races },
        { RELAXED_OPEN, races },
        { RELAXED_STORE, races },
        { RELAXED_LOCK, races },
        { RELAXED_UNLOCK, races },
        { 0, NULL },
    };

    check_model(&model, 1000, mutants);
}
