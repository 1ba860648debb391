/* SPDX-License-Identifier: MIT */
/*
 * failure - where an error comes from
 *
 * A task deep down fails. Its scope cancels the sibling, and the error goes up
 * with the name of the task, the call that failed, and the sentence that was
 * added on the way.
 */
#include <fcntl.h>
#include <gyre/gyre.h>
#include <stdio.h>

static int read_settings(void *arg)
{
    char text[100];
    int fd = gyre_open(arg, O_RDONLY, 0);
    ssize_t n;

    if (fd < 0)
        return GYRE_FAIL(fd, "no settings");
    n = gyre_read(fd, text, sizeof text, 0);
    gyre_close(fd);
    return (int)n;
}

static int wait_for_ever(void *arg)
{
    int err = gyre_sleep_until(GYRE_NEVER);

    (void)arg;
    printf("the sibling was told: %s\n", gyre_error_name(err));
    return err;
}

static int start(gyre_scope *scope, void *arg)
{
    gyre_task_options named = { .name = "settings" };
    gyre_task *task;
    int err = gyre_spawn(scope, wait_for_ever, NULL);

    if (err == 0)
        err = gyre_spawn_with(scope, &named, read_settings, arg, &task);
    return err;
}

static int run(void *arg)
{
    return gyre_scope_run(NULL, start, arg);
}

int main(void)
{
    char path[] = "/no/such/file", text[256];
    gyre_failure failure;
    gyre_run_options options = { .failure = &failure };
    int err = gyre_run(&options, run, path);

    gyre_failure_text(&failure, text, sizeof text);
    printf("%s: %s\n", gyre_error_name(err), text);
    return 0;
}
