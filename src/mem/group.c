/* SPDX-License-Identifier: MIT */
/*
 * group.c - buffers that the kernel picks from, kept filled
 *
 * The ring of buffers is shared with the kernel: it moves the head, which is
 * not seen here, and the group the tail. What the kernel has is known by own
 * accounting, from what was put in and what completions brought. The tail is
 * published once for a refill, and refills come once a turn, in phase one:
 * before the loop enters the kernel, after the callbacks of the turn before.
 *
 * A bundle is one completion for several buffers: those that follow the first
 * in the ring. Each place knows its position, so completions of different
 * receivers may come in any order.
 *
 * A buffer is held by its place while the kernel has it, and by the queue and
 * then the slice once there is something in it.
 */
#include "mem/group.h"

#include <errno.h>

#include "base/alloc.h"
#include "ring/abi_register.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ((void)(address), (void)(size))
#endif

#define COUNT_DEFAULT 64U
#define COUNT_MOST 32768U
#define SIZE_DEFAULT (16U << 10)
#define SIZE_LEAST (1U << POOL_SHIFT_MIN)
#define ID_FIRST UINT16_MAX /* and downwards: users begin at 0 */

static void group_refill(gyre_buffer_group *group);

/* ---- the ring ------------------------------------------------------------ */

static struct io_uring_buf *ring_entry(gyre_buffer_group *group, uint16_t at)
{
    struct io_uring_buf *entries = (struct io_uring_buf *)(void *)group->ring;

    return &entries[at & (group->count - 1)];
}

/* Not all of it: the tail lies in the first entry. */
static void ring_add(gyre_buffer_group *group, uint32_t number)
{
    struct place *place = &group->places[number];
    struct io_uring_buf *entry = ring_entry(group, group->tail);

    ASSERT(!place->with_kernel && place->buffer != NULL);
    ASSERT(group->with_kernel < group->count);
    entry->addr = (uintptr_t)place->buffer;
    entry->len = group->buffer_size;
    entry->bid = (uint16_t)number;
    place->with_kernel = true;
    place->position = group->tail;
    group->order[group->tail & (group->count - 1)] = (uint16_t)number;
    group->tail++;
    group->with_kernel++;
}

static void ring_publish(gyre_buffer_group *group)
{
    __atomic_store_n(&group->ring->tail, group->tail, __ATOMIC_RELEASE);
}

/* ---- refill -------------------------------------------------------------- */

static void run_refill(gyre_work *work)
{
    gyre_buffer_group *group = CONTAINER_OF(work, gyre_buffer_group, refill);

    group->refill_ready = false;
    group_refill(group);
}

static void want_refill(gyre_buffer_group *group)
{
    if (group->refill_ready)
        return;
    group->refill_ready = true;
    group->refill.run_ = run_refill;
    loop_make_ready(group->loop, &group->refill);
}

static void pool_has_some(struct pool_waiter *waiter)
{
    group_refill(CONTAINER_OF(waiter, gyre_buffer_group, waiter));
}

/*
 * As many of those who wait as there are buffers. It does not follow that these
 * are used: Linux looks for a buffer before it looks for data, so one who has
 * no data waits here, too, and then takes none. So as long as there are buffers
 * and somebody waits, the next ones have their turn in the next turn.
 */
static void wake_dry(gyre_buffer_group *group)
{
    uint32_t count = group->with_kernel;
    struct list *link;

    while (count-- > 0 && (link = list_take_first(&group->dry)) != NULL) {
        group->waiting--;
        group->again(link);
    }
    if (group->with_kernel > 0 && !list_is_empty(&group->dry))
        want_refill(group);
}

/* A buffer from the pool, for the kernel to fill from its start. */
static char *fresh_buffer(gyre_buffer_group *group)
{
    char *memory = gyre_pool_get(group->pool, group->buffer_size);
    struct buffer *buffer;

    if (memory == NULL)
        return NULL;
    buffer = pool_buffer(group->pool, memory);
    buffer->start = 0;
    buffer->filled = 0;
    return memory;
}

