/* SPDX-License-Identifier: MIT */
/*
 * proc.h - small text files of /proc, and what the process was given or has
 *
 * For reasons and reports only: nothing that the library does depends on an
 * answer from here, for /proc may be absent.
 */
#ifndef KERNEL_PROC_H
#define KERNEL_PROC_H

#include <stdbool.h>
#include <stddef.h>

/* The file's text without its last newline; -errno if it cannot be read. A
 * longer file is cut. */
int proc_read(const char *path, char *text, size_t size);

/* The file's number; `otherwise` if it has none. */
long proc_number(const char *path, long otherwise);

/* The mode of seccomp of this process: 0 none, 1 strict, 2 filtered; -1 if
 * that cannot be told. */
int proc_seccomp(void);

/* The `n`th socket, from 0 on, that was passed by LISTEN_FDS to this process
 * (sd_listen_fds(3)); -1: there is none. */
int proc_passed_socket(unsigned n);

/* Remove the file of a listening socket (NULL: it has none) and close it, for a
 * thread without a loop. */
void proc_close_socket(int fd, const char *path);

/* What a thread of gyre's own is called, by itself: at most 16 bytes. */
void proc_name_helper(char *name, size_t size);

/* Does the process have threads besides the caller, io_uring's workers and
 * gyre's own? True also if that cannot be told. */
bool proc_has_other_threads(void);
/* Likewise, and more than so many. */
bool proc_has_threads_beside(unsigned expected);

/* The same, but for those that are about to be gone: a thread that has been
 * joined may be seen for a moment still. Takes up to 20 ms if there are any. */
bool proc_keeps_other_threads(void);

#endif
