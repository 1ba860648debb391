/* SPDX-License-Identifier: MIT */
/*
 * waiting.c - what waits when a step begins, and what may not begin beside it
 *
 * Only one request waits for a direction of a descriptor: that is its claim.
 * And a chain that waits goes on within a step that ends its wait, while what
 * that step has on threads runs: there they would meet by chance, if they are
 * about the same thing. So would a chain that goes on when it is cancelled, and
 * what the same cancel ends.
 */
#include "waiting.h"

static bool is_in(uint64_t items, unsigned id)
{
    return (items >> id & 1) != 0;
}

static bool is_linked(const struct item *item)
{
    return (item->sqe.flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)) != 0;
}

/* What the items of the chains that wait will be about, when they begin. */
static void look_behind(struct waiting *waiting, const struct program *program)
{
    bool behind = false, late = false;

    for (unsigned id = 0; id < program->item_count; id++) {
        const struct item *item = &program->items[id];

        if (is_in(waiting->pending, id)) {
            late |= item->loose && !is_in(waiting->nothing, id);
            if (behind && !is_in(waiting->nothing, id)) {
                waiting->objects |= item->objects;
                waiting->late_objects |= late ? item->objects : 0;
            }
            /* What waits itself takes a buffer when its bytes come. */
            if (!is_in(waiting->nothing, id))
                waiting->objects |= item->objects & UINT32_C(1)
                                                        << OBJECT_GROUPS;
            behind = true;
        }
        if (!is_linked(item))
            behind = late = false;
    }
}

static bool meets_others(const struct waiting *waiting,
                         const struct program *program, unsigned first,
                         unsigned behind)
{
    uint64_t others = waiting->pending & ~waiting->nothing;

    for (unsigned id = 0; id < program->item_count; id++)
        if (is_in(others, id) && (id < first || id > behind) &&
            (program->items[id].objects & program->items[behind].objects) != 0)
            return true;
    return false;
}

/* Does a cancel of all let a chain go on with what another item waits for? That
 * may have been cancelled before, or not. */
static bool is_tangled(const struct waiting *waiting,
                       const struct program *program)
{
    unsigned first = ITEMS_MAX; /* of the chain, that waits */

    for (unsigned id = 0; id < program->item_count; id++) {
        const struct item *item = &program->items[id];

        if (first != ITEMS_MAX && is_in(waiting->pending, id) &&
            !is_in(waiting->nothing, id) &&
            meets_others(waiting, program, first, id))
            return true;
        if (first == ITEMS_MAX && is_in(waiting->pending, id) &&
            (item->sqe.flags & IOSQE_IO_HARDLINK) != 0)
            first = id;
        if (!is_linked(item))
            first = ITEMS_MAX;
    }
    return false;
}

static bool cancels_several(const struct item *item)
{
    return item->sqe.opcode == IORING_OP_ASYNC_CANCEL &&
           (item->sqe.cancel_flags &
            (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY)) != 0;
}

void waiting_look(struct waiting *waiting, const struct program *program,
                  uint64_t pending, uint64_t nothing)
{
    *waiting = (struct waiting){ .pending = pending, .nothing = nothing };
    for (unsigned id = 0; id < program->item_count; id++)
        if (is_in(pending & ~nothing, id))
            waiting->claims |= program->items[id].claims;
    look_behind(waiting, program);
    waiting->tangled = is_tangled(waiting, program);
}

void waiting_add(struct waiting *waiting, const struct program *program,
                 unsigned id, bool left_out)
{
    if (left_out)
        waiting->nothing |= UINT64_C(1) << id;
    else
        waiting->claims |= program->items[id].claims;
}

bool waiting_excludes(const struct waiting *waiting,
                      const struct program *program, unsigned id)
{
    const struct item *item = &program->items[id];
    uint64_t absent = program->left_out | waiting->nothing;
    bool behind = false, late = item->loose;

    if ((item->claims & waiting->claims) != 0 ||
        (waiting->tangled && cancels_several(item)))
        return true;
    for (unsigned at = id; at > 0 && is_linked(&program->items[at - 1]); at--) {
        behind |= !is_in(program->left_out, at - 1);
        late |= program->items[at - 1].loose && !is_in(absent, at - 1);
    }
    /* What begins as it is submitted does so before any chain goes on. */
    return (late && (item->objects & waiting->objects) != 0) ||
           (behind && (item->objects & waiting->late_objects) != 0);
}
