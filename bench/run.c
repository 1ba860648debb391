/* SPDX-License-Identifier: MIT */
/*
 * run.c - rounds of samples
 *
 * Each sample is taken in a child, which begins with no loop, no ring and cold
 * memory like any other program, may be told by its environment to use another
 * kernel, and takes all of it away when it ends. It tells its result through a
 * pipe. This process itself never makes a loop.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "peers/mail.h"

gyre_loop_options bench_loop;
unsigned bench_engines = 2;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t wall_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t cpu_ns_of(int64_t pid)
{
    clockid_t clock;

    if (clock_getcpuclockid((pid_t)pid, &clock) != 0)
        abort();
    return clock_ns(clock);
}

void measure(const struct budget *budget, uint64_t (*chunk)(void *arg),
             void *arg, struct sample *sample)
{
    chunk(arg); /* faults in memory, fills caches, grows tables */

    uint64_t calls_began = calls_so_far();
    uint64_t wall_began = wall_ns();
    uint64_t cpu_began = cpu_ns();

    do
        sample->ops += chunk(arg);
    while ((budget->ns == 0 || wall_ns() - wall_began < budget->ns) &&
           (budget->ops == 0 || sample->ops < budget->ops));
    sample->cpu_ns = cpu_ns() - cpu_began;
    sample->wall_ns = wall_ns() - wall_began;
    if (calls_are_counted())
        sample->calls = calls_so_far() - calls_began;
}

int take_sample(const struct bench_case *of, const struct contender *contender,
                const struct budget *budget, struct sample *sample)
{
    sample->by = contender;
    if (contender->kernel != NULL)
        setenv("GYRE_KERNEL", contender->kernel, 1);
    if (contender->loop != NULL &&
        gyre_loop_options_set(&bench_loop, contender->loop, NULL) < 0)
        return -EINVAL;
    return contender->take != NULL ? contender->take(of, budget, sample)
                                   : peer_take(of, contender, budget, sample);
}

struct answer {
    int error;
    struct sample sample;
};

static _Noreturn void child(const struct bench_case *of,
                            const struct contender *contender, uint64_t ns,
                            int to)
{
    struct budget budget = { .ns = ns };
    struct answer answer = { .sample.calls = CALLS_UNKNOWN,
                             .sample.pid = getpid() };

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (of->one_cpu)
        mail_bind(0);
    answer.error = calls_begin();
    if (answer.error == 0)
        answer.error = take_sample(of, contender, &budget, &answer.sample);
    if (answer.error == 0 && answer.sample.ops == 0)
        answer.error = -ENODATA;
    _exit(write(to, &answer, sizeof answer) != (ssize_t)sizeof answer);
}

int take_one(const struct bench_case *of, const struct contender *contender,
             uint64_t ns, struct sample *sample)
{
    struct answer answer = { .error = -EPIPE };
    int ends[2];
    int status;
    pid_t pid;

    if (pipe(ends) != 0)
        return -errno;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(of, contender, ns, ends[1]);
    }
    close(ends[1]);
    if (pid < 0 || read(ends[0], &answer, sizeof answer) != sizeof answer)
        answer.error = pid < 0 ? -EAGAIN : -EPIPE;
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, &status, 0);
    *sample = answer.sample;
    return answer.error;
}

int run_case(const struct bench_case *of, unsigned rounds, uint64_t ns,
             struct series *series)
{
    for (unsigned i = 0; i < of->count; i++) {
        series[i].calls = -1;
        series[i].samples = calloc(rounds, sizeof *series[i].samples);
        if (series[i].samples == NULL)
            return -ENOMEM;
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < of->count; i++) {
            struct series *s = &series[i];

            if (s->error != 0)
                continue;
            s->error =
                take_one(of, &of->contenders[i], ns, &s->samples[s->count]);
            if (s->error == 0)
                s->count++;
        }
    }
    return 0;
}
