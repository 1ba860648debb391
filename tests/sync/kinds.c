/* SPDX-License-Identifier: MIT */
/*
 * kinds.c - the table of primitives, and clients of any of them
 */
#include "sync/kinds.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "task/fiber_tools.h"

/* ---- locks --------------------------------------------------------------- */

static void mutex_init(struct object *o, unsigned waiters, unsigned flags)
{
    (void)waiters;
    gyre_mutex_init(&o->mutex, flags);
    CHECK_OK(gyre_mutex_lock(&o->mutex));
}

static int mutex_wait(struct object *o, uint64_t deadline_ns)
{
    return gyre_mutex_lock_until(&o->mutex, deadline_ns);
}

static void mutex_open(struct object *o)
{
    gyre_mutex_unlock(&o->mutex);
}

static void mutex_destroy(struct object *o)
{
    gyre_mutex_destroy(&o->mutex);
}

static void rwlock_init(struct object *o, unsigned waiters, unsigned flags)
{
    (void)waiters;
    gyre_rwlock_init(&o->rwlock, flags);
    CHECK_OK(gyre_rwlock_write(&o->rwlock));
}

static int rwlock_read(struct object *o, uint64_t deadline_ns)
{
    return gyre_rwlock_read_until(&o->rwlock, deadline_ns);
}

static int rwlock_write(struct object *o, uint64_t deadline_ns)
{
    return gyre_rwlock_write_until(&o->rwlock, deadline_ns);
}

static void rwlock_read_leave(struct object *o)
{
    gyre_rwlock_read_unlock(&o->rwlock);
}

static void rwlock_write_leave(struct object *o)
{
    gyre_rwlock_write_unlock(&o->rwlock);
}

static void rwlock_destroy(struct object *o)
{
    gyre_rwlock_destroy(&o->rwlock);
}

/* ---- condition variable -------------------------------------------------- */

static void cond_init(struct object *o, unsigned waiters, unsigned flags)
{
    (void)waiters;
    gyre_cond_init(&o->cond, flags);
    gyre_mutex_init(&o->beside, flags);
}

static int cond_wait(struct object *o, uint64_t deadline_ns)
{
    int err = gyre_mutex_lock(&o->beside);

    if (err < 0)
        return err;
    err = gyre_cond_wait_until(&o->cond, &o->beside, deadline_ns);
    CHECK(gyre_mutex_is_mine(&o->beside));
    gyre_mutex_unlock(&o->beside);
    return err;
}

static void cond_open(struct object *o)
{
    gyre_cond_notify_all(&o->cond);
}

static void cond_open_one(struct object *o)
{
    gyre_cond_notify_one(&o->cond);
}

static void cond_destroy(struct object *o)
{
    gyre_cond_destroy(&o->cond);
    gyre_mutex_destroy(&o->beside);
}

/* ---- semaphore ----------------------------------------------------------- */

static void semaphore_init(struct object *o, unsigned waiters, unsigned flags)
{
    (void)waiters;
    gyre_semaphore_init(&o->semaphore, 1, flags);
}

static int semaphore_wait(struct object *o, uint64_t deadline_ns)
{
    return gyre_semaphore_acquire_until(&o->semaphore, 2, deadline_ns);
}

static void semaphore_open(struct object *o)
{
    gyre_semaphore_release(&o->semaphore, 1);
}

static void semaphore_leave(struct object *o)
{
    gyre_semaphore_release(&o->semaphore, 2);
}

static void semaphore_destroy(struct object *o)
{
    gyre_semaphore_destroy(&o->semaphore);
}

/* ---- those that open for all --------------------------------------------- */

static void event_init(struct object *o, unsigned waiters, unsigned flags)
{
    (void)waiters;
    gyre_event_init(&o->event, flags);
}

static int event_wait(struct object *o, uint64_t deadline_ns)
{
    void *value = NULL;
    int err = gyre_event_wait_until(&o->event, &value, deadline_ns);

    CHECK(err < 0 ? value == NULL : value == (void *)o);
    return err;
}

static void event_open(struct object *o)
{
    CHECK_OK(gyre_event_set(&o->event, o));
}

static void event_destroy(struct object *o)
{
    gyre_event_destroy(&o->event);
}

static void latch_init(struct object *o, unsigned waiters, unsigned flags)
{
    (void)waiters;
    gyre_latch_init(&o->latch, 3, flags);
}

static int latch_wait(struct object *o, uint64_t deadline_ns)
{
    return gyre_latch_wait_until(&o->latch, deadline_ns);
}

static void latch_open(struct object *o)
{
    gyre_latch_count_down(&o->latch, 2);
    gyre_latch_count_down(&o->latch, 1);
}

static void latch_destroy(struct object *o)
{
    gyre_latch_destroy(&o->latch);
}

static void group_init(struct object *o, unsigned waiters, unsigned flags)
{
    (void)waiters;
    gyre_wait_group_init(&o->group, flags);
    gyre_wait_group_add(&o->group, 2);
}

static int group_wait(struct object *o, uint64_t deadline_ns)
{
    return gyre_wait_group_wait_until(&o->group, deadline_ns);
}

static void group_open(struct object *o)
{
    gyre_wait_group_done(&o->group);
    gyre_wait_group_done(&o->group);
}

static void group_destroy(struct object *o)
{
    gyre_wait_group_destroy(&o->group);
}

