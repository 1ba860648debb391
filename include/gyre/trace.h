/* SPDX-License-Identifier: MIT */
/*
 * gyre/trace.h - write down each step of a loop, to be looked at later
 *
 *     int fd = memfd_create("trace", MFD_CLOEXEC);      or open() of a file
 *     gyre_trace_start(loop, fd, 0);
 *     ...
 *     lost = gyre_trace_stop(loop);
 *
 * `gyre trace PROGRAM` needs none of this: it has every loop of the program
 * traced from its first moment. These calls are for a program that wants to
 * choose the part. `gyre trace FILE` shows what was written, also while it is
 * being written, and after the program was killed: a record is in the file as
 * soon as it is made. See docs/TRACE.md.
 *
 * A trace costs a look at the clock and some 40 bytes for each step. A program
 * that is not traced pays one test at each. What would be told of is not
 * changed, and nothing waits for the file: when it is full, a loop writes over
 * the oldest it has, and counts what is lost by that.
 *
 * Memory.   `bytes` of the file are mapped until the trace ends. Nothing is
 *           allocated while it goes on.
 *
 * Threads.  Only the loop's own: in a task, a callback, or while it is not
 *           running. Loops of any threads and processes may write to one file.
 *
 * Cancel.   Neither waits, so neither can be cancelled.
 */
#ifndef GYRE_TRACE_H
#define GYRE_TRACE_H

#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The least, and what 0 stands for. */
#define GYRE_TRACE_BYTES_MIN ((size_t)32 << 10)
#define GYRE_TRACE_BYTES_DEFAULT ((size_t)64 << 20)

/*
 * Trace the loop from now on, until gyre_trace_stop() or its end, to the file
 * of `fd`: a memfd or a file on a disk, open to be read and written, that is
 * empty (it is made `bytes` long; 0: GYRE_TRACE_BYTES_DEFAULT) or one that
 * another loop traces to (`bytes` does not matter then). The descriptor stays
 * the caller's, who may close it at once. Nobody may make the file shorter
 * meanwhile. Before Linux 5.14, a disk that has no room left kills the program
 * (SIGBUS); since then it costs records.
 *
 * 0; -EALREADY: the loop is traced; -EINVAL: `bytes` is less than
 * GYRE_TRACE_BYTES_MIN, or the file holds something that is no trace of this
 * version; -ENODEV: it is neither; -EACCES: it is not open for both; -EBADF;
 * -ENOMEM; or what ftruncate(2) says.
 */
GYRE_API int gyre_trace_start(gyre_loop *loop, int fd,
                              size_t bytes) GYRE_MUST_USE;

/* End the trace: how many records of it were lost, because they were written
 * over or there was no room at all. 0 also if there was no trace. */
GYRE_API uint64_t gyre_trace_stop(gyre_loop *loop);

#ifdef __cplusplus
}
#endif

#endif
