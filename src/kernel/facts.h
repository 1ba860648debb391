/* SPDX-License-Identifier: MIT */
/*
 * facts.h - what this machine offers, for `gyre doctor`
 *
 * Collected by asking, but for advice (ring/advice.h). GYRE_WITHOUT, GYRE_WITH
 * and GYRE_KERNEL have their effect, since the report is about what a program
 * started in this environment would get.
 */
#ifndef KERNEL_FACTS_H
#define KERNEL_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/ring.h"

#define FACTS_UNLIMITED UINT64_MAX

struct facts_limit {
    uint64_t soft; /* or FACTS_UNLIMITED */
    uint64_t hard;
};

struct facts {
    const char *release; /* uname -r, or as GYRE_LINUX_RELEASE says */
    const char *machine;
    const char *libc; /* glibc's version: "2.36" */

    const char *kernel;  /* "uring" or "emu"; "none" if GYRE_KERNEL is wrong */
    const char *reason;  /* of that choice */
    const char *refusal; /* why io_uring does not work here, or NULL */
    const char *error;   /* why no kernel could be opened now, or NULL */
    int error_code;      /* its negative errno, or 0 */

    /* Of the ring that a loop would get; 0 on the emulator. */
    uint32_t setup_flags;
    uint32_t features;

    /* Of this Linux, whatever kernel was chosen. All false if io_uring is
     * refused. Names: ring_opcode_name(). */
    struct ring_opcodes opcodes;
    unsigned register_opcodes;

    unsigned entries_max;
    struct facts_limit memlock; /* bytes */
    struct facts_limit nofile;
    struct facts_limit nproc; /* threads of this user */
    int threads_error;        /* negative errno of one that was tried, or 0 */
    long max_map_count;       /* these three: -1 if there is no such sysctl */
    long io_uring_disabled;
    long io_uring_group; /* -1 also if no group is set */
    int seccomp;         /* 0 none, 1 strict, 2 filtered, -1 unknown */
};

void facts_collect(struct facts *facts);

/* The names of the flags that are set: "DEFER_TASKRUN", ... Returns how many;
 * `names` has room for 32. */
unsigned facts_setup_flag_names(const struct facts *facts,
                                const char *names[32]);
unsigned facts_feature_names(const struct facts *facts, const char *names[32]);

#endif
