/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_slot.h - registered files: a loop's own table of open files
 *
 *     gyre_slots_create(loop, 1024);
 *     gyre_op_accept_slot(&op, listener, NULL, NULL, 0, GYRE_SLOT_ANY);
 *     ...
 *     int connection = gyre_op_slot(&op, result);
 *     gyre_op_recv(&op, connection, buffer, size, 0);
 *
 * A file in a slot is found by Linux without its reference being counted, and
 * uses up no descriptor. A slot is named by a handle, an int that is larger
 * than any descriptor: wherever a function of gyre takes a descriptor it takes
 * a handle as well, with the same results. The exceptions are directories in
 * front of a path (`dirfd`: -EBADF), and what this Linux cannot execute itself
 * while the table is its own (getdents, sendfile, most socket options, ops that
 * are younger than it): -EOPNOTSUPP; make a descriptor of the slot first,
 * gyre_op_slot_install().
 *
 * Life.     A handle names a slot, not the file in it: after a close it names
 *           whatever comes there next. What is in flight on a slot that is
 *           filled anew goes on with its own file. The table ends with its
 *           loop.
 * Memory.   A slot takes 8 bytes, and 32 once it was used; without Linux's
 *           table each file takes a descriptor of the process.
 * Threads.  Only the loop's own.
 * Since.    Linux 6.14. Before it (a file that was closed lived on while older
 *           requests were on other slots), and without io_uring, the table is
 *           in user space, and requests on slots are executed there.
 */
#ifndef GYRE_OP_SLOT_H
#define GYRE_OP_SLOT_H

#include <gyre/op.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- handles ------------------------------------------------------------- */

/* No descriptor reaches it. A table has at most 2^20 slots: what lies above
 * the last handle is just a bad descriptor. */
#define GYRE_SLOT_BIT (1 << 30)
#define GYRE_SLOTS_MAX (1 << 20)

/* In place of a slot's number: any that is free. */
#define GYRE_SLOT_ANY UINT32_MAX

static inline bool gyre_is_slot(int fd)
{
    return fd >= GYRE_SLOT_BIT && fd < GYRE_SLOT_BIT + GYRE_SLOTS_MAX;
}

static inline int gyre_slot_handle(uint32_t slot)
{
    return (int)slot | GYRE_SLOT_BIT;
}

static inline uint32_t gyre_slot_number(int handle)
{
    return (uint32_t)(handle & ~GYRE_SLOT_BIT);
}

/* ---- the table ----------------------------------------------------------- */

/* Make the loop's table, of `count` empty slots. 0; -EBUSY: it has one;
 * -EINVAL: no slots; -EMFILE: more than 2^20, or than RLIMIT_NOFILE; -ENOMEM.
 * The loop belongs to this thread from now on. */
GYRE_API int gyre_slots_create(gyre_loop *loop, uint32_t count) GYRE_MUST_USE;

/* Empty all slots and give the table back, also while the loop is used: what is
 * in flight on a slot keeps its file. -ENXIO: there is none. */
GYRE_API int gyre_slots_destroy(gyre_loop *loop);

/* In place of a descriptor, in an array of them. */
#define GYRE_SLOT_EMPTY (-1) /* empty the slot */
#define GYRE_SLOT_KEEP (-2)  /* leave it as it is */

/*
 * Put `count` descriptors into the slots from `first` on, at once: also in
 * front of ops that were started in this turn, which will find the new files.
 * The descriptors remain the caller's and may be closed. Returns how many were
 * done or, if none, why: -EBADF: not a descriptor, and the slot is empty now;
 * -EINVAL: no such slots; -ENXIO: no table; -EMFILE: a table in user space
 * found no descriptor left.
 */
GYRE_API int gyre_slots_set(gyre_loop *loop, uint32_t first, const int *fds,
                            uint32_t count) GYRE_MUST_USE;

/* Choose slots from this range only when asked for any; at first it is the
 * whole table. So the others can be given out by number. -EINVAL: the table has
 * no such slots. */
GYRE_API int gyre_slots_set_range(gyre_loop *loop, uint32_t first,
                                  uint32_t count) GYRE_MUST_USE;

typedef struct gyre_slots_stats {
    size_t size;    /* sizeof(gyre_slots_stats), set by the caller */
    uint32_t count; /* slots of the table; 0: there is none */
    uint32_t used;  /* filled, as far as completions have told */
    bool emulated;  /* in user space rather than Linux's */
    uint64_t ops;   /* started on slots rather than on descriptors */
} gyre_slots_stats;

GYRE_API void gyre_slots_get_stats(const gyre_loop *loop,
                                   gyre_slots_stats *stats);

/* ---- ops ----------------------------------------------------------------- */

/*
 * Open, accept, make a socket as their namesakes do, but into a slot, by number
 * or GYRE_SLOT_ANY; a numbered slot that is in use is filled anew. No
 * descriptor is made, and close-on-exec, which is meaningless here, is left
 * out. Besides their namesakes' errors: -ENFILE: no slot is free; -EINVAL: no
 * such slot; -ENXIO (any: -ENFILE): no table. A cancelled op that still
 * succeeds has filled its slot. since 6.14
 */
GYRE_API void gyre_op_open_slot(gyre_op *op, int dirfd, const char *path,
                                int flags, unsigned mode, uint32_t slot);
GYRE_API void gyre_op_accept_slot(gyre_op *op, int fd, struct sockaddr *address,
                                  socklen_t *size, int flags, uint32_t slot);

GYRE_API void gyre_op_socket_slot(gyre_op *op, int domain, int type,
                                  int protocol, uint32_t slot);

/* As gyre_op_accept_multishot(), each connection into a slot that is free. With
 * none free it ends, by -ENFILE, and the connection is lost. since 6.14 */
GYRE_API void gyre_op_accept_slot_multishot(gyre_op *op, int fd, int flags);

/* What such an op's completion has made: a handle, or the error. */
GYRE_API int gyre_op_slot(const gyre_op *op, gyre_result result);

/* As gyre_slots_set(), in its order among the ops. With `first` GYRE_SLOT_ANY
 * each goes where there is room (-ENFILE: nowhere), and the number of its slot
 * replaces it in `fds`, which is held until the last completion. Result: how
 * many were done. since 6.14 */
GYRE_API void gyre_op_fill_slots(gyre_op *op, uint32_t first, int *fds,
                                 uint32_t count);

/* A descriptor, close-on-exec, of the file in a slot, which stays there.
 * Result: the descriptor; -EBADF: an empty slot, or no handle. since 6.14 */
GYRE_API void gyre_op_slot_install(gyre_op *op, int handle);

#ifdef __cplusplus
}
#endif

#endif