static void group_refill(gyre_buffer_group *group)
{
    uint16_t before = group->tail;

    while (group->free != 0) {
        uint32_t number = group->free - 1;
        struct place *place = &group->places[number];

        if (place->buffer == NULL)
            place->buffer = fresh_buffer(group);
        if (place->buffer == NULL) { /* wait for one */
            if (!list_is_linked(&group->waiter.link))
                pool_wait(group->pool, &group->waiter);
            break;
        }
        group->free = place->next;
        ring_add(group, number);
    }
    if (group->tail != before)
        ring_publish(group);
    wake_dry(group);
}

static void place_free(gyre_buffer_group *group, uint32_t number)
{
    struct place *place = &group->places[number];

    ASSERT(!place->with_kernel);
    place->next = group->free;
    group->free = number + 1;
    want_refill(group);
}

bool mem_group_wait(gyre_buffer_group *group, struct list *link,
                    void (*again)(struct list *link))
{
    group->dry_count++;
    if (group->with_kernel > 0)
        return false;
    group->again = again;
    list_append(&group->dry, link);
    group->waiting++;
    return true;
}

void mem_group_unwait(gyre_buffer_group *group, struct list *link)
{
    if (!list_is_linked(link))
        return;
    list_remove(link);
    group->waiting--;
}

/* ---- what has come ------------------------------------------------------- */

static void queue_append(gyre_pool *pool, struct group_queue *queue,
                         uint32_t number)
{
    pool_buffer(pool, pool_memory(pool, number))->next = 0;
    if (queue->last != 0)
        pool_buffer(pool, pool_memory(pool, queue->last - 1))->next = number +
                                                                      1;
    else
        queue->first = number + 1;
    queue->last = number + 1;
}

/* The place's buffer has data for the receiver. True: it was not on the queue
 * before. */
static bool receive_bytes(gyre_buffer_group *group, struct group_queue *queue,
                          struct place *place, uint32_t bytes)
{
    struct buffer *buffer = pool_buffer(group->pool, place->buffer);

    ASSERT(bytes <= group->buffer_size - buffer->filled);
    if (UNLIKELY(group->loop->on_memcheck))
        VALGRIND_MAKE_MEM_DEFINED(place->buffer + buffer->filled, bytes);
    buffer->filled += bytes;
    queue->bytes += bytes;
    if (place->queued)
        return false; /* more in the same incremental buffer */
    place->queued = true;
    group->queued++;
    queue_append(group->pool, queue, pool_number(group->pool, place->buffer));
    return true;
}

/* The kernel is through with the place. `handed_on`: its hold on the buffer
 * has gone to the queue. Untouched, the buffer goes into the ring again. */
static void place_done(gyre_buffer_group *group, uint32_t number,
                       bool handed_on)
{
    struct place *place = &group->places[number];

    place->with_kernel = false;
    group->with_kernel--;
    if (pool_buffer(group->pool, place->buffer)->filled > 0) {
        if (!handed_on)
            gyre_pool_put(group->pool, place->buffer);
        place->buffer = NULL;
        place->queued = false;
    }
    place_free(group, number);
}

/* The kernel has put `bytes` into the place and, if `done`, is through with it.
 */
static void receive_one(gyre_buffer_group *group, struct group_queue *queue,
                        uint32_t number, uint32_t bytes, bool done)
{
    struct place *place = &group->places[number];
    bool newly = false;

    ASSERT(place->with_kernel);
    if (bytes > 0)
        newly = receive_bytes(group, queue, place, bytes);
    if (done)
        place_done(group, number, newly);
    else if (newly)
        pool_hold(group->pool, place->buffer);
}

