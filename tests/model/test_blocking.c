/* SPDX-License-Identifier: MIT */
/*
 * test_blocking.c - the models of the emulator's wake (kernel/emu/emu.c,
 * turn.c) and of what threads give back (kernel/blocking_thread.c)
 *
 * Two threads push what is done onto a list and wake the owner, who sleeps in
 * epoll_wait(), takes the list, and leaves when it has all: then the memory
 * that the threads used is freed. The eventfd is a byte, edge-triggered.
 */
#include "model/model.h"
#include "runner/test.h"

enum done_mutant {
    TELL_FIRST = 1, /* wake the owner, then push */
    CLEAR_LATE,     /* woken = false after the sleep, whatever came */
    NO_RUNNING,     /* who leaves does not wait for threads */
    RELAXED_PUSH,
    RELAXED_TAKE,
    RELAXED_LEAVE, /* running--: relaxed */
    RELAXED_AWAIT  /* running |= LEAVING and its look: relaxed */
};

enum { OWNER, WORKER, WORKER_2, THREADS };
enum { DONE_LIST, WOKEN, RUNNING }; /* places */
enum { USER, JOB_OF };              /* objects; + who */
enum { EVENT, HAS };                /* v */
enum { EVENT_PORT };
enum { LEAVING = 128 };

enum owner_pc {
    OWNER_LOOK,  /* turn_take_wake(): woken? */
    OWNER_CLEAR, /*   woken = false */
    OWNER_SLEEP, /* turn_collect(): epoll_wait() */
    OWNER_DONE,  /* blocking_take_done(): is there anything? */
    OWNER_TAKE,  /*   the exchange */
    OWNER_LEAVE, /* blocking_leave(): running |= LEAVING */
    OWNER_AWAIT, /*   running? */
    OWNER_FREE,
    OWNER_FORGET /* a mutant's woken = false */
};

static void take(struct state *s, unsigned mutant)
{
    unsigned jobs = swap(s, OWNER, DONE_LIST, 0,
                         order_in(mutant, RELAXED_TAKE, ACQUIRE, RELAXED));

    for (unsigned who = WORKER; who < THREADS; who++)
        if (jobs >> who & 1) {
            plain_write(s, OWNER, JOB_OF + who);
            s->v[HAS]++;
        }
    s->pc[OWNER] = s->v[HAS] == THREADS - 1 ? OWNER_LEAVE : OWNER_LOOK;
}

static bool owner_end(struct state *s, unsigned mutant)
{
    enum order order = order_in(mutant, RELAXED_AWAIT, ACQUIRE, RELAXED);
    uint8_t *pc = &s->pc[OWNER];

    switch ((enum owner_pc) * pc) {
    case OWNER_LEAVE:
        *pc = or_into(s, OWNER, RUNNING, LEAVING, order) == 0 ||
                      mutant == NO_RUNNING
                  ? OWNER_FREE
                  : OWNER_AWAIT;
        return true;
    case OWNER_AWAIT:
        *pc = OWNER_FREE;
        return load(s, OWNER, RUNNING, order) == LEAVING;
    default:
        object_free(s, OWNER, USER);
        *pc = DONE;
        return true;
    }
}

static bool owner_step(struct state *s, unsigned mutant)
{
    uint8_t *pc = &s->pc[OWNER];

    switch ((enum owner_pc) * pc) {
    case OWNER_LOOK:
        if (mutant == CLEAR_LATE)
            *pc = OWNER_SLEEP;
        else
            *pc = load(s, OWNER, WOKEN, RELAXED) ? OWNER_CLEAR : OWNER_SLEEP;
        return true;
    case OWNER_CLEAR:
        (void)swap(s, OWNER, WOKEN, 0, ACQUIRE);
        *pc = OWNER_DONE;
        return true;
    case OWNER_SLEEP:
        if (!s->v[EVENT])
            return false;
        s->v[EVENT] = 0;
        port_in(s, OWNER, EVENT_PORT);
        *pc = OWNER_DONE;
        return true;
    case OWNER_DONE:
        if (load(s, OWNER, DONE_LIST, RELAXED) != 0)
            *pc = OWNER_TAKE;
        else
            *pc = mutant == CLEAR_LATE ? OWNER_FORGET : OWNER_LOOK;
        return true;
    case OWNER_TAKE:
        take(s, mutant);
        if (mutant == CLEAR_LATE && *pc == OWNER_LOOK)
            *pc = OWNER_FORGET;
        return true;
    case OWNER_FORGET:
        (void)swap(s, OWNER, WOKEN, 0, ACQUIRE);
        *pc = OWNER_LOOK;
        return true;
    default:
        return owner_end(s, mutant);
    }
}

enum worker_pc {
    WORKER_PUSH,   /* give_back() */
    WORKER_TELL,   /*   the list was empty: emu_wake(): woken = true */
    WORKER_SIGNAL, /*     the eventfd */
    WORKER_LATE,   /* a mutant's push */
    WORKER_LEAVE   /*   running-- */
};

static uint8_t push(struct state *s, unsigned who, unsigned mutant)
{
    plain_write(s, who, JOB_OF + who);
    return or_into(s, who, DONE_LIST, (uint8_t)(1 << who),
                   order_in(mutant, RELAXED_PUSH, RELEASE, RELAXED));
}

static bool worker_step(struct state *s, unsigned who, unsigned mutant)
{
    uint8_t told = mutant == TELL_FIRST ? WORKER_LATE : WORKER_LEAVE;
    uint8_t *pc = &s->pc[who];

    object_use(s, who, USER);
    switch ((enum worker_pc) * pc) {
    case WORKER_PUSH:
        if (mutant == TELL_FIRST)
            *pc = WORKER_TELL;
        else
            *pc = push(s, who, mutant) == 0 ? WORKER_TELL : WORKER_LEAVE;
        return true;
    case WORKER_TELL:
        *pc = swap(s, who, WOKEN, 1, ACQ_REL) == 0 ? WORKER_SIGNAL : told;
        return true;
    case WORKER_SIGNAL:
        s->v[EVENT] = 1;
        port_out(s, who, EVENT_PORT);
        *pc = told;
        return true;
    case WORKER_LATE:
        (void)push(s, who, mutant);
        *pc = WORKER_LEAVE;
        return true;
    default:
        (void)add(s, who, RUNNING, -1,
                  order_in(mutant, RELAXED_LEAVE, RELEASE, RELAXED));
        *pc = DONE;
        return true;
    }
}

static bool done_step(struct state *s, unsigned who, unsigned mutant)
{
    return who == OWNER ? owner_step(s, mutant) : worker_step(s, who, mutant);
}

static const char *done_judge(const struct state *s)
{
    return s->pc[OWNER] == DONE ? NULL : "what is done is not taken";
}

static void both_run(struct state *s)
{
    s->values[RUNNING][0].value = THREADS - 1;
}

TEST(L9_no_interleaving_leaves_what_a_thread_gave_back)
{
    static const struct model model = { THREADS, done_step, done_judge,
                                        both_run };
    static const struct mutant mutants[] = {
        { TELL_FIRST, "what is done is not taken" },
        { CLEAR_LATE, "what is done is not taken" },
        { NO_RUNNING, "it is freed while it is in use" },
        { RELAXED_PUSH, "a write races another access" },
        { RELAXED_TAKE, "a write races another access" },
        { RELAXED_LEAVE, "it is freed while it is in use" },
        { RELAXED_AWAIT, "it is freed while it is in use" },
        { 0, NULL },
    };

    check_model(&model, 200, mutants);
}
