/* SPDX-License-Identifier: MIT */
/*
 * advice.h - what single releases of Linux do wrong, and what is done about it
 *
 * Features are found by asking. A fault cannot be asked for: that a release
 * has one is known from those who met it, and stands here as a row of a table.
 * The table is the only place where a number of Linux decides anything.
 *
 * A row takes features away, by the names of feature.h; what is without them is
 * done as on a Linux that lacks them. Or the row takes io_uring away as a
 * whole. Or gyre has nothing to decide, because it never does what goes wrong,
 * or because only the program can; then the row is there to be told.
 *
 * GYRE_WITH=feature,... uses features in spite of advice, GYRE_KERNEL=uring the
 * ring. `gyre doctor` tells the rows that are about this Linux, and
 * `gyre doctor --advice` all of them.
 */
#ifndef RING_ADVICE_H
#define RING_ADVICE_H

#include <stdbool.h>

#include "ring/release.h"

#define ADVICE_RANGES 3
#define ADVICE_NO_END 0xFFFFFFFFU

/* From `first` up to, and without, `end`: RELEASE(). */
struct advice_range {
    unsigned first, end;
};

struct advice {
    const char *name;
    struct advice_range ranges[ADVICE_RANGES]; /* those with end 0 are none */
    enum release_maker maker; /* its releases alone; OF_ANYBODY: all */
    const char *machines; /* whose names begin with one of these; NULL: all */
    bool no_ring;         /* the emulator is used instead of io_uring */
    const char *without;  /* features that are not used, "one,other"; or NULL */
    const char *trouble;
    const char *remedy; /* what gyre does, or the program can do */
    const char *source;
};

extern const struct advice advice_table[];
extern const unsigned advice_count;

bool advice_is_for(const struct advice *advice, const struct release *release);

/* The first row by which io_uring is not used on this Linux, or NULL. */
const struct advice *advice_against_rings(void);

#endif
