/* SPDX-License-Identifier: MIT */
/*
 * clock.c - timeouts on clocks that the wheel does not keep
 *
 * The wheel goes by the monotonic clock. The boottime clock also counts the
 * time that the machine slept, and the realtime clock is set at times: points
 * on these are kept on a list for each clock, by deadline, and the first of
 * them is given to a timer of Linux's on that clock, which knows when the clock
 * jumps. They are few, and mostly come in order, so the list is looked through
 * from its end.
 *
 * A timer that rings before its time by our reading (the clock was set back
 * just then) is set again.
 */
#include <errno.h>
#include <unistd.h>

#include "kernel/emu/internal.h"

#define NS_PER_S UINT64_C(1000000000)

void clock_init(struct emu *emu)
{
    static const clockid_t ids[EMU_CLOCKS] = {
        [EMU_BOOTTIME] = CLOCK_BOOTTIME,
        [EMU_REALTIME] = CLOCK_REALTIME,
    };

    for (unsigned i = 0; i < EMU_CLOCKS; i++) {
        emu->clocks[i] = (struct emu_clock){ .id = ids[i],
                                             .fd = -1,
                                             .armed_ns = WHEEL_NEVER };
        list_init(&emu->clocks[i].timings);
    }
}

void clock_deinit(struct emu *emu)
{
    for (unsigned i = 0; i < EMU_CLOCKS; i++)
        if (emu->clocks[i].fd >= 0)
            close(emu->clocks[i].fd);
}

/* The clock that a timeout goes by; NULL: the monotonic one, as does a length
 * of time on the realtime clock, which no setting of the clock changes. */
struct emu_clock *clock_of(struct emu *emu, uint32_t timeout_flags,
                           bool absolute)
{
    if ((timeout_flags & IORING_TIMEOUT_BOOTTIME) != 0)
        return &emu->clocks[EMU_BOOTTIME];
    if ((timeout_flags & IORING_TIMEOUT_REALTIME) != 0 && absolute)
        return &emu->clocks[EMU_REALTIME];
    return NULL;
}

/* Make its timer: 0, or a negative errno. */
int clock_prepare(struct emu *emu, struct emu_clock *clock)
{
    uint64_t key = EMU_KEY_CLOCKS + (uint64_t)(clock - emu->clocks);
    int fd;

    if (clock->fd >= 0)
        return 0;
    fd = turn_timer_open(emu, clock->id, key);
    if (fd < 0)
        return fd;
    clock->fd = fd;
    return 0;
}

uint64_t clock_now_ns(const struct emu_clock *clock)
{
    struct timespec now;

    clock_gettime(clock->id, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static struct wheel_node *clock_first(const struct emu_clock *clock)
{
    return list_is_empty(&clock->timings)
               ? NULL
               : CONTAINER_OF(clock->timings.next, struct wheel_node, link);
}

/* Let the timer ring for the first. */
static void clock_arm(struct emu_clock *clock)
{
    const struct wheel_node *first = clock_first(clock);
    uint64_t next_ns = first != NULL ? first->deadline_ns : WHEEL_NEVER;

    if (next_ns == clock->armed_ns)
        return;
    clock->armed_ns = next_ns;
    turn_timer_set(clock->fd, next_ns);
}

void clock_insert(struct emu_clock *clock, struct wheel_node *node)
{
    struct list *at = clock->timings.prev;

    for (; at != &clock->timings; at = at->prev)
        if (CONTAINER_OF(at, const struct wheel_node, link)->deadline_ns <=
            node->deadline_ns)
            break;
    list_insert_before(at->next, &node->link);
    clock_arm(clock);
}

void clock_remove(struct emu_clock *clock, struct wheel_node *node)
{
    list_remove(&node->link);
    clock_arm(clock);
}

/* Take one that has expired; NULL: there is none. */
struct wheel_node *clock_take_due(struct emu_clock *clock)
{
    struct wheel_node *first = clock_first(clock);

    if (first == NULL)
        return NULL;
    if (clock_now_ns(clock) < first->deadline_ns) {
        clock_arm(clock);
        return NULL;
    }
    list_remove(&first->link);
    return first;
}

/* An event of the epoll with a key of our own. */
void clock_rang(struct emu *emu, uint64_t key)
{
    if (key < EMU_KEY_CLOCKS + EMU_CLOCKS)
        emu->clocks[key - EMU_KEY_CLOCKS].armed_ns = WHEEL_NEVER;
}
