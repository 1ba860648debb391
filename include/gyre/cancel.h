/* SPDX-License-Identifier: MIT */
/*
 * gyre/cancel.h - for tasks: ending ops by what they are
 *
 * Scopes are how tasks are cancelled (gyre/scope.h); this is for single waits,
 * whosever they are, that are known by their descriptor or their request.
 */
#ifndef GYRE_CANCEL_H
#define GYRE_CANCEL_H

#include <gyre/op_cancel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* gyre_op_cancel_matching() for this task's loop: the number asked with ALL or
 * ANY; else 0, -ENOENT or -EALREADY. The caller's own wait is not among them.
 */
GYRE_API int gyre_cancel_matching(const gyre_match *match) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
