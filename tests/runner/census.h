/* SPDX-License-Identifier: MIT */
/*
 * census.h - what a process holds: descriptors, mappings, threads, children
 *
 * Taken before and after the body of a test; what has become more is a leak.
 * Memory from malloc is not counted here: the address sanitizer and valgrind
 * do that better. Anonymous mappings (stacks of tasks, guards) are compared by
 * their total, with a small allowance, and only where `anonymous_is_exact`:
 * where malloc and the thread library keep no mappings in reserve.
 */
#ifndef RUNNER_CENSUS_H
#define RUNNER_CENSUS_H

#include <stdbool.h>
#include <stddef.h>

enum { CENSUS_FDS_MAX = 1024, CENSUS_MAPS_MAX = 64, CENSUS_NAME_MAX = 96 };

/* Mappings of one name, such as anon_inode:[io_uring]. */
struct census_map {
    char name[CENSUS_NAME_MAX];
    size_t bytes;
};

struct census {
    size_t fds_count;
    size_t maps_count;
    size_t threads;
    size_t children;  /* 0, or 1: there are some */
    size_t anonymous; /* bytes */
    bool anonymous_is_exact;
    int fds[CENSUS_FDS_MAX];
    struct census_map maps[CENSUS_MAPS_MAX];
};

void census_take(struct census *census);

/* Has `after` nothing that `before` had not? Else a description of the first
 * few things left over goes into text. */
bool census_equal(const struct census *before, const struct census *after,
                  char *text, size_t text_size);

#endif
