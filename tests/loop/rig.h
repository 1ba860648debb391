/* SPDX-License-Identifier: MIT */
/*
 * rig.h - a loop on the scripted kernel, and ops that remember what they heard
 *
 * A rig is what nearly every test of the loop begins with. A probe is an op and
 * a record of its completions; its callback appends itself to the rig's
 * journal, so that orders can be compared, and may do one thing more (`then`).
 */
#ifndef LOOP_RIG_H
#define LOOP_RIG_H

#include <gyre/gyre.h>

#include "base/alloc.h"
#include "kernel/scripted/scripted.h"
#include "loop/loop.h"
#include "runner/test.h"

enum { RIG_JOURNAL_MAX = 4096 };

struct probe;

struct rig {
    struct scripted *s;
    gyre_loop *loop;
    /* What was called back, by the numbers of the probes. */
    int journal[RIG_JOURNAL_MAX];
    unsigned calls;
};

typedef void probe_fn(struct probe *probe, gyre_result result);

struct probe {
    gyre_op op;
    struct rig *rig;
    int number;
    unsigned calls; /* completions, the last ones among them */
    unsigned lasts;
    gyre_result result; /* of the last call */
    probe_fn *then;
    void *arg;
};

/* `entries` of the SQ; the CQ has twice as many. */
void rig_open(struct rig *rig, unsigned entries);
/* With options; entries and cq_entries of them size the kernel. */
void rig_open_with(struct rig *rig, const gyre_loop_options *options);
void rig_close(struct rig *rig);

/* Make a probe of op RECV on `fd`, not started. */
void probe_init(struct probe *probe, struct rig *rig, int number, int fd);
void probe_start(struct probe *probe);
/* Both, and one turn without sleeping: the kernel has it. */
void probe_fly(struct probe *probe, struct rig *rig, int number, int fd);
/* The callback; for probes that were filled by hand. */
void probe_done(gyre_op *op, gyre_result result);
/* The index of the probe's request at the kernel; -1 if it is not there. */
int probe_index(const struct probe *probe);
/* The kernel completes the probe's request, and the loop turns once. */
void probe_complete(struct probe *probe, int32_t res);

/* One turn without sleeping. */
void rig_turn(struct rig *rig);
gyre_loop_stats rig_stats(const struct rig *rig);

/* Exactly one last completion came, with this result. */
#define CHECK_ENDED(probe, expected)                                           \
    do {                                                                       \
        CHECK_EQ((probe)->lasts, 1);                                           \
        CHECK_ERR((probe)->result.res, (expected));                            \
        CHECK_EQ(gyre_op_state(&(probe)->op), GYRE_OP_IDLE);                   \
    } while (0)

#endif
