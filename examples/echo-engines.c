/* SPDX-License-Identifier: MIT */
/*
 * echo-engines [ADDRESS] - an echo server on every CPU
 *
 * Listens at 127.0.0.1:7000, [::1]:7000, :7000, unix:PATH ... (port 0: any; it
 * prints which). Ends when its standard input does; who is connected may
 * finish.
 */
#include <gyre/gyre.h>
#include <stdio.h>

static gyre_listener *listener;

static int echo(gyre_connection *connection)
{
    char buf[4096];
    ssize_t n;

    while ((n = gyre_recv(connection->fd, buf, sizeof buf, 0)) > 0)
        if (gyre_send_all(connection->fd, buf, (size_t)n, 0) != 0)
            break;
    return (int)n;
}

static int stop_at_end_of_input(void *arg)
{
    char byte;

    (void)arg;
    while (gyre_read(0, &byte, 1, GYRE_CURRENT_POSITION) > 0)
        ;
    gyre_listener_stop(listener);
    return 0;
}

static int serve(gyre_scope *scope, void *arg)
{
    int err = gyre_spawn(scope, stop_at_end_of_input, arg);

    return err != 0 ? err : gyre_listener_serve(listener, scope, echo, NULL);
}

static int run(void *arg)
{
    int err = gyre_listener_open(&listener, arg, NULL);

    if (err < 0) {
        fprintf(stderr, "echo-engines: %s\n", gyre_listener_error());
        return err;
    }
    printf("echo-engines: %s\n", gyre_listener_address(listener));
    fflush(stdout);
    err = gyre_scope_run(NULL, serve, NULL);
    gyre_listener_close(listener);
    return err;
}

int main(int argc, char **argv)
{
    const gyre_run_options options = { .engines = GYRE_EACH_CPU };
    char any[] = "127.0.0.1:7000";

    return gyre_run(&options, run, argc > 1 ? argv[1] : any) < 0;
}
