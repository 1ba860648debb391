/* SPDX-License-Identifier: MIT */
/*
 * timer.c - timers and deadlines on the loop's wheel
 *
 * The kernel knows one deadline, that of enter(); everything else is the
 * wheel's (base/wheel.h). A timer's link, deadline and the wheel's node are the
 * same 24 bytes. A cancelled timer is off the wheel and on `cancelled_timers`
 * until it is told.
 *
 * A deadline is a timer whose callback cancels an op. The op points to it, so
 * that the op's last completion can disarm it, whichever comes first.
 */
#include <errno.h>
#include <string.h>

#include "loop/loop.h"

/* In place of a period: the timer is off the wheel, waiting to be told. */
#define PERIOD_CANCELLED UINT64_MAX

_Static_assert(sizeof(struct wheel_node) == 3 * sizeof(uint64_t), "a node");
_Static_assert(offsetof(gyre_timer, deadline_ns_) -
                       offsetof(gyre_timer, link_) ==
                   offsetof(struct wheel_node, deadline_ns),
               "a timer's link and deadline are a node of the wheel");
_Static_assert(sizeof(gyre_timer) == 56, "a timer is small");

static struct wheel_node *timer_node(const gyre_timer *timer)
{
    return (struct wheel_node *)(uintptr_t)timer->link_;
}

static gyre_timer *node_timer(struct wheel_node *node)
{
    return CONTAINER_OF(node, gyre_timer, link_);
}

void loop_timer_start(gyre_timer *timer, uint64_t deadline_ns)
{
    counter_add(&timer->loop_->timers, 1);
    wheel_insert(&timer->loop_->wheel, timer_node(timer), deadline_ns);
}

static void timer_arm(gyre_timer *timer, uint64_t deadline_ns)
{
    ASSERT_API(!timer->loop_->closing,
               "a timer was armed while its loop is being destroyed");
    loop_timer_start(timer, deadline_ns);
}

/* Off the wheel, or off the list of the cancelled. */
static void timer_disarm(gyre_timer *timer)
{
    gyre_loop *loop = timer->loop_;

    counter_sub(&loop->timers, 1);
    if (timer == loop->alarm)
        loop->alarm = NULL;
    if (timer->period_ns_ == PERIOD_CANCELLED)
        list_remove(&timer_node(timer)->link);
    else
        wheel_remove(&loop->wheel, timer_node(timer));
}

void gyre_timer_init(gyre_timer *timer, gyre_loop *loop, gyre_timer_fn *done,
                     void *user)
{
    ASSERT_API(loop != NULL, "a timer needs a loop");
    ASSERT_API(done != NULL, "a timer needs a callback");
    memset(timer, 0, sizeof *timer);
    timer->user = user;
    timer->done_ = done;
    timer->loop_ = loop;
}

void gyre_timer_start(gyre_timer *timer, uint64_t deadline_ns)
{
    loop_assert_owner(timer->loop_);
    ASSERT_API(!gyre_timer_is_armed(timer),
               "the timer is armed already: gyre_timer_reset() moves it");
    timer->period_ns_ = 0;
    timer_arm(timer, deadline_ns);
}

void gyre_timer_start_after(gyre_timer *timer, uint64_t delay_ns)
{
    uint64_t now = gyre_loop_now(timer->loop_);

    gyre_timer_start(timer,
                     delay_ns < GYRE_NEVER - now ? now + delay_ns : GYRE_NEVER);
}

void gyre_timer_start_repeating(gyre_timer *timer, uint64_t first_ns,
                                uint64_t period_ns)
{
    ASSERT_API(period_ns > 0 && period_ns < PERIOD_CANCELLED,
               "the period of a repeating timer is at least 1 ns");
    gyre_timer_start(timer, first_ns);
    timer->period_ns_ = period_ns;
}

void gyre_timer_reset(gyre_timer *timer, uint64_t deadline_ns)
{
    loop_assert_owner(timer->loop_);
    if (gyre_timer_is_armed(timer)) {
        ASSERT_API(timer->period_ns_ != PERIOD_CANCELLED,
                   "the timer was cancelled and is yet to be told");
        wheel_remove(&timer->loop_->wheel, timer_node(timer));
        wheel_insert(&timer->loop_->wheel, timer_node(timer), deadline_ns);
    } else {
        timer_arm(timer, deadline_ns);
    }
}

bool gyre_timer_cancel(gyre_timer *timer)
{
    loop_assert_owner(timer->loop_);
    if (!gyre_timer_is_armed(timer))
        return false;
    if (timer->period_ns_ == PERIOD_CANCELLED)
        return true; /* asked before */
    wheel_remove(&timer->loop_->wheel, timer_node(timer));
    timer->period_ns_ = PERIOD_CANCELLED;
    list_append(&timer->loop_->cancelled_timers, &timer_node(timer)->link);
    return true;
}

