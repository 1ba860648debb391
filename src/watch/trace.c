/* SPDX-License-Identifier: MIT */
/*
 * trace.c - the steps of a loop, written into memory that is shared
 *
 * What is written is in the file at once, as far as other processes are
 * concerned, so a trace survives whatever becomes of its program. A loop takes
 * chunks of the file by one atomic count. When none is left it goes on in the
 * oldest of its own (they form a ring), and what was there is lost and counted;
 * it has none if others were quicker, and then all it tells is lost.
 *
 * With GYRE_TRACE in the environment, a descriptor that `gyre trace` has left
 * open, every loop of the process is traced. The file is mapped before main(),
 * while the descriptor is surely what it was; nobody needs it afterwards but
 * programs that this one starts. A child of fork() has the mapping, too, for
 * the loops that it makes.
 */
#include "watch/trace.h"

#include <errno.h>
#include <gyre/error.h>
#include <gyre/trace.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/notice.h"
#include "kernel/share.h"
#include "loop/optable.h"
#include "loop/slot.h"
#include "watch/trace_file.h"

struct tracer {
    struct trace_mapping mapping;
    bool owns_mapping;
    struct trace_chunk *chunk; /* the newest; NULL: there is none */
    uint64_t sequence;
    uint64_t lost;
};

/* GYRE_TRACE's; no file: there is none. */
static struct trace_mapping everything;

/* Into zeros; cut if it is too long. */
static void copy_text(char *to, size_t size, const char *from)
{
    memcpy(to, from, strnlen(from, size - 1));
}

/* ---- the ring of a loop's chunks ----------------------------------------- */

static void count_lost(struct tracer *tracer, uint64_t records)
{
    tracer->lost += records;
    atomic_fetch_add_explicit(&tracer->mapping.file->lost, records,
                              memory_order_relaxed);
}

/* The oldest follows the newest. NULL: there is neither. */
static struct trace_chunk *chunk_reuse(struct tracer *tracer)
{
    struct trace_file *file = tracer->mapping.file;
    struct trace_chunk *chunk;

    if (tracer->chunk == NULL || tracer->chunk->next >= file->chunk_count)
        return NULL;
    chunk = trace_chunk_at(file, tracer->chunk->next);
    atomic_store_explicit(&chunk->used, 0, memory_order_release);
    count_lost(tracer, chunk->records);
    return chunk;
}

static struct trace_chunk *chunk_next(struct tracer *tracer)
{
    struct trace_chunk *chunk = trace_chunk_take(tracer->mapping.file);
    struct trace_chunk *newest = tracer->chunk;

    if (chunk == NULL)
        return chunk_reuse(tracer);
    if (newest != NULL) {
        uint32_t self = chunk->next;

        chunk->next = newest->next;
        newest->next = self;
    }
    return chunk;
}

/* False: there is no room at all. */
static bool tracer_turn_page(gyre_loop *loop)
{
    struct tracer *tracer = loop->tracer;
    struct trace_chunk *chunk = chunk_next(tracer);

    if (chunk == NULL)
        return false;
    tracer->chunk = chunk;
    chunk->process = share_process();
    chunk->loop = (uint32_t)loop->id;
    chunk->sequence = ++tracer->sequence;
    chunk->lost = tracer->lost;
    chunk->records = 0;
    memset(chunk->kernel, 0, sizeof chunk->kernel);
    copy_text(chunk->kernel, sizeof chunk->kernel, loop->kernel->class->name);
    atomic_store_explicit(&chunk->used, (uint32_t)sizeof *chunk,
                          memory_order_release);
    return true;
}

static void tracer_put(gyre_loop *loop, struct trace_record *record,
                       size_t size)
{
    struct tracer *tracer = loop->tracer;
    struct trace_chunk *chunk = tracer->chunk;
    uint32_t used = chunk == NULL ? UINT32_MAX
                                  : atomic_load_explicit(&chunk->used,
                                                         memory_order_relaxed);

    record->time_ns = loop_clock(loop);
    record->words = (uint8_t)(size / sizeof(uint64_t));
    if (chunk == NULL || tracer->mapping.file->chunk_bytes - used < size) {
        if (!tracer_turn_page(loop)) {
            count_lost(tracer, 1);
            return;
        }
        chunk = tracer->chunk;
        used = sizeof *chunk;
    }
    memcpy((char *)chunk + used, record, size);
    chunk->records++;
    atomic_store_explicit(&chunk->used, used + (uint32_t)size,
                          memory_order_release);
}

/* ---- records ------------------------------------------------------------- */

static void fill_request(struct trace_op *record, const gyre_op *op)
{
    const struct io_uring_sqe *sqe = gyre_op_sqe((gyre_op *)(uintptr_t)op);

    record->head.flags =
        (uint16_t)(sqe->opcode | sqe->flags << TRACE_SQE_FLAGS_SHIFT);
}

