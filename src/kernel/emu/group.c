/* SPDX-License-Identifier: MIT */
/*
 * group.c - groups of buffers that requests choose from
 *
 * A group is a ring in the program's memory, to which the program appends and
 * whose head is here; or a list, which PROVIDE_BUFFERS fills. A request with
 * IOSQE_BUFFER_SELECT names the group and looks at its first buffers (a *look*)
 * when it tries; only when bytes have come are they taken. So a request that
 * waits holds no buffer, and nothing is ever put back.
 *
 * Two kinds of request have to hold what they use, as on Linux: one that goes
 * to a thread, and a send, whose bytes the buffer is.
 *
 * A ring may be consumed in parts (IOU_PBUF_RING_INC): then the entry itself
 * is moved on, in the program's memory, and stays the first until it is used
 * up, or has fewer than `min_left` bytes left.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/emu/internal.h"
#include "kernel/memory.h"
#include "ring/abi_register.h"

enum { IDS = 65536, RING_MAX = 32768 };

#define LENGTH_MAX 0x7ffff000U /* Linux moves no more by one request */

/* A ring's entries, and the tail that lies in the first of them. */
struct ring_group {
    struct io_uring_buf *entries;
    uint16_t head;
    uint16_t mask;
    bool in_parts;
    uint32_t min_left;
};

/* One buffer of a list. */
struct provided {
    struct list link;
    uint64_t addr;
    uint32_t len;
    uint16_t id;
};

struct group {
    struct list link; /* of its bucket */
    uint16_t id;
    bool is_ring;
    struct ring_group ring;
    struct list provided;
    unsigned provided_count;
};

void group_init(struct emu *emu)
{
    for (unsigned i = 0; i < EMU_GROUP_BUCKETS; i++)
        list_init(&emu->groups[i]);
}

static struct group *group_find(struct emu *emu, uint16_t id)
{
    struct list *bucket = &emu->groups[id % EMU_GROUP_BUCKETS];

    for (struct list *at = bucket->next; at != bucket; at = at->next) {
        struct group *group = CONTAINER_OF(at, struct group, link);

        if (group->id == id)
            return group;
    }
    return NULL;
}

static struct group *group_new(struct emu *emu, uint16_t id)
{
    struct group *group = alloc_zeroed(1, sizeof *group);

    if (group == NULL)
        return NULL;
    group->id = id;
    list_init(&group->provided);
    list_append(&emu->groups[id % EMU_GROUP_BUCKETS], &group->link);
    return group;
}

static void group_remove_first(struct group *group)
{
    struct provided *first =
        CONTAINER_OF(list_take_first(&group->provided), struct provided, link);

    ASSERT(group->provided_count > 0);
    group->provided_count--;
    alloc_free(first);
}

static void group_free(struct group *group)
{
    while (group->provided_count > 0)
        group_remove_first(group);
    list_remove(&group->link);
    alloc_free(group);
}

void group_deinit(struct emu *emu)
{
    for (unsigned i = 0; i < EMU_GROUP_BUCKETS; i++)
        while (!list_is_empty(&emu->groups[i]))
            group_free(CONTAINER_OF(emu->groups[i].next, struct group, link));
}

/* ---- register ------------------------------------------------------------ */

static bool is_zero(const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (words[i] != 0)
            return false;
    return true;
}

static int group_check_ring(const struct io_uring_buf_reg *reg)
{
    uint32_t entries = reg->ring_entries;

    if (!is_zero(reg->resv, ARRAY_SIZE(reg->resv)) ||
        (reg->flags & ~IOU_PBUF_RING_INC) != 0 || entries == 0 ||
        (entries & (entries - 1)) != 0 || entries > RING_MAX)
        return -EINVAL;
    if (reg->min_left != 0 && (reg->flags & IOU_PBUF_RING_INC) == 0)
        return -EINVAL;
    if (reg->ring_addr % memory_page_size() != 0)
        return -EINVAL;
    return copy_check_out(reg->ring_addr,
                          entries * sizeof(struct io_uring_buf));
}

int group_register(struct emu *emu, void *arg)
{
    struct io_uring_buf_reg reg;
    struct group *group;
    int error = copy_in(&reg, (uintptr_t)arg, sizeof reg);

    if (error == 0)
        error = group_check_ring(&reg);
    if (error != 0)
        return error;
    group = group_find(emu, reg.bgid);
    if (group != NULL && (group->is_ring || group->provided_count > 0))
        return -EEXIST;
    if (group == NULL)
        group = group_new(emu, reg.bgid);
    if (group == NULL)
        return -ENOMEM;
    group->is_ring = true;
    group->ring = (struct ring_group){
        .entries = emu_pointer(reg.ring_addr),
        .mask = (uint16_t)(reg.ring_entries - 1),
        .in_parts = (reg.flags & IOU_PBUF_RING_INC) != 0,
        .min_left = reg.min_left,
    };
    return 0;
}

