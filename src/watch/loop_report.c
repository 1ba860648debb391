/* SPDX-License-Identifier: MIT */
/*
 * loop_report.c - counters, timers, and ops in the order of their lists
 *
 * An op is on one list at any time: the backlog, those held, ended, those that
 * are yet to be cancelled, or its descriptor's. The lists are walked as they
 * lie; nothing is sorted, for that would take memory.
 */
#include "watch/loop_report.h"

#include <errno.h>
#include <inttypes.h>

#include "loop/slot.h"
#include "watch/groups.h"
#include "watch/unwind.h"

#define OPS_SHOWN 200U
#define NEVER_NS (UINT64_C(1) << 63) /* sleeps for ever, in the wheel's terms */

static void report_pool(struct out *out, gyre_loop *loop)
{
    struct kernel *kernel = loop->kernel;
    struct kernel_pool pool;

    if (kernel->class->pool == NULL)
        return;
    kernel->class->pool(kernel, &pool);
    out_print(out,
              "  blocking threads%s: %u of at most %u, %u idle; %u requests "
              "queued",
              loop->blocking_pool != NULL ? " (shared)" : "", pool.threads,
              pool.threads_max, pool.idle, pool.queued);
    if (pool.wait_max_ns > 0) {
        out_print(out, ", the longest wait ");
        out_time(out, pool.wait_max_ns);
    }
    out_print(out, "\n");
}

static void report_timers(struct out *out, const gyre_loop *loop,
                          uint64_t now_ns)
{
    uint64_t next = loop_next_timer(loop);

    out_print(out, "  timers: %" PRIu64 " armed", counter_get(&loop->timers));
    if (counter_get(&loop->timers) > 0 && next <= now_ns) {
        out_print(out, ", some are due");
    } else if (next < NEVER_NS) {
        out_print(out, ", the loop looks at them in ");
        out_time(out, next - now_ns);
    }
    out_print(out, "\n");
}

void report_loop(struct out *out, gyre_loop *loop, uint64_t now_ns)
{
    out_print(out,
              "  now: %" PRIu64 " ready, %" PRIu64 " ops queued (backlog), "
              "%" PRIu64 " ops in flight\n",
              counter_get(&loop->ready), counter_get(&loop->queued),
              counter_get(&loop->in_flight));
    report_timers(out, loop, now_ns);
    report_pool(out, loop);
    out_print(out,
              "  so far: %" PRIu64 " turns, %" PRIu64 " enters, %" PRIu64
              " submitted, %" PRIu64 " completions, %" PRIu64
              " cancel requests, longest backlog %" PRIu64 "\n",
              counter_get(&loop->turns), counter_get(&loop->enters),
              counter_get(&loop->submitted), counter_get(&loop->completions),
              counter_get(&loop->cancel_requests),
              counter_get(&loop->backlog_max));
    out_print(out,
              "          %" PRIu64 " emulated, %" PRIu64 " retried, %" PRIu64
              " overflows, %" PRIu64 " eintr, %" PRIu64 " eagain, %" PRIu64
              " ebusy, %" PRIu64 " wakes\n",
              counter_get(&loop->emulated), counter_get(&loop->retried),
              counter_get(&loop->overflows), counter_get(&loop->eintr),
              counter_get(&loop->eagain), counter_get(&loop->ebusy),
              atomic_load_explicit(&loop->wakes, memory_order_relaxed));
}

const char *report_cancel_reason(int cancelled)
{
    return cancelled == -ETIME ? "cancelled by its deadline" : "cancelled";
}

/* ---- ops ----------------------------------------------------------------- */

static const char *state_name(const gyre_op *op)
{
    switch ((enum op_state)op->state_) {
    case OP_IDLE:
        return "idle";
    case OP_QUEUED:
        return "queued";
    case OP_FLYING:
        return (op->flags_ & OP_SIDE) != 0 ? "in flight, emulated,"
                                           : "in flight";
    case OP_ENDED:
        return "ended";
    case OP_HELD:
        return "held until the others on its fd have ended,";
    }
    return "?";
}

