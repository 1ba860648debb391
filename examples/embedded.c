/* SPDX-License-Identifier: MIT */
/*
 * embedded - threads of a program that is no task's have I/O done by engines
 *
 * Two threads each want to know which of some ports answer. Each hands its list
 * to the engines and sleeps; there, all ports are tried at once, on all
 * processors, and for a second at most.
 */
#include <gyre/gyre.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 2, PORTS = 6 };

struct probe {
    char port[8];
    int error;
};

struct list {
    pthread_t thread;
    struct probe probes[PORTS];
    int error;
};

static gyre_engines *engines;

/* ---- on the engines ------------------------------------------------------ */

static int try_port(void *arg)
{
    struct probe *probe = arg;
    int fd = gyre_dial("127.0.0.1", probe->port, NULL);

    probe->error = fd < 0 ? fd : gyre_close(fd);
    return 0;
}

static int try_all(gyre_scope *scope, void *arg)
{
    static const gyre_task_options next = { .name = "probe",
                                            .where = GYRE_NEXT };
    struct list *list = arg;
    int err = 0;

    for (int i = 0; i < PORTS && err == 0; i++)
        err = gyre_spawn_with(scope, &next, try_port, &list->probes[i], NULL);
    return err;
}

static int try_for_a_second(void *arg)
{
    gyre_scope_options options = { .deadline_ns =
                                       gyre_deadline_in(GYRE_SECOND) };

    return gyre_scope_run(&options, try_all, arg);
}

/* ---- threads ------------------------------------------------------------- */

static void *ask(void *arg)
{
    struct list *list = arg;

    list->error = gyre_block_on(engines, NULL, try_for_a_second, list);
    return NULL;
}

/* A port, and whether somebody listens there. */
static void port_open(struct probe *probe, bool answers)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 ||
        (answers && listen(fd, PORTS) != 0) ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        abort();
    snprintf(probe->port, sizeof probe->port, "%d", ntohs(at.sin_port));
}

int main(void)
{
    const gyre_run_options options = { .engines = GYRE_EACH_CPU,
                                       .name = "prober" };
    struct list lists[THREADS] = { 0 };

    if (gyre_engines_create(&engines, &options) < 0) {
        fprintf(stderr, "embedded: %s\n", gyre_loop_create_error());
        return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        for (int k = 0; k < PORTS; k++)
            port_open(&lists[i].probes[k], k % (i + 2) == 0);
        if (pthread_create(&lists[i].thread, NULL, ask, &lists[i]) != 0)
            abort();
    }
    for (int i = 0; i < THREADS; i++) {
        int answers = 0;

        pthread_join(lists[i].thread, NULL);
        for (int k = 0; k < PORTS; k++)
            answers += lists[i].probes[k].error == 0;
        printf("embedded: thread %d: %s, %d of %d ports answer\n", i,
               gyre_error_name(lists[i].error), answers, PORTS);
    }
    gyre_engines_destroy(engines);
    return 0;
}
