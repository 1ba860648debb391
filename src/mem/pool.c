/* SPDX-License-Identifier: MIT */
/*
 * pool.c - buffers of a loop, in classes of sizes
 *
 * The classes are the powers of two from 256 bytes to a slab. A get takes from
 * a slab of its class that has a free buffer, the one given back last, which is
 * still in the cache; then from what other threads have given back; then begins
 * a slab; then takes one that is empty from another class. All of that is
 * bounded, and the path that is usual is a dozen instructions. Nothing is
 * allocated after the pool was made, so a get fails only if all is used.
 *
 * Other threads (any put). A buffer that is given back is pushed onto a stack,
 * by compare-exchange with release; the loop's thread takes the whole of it by
 * one exchange with acquire, so what the giver did with the buffer comes before
 * what its next receiver does. Nodes are never popped one by one: no ABA.
 *
 * No waiter is forgotten. A waiter sets `wish` to WANTED, then looks at the
 * stack; a giver pushes, then looks at `wish`. All four are sequentially
 * consistent, so at least one sees the other (Dekker's pattern). Of several
 * givers one turns WANTED into POSTED, and posts; it is QUIET again when that
 * has run, and before the waiters are told, who may wait anew; so the work is
 * never posted twice. tests/model/test_pool.c is the model of it.
 *
 * The end. A giver may be a few instructions from its end when the loop's
 * thread has found its buffer; destroy, when it has them all, waits until
 * `givers` is 0: nobody new can begin to give.
 */
#include "mem/pool.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/memory.h"
#include "kernel/thread.h"
#include "mem/intake.h"
#include "mem/poison.h"
#include "mem/registered.h"

#define BYTES_DEFAULT ((size_t)64 << 20)
#define BYTES_LEAST ((size_t)64 << 10)
#define BYTES_MOST ((size_t)64 << 30)
#define SLAB_SHIFT_HUGE 21U  /* a huge page */
#define SLAB_SHIFT_SMALL 16U /* of a pool that has not many of them */

/* ---- addresses ----------------------------------------------------------- */

/* The slab of the buffer at an address; panics if there is none. */
static struct slab *find_slab(const gyre_pool *pool, const void *memory)
{
    size_t at = (size_t)((const char *)memory - pool->memory);
    struct slab *slab;

    ASSERT_API((const char *)memory >= pool->memory &&
                   at >> pool->slab_shift < pool->slab_count,
               "this is no buffer of the pool");
    slab = &pool->slabs[at >> pool->slab_shift];
    ASSERT_API(slab->shift != 0, "this is no buffer of the pool");
    ASSERT_API((at & (((size_t)1 << slab->shift) - 1)) == 0,
               "this is not the start of a buffer");
    return slab;
}

/* The index-th buffer of a slab. */
static char *buffer_at(const gyre_pool *pool, const struct slab *slab,
                       uint32_t index)
{
    size_t number = (size_t)(slab - pool->slabs);

    return pool->memory + (number << pool->slab_shift) +
           ((size_t)index << slab->shift);
}

/* ---- slabs --------------------------------------------------------------- */

static unsigned shift_of(const gyre_pool *pool, size_t size)
{
    unsigned shift = POOL_SHIFT_MIN;

    if (size == 0 || size > (size_t)1 << pool->slab_shift)
        return 0;
    while ((size_t)1 << shift < size)
        shift++;
    return shift;
}

/* Give a slab of which nothing is used to a class. */
static void slab_assign(gyre_pool *pool, struct slab *slab, unsigned shift)
{
    ASSERT(slab->used == 0);
    for (uint32_t i = 0; i < slab->virgins; i++)
        unpoison(buffer_at(pool, slab, i), (size_t)1 << slab->shift);
    if (list_is_linked(&slab->link))
        list_remove(&slab->link);
    slab->count = (uint32_t)1 << (pool->slab_shift - shift);
    slab->free = 0;
    slab->virgins = 0;
    slab->shift = (uint8_t)shift;
    list_append(&pool->partial[shift], &slab->link);
}

static bool slab_begin(gyre_pool *pool, unsigned shift)
{
    size_t bytes = (size_t)1 << pool->slab_shift;
    struct slab *slab;

    if (pool->slabs_begun == pool->slab_count)
        return false;
    slab = &pool->slabs[pool->slabs_begun++];
    slab_assign(pool, slab, shift);
    pool->stats.bytes_held += bytes;
    if (!pool->registered)
        return true;
    if (registered_add(pool->loop, buffer_at(pool, slab, 0), bytes) >= 0)
        pool->stats.registered += bytes;
    else
        pool->stats.refused++;
    return true;
}

