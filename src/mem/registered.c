/* SPDX-License-Identifier: MIT */
/*
 * registered.c - memory registered with the kernel, piece by piece
 *
 * The kernel's table is made empty when the first piece comes, with all its
 * places, and then updated: so nothing in flight is waited for. Each piece that
 * the kernel has carries a tag, whose CQE says that the last request that used
 * it is over; a *mark* on the heap is what the tag leads to. A piece may be
 * gone from the table long before that.
 *
 * What the kernel refuses (RLIMIT_MEMLOCK, memory that cannot be locked, no
 * such call) is kept in the loop's table alone: requests on it are plain, and
 * nobody needs to know.
 */
#include "mem/registered.h"

#include <errno.h>
#include <gyre/error.h>
#include <gyre/registered.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/notice.h"
#include "loop/fixed.h"
#include "ring/abi_register.h"

#define PIECE_MOST ((size_t)1 << 30)

struct mark {
    struct gone_tag tag; /* comes first: its address is the tag */
    gyre_loop *loop;
    gyre_buffers_gone_fn *gone;
    void *user;
    bool waited_for; /* the loop is held until it is gone */
    struct list link;
    gyre_work work; /* for those that the kernel never had */
};

/* What a loop with registered memory has more: loop->registered. */
struct registered {
    struct fixed_table table;
    bool with_kernel; /* the kernel has a table */
    struct list marks;
    struct mark *mark_of[FIXED_MAX];
    gyre_buffers_stats stats;
};

/* ---- the kernel's table -------------------------------------------------- */

static int call_register(gyre_loop *loop, unsigned opcode, void *arg,
                         unsigned size)
{
    return loop->kernel->class->reg(loop->kernel, opcode, arg, size);
}

static bool goes_to_kernel(const struct kernel *kernel, unsigned opcode)
{
    return kernel->route[opcode] == KERNEL_ROUTE_SQ ||
           kernel->route[opcode] == KERNEL_ROUTE_LOOK;
}

/* RSRC_REGISTER_SPARSE came with 5.19; from 5.13 on an array of nothing is the
 * same. */
static int make_kernel_table(gyre_loop *loop)
{
    struct io_uring_rsrc_register arg = {
        .nr = FIXED_MAX,
        .flags = IORING_RSRC_REGISTER_SPARSE,
    };
    uint64_t(*nothing)[2];
    int err;

    if (!goes_to_kernel(loop->kernel, IORING_OP_READ_FIXED) ||
        !goes_to_kernel(loop->kernel, IORING_OP_WRITE_FIXED))
        return -EOPNOTSUPP;
    err = call_register(loop, IORING_REGISTER_BUFFERS2, &arg, sizeof arg);
    if (err != -EINVAL)
        return err;
    nothing = alloc_zeroed(FIXED_MAX, sizeof *nothing);
    if (nothing == NULL)
        return -ENOMEM;
    arg.flags = 0;
    arg.data = (uintptr_t)nothing;
    err = call_register(loop, IORING_REGISTER_BUFFERS2, &arg, sizeof arg);
    alloc_free(nothing);
    return err;
}

static int update_kernel(gyre_loop *loop, uint32_t index, const void *memory,
                         size_t size, struct mark *mark)
{
    uint64_t vector[2] = { (uintptr_t)memory, size }; /* a struct iovec */
    uint64_t tag = 0;
    struct io_uring_rsrc_update2 arg = {
        .offset = index,
        .data = (uintptr_t)vector,
        .tags = (uintptr_t)&tag,
        .nr = 1,
    };
    int result;

    if (mark != NULL)
        tag = (uintptr_t)&mark->tag | KERNEL_TAG_GONE;
    result =
        call_register(loop, IORING_REGISTER_BUFFERS_UPDATE, &arg, sizeof arg);
    return result > 0 ? 0 : result == 0 ? -EINVAL : result;
}

/* ---- marks --------------------------------------------------------------- */

static void mark_free(struct mark *mark)
{
    list_remove(&mark->link);
    alloc_free(mark);
}

static void mark_gone(struct gone_tag *tag)
{
    struct mark *mark = CONTAINER_OF(tag, struct mark, tag);
    gyre_buffers_gone_fn *gone = mark->gone;
    void *user = mark->user;

    if (mark->waited_for)
        mark->loop->holds--;
    mark_free(mark);
    if (gone != NULL)
        gone(user);
}

static void mark_work(gyre_work *work)
{
    struct mark *mark = CONTAINER_OF(work, struct mark, work);

    mark_gone(&mark->tag);
}

