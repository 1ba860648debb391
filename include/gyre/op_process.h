/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_process.h - requests on processes
 *
 * Each fills a whole op (gyre/op.h). Results are those of the system call of
 * the same name (see its man page and io_uring_enter(2)). "since" is the first
 * Linux that executes the opcode; below it, and without io_uring, gyre emulates
 * it.
 */
#ifndef GYRE_OP_PROCESS_H
#define GYRE_OP_PROCESS_H

#include <gyre/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * waitid(2): wait until a child has ended, stopped or gone on, as `options` say
 * (WEXITED, WSTOPPED, WCONTINUED, with WNOHANG, WNOWAIT), and reap one that has
 * ended. `type` is P_PID, P_PIDFD, P_PGID or P_ALL. `info` points to a
 * siginfo_t, held until the last completion, or is NULL. It is filled in if the
 * result is 0: CLD_EXITED with the exit code in
 * si_status, CLD_KILLED with the signal ...; with WNOHANG and no such child its
 * si_pid is 0. Errors: -ECHILD, -EINVAL, -EBADF.
 *
 * SIGCHLD is left alone, whatever the program does with it; if it is ignored,
 * Linux reaps by itself, and the result is -ECHILD once no child is left. A
 * cancelled wait has reaped nobody. since 6.7; below it the end of one child is
 * told by a pidfd, anything else by looking again every 16 ms at most.
 */
GYRE_API void gyre_op_waitid(gyre_op *op, int type, int id, void *info,
                             int options);

#ifdef __cplusplus
}
#endif

#endif
