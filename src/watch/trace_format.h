/* SPDX-License-Identifier: MIT */
/*
 * trace_format.h - what a trace looks like in its file
 *
 * docs/TRACE.md describes it. One page of header, then chunks of equal size.
 * Whoever writes takes a chunk for itself, and fills it from the front with
 * records in order of time: so writers need no lock, and a record that was
 * begun when the process was killed is beyond `used`, where nobody reads. All
 * numbers are the machine's own.
 */
#ifndef WATCH_TRACE_FORMAT_H
#define WATCH_TRACE_FORMAT_H

#include <stdatomic.h>
#include <stdint.h>

#include "loop/tell.h"

#define TRACE_MAGIC UINT64_C(0x4543415254595247) /* "GRYTRACE" */
#define TRACE_VERSION 1U
#define TRACE_HEADER_BYTES 4096U
#define TRACE_CHUNK_MIN 4096U
#define TRACE_CHUNK_MAX 65536U
#define TRACE_NO_CHUNK UINT32_MAX

struct trace_file {
    uint64_t magic;
    uint32_t version;
    uint32_t chunk_bytes;
    uint32_t chunk_count;
    _Atomic uint32_t taken; /* chunks that are somebody's: the first of all */
    _Atomic uint64_t lost;  /* records */
    uint64_t begun_ns;      /* CLOCK_MONOTONIC, as all times here */
    char program[256];      /* what was started, or nothing */
};

struct trace_chunk {
    uint32_t process;
    uint32_t loop;     /* its number in that process */
    uint64_t sequence; /* 1, 2, 3 ... of that loop's chunks */
    uint64_t lost;     /* records of that loop, before this chunk */
    uint32_t next;     /* the same loop's: the oldest follows the newest */
    uint32_t records;
    char kernel[16];       /* "uring", "emu" */
    _Atomic uint32_t used; /* bytes, with this header */
    uint32_t unused[3];
};

/* A record's size is a multiple of 8. */
struct trace_record {
    uint64_t time_ns;
    uint8_t step;  /* enum loop_step */
    uint8_t words; /* of 8 bytes, all of it */
    uint16_t flags;
    int32_t value;
};

/* Of an op or of the loop. An op's name is its user_data, new at each start. */
struct trace_op {
    struct trace_record head;
    uint64_t op;
    uint64_t detail;
};

#define TRACE_TASK_TEXT 24

/* Of a task: who, what it waits for or who made it, and its name or reason. */
struct trace_task {
    struct trace_record head;
    uint64_t task;
    uint64_t on;
    char text[TRACE_TASK_TEXT];
};

#define TRACE_LOOP_TEXT 112

/* STEP_OPENED: why the loop is on this kernel. */
struct trace_loop {
    struct trace_record head;
    char text[TRACE_LOOP_TEXT];
};

enum trace_flag {
    /* STEP_STARTED and STEP_TRIED: the opcode, and above it the SQE's flags. */
    TRACE_OPCODE_MASK = 0xFF,
    TRACE_SQE_FLAGS_SHIFT = 8,
    /* STEP_SUBMITTED. */
    TRACE_BESIDE = 1 << 0,  /* the co-processor has it */
    TRACE_CHAINED = 1 << 1, /* `value` numbers its chain */
    /* STEP_RUNS: for the first time. STEP_WAITS: for its turn alone. */
    TRACE_FIRST = 1 << 0,
    TRACE_READY = 1 << 1,
};

#endif
