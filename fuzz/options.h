/* SPDX-License-Identifier: MIT */
/*
 * options.h - what the program differ is asked for
 */
#ifndef FUZZ_OPTIONS_H
#define FUZZ_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    uint64_t seed;     /* of the first program */
    uint64_t programs; /* how many, or UINT64_MAX */
    uint64_t seconds;  /* or 0: no limit */
    unsigned jobs;     /* processes */
    bool one;          /* only `seed`, and tell all of it */
    bool verbose;
    bool check_histogram;
    bool stop;             /* at the first difference */
    const char *directory; /* where the scratch files go */
};

/* Ends the program if an argument is not understood. */
void options_read(struct options *options, int argc, char **argv);

#endif
