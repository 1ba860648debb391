/* SPDX-License-Identifier: MIT */
/*
 * incoming.c - multishot requests as iterators with a bound
 *
 * What the completions bring is put on a queue that lies in the pool's table
 * (mem/group.h), so nothing is allocated for a piece; accepted descriptors,
 * which have no buffers, and pieces of an intake on a ring that grows.
 *
 *             arm                      the cap is reached
 *     IDLE ---------> ARMED --------------------------------> STOPPING
 *      ^ ^              | last completion                        |
 *      | +--------------+----------------------------------------+
 *      |                | -ENOBUFS
 *      +----------------+---> DRY (on the group's list, until it has buffers)
 *
 * IDLE is left by itself while no more than half of the cap is queued, unless
 * the end was reached. Who waits in next is woken by each piece, and by the
 * end.
 *
 * A multishot that Linux ends for reasons of its own (its completion queue was
 * full, so many in one go) has a last completion with data and without
 * IORING_CQE_F_MORE: it is armed again, and nobody sees it.
 */
#include "io/incoming.h"

#include <errno.h>
#include <gyre/op_file.h>
#include <gyre/op_group.h>
#include <gyre/op_slot.h>
#include <string.h>

#include "base/alloc.h"
#include "mem/group.h"
#include "mem/intake.h"
#include "task/task.h"

#define CAP_BYTES ((size_t)256 << 10)
#define CAP_FDS 64U
#define FDS_FIRST 16U

enum incoming_kind {
    INCOMING_NONE,
    INCOMING_RECV,
    INCOMING_READ,
    INCOMING_MESSAGES,
    INCOMING_FDS,
    INCOMING_ZERO_COPY,
};

enum incoming_state { IDLE, ARMED, STOPPING, DRY };

static void incoming_arm(gyre_incoming *in);

static struct list *dry_link(gyre_incoming *in)
{
    return (struct list *)(void *)in->dry_;
}

/* ---- the request --------------------------------------------------------- */

static void incoming_fill(gyre_incoming *in)
{
    switch ((enum incoming_kind)in->kind_) {
    case INCOMING_NONE:
        break;
    case INCOMING_RECV:
        gyre_op_recv_multishot(&in->op_, in->fd_, in->group_->id, in->flags_);
        if (in->bundle_)
            gyre_op_use_bundle(&in->op_);
        break;
    case INCOMING_READ:
        gyre_op_read_multishot(&in->op_, in->fd_, in->group_->id);
        break;
    case INCOMING_MESSAGES:
        gyre_op_recvmsg_multishot(&in->op_, in->fd_, &in->message_,
                                  in->group_->id, in->flags_);
        break;
    case INCOMING_FDS:
        if (in->slots_)
            gyre_op_accept_slot_multishot(&in->op_, in->fd_, in->flags_);
        else
            gyre_op_accept_multishot(&in->op_, in->fd_, in->flags_);
        break;
    case INCOMING_ZERO_COPY:
        gyre_op_recv_zc(&in->op_, in->fd_, in->intake_);
        break;
    }
}

/* Is it on the ring that grows? */
static bool on_ring(const gyre_incoming *in)
{
    return in->kind_ == INCOMING_FDS || in->kind_ == INCOMING_ZERO_COPY;
}

static uint64_t queued(const gyre_incoming *in)
{
    return in->kind_ == INCOMING_FDS ? in->fds_count_ : in->bytes_;
}

/*
 * When it is to be stopped: the kernel may have filled all of the group when it
 * hears of it. For a group that is large beside the cap that would be too
 * early; then the cap is exceeded.
 */
static uint64_t stop_at(const gyre_incoming *in)
{
    uint64_t group = 0;

    if (in->group_ != NULL && !on_ring(in))
        group = (uint64_t)in->group_->count * in->group_->buffer_size;
    return group <= in->cap_ / 2 ? in->cap_ - group : in->cap_;
}

static bool has_piece(const gyre_incoming *in)
{
    return on_ring(in) ? in->fds_count_ > 0 : in->first_ != 0;
}

static void incoming_end(gyre_incoming *in, int32_t result)
{
    in->ended_ = true;
    in->end_ = result;
}

