/* SPDX-License-Identifier: MIT */
/*
 * case.c - a channel, an event, a task or a timer as a case of a select
 *
 * Channels and events decide under their own lock, which select holds. Tasks
 * and timers are of the selecting task's own loop and need none.
 */
#include "sync/case.h"

#include "loop/loop.h"
#include "sync/channel.h"

/* ---- making one ---------------------------------------------------------- */

static gyre_case make(enum case_kind kind, void *target, void *value)
{
    return (gyre_case){ .result = -EAGAIN,
                        .kind_ = (uint8_t)kind,
                        .target_ = target,
                        .value_ = value };
}

gyre_case gyre_on_recv(gyre_channel *channel, void *element)
{
    return make(CASE_RECV, channel, element);
}

gyre_case gyre_on_send(gyre_channel *channel, const void *element)
{
    return make(CASE_SEND, channel, (void *)(uintptr_t)element);
}

gyre_case gyre_on_op(gyre_op *op)
{
    return make(CASE_OP, op, NULL);
}

gyre_case gyre_on_task(gyre_task *task, int *result)
{
    return make(CASE_TASK, task, result);
}

gyre_case gyre_on_timer(uint64_t deadline_ns)
{
    gyre_case made = make(CASE_TIMER, NULL, NULL);

    made.deadline_ns_ = deadline_ns;
    return made;
}

gyre_case gyre_on_event(gyre_event *event, void **value)
{
    return make(CASE_EVENT, event, value);
}

/* ---- what it is ---------------------------------------------------------- */

static bool is_channel(const gyre_case *at)
{
    return at->kind_ == CASE_RECV || at->kind_ == CASE_SEND;
}

static enum channel_side side_of(const gyre_case *at)
{
    return at->kind_ == CASE_SEND ? CHANNEL_SEND : CHANNEL_RECV;
}

gyre_sync_ *case_sync(const gyre_case *at)
{
    if (is_channel(at))
        return channel_sync(at->target_);
    return at->kind_ == CASE_EVENT ? &((gyre_event *)at->target_)->sync_ : NULL;
}

static bool has_passed(uint64_t deadline_ns)
{
    return deadline_ns != GYRE_NEVER &&
           deadline_ns <= loop_clock(task_running()->tasks->loop);
}

bool case_is_ready(const gyre_case *at)
{
    switch ((enum case_kind)at->kind_) {
    case CASE_RECV:
    case CASE_SEND:
        return channel_is_ready(at->target_, side_of(at));
    case CASE_EVENT:
        return ((gyre_event *)at->target_)->set_ != 0;
    case CASE_TASK:
        return ((gyre_task *)at->target_)->finished;
    case CASE_TIMER:
        return has_passed(at->deadline_ns_);
    case CASE_OP:
        break;
    }
    return false;
}

/* ---- performing it ------------------------------------------------------- */

static void event_take(gyre_case *at, void *value)
{
    void **to = at->value_;

    at->result = 0;
    if (to != NULL)
        *to = value;
}

static void task_take_result(gyre_case *at)
{
    int result = task_take(at->target_);
    int *to = at->value_;

    at->result = 0;
    if (to != NULL)
        *to = result;
}

bool case_perform(gyre_case *at, struct wakes *wakes)
{
    if (is_channel(at)) {
        int result =
            channel_transfer(at->target_, side_of(at), at->value_, wakes);

        if (result == -EAGAIN)
            return false;
        at->result = result;
        return true;
    }
    if (!case_is_ready(at))
        return false;
    if (at->kind_ == CASE_EVENT)
        event_take(at, ((gyre_event *)at->target_)->value_);
    at->result = 0;
    return true;
}

void case_performed(gyre_case *at)
{
    if (at->kind_ == CASE_TASK)
        task_take_result(at);
}

/* ---- waiting for it ------------------------------------------------------ */

static bool claim(gyre_case *at)
{
    struct selection *selection = case_selection(at);

    if (!wait_claim(&selection->wait, (int32_t)case_waiter(at)->index + 1))
        return false;
    task_wake(selection->wait.task);
    return true;
}

/* The handle of a loser is forgotten at once: it may be gone before the
 * selecting task runs. */
static void task_has_ended(gyre_task *target)
{
    gyre_case *at = target->joiner;

    if (claim(at))
        return;
    target->ended = NULL;
    at->state_ = CASE_ENDED;
}

static void timer_has_passed(gyre_timer *timer, int status)
{
    ASSERT(status == 0);
    (void)claim(timer->user);
}

static void timer_begin(gyre_case *at)
{
    gyre_loop *loop = task_running()->tasks->loop;

    gyre_timer_init(&at->timer_, loop, timer_has_passed, at);
    if (at->deadline_ns_ != GYRE_NEVER)
        gyre_timer_start(&at->timer_, at->deadline_ns_);
}

static void task_begin(gyre_case *at)
{
    gyre_task *target = at->target_;

    ASSERT_API(target->books == NULL ||
                   loop_owner(target->books->loop) == loop_thread(),
               "select waits for tasks of its own loop's scopes; gyre_join() "
               "for any");
    task_watch(target, task_has_ended, at);
}

void case_begin(gyre_case *at, struct selection *selection, unsigned index)
{
    struct waiter *waiter = case_waiter(at);
    gyre_sync_ *sync = case_sync(at);

    ASSERT(at->state_ == CASE_IDLE);
    *waiter = (struct waiter){ .wait = &selection->wait,
                               .value = at->value_,
                               .index = index,
                               .kind = (uint16_t)side_of(at) };
    at->state_ = CASE_BEGUN;
    if (sync != NULL)
        waiter_enqueue(sync, waiter, &selection->wait);
    else if (at->kind_ == CASE_TASK)
        task_begin(at);
    else if (at->kind_ == CASE_TIMER)
        timer_begin(at);
    else
        case_op_start(at);
}

static void leave_queue(gyre_case *at, gyre_sync_ *sync)
{
    sync_lock(sync);
    waiter_leave(sync, case_waiter(at));
    sync_unlock(sync);
}

/* It was claimed: what has it got? */
static void take(gyre_case *at)
{
    struct waiter *waiter = case_waiter(at);

    if (is_channel(at))
        at->result = channel_result(waiter);
    else if (at->kind_ == CASE_EVENT)
        event_take(at, waiter->value);
    else if (at->kind_ == CASE_TASK)
        task_take_result(at);
    else if (at->kind_ == CASE_TIMER)
        at->result = 0;
}

void case_finish(gyre_case *at, bool won)
{
    gyre_sync_ *sync = case_sync(at);

    if (won)
        take(at);
    else if (at->state_ == CASE_BEGUN && sync != NULL)
        leave_queue(at, sync);
    else if (at->state_ == CASE_BEGUN && at->kind_ == CASE_TASK)
        ((gyre_task *)at->target_)->ended = NULL;
    if (at->state_ == CASE_BEGUN && at->kind_ == CASE_TIMER)
        gyre_timer_stop(&at->timer_);
    else if (case_flies(at))
        case_op_stop(at);
}
