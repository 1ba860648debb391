/* SPDX-License-Identifier: MIT */
/*
 * Lives, put together from records of which some are lost: such as the loop
 * would write, but written here, so that it is known which.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner/test.h"
#include "trace_stage.h"

static void put_op(struct trace_chunk *chunk, enum loop_step step, uint64_t op)
{
    struct trace_op *record = (void *)((char *)chunk + chunk->used);

    *record = (struct trace_op){
        .head = { .time_ns = ++chunk->records,
                  .step = (uint8_t)step,
                  .words = sizeof *record / 8 },
        .op = op,
    };
    chunk->used += (uint32_t)sizeof *record;
}

static void put_task(struct trace_chunk *chunk, enum loop_step step,
                     uint64_t task, uint64_t on)
{
    struct trace_task *record = (void *)((char *)chunk + chunk->used);

    *record = (struct trace_task){
        .head = { .time_ns = ++chunk->records,
                  .step = (uint8_t)step,
                  .words = sizeof *record / 8 },
        .task = task,
        .on = on,
    };
    chunk->used += (uint32_t)sizeof *record;
}

/* The end of an op is lost, and its memory is another's, for which another task
 * waits: the first waits for nothing that anybody knows. */
TEST(W8_an_op_whose_end_is_lost_is_not_waited_for_twice)
{
    enum { OP = 0x1000, FIRST = 0x2000, SECOND = 0x3000 };
    struct traced traced = { .fd = memfd_create("trace", MFD_CLOEXEC) };
    char *memory;
    struct trace_file *file;
    struct trace_chunk *chunk;

    CHECK_EQ(ftruncate(traced.fd, (off_t)GYRE_TRACE_BYTES_MIN), 0);
    memory = mmap(NULL, GYRE_TRACE_BYTES_MIN, PROT_READ | PROT_WRITE,
                  MAP_SHARED, traced.fd, 0);
    CHECK(memory != MAP_FAILED);
    file = (void *)memory;
    *file = (struct trace_file){ .magic = TRACE_MAGIC,
                                 .version = TRACE_VERSION,
                                 .chunk_bytes = TRACE_CHUNK_MIN,
                                 .chunk_count = 7,
                                 .taken = 1 };
    chunk = (void *)(memory + TRACE_HEADER_BYTES);
    chunk->used = sizeof *chunk;
    put_op(chunk, STEP_STARTED, OP);
    put_task(chunk, STEP_WAITS, FIRST, OP);
    put_task(chunk, STEP_WAITS, SECOND, OP);
    put_op(chunk, STEP_ENDED, OP);
    put_task(chunk, STEP_RUNS, SECOND, 0);
    put_task(chunk, STEP_RUNS, FIRST, 0);
    CHECK_EQ(munmap(memory, GYRE_TRACE_BYTES_MIN), 0);
    traced_read(&traced);
    CHECK_EQ(traced.count, 1);
    CHECK_EQ(traced.lives[0].resumed_ns, 5);
    traced_free(&traced);
}