static void incoming_wake(gyre_incoming *in)
{
    gyre_task *waiter = in->waiter_;

    if (waiter == NULL || (!has_piece(in) && !in->ended_))
        return;
    in->waiter_ = NULL;
    task_wake(waiter);
}

/* ---- what comes ---------------------------------------------------------- */

/* No memory to note it in: the one case in which a connection is given up. */
static void drop_fd(gyre_incoming *in, int fd)
{
    gyre_op op;

    gyre_op_close(&op, fd);
    (void)loop_try(in->loop_, &op);
}

static void ring_copy(const gyre_incoming *in, void *to, const void *from,
                      size_t size)
{
    for (uint32_t i = 0; i < in->fds_count_; i++)
        memcpy((char *)to + i * size,
               (const char *)from + (in->fds_first_ + i) % in->fds_room_ * size,
               size);
}

/* Of entries of one of the two kinds. */
static bool ring_grow(gyre_incoming *in)
{
    bool fds = in->kind_ == INCOMING_FDS;
    size_t size = fds ? sizeof *in->fds_ : sizeof *in->slices_;
    uint32_t room = in->fds_room_ > 0 ? 2 * in->fds_room_ : FDS_FIRST;
    void *from = fds ? (void *)in->fds_ : (void *)in->slices_;
    void *ring = alloc_zeroed(room, size);

    if (ring == NULL)
        return false;
    ring_copy(in, ring, from, size);
    alloc_free(from);
    if (fds)
        in->fds_ = ring;
    else
        in->slices_ = ring;
    in->fds_room_ = room;
    in->fds_first_ = 0;
    return true;
}

static void take_in_fd(gyre_incoming *in, int fd)
{
    if (in->fds_count_ == in->fds_room_ && !ring_grow(in)) {
        drop_fd(in, fd);
        incoming_end(in, -ENOMEM);
        return;
    }
    in->fds_[(in->fds_first_ + in->fds_count_) % in->fds_room_] = fd;
    in->fds_count_++;
}

/* Without memory to note it in there is a hole in the stream, and nothing may
 * come behind it. */
static void take_in_slice(gyre_incoming *in, gyre_result result)
{
    gyre_slice slice;

    if (!gyre_intake_take(in->intake_, &in->op_, result, &slice))
        return;
    if (!in->ended_ && in->fds_count_ == in->fds_room_ && !ring_grow(in))
        incoming_end(in, -ENOMEM);
    if (in->ended_) {
        gyre_slice_release(&slice);
        return;
    }
    in->slices_[(in->fds_first_ + in->fds_count_) % in->fds_room_] = slice;
    in->fds_count_++;
    in->bytes_ += intake_piece(in->intake_);
}

static bool pop_slice(gyre_incoming *in, gyre_slice *slice)
{
    if (in->fds_count_ == 0)
        return false;
    *slice = in->slices_[in->fds_first_];
    in->fds_first_ = (in->fds_first_ + 1) % in->fds_room_;
    in->fds_count_--;
    in->bytes_ -= intake_piece(in->intake_);
    return true;
}

static int pop_fd(gyre_incoming *in)
{
    int fd = in->fds_[in->fds_first_];

    in->fds_first_ = (in->fds_first_ + 1) % in->fds_room_;
    in->fds_count_--;
    return fd;
}

/* What counts for the cap: the memory that is held. Incremental buffers are
 * shared by what comes, the others belong to one piece each. */
static uint64_t weight_of(const gyre_incoming *in, uint64_t bytes)
{
    uint64_t size = in->group_->buffer_size;

    return in->group_->incremental ? bytes : (bytes + size - 1) / size * size;
}

static void take_in_bytes(gyre_incoming *in, gyre_result result)
{
    struct group_queue queue = { in->first_, in->last_, 0 };

    mem_group_receive(in->group_, &queue, result);
    in->first_ = queue.first;
    in->last_ = queue.last;
    if (result.res > 0)
        in->bytes_ += weight_of(in, (uint64_t)result.res);
}

