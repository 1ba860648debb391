/* SPDX-License-Identifier: MIT */
/*
 * shelf.h - a ring that keeps registered buffers for others
 */
#ifndef RING_SHELF_H
#define RING_SHELF_H

/*
 * A ring with the table of buffers that `ring`, the calling thread's, has now.
 * It does nothing else, and belongs to no thread: so any may clone from it. Its
 * descriptor, or a negative errno: as CLONE_BUFFERS (6.12), or as making a
 * ring; -EOPNOTSUPP if that is masked.
 */
int ring_shelf_open(int ring);
void ring_shelf_close(int shelf);

#endif
