/* SPDX-License-Identifier: MIT */
/*
 * gyre/dump.h - what is a loop doing?
 *
 *     gyre_dump_fd(gyre_loop_current(), 2);             here and now
 *     gyre_dump_on_signal(loop, SIGUSR1, 2);            when asked from outside
 *
 * A dump is text for people. It tells of each task of the loop its name, state,
 * what it waits for, since when and where (its calls, innermost first), who
 * made it and at which place; of each scope its deadline, children and error;
 * of each operation without a task its descriptor and age; and the backlog, the
 * timers, the stacks, the blocking threads and the loop's counters. What many
 * do alike is told of the first few, and counted of the rest, so that a million
 * tasks are a page, too.
 *
 * Its form is not an interface: it will change.
 *
 * Memory.   Nothing is allocated: it works when memory is out. It takes up to
 *           11 KiB of the caller's stack; a task that has less than 16 KiB left
 *           gets a dump without calls, which takes 6.
 *
 * Threads.  Only the loop's own: in a task, a callback, or while it is not
 *           running. Dumps of several loops at once wait for each other.
 *
 * Cancel.   It never waits, so it cannot be cancelled.
 *
 * See docs/DEBUGGING.md; from outside, gdb shows the same (live and in a core).
 */
#ifndef GYRE_DUMP_H
#define GYRE_DUMP_H

#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A piece of the text, borrowed, not terminated. Must not wait, and must not
 * call gyre_dump(). */
typedef void gyre_dump_fn(void *user, const char *text, size_t size);

/* Write a dump of the loop to a function. */
GYRE_API void gyre_dump(gyre_loop *loop, gyre_dump_fn *write, void *user);

/* Write it to a descriptor: 0, or the error of write(2). Blocks while the
 * descriptor does; a non-blocking one whose reader does not read for a second
 * gets what fits, and -EAGAIN. */
GYRE_API int gyre_dump_fd(gyre_loop *loop, int fd);

/*
 * Write a dump to `fd` (held until this is undone) at the loop's next turn
 * after each `signal` the process gets; signals that come before it is written
 * are one with it. Several loops may share a signal. A handler that was there
 * before is called as well; a signal without one loses its default action. Once
 * for each loop: another call moves it to another signal, and signal 0 undoes
 * it, as does the end of the loop; with the last loop the handler of before
 * comes back. 0; -EINVAL: no signal that can be caught; -ENOMEM.
 */
GYRE_API int gyre_dump_on_signal(gyre_loop *loop, int signal,
                                 int fd) GYRE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