static void fill_op(struct trace_op *record, enum loop_step step,
                    const gyre_op *op)
{
    record->op = op_user_data(op);
    if (step == STEP_STARTED) {
        fill_request(record, op);
        record->head.value = op_fd(op);
        record->detail = gyre_op_sqe((gyre_op *)(uintptr_t)op)->len;
    } else if (step == STEP_TRIED) {
        fill_request(record, op);
        record->detail = (uint32_t)op_fd(op);
    } else if (step == STEP_SUBMITTED) {
        if ((op->flags_ & OP_SIDE) != 0)
            record->head.flags |= TRACE_BESIDE;
        if ((op->flags_ & OP_CHAINED) != 0) {
            record->head.flags |= TRACE_CHAINED;
            record->head.value = (int32_t)op->position_;
        }
    }
}

static void tell(gyre_loop *loop, enum loop_step step, const gyre_op *op,
                 int32_t value, uint64_t detail)
{
    struct trace_op record = {
        .head = { .step = (uint8_t)step, .value = value },
        .detail = detail,
    };

    if (op != NULL)
        fill_op(&record, step, op);
    else if (step == STEP_RETURNED)
        record.op = detail;
    tracer_put(loop, &record.head, sizeof record);
}

void trace_task(gyre_loop *loop, enum loop_step step, const void *task,
                const void *on, const char *text, int value, unsigned flags)
{
    struct trace_task record = {
        .head = { .step = (uint8_t)step,
                  .flags = (uint16_t)flags,
                  .value = value },
        .task = (uint64_t)(uintptr_t)task,
        .on = (uint64_t)(uintptr_t)on,
    };

    copy_text(record.text, sizeof record.text, text);
    tracer_put(loop, &record.head, sizeof record);
}

static void put_opened(gyre_loop *loop)
{
    struct trace_loop record = {
        .head = { .step = STEP_OPENED, .value = (int32_t)loop->id },
    };

    if (loop->kernel->reason != NULL)
        copy_text(record.text, sizeof record.text, loop->kernel->reason);
    tracer_put(loop, &record.head, sizeof record);
}

/* ---- from start to stop -------------------------------------------------- */

static void tracer_end(gyre_loop *loop)
{
    struct tracer *tracer = loop->tracer;

    tell(loop, STEP_CLOSED, NULL, 0, tracer->lost);
    loop->tell = NULL;
    loop->tracer = NULL;
    loop->tracer_end = NULL;
    if (tracer->owns_mapping)
        share_unmap(tracer->mapping.file, tracer->mapping.size);
    alloc_free(tracer);
}

static struct tracer *tracer_begin(gyre_loop *loop,
                                   const struct trace_mapping *mapping)
{
    struct tracer *tracer = alloc_zeroed(1, sizeof *tracer);

    if (tracer == NULL)
        return NULL;
    tracer->mapping = *mapping;
    loop->tracer = tracer;
    loop->tracer_end = tracer_end;
    loop->tell = tell;
    put_opened(loop);
    return tracer;
}

int gyre_trace_start(gyre_loop *loop, int fd, size_t bytes)
{
    struct trace_mapping mapping = { NULL, 0 };
    int err;

    loop_assert_owner(loop);
    if (bytes == 0)
        bytes = GYRE_TRACE_BYTES_DEFAULT;
    if (loop->tracer != NULL)
        return -EALREADY;
    if (bytes < GYRE_TRACE_BYTES_MIN)
        return -EINVAL;
    err = trace_get(&mapping, fd, bytes);
    if (err < 0)
        return err;
    if (tracer_begin(loop, &mapping) == NULL) {
        share_unmap(mapping.file, mapping.size);
        return -ENOMEM;
    }
    loop->tracer->owns_mapping = true;
    return 0;
}

uint64_t gyre_trace_stop(gyre_loop *loop)
{
    uint64_t lost;

    loop_assert_owner(loop);
    if (loop->tracer == NULL)
        return 0;
    lost = loop->tracer->lost;
    tracer_end(loop);
    return lost;
}

/* ---- by the environment -------------------------------------------------- */

static void trace_loop_made(gyre_loop *loop)
{
    if (tracer_begin(loop, &everything) == NULL)
        notice("no memory to trace loop %llu", (unsigned long long)loop->id);
}

__attribute__((constructor)) static void trace_as_asked(void)
{
    const char *asked = share_trace_asked();
    char *end;
    unsigned long fd;
    int err = -EBADF;

    if (asked == NULL || *asked == '\0')
        return;
    fd = strtoul(asked, &end, 10);
    if (*asked >= '0' && *asked <= '9' && *end == '\0' && fd <= INT32_MAX)
        err = trace_open(&everything, (int)fd);
    if (err == 0) {
        loop_made = trace_loop_made;
        return;
    }
    everything.file = NULL;
    notice("GYRE_TRACE=%s is no descriptor of a trace, so nothing is traced "
           "(%s): start the program by gyre trace, or unset GYRE_TRACE",
           asked, gyre_error_name(err));
}
