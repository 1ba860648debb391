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
 * Threads.  Opened and closed by a task, or by a plain thread
 *           (gyre/engine.h). Any task of any loop and any plain thread spawns
 *           into it, and waits until the scope's loop has seen to it; cancels
 *           it and tightens its deadline, without waiting. They see to it that
 *           the scope is open until the call has returned. All else is for its
 *           loop alone.
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
    /* A part that must finish (a commit, a rollback): neither a cancel nor a
     * deadline from above reaches it. It needs a deadline_ns of its own, if
     * need be GYRE_NEVER; a cancel of the scope itself works. */
    bool shield;
    gyre_full_policy when_full; /* there are max_tasks */
    /* Children at a time, over all engines: those that a child spawns into its
     * part of the scope (gyre_spawn_with()) are among them. 0: no bound. */
    uint32_t max_tasks;
} gyre_scope_options;

/* ---- where an error comes from ------------------------------------------ */

/*
 * Kept with a task for the last call that failed in it, and with a scope for
 * its first error; it goes up with the error through joins and closes. All
 * strings but `task` are static.
 */
typedef struct gyre_failure {
    int error;        /* negative; 0: no failure */
    int fd;           /* of the call; -1: none */
    const char *call; /* "RECV"; NULL: it was no operation */
    const char *text; /* these by GYRE_FAIL(), else NULL and 0 */
    const char *file;
    const char *function;
    int line;
    char task[28]; /* the name of the task it arose in, cut to fit */
} gyre_failure;

/* Note a failure of one's own with its place, and give the error back:
 *     return GYRE_FAIL(-EPROTO, "the header has no length");
 */
#define GYRE_FAIL(error, text)                                                 \
    gyre_fail_at((error), (text), __FILE__, __LINE__, __func__)

GYRE_API int gyre_fail_at(int error, const char *text, const char *file,
                          int line, const char *function);

/* The last failure noted in the running task, its own or one that came up with
 * a join or a close. `error` is 0 if there was none. */
GYRE_API void gyre_task_failure(gyre_failure *failure);

/* "RECV on fd 7: Connection reset by peer (task 'client')". Cut to fit; returns
 * the length it would have, as snprintf() does. */
GYRE_API int gyre_failure_text(const gyre_failure *failure, char *text,
                               size_t size);

/* ---- the scope ---------------------------------------------------------- */

/* Something to be done when a scope closes; see gyre_scope_defer(). */
typedef struct gyre_deferred {
    struct gyre_deferred *next_;
    void (*fn_)(void *arg);
    void *arg_;
} gyre_deferred;

/* A value for a task and what is below it; see gyre_local_bind(). */
typedef struct gyre_local {
    struct gyre_local *next_;
    const void *key_;
    void *value_;
} gyre_local;

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
    uint64_t wish_deadline_ns_; /* of other threads: these three */
    gyre_work wish_work_;
    void *closer_;       /* a plain thread closes it */
    const void *opener_; /* ... that has opened it; NULL: a task has */
    void *spawners_[2];  /* who waits for room among the children */
    void *branches_[2];  /* children that run on another engine */
    gyre_deferred *deferred_;
    gyre_local *locals_;
    gyre_failure failure_;
    uint32_t children_; /* spawned and not yet returned */
    uint32_t promised_; /* room given to spawners that are yet to run */
    uint32_t max_tasks_;
    int32_t error_;
    int32_t cancelled_; /* 0, -ECANCELED, -ETIME */
    uint32_t wishes_;
    uint8_t policy_;
    uint8_t when_full_;
    bool shield_;
    bool closing_; /* the owner waits for the children */
    bool overdue_; /* its own deadline cancelled it */
    bool part_;    /* it is what another engine has of a scope */
    uint8_t unused_[6];
};

/*
 * Open a scope, run fn(scope, arg) in it on the calling task, close it.
 * `options` may be NULL. The scope's error, if there is one; -ETIME if its own
 * deadline cut it; else what fn returned.
 */
GYRE_API int gyre_scope_run(const gyre_scope_options *options,
                            int (*fn)(gyre_scope *scope, void *arg),
                            void *arg) GYRE_WAITS;

/* The same as a pair. The deadline in force is the earlier of the option and
 * the enclosing scope's (but for a shield). A deadline that has passed cancels
 * at once. */
GYRE_API void gyre_scope_open(gyre_scope *scope,
                              const gyre_scope_options *options);

/* Wait for all children, also when cancelled. Only by the opener, and only its
 * innermost scope (a thread's: in any order). The first error; -ETIME: the
 * scope's own deadline cut it; else 0. */
GYRE_API int gyre_scope_close(gyre_scope *scope) GYRE_WAITS GYRE_MUST_USE;

/* Cancel the scope and all below, but for shields; does not wait. By any task,
 * callback or thread, as often as it likes. On the scope's own loop it is
 * cancelled at once; from elsewhere, when the loop has seen the post. */
GYRE_API void gyre_scope_cancel(gyre_scope *scope);

/* Tighten the deadline; a later one than is in force changes nothing. Not of a
 * loop's outermost scope, which has none. By whoever may cancel it. */
GYRE_API void gyre_scope_set_deadline(gyre_scope *scope, uint64_t deadline_ns);

/* The deadline in force; GYRE_NEVER if there is none. */
GYRE_API uint64_t gyre_scope_deadline(const gyre_scope *scope);

/* 0, -ECANCELED or -ETIME: is it cancelled, and why? */
GYRE_API int gyre_scope_cancelled(const gyre_scope *scope);

/* The first error so far, or 0. */
GYRE_API int gyre_scope_error(const gyre_scope *scope);

/* Where its first error comes from, also when it has closed; failure->error is
 * 0 if there is none. */
GYRE_API void gyre_scope_failure(const gyre_scope *scope,
                                 gyre_failure *failure);

/* The innermost scope of the running task; NULL outside of tasks. */
GYRE_API gyre_scope *gyre_scope_current(void);

/*
 * When the scope closes and its children have returned, call fn(arg), the
 * latest first, on the task or thread that closes it: to give back what
 * children of a cancelled scope may have left. Calls that wait are cancelled
 * there if the scope is; gyre_close() and a shield work. `deferred` is held
 * until then. By any task or callback of the scope's loop; a loop's outermost
 * scope has none.
 */
GYRE_API void gyre_scope_defer(gyre_scope *scope, gyre_deferred *deferred,
                               void (*fn)(void *arg), void *arg);

/* Take it back: fn will not be called. False: it has been. */
GYRE_API bool gyre_scope_undefer(gyre_scope *scope, gyre_deferred *deferred);

/*
 * Bind a value to a key (any address that means something to the caller) for
 * the running task and every task below it: until the innermost scope that the
 * task has opened closes; if it has opened none, until the task returns. The
 * latest binding of a key hides earlier ones. `local` is held until then. A
 * lookup walks up the scopes.
 */
GYRE_API void gyre_local_bind(gyre_local *local, const void *key, void *value);

/* The value bound to the key, or NULL. Only inside a task. */
GYRE_API void *gyre_local_get(const void *key);

#ifdef __cplusplus
}
#endif

#endif
