/* SPDX-License-Identifier: MIT */
/*
 * branch.h - a task that runs on another engine than its scope's
 *
 * A scope's books are of its own loop (A). A task that is sent to another (B)
 * is a child of the scope, counted and listed on A, and a guest on B, where a
 * scope of its own, the part, stands for the one it was spawned into: its home
 * there, with a timer on B's wheel. The branch ties the two together. It lies
 * beside the task on the stack, which A's pool gave and gets back.
 *
 *   A                                 B
 *   branch_make, branch_send ---->    branch_arrive: a guest, runs
 *   branches_cancel, _tighten  -down->  branch_wished: the part is cancelled
 *   branch_home               <-up--  branch_leave, branch_end: has returned
 *
 * `state` says who may touch what, and who sends `up`:
 *
 *   PLACED  `at` is set: posts can go there. Set by A, or by whoever takes a
 *           task that may begin anywhere
 *   DOWN    a wish is to be looked at: `down` is on its way to B, or B looks
 *           when it sets PLACED. Set by A, taken away by B before it looks
 *   ENDED   the task has left its stack. Set by B
 *
 * Each is set or taken away by one atomic instruction that also says what was
 * there, so they have one order. A posts `down` only if it alone set DOWN on a
 * branch that is PLACED and not ENDED, so there is one such post at most; B
 * posts `up` when it sets ENDED and DOWN is not set, else when the `down` has
 * arrived. So after `up` nobody posts to B, and A alone has the branch (I13). A
 * wish is written before DOWN is set (release) and read after it was taken away
 * (acquire): the last wish is always seen. The model of it is
 * tests/model/test_branch.c.
 *
 * Includes only what task.h does.
 */
#ifndef TASK_BRANCH_H
#define TASK_BRANCH_H

#include <stdatomic.h>

#include "task/task.h"

enum branch_state {
    BRANCH_PLACED = 1 << 0,
    BRANCH_DOWN = 1 << 1,
    BRANCH_ENDED = 1 << 2,
};

struct branch {
    struct list link; /* A: of trunk->branches_ */
    gyre_task *task;
    gyre_scope *trunk;           /* A: the scope that it was spawned into */
    struct tasks *home;          /* A */
    struct tasks *at;            /* B, when PLACED */
    _Atomic uint32_t state;      /* enum branch_state */
    _Atomic int32_t wish_cancel; /* 0, -ECANCELED, -ETIME */
    _Atomic uint64_t wish_deadline_ns;
    gyre_work down;
    gyre_work up;
    gyre_scope *room;       /* whose bound counts in the part: room.c */
    _Atomic uint32_t rooms; /* to be given back to it, and how */
    gyre_work rooms_work;
    int32_t cut;     /* B: how the part was cancelled when the task returned */
    bool shielded;   /* the trunk is a shield, or below one */
    gyre_scope part; /* B */
};

/* A: room for a branch on the stack of a task that has no context yet. */
void branch_make(gyre_task *task);

/* A: off it goes; NULL: to whoever takes it. */
void branch_send(struct branch *branch, struct tasks *to);

/* A: the scope is cancelled; a scope is to be over earlier; one task is, on A
 * or, if it runs, on B. */
void branches_cancel(gyre_scope *scope, int reason);
void branches_tighten(gyre_scope *scope, uint64_t deadline_ns);
void branch_cancel_task(struct branch *branch);

/* B, on the task's stack: its function has returned. Wait for what it left in
 * its part. */
void branch_empty(struct branch *branch);
/* Then: it is no guest any more. */
void branch_leave(struct branch *branch);
/* B, off its stack. */
void branch_end(struct branch *branch);

/* A: a task that was elsewhere has ended. (task.c) */
void task_come_home(gyre_task *task);

#endif