static struct mark *mark_new(gyre_loop *loop, struct registered *registered)
{
    struct mark *mark = alloc_aligned(16, sizeof *mark);

    if (mark == NULL)
        return NULL;
    ASSERT(((uintptr_t)mark & KERNEL_TAG_MASK) == 0);
    mark->tag.gone = mark_gone;
    mark->loop = loop;
    list_append(&registered->marks, &mark->link);
    return mark;
}

/* Its piece is out of the table: tell when it is gone. */
static void mark_leave(struct mark *mark, bool with_kernel,
                       gyre_buffers_gone_fn *gone, void *user)
{
    mark->gone = gone;
    mark->user = user;
    if (gone != NULL) {
        mark->waited_for = true;
        mark->loop->holds++;
    }
    if (with_kernel)
        return; /* its CQE comes, or has come */
    mark->work.run_ = mark_work;
    loop_make_ready(mark->loop, &mark->work);
}

/* ---- the loop's table ---------------------------------------------------- */

static void registered_end(gyre_loop *loop)
{
    struct registered *registered = loop->registered;
    struct list *link;

    /* Else its locked memory would count until Linux gets round to it. */
    if (registered->with_kernel)
        (void)call_register(loop, IORING_UNREGISTER_BUFFERS, NULL, 0);
    while ((link = registered->marks.next) != &registered->marks)
        mark_free(CONTAINER_OF(link, struct mark, link));
    loop->fixed = NULL;
    loop->registered = NULL;
    alloc_free(registered);
}

static int registered_of(gyre_loop *loop, struct registered **found)
{
    struct registered *registered = loop->registered;
    int err;

    loop_assert_owner(loop);
    *found = registered;
    if (registered != NULL)
        return 0;
    err = loop_attach(loop);
    if (err < 0)
        return err;
    registered = alloc_zeroed(1, sizeof *registered);
    if (registered == NULL)
        return -ENOMEM;
    list_init(&registered->marks);
    registered->with_kernel = make_kernel_table(loop) == 0;
    registered->table.vectors =
        loop->kernel->route[IORING_OP_READV_FIXED] == KERNEL_ROUTE_SQ &&
        loop->kernel->route[IORING_OP_WRITEV_FIXED] == KERNEL_ROUTE_SQ;
    registered->table.sockets = loop->kernel->sockets_registered;
    loop->registered = registered;
    loop->registered_end = registered_end;
    loop->fixed = &registered->table;
    *found = registered;
    return 0;
}

static int find_free(const struct registered *registered)
{
    for (uint32_t i = 0; i < FIXED_MAX; i++)
        if (registered->table.ranges[i].size == 0)
            return (int)i;
    return -ENOSPC;
}

static void tell_of_refusal(size_t size, int err)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&told))
        notice("Linux does not register %zu bytes of buffers (%s), so they are "
               "used without; if it is for RLIMIT_MEMLOCK, raise that "
               "(ulimit -l)",
               size, gyre_strerror(err));
}

/* Hand a piece to the kernel, at a place that is free or will be lost to it. 0;
 * negative: it does not have it; -EFAULT: nobody can. */
static int give_to_kernel(gyre_loop *loop, uint32_t index, const void *memory,
                          size_t size, struct mark *mark)
{
    struct registered *registered = loop->registered;
    int err = -EOPNOTSUPP;

    if (registered->with_kernel)
        err = update_kernel(loop, index, memory, size, mark);
    if (err < 0 && err != -EFAULT) {
        registered->stats.refused++;
        tell_of_refusal(size, err);
    }
    return err;
}

static void place_fill(struct registered *registered, uint32_t index,
                       const void *memory, size_t size, struct mark *mark,
                       bool with_kernel)
{
    registered->mark_of[index] = mark;
    fixed_set(&registered->table, index, memory, size, with_kernel);
    registered->stats.count++;
    registered->stats.bytes += size;
    if (!with_kernel)
        return;
    registered->stats.with_kernel++;
    registered->stats.bytes_with_kernel += size;
}

/* In the loop's books; true: the kernel has it. */
static bool place_clear(struct registered *registered, uint32_t index,
                        gyre_buffers_gone_fn *gone, void *user)
{
    struct fixed_range range = registered->table.ranges[index];
    struct mark *mark = registered->mark_of[index];

    mark_leave(mark, range.with_kernel, gone, user);
    registered->mark_of[index] = NULL;
    fixed_clear(&registered->table, index);
    registered->stats.count--;
    registered->stats.bytes -= range.size;
    if (!range.with_kernel)
        return false;
    registered->stats.with_kernel--;
    registered->stats.bytes_with_kernel -= range.size;
    return true;
}