static bool take_piece(gyre_incoming *in, gyre_slice *slice)
{
    struct group_queue queue = { in->first_, in->last_, UINT64_MAX };

    if (in->kind_ == INCOMING_ZERO_COPY)
        return pop_slice(in, slice);
    if (!mem_group_take(in->group_, &queue, slice))
        return false;
    in->first_ = queue.first;
    in->last_ = queue.last;
    in->bytes_ -= weight_of(in, slice->size);
    return true;
}

/* ---- the states ---------------------------------------------------------- */

static void incoming_settle(gyre_incoming *in)
{
    if (in->state_ == IDLE && !in->ended_ && queued(in) <= in->cap_ / 2)
        incoming_arm(in);
}

static void dry_over(struct list *link)
{
    gyre_incoming *in = CONTAINER_OF((void *)link, gyre_incoming, dry_);

    ASSERT(in->state_ == DRY);
    in->state_ = IDLE;
    incoming_settle(in);
}

/* What is no TCP comes from the group, if there is one. */
static bool falls_back(gyre_incoming *in, int32_t res)
{
    if (in->group_ == NULL || in->slices_ != NULL ||
        (res != -EPROTONOSUPPORT && res != -EOPNOTSUPP && res != -EINVAL))
        return false;
    intake_refuse(in->intake_);
    in->intake_ = NULL;
    in->kind_ = INCOMING_RECV;
    return true;
}

static void zero_copy_last(gyre_incoming *in, int32_t res, bool stopped)
{
    int waits;

    if (res == -ENOSPC || (res == -ECANCELED && stopped) || falls_back(in, res))
        return;
    if (res != -ENOMEM) {
        incoming_end(in, res);
        return;
    }
    waits = intake_wait(in->intake_, dry_link(in), dry_over);
    if (waits < 0)
        incoming_end(in, waits);
    else if (waits > 0)
        in->state_ = DRY;
}

/* The request is over: why, and what next? */
static void incoming_last(gyre_incoming *in, int32_t res)
{
    bool stopped = in->state_ == STOPPING;

    in->state_ = IDLE;
    if (in->ended_)
        return;
    if (in->kind_ == INCOMING_ZERO_COPY) {
        zero_copy_last(in, res, stopped);
        return;
    }
    if (res == -ENOBUFS && in->kind_ != INCOMING_FDS) {
        if (mem_group_wait(in->group_, dry_link(in), dry_over))
            in->state_ = DRY;
    } else if (res == 0 && in->kind_ != INCOMING_FDS) {
        incoming_end(in, 0);
    } else if (res < 0 && !(res == -ECANCELED && stopped)) {
        incoming_end(in, res);
    }
}

static void incoming_done(gyre_op *op, gyre_result result)
{
    gyre_incoming *in = CONTAINER_OF(op, gyre_incoming, op_);

    if (in->kind_ == INCOMING_FDS && result.res >= 0)
        take_in_fd(in, in->slots_ ? gyre_op_slot(op, result) : result.res);
    else if (in->kind_ == INCOMING_ZERO_COPY)
        take_in_slice(in, result);
    else if ((result.flags & IORING_CQE_F_BUFFER) != 0)
        take_in_bytes(in, result);
    if (gyre_result_is_last(result)) {
        incoming_last(in, result.res);
        incoming_settle(in);
    } else if (in->state_ == ARMED &&
               (in->ended_ || queued(in) >= stop_at(in))) {
        in->state_ = STOPPING;
        in->stops_ += !in->ended_;
        (void)gyre_op_cancel(&in->op_);
    }
    incoming_wake(in);
}

static void incoming_arm(gyre_incoming *in)
{
    ASSERT(in->state_ == IDLE && !in->ended_);
    /* So that the first to come need not be given up. */
    if (in->kind_ == INCOMING_FDS && in->fds_room_ == 0 && !ring_grow(in)) {
        incoming_end(in, -ENOMEM);
        return;
    }
    incoming_fill(in);
    in->state_ = ARMED;
    gyre_op_start(in->loop_, &in->op_, incoming_done, NULL);
}

/* ---- opening ------------------------------------------------------------- */

