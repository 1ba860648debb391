/* SPDX-License-Identifier: MIT */
/*
 * groups.h - tell of the first few that are alike, count the rest
 *
 * What keeps a dump of a million tasks short. Things are alike if they have the
 * same key; a few kinds are told apart, in a table of fixed size, and a dump as
 * a whole has a budget of things it tells of.
 */
#ifndef WATCH_GROUPS_H
#define WATCH_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#define GROUPS_MAX 8U
#define GROUP_SHOWN 3U /* of each kind */

struct group {
    uint64_t key;
    const void *first; /* the first of its kind */
    uint64_t hidden;   /* counted, not told of */
    unsigned shown;
    uint64_t since_first_ns; /* the oldest of those not shown */
    uint64_t since_last_ns;
};

struct groups {
    struct group at[GROUPS_MAX];
    unsigned used;
    uint64_t others; /* of kinds that the table had no room for, not shown */
};

static inline uint64_t groups_mix(uint64_t key, uint64_t part)
{
    return (key ^ part) * UINT64_C(0x9E3779B97F4A7C15) + (key >> 29);
}

void groups_init(struct groups *groups);

/* Is `thing` to be told of? Else it has been counted. Takes one from *budget
 * for each that is. */
bool groups_admit(struct groups *groups, uint64_t key, const void *thing,
                  uint64_t since_ns, unsigned *budget);

#endif
