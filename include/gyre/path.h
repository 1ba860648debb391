/* SPDX-License-Identifier: MIT */
/*
 * gyre/path.h - names in directories, and attributes, for tasks
 *
 *     err = gyre_mkdir("spool", 0700);
 *     err = gyre_rename("spool/new", "spool/7");
 *
 * Each call starts an op on the task's own stack (gyre/op_path.h says what each
 * does, its flags and errors), waits for it, and returns its result: >= 0, or a
 * negative errno. The first of a group is the whole of it; those below are for
 * the working directory, without flags.
 *
 * Memory.   Arguments are the caller's, used until the call returns.
 * Threads.  Only inside a task; elsewhere a call panics.
 * Cancel.   Each returns -ECANCELED, or -ETIME for a deadline, when the task's
 *           scope is cancelled before it was begun: then nothing has happened.
 *           What was begun is finished, and returns its result.
 */
#ifndef GYRE_PATH_H
#define GYRE_PATH_H

#include <gyre/op_path.h>
#include <gyre/task.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

GYRE_API int gyre_renameat2(int old_dirfd, const char *old_path, int new_dirfd,
                            const char *new_path, unsigned flags) GYRE_WAITS;
GYRE_API int gyre_rename(const char *old_path, const char *new_path) GYRE_WAITS;

GYRE_API int gyre_unlinkat(int dirfd, const char *path, int flags) GYRE_WAITS;
GYRE_API int gyre_unlink(const char *path) GYRE_WAITS;
GYRE_API int gyre_rmdir(const char *path) GYRE_WAITS;

GYRE_API int gyre_mkdirat(int dirfd, const char *path,
                          unsigned mode) GYRE_WAITS;
GYRE_API int gyre_mkdir(const char *path, unsigned mode) GYRE_WAITS;

GYRE_API int gyre_symlinkat(const char *target, int dirfd,
                            const char *path) GYRE_WAITS;
GYRE_API int gyre_symlink(const char *target, const char *path) GYRE_WAITS;

GYRE_API int gyre_linkat(int old_dirfd, const char *old_path, int new_dirfd,
                         const char *new_path, int flags) GYRE_WAITS;
GYRE_API int gyre_link(const char *old_path, const char *new_path) GYRE_WAITS;

/* Extended attributes: 0; or the size of the value. */
GYRE_API int gyre_setxattr(const char *path, const char *name,
                           const void *value, size_t size,
                           int flags) GYRE_WAITS;
GYRE_API int gyre_fsetxattr(int fd, const char *name, const void *value,
                            size_t size, int flags) GYRE_WAITS;
GYRE_API ssize_t gyre_getxattr(const char *path, const char *name, void *value,
                               size_t size) GYRE_WAITS;
GYRE_API ssize_t gyre_fgetxattr(int fd, const char *name, void *value,
                                size_t size) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
