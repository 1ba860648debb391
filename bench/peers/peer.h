/* SPDX-License-Identifier: MIT */
/*
 * peer.h - what the peers in C and C++ share: lines in, lines out
 *
 * bench/peer.c says what they mean. A peer is a table of tests and a main()
 * that calls peer_main(). A test does `ops` operations, or about as many, and
 * says how many it did, or 0 if it cannot with this `n`; one of memory puts the
 * bytes into peer_bytes, one that is about one of its threads that thread's CPU
 * time into peer_cpu.
 */
#ifndef PEERS_PEER_H
#define PEERS_PEER_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct peer_test {
    const char *name;
    uint64_t (*run)(unsigned n, uint64_t ops);
};

static uint64_t peer_bytes;
static uint64_t peer_cpu;

static inline uint64_t peer_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* A test that serves says where, and never returns. */
static inline void peer_listens(int port)
{
    printf("port %d\n", port);
    fflush(stdout);
}

/* Bytes in use by this process, and by the kernel for its page tables. */
static inline uint64_t peer_memory(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    unsigned long long kib;
    uint64_t sum = 0;
    char line[256];

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmRSS: %llu kB", &kib) == 1 ||
            sscanf(line, "VmPTE: %llu kB", &kib) == 1)
            sum += kib * 1024;
    if (status != NULL)
        fclose(status);
    return sum;
}

static inline void peer_answer(const struct peer_test *test, unsigned n,
                               uint64_t ops)
{
    uint64_t wall = peer_clock(CLOCK_MONOTONIC);
    uint64_t cpu = peer_clock(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t done;

    peer_bytes = 0;
    peer_cpu = 0;
    done = test->run(n, ops);
    cpu = peer_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = peer_clock(CLOCK_MONOTONIC) - wall;
    if (peer_cpu != 0)
        cpu = peer_cpu;
    if (done == 0)
        printf("unknown\n");
    else if (peer_bytes != 0)
        printf("bytes %" PRIu64 " %" PRIu64 "\n", done, peer_bytes);
    else
        printf("ns %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", done, cpu, wall);
}

static inline int peer_main(const struct peer_test *tests, size_t count)
{
    char line[128];

    while (fgets(line, sizeof line, stdin) != NULL) {
        char name[32];
        unsigned n;
        uint64_t ops;
        size_t i = 0;

        if (sscanf(line, "%31s %u %" SCNu64, name, &n, &ops) != 3)
            return 1;
        while (i < count && strcmp(tests[i].name, name) != 0)
            i++;
        if (i < count)
            peer_answer(&tests[i], n, ops);
        else
            printf("unknown\n");
        fflush(stdout);
    }
    return 0;
}

#endif