static bool slab_rob(gyre_pool *pool, unsigned shift)
{
    for (uint32_t i = 0; i < pool->slabs_begun; i++)
        if (pool->slabs[i].used == 0) {
            slab_assign(pool, &pool->slabs[i], shift);
            return true;
        }
    return false;
}

/* ---- free buffers -------------------------------------------------------- */

static void buffer_free(gyre_pool *pool, struct slab *slab, const void *memory)
{
    ASSERT(slab->used > 0);
    slab->used--;
    pool_buffer(pool, memory)->next = slab->free;
    slab->free = pool_number(pool, memory) + 1;
    if (!list_is_linked(&slab->link))
        list_prepend(&pool->partial[slab->shift], &slab->link);
    pool->stats.buffers--;
    pool->stats.bytes -= (uint64_t)1 << slab->shift;
}

/* Free what other threads gave back. False: nothing. */
static bool take_returned(gyre_pool *pool)
{
    uint32_t number =
        atomic_exchange_explicit(&pool->returned, 0, memory_order_acquire);
    bool found = number != 0;

    while (number != 0) {
        const char *memory = pool_memory(pool, number - 1);

        number = pool_buffer(pool, memory)->next;
        buffer_free(pool, find_slab(pool, memory), memory);
    }
    return found;
}

static void *slab_get(gyre_pool *pool, struct slab *slab)
{
    size_t bytes = (size_t)1 << slab->shift;
    struct buffer *buffer;
    char *memory;

    if (slab->free != 0) {
        memory = pool_memory(pool, slab->free - 1);
        buffer = pool_buffer(pool, memory);
        slab->free = buffer->next;
        unpoison(memory, bytes);
    } else {
        ASSERT(slab->virgins < slab->count);
        memory = buffer_at(pool, slab, slab->virgins++);
        buffer = pool_buffer(pool, memory);
    }
    slab->used++;
    if (slab->free == 0 && slab->virgins == slab->count)
        list_remove(&slab->link);
    ASSERT(atomic_load_explicit(&buffer->holders, memory_order_relaxed) == 0);
    atomic_store_explicit(&buffer->holders, 1, memory_order_relaxed);
    pool->stats.buffers++;
    pool->stats.bytes += bytes;
    if (pool->stats.bytes > pool->stats.bytes_peak)
        pool->stats.bytes_peak = pool->stats.bytes;
    return memory;
}

void *gyre_pool_get(gyre_pool *pool, size_t size)
{
    unsigned shift = shift_of(pool, size);
    struct list *partial;

    loop_assert_owner(pool->loop);
    if (shift == 0)
        return NULL;
    partial = &pool->partial[shift];
    if (UNLIKELY(list_is_empty(partial)) &&
        !(take_returned(pool) && !list_is_empty(partial)) &&
        !slab_begin(pool, shift) && !slab_rob(pool, shift)) {
        pool->stats.exhausted++;
        return NULL;
    }
    return slab_get(pool, CONTAINER_OF(partial->next, struct slab, link));
}

/* ---- giving back --------------------------------------------------------- */

static void tell_waiters(gyre_pool *pool)
{
    struct list waiters;
    struct list *link;

    (void)take_returned(pool);
    list_init(&waiters);
    list_append_all(&waiters, &pool->waiters);
    while ((link = list_take_first(&waiters)) != NULL) {
        struct pool_waiter *waiter =
            CONTAINER_OF(link, struct pool_waiter, link);

        waiter->ready(waiter);
    }
}

static void run_local(gyre_work *work)
{
    gyre_pool *pool = CONTAINER_OF(work, gyre_pool, local);

    pool->local_ready = false;
    tell_waiters(pool);
}

static void run_posted(gyre_work *work)
{
    gyre_pool *pool = CONTAINER_OF(work, gyre_pool, posted);

    atomic_store(&pool->wish, POOL_QUIET);
    tell_waiters(pool);
}

static void make_local_ready(gyre_pool *pool)
{
    if (pool->local_ready)
        return;
    pool->local_ready = true;
    pool->local.run_ = run_local;
    loop_make_ready(pool->loop, &pool->local);
}

static void put_local(gyre_pool *pool, struct slab *slab, const void *memory)
{
    buffer_free(pool, slab, memory);
    if (!list_is_empty(&pool->waiters))
        make_local_ready(pool);
}

