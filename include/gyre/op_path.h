/* SPDX-License-Identifier: MIT */
/*
 * gyre/op_path.h - requests on names in directories, and on attributes
 *
 * Each fills a whole op (gyre/op.h). Results are those of the system call of
 * the same name: 0, or an error. "since" is the first Linux that executes the
 * opcode; below it, and without io_uring, gyre emulates it on its pool.
 *
 * `dirfd` is a directory or AT_FDCWD (fcntl.h). Paths and names of attributes
 * are held until submission, values until the last completion.
 *
 * Cancel.   A request that a thread of Linux's or of gyre's has begun is
 *           finished: -ECANCELED means that nothing happened.
 *
 * To open and to look at names: gyre/op_file.h.
 */
#ifndef GYRE_OP_PATH_H
#define GYRE_OP_PATH_H

#include <gyre/op_file.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- names --------------------------------------------------------------- */

/* renameat2(2): `flags` is 0 or a RENAME_; what has the new name is replaced in
 * one step. -ENOENT, -EEXIST (RENAME_NOREPLACE), -ENOTEMPTY, -EXDEV: another
 * file system. since 5.11 */
GYRE_API void gyre_op_renameat2(gyre_op *op, int old_dirfd,
                                const char *old_path, int new_dirfd,
                                const char *new_path, unsigned flags);

/* unlinkat(2): `flags` is 0, for what is no directory (-EISDIR), or
 * AT_REMOVEDIR for an empty one (-ENOTDIR, -ENOTEMPTY). since 5.11 */
GYRE_API void gyre_op_unlinkat(gyre_op *op, int dirfd, const char *path,
                               int flags);

/* mkdirat(2): the umask takes bits out of `mode`. -EEXIST. since 5.15 */
GYRE_API void gyre_op_mkdirat(gyre_op *op, int dirfd, const char *path,
                              unsigned mode);

/* symlinkat(2): `path` becomes a link to `target`, any text of 1 to 4095 bytes.
 * -EEXIST. since 5.15 */
GYRE_API void gyre_op_symlinkat(gyre_op *op, const char *target, int dirfd,
                                const char *path);

/* linkat(2): one more name of a file. `flags` is a set of AT_SYMLINK_FOLLOW and
 * AT_EMPTY_PATH. -EEXIST, -EXDEV, -EPERM: a directory. since 5.15 */
GYRE_API void gyre_op_linkat(gyre_op *op, int old_dirfd, const char *old_path,
                             int new_dirfd, const char *new_path, int flags);

/* ---- extended attributes -------------------------------------------------
 *
 * See xattr(7) for names ("user.colour"). Of a path, or of an open file; links
 * are followed. -EOPNOTSUPP: the file system has none, or not of that kind.
 * -ERANGE: the name has no byte or more than 255.
 */

/* `flags` is 0 or XATTR_CREATE (-EEXIST) or XATTR_REPLACE (-ENODATA). -E2BIG:
 * more than 64 KiB; -ENOSPC. since 5.19 */
GYRE_API void gyre_op_setxattr(gyre_op *op, const char *path, const char *name,
                               const void *value, size_t size, int flags);
GYRE_API void gyre_op_fsetxattr(gyre_op *op, int fd, const char *name,
                                const void *value, size_t size, int flags);

/* Result: the size of the value in bytes; with `size` 0 nothing is written.
 * -ENODATA: no such attribute; -ERANGE: the value is larger. since 5.19 */
GYRE_API void gyre_op_getxattr(gyre_op *op, const char *path, const char *name,
                               void *value, size_t size);
GYRE_API void gyre_op_fgetxattr(gyre_op *op, int fd, const char *name,
                                void *value, size_t size);

/* ---- ops that carry copies of their texts -------------------------------
 *
 * The paths and names of these are borrowed: they may go as soon as the call
 * returns. Start, cancel and receive them by their member `op`, which comes
 * first. -ENAMETOOLONG if a text with its NUL does not fit.
 */

GYRE_API int gyre_path_op_unlinkat(gyre_path_op *op, int dirfd,
                                   const char *path, int flags) GYRE_MUST_USE;
GYRE_API int gyre_path_op_mkdirat(gyre_path_op *op, int dirfd, const char *path,
                                  unsigned mode) GYRE_MUST_USE;

typedef struct gyre_two_paths_op {
    gyre_op op;
    char paths_[2][GYRE_PATH_SIZE];
} gyre_two_paths_op;

GYRE_API int gyre_two_paths_op_renameat2(gyre_two_paths_op *op, int old_dirfd,
                                         const char *old_path, int new_dirfd,
                                         const char *new_path,
                                         unsigned flags) GYRE_MUST_USE;
GYRE_API int gyre_two_paths_op_symlinkat(gyre_two_paths_op *op,
                                         const char *target, int dirfd,
                                         const char *path) GYRE_MUST_USE;
GYRE_API int gyre_two_paths_op_linkat(gyre_two_paths_op *op, int old_dirfd,
                                      const char *old_path, int new_dirfd,
                                      const char *new_path,
                                      int flags) GYRE_MUST_USE;

#define GYRE_XATTR_NAME_SIZE 256

typedef struct gyre_xattr_op {
    gyre_op op;
    char path_[GYRE_PATH_SIZE];
    char name_[GYRE_XATTR_NAME_SIZE];
} gyre_xattr_op;

GYRE_API int gyre_xattr_op_set(gyre_xattr_op *op, const char *path,
                               const char *name, const void *value, size_t size,
                               int flags) GYRE_MUST_USE;
GYRE_API int gyre_xattr_op_fset(gyre_xattr_op *op, int fd, const char *name,
                                const void *value, size_t size,
                                int flags) GYRE_MUST_USE;
GYRE_API int gyre_xattr_op_get(gyre_xattr_op *op, const char *path,
                               const char *name, void *value,
                               size_t size) GYRE_MUST_USE;
GYRE_API int gyre_xattr_op_fget(gyre_xattr_op *op, int fd, const char *name,
                                void *value, size_t size) GYRE_MUST_USE;

#ifdef __cplusplus
}
#endif

#endif
