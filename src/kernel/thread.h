/* SPDX-License-Identifier: MIT */
/*
 * thread.h - what a plain thread may ask of the kernel: sleep, wake, yield; and
 * to be made
 *
 * For threads that wait for something tasks do (sync/). A loop's thread sleeps
 * in its kernel's enter() instead.
 */
#ifndef KERNEL_THREAD_H
#define KERNEL_THREAD_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Sleep while *word is `expected`, until woken or the deadline (monotonic;
 * UINT64_MAX: none). 0: look again; -ETIMEDOUT: the deadline has come. May
 * return 0 without a wake. futex(2), since Linux 2.6.
 */
int thread_wait(uint32_t *word, uint32_t expected, uint64_t deadline_ns);

/* Wake one sleeper on the word. The word may be gone. */
void thread_wake(uint32_t *word);

/* Wake all of them. */
void thread_wake_all(uint32_t *word);

/* Let another thread run. */
void thread_yield(void);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t thread_clock(void);

/* Likewise, as of the last tick of the kernel: some milliseconds behind, at
 * less than half the price. */
uint64_t thread_clock_coarse(void);

/*
 * Begin a thread with the process's own size of stack. Signals are left to the
 * program's threads, but for those that tell of its own mistakes, and SIGPROF.
 * 0, or -EAGAIN: there can be no more.
 */
int thread_start(pthread_t *thread, void *(*body)(void *), void *arg);
void thread_join(pthread_t thread);
/* It is never joined. */
void thread_detach(pthread_t thread);

/* "NAME-NUMBER", cut to what Linux keeps. */
void thread_set_name(const char *name, unsigned number);

/* Run on that CPU alone, or on any of the process's. 0, or -EINVAL: there is
 * none such that the process may use. */
int thread_bind(unsigned cpu);
/* The CPUs that the calling thread may use, and set them so again, if they are
 * others now. */
struct thread_cpus {
    cpu_set_t set;
    bool known;
};
void thread_get_cpus(struct thread_cpus *cpus);
void thread_set_cpus(const struct thread_cpus *cpus);
/* And those that the main thread may use. */
void thread_add_main_cpus(struct thread_cpus *cpus);
/* How many CPUs the process may use. */
unsigned thread_cpu_count(void);

#endif
