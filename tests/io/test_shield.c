/* SPDX-License-Identifier: MIT */
/*
 * What a cancel does not reach (shields), what it reaches alone (one task), and
 * what is done when a scope closes (deferred functions). On every kernel.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io/world.h"

static uint64_t now_ns(void)
{
    return gyre_loop_update_now(gyre_loop_current());
}

/* ---- shields ------------------------------------------------------------- */

struct commit {
    int fd;
    int inside;     /* what the wait inside the shield returned */
    int cancelled;  /* is the shield cancelled when its parent is? */
    uint64_t bound; /* the deadline in force inside */
    int after;      /* the next wait behind it */
};

/* Waits in a shield while its scope is cancelled. */
static int commit_task(void *arg)
{
    struct commit *commit = arg;
    gyre_scope_options shield = { .shield = true,
                                  .deadline_ns = now_ns() + 100 * GYRE_SECOND };
    gyre_scope scope;
    char byte;

    gyre_scope_open(&scope, &shield);
    commit->bound = gyre_scope_deadline(&scope) - shield.deadline_ns;
    commit->inside = (int)gyre_recv(commit->fd, &byte, 1, 0);
    commit->cancelled = gyre_cancelled();
    CHECK_OK(gyre_scope_close(&scope));
    commit->after = (int)gyre_recv(commit->fd, &byte, 1, 0);
    return 0;
}

static int cancel_around(void *arg)
{
    struct commit commit = { .inside = -1 };
    gyre_scope scope;
    int pair[2];

    (void)arg;
    pair_open(pair);
    commit.fd = pair[0];
    gyre_scope_open(
        &scope, &(gyre_scope_options){ .deadline_ns = now_ns() + GYRE_SECOND });
    CHECK_OK(gyre_spawn(&scope, commit_task, &commit));
    CHECK_OK(gyre_yield());
    gyre_scope_cancel(&scope);
    CHECK_EQ(commit.inside, -1); /* it goes on waiting */
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(commit.inside, 1);
    CHECK_OK(commit.cancelled);
    CHECK_EQ(commit.bound, 0u); /* its own, though the parent's is nearer */
    CHECK_ERR(commit.after, -ECANCELED);
    pair_close(pair);
    return 0;
}

KERNEL_TEST(R5_a_shield_is_not_interrupted_and_what_follows_it_is)
{
    must_run(cancel_around, NULL);
}

static int shield_overdue(void *arg)
{
    uint64_t deadline = now_ns() + 3 * GYRE_MS * test_scale();
    gyre_scope outer, shield, inner;

    (void)arg;
    gyre_scope_open(&outer, NULL);
    gyre_scope_cancel(&outer);
    gyre_scope_open(&shield, &(gyre_scope_options){ .shield = true,
                                                    .deadline_ns = deadline });
    gyre_scope_open(&inner, NULL); /* below a shield that is below a cancel */
    CHECK_OK(gyre_cancelled());
    CHECK_ERR(gyre_sleep(1000 * GYRE_SECOND), -ETIME);
    CHECK_OK(gyre_scope_close(&inner));
    CHECK_ERR(gyre_scope_close(&shield), -ETIME);
    CHECK_ERR(gyre_cancelled(), -ECANCELED);
    CHECK_OK(gyre_scope_close(&outer));
    return 0;
}

KERNEL_TEST(R5_R3_a_shield_is_bounded_by_its_own_deadline)
{
    must_run(shield_overdue, NULL);
}

static int wait_long(void *arg)
{
    *(int *)arg = gyre_sleep(1000 * GYRE_SECOND);
    return *(int *)arg;
}

static int cancel_shield_itself(void *arg)
{
    int below = 0;
    gyre_scope shield, deeper;

    (void)arg;
    gyre_scope_open(&shield, &(gyre_scope_options){
                                 .shield = true, .deadline_ns = GYRE_NEVER });
    CHECK_OK(gyre_spawn(&shield, wait_long, &below));
    CHECK_OK(gyre_yield());
    gyre_scope_cancel(&shield);
    gyre_scope_open(&deeper, NULL);
    CHECK_ERR(gyre_cancelled(), -ECANCELED);
    CHECK_OK(gyre_scope_close(&deeper));
    CHECK_OK(gyre_scope_close(&shield));
    CHECK_ERR(below, -ECANCELED);
    CHECK_OK(gyre_cancelled());
    return 0;
}

KERNEL_TEST(R5_a_shield_can_be_cancelled_itself)
{
    must_run(cancel_shield_itself, NULL);
}

static int shield_without_bound(void *arg)
{
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, &(gyre_scope_options){ .shield = true });
    return 0;
}

TEST_PANICS(R5_a_shield_without_a_bound_panics, "needs a deadline_ns")
{
    (void)run(shield_without_bound, NULL);
}

/* Cancelled: an ancestor two levels up, with shields and plain scopes mixed
 * beside each other below it; each is told the right thing. */
struct leaf {
    bool shielded;
    int seen;
};

