/* SPDX-License-Identifier: MIT */
/*
 * kernel.c - the scripted kernel as the loop sees it
 *
 * It keeps the contract of kernel/kernel.h to the letter and checks that the
 * loop keeps its own: one owner, whole SQEs (taken slots are overwritten with
 * rubbish), nothing in flight when it is destroyed.
 *
 * A sleep ends, in this order of looking: there are enough CQEs; somebody woke
 * it; the test's hook says so; the deadline, to which the clock then jumps.
 * With none of these left the loop would sleep for ever, which is a panic.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/scripted/internal.h"

#define POLLABLE_FD 0x5C81 /* a number; never a real descriptor */
#define SQE_RUBBISH 0xA5

static struct scripted *scripted_of(struct kernel *kernel)
{
    return CONTAINER_OF(kernel, struct scripted, kernel);
}

static void assert_owner(const struct scripted *s)
{
    ASSERT_API(s->attached, "the kernel is used before attach()");
    ASSERT_API(pthread_equal(s->owner, pthread_self()),
               "a kernel belongs to the thread that attached it");
}

static int scripted_attach(struct kernel *kernel)
{
    struct scripted *s = scripted_of(kernel);

    if (s->attach_error < 0)
        return s->attach_error;
    ASSERT_API(!s->attached, "the kernel is attached twice");
    s->attached = true;
    s->owner = pthread_self();
    return 0;
}

static bool failure_take(struct scripted_failure *failure)
{
    if (failure->times == 0)
        return false;
    failure->times--;
    return true;
}

/* How many SQEs were taken, or -EAGAIN if there was no memory for the first. */
static int take_sqes(struct scripted *s, unsigned submit)
{
    struct sq *sq = &s->kernel.sq;
    unsigned taken = 0;

    ASSERT_API(submit <= atomic_load(&s->sq_tail) - atomic_load(&s->sq_head),
               "enter() is to take more SQEs than were published");
    while (taken < submit && taken < s->take_limit) {
        struct io_uring_sqe *slot =
            &sq->sqes[atomic_load(&s->sq_head) & sq->mask];
        struct io_uring_sqe sqe = *slot;

        if (!scripted_take(s, &sqe, false))
            return taken > 0 ? (int)taken : -EAGAIN;
        memset(slot, SQE_RUBBISH, sizeof *slot);
        atomic_fetch_add(&s->sq_head, 1);
        taken++;
    }
    return (int)taken;
}

static unsigned results_ready(const struct scripted *s)
{
    return cq_ready(&s->ring.cq) +
           (s->kernel.side_cq != NULL ? cq_ready(s->kernel.side_cq) : 0);
}

static bool take_wake(struct scripted *s)
{
    bool woken;

    pthread_mutex_lock(&s->lock);
    while (s->sleeps_for_true && !s->woken)
        pthread_cond_wait(&s->rung, &s->lock);
    woken = s->woken;
    s->woken = false;
    pthread_mutex_unlock(&s->lock);
    return woken;
}

/* Sleep; true if it was the deadline that ended it. */
static bool sleep_until(struct scripted *s, unsigned want, uint64_t deadline_ns)
{
    bool over = false;

    if (results_ready(s) >= want)
        return false;
    s->sleeps++;
    s->slept_until = deadline_ns;
    if (s->on_sleep != NULL)
        over = s->on_sleep(s, deadline_ns, s->on_sleep_arg);
    scripted_flush(s);
    if (over || results_ready(s) >= want || take_wake(s))
        return false;
    ASSERT_API(deadline_ns != KERNEL_FOREVER,
               "the loop sleeps for ever: nothing is left that could wake it");
    if (s->now_ns < deadline_ns)
        s->now_ns = deadline_ns;
    return true;
}

static int fail(struct scripted *s, uint64_t deadline_ns)
{
    int err = s->enter_failure.err;

    if (err == -ETIME && deadline_ns != KERNEL_FOREVER &&
        s->now_ns < deadline_ns)
        s->now_ns = deadline_ns;
    return err;
}

