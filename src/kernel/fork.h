/* SPDX-License-Identifier: MIT */
/*
 * fork.h - hear of fork(2)
 *
 * Of the function of libc, that is: who makes a process by the bare system call
 * is not heard of, and neither is vfork().
 */
#ifndef KERNEL_FORK_H
#define KERNEL_FORK_H

/* Call `before` in who forks, then `parent` there and `child` in the child,
 * from now on. 0 or -ENOMEM. */
int fork_watch(void (*before)(void), void (*parent)(void), void (*child)(void));

#endif
