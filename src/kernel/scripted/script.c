/* SPDX-License-Identifier: MIT */
/*
 * script.c - the scripted kernel as the test sees it
 *
 * One CQE has one way: completed by the test, a policy or a cancel, it is
 * appended to the queue's list of the waiting, and scripted_flush() moves the
 * list into the queue as far as there is room. Without deferral that is done at
 * once, so the order of CQEs is the order of completing, also over an overflow.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/scripted/internal.h"

#define FIRST_NOW_NS UINT64_C(1000000000000) /* an hour or so after boot */
#define VECTOR_FIRST 64U
#define PRIVATE_OP_FIRST 0xC0U

void *scripted_vector_add(struct scripted_vector *vector, size_t size)
{
    if (vector->count == vector->capacity) {
        size_t capacity = vector->capacity == 0 ? VECTOR_FIRST
                                                : 2 * vector->capacity;
        void *items = alloc_zeroed(capacity, size);

        if (items == NULL)
            return NULL;
        if (vector->count > 0)
            memcpy(items, vector->items, vector->count * size);
        alloc_free(vector->items);
        vector->items = items;
        vector->capacity = capacity;
    }
    return (char *)vector->items + vector->count++ * size;
}

static void vector_remove(struct scripted_vector *vector, size_t size,
                          size_t index)
{
    char *item = (char *)vector->items + index * size;

    ASSERT(index < vector->count);
    vector->count--;
    memmove(item, item + size, (vector->count - index) * size);
}

static unsigned power_of_two(unsigned n)
{
    unsigned power = 1;

    while (power < n)
        power *= 2;
    return power;
}

bool scripted_cq_init(struct scripted_cq *queue, unsigned entries)
{
    entries = power_of_two(entries);
    queue->cq = (struct cq){
        .head = &queue->head,
        .tail = &queue->tail,
        .flags = &queue->flags,
        .cqes = alloc_zeroed(entries, sizeof(struct io_uring_cqe)),
        .entries = entries,
        .mask = entries - 1,
    };
    return queue->cq.cqes != NULL;
}

static bool scripted_sq_init(struct scripted *s, unsigned entries)
{
    entries = power_of_two(entries);
    s->kernel.sq = (struct sq){
        .head = &s->sq_head,
        .tail = &s->sq_tail,
        .flags = &s->sq_flags,
        .sqes = alloc_zeroed(entries, SQE_SIZE),
        .entries = entries,
        .mask = entries - 1,
        .stride = SQE_SIZE,
    };
    return s->kernel.sq.sqes != NULL;
}

struct scripted *scripted_create(unsigned entries, unsigned cq_entries)
{
    struct scripted *s = alloc_zeroed(1, sizeof *s);

    if (s == NULL)
        return NULL;
    if (!scripted_sq_init(s, entries))
        goto free_script;
    if (!scripted_cq_init(&s->ring, cq_entries != 0 ? cq_entries : 2 * entries))
        goto free_sq;
    s->kernel.class = &scripted_class;
    s->kernel.cq = s->ring.cq;
    s->kernel.ring_fd = -1;
    s->kernel.reason = "a test asked for it";
    memset(s->kernel.route, KERNEL_ROUTE_SQ, PRIVATE_OP_FIRST);
    s->take_limit = UINT32_MAX;
    s->try_result = -EAGAIN;
    s->now_ns = FIRST_NOW_NS;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->rung, NULL);
    return s;

free_sq:
    alloc_free(s->kernel.sq.sqes);
free_script:
    alloc_free(s);
    return NULL;
}

struct kernel *scripted_kernel(struct scripted *s)
{
    return &s->kernel;
}

/* ---- what the kernel has ------------------------------------------------- */

unsigned scripted_pending(const struct scripted *s)
{
    return (unsigned)s->pending.count;
}

const struct io_uring_sqe *scripted_at(const struct scripted *s, unsigned index)
{
    return &scripted_request(s, index)->sqe;
}

int scripted_find_fd(const struct scripted *s, int fd)
{
    for (unsigned i = 0; i < s->pending.count; i++)
        if (scripted_at(s, i)->fd == fd)
            return (int)i;
    return -1;
}

int scripted_find_opcode(const struct scripted *s, uint8_t opcode)
{
    for (unsigned i = 0; i < s->pending.count; i++)
        if (scripted_at(s, i)->opcode == opcode)
            return (int)i;
    return -1;
}

int scripted_find_user_data(const struct scripted *s, uint64_t user_data)
{
    for (unsigned i = 0; i < s->pending.count; i++)
        if (scripted_at(s, i)->user_data == user_data)
            return (int)i;
    return -1;
}

