/* SPDX-License-Identifier: MIT */
/*
 * signal.h - hear of a signal, beside whoever heard of it before
 *
 * One function for each signal of the process. The handler that was there
 * before is called after it; a signal that was ignored, or would have ended the
 * process, does neither while it is watched.
 */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

/*
 * Call fn(number), on any thread and between any two instructions: it may use
 * what is async-signal-safe and lock-free. errno is kept. 0; -EINVAL: there is
 * no such signal, or it cannot be caught; -EBUSY: it is watched by another
 * function. Not from a signal handler.
 */
int signal_watch(int number, void (*fn)(int number));

/* No more. The handler of before comes back, unless another has been installed
 * since: then ours stays below it, and passes signals on. */
void signal_unwatch(int number);

/* Wait until no thread is inside a watcher's fn that began before this. */
void signal_quiesce(void);

#endif
