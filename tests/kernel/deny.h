/* SPDX-License-Identifier: MIT */
/*
 * deny.h - take io_uring away from this process, as containers do
 *
 * By a seccomp filter, which cannot be taken off again and is inherited. Needs
 * no privilege. Ways: an errno's name ("EPERM", "ENOSYS", "EACCES", "EINVAL",
 * "ENOMEM", "EMFILE": all three calls end with it), "KILL" (SIGSYS), "LATE"
 * (only io_uring_enter and io_uring_register end with EPERM), "ENTER" (only the
 * former does), "LATEKILL" (these two kill).
 */
#ifndef KERNEL_DENY_H
#define KERNEL_DENY_H

/* 0; -EINVAL for an unknown way; another negative errno from prctl(2). */
int deny_io_uring(const char *way);

#endif
