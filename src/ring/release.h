/* SPDX-License-Identifier: MIT */
/*
 * release.h - which Linux this is
 *
 * For advice.h alone, which knows what single releases do wrong, and to be
 * shown. Whatever can be asked of Linux is asked, not derived from a number.
 *
 * A release's name does not always tell its number: Debian calls 6.1.119
 * "6.1.0-28-amd64", Ubuntu calls 5.15.131 "5.15.0-91-generic", and a number of
 * Red Hat's says nothing of its io_uring at all. Hence the rest of the text.
 *
 * GYRE_LINUX_RELEASE takes the place of what uname(2) says, so that each choice
 * is as on that Linux: "6.14.7", or all that `uname -rvm` prints. Read once per
 * process by secure_getenv(); what does not begin with two numbers is reported
 * once on standard error, and not used.
 */
#ifndef RING_RELEASE_H
#define RING_RELEASE_H

#include <stdbool.h>

enum release_maker {
    RELEASE_OF_ANYBODY,
    RELEASE_OF_UBUNTU,
    RELEASE_OF_AMAZON,
    RELEASE_OF_ANDROID,
    RELEASE_OF_RED_HAT, /* and what is built of its sources */
};

struct release {
    char name[128]; /* "6.8.0-94-generic" */
    char machine[65];
    unsigned number; /* of mainline: RELEASE(6, 8, 12); 0: not known */
    enum release_maker maker;
};

#define RELEASE(major, minor, patch)                                           \
    ((major)*1000000U + (minor)*1000U + (patch))

/* The Linux that this process runs on, or is told to take for it. */
const struct release *release_here(void);

/* Of a text like that of `uname -rvm`; of the first word alone, if there is no
 * more: then the machine is this one. False: it begins with no number. */
bool release_parse(struct release *release, const char *text);

#endif
