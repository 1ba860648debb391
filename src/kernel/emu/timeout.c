/* SPDX-License-Identifier: MIT */
/*
 * timeout.c - TIMEOUT, TIMEOUT_REMOVE; the time of a LINK_TIMEOUT
 *
 * Timeouts lie on a timing wheel: at most one tick (32.768 us) late by it,
 * never early. Those with a count are also on a list, by the number of events
 * that completes them; the events are all CQEs but those of timeouts that
 * fired.
 *
 * Times on other clocks than the monotonic one are kept by clock.c.
 */
#include <errno.h>

#include "kernel/emu/internal.h"

#define NS_PER_S UINT64_C(1000000000)
#define FAR_NS (UINT64_MAX / 4)
#define TICK_NS (UINT64_C(1) << WHEEL_TICK_SHIFT)

int timeout_check(const struct io_uring_sqe *sqe)
{
    uint32_t flags = sqe->timeout_flags;
    uint32_t clocks = IORING_TIMEOUT_CLOCK_MASK;
    uint32_t known = IORING_TIMEOUT_ABS | clocks |
                     IORING_TIMEOUT_ETIME_SUCCESS | IORING_TIMEOUT_MULTISHOT |
                     IORING_TIMEOUT_IMMEDIATE_ARG;
    uint32_t repeating = IORING_TIMEOUT_ABS | IORING_TIMEOUT_MULTISHOT;

    if (sqe->buf_index != 0 || sqe->len != 1 || sqe->splice_fd_in != 0 ||
        (flags & ~known) != 0)
        return -EINVAL;
    if ((flags & clocks) == clocks || (flags & repeating) == repeating)
        return -EINVAL;
    return 0;
}

