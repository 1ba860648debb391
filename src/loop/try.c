/* SPDX-License-Identifier: MIT */
/*
 * try.c - a request that is executed at once or not at all
 */
#include <errno.h>

#include "kernel/restrict.h"
#include "loop/loop.h"
#include "loop/optable.h"

int loop_try(gyre_loop *loop, gyre_op *op)
{
    return loop->kernel->class->try_now(loop->kernel, gyre_op_sqe(op));
}

int gyre_op_try(gyre_loop *loop, gyre_op *op)
{
    const struct restriction *restriction = loop->kernel->restriction;
    int result;

    loop_assert_owner(loop);
    ASSERT_API(op->state_ == OP_IDLE, "only an idle op can be tried");
    if (!op_table[gyre_op_sqe(op)->opcode].tried)
        return -EAGAIN;
    /* Starting it says why not. */
    if (UNLIKELY(restriction != NULL) &&
        restriction_refuses(restriction, gyre_op_sqe(op)) != 0)
        return -EAGAIN;
    result = loop_try(loop, op);
    /* Interrupted: as with a started op, nobody hears of it. */
    if (result == -EINTR)
        result = -EAGAIN;
    loop_tell(loop, STEP_TRIED, op, result, 0);
    return result;
}