static void put_foreign(gyre_pool *pool, const void *memory)
{
    struct buffer *buffer = pool_buffer(pool, memory);
    uint32_t newest =
        atomic_load_explicit(&pool->returned, memory_order_relaxed);
    uint32_t wanted = POOL_WANTED;

    atomic_fetch_add_explicit(&pool->foreign, 1, memory_order_relaxed);
    do
        buffer->next = newest;
    while (!atomic_compare_exchange_weak(&pool->returned, &newest,
                                         pool_number(pool, memory) + 1));
    if (atomic_load(&pool->wish) == POOL_WANTED &&
        atomic_compare_exchange_strong(&pool->wish, &wanted, POOL_POSTED))
        gyre_loop_post(pool->loop, &pool->posted, run_posted);
}

/* One holder fewer; true: that was the last. */
static bool let_go(struct buffer *buffer)
{
    uint32_t before =
        atomic_load_explicit(&buffer->holders, memory_order_acquire);

    /* Alone with it, nobody else can change that. */
    if (LIKELY(before == 1))
        atomic_store_explicit(&buffer->holders, 0, memory_order_relaxed);
    else /* All that holders did with it comes before what the last does. */
        before = atomic_fetch_sub_explicit(&buffer->holders, 1,
                                           memory_order_acq_rel);
    ASSERT_API(before != 0 && before < UINT32_MAX / 2,
               "a buffer was given back twice");
    return before == 1;
}

void gyre_pool_put(gyre_pool *pool, void *memory)
{
    bool foreign = loop_owner(pool->loop) != loop_thread();
    struct slab *slab;

    if (memory == NULL)
        return;
    if (foreign)
        atomic_fetch_add_explicit(&pool->givers, 1, memory_order_relaxed);
    slab = find_slab(pool, memory);
    if (let_go(pool_buffer(pool, memory))) {
        poison(memory, (size_t)1 << slab->shift);
        if (foreign)
            put_foreign(pool, memory);
        else
            put_local(pool, slab, memory);
    }
    if (foreign)
        atomic_fetch_sub_explicit(&pool->givers, 1, memory_order_release);
}

void pool_hold(gyre_pool *pool, void *memory)
{
    uint32_t before = atomic_fetch_add_explicit(
        &pool_buffer(pool, memory)->holders, 1, memory_order_relaxed);

    ASSERT(before != 0);
}

void pool_wait(gyre_pool *pool, struct pool_waiter *waiter)
{
    uint32_t quiet = POOL_QUIET;

    list_append(&pool->waiters, &waiter->link);
    atomic_compare_exchange_strong(&pool->wish, &quiet, POOL_WANTED);
    if (atomic_load(&pool->returned) != 0)
        make_local_ready(pool);
}

void pool_unwait(struct pool_waiter *waiter)
{
    if (list_is_linked(&waiter->link))
        list_remove(&waiter->link);
}

void gyre_slice_release(gyre_slice *slice)
{
    gyre_pool *pool = slice->pool_;
    void *buffer = slice->buffer_;

    *slice = (gyre_slice){ NULL, 0, NULL, NULL };
    if (intake_of_pool(pool) != NULL)
        intake_put(intake_of_pool(pool), buffer);
    else if (pool != NULL)
        gyre_pool_put(pool, buffer);
}

void gyre_pool_get_stats(gyre_pool *pool, gyre_pool_stats *stats)
{
    ASSERT_API(stats->size == sizeof *stats,
               "set gyre_pool_stats.size to sizeof(gyre_pool_stats)");
    loop_assert_owner(pool->loop);
    (void)take_returned(pool);
    *stats = pool->stats;
    stats->size = sizeof *stats;
    stats->foreign = atomic_load_explicit(&pool->foreign, memory_order_relaxed);
    stats->bytes_max = pool->bytes_max;
    stats->buffer_max = (uint64_t)1 << pool->slab_shift;
}

/* ---- life ---------------------------------------------------------------- */

static int options_read(gyre_pool_options *to, const gyre_pool_options *from)
{
    *to = (gyre_pool_options){ .bytes_max = BYTES_DEFAULT };
    if (from == NULL)
        return 0;
    ASSERT_API(from->size == 0 || from->size == sizeof *from,
               "gyre_pool_options.size is not that of this library");
    *to = *from;
    if (to->bytes_max == 0)
        to->bytes_max = BYTES_DEFAULT;
    if (to->bytes_max < BYTES_LEAST || to->bytes_max > BYTES_MOST ||
        to->pages > GYRE_PAGES_RESERVED)
        return -EINVAL;
    return 0;
}

