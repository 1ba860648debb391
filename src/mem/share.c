/* SPDX-License-Identifier: MIT */
/*
 * share.c - registered memory of one loop for another
 *
 * Linux has a call for it (CLONE_BUFFERS, 6.12; with places, 6.13), which takes
 * no pin and counts nothing again. It gives nothing of a ring that belongs to
 * another thread, so between threads the table lies on a shelf: a ring that
 * belongs to nobody. Where none of that is to be had, each piece is registered
 * once more, at the same place.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "mem/pieces.h"
#include "ring/abi_register.h"
#include "ring/feature.h"
#include "ring/shelf.h"

/* What a table has, without its marks. */
struct layout {
    struct fixed_range ranges[FIXED_MAX];
    uint16_t next_part[FIXED_MAX];
    bool is_part[FIXED_MAX];
};

struct gyre_shared_buffers {
    struct layout layout;
    int shelf; /* a descriptor, or -1 */
};

static void layout_take(struct layout *layout, const gyre_loop *from)
{
    const struct registered *source = from->registered;

    if (source == NULL)
        return;
    memcpy(layout->ranges, source->table.ranges, sizeof layout->ranges);
    memcpy(layout->next_part, source->next_part, sizeof layout->next_part);
    memcpy(layout->is_part, source->is_part, sizeof layout->is_part);
}

/* ---- by Linux ------------------------------------------------------------ */

static int clone_places(gyre_loop *loop, int ring, uint32_t first,
                        uint32_t count, uint32_t flags)
{
    struct io_uring_clone_buffers arg = {
        .src_fd = (uint32_t)ring,
        .flags = flags,
        .src_off = first,
        .dst_off = first,
        .nr = count,
    };

    return loop->kernel->class->reg(loop->kernel, IORING_REGISTER_CLONE_BUFFERS,
                                    &arg, 1);
}

/* How many places in a row the kernel has, from `first` on. */
static uint32_t run_of(const struct layout *layout, uint32_t first)
{
    uint32_t count = 0;

    while (first + count < FIXED_MAX &&
           layout->ranges[first + count].with_kernel)
        count++;
    return count;
}

static void take_back(gyre_loop *loop, const struct layout *layout,
                      uint32_t end)
{
    for (uint32_t i = 0; i < end; i++)
        if (layout->ranges[i].with_kernel)
            piece_take_from_kernel(loop, i);
}

/* All that the kernel has of the layout. 0, or an error, and it has none. */
static int clone_all(gyre_loop *loop, const struct layout *layout, int ring)
{
    struct registered *registered = loop->registered;
    int err = 0;

    if (ring < 0 || loop->kernel->ring_fd < 0 ||
        !ring_feature_allowed(RING_CLONE_BUFFERS))
        return -EOPNOTSUPP;
    if (!registered->with_kernel) {
        err = clone_places(loop, ring, 0, 0, 0);
        registered->with_kernel = err == 0;
        return err;
    }
    for (uint32_t i = 0, run; i < FIXED_MAX; i += run + 1) {
        run = run_of(layout, i);
        if (run > 0)
            err = clone_places(loop, ring, i, run, IORING_REGISTER_DST_REPLACE);
        if (err < 0) {
            take_back(loop, layout, i);
            return err;
        }
    }
    return 0;
}

/* ---- piece by piece ------------------------------------------------------ */

static bool is_clear(const gyre_loop *loop, const struct layout *layout)
{
    const struct registered *registered = loop->registered;

    for (uint32_t i = 0; i < FIXED_MAX; i++)
        if (layout->ranges[i].size > 0 && registered->table.ranges[i].size > 0)
            return false;
    return true;
}

static bool is_any(const struct layout *layout)
{
    for (uint32_t i = 0; i < FIXED_MAX; i++)
        if (layout->ranges[i].with_kernel)
            return true;
    return false;
}

/* Into the loop's table, and if it has not been cloned, into the kernel's.
 * `whole` is that of a part. 0, -ENOMEM or -EFAULT. */
