/* SPDX-License-Identifier: MIT */
/*
 * libunwind.h - the few calls of libunwind that are wanted, if it is there
 *
 * The only file that knows libunwind. Without it every call says no. The
 * references are weak: a program that links the static library and does not
 * name libunwind is one without it, and not one that cannot be linked.
 *
 * The walk is begun by hand, from registers that a switch has saved. They are
 * those of an instruction that is yet to be executed, as in a signal frame: the
 * table's row is the one of this very address, not of the byte before it, which
 * belongs to the jump between two stacks and has no caller.
 */
#ifndef WATCH_LIBUNWIND_H
#define WATCH_LIBUNWIND_H

#include <stdbool.h>
#include <string.h>

#include "base/valgrind.h"
#include "watch/unwind.h"

struct libunwind_place {
    char name[200];
    uint64_t offset;
};

#if defined(GYRE_HAVE_LIBUNWIND) &&                                            \
    (defined(__x86_64__) || defined(__aarch64__))

#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <ucontext.h>

extern __typeof__(unw_init_local2) unw_init_local2 __attribute__((weak));
extern __typeof__(unw_step) unw_step __attribute__((weak));
extern __typeof__(unw_get_reg) unw_get_reg __attribute__((weak));
extern __typeof__(unw_get_proc_name) unw_get_proc_name __attribute__((weak));

struct libunwind_walk {
    unw_context_t machine;
    unw_cursor_t cursor;
};

static inline bool libunwind_is_there(void)
{
    return unw_init_local2 != NULL && unw_step != NULL && unw_get_reg != NULL &&
           unw_get_proc_name != NULL;
}

static inline const char *libunwind_version(void)
{
    return libunwind_is_there() ? "libunwind " LIBUNWIND_VERSION
                                : "frame pointers";
}

static inline void libunwind_fill(unw_context_t *machine,
                                  const struct unwind_start *start)
{
    memset(machine, 0, sizeof *machine);
    if (start->machine != NULL) {
        const ucontext_t *whole = start->machine;

        memcpy(&machine->uc_mcontext, &whole->uc_mcontext,
               sizeof machine->uc_mcontext);
        return;
    }
#if defined(__x86_64__)
    machine->uc_mcontext.gregs[REG_RIP] = (greg_t)start->pc;
    machine->uc_mcontext.gregs[REG_RSP] = (greg_t)start->sp;
    machine->uc_mcontext.gregs[REG_RBP] = (greg_t)start->frame;
    machine->uc_mcontext.gregs[REG_RBX] = (greg_t)start->base;
#else
    machine->uc_mcontext.pc = (uintptr_t)start->pc;
    machine->uc_mcontext.sp = (uintptr_t)start->sp;
    machine->uc_mcontext.regs[29] = (uintptr_t)start->frame;
    machine->uc_mcontext.regs[19] = (uintptr_t)start->base;
#endif
}

static inline bool libunwind_begin(struct libunwind_walk *walk,
                                   const struct unwind_start *start)
{
    if (!libunwind_is_there())
        return false;
    libunwind_fill(&walk->machine, start);
    return unw_init_local2(&walk->cursor, &walk->machine,
                           UNW_INIT_SIGNAL_FRAME) == 0;
}

static inline const void *libunwind_pc(struct libunwind_walk *walk)
{
    unw_word_t pc = 0;

    (void)unw_get_reg(&walk->cursor, UNW_REG_IP, &pc);
    return (const void *)pc;
}

static inline bool libunwind_frame_name(struct libunwind_walk *walk,
                                        struct libunwind_place *place)
{
    unw_word_t offset = 0;
    int err = unw_get_proc_name(&walk->cursor, place->name, sizeof place->name,
                                &offset);

    place->offset = offset;
    return (err == 0 || err == -UNW_ENOMEM) && place->name[0] != '\0';
}

static inline bool libunwind_step(struct libunwind_walk *walk)
{
    int more;

    /* It tries pages by write(2) from them, which memcheck takes for a use of
     * memory that nobody owns. */
    VALGRIND_DISABLE_ERROR_REPORTING;
    more = unw_step(&walk->cursor);
    VALGRIND_ENABLE_ERROR_REPORTING;
    return more > 0;
}

static inline bool libunwind_name(const void *pc, struct libunwind_place *place)
{
    const struct unwind_start start = { .pc = pc };
    struct libunwind_walk walk;

    return libunwind_begin(&walk, &start) && libunwind_frame_name(&walk, place);
}

#else

struct libunwind_walk {
    char unused;
};

static inline const char *libunwind_version(void)
{
    return "frame pointers";
}

static inline bool libunwind_begin(struct libunwind_walk *walk,
                                   const struct unwind_start *start)
{
    (void)walk, (void)start;
    return false;
}

static inline const void *libunwind_pc(struct libunwind_walk *walk)
{
    (void)walk;
    return NULL;
}

static inline bool libunwind_frame_name(struct libunwind_walk *walk,
                                        struct libunwind_place *place)
{
    (void)walk, (void)place;
    return false;
}

static inline bool libunwind_step(struct libunwind_walk *walk)
{
    (void)walk;
    return false;
}

static inline bool libunwind_name(const void *pc, struct libunwind_place *place)
{
    (void)pc, (void)place;
    return false;
}

#endif

#endif