static size_t table_size(const gyre_pool *pool)
{
    return (pool->bytes_max >> POOL_SHIFT_MIN) * sizeof(struct buffer);
}

/* The mapping, with room to align the first slab. */
static bool pool_map(gyre_pool *pool, gyre_pool_pages pages)
{
    struct kernel *kernel = pool->loop->kernel;
    size_t slab = (size_t)1 << pool->slab_shift;
    uintptr_t start;

    pool->mapping_size = pool->bytes_max + slab;
    if (pages == GYRE_PAGES_RESERVED) {
        pool->mapping = memory_map_reserved(pool->bytes_max);
        pool->mapped_huge = pool->mapping != NULL;
    }
    if (pool->mapped_huge)
        pool->mapping_size = pool->bytes_max;
    else
        pool->mapping = kernel->class->map(kernel, pool->mapping_size);
    pool->table = kernel->class->map(kernel, table_size(pool));
    if (pool->mapping == NULL || pool->table == NULL)
        return false;
    start = ((uintptr_t)pool->mapping + slab - 1) & ~(uintptr_t)(slab - 1);
    pool->memory = pool->mapping + (start - (uintptr_t)pool->mapping);
    if (!pool->mapped_huge && pages != GYRE_PAGES_SMALL &&
        pool->slab_shift == SLAB_SHIFT_HUGE)
        memory_prefer_huge(pool->memory, pool->bytes_max);
    return true;
}

/* Also one that was made in part. */
static void pool_free(gyre_pool *pool)
{
    struct kernel *kernel = pool->loop->kernel;

    if (pool->mapping != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(pool->mapping, pool->mapping_size);
        if (pool->mapped_huge)
            memory_unmap(pool->mapping, pool->mapping_size);
        else
            kernel->class->unmap(kernel, pool->mapping, pool->mapping_size);
    }
    if (pool->table != NULL)
        kernel->class->unmap(kernel, pool->table, table_size(pool));
    alloc_free(pool->slabs);
    alloc_free(pool);
}

int gyre_pool_create(gyre_pool **pool_out, gyre_loop *loop,
                     const gyre_pool_options *options)
{
    gyre_pool_options o;
    gyre_pool *pool;
    int err = options_read(&o, options);

    loop_assert_owner(loop);
    if (err < 0)
        return err;
    pool = alloc_aligned(_Alignof(gyre_pool), sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    pool->loop = loop;
    pool->slab_shift = o.bytes_max >= (size_t)2 << SLAB_SHIFT_HUGE
                           ? SLAB_SHIFT_HUGE
                           : SLAB_SHIFT_SMALL;
    pool->slab_count = (uint32_t)(o.bytes_max >> pool->slab_shift);
    pool->bytes_max = (size_t)pool->slab_count << pool->slab_shift;
    pool->registered = !o.unregistered;
    list_init(&pool->waiters);
    for (unsigned i = 0; i <= POOL_SHIFT_MAX; i++)
        list_init(&pool->partial[i]);
    pool->slabs = alloc_zeroed(pool->slab_count, sizeof *pool->slabs);
    if (pool->slabs == NULL || !pool_map(pool, o.pages)) {
        pool_free(pool);
        return -ENOMEM;
    }
    *pool_out = pool;
    return 0;
}

void gyre_pool_destroy(gyre_pool *pool)
{
    if (pool == NULL)
        return;
    loop_assert_owner(pool->loop);
    (void)take_returned(pool);
    while (atomic_load_explicit(&pool->givers, memory_order_acquire) != 0)
        thread_yield();
    ASSERT_API(pool->groups == 0, "a group of the pool is still there");
    ASSERT_API(pool->stats.buffers == 0,
               "a buffer of the pool has not been given back");
    ASSERT(list_is_empty(&pool->waiters));
    if (pool->local_ready)
        loop_forget_work(pool->loop, &pool->local);
    if (atomic_load(&pool->wish) == POOL_POSTED)
        loop_forget_work(pool->loop, &pool->posted);
    for (uint32_t i = 0; i < pool->slabs_begun; i++)
        if (pool->registered)
            registered_remove(pool->loop,
                              pool->memory + ((size_t)i << pool->slab_shift));
    pool_free(pool);
}
