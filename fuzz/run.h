/* SPDX-License-Identifier: MIT */
/*
 * run.h - a program on one kernel, and what came of it
 */
#ifndef FUZZ_RUN_H
#define FUZZ_RUN_H

#include "world.h"

enum {
    LOG_MAX = 1024,   /* what is beyond is not compared */
    STEP_END = 255,   /* what ended by the last cancel */
    ID_SYNC = 100,    /* + step: the answer of a cancel of everything */
    ID_MESSAGE = 200, /* a CQE of the other ring; user_data is its hash */
    ID_MEMORY = 201,  /* shared memory after a step */
    ID_REST = 210,    /* + end: what is left there */
    ID_FOREIGN = 250, /* a CQE that answers nobody */
    ID_STUCK = 251,   /* a request that no cancel ends; its number is res */
};

struct entry {
    uint16_t step;
    uint16_t id;
    int32_t result;
    uint32_t flags;
    uint32_t hash;
};

struct log {
    unsigned count;
    bool stuck;     /* a request did not end */
    uint64_t muted; /* items that were left out: their claims were taken */
    uint16_t in_step[STEP_END]; /* entries */
    struct entry entries[LOG_MAX];
};

/* A kernel that programs run on, one after the other; each gets a fresh one. */
struct side {
    const char *name;
    int (*open)(struct kernel **kernel, const struct kernel_options *options);
    struct kernel *other; /* messages go to it; opened once */
    struct world world;
    bool has_nowait; /* files know RWF_NOWAIT */
};

/*
 * Run it. `hints` says how much to expect of each step (or NULL): what another
 * kernel gave. A patient run waits for a while after each step for what nobody
 * expects.
 */
void run_program(struct side *side, const struct program *program,
                 const struct log *hints, bool patient, struct log *log);

/* Is the opcode, or what is asked of it, older than this Linux? */
bool run_is_known(const struct item *item);

/* For reports of a run that ends in a crash: where it is. */
extern volatile unsigned run_step;

#endif
