/* SPDX-License-Identifier: MIT */
/*
 * registered.c - memory registered with the kernel, piece by piece
 *
 * What the kernel refuses (RLIMIT_MEMLOCK, memory that cannot be locked, no
 * such call) is kept in the loop's table alone: requests on it are plain, and
 * nobody needs to know. What is too much for it at once goes to it in parts:
 * requests that cross from one to the next are plain.
 */
#include "mem/registered.h"

#include <errno.h>

#include "mem/pieces.h"

/* Hand a piece to the kernel, whole or in parts. 0: it has it whole. Other
 * errors than -EFAULT and -ENOMEM: it does not; `first_part` says more. */
static int give(gyre_loop *loop, uint32_t index, void *memory, size_t size,
                struct mark *mark, uint16_t *first_part)
{
    int err = piece_give_to_kernel(loop, index, memory, size, mark);

    *first_part = NO_PART;
    if (err != -EFAULT || size <= PART_MOST)
        return err;
    err = parts_make(loop, index, memory, size, mark, first_part);
    return err < 0 ? err : -E2BIG;
}

/* At a free place of both tables; or, if the kernel refuses and that is
 * allowed, of the loop's alone: its index. */
static int add(gyre_loop *loop, void *memory, size_t size, bool alone)
{
    struct registered *registered;
    uint16_t first_part;
    struct mark *mark;
    int index = registered_of(loop, true, &registered);
    int err;

    if (index == 0)
        index = piece_find_free(registered, FIXED_MAX);
    if (index < 0)
        return index;
    mark = mark_new(loop, registered);
    if (mark == NULL)
        return -ENOMEM;
    err = give(loop, (uint32_t)index, memory, size, mark, &first_part);
    if (err == -EFAULT || err == -ENOMEM || (err < 0 && !alone)) {
        mark_drop(mark);
        return err;
    }
    piece_fill(registered, (uint32_t)index, memory, size, mark, err == 0,
               first_part);
    return index;
}

int registered_add(gyre_loop *loop, void *memory, size_t size)
{
    return add(loop, memory, size, false);
}

void registered_remove(gyre_loop *loop, const void *memory)
{
    struct registered *registered = loop->registered;

    for (uint32_t i = 0; registered != NULL && i < FIXED_MAX; i++)
        if (piece_is_in_use(loop, i) &&
            registered->table.ranges[i].start == (uintptr_t)memory) {
            if (piece_clear(loop, i, NULL, NULL))
                piece_take_from_kernel(loop, i);
            return;
        }
}

/* ---- the user's own memory ----------------------------------------------- */

static bool is_piece(const void *memory, size_t size)
{
    return memory != NULL && size > 0 && size <= PIECE_MOST;
}

int gyre_buffers_register(gyre_loop *loop, void *memory, size_t size)
{
    return is_piece(memory, size) ? add(loop, memory, size, true) : -EINVAL;
}

/* Linux takes the new memory before it lets the old one go. */
int gyre_buffers_update(gyre_loop *loop, unsigned index, void *memory,
                        size_t size, gyre_buffers_gone_fn *gone, void *user)
{
    uint16_t first_part;
    struct mark *mark;
    int err;

    loop_assert_owner(loop);
    if (!piece_is_in_use(loop, index) || !is_piece(memory, size))
        return -EINVAL;
    mark = mark_new(loop, loop->registered);
    if (mark == NULL)
        return -ENOMEM;
    err = give(loop, index, memory, size, mark, &first_part);
    if (err == -EFAULT || err == -ENOMEM) {
        mark_drop(mark);
        return err;
    }
    if (piece_clear(loop, index, gone, user) && err < 0)
        piece_take_from_kernel(loop, index);
    piece_fill(loop->registered, index, memory, size, mark, err == 0,
               first_part);
    return 0;
}

int gyre_buffers_unregister(gyre_loop *loop, unsigned index,
                            gyre_buffers_gone_fn *gone, void *user)
{
    loop_assert_owner(loop);
    if (!piece_is_in_use(loop, index))
        return -EINVAL;
    if (piece_clear(loop, index, gone, user))
        piece_take_from_kernel(loop, index);
    return 0;
}

void gyre_buffers_get_stats(const gyre_loop *loop, gyre_buffers_stats *stats)
{
    const struct registered *registered;

    ASSERT_API(stats->size == sizeof *stats,
               "set gyre_buffers_stats.size to sizeof(gyre_buffers_stats)");
    loop_assert_owner(loop);
    registered = loop->registered;
    *stats = (gyre_buffers_stats){ 0 };
    if (registered != NULL)
        *stats = registered->stats;
    stats->size = sizeof *stats;
}
