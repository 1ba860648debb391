/* SPDX-License-Identifier: MIT */
/*
 * ask.c - asks and their answers: see ask.h
 */
#include "task/ask.h"

#include "kernel/thread.h"
#include "loop/loop.h"
#include "task/wish.h"

enum ask_state { ASK_LEAVES = 1 << 0, ASK_ANSWERED = 1 << 1 };

/* ---- on the loop --------------------------------------------------------- */

static void ask_wake(struct ask *ask)
{
    if (ask->task != NULL) {
        task_wake_from_anywhere(ask->task);
        return;
    }
    /* The frame may be gone as soon as the word is set: the futex call then
     * wakes, at worst, somebody else's sleeper without need. */
    __atomic_store_n(&ask->word, 1, __ATOMIC_RELEASE);
    thread_wake(&ask->word);
}

void ask_answer(struct ask *ask, int32_t result)
{
    struct tasks *tasks = ask->loop->tasks;
    uint32_t before;

    ask->result = result;
    before = __atomic_fetch_or(&ask->state, ASK_ANSWERED, __ATOMIC_ACQ_REL);
    ASSERT((before & ASK_ANSWERED) == 0);
    if ((before & ASK_LEAVES) == 0)
        ask_wake(ask);
    else
        tasks->leaving++;
}

void ask_give_up(struct ask *ask)
{
    ask->gave_up = true;
    ask_answer(ask, -ECANCELED);
}

static void ask_has_left(gyre_work *work)
{
    struct ask *ask = CONTAINER_OF(work, struct ask, leaving);
    struct tasks *tasks = ask->loop->tasks;
    uint32_t before = __atomic_fetch_and(&ask->state, ~(uint32_t)ASK_LEAVES,
                                         __ATOMIC_ACQ_REL);

    ASSERT((before & ASK_LEAVES) != 0);
    if ((before & ASK_ANSWERED) == 0) {
        ask->withdraw(ask);
        return;
    }
    tasks->leaving--;
    ask_wake(ask);
}

static void ask_begins(gyre_work *work)
{
    struct ask *ask = CONTAINER_OF(work, struct ask, work);

    ask->begin(ask);
}

void ask_later(struct ask *ask, void (*go_on)(struct ask *ask))
{
    ask->begin = go_on;
    ask->work.run_ = ask_begins;
    loop_make_ready(ask->loop, &ask->work);
}

/* Of this room, and somebody waits for it. */
static gyre_work *find_ask(const gyre_loop *loop)
{
    gyre_work *work = loop->ready_first;

    while (work != NULL && work->run_ != ask_begins &&
           work->run_ != ask_has_left && !wish_is(work))
        work = work->next_;
    return work;
}

static void asks_answer(gyre_loop *loop)
{
    gyre_work *work;

    loop_take_posted(loop);
    while ((work = find_ask(loop)) != NULL) {
        loop_forget_work(loop, work);
        work->run_(work);
    }
}

void asks_answer_all(gyre_loop *loop)
{
    const struct tasks *tasks = loop->tasks;

    loop_refuse_offers(loop);
    asks_answer(loop);
    /* Who leaves is about to post that. */
    while (tasks->leaving > 0) {
        thread_yield();
        asks_answer(loop);
    }
}

/* ---- who asks ------------------------------------------------------------ */

static void ask_cancel(gyre_task *task)
{
    struct ask *ask = task->waits_for;
    uint32_t before =
        __atomic_fetch_or(&ask->state, ASK_LEAVES, __ATOMIC_ACQ_REL);

    if ((before & ASK_ANSWERED) == 0)
        gyre_loop_post(ask->loop, &ask->leaving, ask_has_left);
}

static void task_side(struct ask *ask, const char *reason, const void *on)
{
    gyre_task *task = ask->task;

    task->waits_for = ask;
    task->tasks->outside++;
    task_wait(task, ask->withdraw != NULL ? ask_cancel : NULL, reason, on);
    task->tasks->outside--;
}

static void thread_side(struct ask *ask)
{
    while (__atomic_load_n(&ask->word, __ATOMIC_ACQUIRE) == 0)
        (void)thread_wait(&ask->word, 0, UINT64_MAX);
}

int32_t ask_and_wait(struct ask *ask, gyre_loop *loop, const char *reason,
                     const void *on)
{
    ASSERT_API(task_self != NULL || gyre_loop_current() == NULL,
               "this call waits for another loop, which a callback of a loop "
               "must not: make it in a task, or in a plain thread");
    ASSERT_API(loop_owner(loop) != loop_thread(),
               "the loop that is to answer is this thread's own, and runs the "
               "one that asks");
    ask->loop = loop;
    ask->task = task_self;
    ask->word = 0;
    ask->state = 0;
    ask->gave_up = false;
    ask->impatient = ask->task != NULL && task_cancelled(ask->task) != 0;
    if (ask->insists)
        gyre_loop_post(loop, &ask->work, ask_begins);
    else if (!loop_offer(loop, &ask->work, ask_begins))
        return -ECANCELED;
    if (ask->task != NULL)
        task_side(ask, reason, on);
    else
        thread_side(ask);
    return ask->gave_up ? task_cancelled(ask->task) : ask->result;
}