void mem_group_receive(gyre_buffer_group *group, struct group_queue *queue,
                       gyre_result result)
{
    uint32_t number = result.flags >> IORING_CQE_BUFFER_SHIFT;
    uint32_t bytes = result.res > 0 ? (uint32_t)result.res : 0;
    uint16_t position;

    ASSERT((result.flags & IORING_CQE_F_BUFFER) != 0 && number < group->count);
    ASSERT_API(group->places[number].with_kernel,
               "a completion names a buffer that the kernel does not have");
    position = group->places[number].position;
    if (group->incremental) {
        receive_one(group, queue, number, bytes,
                    (result.flags & IORING_CQE_F_BUF_MORE) == 0);
        return;
    }
    do {
        uint32_t part = bytes < group->buffer_size ? bytes : group->buffer_size;

        number = group->order[position & (group->count - 1)];
        ASSERT(group->places[number].position == position);
        receive_one(group, queue, number, part, true);
        position++;
        bytes -= part;
    } while (bytes > 0);
}

/* Is the kernel still filling it? */
static struct place *find_place(gyre_buffer_group *group, const char *memory)
{
    for (uint32_t i = 0; group->incremental && i < group->count; i++)
        if (group->places[i].buffer == memory)
            return &group->places[i];
    return NULL;
}

bool mem_group_take(gyre_buffer_group *group, struct group_queue *queue,
                    gyre_slice *slice)
{
    struct buffer *buffer;
    struct place *place;
    char *memory;

    if (queue->first == 0)
        return false;
    memory = pool_memory(group->pool, queue->first - 1);
    buffer = pool_buffer(group->pool, memory);
    *slice = (gyre_slice){ .data = memory + buffer->start,
                           .size = buffer->filled - buffer->start,
                           .pool_ = group->pool,
                           .buffer_ = memory };
    ASSERT(slice->size > 0 && queue->bytes >= slice->size);
    queue->bytes -= slice->size;
    queue->first = buffer->next;
    if (queue->first == 0)
        queue->last = 0;
    buffer->start = buffer->filled;
    place = find_place(group, memory);
    if (place != NULL)
        place->queued = false;
    group->queued--;
    return true;
}

bool gyre_buffer_group_take(gyre_buffer_group *group, gyre_result *result,
                            gyre_slice *slice)
{
    struct group_queue queue = { 0, 0, 0 };
    uint32_t number = result->flags >> IORING_CQE_BUFFER_SHIFT;
    gyre_result one = *result;
    uint16_t position;

    loop_assert_owner(group->loop);
    if ((result->flags & IORING_CQE_F_BUFFER) == 0)
        return false;
    ASSERT_API(number < group->count, "this is not of the group");
    position = group->places[number].position;
    if (!group->incremental && one.res > (int32_t)group->buffer_size)
        one.res = (int32_t)group->buffer_size;
    mem_group_receive(group, &queue, one);
    result->flags &= ~(uint32_t)IORING_CQE_F_BUFFER;
    if (one.res > 0)
        result->res -= one.res;
    if (result->res > 0) {
        number = group->order[(position + 1) & (group->count - 1)];
        result->flags &= (1U << IORING_CQE_BUFFER_SHIFT) - 1;
        result->flags |= number << IORING_CQE_BUFFER_SHIFT |
                         IORING_CQE_F_BUFFER;
    }
    return mem_group_take(group, &queue, slice);
}

/* ---- life ---------------------------------------------------------------- */

uint16_t gyre_buffer_group_id(const gyre_buffer_group *group)
{
    return group->id;
}

void gyre_buffer_group_get_stats(const gyre_buffer_group *group,
                                 gyre_buffer_group_stats *stats)
{
    ASSERT_API(stats->size == sizeof *stats,
               "set gyre_buffer_group_stats.size to its sizeof");
    loop_assert_owner(group->loop);
    *stats = (gyre_buffer_group_stats){
        .size = sizeof *stats,
        .with_kernel = group->with_kernel,
        .waiting = group->waiting,
        .dry = group->dry_count,
        .incremental = group->incremental,
    };
}

static int options_read(gyre_buffer_group_options *to,
                        const gyre_buffer_group_options *from, gyre_pool *pool)
{
    *to = (gyre_buffer_group_options){ 0 };
    if (from != NULL) {
        ASSERT_API(from->size == 0 || from->size == sizeof *from,
                   "gyre_buffer_group_options.size is not that of this "
                   "library");
        *to = *from;
    }
    if (to->count == 0)
        to->count = COUNT_DEFAULT;
    if (to->buffer_size == 0)
        to->buffer_size = SIZE_DEFAULT;
    if (to->count > COUNT_MOST || (to->count & (to->count - 1)) != 0 ||
        to->buffer_size < SIZE_LEAST ||
        to->buffer_size > (size_t)1 << pool->slab_shift)
        return -EINVAL;
    return 0;
}

