/* SPDX-License-Identifier: MIT */
/*
 * barrier - four tasks compute in steps, none a step ahead
 *
 * Each cell of the next row is the sum of two of the present one. The last to
 * come of each step is told so, and turns the rows round.
 */
#include <gyre/gyre.h>
#include <stdio.h>

enum { CELLS = 4, STEPS = 5 };

static gyre_barrier barrier = GYRE_BARRIER_INIT(CELLS);
static int rows[2][CELLS] = { { 1, 0, 0, 0 } };
static int now;

static int cell(void *arg)
{
    int i = (int)((int *)arg - rows[0]);

    for (int step = 0; step < STEPS; step++) {
        int last;

        rows[!now][i] = rows[now][i] + rows[now][(i + 1) % CELLS];
        last = gyre_barrier_wait(&barrier); /* all have written */
        if (last < 0)
            return last;
        if (last == 1)
            now = !now;
        last = gyre_barrier_wait(&barrier); /* the rows are turned */
        if (last < 0)
            return last;
    }
    return 0;
}

static int spawn_all(gyre_scope *scope, void *arg)
{
    int err = 0;

    (void)arg;
    for (int i = 0; i < CELLS && err == 0; i++)
        err = gyre_spawn(scope, cell, &rows[0][i]);
    return err;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, spawn_all, arg);
}

int main(void)
{
    int err = gyre_run(NULL, run, NULL);

    gyre_barrier_destroy(&barrier);
    printf("barrier: %d %d %d %d\n", rows[now][0], rows[now][1], rows[now][2],
           rows[now][3]);
    return err < 0;
}
