/* SPDX-License-Identifier: MIT */
/*
 * test_emu_world.h - a kernel, driven by hand
 *
 * What the tests of the emulator share: write an SQE, enter, look at the CQEs.
 * It works on any struct kernel, which the tests against Linux's own ring use.
 */
#ifndef KERNEL_TEST_EMU_WORLD_H
#define KERNEL_TEST_EMU_WORLD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/kernel.h"

struct kernel *world_open(unsigned entries, unsigned cq_entries,
                          unsigned threads);
void world_close(struct kernel *k);

/* Write one request; `id` becomes its user_data. */
struct io_uring_sqe *put(struct kernel *k, uint8_t opcode, int fd,
                         const void *addr, uint32_t len, uint64_t id);

/* Submit what was written, and wait for `want` CQEs without limit. */
void enter(struct kernel *k, unsigned want);

/* The next CQE; fails the test if there is none. */
struct io_uring_cqe take(struct kernel *k);

/* Submit, wait, and check the next CQE. */
int expect(struct kernel *k, uint64_t id, int result);
int result_of(struct kernel *k, uint64_t id);

/* Submit, wait for `count` CQEs in any order, and put each result at the place
 * that its user_data says. */
void collect(struct kernel *k, unsigned count, int *results);

/* Submit and check that nothing completes. */
void expect_nothing(struct kernel *k);

/* Cancel `id` and check both results. */
void cancel(struct kernel *k, uint64_t id);

void make_pair(int type, int fds[2]);
void make_pipe(int fds[2], int flags);
void close_pair(int fds[2]);

/* A listener on a loopback port of the system's choice. */
int make_listener(int flags, struct sockaddr_in *address);

/* A file in the test's directory with `size` known bytes. */
int make_file(const char *name, size_t size);
unsigned char file_byte(size_t at);

/* valgrind reports a bad pointer that is handed to Linux, before Linux can
 * refuse it: such parts of a test are left out under it. */
bool under_valgrind(void);

uint64_t now_ns(void);

#endif
