/* SPDX-License-Identifier: MIT */
/*
 * detached - a call that can be stuck, and a caller that leaves in time
 *
 * A library's function blocks for longer than we like. The caller leaves at its
 * deadline; the function goes on in the pool, and when it has returned, its
 * argument is released by `dispose`.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct lookup {
    int answer;
};

static int slow_library(void *arg)
{
    struct lookup *lookup = arg;

    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    lookup->answer = 42;
    return 0;
}

static void dispose(void *arg, int result)
{
    struct lookup *lookup = arg;

    printf("later: it returned %d, the answer was %d\n", result,
           lookup->answer);
    free(lookup);
}

static int ask(gyre_scope *scope, void *arg)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    int err;

    (void)scope;
    (void)arg;
    if (lookup == NULL)
        return -1;
    err = gyre_detached_call(slow_library, lookup, dispose);
    printf("the call: %s\n", gyre_error_name(err));
    if (err != -ECANCELED && err != -ETIME)
        free(lookup);
    return err;
}

static int run(void *arg)
{
    gyre_scope_options options = { .deadline_ns =
                                       gyre_deadline_in(20 * GYRE_MS) };

    printf("the scope: %s\n",
           gyre_error_name(gyre_scope_run(&options, ask, arg)));
    return 0;
}

int main(void)
{
    return gyre_run(NULL, run, NULL) < 0;
}
