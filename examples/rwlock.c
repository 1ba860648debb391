/* SPDX-License-Identifier: MIT */
/*
 * rwlock - many read a table while nobody changes it
 *
 * The writer changes the table, then becomes a reader of what it has written
 * without letting another writer in between.
 */
#include <gyre/gyre.h>
#include <stdio.h>

static gyre_rwlock lock = GYRE_RWLOCK_INIT;
static int version, copy; /* equal whenever nobody writes */
static int inside, together, torn;

static int reader(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int err = gyre_rwlock_read(&lock);

        if (err < 0)
            return err;
        inside++;
        if (inside > together)
            together = inside;
        torn += version != copy;
        (void)gyre_yield();
        inside--;
        gyre_rwlock_read_unlock(&lock);
    }
    return 0;
}

static int writer(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int err = gyre_rwlock_write(&lock);

        if (err < 0)
            return err;
        version++;
        (void)gyre_yield(); /* a reader would see half of the change */
        copy++;
        gyre_rwlock_downgrade(&lock);
        torn += version != copy;
        gyre_rwlock_read_unlock(&lock);
    }
    return 0;
}

static int spawn_all(gyre_scope *scope, void *arg)
{
    int err = 0;

    (void)arg;
    for (int i = 0; i < 4 && err == 0; i++)
        err = gyre_spawn(scope, reader, NULL);
    return err == 0 ? gyre_spawn(scope, writer, NULL) : err;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, spawn_all, arg);
}

int main(void)
{
    int err = gyre_run(NULL, run, NULL);

    gyre_rwlock_destroy(&lock);
    printf("rwlock: version %d, %d readers together, %d torn reads\n", version,
           together, torn);
    return err < 0;
}
