/* SPDX-License-Identifier: MIT */
/*
 * shield - a part that must finish
 *
 * A transfer is two writes. It is cancelled between them; the shield lets the
 * second one happen, and only then the task hears of the cancel. A shield has a
 * deadline of its own, so that it cannot hold the program up for ever.
 */
#include <gyre/gyre.h>
#include <stdio.h>

static int accounts[2] = { 100, 0 };

static int move_money(gyre_scope *shield, void *arg)
{
    (void)shield;
    (void)arg;
    accounts[0] -= 30;
    printf("taken from the first, waiting for the disk\n");
    if (gyre_sleep(20 * GYRE_MS) < 0)
        return -1; /* the shield's own deadline: roll back */
    accounts[1] += 30;
    return 0;
}

static int transfer(void *arg)
{
    gyre_scope_options shield = {
        .shield = true,
        .deadline_ns = gyre_deadline_in(10 * GYRE_SECOND),
    };
    int err = gyre_scope_run(&shield, move_money, arg);

    printf("the shield: %s\n", err == 0 ? "done" : gyre_error_name(err));
    printf("after it: %s\n", gyre_error_name(gyre_sleep(GYRE_SECOND)));
    return err;
}

static int impatient(gyre_scope *scope, void *arg)
{
    int err = gyre_spawn(scope, transfer, arg);

    if (err == 0)
        err = gyre_sleep(5 * GYRE_MS);
    gyre_scope_cancel(scope);
    printf("cancelled\n");
    return err;
}

static int run(void *arg)
{
    int err = gyre_scope_run(NULL, impatient, arg);

    printf("accounts: %d and %d\n", accounts[0], accounts[1]);
    return err;
}

int main(void)
{
    return gyre_run(NULL, run, NULL) < 0;
}
