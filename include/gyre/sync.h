/* SPDX-License-Identifier: MIT */
/*
 * gyre/sync.h - waiting for each other
 *
 *     gyre_mutex mutex = GYRE_MUTEX_INIT;
 *
 *     int err = gyre_mutex_lock(&mutex);
 *     if (err < 0)
 *         return err;                        cancelled: the lock is not held
 *     balance += amount;
 *     gyre_mutex_unlock(&mutex);
 *
 * Life.     All of them are structures of the caller's; zeroed memory is an
 *           initialised one where an _INIT is given. End one with its
 *           _destroy(), which panics if somebody still waits; there is nothing
 *           to free. Whose wait has returned may end it at once, even if the
 *           call that let him through has not returned on its thread.
 *
 * Memory.   Nothing is allocated, by no call: who waits is remembered in his
 *           own frame. Do not move or copy one that is in use.
 *
 * Threads.  Between tasks of one loop, tasks of several loops, and plain
 *           threads, in any mixture. A task waits by its loop, which goes on
 *           with others; a plain thread blocks. A callback of a loop must not
 *           wait; calls that do not (unlock, set, release, notify, try_ ...)
 *           can be made there. One made with GYRE_LOCAL is for the tasks and
 *           callbacks of a single loop, and needs no atomic instruction.
 *
 * Order.    Who waits first is served first. What is given (a lock, a unit) is
 *           handed over: nobody who comes later can take it in between.
 *
 * Cancel.   A call that waits in a task returns -ECANCELED, or -ETIME for the
 *           scope's deadline, when the task's scope is cancelled before or
 *           while it waits; -ETIMEDOUT when the call's own deadline has come
 *           (the _until forms; absolute, monotonic, GYRE_NEVER: none). Then
 *           it leaves the queue and has taken nothing. What was already given
 *           when the cancel came is kept: 0, and the next call tells. A
 *           deadline that has passed takes what is there, but does not wait.
 *
 * Errors.   Misuse (to unlock what is not locked, to lock again what the caller
 *           holds) panics with a sentence.
 */
#ifndef GYRE_SYNC_H
#define GYRE_SYNC_H

#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of every _init() here and of gyre_channel_create(). */
enum gyre_sync_flag {
    GYRE_LOCAL = 1 << 0 /* for one loop only: cheaper */
};

/* ---- spinlock ----------------------------------------------------------- */

/*
 * For a few instructions between threads, also inside callbacks; never across a
 * call that can wait. Zeroed memory is an open one. While its holder is not
 * running, others yield the processor.
 */
typedef struct gyre_spinlock {
    uint32_t word_;
} gyre_spinlock;

#define GYRE_SPINLOCK_INIT                                                     \
    {                                                                          \
        0                                                                      \
    }

GYRE_API void gyre_spin_lock(gyre_spinlock *lock);
GYRE_API bool gyre_spin_try_lock(gyre_spinlock *lock) GYRE_MUST_USE;
GYRE_API void gyre_spin_unlock(gyre_spinlock *lock);

/* Private: the queue of those who wait, and what guards it and its owner. */
typedef struct gyre_sync_ {
    void *first_;
    void *last_;
    gyre_spinlock lock_;
    uint32_t flags_;
} gyre_sync_;

#define GYRE_SYNC_INIT_                                                        \
    {                                                                          \
        0, 0, GYRE_SPINLOCK_INIT, 0                                            \
    }

/* ---- mutex -------------------------------------------------------------- */

typedef struct gyre_mutex {
    gyre_sync_ sync_;
    const void *owner_; /* whom lock and unlock compare */
    uint32_t state_;
    uint32_t reserved_;
} gyre_mutex;

#define GYRE_MUTEX_INIT                                                        \
    {                                                                          \
        GYRE_SYNC_INIT_, 0, 0, 0                                               \
    }

/* `flags`: GYRE_LOCAL or 0. */
GYRE_API void gyre_mutex_init(gyre_mutex *mutex, unsigned flags);
GYRE_API void gyre_mutex_destroy(gyre_mutex *mutex);

