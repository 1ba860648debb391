/* SPDX-License-Identifier: MIT */
/*
 * message.c - messages to other loops
 */
#include <gyre/message.h>

#include "io/call.h"

int gyre_message_send(gyre_address to, int32_t value)
{
    gyre_op op;

    gyre_op_message(&op, to, value);
    return gyre_await(&op).res;
}

int gyre_message_send_slot(gyre_address to, int handle, uint32_t slot)
{
    gyre_op op;

    gyre_op_message_slot(&op, to, handle, slot);
    return gyre_op_slot(&op, gyre_await(&op));
}