static int scripted_enter(struct kernel *kernel, unsigned submit, unsigned want,
                          uint64_t deadline_ns)
{
    struct scripted *s = scripted_of(kernel);
    bool was_late = false;
    int taken;

    assert_owner(s);
    s->enters++;
    pthread_mutex_lock(&s->lock);
    s->readable = false;
    pthread_mutex_unlock(&s->lock);
    if (failure_take(&s->enter_failure))
        return fail(s, deadline_ns);
    scripted_flush(s);
    if (s->busy && submit > 0 && s->ring.waiting.count > 0)
        return -EBUSY;
    taken = take_sqes(s, submit);
    scripted_flush(s);
    /* Like Linux: who could not submit all does not sleep either. */
    if (deadline_ns != KERNEL_NO_WAIT && taken == (int)submit)
        was_late = sleep_until(s, want, deadline_ns);
    return taken == 0 && was_late ? -ETIME : taken;
}

static int scripted_side(struct kernel *kernel, const struct io_uring_sqe *sqes,
                         unsigned count)
{
    struct scripted *s = scripted_of(kernel);

    assert_owner(s);
    ASSERT_API(s->kernel.side_cq != NULL, "this kernel has no side");
    if (failure_take(&s->side_failure))
        return s->side_failure.err;
    for (unsigned i = 0; i < count; i++)
        if (!scripted_take(s, &sqes[i], true))
            return -ENOMEM;
    return 0;
}

static bool scripted_side_has(struct kernel *kernel,
                              const struct io_uring_sqe *sqe)
{
    (void)sqe;
    return kernel->side_cq != NULL;
}

static void scripted_internal(struct kernel *kernel,
                              const struct io_uring_cqe *cqe)
{
    struct scripted *s = scripted_of(kernel);

    assert_owner(s);
    ASSERT((cqe->user_data & KERNEL_TAG_MASK) == KERNEL_TAG_INTERNAL);
    s->internals++;
}

static int scripted_try_now(struct kernel *kernel,
                            const struct io_uring_sqe *sqe)
{
    (void)sqe;
    return scripted_of(kernel)->try_result;
}

static void scripted_wake(struct kernel *kernel)
{
    struct scripted *s = scripted_of(kernel);

    pthread_mutex_lock(&s->lock);
    s->woken = true;
    s->readable = true;
    s->wakes++;
    pthread_cond_signal(&s->rung);
    pthread_mutex_unlock(&s->lock);
}

static int scripted_pollable_fd(struct kernel *kernel)
{
    assert_owner(scripted_of(kernel));
    return POLLABLE_FD;
}

static int scripted_reg(struct kernel *kernel, unsigned opcode, void *arg,
                        unsigned count)
{
    (void)kernel, (void)opcode, (void)arg, (void)count;
    return -EOPNOTSUPP;
}

static void *scripted_map(struct kernel *kernel, size_t size)
{
    (void)kernel;
    return alloc_aligned(4096, size);
}

static void scripted_unmap(struct kernel *kernel, void *memory, size_t size)
{
    (void)kernel, (void)size;
    alloc_free(memory);
}

static uint64_t scripted_now_ns(struct kernel *kernel)
{
    return scripted_of(kernel)->now_ns;
}

/* splitmix64 */
static uint64_t scripted_random(struct kernel *kernel)
{
    uint64_t z = scripted_of(kernel)->random += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void scripted_destroy(struct kernel *kernel)
{
    struct scripted *s = scripted_of(kernel);

    for (unsigned i = 0; i < s->pending.count; i++)
        ASSERT_API((scripted_request(s, i)->sqe.user_data & KERNEL_TAG_MASK) !=
                       KERNEL_TAG_OP,
                   "the kernel is destroyed with requests in flight");
    pthread_cond_destroy(&s->rung);
    pthread_mutex_destroy(&s->lock);
    alloc_free(s->kernel.sq.sqes);
    alloc_free(s->ring.cq.cqes);
    alloc_free(s->ring.waiting.items);
    alloc_free(s->side.cq.cqes);
    alloc_free(s->side.waiting.items);
    alloc_free(s->pending.items);
    alloc_free(s->seen.items);
    alloc_free(s);
}

const struct kernel_class scripted_class = {
    .name = "scripted",
    .attach = scripted_attach,
    .enter = scripted_enter,
    .side = scripted_side,
    .side_has = scripted_side_has,
    .internal = scripted_internal,
    .try_now = scripted_try_now,
    .wake = scripted_wake,
    .pollable_fd = scripted_pollable_fd,
    .reg = scripted_reg,
    .map = scripted_map,
    .unmap = scripted_unmap,
    .now_ns = scripted_now_ns,
    .random = scripted_random,
    .destroy = scripted_destroy,
};
