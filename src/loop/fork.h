/* SPDX-License-Identifier: MIT */
/*
 * fork.h - loops in the child of a fork
 *
 * A loop does not outlive fork(): the ring, or the epoll, is the parent's, and
 * what a child did with it would be done to the parent. So in the child each
 * loop of the parent's becomes one that refuses: every use of it panics with a
 * sentence, whatever thread or function it comes from, and the parent loses
 * nothing. The child may make loops of its own.
 *
 * Costs nothing: nobody asks whether there was a fork. What fork() does not
 * tell of (the bare system call) meets memory that is not there in the child.
 */
#ifndef LOOP_FORK_H
#define LOOP_FORK_H

struct kernel;

#define LOOP_FORKED                                                            \
    "the loop is the parent's: a loop does not outlive fork(); make one in "   \
    "the child, and leave the parent's alone"

/* The kernel of such a loop. */
extern struct kernel fork_kernel;

#endif
