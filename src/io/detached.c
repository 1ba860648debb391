/* SPDX-License-Identifier: MIT */
/*
 * detached.c - calls whose op and buffers belong to the runtime
 *
 * The block with the op is on the heap. While its caller waits, the caller
 * frees it; when the caller has left, its last completion does. A caller that
 * leaves cannot look at the block any more, so what it needs to know of leaving
 * is in its own frame.
 */
#include <gyre/detached.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "loop/loop.h"
#include "task/task.h"

#define PATH_SIZE 4096

struct detached {
    gyre_op op;
    gyre_task *caller; /* NULL: has left */
    int32_t result;
    bool makes_fd;
    void (*dispose)(void *arg, int result);
    int (*function)(void *arg);
    void *arg;
    _Alignas(16) char data[]; /* path, buffer, struct statx */
};

struct caller {
    struct detached *block;
    bool left;
};

static struct detached *detached_create(size_t data_size)
{
    return alloc_aligned(_Alignof(struct detached),
                         sizeof(struct detached) + data_size);
}

static void detached_closed(gyre_op *op, gyre_result result)
{
    /* gyre_loop_cancel_all() takes it along; the descriptor has to go. */
    if (result.res == -ECANCELED)
        (void)loop_try(op->loop_, op);
    alloc_free(CONTAINER_OF(op, struct detached, op));
}

/* Nobody wants the result any more. */
static void detached_dispose(struct detached *block)
{
    int fd = block->result;

    if (block->makes_fd && fd >= 0) {
        gyre_loop *loop = block->op.loop_;

        gyre_op_close(&block->op, fd);
        if (!loop->closing) {
            gyre_op_start(loop, &block->op, detached_closed, NULL);
            return;
        }
        /* The loop's end starts nothing new. */
        (void)loop_try(loop, &block->op);
    }
    if (block->dispose != NULL)
        block->dispose(block->arg, block->result);
    alloc_free(block);
}

static void detached_done(gyre_op *op, gyre_result result)
{
    struct detached *block = CONTAINER_OF(op, struct detached, op);

    ASSERT(gyre_result_is_last(result));
    block->result = result.res;
    if (block->caller != NULL)
        task_wake(block->caller);
    else
        detached_dispose(block);
}

static void detached_leave(gyre_task *task)
{
    struct caller *caller = task->waits_for;
    struct detached *block = caller->block;

    caller->left = true;
    block->caller = NULL;
    (void)gyre_op_cancel(&block->op);
    loop_disown(task->tasks->loop, &block->op);
    task_wake(task);
}

/* Start the filled op and wait; true: the block, with its result, is the
 * caller's to free. False: `*result` is all there is. */
static bool detached_await(struct detached *block, int *result)
{
    gyre_task *task = task_running();
    struct caller caller = { .block = block };

    *result = task_cancelled(task);
    if (*result != 0) {
        block->result = -ECANCELED;
        detached_dispose(block);
        return false;
    }
    block->caller = task;
    task->waits_for = &caller;
    gyre_op_start(task->tasks->loop, &block->op, detached_done, NULL);
    task_wait(task, detached_leave, "detached op", &block->op);
    *result = caller.left ? task_cancelled(task) : block->result;
    if (*result < 0 && !caller.left)
        task_note_failure(task, &block->op, *result);
    return !caller.left;
}

static int detached_finish(struct detached *block)
{
    int result;

    if (detached_await(block, &result))
        alloc_free(block);
    return result;
}

/* A block with a copy of the path at its data; or an error. */
static int detached_with_path(struct detached **block, const char *path,
                              size_t more)
{
    size_t size = strnlen(path, PATH_SIZE) + 1;

    if (size > PATH_SIZE)
        return -ENAMETOOLONG;
    *block = detached_create(more + size);
    if (*block == NULL)
        return -ENOMEM;
    memcpy((*block)->data + more, path, size);
    return 0;
}

static size_t bounded(size_t size)
{
    return size < GYRE_DETACHED_MAX ? size : GYRE_DETACHED_MAX;
}

int gyre_detached_open(const char *path, int flags, unsigned mode)
{
    struct detached *block;
    int err = detached_with_path(&block, path, 0);

    if (err < 0)
        return err;
    block->makes_fd = true;
    gyre_op_openat(&block->op, AT_FDCWD, block->data, flags, mode);
    return detached_finish(block);
}

ssize_t gyre_detached_read(int fd, void *buffer, size_t size, uint64_t offset)
{
    struct detached *block = detached_create(bounded(size));
    int result;

    if (block == NULL)
        return -ENOMEM;
    gyre_op_read(&block->op, fd, block->data, (uint32_t)bounded(size), offset);
    if (!detached_await(block, &result))
        return result;
    if (result > 0)
        memcpy(buffer, block->data, (size_t)result);
    alloc_free(block);
    return result;
}

ssize_t gyre_detached_write(int fd, const void *buffer, size_t size,
                            uint64_t offset)
{
    struct detached *block = detached_create(bounded(size));

    if (block == NULL)
        return -ENOMEM;
    memcpy(block->data, buffer, bounded(size));
    gyre_op_write(&block->op, fd, block->data, (uint32_t)bounded(size), offset);
    return detached_finish(block);
}

int gyre_detached_fsync(int fd, bool data_only)
{
    struct detached *block = detached_create(0);

    if (block == NULL)
        return -ENOMEM;
    gyre_op_fsync(&block->op, fd, data_only);
    return detached_finish(block);
}

int gyre_detached_statx(const char *path, int flags, unsigned mask,
                        struct statx *answer)
{
    const size_t path_at = sizeof *answer;
    struct detached *block;
    int result = detached_with_path(&block, path, path_at);

    if (result < 0)
        return result;
    gyre_op_statx(&block->op, AT_FDCWD, block->data + path_at, flags, mask,
                  (struct statx *)(void *)block->data);
    if (!detached_await(block, &result))
        return result;
    if (result == 0)
        memcpy(answer, block->data, sizeof *answer);
    alloc_free(block);
    return result;
}

static int call_function(void *arg)
{
    struct detached *block = arg;

    return block->function(block->arg);
}

int gyre_detached_call(int (*function)(void *arg), void *arg,
                       void (*dispose)(void *arg, int result))
{
    struct detached *block = detached_create(0);
    int result;

    if (block == NULL)
        return -ENOMEM;
    block->function = function;
    block->arg = arg;
    block->dispose = dispose;
    gyre_op_call(&block->op, call_function, block);
    if (!detached_await(block, &result))
        return result;
    /* Its own result, or somebody cancelled all of the loop: by the contract
     * the argument is disposed of. */
    if (result_is_cancel(result))
        detached_dispose(block);
    else
        alloc_free(block);
    return result;
}
