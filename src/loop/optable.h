/* SPDX-License-Identifier: MIT */
/*
 * optable.h - what the loop knows of each opcode
 *
 * One line an opcode; the loop has no switch over operations. What a line says
 * is read at start (does `fd` name a descriptor?), at the end (may it be
 * retried after EINTR? which memory did the kernel write?) and by reports. The
 * same line says where the opcode is found in the manual.
 */
#ifndef LOOP_OPTABLE_H
#define LOOP_OPTABLE_H

#include <gyre/types.h>
#include <stdbool.h>
#include <stdint.h>

enum op_output {
    OP_OUTPUT_NONE,
    OP_OUTPUT_BYTES,   /* res bytes at addr */
    OP_OUTPUT_PAIR,    /* two descriptors at addr */
    OP_OUTPUT_VALUE,   /* min(res, len) bytes at addr2 */
    OP_OUTPUT_VECTOR,  /* res bytes over len iovecs at addr */
    OP_OUTPUT_MESSAGE, /* the msghdr at addr, its name, control, res bytes */
    OP_OUTPUT_STATX,   /* a struct statx at off */
    OP_OUTPUT_ADDRESS, /* a sockaddr at addr, its size at addr2 */
    OP_OUTPUT_EVENTS,  /* res structs epoll_event at addr */
    OP_OUTPUT_SIGINFO, /* a siginfo_t at addr2 */
    OP_OUTPUT_COMMAND, /* what a command of sockets writes */
};

enum op_memory {
    OP_MEMORY_BYTES = 0, /* len bytes at addr */
    OP_MEMORY_VECTOR,    /* over len iovecs at addr */
    OP_MEMORY_MESSAGE,   /* over the iovecs of the msghdr at addr */
};

/* What the kernel must have for it to be fixed. */
enum op_demand {
    OP_DEMAND_NOTHING = 0,
    OP_DEMAND_VECTORS, /* of registered memory: fixed_table.vectors */
    OP_DEMAND_SOCKETS, /* that move it by copying: fixed_table.sockets */
};

struct op_info {
    const char *name; /* without IORING_OP_; NULL: unknown opcode */
    bool has_fd;      /* `fd` is what the op works on */
    bool retry;       /* -EINTR means: nothing happened, do it again */
    bool tried;       /* gyre_op_try() may execute it */
    bool cancels;     /* it ends other requests */
    bool stream;      /* 0 is the end of the stream if len > 0 */
    bool opens;       /* its result is a descriptor */
    bool notifies;    /* a second completion tells that its memory is free */
    bool opens_pair;  /* two descriptors are at addr */
    uint8_t output;   /* enum op_output */
    /* What the loop does itself when such an op without a descriptor is
     * started; may end it. NULL: nothing. */
    void (*begin)(gyre_loop *loop, gyre_op *op);
    uint8_t fixed;   /* the same on a registered buffer; 0: there is none */
    uint8_t plain;   /* the same on any buffer; 0: it is plain */
    bool fixed_flag; /* IORING_RECVSEND_FIXED_BUF makes it that */
    uint8_t memory;  /* enum op_memory: where what it moves lies */
    uint8_t demand;  /* enum op_demand: for fixed requests */

    /* For docs/OPERATIONS.md; nothing else reads these. */
    const char *fill; /* what fills an op: "gyre_op_read" */
    const char
        *call; /* the call for tasks: "gyre_read"; or why there is none */
    const char *below; /* how it is executed where Linux has no such opcode */
    const char
        *rows; /* of docs/CAPABILITIES.md, or words: its tests begin so */
};

extern const struct op_info op_table[256];

#endif
