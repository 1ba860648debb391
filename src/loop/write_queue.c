/* SPDX-License-Identifier: MIT */
/*
 * write_queue.c - whole writes to one stream, in order
 */
#include <errno.h>
#include <gyre/op_file.h>
#include <gyre/op_socket.h>
#include <gyre/write_queue.h>

#include "loop/loop.h"

static void queue_start(gyre_write_queue *queue);

void gyre_write_queue_init(gyre_write_queue *queue, gyre_loop *loop, int fd,
                           enum gyre_queue_kind kind)
{
    *queue = (gyre_write_queue){ .loop_ = loop,
                                 .fd_ = fd,
                                 .sends_ = kind == GYRE_QUEUE_SENDS };
    gyre_op_raw(&queue->op_, IORING_OP_NOP);
}

static gyre_queued_write *queue_take(gyre_write_queue *queue)
{
    gyre_queued_write *request = queue->first_;

    queue->first_ = request->next_;
    if (queue->first_ == NULL)
        queue->last_ = NULL;
    queue->bytes_ -= request->left_;
    return request;
}

/* The last one's callback may free the queue. Requests that a callback adds are
 * refused, so this ends. */
static void queue_fail(gyre_write_queue *queue)
{
    bool more = queue->first_ != NULL;

    while (more) {
        gyre_queued_write *request = queue_take(queue);

        more = queue->first_ != NULL;
        request->done_(request, queue->error_);
    }
}

/* The first request is written; false: it was the last, and the queue may be
 * gone, or busy again. */
static bool queue_finish_first(gyre_write_queue *queue)
{
    gyre_queued_write *request = queue_take(queue);
    bool more = queue->first_ != NULL;

    /* If there are more, its callback may not start an op of its own. */
    queue->busy_ = more;
    request->done_(request, 0);
    if (more)
        queue->busy_ = false;
    return more;
}

static void queue_written(gyre_op *op, gyre_result result)
{
    gyre_write_queue *queue = op->user;
    gyre_queued_write *request = queue->first_;
    size_t written = result.res > 0 ? (size_t)result.res : 0;

    ASSERT(request != NULL && written <= request->left_);
    queue->busy_ = false;
    request->data_ += written;
    request->left_ -= written;
    queue->bytes_ -= written;
    if (queue->error_ == 0 && result.res <= 0)
        queue->error_ = result.res < 0 ? result.res : -EIO;
    if (request->left_ == 0 && !queue_finish_first(queue))
        return;
    if (queue->error_ != 0)
        queue_fail(queue);
    else
        queue_start(queue);
}

static void queue_start(gyre_write_queue *queue)
{
    const gyre_queued_write *request = queue->first_;
    size_t size = request->left_ < UINT32_MAX ? request->left_ : UINT32_MAX;

    ASSERT(!queue->busy_);
    queue->busy_ = true;
    if (queue->sends_)
        gyre_op_send(&queue->op_, queue->fd_, request->data_, size, 0);
    else
        gyre_op_write(&queue->op_, queue->fd_, request->data_, (uint32_t)size,
                      GYRE_CURRENT_POSITION);
    gyre_op_start(queue->loop_, &queue->op_, queue_written, queue);
}

int gyre_write_queue_add(gyre_write_queue *queue, gyre_queued_write *request,
                         const void *data, size_t size,
                         gyre_queued_write_fn *done, void *user)
{
    loop_assert_owner(queue->loop_);
    ASSERT_API(size > 0, "a write of no bytes is queued");
    if (queue->error_ != 0)
        return queue->error_;
    *request = (gyre_queued_write){
        .data_ = data, .left_ = size, .done_ = done, .user = user
    };
    if (queue->last_ != NULL)
        queue->last_->next_ = request;
    else
        queue->first_ = request;
    queue->last_ = request;
    queue->bytes_ += size;
    if (!queue->busy_)
        queue_start(queue);
    return 0;
}

size_t gyre_write_queue_bytes(const gyre_write_queue *queue)
{
    return queue->bytes_;
}

void gyre_write_queue_cancel(gyre_write_queue *queue)
{
    loop_assert_owner(queue->loop_);
    if (queue->error_ == 0)
        queue->error_ = -ECANCELED;
    /* If nothing is in flight there is nothing in the queue, either: but for a
     * cancel inside a callback, after which the queue looks at its error. */
    ASSERT(queue->busy_ || queue->first_ == NULL);
    if (queue->busy_)
        (void)gyre_op_cancel(&queue->op_);
}