static int leaf_task(void *arg)
{
    struct leaf *leaf = arg;
    gyre_scope_options options = { .shield = leaf->shielded,
                                   .deadline_ns = leaf->shielded
                                                      ? now_ns() + 5 * GYRE_MS
                                                      : 0 };
    gyre_scope outer, inner;

    gyre_scope_open(&outer, &options);
    gyre_scope_open(&inner, NULL);
    leaf->seen = gyre_sleep(1000 * GYRE_SECOND);
    CHECK_OK(gyre_scope_close(&inner));
    CHECK_ERR(gyre_scope_close(&outer), leaf->shielded ? -ETIME : 0);
    return 0;
}

static int cancel_tree(void *arg)
{
    enum { LEAVES = 20 };
    struct leaf leaves[LEAVES] = { { 0 } };
    gyre_scope top, middle;

    (void)arg;
    gyre_scope_open(&top, NULL);
    gyre_scope_open(&middle, NULL);
    for (int i = 0; i < LEAVES; i++) {
        leaves[i].shielded = i % 3 == 1;
        CHECK_OK(gyre_spawn(i % 2 ? &top : &middle, leaf_task, &leaves[i]));
    }
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_yield());
    gyre_scope_cancel(&top);
    CHECK_OK(gyre_scope_close(&middle));
    CHECK_OK(gyre_scope_close(&top));
    for (int i = 0; i < LEAVES; i++)
        CHECK_ERR(leaves[i].seen, leaves[i].shielded ? -ETIME : -ECANCELED);
    return 0;
}

/* I9 */
KERNEL_TEST(R5_G7_a_cancel_passes_over_shields_and_reaches_their_neighbours)
{
    must_run(cancel_tree, NULL);
}

/* ---- one task ------------------------------------------------------------ */

static int cancel_one(void *arg)
{
    int seen[2] = { 0 };
    gyre_scope scope;
    gyre_task *first, *second;
    int result = 0;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, wait_long, &seen[0], &first));
    CHECK_OK(gyre_spawn_with(&scope, NULL, wait_long, &seen[1], &second));
    CHECK_OK(gyre_yield());
    gyre_task_cancel(first);
    gyre_task_cancel(first);
    CHECK_OK(gyre_join(first, &result));
    CHECK_ERR(result, -ECANCELED);
    CHECK_EQ(seen[1], 0);
    CHECK_OK(gyre_scope_cancelled(&scope)); /* nor is it an error */
    gyre_task_cancel(second);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(seen[1], -ECANCELED);
    return 0;
}

KERNEL_TEST(K12_one_task_is_cancelled_and_its_sibling_is_not)
{
    must_run(cancel_one, NULL);
}

struct nest {
    int inner, shielded, after, child;
};

static int nested_task(void *arg)
{
    struct nest *nest = arg;
    gyre_scope outer, inner, shield;

    gyre_scope_open(&outer, NULL);
    gyre_scope_open(&inner, NULL);
    CHECK_OK(gyre_spawn(&outer, wait_long, &nest->child));
    nest->inner = gyre_sleep(1000 * GYRE_SECOND);
    CHECK_OK(gyre_scope_close(&inner));
    CHECK_OK(gyre_scope_close(&outer));
    gyre_scope_open(&shield, &(gyre_scope_options){
                                 .shield = true, .deadline_ns = GYRE_NEVER });
    nest->shielded = gyre_sleep(GYRE_MS);
    CHECK_OK(gyre_scope_close(&shield));
    nest->after = gyre_sleep(GYRE_MS);
    return 0;
}

static int cancel_nested(void *arg)
{
    struct nest nest = { 0 };
    gyre_scope scope;
    gyre_task *task;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, nested_task, &nest, &task));
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_yield());
    gyre_task_cancel(task);
    CHECK_OK(gyre_join(task, NULL));
    CHECK_ERR(nest.inner, -ECANCELED);
    CHECK_ERR(nest.child, -ECANCELED);
    CHECK_OK(nest.shielded);
    CHECK_ERR(nest.after, -ECANCELED);
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST(K12_R5_a_cancelled_task_takes_its_own_scopes_with_it)
{
    must_run(cancel_nested, NULL);
}

static int cancel_early(void *arg)
{
    int seen = 1;
    gyre_scope scope;
    gyre_task *task;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, wait_long, &seen, &task));
    gyre_task_cancel(task); /* before its first turn: it runs all the same */
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(seen, -ECANCELED);
    return 0;
}

KERNEL_TEST(K12_a_task_cancelled_before_it_began_still_runs)
{
    must_run(cancel_early, NULL);
}

/* ---- deferred functions -------------------------------------------------- */

static char order[16];

static void note(void *arg)
{
    size_t length = strlen(order);

    CHECK(length < sizeof order - 1);
    order[length] = *(const char *)arg;
}

static int note_child(void *arg)
{
    int err = gyre_sleep(GYRE_MS);

    note(arg);
    return err;
}

