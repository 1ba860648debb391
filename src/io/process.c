/* SPDX-License-Identifier: MIT */
/*
 * process.c - child processes
 */
#include <gyre/process.h>

#include "io/call.h"

int gyre_waitid(int type, int id, void *info, int options)
{
    gyre_op op;

    gyre_op_waitid(&op, type, id, info, options);
    return gyre_await(&op).res;
}
