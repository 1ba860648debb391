/* SPDX-License-Identifier: MIT */
/*
 * pieces.c - the tables of pieces.h
 *
 * The kernel's table is made empty when the first piece comes, with all its
 * places, and then updated: so nothing in flight is waited for.
 *
 * Of a piece that came by a clone Linux does not tell when it is gone: its tag
 * stays with the ring that it was registered on. So the loop looks whether
 * anything in flight may use it, after each batch of completions, until nothing
 * does. Vectors do not say where they lead to once they are submitted, so all
 * of them may.
 */
#include "mem/pieces.h"

#include <errno.h>
#include <gyre/error.h>

#include "base/alloc.h"
#include "base/notice.h"
#include "loop/optable.h"
#include "ring/abi_register.h"

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

static void tell_of_refusal(size_t size, int err)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;

    if (!atomic_flag_test_and_set(&told))
        notice("Linux does not register %zu bytes of buffers (%s), so they are "
               "used without; if it is for RLIMIT_MEMLOCK, raise that "
               "(ulimit -l)",
               size, gyre_strerror(err));
}

int piece_give_to_kernel(gyre_loop *loop, uint32_t index, const void *memory,
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
    return err == -ENOMEM ? -EAGAIN : err;
}

void piece_take_from_kernel(gyre_loop *loop, uint32_t index)
{
    int err = update_kernel(loop, index, NULL, 0, NULL);

    ASSERT(err == 0);
}

/* ---- marks --------------------------------------------------------------- */

static void mark_free(struct mark *mark)
{
    list_remove(&mark->link);
    alloc_free(mark);
}

static void mark_end(struct mark *mark)
{
    gyre_buffers_gone_fn *gone = mark->gone;
    void *user = mark->user;

    if (mark->waited_for)
        mark->loop->holds--;
    mark_free(mark);
    if (gone != NULL)
        gone(user);
}

static void mark_gone(struct gone_tag *tag)
{
    struct mark *mark = CONTAINER_OF(tag, struct mark, tag);
    struct mark *whole = mark->whole;

    mark_end(mark);
    if (whole != NULL && --whole->parts == 0 && whole->left)
        mark_end(whole);
}

static void mark_work(gyre_work *work)
{
    struct mark *mark = CONTAINER_OF(work, struct mark, work);

    mark_gone(&mark->tag);
}

struct mark *mark_new(gyre_loop *loop, struct registered *registered)
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

/* Those of its parts that had come are yet to be told of. */
void mark_drop(struct mark *mark)
{
    mark->left = true;
    if (mark->parts == 0)
        mark_free(mark);
}

/* ---- requests that may use what came by a clone -------------------------- */

static bool op_may_use(gyre_op *op, const struct mark *mark)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe(op);
    const struct op_info *info = &op_table[sqe->opcode];

    if (sqe->opcode == IORING_OP_URING_CMD ||
        sqe->opcode == IORING_OP_URING_CMD128)
        return (sqe->uring_cmd_flags & IORING_URING_CMD_FIXED) != 0;
    if ((info->fixed == 0 && info->plain == 0 && !info->fixed_flag) ||
        (sqe->flags & IOSQE_BUFFER_SELECT) != 0)
        return false;
    return info->memory != OP_MEMORY_BYTES ||
           (sqe->ioprio & IORING_SEND_VECTORIZED) != 0 ||
           sqe->addr - mark->start < mark->size;
}

static bool list_may_use(gyre_op *first, const struct mark *mark)
{
    for (gyre_op *op = first; op != NULL; op = op->next_)
        if (op_may_use(op, mark))
            return true;
    return false;
}

static bool flying_may_use(gyre_loop *loop, const struct mark *mark)
{
    if (list_may_use(loop->cancels, mark))
        return true;
    for (uint32_t i = 0; i < loop->slot_count; i++)
        if (list_may_use(loop->slots[i].flying, mark))
            return true;
    return false;
}

static void mark_tell_soon(struct mark *mark)
{
    mark->work.run_ = mark_work;
    loop_make_ready(mark->loop, &mark->work);
}

