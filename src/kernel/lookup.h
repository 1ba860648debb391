/* SPDX-License-Identifier: MIT */
/*
 * lookup.h - names, by the C library
 */
#ifndef KERNEL_LOOKUP_H
#define KERNEL_LOOKUP_H

struct addrinfo;

/* getaddrinfo(3), which may block for long: 0, and what was found, at least one
 * address; or a negative errno, or one of gyre's own errors of names. */
int lookup(const char *name, const char *service, const struct addrinfo *hints,
           struct addrinfo **found);
void lookup_free(struct addrinfo *found);

/* Tests: who is asked instead of the C library; NULL, NULL: nobody is. */
typedef int lookup_fn(const char *name, const char *service,
                      const struct addrinfo *hints, struct addrinfo **found);
void lookup_replace(lookup_fn *ask, void (*release)(struct addrinfo *found));

#endif
