/* SPDX-License-Identifier: MIT */
/*
 * duplicate.c - which emulated ring a descriptor is a second one of
 *
 * A ring's descriptor may be given another number by dup(2) and closed by its
 * first, and is the ring none the less. Linux tells of an eventfd which it is,
 * in /proc/self/fdinfo, since 5.2; without that a ring is known by its first
 * number only. Asked for when a number is used that no ring has.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duplicate.h"

long eventfd_identity(int fd)
{
    static const char label[] = "eventfd-id:";
    char path[40], text[256], *found;
    ssize_t length;
    int info;

    (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    info = open(path, O_RDONLY | O_CLOEXEC);
    if (info < 0)
        return -1;
    length = read(info, text, sizeof text - 1);
    (void)close(info);
    if (length <= 0)
        return -1;
    text[length] = '\0';
    found = strstr(text, label);
    return found != NULL ? strtol(found + strlen(label), NULL, 10) : -1;
}
