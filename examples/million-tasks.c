/* SPDX-License-Identifier: MIT */
/*
 * A million tasks, each on a guarded stack of its own, wait at the same time;
 * what it takes to make them, to go round them all, and to end them, again and
 * again without growing.
 *
 *     million-tasks [N]      1000000 tasks
 */
#include <gyre/gyre.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long count = 1000000, spawned;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* What the process holds: its pages, and the tables that lead to them. */
static double memory_bytes(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[128];
    long sum = 0, kib;

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1 ||
            sscanf(line, "VmPTE: %ld", &kib) == 1)
            sum += kib;
    (void)(status != NULL && fclose(status));
    return (double)sum * 1024;
}

/* Run once, once more, then wait until the scope is cancelled. */
static int idle(void *arg)
{
    (void)arg;
    gyre_yield();
    return gyre_sleep_until(GYRE_NEVER);
}

static void print_guards(void)
{
    gyre_stack_stats stats;

    gyre_loop_get_stack_stats(gyre_loop_current(), &stats);
    printf("guards: %zu by MADV_GUARD_INSTALL, %zu by mprotect, %zu canaries "
           "(beyond the limit of vm.max_map_count)\n",
           stats.guards_marker, stats.guards_mprotect, stats.guards_canary);
}

static int crowd(void *arg)
{
    double before = *(double *)arg, start = now_ns(), made, turned, n;
    gyre_scope scope;
    int err = 0;

    gyre_scope_open(&scope, NULL);
    for (spawned = 0; err == 0 && spawned < count; spawned += err == 0)
        err = gyre_spawn(&scope, idle, NULL);
    gyre_yield(); /* each has begun */
    made = now_ns();
    gyre_yield(); /* each was switched to, and waits */
    turned = now_ns();
    n = spawned > 0 ? (double)spawned : 1;
    printf("%ld tasks wait%s%s: create %.0f ns, switch %.0f ns, %.0f bytes "
           "each, ",
           spawned, err != 0 ? "; then no more: " : "",
           err != 0 ? gyre_error_name(err) : "", (made - start) / n,
           (turned - made) / n, (memory_bytes() - before) / n);
    start = now_ns();
    gyre_scope_cancel(&scope);
    err = gyre_scope_close(&scope);
    printf("join %.0f ns\n", (now_ns() - start) / n);
    return err;
}

static int program(void *arg)
{
    double before = memory_bytes();
    int err = 0;

    (void)arg;
    for (long i = 0; err == 0 && i < 3; i++)
        err = crowd(&before);
    print_guards();
    return err;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        count = strtol(argv[1], NULL, 10);
    return gyre_run(NULL, program, NULL) < 0;
}
