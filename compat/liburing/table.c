/* SPDX-License-Identifier: MIT */
/*
 * table.c - emulated rings, found by their descriptors
 *
 * Whoever uses a ring holds a reference, so that its last user frees it, which
 * may be its keeper: a request that a thread of the emulator's pool is busy
 * with cannot be cancelled, and outlives io_uring_queue_exit() as it does on
 * Linux.
 *
 * A child of fork() has the memory of its parent's rings, but not their
 * keepers, and shares their descriptors: it may give the rings up, and nothing
 * else.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "duplicate.h"
#include "emulated.h"

enum { REGISTERED_MAX = 16 }; /* of a thread, as on Linux */

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct emulated **table; /* by descriptor */
static unsigned table_size;
static unsigned generation = 1;

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    pthread_mutex_lock(&table_lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&table_lock);
}

static void after_fork_in_child(void)
{
    generation++;
    pthread_mutex_unlock(&table_lock);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* With the table's lock. */
static bool table_reserve(int fd)
{
    unsigned size = table_size == 0 ? 64 : table_size;
    struct emulated **grown;

    while (size <= (unsigned)fd)
        size *= 2;
    if (size == table_size)
        return true;
    grown = alloc_zeroed(size, sizeof *grown);
    if (grown == NULL)
        return false;
    if (table_size != 0)
        memcpy(grown, table, table_size * sizeof *grown);
    alloc_free(table);
    table = grown;
    table_size = size;
    return true;
}

int table_add(struct emulated *e, struct emulated **lost)
{
    bool room;

    pthread_mutex_lock(&table_lock);
    room = table_reserve(e->fd);
    if (room) {
        *lost = table[e->fd];
        table[e->fd] = e;
    }
    pthread_mutex_unlock(&table_lock);
    return room ? 0 : -ENOMEM;
}

/* The ring whose eventfd is this one, too. */
static struct emulated *table_find(long identity)
{
    for (unsigned fd = 0; fd < table_size; fd++)
        if (table[fd] != NULL && table[fd]->identity == identity)
            return table[fd];
    return NULL;
}

struct emulated *emulated_get(int fd)
{
    struct emulated *e = NULL;
    int saved = errno;

    pthread_mutex_lock(&table_lock);
    if (fd >= 0 && (unsigned)fd < table_size)
        e = table[fd];
    if (e == NULL && fd >= 0 && table_size != 0) {
        long identity = eventfd_identity(fd);

        e = identity >= 0 ? table_find(identity) : NULL;
    }
    if (e != NULL)
        e->references++;
    pthread_mutex_unlock(&table_lock);
    errno = saved;
    return e;
}

void emulated_put(struct emulated *e)
{
    bool last;

    pthread_mutex_lock(&table_lock);
    last = --e->references == 0;
    pthread_mutex_unlock(&table_lock);
    if (last)
        emulated_free(e);
}

/* With or without a keeper to wait for, it is nobody's any more. */
void table_remove(struct emulated *e)
{
    pthread_mutex_lock(&table_lock);
    if (e->fd >= 0 && (unsigned)e->fd < table_size && table[e->fd] == e)
        table[e->fd] = NULL;
    pthread_mutex_unlock(&table_lock);
}

unsigned table_generation(void)
{
    pthread_once(&fork_once, watch_forks);
    return generation;
}

bool emulated_is_ours(const struct emulated *e)
{
    return e->generation == generation;
}

const void *emulated_thread(void)
{
    static _Thread_local char this_thread;

    return &this_thread;
}

/* ---- io_uring_register_ring_fd() ----------------------------------------- */

static _Thread_local int registered[REGISTERED_MAX]; /* descriptor + 1 */

struct emulated *emulated_get_registered(unsigned index)
{
    return index < REGISTERED_MAX ? emulated_get(registered[index] - 1) : NULL;
}

static int register_one(struct io_uring_rsrc_update *update)
{
    unsigned index = update->offset;
    struct emulated *e = emulated_get((int)update->data);

    if (e == NULL)
        return -EBADF;
    emulated_put(e);
    if (update->resv != 0 || (index != UINT32_MAX && index >= REGISTERED_MAX))
        return -EINVAL;
    if (index == UINT32_MAX)
        for (index = 0; index < REGISTERED_MAX; index++)
            if (registered[index] == 0)
                break;
    if (index == REGISTERED_MAX || registered[index] != 0)
        return -EBUSY;
    registered[index] = (int)update->data + 1;
    update->offset = index;
    return 0;
}

static int unregister_one(const struct io_uring_rsrc_update *update)
{
    if (update->resv != 0 || update->data != 0 ||
        update->offset >= REGISTERED_MAX)
        return -EINVAL;
    registered[update->offset] = 0;
    return 0;
}

int emulated_register_rings(unsigned opcode,
                            struct io_uring_rsrc_update *updates,
                            unsigned count)
{
    unsigned done;
    int error = 0;

    if (count == 0 || count > REGISTERED_MAX)
        return -EINVAL;
    for (done = 0; done < count; done++) {
        error = opcode == IORING_REGISTER_RING_FDS
                    ? register_one(&updates[done])
                    : unregister_one(&updates[done]);
        if (error != 0)
            break;
    }
    return done != 0 ? (int)done : error;
}
