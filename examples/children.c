/* SPDX-License-Identifier: MIT */
/*
 * children - a task for each child process, which waits for its end
 *
 * SIGCHLD is not used, and no thread blocks.
 */
#include <gyre/gyre.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int watch(void *arg)
{
    int child = (int)(intptr_t)arg;
    siginfo_t info;
    int error = gyre_waitid(P_PID, child, &info, WEXITED);

    if (error != 0)
        return error;
    if (info.si_code == CLD_EXITED)
        printf("children: one ended with %d\n", info.si_status);
    else
        printf("children: one was killed by signal %d\n", info.si_status);
    return 0;
}

static int family(gyre_scope *scope, void *arg)
{
    const pid_t *children = arg;
    int error = 0;

    for (int i = 0; i < 2 && error == 0; i++)
        error = gyre_spawn_with(scope, NULL, watch,
                                (void *)(intptr_t)children[i], NULL);
    if (error == 0)
        error = gyre_sleep(50 * GYRE_MS);
    (void)kill(children[1], SIGTERM);
    return error;
}

static int run_family(void *arg)
{
    return gyre_scope_run(NULL, family, arg);
}

int main(void)
{
    pid_t children[2];

    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] < 0) {
            perror("children");
            return 1;
        }
        if (children[i] == 0) {
            while (i == 1)
                pause();
            return 7;
        }
    }
    return gyre_run(NULL, run_family, children) != 0;
}
