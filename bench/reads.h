/* SPDX-License-Identifier: MIT */
/*
 * reads.h - the file that is read, and the peers that read it
 */
#ifndef BENCH_READS_H
#define BENCH_READS_H

#include <stdint.h>

#include "bench.h"

enum { READS_SIZE = 4096, READS_DEPTH_MAX = 64 };

/* A new file, in the page cache; without a name. Or a negative errno. */
int reads_file(void);

/* The next random place in it. */
uint64_t reads_next(uint32_t *random);

int reads_by_uring(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample);
int reads_by_pread(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample);

#endif
