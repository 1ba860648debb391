/* SPDX-License-Identifier: MIT */
/*
 * trace_stage.h - a loop that is traced, and its trace read back
 */
#ifndef TOOLS_TRACE_STAGE_H
#define TOOLS_TRACE_STAGE_H

#include <gyre/gyre.h>

#include "runner/test.h"
#include "trace_life.h"

struct traced {
    int fd;
    gyre_loop *loop;
    struct trace trace; /* once it is read */
    struct life lives[64];
    unsigned count; /* of lives, also of those beyond 64 */
};

/* A loop, and a trace of it in memory; 0 bytes: the default. */
void traced_begin(struct traced *traced, size_t bytes);

/* Stop the trace, end the loop, and read what was written. */
void traced_end(struct traced *traced);

/* Read it while it goes on. */
void traced_read(struct traced *traced);

void traced_free(struct traced *traced);

/* The only life of an opcode. */
const struct life *traced_life(const struct traced *traced, uint8_t opcode);

/* When the op had its n-th step of that kind, n from 0 on; 0: it had none. */
uint64_t traced_when(const struct traced *traced, const struct life *life,
                     enum loop_step step, unsigned n);

/* How many records there are of a kind. */
size_t traced_steps(const struct traced *traced, enum loop_step step);

#endif
