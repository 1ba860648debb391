/* SPDX-License-Identifier: MIT */
/*
 * deny - run a command without io_uring
 *
 *     deny EPERM|ENOSYS|EACCES|EINVAL|ENOMEM|EMFILE|KILL|LATE|ENTER|
 *          LATEKILL COMMAND [ARGUMENT...]
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/deny.h"

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: deny WAY COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    int err = deny_io_uring(argv[1]);

    if (err != 0) {
        fprintf(stderr, "deny: %s: %s\n", argv[1], strerror(-err));
        return 2;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