static int incoming_open(gyre_incoming *in, enum incoming_kind kind, int fd,
                         gyre_buffer_group *group,
                         const gyre_incoming_options *options)
{
    gyre_task *task = task_running();

    memset(in, 0, sizeof *in);
    ASSERT_API(group == NULL || group->loop == task->tasks->loop,
               "the group belongs to another loop");
    in->loop_ = task->tasks->loop;
    in->group_ = group;
    in->fd_ = fd;
    in->cap_ = kind == INCOMING_FDS ? CAP_FDS : CAP_BYTES;
    list_init(dry_link(in));
    if (options != NULL) {
        ASSERT_API(options->size == 0 || options->size == sizeof *options,
                   "gyre_incoming_options.size is not that of this library");
        if (options->cap != 0)
            in->cap_ = options->cap;
        in->flags_ = options->flags;
        in->stream_ = options->stream;
        in->bundle_ = options->bundle;
        if (kind == INCOMING_RECV && options->zero_copy != NULL) {
            in->intake_ = options->zero_copy;
            kind = INCOMING_ZERO_COPY;
        }
    }
    if (group != NULL && group->incremental &&
        ((kind != INCOMING_RECV && kind != INCOMING_ZERO_COPY) ||
         group->users > 0 || in->bundle_))
        return -EINVAL;
    in->kind_ = (uint8_t)kind;
    if (in->intake_ != NULL)
        intake_join(in->intake_);
    if (group != NULL)
        group->users++;
    return 0;
}

static int opened(gyre_incoming *in, int err)
{
    if (err == 0)
        incoming_arm(in);
    return err;
}

int gyre_incoming_recv(gyre_incoming *in, int fd, gyre_buffer_group *group,
                       const gyre_incoming_options *options)
{
    return opened(in, incoming_open(in, INCOMING_RECV, fd, group, options));
}

int gyre_incoming_read(gyre_incoming *in, int fd, gyre_buffer_group *group,
                       const gyre_incoming_options *options)
{
    return opened(in, incoming_open(in, INCOMING_READ, fd, group, options));
}

int gyre_incoming_recvmsg(gyre_incoming *in, int fd, gyre_buffer_group *group,
                          const gyre_incoming_options *options)
{
    uint64_t room = sizeof(struct io_uring_recvmsg_out);
    int err = -EINVAL;

    if (options != NULL)
        room += (uint64_t)options->address_size + options->control_size;
    if (room < group->buffer_size)
        err = incoming_open(in, INCOMING_MESSAGES, fd, group, options);
    else
        in->kind_ = INCOMING_NONE;
    if (err == 0 && options != NULL) {
        in->message_.msg_namelen = options->address_size;
        in->message_.msg_controllen = options->control_size;
    }
    return opened(in, err);
}

int gyre_incoming_accept(gyre_incoming *in, int fd,
                         const gyre_incoming_options *options)
{
    return opened(in, incoming_open(in, INCOMING_FDS, fd, NULL, options));
}

int incoming_accept_slots(gyre_incoming *in, int fd,
                          const gyre_incoming_options *options)
{
    int err = incoming_open(in, INCOMING_FDS, fd, NULL, options);

    in->slots_ = true;
    return opened(in, err);
}

/* ---- the next ------------------------------------------------------------ */

static void incoming_leave(gyre_task *task)
{
    gyre_incoming *in = task->waits_for;

    in->waiter_ = NULL;
    task_wake(task);
}

/* Until there is a piece (1) or the end (0), or the caller is cancelled. */
static int incoming_wait(gyre_incoming *in)
{
    gyre_task *task = task_running();

    ASSERT_API(in->kind_ != INCOMING_NONE, "it is not open");
    ASSERT_API(in->loop_ == task->tasks->loop,
               "the iterator belongs to another loop");
    ASSERT_API(in->waiter_ == NULL, "another task waits for the next piece");
    if (task_cancelled(task) != 0)
        return task_cancelled(task);
    incoming_settle(in);
    if (!has_piece(in) && !in->ended_) {
        in->waiter_ = task;
        task->waits_for = in;
        /* Who has the buffers that it waits for may be on another thread. */
        task->tasks->outside++;
        task_wait(task, incoming_leave, "incoming", in);
        task->tasks->outside--;
        if (!has_piece(in) && !in->ended_)
            return task_cancelled(task);
    }
    return has_piece(in);
}

