/* SPDX-License-Identifier: MIT */
/*
 * fork.c - hear of fork(2)
 */
#include "kernel/fork.h"

#include <pthread.h>

int fork_watch(void (*before)(void), void (*parent)(void), void (*child)(void))
{
    return -pthread_atfork(before, parent, child);
}
