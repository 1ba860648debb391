/* SPDX-License-Identifier: MIT */
/*
 * thread_look.h - what one thread may ask of another
 *
 * Of one that is there, by what it has said of itself.
 */
#ifndef KERNEL_THREAD_LOOK_H
#define KERNEL_THREAD_LOOK_H

#include <stdint.h>
#include <sys/types.h>

/* A thread, as others know it. */
struct thread_handle {
    pid_t tid;
    clockid_t cpu_clock;
    const char *stack_end; /* beyond its highest byte; NULL: not known */
};

/* The calling thread. */
struct thread_handle thread_handle_self(void);

/* Send it a signal: 0 or a negative errno. */
int thread_signal(const struct thread_handle *thread, int number);

/* The processor's time it has used, in nanoseconds. */
uint64_t thread_cpu_ns(const struct thread_handle *thread);

/* What Linux says it does: 'R' runs, or could; 'S' and 'D' sleep in the kernel;
 * 'T' and 't' are stopped. '?': /proc does not tell. */
char thread_state(const struct thread_handle *thread);

/* The calling thread is gyre's own: its name says so (proc.h). */
void thread_set_helper_name(void);

#endif
