/* SPDX-License-Identifier: MIT */
/*
 * wish.h - cancels and deadlines by any thread: nobody waits for them
 *
 * A scope and a task with a handle have room for one post to their loop, and a
 * word of what is wished. Who wishes adds to the word; if it was 0, he posts.
 * The loop takes all of the word, sets it to 0, and does what it says: so there
 * is one post at a time, and the wishes of many are one.
 *
 * Nothing is lost: adding and taking are each one atomic instruction (release
 * and acquire, as is the deadline's word by them), so a wish is either in what
 * was taken, or finds 0 and posts. While the word is not 0 a post is under way,
 * and its work is not to be freed: a scope that closes waits for it
 * (scope_is_busy()), and a task's stack is given back by the post itself
 * (wish_forget_task()). That is enough: whose call has returned has added
 * already; nobody may call for a scope that may have closed, or a handle that
 * may be gone.
 *
 * Includes only what task.h does.
 */
#ifndef TASK_WISH_H
#define TASK_WISH_H

#include "task/task.h"

/* Any thread. */
void wish_cancel(gyre_scope *scope);
void wish_deadline(gyre_scope *scope, uint64_t deadline_ns);
void wish_cancel_task(gyre_task *task);

/* On the task's loop. True: no post is under way; else it puts the stack. */
static inline bool wish_forget_task(gyre_task *task);
void wish_free_task(gyre_task *task);

/* Is the work one of these? */
bool wish_is(const gyre_work *work);

static inline bool wish_forget_task(gyre_task *task)
{
    if (LIKELY(__atomic_load_n(&task->wishes, __ATOMIC_ACQUIRE) == 0))
        return true;
    wish_free_task(task);
    return false;
}

#endif
