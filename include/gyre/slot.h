/* SPDX-License-Identifier: MIT */
/*
 * gyre/slot.h - registered files for tasks, in direct style
 *
 *     int connection = gyre_accept_slot(listener, NULL, NULL, 0,
 *                                       GYRE_SLOT_ANY);
 *     ssize_t n = gyre_recv(connection, buffer, size, 0);
 *     gyre_close(connection);
 *
 * What slots and handles are, and what each call does, says gyre/op_slot.h,
 * where the table is made, too. A call starts an op on the task's own stack,
 * waits for it, and returns its result.
 *
 * Life.     The task does not return from a call while the kernel can touch its
 *           memory.
 * Memory.   Arguments are the caller's, used until the call returns.
 * Threads.  Only inside a task; elsewhere a call panics.
 * Cancel.   Every call returns -ECANCELED, or -ETIME for a deadline, when the
 *           task's scope is cancelled before or while it waits. An op that was
 *           done first returns its result: a handle is the caller's to close.
 */
#ifndef GYRE_SLOT_H
#define GYRE_SLOT_H

#include <gyre/op_slot.h>
#include <gyre/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A handle, which gyre_close() takes. */
GYRE_API int gyre_open_slot(int dirfd, const char *path, int flags,
                            unsigned mode, uint32_t slot) GYRE_WAITS;
GYRE_API int gyre_accept_slot(int fd, struct sockaddr *address, socklen_t *size,
                              int flags, uint32_t slot) GYRE_WAITS;

GYRE_API int gyre_socket_slot(int domain, int type, int protocol,
                              uint32_t slot) GYRE_WAITS;

/* How many descriptors were put into slots of the task's loop. */
GYRE_API int gyre_fill_slots(uint32_t first, int *fds,
                             uint32_t count) GYRE_WAITS;

/* A descriptor of the file in a slot. */
GYRE_API int gyre_slot_install(int handle) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
