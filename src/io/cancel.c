/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - ending what matches
 */
#include <gyre/cancel.h>

#include "io/call.h"

int gyre_cancel_matching(const gyre_match *match)
{
    gyre_op op;

    gyre_op_cancel_matching(&op, match);
    return gyre_await(&op).res;
}
