/* SPDX-License-Identifier: MIT */
/*
 * restrict.h - from sets of ops to what a kernel is told
 */
#ifndef LOOP_RESTRICT_H
#define LOOP_RESTRICT_H

#include <gyre/restrict.h>

#include "kernel/restrict.h"

/* Everything that the sets have; any flags and arguments, but for the families
 * of sockets. */
void restriction_of_sets(struct restriction *restriction, unsigned allow,
                         unsigned registers);

#endif
