/* SPDX-License-Identifier: MIT */
/* The same constants and sizes by gyre's header and by the system's; written by
 * area.cmake, ended by a row without a name. */
#ifndef RING_ORACLE_H
#define RING_ORACLE_H

struct oracle_row {
    const char *name;
    unsigned long long value;
};

extern const struct oracle_row oracle_ours[];
extern const struct oracle_row oracle_theirs[];

#endif
