/* SPDX-License-Identifier: MIT */
/*
 * together.c - several functions at the same time: all, all settled, race
 *
 * Each branch is a task in one scope, which closes before the call returns. The
 * scope reports errors as it does for any children; what the call returns is
 * decided here, by who was first: a scope does not count a cancel from above as
 * an error, but whoever asked for all must hear of it.
 */
#include <errno.h>
#include <gyre/scope.h>
#include <gyre/select.h>

#include "task/task.h"

enum policy { ALL, SETTLED, RACE };

/* One call, in its frame; each branch leads to it. */
struct together {
    gyre_scope scope;
    enum policy policy;
    gyre_branch *branches;
    gyre_branch *winner; /* the first whose result was not negative */
    int error;           /* the first that was, or why one could not start */
};

static void note_error(struct together *together, int error)
{
    ASSERT(error < 0);
    if (together->error == 0)
        together->error = error;
}

/* Its result is the scope's to note: an error of ALL cancels the others there,
 * and is kept with its place. */
static int branch_main(void *arg)
{
    gyre_branch *branch = arg;
    struct together *together = branch->call_;

    branch->result = branch->fn(branch->arg);
    if (branch->result < 0) {
        note_error(together, branch->result);
    } else if (together->winner == NULL) {
        together->winner = branch;
        if (together->policy == RACE)
            gyre_scope_cancel(&together->scope);
    }
    return branch->result;
}

static int branch_start(struct together *together, gyre_branch *branch)
{
    gyre_task_options options = { .name = branch->name };

    ASSERT_API(branch->fn != NULL, "a branch needs a function");
    branch->call_ = together;
    return gyre_spawn_with(&together->scope, &options, branch_main, branch,
                           NULL);
}

/* All or none: if one cannot start, those that have started are cancelled. */
static void start_all(struct together *together, unsigned count)
{
    int err = 0;

    for (unsigned i = 0; i < count; i++)
        together->branches[i].result = -ECANCELED;
    for (unsigned i = 0; err == 0 && i < count; i++)
        err = branch_start(together, &together->branches[i]);
    if (err == 0)
        return;
    note_error(together, err);
    gyre_scope_cancel(&together->scope);
}

static void run(struct together *together, enum policy policy,
                gyre_branch *branches, unsigned count)
{
    gyre_scope_options options = {
        .on_error = policy == ALL ? GYRE_ERROR_CANCELS : GYRE_ERROR_CONTINUES,
    };

    together->policy = policy;
    together->branches = branches;
    together->winner = NULL;
    together->error = 0;
    gyre_scope_open(&together->scope, &options);
    start_all(together, count);
    (void)!gyre_scope_close(&together->scope);
}

int gyre_all(gyre_branch *branches, unsigned count)
{
    struct together together;

    run(&together, ALL, branches, count);
    return together.error;
}

int gyre_all_settled(gyre_branch *branches, unsigned count)
{
    struct together together;

    run(&together, SETTLED, branches, count);
    return together.error;
}

int gyre_race(gyre_branch *branches, unsigned count)
{
    struct together together;

    ASSERT_API(count > 0, "nobody runs in this race");
    run(&together, RACE, branches, count);
    if (together.winner != NULL)
        return (int)(together.winner - branches);
    ASSERT(together.error < 0);
    return together.error;
}
