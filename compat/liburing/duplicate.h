/* SPDX-License-Identifier: MIT */
/*
 * duplicate.h - which emulated ring a descriptor is a second one of
 */
#ifndef LIBURING_DUPLICATE_H
#define LIBURING_DUPLICATE_H

/* A number that all descriptors of one eventfd have in common; -1: it is none,
 * or Linux does not tell. */
long eventfd_identity(int fd);

#endif
