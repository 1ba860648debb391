/* SPDX-License-Identifier: MIT */
/*
 * gyre/chain.h - chains for tasks: ops that the kernel runs one after the other
 *
 *     gyre_op ops[3];
 *     gyre_result results[3];
 *
 *     gyre_op_write(&ops[0], fd, text, size, 0);
 *     gyre_op_fsync(&ops[1], fd, true);
 *     gyre_op_close(&ops[2], fd);
 *     err = gyre_chain_run((gyre_chain_link[]){ { &ops[0] }, { &ops[1] },
 *                                         { &ops[2], .hard = false } },
 *                          3, 0, results);
 *
 * What a chain is, and what is refused: gyre/op_chain.h.
 *
 * Life.     The task does not return before every op of the chain has ended.
 * Memory.   Ops, results and what the ops were filled with are the caller's,
 *           used until the call returns, so they may lie on the stack.
 * Threads.  Only inside a task; elsewhere the call panics.
 * Cancel.   Every op of the chain is asked to end when the task's scope is
 *           cancelled while it waits. What was done by then is in `results`.
 */
#ifndef GYRE_CHAIN_H
#define GYRE_CHAIN_H

#include <gyre/op_chain.h>
#include <gyre/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Run a chain and wait for all of it; `done` and `user` of the links are the
 * call's own. results[i] is the last completion of op i.
 *
 * 0: all went well. Else what broke it: the error of the first op that failed
 * by itself; -ETIME if a linked timeout passed; -ECANCELED, or -ETIME for a
 * deadline, if the scope was cancelled, before or while it waits; -ECANCELED
 * too if a short transfer was the reason, and the results say which. An error
 * of gyre_chain_start(): then nothing was done and no results are written, as
 * if the scope was cancelled before.
 */
GYRE_API int gyre_chain_run(gyre_chain_link *links, unsigned count,
                            unsigned flags, gyre_result *results) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
