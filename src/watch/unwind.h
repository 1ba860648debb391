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
 * Nothing of it but unwind_collect() may be called from a signal handler.
 */
#ifndef WATCH_UNWIND_H
#define WATCH_UNWIND_H

#include "watch/out.h"

#define UNWIND_FRAMES_MAX 32U
#define UNWIND_STACK 16384U /* libunwind wants 11 KiB of the caller's stack */

/* Where it stands: registers as the switch of task/ saved them, and the stack
 * that they are to point into. */
struct unwind_start {
    const void *pc;
    const void *sp;
    const void *frame; /* rbp, x29 */
    const void *base;  /* rbx, x19 */
    const char *low;   /* of the stack */
    const char *high;
    const void *machine; /* the ucontext_t of a signal that interrupted it, with
                          * all its registers; NULL: these are all */
};

/* "libunwind 1.6.2", or "frame pointers". */
const char *unwind_method(void);

/* One line for each call, innermost first, until there is no caller. */
void unwind_print(struct out *out, const struct unwind_start *start,
                  unsigned depth);

/* For a signal handler, about what it interrupted: put the places into `calls`,
 * innermost first, UNWIND_FRAMES_MAX at most, and say how many. By the tables
 * only if there is room: that wants UNWIND_STACK bytes of stack. */
unsigned unwind_collect(const struct unwind_start *start, bool room,
                        const void **calls);
/* Later, and elsewhere. */
void unwind_print_calls(struct out *out, const void *const *calls,
                        unsigned count, unsigned depth);

/* "function+0x1c (module+0x1234)", as much of it as is known. */
void unwind_print_place(struct out *out, const void *pc);

/* A number for the calls that led to the innermost frame, by frame pointers:
 * equal for tasks that came the same way. Reads nothing but the stack. */
uint64_t unwind_key(const struct unwind_start *start);

#endif
