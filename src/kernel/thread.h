/* SPDX-License-Identifier: MIT */
/*
 * thread.h - what a plain thread may ask of the kernel: sleep, wake, yield
 *
 * For threads that wait for something tasks do (sync/). A loop's thread sleeps
 * in its kernel's enter() instead.
 */
#ifndef KERNEL_THREAD_H
#define KERNEL_THREAD_H

#include <stdint.h>

/*
 * Sleep while *word is `expected`, until woken or the deadline (monotonic;
 * UINT64_MAX: none). 0: look again; -ETIMEDOUT: the deadline has come. May
 * return 0 without a wake. futex(2), since Linux 2.6.
 */
int thread_wait(uint32_t *word, uint32_t expected, uint64_t deadline_ns);

/* Wake one sleeper on the word. The word may be gone. */
void thread_wake(uint32_t *word);

/* Let another thread run. */
void thread_yield(void);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t thread_clock(void);

/* Likewise, as of the last tick of the kernel: some milliseconds behind, at
 * less than half the price. */
uint64_t thread_clock_coarse(void);

#endif