static int defer_order(void *arg)
{
    static const char letters[] = "abcC";
    gyre_deferred deferred[3];
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, note_child, (void *)(uintptr_t)&letters[3]));
    for (int i = 0; i < 3; i++)
        gyre_scope_defer(&scope, &deferred[i], note,
                         (void *)(uintptr_t)&letters[i]);
    CHECK(gyre_scope_undefer(&scope, &deferred[1]));
    CHECK(!gyre_scope_undefer(&scope, &deferred[1]));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_STR_EQ(order, "Cca"); /* children first, then the latest first */
    return 0;
}

KERNEL_TEST(R2_what_was_deferred_runs_after_the_children_in_reverse)
{
    must_run(defer_order, NULL);
}

struct cleaner {
    gyre_scope scope;
    int fd;
    int wait;
    int shielded;
};

static void clean(void *arg)
{
    struct cleaner *cleaner = arg;
    gyre_scope shield;

    cleaner->wait = gyre_sleep(GYRE_MS);
    gyre_scope_open(
        &shield, &(gyre_scope_options){
                     .shield = true, .deadline_ns = now_ns() + GYRE_SECOND });
    cleaner->shielded = gyre_sleep(GYRE_MS);
    CHECK_OK(gyre_scope_close(&shield));
    CHECK_OK(gyre_close(cleaner->fd));
}

static int clean_in_cancelled(void *arg)
{
    struct cleaner cleaner = { .wait = 1 };
    gyre_deferred deferred;
    int seen = 0;

    (void)arg;
    cleaner.fd = dup(0);
    gyre_scope_open(&cleaner.scope, NULL);
    gyre_scope_defer(&cleaner.scope, &deferred, clean, &cleaner);
    CHECK_OK(gyre_spawn(&cleaner.scope, wait_long, &seen));
    CHECK_OK(gyre_yield());
    gyre_scope_cancel(&cleaner.scope);
    CHECK_OK(gyre_scope_close(&cleaner.scope));
    CHECK_ERR(seen, -ECANCELED);
    CHECK_ERR(cleaner.wait, -ECANCELED);
    CHECK_OK(cleaner.shielded);
    return 0;
}

KERNEL_TEST(R2_R5_a_deferred_function_of_a_cancelled_scope_can_close_and_shield)
{
    must_run(clean_in_cancelled, NULL);
}

struct spawner {
    gyre_scope *scope;
    int ran;
};

static int late_child(void *arg)
{
    int err = gyre_sleep(GYRE_MS);

    ((struct spawner *)arg)->ran++;
    return err;
}

static void spawn_late(void *arg)
{
    struct spawner *spawner = arg;

    CHECK_OK(gyre_spawn(spawner->scope, late_child, spawner));
}

static int defer_spawns(void *arg)
{
    gyre_deferred deferred;
    gyre_scope scope;
    struct spawner spawner = { &scope, 0 };

    (void)arg;
    gyre_scope_open(&scope, NULL);
    gyre_scope_defer(&scope, &deferred, spawn_late, &spawner);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(spawner.ran, 1); /* it was waited for */
    return 0;
}

KERNEL_TEST(R1_R2_a_deferred_function_may_spawn)
{
    must_run(defer_spawns, NULL);
}

/* A child ends while the closing task waits for something else. */
static void wait_for_data(void *arg)
{
    char byte;

    CHECK_EQ(gyre_recv(*(int *)arg, &byte, 1, 0), 1);
}

struct ender {
    gyre_scope *scope;
    int fd;
};

static int end_then_write(void *arg)
{
    struct ender *ender = arg;

    CHECK_OK(gyre_sleep(2 * GYRE_MS));
    CHECK_EQ(gyre_send(ender->fd, "x", 1, 0), 1);
    return 0;
}

static int brief(void *arg)
{
    (void)arg;
    return gyre_yield();
}

static int spawn_into(void *arg)
{
    struct ender *ender = arg;

    /* The only child of the scope whose deferred function waits. */
    CHECK_OK(gyre_spawn(ender->scope, brief, NULL));
    return end_then_write(arg);
}

static int end_meanwhile(void *arg)
{
    gyre_deferred deferred;
    gyre_scope outer, scope;
    struct ender ender = { &scope, -1 };
    int pair[2];

    (void)arg;
    pair_open(pair);
    ender.fd = pair[1];
    gyre_scope_open(&outer, NULL);
    gyre_scope_open(&scope, NULL);
    gyre_scope_defer(&scope, &deferred, wait_for_data, &pair[0]);
    CHECK_OK(gyre_spawn(&outer, spawn_into, &ender));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(gyre_scope_close(&outer));
    pair_close(pair);
    return 0;
}

/* I8 */
KERNEL_TEST(R1_a_child_that_ends_does_not_end_another_wait_of_the_closer)
{
    must_run(end_meanwhile, NULL);
}

static int defer_to_root(void *arg)
{
    gyre_deferred deferred;

    (void)arg;
    gyre_scope_defer(gyre_loop_scope(gyre_loop_current()), &deferred, note,
                     NULL);
    return 0;
}

TEST_PANICS(R2_nothing_can_be_deferred_to_a_loops_outermost_scope,
            "closed by no task")
{
    (void)run(defer_to_root, NULL);
}
