/* SPDX-License-Identifier: MIT */
/*
 * wish.c - wishes, and what comes of them: see wish.h
 */
#include "task/wish.h"

#include "loop/loop.h"

enum wish { WISH_CANCEL = 1 << 0, WISH_DEADLINE = 1 << 1, WISH_FREE = 1 << 2 };

/* ---- any thread ---------------------------------------------------------- */

/* True: nothing was wished, so the caller posts. */
static bool wish_add(uint32_t *wishes, enum wish wish)
{
    return __atomic_fetch_or(wishes, (uint32_t)wish, __ATOMIC_ACQ_REL) == 0;
}

static uint32_t wishes_take(uint32_t *wishes)
{
    uint32_t taken = __atomic_exchange_n(wishes, 0, __ATOMIC_ACQ_REL);

    ASSERT(taken != 0);
    return taken;
}

static void wished_of_scope(gyre_work *work);
static void wished_of_task(gyre_work *work);

void wish_cancel(gyre_scope *scope)
{
    if (wish_add(&scope->wishes_, WISH_CANCEL))
        gyre_loop_post(scope->loop_, &scope->wish_work_, wished_of_scope);
}

void wish_deadline(gyre_scope *scope, uint64_t deadline_ns)
{
    uint64_t *wish = &scope->wish_deadline_ns_;
    uint64_t now = __atomic_load_n(wish, __ATOMIC_RELAXED);

    while (deadline_ns < now &&
           !__atomic_compare_exchange_n(wish, &now, deadline_ns, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    if (wish_add(&scope->wishes_, WISH_DEADLINE))
        gyre_loop_post(scope->loop_, &scope->wish_work_, wished_of_scope);
}

void wish_cancel_task(gyre_task *task)
{
    if (wish_add(&task->wishes, WISH_CANCEL))
        gyre_loop_post(task->books->loop, &task->wish_work, wished_of_task);
}

/* ---- on the loop --------------------------------------------------------- */

static void wished_of_scope(gyre_work *work)
{
    gyre_scope *scope = CONTAINER_OF(work, gyre_scope, wish_work_);
    uint32_t wishes = wishes_take(&scope->wishes_);

    if ((wishes & WISH_DEADLINE) != 0)
        scope_tighten(scope, __atomic_load_n(&scope->wish_deadline_ns_,
                                             __ATOMIC_RELAXED));
    if ((wishes & WISH_CANCEL) != 0)
        scope_cancel_for(scope, -ECANCELED);
    scope_look_at_close(scope);
}

static void wished_of_task(gyre_work *work)
{
    gyre_task *task = CONTAINER_OF(work, gyre_task, wish_work);
    uint32_t wishes = wishes_take(&task->wishes);

    if ((wishes & WISH_FREE) != 0)
        task_put_stack(task);
    else
        scope_cancel_task(task);
}

void wish_free_task(gyre_task *task)
{
    (void)__atomic_fetch_or(&task->wishes, (uint32_t)WISH_FREE,
                            __ATOMIC_ACQ_REL);
}

bool wish_is(const gyre_work *work)
{
    return work->run_ == wished_of_scope || work->run_ == wished_of_task;
}
