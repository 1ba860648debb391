/* SPDX-License-Identifier: MIT */
/*
 * clock.c - sleeping until a clock says so
 */
#include <gyre/clock.h>

#include <errno.h>
#include <gyre/op_timeout.h>

#include "io/call.h"

int gyre_sleep_until_clock(int clock, struct timespec time)
{
    int64_t at[2] = { time.tv_sec, time.tv_nsec };
    unsigned flags = GYRE_TIMEOUT_ABS;
    gyre_op op;
    int result = gyre_cancelled();

    if (result != 0)
        return result;
    if (clock == CLOCK_BOOTTIME)
        flags |= GYRE_TIMEOUT_BOOTTIME;
    else if (clock == CLOCK_REALTIME)
        flags |= GYRE_TIMEOUT_REALTIME;
    else if (clock != CLOCK_MONOTONIC)
        return -EINVAL;
    gyre_op_timeout(&op, at, 0, flags);
    result = gyre_await(&op).res;
    /* Its own -ETIME is success (F17), also if it was asked to end too late;
     * that of the scope's deadline asked it to end. */
    if (result == -ETIME &&
        ((op.flags_ & OP_CANCEL_ASKED) == 0 || gyre_cancelled() != -ETIME))
        result = 0;
    return result;
}