/* `argument` is the address of a time, or the time itself in nanoseconds. */
static int timeout_read(uint32_t flags, uint64_t argument, uint64_t *time_ns)
{
    struct ring_timespec time;
    int error;

    if ((flags & IORING_TIMEOUT_IMMEDIATE_ARG) != 0) {
        *time_ns = argument < FAR_NS ? argument : FAR_NS;
        return 0;
    }
    error = copy_in(&time, argument, sizeof time);
    if (error != 0)
        return error;
    if (time.tv_sec < 0 || time.tv_nsec < 0)
        return -EINVAL;
    *time_ns = FAR_NS;
    if ((uint64_t)time.tv_sec < FAR_NS / NS_PER_S / 2 &&
        (uint64_t)time.tv_nsec < FAR_NS / 2)
        *time_ns = (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
    return 0;
}

/* Make what the timeout goes by: 0, or a negative errno. */
static int timeout_prepare(struct emu *emu, const struct request *r,
                           bool absolute)
{
    struct emu_clock *clock = clock_of(emu, r->sqe.timeout_flags, absolute);

    return clock != NULL ? clock_prepare(emu, clock) : 0;
}

static void timeout_insert(struct emu *emu, struct request *r, uint64_t time_ns,
                           bool absolute)
{
    struct timing *timing = &r->kept.timing;

    timing->clock = clock_of(emu, r->sqe.timeout_flags, absolute);
    if (timing->clock == NULL) {
        wheel_insert(&emu->timers, &timing->node,
                     absolute ? time_ns : emu_now_ns() + time_ns);
        return;
    }
    if (!absolute)
        time_ns += clock_now_ns(timing->clock);
    timing->node.deadline_ns = time_ns;
    clock_insert(timing->clock, &timing->node);
}

/* Into the list of counted ones, in order; the newest is likely the last. */
static void timeout_insert_counted(struct emu *emu, struct request *r)
{
    struct list *at = emu->counted.prev;

    for (; at != &emu->counted; at = at->prev) {
        const struct timing *other =
            CONTAINER_OF(at, const struct timing, counted);

        if ((int32_t)(r->kept.timing.target - other->target) >= 0)
            break;
    }
    list_insert_before(at->next, &r->kept.timing.counted);
}

/* What a timeout goes by is read when it comes, though it may begin later. */
int timeout_keep(struct request *r)
{
    struct timing *timing = &r->kept.timing;

    *timing = (struct timing){ .interval_ns = 0 };
    list_init(&timing->counted);
    return timeout_read(r->sqe.timeout_flags, r->sqe.addr,
                        &timing->interval_ns);
}

int timeout_begin(struct emu *emu, struct request *r)
{
    struct timing *timing = &r->kept.timing;
    bool multishot = (r->sqe.timeout_flags & IORING_TIMEOUT_MULTISHOT) != 0;
    bool absolute = (r->sqe.timeout_flags & IORING_TIMEOUT_ABS) != 0;
    int error = timeout_prepare(emu, r, absolute);

    if (error == 0)
        error = request_hold(emu, r);
    if (error != 0)
        return error;
    timeout_insert(emu, r, timing->interval_ns, absolute);
    if (multishot) {
        timing->repeats = (uint32_t)r->sqe.off;
    } else if (r->sqe.off != 0) {
        timing->target = emu->events + (uint32_t)r->sqe.off;
        timeout_insert_counted(emu, r);
    }
    r->place = EMU_TIMING;
    return EMU_TAKEN;
}

/* A linked timeout is part of a chain that is taken; its time has been read. */
int timeout_ready_limit(struct emu *emu, struct request *limit)
{
    return timeout_prepare(
        emu, limit, (limit->sqe.timeout_flags & IORING_TIMEOUT_ABS) != 0);
}

/* What it guards has begun, and waits. */
void timeout_arm_limit(struct emu *emu, struct request *limit)
{
    int error = request_hold(emu, limit);

    ASSERT(error == 0 && limit->copied);
    timeout_insert(emu, limit, limit->kept.timing.interval_ns,
                   (limit->sqe.timeout_flags & IORING_TIMEOUT_ABS) != 0);
    limit->place = EMU_TIMING;
}

/* Off the wheel, or its clock, and the list. */
void timeout_leave(struct emu *emu, struct request *r)
{
    struct timing *timing = &r->kept.timing;

    ASSERT(r->place == EMU_TIMING);
    if (wheel_node_is_armed(&timing->node)) {
        if (timing->clock == NULL)
            wheel_remove(&emu->timers, &timing->node);
        else
            clock_remove(timing->clock, &timing->node);
    }
    if (list_is_linked(&timing->counted))
        list_remove(&timing->counted);
    r->place = EMU_NEW;
}

void timeout_count_due(struct emu *emu)
{
    while (!list_is_empty(&emu->counted)) {
        struct timing *timing =
            CONTAINER_OF(emu->counted.next, struct timing, counted);
        struct request *r = CONTAINER_OF(timing, struct request, kept.timing);

        if ((int32_t)(emu->events - timing->target) < 0)
            return;
        timeout_leave(emu, r);
        request_complete(emu, r, 0);
    }
}

static void timeout_fire(struct emu *emu, struct request *r)
{
    struct timing *timing = &r->kept.timing;
    bool multishot = (r->sqe.timeout_flags & IORING_TIMEOUT_MULTISHOT) != 0;
    bool last = !multishot || (timing->repeats != 0 && --timing->repeats == 0);
    uint64_t interval_ns = timing->interval_ns;

    timeout_leave(emu, r);
    if (r->sqe.opcode == IORING_OP_LINK_TIMEOUT) {
        chain_limit_passed(emu, r);
        return;
    }
    if (last || !request_post_more(emu, r, -ETIME)) {
        request_complete(emu, r, -ETIME);
        return;
    }
    /* From now, as Linux does; and never twice in one tick, for that would be
     * this very turn. */
    timeout_insert(emu, r, interval_ns < TICK_NS ? TICK_NS : interval_ns,
                   false);
    r->place = EMU_TIMING;
}

static void timeout_expired(struct emu *emu, struct wheel_node *node)
{
    struct request *r = CONTAINER_OF(node, struct request, kept.timing.node);

    if (r->op->tick == NULL) {
        timeout_fire(emu, r);
        return;
    }
    timeout_leave(emu, r);
    r->op->tick(emu, r);
}

/* Let a request of another kind sleep, until its `tick` is called. */
void timeout_sleep(struct emu *emu, struct request *r, uint64_t delay_ns)
{
    r->kept.timing = (struct timing){ .interval_ns = delay_ns };
    list_init(&r->kept.timing.counted);
    timeout_insert(emu, r, delay_ns, false);
    r->place = EMU_TIMING;
}

void timeout_run_due(struct emu *emu)
{
    struct wheel_node *node;

    for (unsigned i = 0; i < EMU_CLOCKS; i++)
        while ((node = clock_take_due(&emu->clocks[i])) != NULL)
            timeout_expired(emu, node);
    if (emu->timers.count == 0)
        return;
    wheel_advance(&emu->timers, emu_now_ns());
    while ((node = wheel_take_due(&emu->timers)) != NULL)
        timeout_expired(emu, node);
}

uint64_t timeout_next_ns(const struct emu *emu)
{
    return emu->timers.count == 0 ? WHEEL_NEVER : wheel_next_ns(&emu->timers);
}

int timeout_remove_check(const struct io_uring_sqe *sqe)
{
    uint32_t flags = sqe->timeout_flags;
    bool update = (flags & IORING_TIMEOUT_UPDATE) != 0;
    uint32_t known = update ? IORING_TIMEOUT_UPDATE_MASK | IORING_TIMEOUT_ABS |
                                  IORING_TIMEOUT_IMMEDIATE_ARG
                            : 0;

    if ((sqe->flags & IOSQE_FIXED_FILE) != 0 || sqe->buf_index != 0 ||
        sqe->len != 0 || sqe->splice_fd_in != 0 || (flags & ~known) != 0)
        return -EINVAL;
    return 0;
}

/* A timeout, or a linked one. */
static struct request *timeout_find(struct emu *emu, uint64_t user_data,
                                    bool linked)
{
    struct list *bucket = request_bucket(emu, user_data);
    uint8_t opcode = linked ? IORING_OP_LINK_TIMEOUT : IORING_OP_TIMEOUT;

    for (struct list *at = bucket->next; at != bucket; at = at->next) {
        struct request *r = CONTAINER_OF(at, struct request, hash);

        if (r->sqe.user_data == user_data && r->sqe.opcode == opcode &&
            r->place == EMU_TIMING)
            return r;
    }
    return NULL;
}

/* The new time is read when the request comes. */
int timeout_remove_keep(struct request *r)
{
    r->kept.timing.interval_ns = 0;
    if ((r->sqe.timeout_flags & IORING_TIMEOUT_UPDATE) == 0)
        return 0;
    return timeout_read(r->sqe.timeout_flags, r->sqe.addr2,
                        &r->kept.timing.interval_ns);
}

int timeout_remove_begin(struct emu *emu, struct request *r)
{
    uint32_t flags = r->sqe.timeout_flags;
    bool absolute = (flags & IORING_TIMEOUT_ABS) != 0;
    struct request *target;
    uint64_t time_ns;
    int error = r->copied ? 0 : timeout_remove_keep(r);

    if (error != 0)
        return error;
    time_ns = r->kept.timing.interval_ns;
    target = timeout_find(emu, r->sqe.addr,
                          (flags & IORING_LINK_TIMEOUT_UPDATE) != 0);
    if (target == NULL)
        return -ENOENT;
    error = timeout_prepare(emu, target, absolute);
    if (error != 0)
        return error;
    timeout_leave(emu, target);
    if ((flags & IORING_TIMEOUT_UPDATE) == 0) {
        request_complete(emu, r, 0);
        request_complete(emu, target, -ECANCELED);
        return EMU_TAKEN;
    }
    /* An updated timeout counts no more, and stays on its clock. */
    target->kept.timing.interval_ns = time_ns;
    timeout_insert(emu, target, time_ns, absolute);
    target->place = EMU_TIMING;
    return 0;
}
