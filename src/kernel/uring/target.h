/* SPDX-License-Identifier: MIT */
/*
 * target.h - whom Linux is to hold to a restriction
 *
 * A ring, or (7.0) the calling task: then all rings that it makes later.
 */
#ifndef KERNEL_URING_TARGET_H
#define KERNEL_URING_TARGET_H

#include <stdbool.h>

#include "kernel/restrict.h"

struct uring_target {
    int fd;             /* of a ring that is yet disabled; -1: the task */
    const bool *ops;    /* that this Linux has */
    unsigned registers; /* opcodes of io_uring_register(2) that it knows */
};

/* Opcodes, flags, registrations. 0 or a negative errno. */
int uring_register_rules(const struct uring_target *target,
                         const struct restriction *restriction);

/* Arguments: 0, also if Linux cannot and need not (`strict`); or a negative
 * errno, -EOPNOTSUPP among them. Says in the restriction what came of it. */
int uring_filter(const struct uring_target *target,
                 struct restriction *restriction);

#endif
