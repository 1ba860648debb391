/* SPDX-License-Identifier: MIT */
/*
 * gyre/stack.h - the stacks of tasks: where they come from, how full they get
 *
 *     gyre_report_overflows();
 *     gyre_run(&(gyre_run_options){ .measure_stacks = true }, fn, arg);
 *
 * Life.     A loop's stacks are in sizes of powers of two from 16 KiB to 1 GiB.
 *           They are mapped in slabs, on first use of a size, used again by
 *           later tasks, and given back when the loop is destroyed.
 *
 * Memory.   Below each lies a guard of 64 KiB. It costs no memory, and where
 *           Linux has MADV_GUARD_INSTALL (6.13) nothing else either. On older
 *           ones each guard takes two of the vm.max_map_count mappings; half of
 *           them are used so. Stacks beyond that have canaries, which tell of
 *           an overflow when the task next waits, and one line on standard
 *           error says so when it begins.
 *
 * Threads.  Only the loop's own, but for gyre_report_overflows().
 */
#ifndef GYRE_STACK_H
#define GYRE_STACK_H

#include <gyre/task.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- where stacks come from --------------------------------------------- */

/*
 * Memory for stacks from elsewhere: huge pages, shared memory, an arena. Asked
 * for slabs of many stacks and guards: up to 64 MiB, or one stack with its
 * guard if that is more. They are readable and writable and begin at a page.
 * Linux can guard any ordinary mapping; where it cannot (huge pages of
 * hugetlbfs), stacks have canaries.
 */
typedef struct gyre_stack_allocator {
    /* NULL: there is none; the spawn fails with -ENOMEM. Called by the loop's
     * thread; of a run with several engines by each of theirs. */
    void *(*allocate)(void *user, size_t size);
    /* The whole of it, no longer guarded. gyre keeps what it has until the loop
     * is destroyed. */
    void (*release)(void *user, void *memory, size_t size);
    void *user;
} gyre_stack_allocator;

/* The loop's stacks come from there; copied. 0; -EBUSY: it has stacks already;
 * -ENOMEM: no memory for the loop's first use of tasks. Idle stacks keep their
 * pages. (gyre_run_options.stacks does the same.) */
GYRE_API int gyre_loop_set_stack_allocator(
    gyre_loop *loop, const gyre_stack_allocator *allocator);

typedef struct gyre_stack_stats {
    size_t used; /* tasks that have one, also finished ones with a handle */
    size_t idle; /* for the next tasks */
    size_t idle_without_pages; /* of these: their memory was given back */
    size_t mapped_bytes;       /* address space, with the guards */
    size_t guards_marker;      /* of all: those with MADV_GUARD_INSTALL, */
    size_t guards_mprotect;    /* with a protected range, */
    size_t guards_canary;      /* and with a canary only */
} gyre_stack_stats;

GYRE_API void gyre_loop_get_stack_stats(const gyre_loop *loop,
                                        gyre_stack_stats *stats);

/* ---- how much of them is used ------------------------------------------- */

/*
 * Measure the stacks of the tasks yet to be spawned: each is painted before its
 * task runs, which makes all of its pages resident, and looked at when the task
 * has returned. There is no way back. 0, -ENOMEM. (gyre_run_options
 * .measure_stacks does the same.)
 */
GYRE_API int gyre_loop_measure_stacks(gyre_loop *loop);

/* The measured tasks of one kind that have returned. Bytes include what gyre
 * itself keeps on each stack, some hundred. */
typedef struct gyre_stack_use {
    const char *name; /* of gyre_task_options; NULL: they have none, but: */
    gyre_task_fn *fn; /* the function; NULL if there is a name */
    uint64_t count;
    size_t size;       /* of the stack that least was left of */
    size_t most_used;  /* by one of them */
    size_t least_left; /* by one of them */
} gyre_stack_use;

/*
 * Call fn for each kind of task, in no order; what it is given is borrowed.
 * Kinds beyond 1000, or that there was no memory for, are one named "(others)".
 * The number of kinds; 0 if nothing was measured.
 */
GYRE_API size_t gyre_stack_report(gyre_loop *loop,
                                  void (*fn)(const gyre_stack_use *use,
                                             void *user),
                                  void *user);

/* The most that a measured task has used of its stack until now, in bytes; 0 if
 * it is not measured. It takes a look at all that is untouched. */
GYRE_API size_t gyre_stack_used(const gyre_task *task);

/* ---- overflow ----------------------------------------------------------- */

/*
 * Say which task it was when one runs into the guard below its stack: one line
 * on standard error, then whoever handled SIGSEGV and SIGBUS before this call,
 * or death by the signal. Other faults go straight there. Any thread, once or
 * more often, for the whole process; loops whose first task was spawned before
 * are left out, so call it at the start. Their threads get an alternate signal
 * stack, if they have none. 0, or why a handler cannot be set.
 */
GYRE_API int gyre_report_overflows(void);

#ifdef __cplusplus
}
#endif

#endif