/* 0: the caller holds it. Locking twice panics: it would wait for itself. */
GYRE_API int gyre_mutex_lock(gyre_mutex *mutex) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_mutex_lock_until(gyre_mutex *mutex, uint64_t deadline_ns)
    GYRE_WAITS GYRE_MUST_USE;

/* Take it if it is free and nobody waits for it. Never waits. */
GYRE_API bool gyre_mutex_try_lock(gyre_mutex *mutex) GYRE_MUST_USE;

/* Hand it to who has waited longest. Only by the holder: the same task, or
 * outside of tasks the same thread. */
GYRE_API void gyre_mutex_unlock(gyre_mutex *mutex);

/* Does the caller hold it? For assertions. */
GYRE_API bool gyre_mutex_is_mine(const gyre_mutex *mutex);

/*
 * A lock that ends with the block it is declared in:
 *
 *     GYRE_GUARD(guard, &mutex);
 *     if (guard.error < 0)
 *         return guard.error;
 */
typedef struct gyre_guard {
    gyre_mutex *mutex;
    int error; /* what gyre_mutex_lock() returned */
} gyre_guard;

GYRE_API gyre_guard gyre_guard_begin(gyre_mutex *mutex) GYRE_WAITS;
GYRE_API void gyre_guard_end(gyre_guard *guard); /* unlocks, unless in error */

#define GYRE_GUARD(name, mutex)                                                \
    gyre_guard name                                                            \
        __attribute__((__cleanup__(gyre_guard_end))) = gyre_guard_begin(mutex)

/* ---- read-write lock ---------------------------------------------------- */

/* Many readers or one writer. First come, first served: a reader that comes
 * after a waiting writer waits behind it, so neither kind starves. */
typedef struct gyre_rwlock {
    gyre_sync_ sync_;
    const void *writer_;
    uint32_t readers_; /* that hold it */
    uint32_t reserved_;
} gyre_rwlock;

#define GYRE_RWLOCK_INIT                                                       \
    {                                                                          \
        GYRE_SYNC_INIT_, 0, 0, 0                                               \
    }

GYRE_API void gyre_rwlock_init(gyre_rwlock *lock, unsigned flags);
GYRE_API void gyre_rwlock_destroy(gyre_rwlock *lock);
GYRE_API int gyre_rwlock_read(gyre_rwlock *lock) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_rwlock_read_until(gyre_rwlock *lock, uint64_t deadline_ns)
    GYRE_WAITS GYRE_MUST_USE;
GYRE_API bool gyre_rwlock_try_read(gyre_rwlock *lock) GYRE_MUST_USE;
GYRE_API void gyre_rwlock_read_unlock(gyre_rwlock *lock);
GYRE_API int gyre_rwlock_write(gyre_rwlock *lock) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_rwlock_write_until(gyre_rwlock *lock, uint64_t deadline_ns)
    GYRE_WAITS GYRE_MUST_USE;
GYRE_API bool gyre_rwlock_try_write(gyre_rwlock *lock) GYRE_MUST_USE;
GYRE_API void gyre_rwlock_write_unlock(gyre_rwlock *lock);

/* The writer becomes a reader without letting another writer in between;
 * readers at the head of the queue come in with it. */
GYRE_API void gyre_rwlock_downgrade(gyre_rwlock *lock);

/* ---- condition variable ------------------------------------------------- */

/* Wakes nobody without a notify. */
typedef struct gyre_cond {
    gyre_sync_ sync_;
} gyre_cond;

#define GYRE_COND_INIT                                                         \
    {                                                                          \
        GYRE_SYNC_INIT_                                                        \
    }

GYRE_API void gyre_cond_init(gyre_cond *cond, unsigned flags);
GYRE_API void gyre_cond_destroy(gyre_cond *cond);