size_t scripted_seen(const struct scripted *s)
{
    return s->seen.count;
}

const struct io_uring_sqe *scripted_seen_at(const struct scripted *s, size_t n)
{
    ASSERT_API(n < s->seen.count, "the kernel has not seen so many requests");
    return (const struct io_uring_sqe *)s->seen.items + n;
}

/* ---- completing ---------------------------------------------------------- */

static void cq_fill(struct scripted_cq *queue)
{
    const struct io_uring_cqe *cqes = queue->waiting.items;
    size_t moved = 0;

    while (moved < queue->waiting.count &&
           cq_ready(&queue->cq) < queue->cq.entries) {
        uint32_t tail = atomic_load(&queue->tail);

        queue->cq.cqes[tail & queue->cq.mask] = cqes[moved++];
        atomic_store(&queue->tail, tail + 1);
    }
    if (moved == 0)
        return;
    queue->waiting.count -= moved;
    memmove(queue->waiting.items, cqes + moved,
            queue->waiting.count * sizeof *cqes);
}

static void set_flags(struct scripted *s)
{
    bool waiting = s->ring.waiting.count + s->side.waiting.count > 0;
    uint32_t flags = 0;

    if (waiting)
        flags = s->defer ? IORING_SQ_TASKRUN : IORING_SQ_CQ_OVERFLOW;
    atomic_store(&s->sq_flags, flags);
}

void scripted_flush(struct scripted *s)
{
    cq_fill(&s->ring);
    if (s->kernel.side_cq != NULL)
        cq_fill(&s->side);
    set_flags(s);
}

static void queue_cqe(struct scripted *s, bool side, struct io_uring_cqe cqe)
{
    struct scripted_cq *queue = side ? &s->side : &s->ring;
    struct io_uring_cqe *place =
        scripted_vector_add(&queue->waiting, sizeof cqe);

    ASSERT_API(place != NULL, "no memory for a scripted CQE");
    *place = cqe;
    pthread_mutex_lock(&s->lock);
    s->readable = true;
    pthread_mutex_unlock(&s->lock);
    if (s->defer || queue->waiting.count > 1)
        set_flags(s); /* an overflow is only flushed by enter() */
    else
        scripted_flush(s);
}

void scripted_complete(struct scripted *s, int index, int32_t res,
                       uint32_t flags)
{
    struct scripted_request *request;
    struct io_uring_cqe cqe;
    bool side;

    ASSERT_API(index >= 0, "there is no such request to complete");
    request = scripted_request(s, (unsigned)index);
    cqe = (struct io_uring_cqe){ request->sqe.user_data, res, flags };
    side = request->side;
    if ((flags & IORING_CQE_F_MORE) == 0)
        vector_remove(&s->pending, sizeof *request, (size_t)index);
    queue_cqe(s, side, cqe);
}

void scripted_forget(struct scripted *s, int index)
{
    ASSERT_API(index >= 0, "there is no such request to forget");
    vector_remove(&s->pending, sizeof(struct scripted_request), (size_t)index);
}

void scripted_complete_all(struct scripted *s, int32_t res)
{
    for (unsigned i = 0; i < s->pending.count; i++) {
        const struct scripted_request *request = scripted_request(s, i);

        queue_cqe(s, request->side,
                  (struct io_uring_cqe){ request->sqe.user_data, res, 0 });
    }
    s->pending.count = 0;
}

void scripted_inject(struct scripted *s, uint64_t user_data, int32_t res,
                     uint32_t flags)
{
    queue_cqe(s, false, (struct io_uring_cqe){ user_data, res, flags });
}

void scripted_defer(struct scripted *s, bool defer)
{
    s->defer = defer;
}

void scripted_set_policy(struct scripted *s, scripted_policy_fn *policy,
                         void *arg)
{
    s->policy = policy;
    s->policy_arg = arg;
}

bool scripted_answer_len(void *arg, const struct io_uring_sqe *sqe,
                         int32_t *res)
{
    (void)arg;
    *res = (int32_t)sqe->len;
    return true;
}

void scripted_set_cancel(struct scripted *s, enum scripted_cancel policy)
{
    s->cancel = policy;
}

/* ---- taking -------------------------------------------------------------- */

/* The target of a cancel on the same executor; -1 if it is not there. */
static int find_target(const struct scripted *s, uint64_t user_data, bool side)
{
    int index = scripted_find_user_data(s, user_data);

    if (index < 0 || scripted_request(s, (unsigned)index)->side != side)
        return -1;
    return index;
}

