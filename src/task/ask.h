/* SPDX-License-Identifier: MIT */
/*
 * ask.h - have something done on a loop by who is elsewhere, and wait for it
 *
 * Who asks is a task of another loop, or a plain thread. The ask lies in his
 * frame:
 *
 *   he                                the loop
 *   ask_and_wait: post     -work-->   `begin`, at once or by and by
 *   waits                             ask_answer
 *                       <--wake--
 *
 * If he is a task and is cancelled meanwhile, he posts once more (`leaving`),
 * and goes on only when both that has arrived and the answer is given:
 *
 *   ask_cancel             -leaving-> `withdraw`: answers soon, or lets it be
 *
 * `state` says who wakes him:
 *
 *   LEAVES    `leaving` is on its way. Set by him, taken away by the loop
 *   ANSWERED  the result is set. Set by the loop
 *
 * Each is set or taken away by one atomic instruction that also says what was
 * there, so they have one order. He posts `leaving` only if ANSWERED was not
 * set when he set LEAVES: the frame stays until it has arrived, for then
 * ask_answer() sees LEAVES and leaves the wake to who takes that away. Else the
 * answer came first, and its wake is on the way. So one wakes him, nothing of
 * the ask is on any list then, and nobody touches the frame after (I8). What
 * the loop wrote before the wake he sees by way of what is posted to his loop,
 * or of the futex's word (release, acquire). The two posts are by one thread,
 * so `begin` comes before `withdraw`.
 *
 * tests/model/test_ask.c is the model of this file, and of wish.h.
 *
 * An ask that was posted is answered, also by a loop that ends
 * (asks_answer_all()); then, and until it is freed, the loop refuses them.
 * Includes only what task.h does.
 */
#ifndef TASK_ASK_H
#define TASK_ASK_H

#include "task/task.h"

struct ask {
    gyre_work work;
    gyre_work leaving;
    gyre_loop *loop;
    gyre_task *task; /* who asks; NULL: a thread */
    uint32_t word;   /* the thread's futex: 1 when it was woken */
    uint32_t state;
    int32_t result;
    bool impatient; /* he was cancelled before he asked */
    bool insists;   /* also of a loop that answers no more; set by who asks */
    bool gave_up;
    void (*begin)(struct ask *ask);
    /* Once, and not after the answer; NULL: no cancel ends it. */
    void (*withdraw)(struct ask *ask);
};

/* Of a filled ask, `begin`, `withdraw` and `insists`; the rest is set here.
 * -ECANCELED also: the loop has ended. Panics in a callback of a loop. `reason`
 * and `on` as in task_wait(). */
int32_t ask_and_wait(struct ask *ask, gyre_loop *loop, const char *reason,
                     const void *on);

/* On the loop. The ask is gone. */
void ask_answer(struct ask *ask, int32_t result);

/* Likewise: as he was cancelled, it came to nothing. */
void ask_give_up(struct ask *ask);

/* On the loop: go on with an ask in a moment, off this stack. */
void ask_later(struct ask *ask, void (*go_on)(struct ask *ask));

/* The loop ends: what is posted to it, or yet to go on, has its last chance.
 * Further asks are refused. */
void asks_answer_all(gyre_loop *loop);

#endif
