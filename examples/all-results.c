/* SPDX-License-Identifier: MIT */
/*
 * all-results - several functions at the same time, and all of their results
 *
 * gyre_all() runs each as a task and waits for every one. The first error
 * cancels the others, which are awaited all the same; gyre_all_settled() lets
 * them go on.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <stdio.h>

static int steps(void *arg)
{
    int wanted = *(int *)arg;

    for (int i = 0; i < wanted; i++) {
        int err = gyre_sleep(GYRE_MS);

        if (err < 0)
            return err;
    }
    return wanted;
}

static int fails(void *arg)
{
    (void)arg;
    return GYRE_FAIL(-ENOENT, "there is no third branch");
}

static void report(const char *call, int result, const gyre_branch *branches)
{
    printf("all: %s says %s:", call,
           result < 0 ? gyre_error_name(result) : "0");
    for (int i = 0; i < 3; i++) {
        if (branches[i].result < 0)
            printf(" %s", gyre_error_name(branches[i].result));
        else
            printf(" %d", branches[i].result);
    }
    printf("\n");
}

static int run(void *arg)
{
    int few = 1, many = 5;
    gyre_branch good[] = { { .fn = steps, .arg = &few },
                           { .fn = steps, .arg = &many },
                           { .fn = steps, .arg = &few } };
    gyre_branch bad[] = { { .fn = steps, .arg = &few },
                          { .fn = steps, .arg = &many },
                          { .fn = fails, .name = "third" } };
    gyre_failure failure;
    char text[160];

    (void)arg;
    report("gyre_all", gyre_all(good, 3), good);
    report("gyre_all", gyre_all(bad, 3), bad);
    report("gyre_all_settled", gyre_all_settled(bad, 3), bad);
    gyre_task_failure(&failure);
    gyre_failure_text(&failure, text, sizeof text);
    printf("all: %s\n", text);
    return 0;
}

int main(void)
{
    return gyre_run(NULL, run, NULL) < 0;
}
