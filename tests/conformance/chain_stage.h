/* SPDX-License-Identifier: MIT */
/*
 * chain_stage.h - a chain in the making, and what was heard of its ops
 */
#ifndef CONFORMANCE_CHAIN_STAGE_H
#define CONFORMANCE_CHAIN_STAGE_H

#include <string.h>

#include "stage.h"

#define CHAIN_MAX 16

/* A loop, a pipe with nothing in it, and the ops of a chain. */
struct chain_stage {
    gyre_loop *loop;
    int pipe[2];
    struct call calls[CHAIN_MAX];
    gyre_timeout_op limit;
    struct call limit_heard;
    gyre_chain_link links[CHAIN_MAX];
    unsigned count;
    char byte;
    int order[CHAIN_MAX]; /* of the last completions */
    unsigned ended;
};

/* One test, one process. */
static struct chain_stage *heard_by;

static inline void note_done(gyre_op *op, gyre_result result)
{
    call_done(op, result);
    if (gyre_result_is_last(result))
        for (unsigned i = 0; i < heard_by->count; i++)
            if (heard_by->links[i].op == op)
                heard_by->order[heard_by->ended++] = (int)i;
}

static inline void up(struct chain_stage *s, unsigned entries)
{
    memset(s, 0, sizeof *s);
    s->loop = stage_open(entries);
    make_pipe(s->pipe);
    heard_by = s;
}

static inline void down(struct chain_stage *s)
{
    gyre_loop_destroy(s->loop);
    close_both(s->pipe);
}

static inline void add_op(struct chain_stage *s, gyre_op *op,
                          struct call *heard)
{
    s->links[s->count++] = (gyre_chain_link){ op, note_done, heard, false };
}

/* The next op of the chain, to be filled. */
static inline gyre_op *add(struct chain_stage *s)
{
    struct call *call = &s->calls[s->count];

    add_op(s, &call->op, call);
    return &call->op;
}

static inline gyre_op *add_nop(struct chain_stage *s)
{
    gyre_op *op = add(s);

    gyre_op_nop(op);
    return op;
}

/* Never ends by itself, until something is written to the pipe. */
static inline gyre_op *add_wait(struct chain_stage *s)
{
    gyre_op *op = add(s);

    gyre_op_read(op, s->pipe[0], &s->byte, 1, GYRE_CURRENT_POSITION);
    return op;
}

static inline gyre_op *add_failure(struct chain_stage *s)
{
    gyre_op *op = add(s);

    gyre_op_read(op, -1, &s->byte, 1, 0);
    return op;
}

static inline void add_limit(struct chain_stage *s, uint64_t ns)
{
    gyre_timeout_op_link(&s->limit, ns, 0);
    add_op(s, &s->limit.op, &s->limit_heard);
}

static inline void begin(struct chain_stage *s, unsigned flags)
{
    s->ended = 0;
    for (unsigned i = 0; i < s->count; i++) {
        struct call *heard = s->links[i].user;

        heard->calls = heard->lasts = 0;
    }
    CHECK_OK(gyre_chain_start(s->loop, s->links, s->count, flags));
}

static inline void turn(struct chain_stage *s)
{
    stage_turn(s->loop);
}

static inline gyre_result result_at(const struct chain_stage *s, unsigned i)
{
    const struct call *heard = s->links[i].user;

    CHECK_EQ(heard->calls, 1);
    CHECK_EQ(heard->lasts, 1);
    CHECK_EQ(gyre_op_state(s->links[i].op), GYRE_OP_IDLE);
    return heard->result;
}

/* Each op has its one completion, with this result, and that is all. */
static inline void finish(struct chain_stage *s, const int *expected)
{
    while (s->ended < s->count)
        CHECK_OK(gyre_loop_run(s->loop, GYRE_RUN_ONCE));
    turn(s);
    for (unsigned i = 0; i < s->count; i++)
        CHECK_ERR(result_at(s, i).res, expected[i]);
    s->count = 0;
}

#define FINISH(s, ...) finish((s), (const int[]){ __VA_ARGS__ })

#endif