static void fences_look(gyre_loop *loop)
{
    struct registered *registered = loop->registered;
    struct list *link = registered->fences.next;

    while (link != &registered->fences) {
        struct mark *mark = CONTAINER_OF(link, struct mark, link);

        link = link->next;
        if (flying_may_use(loop, mark))
            continue;
        list_remove(&mark->link);
        list_append(&registered->marks, &mark->link);
        mark_tell_soon(mark);
    }
    if (list_is_empty(&registered->fences))
        loop->after_batch = NULL;
}

/* Its piece is out of the table: tell when it is gone. */
static void mark_leave(struct mark *mark, const struct fixed_range *range,
                       gyre_buffers_gone_fn *gone, void *user)
{
    struct registered *registered = mark->loop->registered;

    mark->left = true;
    mark->gone = gone;
    mark->user = user;
    if (gone != NULL) {
        mark->waited_for = true;
        mark->loop->holds++;
    }
    if (mark->parts > 0 || (range->with_kernel && !mark->shared))
        return; /* its CQE comes, or has come; or those of its parts */
    if (range->with_kernel) {
        mark->start = range->start;
        mark->size = range->size;
        list_remove(&mark->link);
        list_append(&registered->fences, &mark->link);
        mark->loop->after_batch = fences_look;
        fences_look(mark->loop);
        return;
    }
    mark_tell_soon(mark);
}

/* ---- the loop's table ---------------------------------------------------- */

static void free_all(struct list *marks)
{
    while (!list_is_empty(marks))
        mark_free(CONTAINER_OF(marks->next, struct mark, link));
}

static void registered_end(gyre_loop *loop)
{
    struct registered *registered = loop->registered;

    /* Else its locked memory would count until Linux gets round to it. */
    if (registered->with_kernel)
        (void)call_register(loop, IORING_UNREGISTER_BUFFERS, NULL, 0);
    free_all(&registered->marks);
    free_all(&registered->fences);
    loop->after_batch = NULL;
    loop->fixed = NULL;
    loop->registered = NULL;
    alloc_free(registered);
}

static bool has_fixed_vectors(const struct kernel *kernel)
{
    return kernel->route[IORING_OP_READV_FIXED] == KERNEL_ROUTE_SQ &&
           kernel->route[IORING_OP_WRITEV_FIXED] == KERNEL_ROUTE_SQ;
}

static int registered_make(gyre_loop *loop)
{
    struct registered *registered;
    int err = loop_attach(loop);

    if (err < 0)
        return err;
    registered = alloc_zeroed(1, sizeof *registered);
    if (registered == NULL)
        return -ENOMEM;
    list_init(&registered->marks);
    list_init(&registered->fences);
    registered->table.vectors = has_fixed_vectors(loop->kernel);
    registered->table.sockets = loop->kernel->sockets_registered;
    loop->registered = registered;
    loop->registered_end = registered_end;
    loop->fixed = &registered->table;
    return 0;
}

int registered_of(gyre_loop *loop, bool with_kernel, struct registered **found)
{
    struct registered *registered;
    int err = 0;

    loop_assert_owner(loop);
    if (loop->registered == NULL)
        err = registered_make(loop);
    registered = *found = loop->registered;
    /* What came while the kernel had none has no place there. */
    if (err == 0 && with_kernel && !registered->with_kernel &&
        registered->stats.count == 0)
        registered->with_kernel = make_kernel_table(loop) == 0;
    return err;
}

int piece_find_free(const struct registered *registered, uint32_t taken)
{
    for (uint32_t i = 0; i < FIXED_MAX; i++)
        if (registered->table.ranges[i].size == 0 && i != taken)
            return (int)i;
    return -ENOSPC;
}

bool piece_is_in_use(const gyre_loop *loop, unsigned index)
{
    const struct registered *registered = loop->registered;

    return registered != NULL && index < FIXED_MAX &&
           registered->table.ranges[index].size > 0 &&
           !registered->is_part[index];
}

