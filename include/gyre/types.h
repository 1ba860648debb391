/* SPDX-License-Identifier: MIT */
/*
 * gyre/types.h - what every other header of gyre uses
 *
 * Results.  A call returns a value >= 0, or a negative number: an errno with
 *           its sign changed, as Linux does it, or one of gyre's own codes of
 *           gyre/error.h. No call changes errno.
 *
 * Time.     uint64_t nanoseconds. A *deadline* is a point on CLOCK_MONOTONIC;
 *           a *delay* or *period* is a length. GYRE_NEVER is the deadline that
 *           does not come.
 *
 * Lifetimes of arguments have three names, used in all headers:
 *           borrowed                    until the call returns;
 *           held until submission       until the op is in flight;
 *           held until the last completion
 *                                       until the op's last callback is
 *                                       entered (or the task's call returns).
 */
#ifndef GYRE_TYPES_H
#define GYRE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GYRE_API __attribute__((visibility("default")))
#define GYRE_MUST_USE __attribute__((warn_unused_result))

/*
 * Marks each call that can make its caller wait: there other tasks run, and
 * there a cancel of the caller's scope is heard. What is not marked does not
 * wait. (Not meant are gyre_run() and gyre_loop_run(), which run a whole loop:
 * no task waits in them.)
 */
#ifdef __clang__
#define GYRE_WAITS __attribute__((annotate("gyre_waits")))
#else
#define GYRE_WAITS
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_engines gyre_engines;
typedef struct gyre_loop gyre_loop;
typedef struct gyre_op gyre_op;
typedef struct gyre_timer gyre_timer;
typedef struct gyre_deadline gyre_deadline;
typedef struct gyre_work gyre_work;
typedef struct gyre_task gyre_task;
typedef struct gyre_scope gyre_scope;

#define GYRE_NEVER UINT64_MAX
#define GYRE_US UINT64_C(1000)
#define GYRE_MS UINT64_C(1000000)
#define GYRE_SECOND UINT64_C(1000000000)

/* One completion, as the kernel wrote it: io_uring's cqe->res and cqe->flags.
 */
typedef struct gyre_result {
    int32_t res;    /* >= 0, or a negative errno */
    uint32_t flags; /* GYRE_CQE_* */
} gyre_result;

enum gyre_cqe_flags {
    GYRE_CQE_BUFFER = 1 << 0,        /* the upper 16 bits name a buffer */
    GYRE_CQE_MORE = 1 << 1,          /* not the last completion of its op */
    GYRE_CQE_SOCK_NONEMPTY = 1 << 2, /* the socket has more to read */
    GYRE_CQE_NOTIF = 1 << 3,         /* a zero-copy buffer is free again */
    GYRE_CQE_BUF_MORE = 1 << 4,      /* the buffer is still in use */
    GYRE_CQE_SKIP = 1 << 5,          /* it ended in silence: res is 0 if all
                                        went well, else -ECANCELED */
    GYRE_CQE_32 = 1 << 15,           /* of 32 bytes */
};

/* Is this the op's last completion? Exactly one is, for each start. */
static inline bool gyre_result_is_last(gyre_result result)
{
    return (result.flags & GYRE_CQE_MORE) == 0;
}

/* Has the op taken a buffer of its group? It may have, also if it failed. */
static inline bool gyre_result_has_buffer(gyre_result result)
{
    return (result.flags & GYRE_CQE_BUFFER) != 0;
}

/* Its number in the group; only if there is one. */
static inline uint16_t gyre_result_buffer_id(gyre_result result)
{
    return (uint16_t)(result.flags >> 16);
}

/* Will more come into the same buffer? Then it must not be provided again. */
static inline bool gyre_result_buffer_more(gyre_result result)
{
    return (result.flags & GYRE_CQE_BUF_MORE) != 0;
}

/* Is there more to receive or to accept? A hint, which not every kernel gives:
 * false says nothing. */
static inline bool gyre_result_socket_nonempty(gyre_result result)
{
    return (result.flags & GYRE_CQE_SOCK_NONEMPTY) != 0;
}

/* Does this tell that a zero-copy send no longer uses its buffer? */
static inline bool gyre_result_is_notification(gyre_result result)
{
    return (result.flags & GYRE_CQE_NOTIF) != 0;
}

#ifdef __cplusplus
}
#endif

#endif