/* Unlock the mutex, wait for a notify, lock it again. The mutex is held when
 * the call returns, whatever it returns; locking it again is not cut short. */
GYRE_API int gyre_cond_wait(gyre_cond *cond,
                            gyre_mutex *mutex) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_cond_wait_until(gyre_cond *cond, gyre_mutex *mutex,
                                  uint64_t deadline_ns)
    GYRE_WAITS GYRE_MUST_USE;

/* Wait until holds(arg), which is called with the mutex held, is true. 0: it
 * holds. An error: it did not when the wait ended. */
GYRE_API int gyre_cond_wait_for(gyre_cond *cond, gyre_mutex *mutex,
                                bool (*holds)(void *arg), void *arg,
                                uint64_t deadline_ns) GYRE_WAITS GYRE_MUST_USE;

/* With or without the mutex. */
GYRE_API void gyre_cond_notify_one(gyre_cond *cond);
GYRE_API void gyre_cond_notify_all(gyre_cond *cond);

/* ---- semaphore ---------------------------------------------------------- */

typedef struct gyre_semaphore {
    gyre_sync_ sync_;
    uint64_t units_;
} gyre_semaphore;

#define GYRE_SEMAPHORE_INIT(units)                                             \
    {                                                                          \
        GYRE_SYNC_INIT_, (units)                                               \
    }

GYRE_API void gyre_semaphore_init(gyre_semaphore *semaphore, uint64_t units,
                                  unsigned flags);
GYRE_API void gyre_semaphore_destroy(gyre_semaphore *semaphore);

/* Take `units` at once, or wait until that many are there. Who wants many is
 * not overtaken by who wants few. */
GYRE_API int gyre_semaphore_acquire(gyre_semaphore *semaphore,
                                    uint64_t units) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_semaphore_acquire_until(gyre_semaphore *semaphore,
                                          uint64_t units, uint64_t deadline_ns)
    GYRE_WAITS GYRE_MUST_USE;
GYRE_API bool gyre_semaphore_try_acquire(gyre_semaphore *semaphore,
                                         uint64_t units) GYRE_MUST_USE;

/* Give back, or add. Panics if the sum exceeds 2^63. */
GYRE_API void gyre_semaphore_release(gyre_semaphore *semaphore, uint64_t units);

/* Units to be had now; old when it returns. */
GYRE_API uint64_t gyre_semaphore_units(const gyre_semaphore *semaphore);

/* ---- event with a value ------------------------------------------------- */

/* Set once, seen by all who wait and all who come later. */
typedef struct gyre_event {
    gyre_sync_ sync_;
    void *value_;
    uint32_t set_;
    uint32_t reserved_;
} gyre_event;

#define GYRE_EVENT_INIT                                                        \
    {                                                                          \
        GYRE_SYNC_INIT_, 0, 0, 0                                               \
    }

GYRE_API void gyre_event_init(gyre_event *event, unsigned flags);
GYRE_API void gyre_event_destroy(gyre_event *event);

/* 0; -EALREADY: it was set before, and keeps that value. The value is the
 * caller's; what it points to is shared by all who wait. */
GYRE_API int gyre_event_set(gyre_event *event, void *value);
GYRE_API bool gyre_event_is_set(const gyre_event *event);

/* 0: it is set; *value (may be NULL) is its value. */
GYRE_API int gyre_event_wait(gyre_event *event,
                             void **value) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_event_wait_until(gyre_event *event, void **value,
                                   uint64_t deadline_ns)
    GYRE_WAITS GYRE_MUST_USE;

/* Make it unset again. Those who have been woken keep the value they got. */
GYRE_API void gyre_event_reset(gyre_event *event);

/* ---- latch, barrier, wait group, once ----------------------------------- */

/* Opens when it has been counted down to 0, and stays open. */
typedef struct gyre_latch {
    gyre_sync_ sync_;
    uint64_t count_;
} gyre_latch;

#define GYRE_LATCH_INIT(count)                                                 \
    {                                                                          \
        GYRE_SYNC_INIT_, (count)                                               \
    }

