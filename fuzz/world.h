/* SPDX-License-Identifier: MIT */
/*
 * world.h - the things that a program's requests are about, made anew for each
 * run
 *
 * Descriptors stand at fixed numbers, beyond all that a kernel or a request
 * makes for itself, so a number that was closed stays closed. Only what the
 * program names is made.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "kernel/kernel.h"
#include "program.h"
#include "ring/abi_register.h"

/* One request's memory. */
struct cell {
    unsigned char buffer[BUFFER_SIZE];
    struct iovec parts[2];
    struct msghdr message;
    struct ring_timespec time;
    struct statx status;
    struct {
        uint64_t flags, mode, resolve;
    } how;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } address;
    int descriptors[2];
    struct epoll_event events[4];
    siginfo_t child;
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } futexes[2];
};

struct world {
    int directory_fd, tcp_listener; /* these three for all runs */
    struct sockaddr_in tcp_address;
    const struct program *program;
    struct kernel *kernel; /* that runs it */
    struct kernel *other;  /* that messages go to, or NULL */
    uint32_t ends;         /* that there are */
    pid_t child;           /* 0: none */
    uint32_t futexes[2];
    char listener_name[16];
    struct cell cells[ITEMS_MAX];
    unsigned char registered[REGISTERED][256];
    unsigned char pieces[3][GROUP_ENTRIES + 8][GROUP_PIECE];
    struct io_uring_buf *rings[2]; /* GROUP_RING, GROUP_IN_PARTS; mapped */
    uint16_t ring_tails[2];
    void *pages;
};

/* Once in a process: a directory of its own, and what is never made anew. */
void world_prepare(struct world *world, const char *directory);
void world_finish(struct world *world);

/* Before a run; `kernel` is open, and gets its tables. */
void world_make(struct world *world, const struct program *program,
                struct kernel *kernel, struct kernel *other);
/* After it, and after the kernel's end. Descriptors that a request has made and
 * not told of are above `used`. */
void world_unmake(struct world *world, int used);

/* The highest descriptor below those of the world. */
int world_highest_descriptor(void);

/* The request as the kernel is to have it. */
struct io_uring_sqe world_request(struct world *world, unsigned id);

/* What the kernel wrote for it, as one number. */
uint32_t world_answer(const struct world *world, unsigned id, int result);

/* Give a buffer of a group that was told to be used back to it. */
void world_recycle(struct world *world, unsigned id, uint32_t flags);

/* The memory that requests share. */
uint32_t world_memory(const struct world *world);

/* What is left in each end: reads it. */
uint32_t world_rest(struct world *world, int end);

void world_end_child(struct world *world);

int world_register(struct kernel *kernel, unsigned opcode, void *arg,
                   unsigned count);

uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t size);

#endif
