/* SPDX-License-Identifier: MIT */
/*
 * unwind.h - the calls that led to where a flow of control stands
 *
 * With libunwind (GYRE_HAVE_LIBUNWIND) by the unwind tables, which every object
 * has, and functions by the name that the symbol table gives them, static ones
 * as well. Without it by the chain of frame pointers, which ends where code was
 * built without them, and names are those the dynamic linker knows. Each place
 * comes with its module and offset, as addr2line wants it.
 *
 * Nothing of it may be called from a signal handler.
 */
#ifndef WATCH_UNWIND_H
#define WATCH_UNWIND_H

#include "watch/out.h"

#define UNWIND_FRAMES_MAX 32U

/* Where it stands: registers as the switch of task/ saved them, and the stack
 * that they are to point into. */
struct unwind_start {
    const void *pc;
    const void *sp;
    const void *frame; /* rbp, x29 */
    const void *base;  /* rbx, x19 */
    const char *low;   /* of the stack */
    const char *high;
};

/* "libunwind 1.6.2", or "frame pointers". */
const char *unwind_method(void);

/* One line for each call, innermost first, until there is no caller. */
void unwind_print(struct out *out, const struct unwind_start *start,
                  unsigned depth);

/* "function+0x1c (module+0x1234)", as much of it as is known. */
void unwind_print_place(struct out *out, const void *pc);

/* A number for the calls that led to the innermost frame, by frame pointers:
 * equal for tasks that came the same way. Reads nothing but the stack. */
uint64_t unwind_key(const struct unwind_start *start);

#endif
