/* SPDX-License-Identifier: MIT */
/*
 * tree.c - tasks that anybody may take: a tree of them, on several engines
 *
 * Who has several leaves spawns a task for one half of them, sees to the other
 * himself, and waits; the results are summed on the way back. With empty leaves
 * it is the price of a task that may run elsewhere; with work in them, how well
 * the engines share it. An operation is a leaf, by the clock on the wall.
 */
#include <errno.h>

#include "peers/mail.h"
#include "tasks.h"

#define LEAVES 4096
#define WORK 1000 /* steps of a leaf */

struct tree {
    unsigned leaves;
    unsigned work;
    int where;
    uint64_t sum; /* out */
};

/* Something that no compiler can leave out; go/tree.go has the same. */
static uint64_t leaf(unsigned work)
{
    uint64_t x = 88172645463325252;

    for (unsigned i = 0; i < work; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x >> 32 | 1;
}

static int grow(void *arg)
{
    struct tree *tree = arg;
    const gyre_task_options options = { .where = tree->where };
    struct tree one = *tree;
    struct tree other;
    gyre_scope scope;

    if (tree->leaves == 1) {
        tree->sum = leaf(tree->work);
        return 0;
    }
    one.leaves = tree->leaves / 2;
    other = one;
    gyre_scope_open(&scope, NULL);
    if (gyre_spawn_with(&scope, &options, grow, &other, NULL) != 0 ||
        grow(&one) != 0 || gyre_scope_close(&scope) != 0)
        abort();
    tree->sum = one.sum + other.sum;
    return 0;
}

struct growing {
    struct tree tree;
    const struct budget *budget;
    struct sample *sample;
};

static uint64_t grow_one(void *arg)
{
    struct growing *growing = arg;
    struct tree *tree = &growing->tree;

    grow(tree);
    if (tree->sum != tree->leaves * leaf(tree->work))
        abort();
    return tree->leaves;
}

static int measure_tree(void *arg)
{
    struct growing *growing = arg;

    measure(growing->budget, grow_one, growing, growing->sample);
    return 0;
}

static int take_on(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample, unsigned engines, int where)
{
    struct growing growing = {
        .tree = { .leaves = of->chunk, .work = of->size, .where = where },
        .budget = budget,
        .sample = sample,
    };
    const gyre_run_options options = { .loop = &bench_loop,
                                       .engines = engines };

    return gyre_run(&options, measure_tree, &growing);
}

static int here(const struct bench_case *of, const struct budget *budget,
                struct sample *sample)
{
    return take_on(of, budget, sample, 1, GYRE_HERE);
}

static int anywhere(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample)
{
    return take_on(of, budget, sample, of->n, GYRE_ANYWHERE);
}

static int least_loaded(const struct bench_case *of,
                        const struct budget *budget, struct sample *sample)
{
    return take_on(of, budget, sample, of->n, GYRE_LEAST_LOADED);
}

static const struct contender empty[] = {
    { .name = "gyre, anywhere", .take = anywhere, .is_limit = true },
    { .name = "gyre, least loaded", .take = least_loaded },
    { .name = "gyre, one engine", .take = here },
    { .name = "gyre, anywhere, on emu", .take = anywhere, .kernel = "emu" },
    { .name = "Go", .peer = "go", .test = "tree" },
    { .name = "Go, one processor", .peer = "go", .test = "tree-alone" },
};

static const struct contender working[] = {
    { .name = "gyre, anywhere", .take = anywhere, .is_limit = true },
    { .name = "gyre, least loaded", .take = least_loaded },
    { .name = "gyre, one engine", .take = here },
    { .name = "gyre, anywhere, on emu", .take = anywhere, .kernel = "emu" },
    { .name = "Go", .peer = "go", .test = "tree-work" },
    { .name = "Go, one processor", .peer = "go", .test = "tree-work-alone" },
};

static const struct bench_case cases[] = {
    { "empty leaves", empty, CASE_COUNT(empty), 0, 0, LEAVES, .in_wall = true,
      .engines = true },
    { "leaves of 1000 steps", working, CASE_COUNT(working), 0, WORK, LEAVES,
      .in_wall = true, .engines = true },
};

const struct bench bench_tree = {
    .name = "tree",
    .unit = "a leaf of a tree",
    .cases = cases,
    .count = CASE_COUNT(cases),
    .seconds = 0.2,
    .rounds = 9,
    .instruction_ops = LEAVES,
    .engines = true,
};