void report_op(struct out *out, const gyre_op *op, uint64_t now_ns)
{
    int fd = op_fd(op);

    out_print(out, "%s", gyre_op_name(op));
    if (fd >= 0)
        out_print(out, " on %s %d", fd_kind(fd), fd & ~GYRE_SLOT_BIT);
    out_print(out, ", %s", state_name(op));
    /* Where the stamp lay is then the result. */
    if (op->state_ != OP_ENDED) {
        out_print(out, " for ");
        out_time(out, op_age_ns(op, now_ns));
    }
    if ((op->flags_ & OP_CANCEL_ASKED) != 0)
        out_print(out, ", asked to end");
    if (op->deadline_ != NULL && gyre_timer_is_armed(&op->deadline_->timer_)) {
        uint64_t deadline = op->deadline_->timer_.deadline_ns_;

        out_print(out, ", ");
        out_time(out, deadline > now_ns ? deadline - now_ns : 0);
        out_print(out, " left");
    }
}

/* What one walk over all lists keeps. */
struct op_walk {
    struct out *out;
    uint64_t now_ns;
    bool (*is_of_task)(const gyre_op *op);
    struct groups groups;
    unsigned budget;
    uint64_t of_tasks;
    uint64_t count;
};

static void walk_op(struct op_walk *walk, const gyre_op *op)
{
    const void *done = (const void *)(uintptr_t)op->done_;
    uint64_t key;

    if (walk->is_of_task(op)) {
        walk->of_tasks++;
        return;
    }
    walk->count++;
    key = groups_mix(groups_mix(gyre_op_sqe((gyre_op *)(uintptr_t)op)->opcode,
                                (uintptr_t)done),
                     op->state_);
    if (!groups_admit(&walk->groups, key, op,
                      walk->now_ns - op_age_ns(op, walk->now_ns),
                      &walk->budget))
        return;
    out_print(walk->out, "  op %p: ", (const void *)op);
    report_op(walk->out, op, walk->now_ns);
    out_print(walk->out, "; calls ");
    unwind_print_place(walk->out, done);
    out_print(walk->out, "\n");
}

static void walk_list(struct op_walk *walk, const gyre_op *op)
{
    for (; op != NULL; op = op->next_)
        walk_op(walk, op);
}

static void report_hidden_ops(struct op_walk *walk)
{
    for (unsigned i = 0; i < walk->groups.used; i++) {
        const struct group *group = &walk->groups.at[i];
        const gyre_op *op = group->first;

        if (group->hidden == 0)
            continue;
        out_print(walk->out, "  and %" PRIu64 " more like op %p: %s, %s",
                  group->hidden, (const void *)op, gyre_op_name(op),
                  state_name(op));
        if (op->state_ != OP_ENDED) {
            out_print(walk->out, " for ");
            out_time(walk->out, walk->now_ns - group->since_last_ns);
            out_print(walk->out, " to ");
            out_time(walk->out, walk->now_ns - group->since_first_ns);
        }
        out_print(walk->out, "\n");
    }
    if (walk->groups.others > 0)
        out_print(walk->out, "  and %" PRIu64 " more\n", walk->groups.others);
}

void report_ops(struct out *out, gyre_loop *loop, uint64_t now_ns,
                bool (*is_of_task)(const gyre_op *op))
{
    struct op_walk walk = { .out = out,
                            .now_ns = now_ns,
                            .is_of_task = is_of_task,
                            .budget = OPS_SHOWN };

    groups_init(&walk.groups);
    out_print(out, "ops of callbacks:\n");
    for (uint32_t slot = 0; slot < loop->slot_count; slot++)
        walk_list(&walk, loop->slots[slot].flying);
    walk_list(&walk, loop->cancels);
    walk_list(&walk, loop->backlog.first);
    walk_list(&walk, loop->held.first);
    walk_list(&walk, loop->ended.first);
    report_hidden_ops(&walk);
    out_print(out, "  %" PRIu64 " in all; %" PRIu64 " more are of tasks\n",
              walk.count, walk.of_tasks);
}
