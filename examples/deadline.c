/* SPDX-License-Identifier: MIT */
/*
 * deadline - a scope bounds all that is done in it
 *
 * Asks three servers at once, one of which never answers. The scope's deadline
 * ends the wait, down to the kernel's receive; no task and no request is left
 * when gyre_scope_run() returns.
 */
#include <gyre/gyre.h>
#include <stdio.h>
#include <sys/socket.h>

struct question {
    int pair[2]; /* to the server and back */
    uint64_t delay_ns;
    char answer[16];
    ssize_t result;
};

static int server(void *arg)
{
    struct question *q = arg;

    if (gyre_sleep(q->delay_ns) == 0)
        gyre_send_all(q->pair[1], "42", 3, 0);
    return 0;
}

static int ask(void *arg)
{
    struct question *q = arg;

    q->result = gyre_recv(q->pair[0], q->answer, sizeof q->answer, 0);
    return 0;
}

static int ask_all(gyre_scope *scope, void *arg)
{
    struct question *questions = arg;

    for (int i = 0; i < 3; i++) {
        int err = gyre_spawn(scope, server, &questions[i]);

        if (err == 0)
            err = gyre_spawn(scope, ask, &questions[i]);
        if (err != 0)
            return err;
    }
    return 0;
}

static int run(void *arg)
{
    struct question questions[3] = { { .delay_ns = GYRE_MS },
                                     { .delay_ns = 10 * GYRE_MS },
                                     { .delay_ns = 1000 * GYRE_SECOND } };
    gyre_scope_options options = {
        .deadline_ns = gyre_deadline_in(300 * GYRE_MS),
    };
    int err;

    (void)arg;
    for (int i = 0; i < 3; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, questions[i].pair) != 0)
            return -1;
    err = gyre_scope_run(&options, ask_all, questions);
    printf("the scope: %s\n", gyre_error_name(err));
    for (int i = 0; i < 3; i++) {
        if (questions[i].result > 0)
            printf("server %d: %s\n", i, questions[i].answer);
        else
            printf("server %d: %s\n", i,
                   gyre_error_name((int)questions[i].result));
        gyre_close(questions[i].pair[0]);
        gyre_close(questions[i].pair[1]);
    }
    return 0;
}

int main(void)
{
    return gyre_run(NULL, run, NULL) < 0;
}
