/* SPDX-License-Identifier: MIT */
/*
 * share.h - memory that other processes see: the pages of a file
 *
 * For what is to be read when this process is gone, or killed. The file is a
 * memfd or a regular one; once it is mapped its descriptor may be closed. Who
 * makes the file shorter kills those who have it mapped.
 *
 * Threads.  All of it may be called from any thread.
 */
#ifndef KERNEL_SHARE_H
#define KERNEL_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Map the whole file, to be read and written. 0; -ENODEV: this is no file of
 * memory or of a disk; -ENODATA: it is empty; -EACCES: it is not open for
 * both; -EBADF; -ENOMEM. */
int share_map(int fd, void **memory, size_t *size);
void share_unmap(void *memory, size_t size);

/* Make an empty file that long, of zeros, and map it: 0; as above; or the error
 * of ftruncate(2). After an error it is empty. */
int share_make(int fd, size_t size, void **memory);

/* See to it that a part of a mapping can be written: false if there is no
 * memory or no room on the disk for it. Since Linux 5.14 (MADV_POPULATE_WRITE);
 * before, always true, and who writes then is killed by SIGBUS. */
bool share_prepare(void *memory, size_t size);

/* The number of this process, as its user knows it. */
uint32_t share_process(void);

/* GYRE_TRACE, which is the descriptor of a file to trace to; NULL if it is not
 * set, or the program gained privileges. */
const char *share_trace_asked(void);

#endif
