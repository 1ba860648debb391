/* SPDX-License-Identifier: MIT */
/*
 * waiting.h - which requests of a step are left out, as others wait
 */
#ifndef FUZZ_WAITING_H
#define FUZZ_WAITING_H

#include "program.h"

struct waiting {
    uint64_t pending; /* items, before the step */
    uint64_t nothing; /* items that are a NOP, as they were left out */
    uint64_t claims;
    uint32_t objects; /* of what is behind an item that waits, in its chain */
    uint32_t late_objects; /* of these, of what may begin on a thread */
    bool tangled; /* one that goes on when it is cancelled meets another */
};

/* Before a step. */
void waiting_look(struct waiting *waiting, const struct program *program,
                  uint64_t pending, uint64_t nothing);

/* Another item of the step, in their order: is it to be left out? */
bool waiting_excludes(const struct waiting *waiting,
                      const struct program *program, unsigned id);
void waiting_add(struct waiting *waiting, const struct program *program,
                 unsigned id, bool left_out);

#endif