int group_unregister(struct emu *emu, void *arg)
{
    struct io_uring_buf_reg reg;
    struct group *group;
    int error = copy_in(&reg, (uintptr_t)arg, sizeof reg);

    if (error != 0)
        return error;
    if (!is_zero(reg.resv, ARRAY_SIZE(reg.resv)) || reg.flags != 0)
        return -EINVAL;
    group = group_find(emu, reg.bgid);
    if (group == NULL)
        return -ENOENT;
    if (!group->is_ring)
        return -EINVAL;
    group_free(group);
    return 0;
}

int group_status(struct emu *emu, void *arg)
{
    struct io_uring_buf_status asked;
    const struct group *group;
    int error = copy_in(&asked, (uintptr_t)arg, sizeof asked);

    if (error != 0)
        return error;
    if (!is_zero(asked.resv, ARRAY_SIZE(asked.resv)))
        return -EINVAL;
    group = asked.buf_group < IDS ? group_find(emu, (uint16_t)asked.buf_group)
                                  : NULL;
    if (group == NULL)
        return -ENOENT;
    if (!group->is_ring)
        return -EINVAL;
    asked.head = group->ring.head;
    return copy_out((uintptr_t)arg, &asked, sizeof asked);
}

/* ---- PROVIDE_BUFFERS, REMOVE_BUFFERS ------------------------------------- */

int group_provide_check(const struct io_uring_sqe *sqe)
{
    uint64_t size;

    if (sqe->op_flags != 0 || sqe->splice_fd_in != 0)
        return -EINVAL;
    if (sqe->fd <= 0 || sqe->fd > IDS)
        return -E2BIG;
    if (sqe->len == 0)
        return -EINVAL;
    size = (uint64_t)sqe->len * (uint64_t)sqe->fd;
    if (sqe->addr + size < sqe->addr)
        return -EOVERFLOW;
    if (sqe->off > UINT16_MAX)
        return -E2BIG;
    return sqe->off + (uint64_t)sqe->fd > IDS ? -EINVAL : 0;
}

static struct provided *provided_new(const struct io_uring_sqe *sqe, unsigned i)
{
    struct provided *buffer = alloc_zeroed(1, sizeof *buffer);

    if (buffer == NULL)
        return NULL;
    buffer->addr = sqe->addr + (uint64_t)i * sqe->len;
    buffer->len = sqe->len < LENGTH_MAX ? sqe->len : LENGTH_MAX;
    buffer->id = (uint16_t)(sqe->off + i);
    return buffer;
}

/* As on Linux, what was provided before memory ran out stays. */
int group_provide(struct emu *emu, struct request *r)
{
    struct group *group = group_find(emu, r->sqe.buf_group);

    if (group != NULL && group->is_ring)
        return -EINVAL;
    if (group == NULL)
        group = group_new(emu, r->sqe.buf_group);
    if (group == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < (unsigned)r->sqe.fd; i++) {
        struct provided *buffer;

        if (group->provided_count == UINT16_MAX)
            return i > 0 ? 0 : -EOVERFLOW;
        buffer = provided_new(&r->sqe, i);
        if (buffer == NULL)
            return i > 0 ? 0 : -ENOMEM;
        list_append(&group->provided, &buffer->link);
        group->provided_count++;
    }
    return 0;
}

int group_remove_check(const struct io_uring_sqe *sqe)
{
    return sqe->op_flags != 0 || sqe->addr != 0 || sqe->len != 0 ||
                   sqe->off != 0 || sqe->splice_fd_in != 0 || sqe->fd <= 0 ||
                   sqe->fd > IDS
               ? -EINVAL
               : 0;
}

int group_remove(struct emu *emu, struct request *r)
{
    struct group *group = group_find(emu, r->sqe.buf_group);
    int removed = 0;

    if (group == NULL)
        return -ENOENT;
    if (group->is_ring)
        return -EINVAL;
    for (; removed < r->sqe.fd && group->provided_count > 0; removed++)
        group_remove_first(group);
    return removed;
}

/* ---- looking, and taking ------------------------------------------------- */

static unsigned ring_ready(const struct ring_group *ring)
{
    uint16_t tail = __atomic_load_n(&ring->entries[0].resv, __ATOMIC_ACQUIRE);

    return (uint16_t)(tail - ring->head);
}

static struct io_uring_buf *ring_at(const struct ring_group *ring, unsigned i)
{
    return &ring->entries[(uint16_t)(ring->head + i) & ring->mask];
}