/* What the end says; noted as a failure if it is one. */
static int incoming_result(gyre_incoming *in)
{
    if (in->end_ < 0)
        task_note_failure(task_running(), &in->op_, in->end_);
    return in->end_;
}

int gyre_incoming_next(gyre_incoming *in, gyre_slice *slice)
{
    int found;

    ASSERT_API(in->kind_ == INCOMING_RECV || in->kind_ == INCOMING_READ ||
                   in->kind_ == INCOMING_ZERO_COPY,
               "it is not open for bytes");
    found = incoming_wait(in);
    if (found < 0)
        return found;
    if (found == 0)
        return incoming_result(in);
    (void)take_piece(in, slice);
    incoming_settle(in);
    return (int)slice->size;
}

int gyre_incoming_next_message(gyre_incoming *in, gyre_message *message,
                               gyre_slice *slice)
{
    int found;

    ASSERT_API(in->kind_ == INCOMING_MESSAGES, "it is not open for messages");
    found = incoming_wait(in);
    if (found < 0)
        return found;
    if (found == 0)
        return incoming_result(in);
    (void)take_piece(in, slice);
    found =
        gyre_message_parse(message, slice->data, slice->size, &in->message_);
    ASSERT(found == 0);
    if (in->stream_ && message->size == 0) {
        gyre_slice_release(slice);
        incoming_end(in, 0);
        return 0;
    }
    incoming_settle(in);
    return 1;
}

int gyre_incoming_next_fd(gyre_incoming *in)
{
    int found;

    ASSERT_API(in->kind_ == INCOMING_FDS, "it is not open for connections");
    found = incoming_wait(in);
    if (found < 0)
        return found;
    if (found == 0) {
        in->ended_ = false; /* the next call tries again */
        return incoming_result(in);
    }
    found = pop_fd(in);
    incoming_settle(in);
    return found;
}

bool gyre_incoming_is_zero_copy(const gyre_incoming *in)
{
    return in->kind_ == INCOMING_ZERO_COPY;
}

/* ---- closing ------------------------------------------------------------- */

static void dispose(gyre_incoming *in)
{
    gyre_slice slice;

    if (in->kind_ != INCOMING_FDS) {
        while (take_piece(in, &slice))
            gyre_slice_release(&slice);
        alloc_free(in->slices_);
        in->slices_ = NULL;
        return;
    }
    while (in->fds_count_ > 0) {
        gyre_op op;

        gyre_op_close(&op, pop_fd(in));
        (void)task_await_shielded(&op);
    }
    alloc_free(in->fds_);
    in->fds_ = NULL;
}

/* Each completion wakes, for the end is decided. */
static void await_last(gyre_incoming *in, gyre_task *task)
{
    while (in->state_ != IDLE) {
        in->waiter_ = task;
        task_wait(task, NULL, "incoming, to close", in);
    }
}

/* Not armed again; and wait until the kernel has heard. */
static void incoming_stop(gyre_incoming *in)
{
    gyre_task *task = task_running();

    ASSERT_API(in->waiter_ == NULL, "a task waits for the next piece");
    incoming_end(in, -ECANCELED);
    if (in->state_ == ARMED)
        (void)gyre_op_cancel(&in->op_);
    if (in->state_ == DRY && in->kind_ == INCOMING_ZERO_COPY)
        intake_unwait(in->intake_, dry_link(in));
    else if (in->state_ == DRY)
        mem_group_unwait(in->group_, dry_link(in));
    else if (in->state_ != IDLE)
        await_last(in, task);
}

int incoming_last_fd(gyre_incoming *in)
{
    ASSERT(in->kind_ == INCOMING_FDS);
    incoming_stop(in);
    return in->fds_count_ > 0 ? pop_fd(in) : -1;
}

void gyre_incoming_close(gyre_incoming *in)
{
    if (in->kind_ == INCOMING_NONE)
        return;
    incoming_stop(in);
    dispose(in);
    if (in->intake_ != NULL)
        intake_leave(in->intake_);
    if (in->group_ != NULL)
        in->group_->users--;
    in->kind_ = INCOMING_NONE;
}