static int call_register(gyre_buffer_group *group, unsigned opcode,
                         unsigned flags)
{
    struct kernel *kernel = group->loop->kernel;
    struct io_uring_buf_reg reg = {
        .ring_addr = (uintptr_t)group->ring,
        .ring_entries = group->count,
        .bgid = group->id,
        .flags = (uint16_t)flags,
    };

    return kernel->class->reg(kernel, opcode, &reg, 1);
}

/* Under the next number that is not taken. */
static int group_register(gyre_buffer_group *group, unsigned flags)
{
    int err = -EEXIST;

    for (uint32_t tries = 0; err == -EEXIST && tries <= ID_FIRST; tries++) {
        group->id = (uint16_t)(ID_FIRST - group->loop->groups_made++);
        err = call_register(group, IORING_REGISTER_PBUF_RING, flags);
    }
    return err;
}

static size_t ring_size(const gyre_buffer_group *group)
{
    return group->count * sizeof(struct io_uring_buf);
}

static void group_free(gyre_buffer_group *group)
{
    struct kernel *kernel = group->loop->kernel;

    if (group->ring != NULL)
        kernel->class->unmap(kernel, group->ring, ring_size(group));
    alloc_free(group->places);
    alloc_free(group->order);
    alloc_free(group);
}

static int group_open(gyre_buffer_group *group, bool incremental)
{
    struct kernel *kernel = group->loop->kernel;
    int err = -EINVAL;

    group->places = alloc_zeroed(group->count, sizeof *group->places);
    group->order = alloc_zeroed(group->count, sizeof *group->order);
    if (group->places != NULL && group->order != NULL)
        group->ring = kernel->class->map(kernel, ring_size(group));
    if (group->ring == NULL)
        return -ENOMEM;
    if (incremental) /* 6.12; else -EINVAL */
        err = group_register(group, IOU_PBUF_RING_INC);
    group->incremental = err == 0;
    if (err == -EINVAL)
        err = group_register(group, 0);
    return err;
}

int gyre_buffer_group_create(gyre_buffer_group **group_out, gyre_pool *pool,
                             const gyre_buffer_group_options *options)
{
    gyre_buffer_group_options o;
    gyre_buffer_group *group;
    int err = options_read(&o, options, pool);

    loop_assert_owner(pool->loop);
    if (err == 0)
        err = loop_attach(pool->loop);
    if (err < 0)
        return err;
    group = alloc_zeroed(1, sizeof *group);
    if (group == NULL)
        return -ENOMEM;
    group->loop = pool->loop;
    group->pool = pool;
    group->count = o.count;
    group->buffer_size = o.buffer_size;
    group->waiter.ready = pool_has_some;
    list_init(&group->dry);
    err = group_open(group, o.incremental);
    if (err < 0) {
        group_free(group);
        return err;
    }
    pool->groups++;
    for (uint32_t number = group->count; number > 0; number--) {
        group->places[number - 1].next = group->free;
        group->free = number;
    }
    group_refill(group);
    *group_out = group;
    return 0;
}

void gyre_buffer_group_destroy(gyre_buffer_group *group)
{
    if (group == NULL)
        return;
    loop_assert_owner(group->loop);
    ASSERT_API(group->users == 0, "an iterator on the group is still open");
    ASSERT(group->queued == 0);
    (void)call_register(group, IORING_UNREGISTER_PBUF_RING, 0);
    for (uint32_t number = 0; number < group->count; number++) {
        gyre_pool_put(group->pool, group->places[number].buffer);
    }
    pool_unwait(&group->waiter);
    if (group->refill_ready)
        loop_forget_work(group->loop, &group->refill);
    group->pool->groups--;
    group_free(group);
}