static void place_fill(struct registered *registered, uint32_t index,
                       const void *memory, size_t size, struct mark *mark,
                       bool with_kernel)
{
    registered->mark_of[index] = mark;
    registered->next_part[index] = NO_PART;
    fixed_set(&registered->table, index, memory, size, with_kernel);
    if (with_kernel)
        registered->stats.bytes_with_kernel += size;
    registered->stats.shared += mark->shared;
}

static void place_clear(struct registered *registered, uint32_t index)
{
    const struct fixed_range *range = &registered->table.ranges[index];

    if (range->with_kernel)
        registered->stats.bytes_with_kernel -= range->size;
    registered->stats.shared -= registered->mark_of[index]->shared;
    registered->mark_of[index] = NULL;
    registered->is_part[index] = false;
    fixed_clear(&registered->table, index);
}

static void parts_clear(gyre_loop *loop, uint16_t first)
{
    struct registered *registered = loop->registered;

    for (uint16_t i = first; i != NO_PART;) {
        struct fixed_range range = registered->table.ranges[i];
        struct mark *mark = registered->mark_of[i];
        uint16_t next = registered->next_part[i];

        place_clear(registered, i);
        piece_take_from_kernel(loop, i);
        mark_leave(mark, &range, NULL, NULL);
        i = next;
    }
}

void piece_fill(struct registered *registered, uint32_t index,
                const void *memory, size_t size, struct mark *mark,
                bool with_kernel, uint16_t first_part)
{
    place_fill(registered, index, memory, size, mark, with_kernel);
    registered->next_part[index] = first_part;
    registered->stats.count++;
    registered->stats.bytes += size;
    registered->stats.with_kernel += with_kernel;
    registered->stats.in_parts += first_part != NO_PART;
}

bool piece_clear(gyre_loop *loop, uint32_t index, gyre_buffers_gone_fn *gone,
                 void *user)
{
    struct registered *registered = loop->registered;
    struct fixed_range range = registered->table.ranges[index];
    struct mark *mark = registered->mark_of[index];
    uint16_t first_part = registered->next_part[index];

    place_clear(registered, index);
    registered->stats.count--;
    registered->stats.bytes -= range.size;
    registered->stats.with_kernel -= range.with_kernel;
    registered->stats.in_parts -= first_part != NO_PART;
    mark_leave(mark, &range, gone, user);
    parts_clear(loop, first_part);
    return range.with_kernel;
}

/* ---- parts --------------------------------------------------------------- */

void part_fill(struct registered *registered, uint32_t index,
               const void *memory, size_t size, struct mark *mark,
               struct mark *whole)
{
    place_fill(registered, index, memory, size, mark, true);
    registered->is_part[index] = true;
    mark->whole = whole;
    whole->parts++;
}

/* One more, before those that there are: its place, or an error. */
static int part_make(gyre_loop *loop, uint32_t taken, char *memory, size_t size,
                     struct mark *whole)
{
    struct registered *registered = loop->registered;
    int index = piece_find_free(registered, taken);
    struct mark *mark;
    int err;

    if (index < 0)
        return index;
    mark = mark_new(loop, registered);
    if (mark == NULL)
        return -ENOMEM;
    err = piece_give_to_kernel(loop, (uint32_t)index, memory, size, mark);
    if (err < 0) {
        mark_drop(mark);
        return err;
    }
    part_fill(registered, (uint32_t)index, memory, size, mark, whole);
    return index;
}

int parts_make(gyre_loop *loop, uint32_t index, char *memory, size_t size,
               struct mark *mark, uint16_t *first)
{
    struct registered *registered = loop->registered;
    int part = 0;

    *first = NO_PART;
    for (size_t done = 0; done < size; done += PART_MOST) {
        size_t some = size - done < PART_MOST ? size - done : PART_MOST;

        part = part_make(loop, index, memory + done, some, mark);
        if (part < 0)
            break;
        registered->next_part[part] = *first;
        *first = (uint16_t)part;
    }
    if (part != -EFAULT && part != -ENOMEM)
        return 0;
    parts_clear(loop, *first);
    *first = NO_PART;
    return part;
}
