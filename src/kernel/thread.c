/* SPDX-License-Identifier: MIT */
/*
 * thread.c - futex(2) and its like; threads
 */
#include "kernel/thread.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

#define NS_PER_S UINT64_C(1000000000)
#define NEVER UINT64_MAX

int thread_wait(uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / NS_PER_S),
        .tv_nsec = (long)(deadline_ns % NS_PER_S),
    };
    int saved_errno = errno;
    int result = 0;

    /* WAIT_BITSET takes an absolute time, of the monotonic clock. */
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                deadline_ns == NEVER ? NULL : &deadline, NULL,
                FUTEX_BITSET_MATCH_ANY) < 0 &&
        errno == ETIMEDOUT)
        result = -ETIMEDOUT;
    errno = saved_errno;
    return result;
}

static void wake(uint32_t *word, int count)
{
    int saved_errno = errno;

    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    errno = saved_errno;
}

void thread_wake(uint32_t *word)
{
    wake(word, 1);
}

void thread_wake_all(uint32_t *word)
{
    wake(word, INT_MAX);
}

void thread_yield(void)
{
    (void)sched_yield();
}

uint64_t thread_clock(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t thread_clock_coarse(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- threads ------------------------------------------------------------- */

int thread_start(pthread_t *thread, void *(*body)(void *), void *arg)
{
    static const int kept[] = { SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,
                                SIGSYS,  SIGTRAP, SIGABRT, SIGPROF };
    sigset_t all, before;
    int error;

    sigfillset(&all);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        sigdelset(&all, kept[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 ? 0 : -EAGAIN;
}

void thread_join(pthread_t thread)
{
    int error = pthread_join(thread, NULL);

    ASSERT(error == 0);
    (void)error;
}

void thread_detach(pthread_t thread)
{
    int error = pthread_detach(thread);

    ASSERT(error == 0);
    (void)error;
}

void thread_set_name(const char *name, unsigned number)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%.10s-%u", name, number % 1024);
    (void)pthread_setname_np(pthread_self(), text);
}

/* More CPUs than glibc's cpu_set_t has are not known here. */
int thread_bind(unsigned cpu)
{
    cpu_set_t set;

    if (cpu >= CPU_SETSIZE)
        return -EINVAL;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return -pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

void thread_get_cpus(struct thread_cpus *cpus)
{
    cpus->known = pthread_getaffinity_np(pthread_self(), sizeof cpus->set,
                                         &cpus->set) == 0;
}

void thread_set_cpus(const struct thread_cpus *cpus)
{
    struct thread_cpus now;

    thread_get_cpus(&now);
    if (cpus->known && !(now.known && CPU_EQUAL(&now.set, &cpus->set)))
        (void)pthread_setaffinity_np(pthread_self(), sizeof cpus->set,
                                     &cpus->set);
}

void thread_add_main_cpus(struct thread_cpus *cpus)
{
    cpu_set_t set;

    if (cpus->known && sched_getaffinity(getpid(), sizeof set, &set) == 0)
        CPU_OR(&cpus->set, &cpus->set, &set);
}

unsigned thread_cpu_count(void)
{
    cpu_set_t set;
    int count = 0;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}