/* One more piece; false: no room for another, or the limit is reached. */
static bool look_add(struct look *look, uint64_t addr, uint32_t len,
                     size_t limit)
{
    size_t left = limit - look->size;
    size_t part = len < left ? len : left;

    look->pieces[look->count++] =
        (struct iovec){ .iov_base = emu_pointer(addr), .iov_len = part };
    look->size += part;
    return look->count < EMU_PIECES && look->size < limit;
}

static void look_at_ring(struct look *look, const struct ring_group *ring,
                         size_t limit, bool bundle)
{
    unsigned ready = ring_ready(ring);

    for (unsigned i = 0; i < ready; i++) {
        const struct io_uring_buf *entry = ring_at(ring, i);

        if (i == 0)
            look->id = entry->bid;
        if (!look_add(look, entry->addr, entry->len, limit) || !bundle)
            return;
    }
}

static void look_at_list(struct look *look, const struct group *group,
                         size_t limit, bool bundle)
{
    const struct list *head = &group->provided;

    for (const struct list *at = head->next; at != head; at = at->next) {
        const struct provided *buffer =
            CONTAINER_OF(at, const struct provided, link);

        if (look->count == 0)
            look->id = buffer->id;
        if (!look_add(look, buffer->addr, buffer->len, limit) || !bundle)
            return;
    }
}

/* The first buffer of the request's group, or the first ones for a bundle, cut
 * to `limit` bytes (0: no limit). 0; -ENOBUFS; -ENOENT: there is no group. */
int group_look(const struct request *r, size_t limit, bool bundle,
               struct look *look)
{
    struct group *group = group_find(r->emu, r->sqe.buf_group);

    look->count = 0;
    look->size = 0;
    if (group == NULL)
        return -ENOENT;
    if (limit == 0 || limit > LENGTH_MAX)
        limit = LENGTH_MAX;
    if (group->is_ring)
        look_at_ring(look, &group->ring, limit, bundle);
    else
        look_at_list(look, group, limit, bundle);
    return look->count > 0 ? 0 : -ENOBUFS;
}

/* Consume bytes of a ring in parts. Is the last buffer used up? */
static bool ring_take_parts(struct ring_group *ring, size_t bytes)
{
    bool used_up = false;

    while (bytes > 0) {
        struct io_uring_buf *entry = ring_at(ring, 0);
        uint32_t part = bytes < entry->len ? (uint32_t)bytes : entry->len;

        if (part == 0)
            return false; /* an entry of no length: the program's mistake */
        entry->addr += part;
        entry->len -= part;
        bytes -= part;
        used_up = entry->len == 0 || entry->len < ring->min_left;
        if (used_up)
            ring->head++;
    }
    return used_up;
}

/* How many of the pieces that were looked at do so many bytes fill or touch? */
static unsigned look_touched(const struct look *look, size_t bytes)
{
    unsigned count = 0;

    for (size_t sum = 0; count < look->count && sum < bytes; count++)
        sum += look->pieces[count].iov_len;
    return count > 0 ? count : 1;
}

/* `bytes` of what was just looked at have been used: take those buffers. The
 * flags that the CQE tells it by. */
uint32_t group_take(const struct request *r, const struct look *look,
                    size_t bytes)
{
    struct group *group = group_find(r->emu, r->sqe.buf_group);
    uint32_t flags = IORING_CQE_F_BUFFER | (uint32_t)look->id
                                               << IORING_CQE_BUFFER_SHIFT;
    unsigned count = look_touched(look, bytes);

    ASSERT(group != NULL && look->count > 0);
    if (!group->is_ring) {
        while (count-- > 0)
            group_remove_first(group);
    } else if (!group->ring.in_parts) {
        group->ring.head = (uint16_t)(group->ring.head + count);
    } else if (!ring_take_parts(&group->ring, bytes)) {
        flags |= IORING_CQE_F_BUF_MORE;
    }
    return flags;
}

bool group_is_ring(const struct request *r)
{
    const struct group *group = group_find(r->emu, r->sqe.buf_group);

    return group != NULL && group->is_ring;
}

/* Is there nothing left in the request's group? */
bool group_is_empty(const struct request *r)
{
    const struct group *group = group_find(r->emu, r->sqe.buf_group);

    return group == NULL || (group->is_ring ? ring_ready(&group->ring) == 0
                                            : group->provided_count == 0);
}

/* From now on the first buffer, cut to `limit` bytes (0: no limit), is the
 * request's own, whatever comes of it. 0, or as group_look(). */
int group_hold(struct request *r, size_t limit)
{
    struct look look;
    int error = group_look(r, limit, false, &look);

    ASSERT(!r->chosen);
    if (error != 0)
        return error;
    r->cqe_flags = group_take(r, &look, look.size);
    r->sqe.addr = (uintptr_t)look.pieces[0].iov_base;
    r->sqe.len = (uint32_t)look.size;
    r->chosen = true;
    return 0;
}