static void barrier_init(struct object *o, unsigned waiters, unsigned flags)
{
    gyre_barrier_init(&o->barrier, waiters + 1, flags);
}

static int barrier_wait(struct object *o, uint64_t deadline_ns)
{
    return gyre_barrier_wait_until(&o->barrier, deadline_ns);
}

static void barrier_open(struct object *o)
{
    CHECK_EQ(gyre_barrier_wait(&o->barrier), 1);
}

static void barrier_destroy(struct object *o)
{
    gyre_barrier_destroy(&o->barrier);
}

/* ---- table --------------------------------------------------------------- */

const struct kind kinds[] = {
    { .name = "mutex",
      .init = mutex_init,
      .wait = mutex_wait,
      .leave = mutex_open,
      .open = mutex_open,
      .destroy = mutex_destroy },
    { .name = "rwlock, readers",
      .init = rwlock_init,
      .wait = rwlock_read,
      .leave = rwlock_read_leave,
      .open = rwlock_write_leave,
      .destroy = rwlock_destroy },
    { .name = "rwlock, writers",
      .init = rwlock_init,
      .wait = rwlock_write,
      .leave = rwlock_write_leave,
      .open = rwlock_write_leave,
      .destroy = rwlock_destroy },
    { .name = "condition variable, notify all",
      .init = cond_init,
      .wait = cond_wait,
      .open = cond_open,
      .destroy = cond_destroy,
      .forgets = true },
    { .name = "condition variable, notify one",
      .init = cond_init,
      .wait = cond_wait,
      .leave = cond_open_one,
      .open = cond_open_one,
      .destroy = cond_destroy,
      .forgets = true },
    { .name = "semaphore",
      .init = semaphore_init,
      .wait = semaphore_wait,
      .leave = semaphore_leave,
      .open = semaphore_open,
      .destroy = semaphore_destroy },
    { .name = "event",
      .init = event_init,
      .wait = event_wait,
      .open = event_open,
      .destroy = event_destroy },
    { .name = "latch",
      .init = latch_init,
      .wait = latch_wait,
      .open = latch_open,
      .destroy = latch_destroy },
    { .name = "wait group",
      .init = group_init,
      .wait = group_wait,
      .open = group_open,
      .destroy = group_destroy },
    { .name = "barrier",
      .init = barrier_init,
      .wait = barrier_wait,
      .open = barrier_open,
      .destroy = barrier_destroy,
      .counts = true },
};

const size_t kind_count = sizeof kinds / sizeof kinds[0];

unsigned queue_length(struct object *object)
{
    const struct waiter_view {
        struct waiter_view *next;
    } * at;
    unsigned length = 0;

    gyre_spin_lock(&object->sync.lock_);
    for (at = object->sync.first_; at != NULL; at = at->next)
        length++;
    gyre_spin_unlock(&object->sync.lock_);
    return length;
}

/* ---- clients ------------------------------------------------------------- */

static atomic_uint turns;

__attribute__((noinline)) void scribble(void)
{
    volatile char below[4096];

    for (size_t i = 0; i < sizeof below; i++)
        below[i] = (char)0xa5;
}

int client_run(void *arg)
{
    struct client *client = arg;
    const struct kind *kind = client->kind;

    client->result = kind->wait(client->object, client->deadline_ns);
    scribble();
    client->turn = atomic_fetch_add(&turns, 1) + 1;
    client->ended = true;
    if (client->result >= 0 && kind->leave != NULL)
        kind->leave(client->object);
    return 0;
}

void clients_init(struct client *clients, unsigned count,
                  const struct kind *kind, struct object *object)
{
    memset(clients, 0, count * sizeof *clients);
    for (unsigned i = 0; i < count; i++) {
        clients[i].kind = kind;
        clients[i].object = object;
        clients[i].deadline_ns = GYRE_NEVER;
        clients[i].result = 42;
    }
    atomic_store(&turns, 0);
}

void clients_start(struct client *clients, unsigned count, gyre_scope *scope)
{
    for (unsigned i = 0; i < count; i++)
        CHECK_OK(gyre_spawn_with(scope, NULL, client_run, &clients[i],
                                 &clients[i].task));
    (void)gyre_yield(); /* who yields goes behind them */
}

struct call {
    void (*fn)(const struct kind *kind, unsigned flags);
    const struct kind *kind;
    unsigned flags;
};

static int call_run(void *arg)
{
    const struct call *call = arg;

    call->fn(call->kind, call->flags);
    return 0;
}

void must_run(int (*fn)(void *arg), void *arg)
{
    CHECK_OK(gyre_run(NULL, fn, arg));
}

void for_each_kind(void (*fn)(const struct kind *kind, unsigned flags))
{
    for (size_t i = 0; i < kind_count; i++) {
        struct call call = { fn, &kinds[i], 0 };

        must_run(call_run, &call);
        call.flags = GYRE_LOCAL;
        must_run(call_run, &call);
    }
}

uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * GYRE_SECOND + (uint64_t)t.tv_nsec;
}

unsigned many_tasks(unsigned count)
{
    /* ThreadSanitizer takes longer for each of them, the more there are. */
    unsigned few = GYRE_TSAN ? 50 : 1;

    count /= test_scale() * few;
    return count < 10 ? 10 : count;
}
