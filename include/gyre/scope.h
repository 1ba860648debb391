/* SPDX-License-Identifier: MIT */
/*
 * gyre/scope.h - owns tasks and their ops, bounds their lives
 *
 *     static int both(gyre_scope *scope, void *arg)
 *     {
 *         int err = gyre_spawn(scope, left, arg);
 *         return err != 0 ? err : gyre_spawn(scope, right, arg);
 *     }
 *
 *     int err = gyre_scope_run(NULL, both, arg);    both have returned here
 *
 * Life.     A task opens a scope and closes it, in the manner of brackets; it
 *           becomes the task's innermost. Closing waits for every child, so no
 *           task and no op outlives its scope.
 *
 * Memory.   The scope lies in its opener's frame. Opening allocates nothing.
 *
 * Threads.  Only the loop's own.
 *
 * Cancel.   Cancelling a scope ends the present waits of its tasks, and of
 *           all scopes below, reaching the kernel's ops; each later call that
 *           can wait returns -ECANCELED, or -ETIME when a deadline did it. It
 *           cannot be undone. gyre_close() and closing a scope still wait.
 *
 * Errors.   The first negative result of a child (or of the function given to
 *           gyre_scope_run()) is the scope's error. By default it cancels the
 *           scope. -ECANCELED and -ETIME of children that were cancelled with
 *           their scope are no errors.
 */
#ifndef GYRE_SCOPE_H
#define GYRE_SCOPE_H

#include <gyre/task.h>
#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gyre_error_policy {
    GYRE_ERROR_CANCELS,  /* the first error cancels the siblings */
    GYRE_ERROR_CONTINUES /* the siblings go on; the first error is reported */
} gyre_error_policy;

/* Zero is the default of every member. */
typedef struct gyre_scope_options {
    size_t size;          /* sizeof(gyre_scope_options), or 0 */
    uint64_t deadline_ns; /* monotonic; 0: the parent's alone */
    gyre_error_policy on_error;
} gyre_scope_options;

/* Private. */
struct gyre_scope {
    gyre_loop *loop_;
    gyre_scope *parent_;
    gyre_task *owner_;
    void *link_[2];    /* among the parent's scopes */
    void *scopes_[2];  /* the scopes below */
    void *members_[2]; /* tasks whose innermost scope this is */
    void *handles_[2]; /* finished children that may yet be joined */
    gyre_timer timer_;
    uint64_t deadline_ns_;
    uint32_t children_; /* spawned and not yet returned */
    int32_t error_;
    int32_t cancelled_; /* 0, -ECANCELED, -ETIME */
    uint8_t policy_;
    bool closing_; /* the owner waits for the children */
    bool overdue_; /* its own deadline cancelled it */
    uint8_t reserved_;
};

/*
 * Open a scope, run fn(scope, arg) in it on the calling task, close it.
 * `options` may be NULL. The scope's error, if there is one; -ETIME if its own
 * deadline cut it; else what fn returned.
 */
GYRE_API int gyre_scope_run(const gyre_scope_options *options,
                            int (*fn)(gyre_scope *scope, void *arg), void *arg);

/* The same as a pair. The deadline in force is the earlier of the option and
 * the enclosing scope's. A deadline that has passed cancels at once. */
GYRE_API void gyre_scope_open(gyre_scope *scope,
                              const gyre_scope_options *options);

/* Wait for all children, also when cancelled. Only by the opener, and only its
 * innermost scope. The first error; -ETIME: the scope's own deadline cut it;
 * else 0. */
GYRE_API int gyre_scope_close(gyre_scope *scope) GYRE_MUST_USE;

/* Cancel the scope and all below; does not wait. By any task or callback of the
 * loop, as often as it likes. */
GYRE_API void gyre_scope_cancel(gyre_scope *scope);

/* Tighten the deadline; a later one than is in force changes nothing. */
GYRE_API void gyre_scope_set_deadline(gyre_scope *scope, uint64_t deadline_ns);

/* The deadline in force; GYRE_NEVER if there is none. */
GYRE_API uint64_t gyre_scope_deadline(const gyre_scope *scope);

/* 0, -ECANCELED or -ETIME: is it cancelled, and why? */
GYRE_API int gyre_scope_cancelled(const gyre_scope *scope);

/* The first error so far, or 0. */
GYRE_API int gyre_scope_error(const gyre_scope *scope);

/* The innermost scope of the running task; NULL outside of tasks. */
GYRE_API gyre_scope *gyre_scope_current(void);

#ifdef __cplusplus
}
#endif

#endif
