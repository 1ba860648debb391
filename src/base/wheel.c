/* SPDX-License-Identifier: MIT */
/*
 * wheel.c - the parts of the timing wheel that are not on the path of a timer
 *
 * The clock moves from occupied slot to occupied slot, so advancing costs what
 * there is to do and not how much time has passed. While the clock moves
 * between two slots no node changes its level: the digit in which a node
 * differs from the clock changes only when the clock enters the node's slot.
 */
#include "base/wheel.h"

void wheel_init(struct wheel *wheel, uint64_t now_ns)
{
    wheel->tick = now_ns >> WHEEL_TICK_SHIFT;
    wheel->count = 0;
    list_init(&wheel->due);
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
}

/* The earliest occupied slot; false if there is none. */
static bool wheel_first_slot(const struct wheel *wheel, unsigned *level,
                             unsigned *slot, uint64_t *tick)
{
    for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
        if (wheel->occupied[l] == 0)
            continue;

        unsigned shift = l * WHEEL_DIGIT_BITS;
        unsigned above = shift + WHEEL_DIGIT_BITS;
        unsigned first = (unsigned)__builtin_ctzll(wheel->occupied[l]);

        *level = l;
        *slot = first;
        *tick = (wheel->tick >> above << above) | ((uint64_t)first << shift);
        ASSERT(*tick > wheel->tick);
        return true;
    }
    return false;
}

void wheel_advance(struct wheel *wheel, uint64_t now_ns)
{
    uint64_t target = now_ns >> WHEEL_TICK_SHIFT;
    uint64_t tick;
    unsigned level, slot;

    while (wheel_first_slot(wheel, &level, &slot, &tick) && tick <= target) {
        struct list moved;

        list_init(&moved);
        list_append_all(&moved, &wheel->slots[level][slot]);
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
        wheel->tick = tick;
        for (;;) {
            struct list *link = list_take_first(&moved);

            if (link == NULL)
                break;
            wheel_place(wheel, CONTAINER_OF(link, struct wheel_node, link));
        }
    }
    if (target > wheel->tick)
        wheel->tick = target;
}

uint64_t wheel_next_ns(const struct wheel *wheel)
{
    uint64_t tick;
    unsigned level, slot;

    if (!list_is_empty(&wheel->due))
        return 0;
    if (!wheel_first_slot(wheel, &level, &slot, &tick))
        return WHEEL_NEVER;
    if (tick >= UINT64_MAX >> WHEEL_TICK_SHIFT)
        return WHEEL_NEVER - 1;
    return tick << WHEEL_TICK_SHIFT;
}

void wheel_drop_all(struct wheel *wheel)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            while (list_take_first(&wheel->slots[level][slot]) != NULL)
                ;
    while (list_take_first(&wheel->due) != NULL)
        ;
    wheel_init(wheel, wheel->tick << WHEEL_TICK_SHIFT);
}

static void wheel_check_slot(const struct wheel *wheel, unsigned level,
                             unsigned slot, uint64_t *count)
{
    const struct list *head = &wheel->slots[level][slot];
    bool bit = (wheel->occupied[level] >> slot & 1) != 0;

    ASSERT(bit == !list_is_empty(head));
    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct wheel_node *node =
            CONTAINER_OF(at, const struct wheel_node, link);
        uint64_t tick = wheel_tick_of(node->deadline_ns);
        unsigned highest = 63U - (unsigned)__builtin_clzll(tick ^ wheel->tick);

        ASSERT(tick > wheel->tick);
        ASSERT(highest / WHEEL_DIGIT_BITS == level);
        ASSERT(((tick >> (level * WHEEL_DIGIT_BITS)) & (WHEEL_SLOTS - 1)) ==
               slot);
        ++*count;
    }
}

void wheel_check(const struct wheel *wheel)
{
    uint64_t count = 0;

    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            wheel_check_slot(wheel, level, slot, &count);
    for (const struct list *at = wheel->due.next; at != &wheel->due;
         at = at->next)
        count++;
    ASSERT(count == wheel->count);
}