GYRE_API void gyre_latch_init(gyre_latch *latch, uint64_t count,
                              unsigned flags);
GYRE_API void gyre_latch_destroy(gyre_latch *latch);

/* Panics if `n` is more than is left. */
GYRE_API void gyre_latch_count_down(gyre_latch *latch, uint64_t n);
GYRE_API bool gyre_latch_is_open(const gyre_latch *latch);
GYRE_API int gyre_latch_wait(gyre_latch *latch) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_latch_wait_until(gyre_latch *latch, uint64_t deadline_ns)
    GYRE_WAITS GYRE_MUST_USE;

/* Lets `parties` go on together when the last of them has come; again and
 * again. */
typedef struct gyre_barrier {
    gyre_sync_ sync_;
    uint32_t parties_;
    uint32_t arrived_;
} gyre_barrier;

#define GYRE_BARRIER_INIT(parties)                                             \
    {                                                                          \
        GYRE_SYNC_INIT_, (parties), 0                                          \
    }

/* `parties` is at least 1. */
GYRE_API void gyre_barrier_init(gyre_barrier *barrier, uint32_t parties,
                                unsigned flags);
GYRE_API void gyre_barrier_destroy(gyre_barrier *barrier);

/* 1 for the last to come, 0 for the others. Who is cancelled while he waits
 * takes his arrival back: the others go on waiting for a full number. */
GYRE_API int gyre_barrier_wait(gyre_barrier *barrier) GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_barrier_wait_until(
    gyre_barrier *barrier, uint64_t deadline_ns) GYRE_WAITS GYRE_MUST_USE;

/* Work in progress: counts up and down; who waits is woken at 0. Can be used
 * again. */
typedef struct gyre_wait_group {
    gyre_sync_ sync_;
    uint64_t count_;
} gyre_wait_group;

#define GYRE_WAIT_GROUP_INIT                                                   \
    {                                                                          \
        GYRE_SYNC_INIT_, 0                                                     \
    }

GYRE_API void gyre_wait_group_init(gyre_wait_group *group, unsigned flags);
GYRE_API void gyre_wait_group_destroy(gyre_wait_group *group);
GYRE_API void gyre_wait_group_add(gyre_wait_group *group, uint64_t n);

/* One less. Panics at 0. */
GYRE_API void gyre_wait_group_done(gyre_wait_group *group);

/* 0: the count was 0 at the call, or has become so since. */
GYRE_API int gyre_wait_group_wait(gyre_wait_group *group)
    GYRE_WAITS GYRE_MUST_USE;
GYRE_API int gyre_wait_group_wait_until(
    gyre_wait_group *group, uint64_t deadline_ns) GYRE_WAITS GYRE_MUST_USE;

/* Done by the first who comes; the others wait until it is done. */
typedef struct gyre_once {
    gyre_sync_ sync_;
    const void *runner_;
    uint32_t state_;
    uint32_t reserved_;
} gyre_once;

#define GYRE_ONCE_INIT                                                         \
    {                                                                          \
        GYRE_SYNC_INIT_, 0, 0, 0                                               \
    }

GYRE_API void gyre_once_init(gyre_once *once, unsigned flags);
GYRE_API void gyre_once_destroy(gyre_once *once);

/*
 * Run fn(arg) unless it has succeeded before; fn may wait, and fails with a
 * negative result. 0: it has succeeded (and what it wrote can be seen), also in
 * a cancelled scope. Negative: it failed just now in this call, or the caller
 * was cancelled before it began or while another was at it. After a failure the
 * next in line tries with its own fn and arg. From inside fn, it panics.
 */
GYRE_API int gyre_once_run(gyre_once *once, int (*fn)(void *arg),
                           void *arg) GYRE_WAITS GYRE_MUST_USE;
GYRE_API bool gyre_once_is_done(const gyre_once *once);

#ifdef __cplusplus
}
#endif

#endif
