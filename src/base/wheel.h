/* SPDX-License-Identifier: MIT */
/*
 * wheel.h - a hierarchical timing wheel
 *
 * Time is cut into ticks of 32.768 us. A deadline is rounded up to a tick and
 * the wheel's clock down, so that nothing expires early. Level 0 has a slot for
 * each of the next ticks; a slot of level n stands for 64 slots of level n - 1.
 * A node lies on the level of the highest 6-bit digit in which its tick differs
 * from the clock, so:
 *
 *   - insert and remove are O(1) and touch one slot and one bitmap word;
 *   - the lowest level that is not empty holds the earliest node, and its first
 *     occupied slot is found by counting zero bits;
 *   - when the clock reaches a slot of a higher level, its nodes are inserted
 *     again and land lower. A node moves at most eight times in its life.
 *
 * What has expired waits on `due`, in order of tick, until it is taken. The
 * wheel reads no clock and knows no callbacks.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/list.h"

#define WHEEL_TICK_SHIFT 15 /* a tick is 2^15 ns */
#define WHEEL_DIGIT_BITS 6
#define WHEEL_SLOTS (1 << WHEEL_DIGIT_BITS)
#define WHEEL_LEVELS 9 /* 9 * 6 + 15 >= 64 bits of nanoseconds */

#define WHEEL_NEVER UINT64_MAX

struct wheel_node {
    struct list link;
    uint64_t deadline_ns;
};

struct wheel {
    uint64_t tick;  /* the clock: everything at or before it has expired */
    uint64_t count; /* nodes in slots and on `due` */
    struct list due;
    uint64_t occupied[WHEEL_LEVELS]; /* bit n: slot n is not empty */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, uint64_t now_ns);

/* Move what has expired at `now_ns` to `due`. Time that goes back is no error:
 * the wheel stays where it is. */
void wheel_advance(struct wheel *wheel, uint64_t now_ns);

/* When wheel_advance() has to be called next: 0 for at once, WHEEL_NEVER for an
 * empty wheel. May be earlier than the first deadline, never later than its
 * tick. */
uint64_t wheel_next_ns(const struct wheel *wheel);

/* Let go of every node: each is unlinked, none expires. */
void wheel_drop_all(struct wheel *wheel);

/* Abort if a node lies in the wrong slot or a bitmap lies; O(n), for tests. */
void wheel_check(const struct wheel *wheel);

static inline bool wheel_node_is_armed(const struct wheel_node *node)
{
    return list_is_linked(&node->link);
}

static inline uint64_t wheel_tick_of(uint64_t deadline_ns)
{
    uint64_t tick = deadline_ns >> WHEEL_TICK_SHIFT;

    return (tick << WHEEL_TICK_SHIFT) == deadline_ns ? tick : tick + 1;
}

static inline void wheel_place(struct wheel *wheel, struct wheel_node *node)
{
    uint64_t tick = wheel_tick_of(node->deadline_ns);

    if (UNLIKELY(tick <= wheel->tick)) {
        list_append(&wheel->due, &node->link);
        return;
    }

    unsigned highest = 63U - (unsigned)__builtin_clzll(tick ^ wheel->tick);
    unsigned level = highest / WHEEL_DIGIT_BITS;
    unsigned slot = (unsigned)(tick >> (level * WHEEL_DIGIT_BITS)) &
                    (WHEEL_SLOTS - 1);

    wheel->occupied[level] |= UINT64_C(1) << slot;
    list_append(&wheel->slots[level][slot], &node->link);
}

static inline void wheel_insert(struct wheel *wheel, struct wheel_node *node,
                                uint64_t deadline_ns)
{
    ASSERT(!wheel_node_is_armed(node));
    node->deadline_ns = deadline_ns;
    wheel->count++;
    wheel_place(wheel, node);
}

static inline void wheel_remove(struct wheel *wheel, struct wheel_node *node)
{
    struct list *head = node->link.next;
    bool was_last = head == node->link.prev;

    ASSERT(wheel_node_is_armed(node) && wheel->count > 0);
    list_remove(&node->link);
    wheel->count--;
    if (was_last && head != &wheel->due) {
        size_t index = (size_t)(head - &wheel->slots[0][0]);

        wheel->occupied[index / WHEEL_SLOTS] &=
            ~(UINT64_C(1) << (index % WHEEL_SLOTS));
    }
}

/* Take a node that has expired, or return NULL. */
static inline struct wheel_node *wheel_take_due(struct wheel *wheel)
{
    struct list *link = list_take_first(&wheel->due);

    if (link == NULL)
        return NULL;
    ASSERT(wheel->count > 0);
    wheel->count--;
    return CONTAINER_OF(link, struct wheel_node, link);
}

#endif