static int place_take(gyre_loop *loop, const struct layout *layout, uint32_t at,
                      bool cloned, struct mark *whole)
{
    struct registered *registered = loop->registered;
    const struct fixed_range *range = &layout->ranges[at];
    const void *memory = (const void *)range->start;
    struct mark *mark = mark_new(loop, registered);
    int err = 0;

    if (mark == NULL)
        return -ENOMEM;
    mark->shared = cloned && range->with_kernel;
    if (!mark->shared)
        err = range->with_kernel || range->size <= PART_MOST
                  ? piece_give_to_kernel(loop, at, memory, range->size, mark)
                  : -E2BIG;
    if (err == -EFAULT || (err < 0 && whole != NULL)) {
        mark_drop(mark);
        return err;
    }
    if (whole != NULL)
        part_fill(registered, at, memory, range->size, mark, whole);
    else
        piece_fill(registered, at, memory, range->size, mark, err == 0,
                   NO_PART);
    return 0;
}

/* A piece, and its parts. Of what the kernel has cloned, what is not in the
 * loop's table after an error is not lost: see adopt(). */
static int piece_take(gyre_loop *loop, const struct layout *layout, uint32_t at,
                      bool cloned)
{
    struct registered *registered = loop->registered;
    int err = place_take(loop, layout, at, cloned, NULL);

    for (uint16_t part = layout->next_part[at]; err == 0 && part != NO_PART;
         part = layout->next_part[part]) {
        int failed =
            place_take(loop, layout, part, cloned, registered->mark_of[at]);

        if (failed == -ENOMEM)
            return failed;
        if (failed < 0)
            continue; /* that part is plain */
        registered->stats.in_parts += registered->next_part[at] == NO_PART;
        registered->next_part[part] = registered->next_part[at];
        registered->next_part[at] = part;
    }
    return err;
}

static int adopt(gyre_loop *loop, const struct layout *layout, int ring)
{
    struct registered *registered;
    int err = registered_of(loop, false, &registered);
    bool cloned;

    if (err < 0)
        return err;
    if (!is_clear(loop, layout))
        return -EBUSY;
    cloned = is_any(layout) && clone_all(loop, layout, ring) == 0;
    if (!cloned)
        err = registered_of(loop, true, &registered);
    for (uint32_t i = 0; err == 0 && i < FIXED_MAX; i++)
        if (layout->ranges[i].size > 0 && !layout->is_part[i])
            err = piece_take(loop, layout, i, cloned);
    if (err == 0)
        return 0;
    for (uint32_t i = 0; i < FIXED_MAX; i++)
        if (layout->ranges[i].size > 0 && !layout->is_part[i])
            (void)gyre_buffers_unregister(loop, i, NULL, NULL);
    if (cloned)
        take_back(loop, layout, FIXED_MAX);
    return err;
}

/* ---- the calls ----------------------------------------------------------- */

int gyre_buffers_clone(gyre_loop *loop, const gyre_loop *from)
{
    struct layout *layout;
    int err;

    loop_assert_owner(loop);
    if (loop->registered != NULL &&
        ((struct registered *)loop->registered)->stats.count > 0)
        return -EBUSY;
    layout = alloc_zeroed(1, sizeof *layout);
    if (layout == NULL)
        return -ENOMEM;
    layout_take(layout, from);
    err = adopt(loop, layout, from->kernel->ring_fd);
    alloc_free(layout);
    return err;
}

int gyre_buffers_share(gyre_loop *loop, gyre_shared_buffers **result)
{
    gyre_shared_buffers *shared;

    loop_assert_owner(loop);
    shared = alloc_zeroed(1, sizeof *shared);
    if (shared == NULL)
        return -ENOMEM;
    layout_take(&shared->layout, loop);
    shared->shelf = -1;
    if (is_any(&shared->layout) && loop->kernel->ring_fd >= 0)
        shared->shelf = ring_shelf_open(loop->kernel->ring_fd);
    *result = shared;
    return 0;
}

int gyre_buffers_adopt(gyre_loop *loop, const gyre_shared_buffers *shared)
{
    return adopt(loop, &shared->layout, shared->shelf);
}

void gyre_shared_buffers_destroy(gyre_shared_buffers *shared)
{
    if (shared == NULL)
        return;
    if (shared->shelf >= 0)
        ring_shelf_close(shared->shelf);
    alloc_free(shared);
}
