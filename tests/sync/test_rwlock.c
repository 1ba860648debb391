/* SPDX-License-Identifier: MIT */
/*
 * The read-write lock: who may be inside together, who waits behind whom, and
 * what becomes of those behind a waiter that leaves.
 */
#include <errno.h>
#include <string.h>

#include "sync/kinds.h"

/* A text of who came in: r, w; and one task for each letter of a plan. */
struct world {
    gyre_rwlock lock;
    char text[16];
    unsigned length;
    gyre_event leave;
};

struct visitor {
    struct world *world;
    char letter; /* upper case: stays until the event */
    gyre_task *task;
    int result;
};

static int visit(void *arg)
{
    struct visitor *v = arg;
    struct world *w = v->world;
    bool writes = (v->letter | 0x20) == 'w';

    v->result = writes ? gyre_rwlock_write(&w->lock)
                       : gyre_rwlock_read(&w->lock);
    if (v->result < 0)
        return 0;
    w->text[w->length++] = v->letter;
    if (v->letter < 'a')
        CHECK_OK(gyre_event_wait(&w->leave, NULL));
    else
        CHECK_OK(gyre_yield()); /* others could come in */
    if (writes)
        gyre_rwlock_write_unlock(&w->lock);
    else
        gyre_rwlock_read_unlock(&w->lock);
    return 0;
}

static void start(struct visitor *visitors, struct world *world,
                  const char *plan, gyre_scope *scope)
{
    for (unsigned i = 0; plan[i] != '\0'; i++) {
        visitors[i] = (struct visitor){ .world = world, .letter = plan[i] };
        CHECK_OK(gyre_spawn_with(scope, NULL, visit, &visitors[i],
                                 &visitors[i].task));
    }
    CHECK_OK(gyre_yield());
}

static void world_init(struct world *world, unsigned flags)
{
    memset(world, 0, sizeof *world);
    gyre_rwlock_init(&world->lock, flags);
    gyre_event_init(&world->leave, flags);
}

static void world_end(struct world *world, gyre_scope *scope)
{
    (void)gyre_event_set(&world->leave, NULL);
    CHECK_OK(gyre_scope_close(scope));
    gyre_event_destroy(&world->leave);
    gyre_rwlock_destroy(&world->lock);
}

static int read_together(void *flags)
{
    struct visitor visitors[8];
    struct world world;
    gyre_scope scope;

    world_init(&world, (unsigned)(uintptr_t)flags);
    gyre_scope_open(&scope, NULL);
    start(visitors, &world, "RRR", &scope);
    CHECK_STR_EQ(world.text, "RRR");
    CHECK(gyre_rwlock_try_read(&world.lock));
    gyre_rwlock_read_unlock(&world.lock);
    CHECK(!gyre_rwlock_try_write(&world.lock));
    CHECK_ERR(gyre_rwlock_write_until(&world.lock, 1), -ETIMEDOUT);
    CHECK(gyre_rwlock_try_read(&world.lock)); /* no trace of the writer */
    gyre_rwlock_read_unlock(&world.lock);
    world_end(&world, &scope);
    return 0;
}

/* A reader does not pass by a waiting writer, nor a try. */
static int keep_the_order(void *flags)
{
    struct visitor visitors[8];
    struct world world;
    gyre_scope scope;

    world_init(&world, (unsigned)(uintptr_t)flags);
    gyre_scope_open(&scope, NULL);
    start(visitors, &world, "RwrrwRr", &scope);
    CHECK_STR_EQ(world.text, "R");
    CHECK(!gyre_rwlock_try_read(&world.lock));
    CHECK_OK(gyre_event_set(&world.leave, NULL));
    world_end(&world, &scope);
    CHECK_STR_EQ(world.text, "RwrrwRr");
    return 0;
}

/* The writer at the head leaves: readers behind it join those inside. */
static int let_in_behind(void *flags)
{
    struct visitor visitors[8];
    struct world world;
    gyre_scope scope;

    world_init(&world, (unsigned)(uintptr_t)flags);
    gyre_scope_open(&scope, NULL);
    start(visitors, &world, "RwRRw", &scope);
    gyre_task_cancel(visitors[1].task);
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    CHECK_ERR(visitors[1].result, -ECANCELED);
    CHECK_STR_EQ(world.text, "RRR");
    world_end(&world, &scope);
    CHECK_STR_EQ(world.text, "RRRw");
    return 0;
}

static int downgrade(void *flags)
{
    struct visitor visitors[8];
    struct world world;
    gyre_scope scope;

    world_init(&world, (unsigned)(uintptr_t)flags);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_rwlock_write(&world.lock));
    start(visitors, &world, "RRwr", &scope);
    CHECK_STR_EQ(world.text, "");
    gyre_rwlock_downgrade(&world.lock);
    CHECK_OK(gyre_yield());
    CHECK_STR_EQ(world.text, "RR"); /* with us; the writer waits */
    CHECK_OK(gyre_event_set(&world.leave, NULL));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_yield());
    CHECK_STR_EQ(world.text, "RR"); /* we are still reading */
    gyre_rwlock_read_unlock(&world.lock);
    world_end(&world, &scope);
    CHECK_STR_EQ(world.text, "RRwr");
    return 0;
}

static void both(int (*fn)(void *flags))
{
    must_run(fn, NULL);
    must_run(fn, (void *)(uintptr_t)GYRE_LOCAL);
}

KERNEL_TEST2(M4_readers_are_inside_together_and_a_writer_alone)
{
    both(read_together);
}

KERNEL_TEST2(M4_a_reader_waits_behind_a_waiting_writer)
{
    both(keep_the_order);
}

KERNEL_TEST2(M4_M12_readers_behind_a_writer_that_leaves_come_in)
{
    both(let_in_behind);
}

KERNEL_TEST2(M4_a_downgraded_writer_lets_in_readers_but_no_writer)
{
    both(downgrade);
}

/* ---- misuse -------------------------------------------------------------- */

static gyre_rwlock lock = GYRE_RWLOCK_INIT;

TEST_PANICS(M4_ending_a_read_that_was_not_begun_panics, "nobody holds")
{
    gyre_rwlock_read_unlock(&lock);
}

TEST_PANICS(M4_ending_a_write_that_was_not_begun_panics, "as its writer")
{
    gyre_rwlock_write_unlock(&lock);
}

TEST_PANICS(M4_downgrading_a_reader_panics, "as its writer")
{
    CHECK_OK(gyre_rwlock_read(&lock));
    gyre_rwlock_downgrade(&lock);
}

TEST_PANICS(M4_a_writer_that_reads_panics, "would wait for itself")
{
    CHECK_OK(gyre_rwlock_write(&lock));
    CHECK_OK(gyre_rwlock_read(&lock));
}

TEST_PANICS(M4_destroying_a_lock_that_is_read_panics, "still locked")
{
    CHECK_OK(gyre_rwlock_read(&lock));
    gyre_rwlock_destroy(&lock);
}