static void answer_cancel(struct scripted *s, const struct io_uring_sqe *sqe,
                          bool side)
{
    int target = find_target(s, sqe->addr, side);
    struct io_uring_cqe answer = { .user_data = sqe->user_data };

    if (target < 0 || s->cancel == SCRIPTED_CANCEL_MISSED)
        answer.res = -ENOENT;
    else if (s->cancel == SCRIPTED_CANCEL_LATE)
        answer.res = -EALREADY;
    if (answer.res < 0) {
        queue_cqe(s, side, answer);
    } else if (s->cancel == SCRIPTED_CANCEL_FIRST) {
        queue_cqe(s, side, answer);
        scripted_complete(s, target, -ECANCELED, 0);
    } else {
        scripted_complete(s, target, -ECANCELED, 0);
        queue_cqe(s, side, answer);
    }
}

bool scripted_take(struct scripted *s, const struct io_uring_sqe *sqe,
                   bool side)
{
    struct io_uring_sqe *log;
    struct scripted_request *request;
    int32_t res;

    log = scripted_vector_add(&s->seen, sizeof *log);
    if (log == NULL)
        return false;
    *log = *sqe;
    if (sqe->opcode == IORING_OP_ASYNC_CANCEL &&
        s->cancel != SCRIPTED_CANCEL_PENDS) {
        answer_cancel(s, sqe, side);
        return true;
    }
    request = scripted_vector_add(&s->pending, sizeof *request);
    if (request == NULL) {
        s->seen.count--;
        return false;
    }
    *request = (struct scripted_request){ *sqe, side };
    if (s->policy != NULL && s->policy(s->policy_arg, sqe, &res))
        scripted_complete(s, (int)s->pending.count - 1, res, 0);
    return true;
}

/* ---- enter(), attach() and time ------------------------------------------ */

void scripted_fail_enter(struct scripted *s, int err, unsigned times)
{
    ASSERT_API(err < 0, "a failure is a negative errno");
    s->enter_failure = (struct scripted_failure){ err, times };
}

void scripted_take_at_most(struct scripted *s, unsigned limit)
{
    s->take_limit = limit;
}

void scripted_be_busy(struct scripted *s, bool busy)
{
    s->busy = busy;
}

void scripted_fail_attach(struct scripted *s, int err)
{
    s->attach_error = err;
}

void scripted_on_sleep(struct scripted *s, scripted_sleep_fn *fn, void *arg)
{
    s->on_sleep = fn;
    s->on_sleep_arg = arg;
}

void scripted_sleep_for_true(struct scripted *s)
{
    s->sleeps_for_true = true;
}

uint64_t scripted_now(const struct scripted *s)
{
    return s->now_ns;
}

void scripted_advance(struct scripted *s, uint64_t ns)
{
    s->now_ns += ns;
}

/* ---- counts -------------------------------------------------------------- */

uint64_t scripted_enters(const struct scripted *s)
{
    return s->enters;
}

uint64_t scripted_sleeps(const struct scripted *s)
{
    return s->sleeps;
}

uint64_t scripted_slept_until(const struct scripted *s)
{
    return s->slept_until;
}

uint64_t scripted_internals(const struct scripted *s)
{
    return s->internals;
}

uint64_t scripted_wake_count(struct scripted *s)
{
    uint64_t wakes;

    pthread_mutex_lock(&s->lock);
    wakes = s->wakes;
    pthread_mutex_unlock(&s->lock);
    return wakes;
}

bool scripted_is_readable(struct scripted *s)
{
    bool readable;

    pthread_mutex_lock(&s->lock);
    readable = s->readable;
    pthread_mutex_unlock(&s->lock);
    return readable;
}

/* ---- routes and the side ------------------------------------------------- */

void scripted_set_route(struct scripted *s, uint8_t opcode,
                        enum kernel_route route)
{
    ASSERT_API(route != KERNEL_ROUTE_SIDE || s->kernel.side_cq != NULL,
               "a side route needs a side");
    s->kernel.route[opcode] = (uint8_t)route;
}

bool scripted_add_side(struct scripted *s, unsigned cq_entries)
{
    if (!scripted_cq_init(&s->side, cq_entries))
        return false;
    s->kernel.side_cq = &s->side.cq;
    memset(s->kernel.route + PRIVATE_OP_FIRST, KERNEL_ROUTE_SIDE,
           sizeof s->kernel.route - PRIVATE_OP_FIRST);
    return true;
}

void scripted_fail_side(struct scripted *s, int err, unsigned times)
{
    s->side_failure = (struct scripted_failure){ err, times };
}

void scripted_set_try(struct scripted *s, int32_t res)
{
    s->try_result = res;
}
