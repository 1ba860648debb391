/* SPDX-License-Identifier: MIT */
/*
 * world.h - what the tests of tasks share: a run that must succeed, pairs of
 * sockets, a listening socket, and descriptors that are gone when they end.
 */
#ifndef TESTS_IO_WORLD_H
#define TESTS_IO_WORLD_H

#include <gyre/gyre.h>
#include <netinet/in.h>

#include "runner/test.h"

/* Run fn(arg) as the first task of a loop of its own; its result. */
static inline int run(gyre_task_fn *fn, void *arg)
{
    return gyre_run(NULL, fn, arg);
}

/* Run a body that reports by CHECK and returns 0. */
static inline void must_run(gyre_task_fn *fn, void *arg)
{
    CHECK_OK(run(fn, arg));
}

/* Take it that all of this array is read and written here: else clang keeps
 * only those bytes of it, on a stack, that are. */
static inline void use_all(volatile char *array)
{
    __asm__ volatile("" : : "r"(array) : "memory");
}

/* Two connected stream sockets, non-blocking as gyre's own are. */
void pair_open(int pair[2]);
void pair_close(int pair[2]);

/* A TCP socket listening on loopback, its address in *address. */
int listen_open(struct sockaddr_in *address, int backlog);

/* A connected TCP pair by way of such a listener. */
void tcp_pair_open(int pair[2]);

/* Write a file of `size` bytes into the test's directory; byte i is i % 251.
 * The path is static. */
const char *file_make(const char *name, size_t size);

#endif