bool gyre_timer_stop(gyre_timer *timer)
{
    loop_assert_owner(timer->loop_);
    if (!gyre_timer_is_armed(timer))
        return false;
    timer_disarm(timer);
    timer->period_ns_ = 0;
    return true;
}

bool gyre_timer_is_armed(const gyre_timer *timer)
{
    return wheel_node_is_armed(timer_node(timer));
}

/* ---- the loop's side ----------------------------------------------------- */

/* Those cancelled by now: who is cancelled by a callback is told next turn. */
static void loop_tell_cancelled(gyre_loop *loop, unsigned limit)
{
    struct list told;
    struct list *link;

    list_init(&told);
    list_append_all(&told, &loop->cancelled_timers);
    while (limit-- > 0 && (link = list_take_first(&told)) != NULL) {
        gyre_timer *timer =
            node_timer(CONTAINER_OF(link, struct wheel_node, link));

        counter_sub(&loop->timers, 1);
        timer->period_ns_ = 0;
        loop->called++;
        timer->done_(timer, -ECANCELED);
    }
    list_append_all(&told, &loop->cancelled_timers);
    list_append_all(&loop->cancelled_timers, &told);
}

void loop_alarm_set(gyre_timer *timer, uint64_t deadline_ns)
{
    gyre_timer_stop(timer);
    ASSERT(timer->loop_->alarm == NULL);
    timer->loop_->alarm = timer;
    loop_timer_start(timer, deadline_ns);
}

/* The next multiple of the period after now, so that the timer neither drifts
 * nor catches up with calls that nobody wants any more. */
static void timer_repeat(gyre_loop *loop, gyre_timer *timer)
{
    uint64_t due = timer->deadline_ns_;
    uint64_t missed = (loop->now_ns - due) / timer->period_ns_;
    uint64_t next;

    if (__builtin_add_overflow(due + missed * timer->period_ns_,
                               timer->period_ns_, &next))
        next = GYRE_NEVER;
    timer_arm(timer, next);
}

/* A fence behind what is due now: a timer that a callback arms for the past is
 * called next turn, and cannot keep this one busy. */
void loop_expire_timers(gyre_loop *loop, unsigned limit)
{
    struct wheel_node fence = { .deadline_ns = 0 };
    struct wheel_node *node;

    if (!list_is_empty(&loop->cancelled_timers))
        loop_tell_cancelled(loop, limit);
    if (loop->wheel.count == 0)
        return;
    wheel_advance(&loop->wheel, gyre_loop_now(loop));
    if (list_is_empty(&loop->wheel.due))
        return;
    wheel_insert(&loop->wheel, &fence, 0);
    while ((node = wheel_take_due(&loop->wheel)) != &fence) {
        gyre_timer *timer = node_timer(node);

        ASSERT(timer->deadline_ns_ <= loop->now_ns); /* I5: never early */
        counter_sub(&loop->timers, 1);
        if (timer->period_ns_ != 0)
            timer_repeat(loop, timer);
        else if (UNLIKELY(timer == loop->alarm))
            loop->alarm = NULL;
        loop->called++;
        timer->done_(timer, 0);
        if (--limit == 0) {
            wheel_remove(&loop->wheel, &fence);
            return;
        }
    }
}

/* ---- a deadline for one op ----------------------------------------------- */

static void deadline_passed(gyre_timer *timer, int status)
{
    gyre_deadline *deadline = CONTAINER_OF(timer, gyre_deadline, timer_);

    ASSERT(status == 0);
    ASSERT(deadline->op_->deadline_ == deadline);
    loop_tell(timer->loop_, STEP_EXPIRED, deadline->op_, 0, 0);
    /* Who was asked to end before keeps that reason. */
    deadline->fired_ = gyre_op_cancel(deadline->op_) == 0;
}

void gyre_op_set_deadline(gyre_op *op, gyre_deadline *deadline,
                          uint64_t deadline_ns)
{
    ASSERT_API(op->state_ != OP_IDLE, "only a started op can have a deadline");
    ASSERT_API(op->deadline_ == NULL, "the op has a deadline already");
    deadline->op_ = op;
    deadline->fired_ = false;
    gyre_timer_init(&deadline->timer_, op->loop_, deadline_passed, NULL);
    if (deadline_ns != GYRE_NEVER)
        gyre_timer_start(&deadline->timer_, deadline_ns);
    op->deadline_ = deadline;
    loop_tell(op->loop_, STEP_DEADLINE, op, 0, deadline_ns);
}

int32_t deadline_result(const gyre_op *op, int32_t result)
{
    return op->deadline_->fired_ && result == -ECANCELED ? -ETIME : result;
}

int32_t deadline_finish(gyre_op *op, int32_t result)
{
    gyre_deadline *deadline = op->deadline_;

    ASSERT(deadline->op_ == op);
    result = deadline_result(op, result);
    op->deadline_ = NULL;
    gyre_timer_stop(&deadline->timer_);
    return result;
}