/* Emptying a place needs no memory of the kernel's, so it does not fail. */
static void take_from_kernel(gyre_loop *loop, uint32_t index)
{
    int err = update_kernel(loop, index, NULL, 0, NULL);

    ASSERT(err == 0);
}

/* At a free place of both tables; or, if the kernel refuses and that is
 * allowed, of the loop's alone: its index. */
static int add(gyre_loop *loop, void *memory, size_t size, bool alone)
{
    struct registered *registered;
    struct mark *mark;
    int index = registered_of(loop, &registered);
    int err;

    if (index == 0)
        index = find_free(registered);
    if (index < 0)
        return index;
    mark = mark_new(loop, registered);
    if (mark == NULL)
        return -ENOMEM;
    err = give_to_kernel(loop, (uint32_t)index, memory, size, mark);
    if (err == -EFAULT || (err < 0 && !alone)) {
        mark_free(mark);
        return err;
    }
    place_fill(registered, (uint32_t)index, memory, size, mark, err == 0);
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
        if (registered->table.ranges[i].size > 0 &&
            registered->table.ranges[i].start == (uintptr_t)memory) {
            if (place_clear(registered, i, NULL, NULL))
                take_from_kernel(loop, i);
            return;
        }
}

/* ---- the user's own memory ----------------------------------------------- */

static bool is_piece(const void *memory, size_t size)
{
    return memory != NULL && size > 0 && size <= PIECE_MOST;
}

static bool is_in_use(const gyre_loop *loop, unsigned index)
{
    const struct registered *registered = loop->registered;

    return registered != NULL && index < FIXED_MAX &&
           registered->table.ranges[index].size > 0;
}

int gyre_buffers_register(gyre_loop *loop, void *memory, size_t size)
{
    return is_piece(memory, size) ? add(loop, memory, size, true) : -EINVAL;
}

/* Linux takes the new memory before it lets the old one go. */
int gyre_buffers_update(gyre_loop *loop, unsigned index, void *memory,
                        size_t size, gyre_buffers_gone_fn *gone, void *user)
{
    struct mark *mark;
    int err;

    loop_assert_owner(loop);
    if (!is_in_use(loop, index) || !is_piece(memory, size))
        return -EINVAL;
    mark = mark_new(loop, loop->registered);
    if (mark == NULL)
        return -ENOMEM;
    err = give_to_kernel(loop, index, memory, size, mark);
    if (err == -EFAULT) {
        mark_free(mark);
        return err;
    }
    if (place_clear(loop->registered, index, gone, user) && err < 0)
        take_from_kernel(loop, index);
    place_fill(loop->registered, index, memory, size, mark, err == 0);
    return 0;
}

int gyre_buffers_unregister(gyre_loop *loop, unsigned index,
                            gyre_buffers_gone_fn *gone, void *user)
{
    loop_assert_owner(loop);
    if (!is_in_use(loop, index))
        return -EINVAL;
    if (place_clear(loop->registered, index, gone, user))
        take_from_kernel(loop, index);
    return 0;
}

static int clone_one(gyre_loop *loop, uint32_t index,
                     const struct fixed_range *range)
{
    struct mark *mark = mark_new(loop, loop->registered);
    int err;

    if (mark == NULL)
        return -ENOMEM;
    err = give_to_kernel(loop, index, (void *)range->start, range->size, mark);
    if (err == -EFAULT) {
        mark_free(mark);
        return err;
    }
    place_fill(loop->registered, index, (void *)range->start, range->size, mark,
               err == 0);
    return 0;
}

int gyre_buffers_clone(gyre_loop *loop, const gyre_loop *from)
{
    const struct registered *source = from->registered;
    struct registered *registered;
    int err = registered_of(loop, &registered);

    if (err < 0)
        return err;
    if (registered->stats.count > 0)
        return -EBUSY;
    for (uint32_t i = 0; source != NULL && err == 0 && i < FIXED_MAX; i++)
        if (source->table.ranges[i].size > 0)
            err = clone_one(loop, i, &source->table.ranges[i]);
    for (uint32_t i = 0; err < 0 && i < FIXED_MAX; i++)
        (void)gyre_buffers_unregister(loop, i, NULL, NULL);
    return err;
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
