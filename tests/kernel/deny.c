/* SPDX-License-Identifier: MIT */
/*
 * deny.c - take io_uring away from this process, as containers do
 */
#include "kernel/deny.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/assert.h"

/* io_uring_setup, io_uring_enter, io_uring_register: three in a row. */
enum { SETUP = 425, ENTER = 426, REGISTER = 427 };

struct way {
    const char *name;
    unsigned first; /* the first call that the filter concerns */
    unsigned last;
    unsigned verdict;
};

static const struct way ways[] = {
    { "EPERM", SETUP, REGISTER, SECCOMP_RET_ERRNO | EPERM },
    { "ENOSYS", SETUP, REGISTER, SECCOMP_RET_ERRNO | ENOSYS },
    { "EACCES", SETUP, REGISTER, SECCOMP_RET_ERRNO | EACCES },
    { "EINVAL", SETUP, REGISTER, SECCOMP_RET_ERRNO | EINVAL },
    { "ENOMEM", SETUP, REGISTER, SECCOMP_RET_ERRNO | ENOMEM },
    { "EMFILE", SETUP, REGISTER, SECCOMP_RET_ERRNO | EMFILE },
    { "KILL", SETUP, REGISTER, SECCOMP_RET_KILL_PROCESS },
    { "LATE", ENTER, REGISTER, SECCOMP_RET_ERRNO | EPERM },
    { "ENTER", ENTER, ENTER, SECCOMP_RET_ERRNO | EPERM },
    { "LATEKILL", ENTER, REGISTER, SECCOMP_RET_KILL_PROCESS },
};

static int install(const struct way *way)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, way->first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, way->last, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, way->verdict),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { ARRAY_SIZE(code), code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return -errno;
    return 0;
}

int deny_io_uring(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        if (strcmp(ways[i].name, name) == 0)
            return install(&ways[i]);
    }
    return -EINVAL;
}
