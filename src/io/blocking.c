/* SPDX-License-Identifier: MIT */
/*
 * blocking.c - functions that block
 */
#include <gyre/blocking.h>

#include "io/call.h"

int gyre_call_blocking(int (*function)(void *arg), void *arg)
{
    gyre_op op;

    gyre_op_call(&op, function, arg);
    return gyre_await(&op).res;
}
