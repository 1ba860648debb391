/* SPDX-License-Identifier: MIT */
/*
 * rwlock.c - many readers or one writer, in order of arrival
 *
 * One queue for both kinds. Nobody passes by it, so a reader that comes while a
 * writer waits stands behind him. Each time the lock changes hands, or somebody
 * leaves the queue unserved, admit() lets in from the head whoever may enter:
 * one writer, or all readers up to the next writer.
 *
 * Everything happens under the queue's lock, which is as cheap as the one
 * atomic instruction that readers would need otherwise.
 */
#include "sync/waiter.h"

enum kind { READER, WRITER };

void gyre_rwlock_init(gyre_rwlock *lock, unsigned flags)
{
    *lock = (gyre_rwlock)GYRE_RWLOCK_INIT;
    sync_init(&lock->sync_, flags);
}

void gyre_rwlock_destroy(gyre_rwlock *lock)
{
    sync_destroy(&lock->sync_, "a read-write lock");
    ASSERT_API(lock->writer_ == NULL && lock->readers_ == 0,
               "the read-write lock is still locked");
}

/* Is there room inside for one of this kind? */
static bool may_enter(const gyre_rwlock *lock, enum kind kind)
{
    return lock->writer_ == NULL && (kind == READER || lock->readers_ == 0);
}

static void enter(gyre_rwlock *lock, enum kind kind, const void *who)
{
    ASSERT(may_enter(lock, kind));
    if (kind == READER)
        lock->readers_++;
    else
        lock->writer_ = who;
}

static void admit(gyre_sync_ *sync, struct wakes *wakes)
{
    gyre_rwlock *lock = CONTAINER_OF(sync, gyre_rwlock, sync_);
    struct waiter *first;

    while ((first = sync_first(sync)) != NULL &&
           may_enter(lock, (enum kind)first->kind)) {
        if (!waiter_claim(sync, first))
            continue;
        enter(lock, (enum kind)first->kind, first->value);
        wakes_add(wakes, first);
    }
}

static bool enter_now(gyre_rwlock *lock, enum kind kind, const void *who)
{
    if (sync_has_waiters(&lock->sync_) || !may_enter(lock, kind))
        return false;
    enter(lock, kind, who);
    return true;
}

static bool try_enter(gyre_rwlock *lock, enum kind kind)
{
    bool entered;

    sync_lock(&lock->sync_);
    entered = enter_now(lock, kind, sync_caller());
    sync_unlock(&lock->sync_);
    return entered;
}

static int enter_until(gyre_rwlock *lock, enum kind kind, uint64_t deadline_ns,
                       const char *reason)
{
    const void *who = sync_caller();
    struct waiter waiter = { .value = (void *)(uintptr_t)who,
                             .kind = (uint16_t)kind };
    struct wait wait;
    int err = wait_begin(&wait, sync_is_local(&lock->sync_));

    if (err < 0)
        return err;
    sync_lock(&lock->sync_);
    if (enter_now(lock, kind, who)) {
        sync_unlock(&lock->sync_);
        return 0;
    }
    ASSERT_API(lock->writer_ != who,
               "the caller is the writer already, and would wait for itself");
    return wait_in_queue(&lock->sync_, &waiter, &wait, deadline_ns, reason,
                         admit);
}

/* ---- readers ------------------------------------------------------------- */

int gyre_rwlock_read_until(gyre_rwlock *lock, uint64_t deadline_ns)
{
    return enter_until(lock, READER, deadline_ns, "read lock");
}

int gyre_rwlock_read(gyre_rwlock *lock)
{
    return gyre_rwlock_read_until(lock, GYRE_NEVER);
}

bool gyre_rwlock_try_read(gyre_rwlock *lock)
{
    return try_enter(lock, READER);
}

void gyre_rwlock_read_unlock(gyre_rwlock *lock)
{
    struct wakes wakes = { 0 };

    sync_lock(&lock->sync_);
    ASSERT_API(lock->readers_ > 0, "nobody holds this lock as a reader");
    lock->readers_--;
    admit(&lock->sync_, &wakes);
    sync_unlock(&lock->sync_);
    wakes_run(&wakes);
}

/* ---- writers ------------------------------------------------------------- */

int gyre_rwlock_write_until(gyre_rwlock *lock, uint64_t deadline_ns)
{
    return enter_until(lock, WRITER, deadline_ns, "write lock");
}

int gyre_rwlock_write(gyre_rwlock *lock)
{
    return gyre_rwlock_write_until(lock, GYRE_NEVER);
}

bool gyre_rwlock_try_write(gyre_rwlock *lock)
{
    return try_enter(lock, WRITER);
}

/* The writer is one no more; it stays as so many readers. */
static void writer_leaves(gyre_rwlock *lock, uint32_t readers)
{
    struct wakes wakes = { 0 };

    sync_lock(&lock->sync_);
    ASSERT_API(lock->writer_ == sync_caller(),
               "the caller does not hold this lock as its writer");
    lock->writer_ = NULL;
    lock->readers_ = readers;
    admit(&lock->sync_, &wakes);
    sync_unlock(&lock->sync_);
    wakes_run(&wakes);
}

void gyre_rwlock_write_unlock(gyre_rwlock *lock)
{
    writer_leaves(lock, 0);
}

void gyre_rwlock_downgrade(gyre_rwlock *lock)
{
    writer_leaves(lock, 1);
}
