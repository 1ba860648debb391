/* SPDX-License-Identifier: MIT */
/*
 * pass.h - a file for the table of somebody's ring
 */
#ifndef RING_PASS_H
#define RING_PASS_H

#include <stdint.h>

/*
 * Put the file behind `fd` into slot `index` - 1 (IORING_FILE_INDEX_ALLOC: any)
 * of the ring `to`, which gets a CQE with `user_data`. From any thread; waits
 * until the ring's thread has been interrupted for it. The slot if any was
 * asked for, or 0; or a negative errno: as MSG_RING, or as making a ring.
 */
int ring_pass_file(int to, int fd, uint32_t index, uint64_t user_data);

#endif
