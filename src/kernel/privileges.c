/* SPDX-License-Identifier: MIT */
/*
 * privileges.c - becoming somebody who may do less
 */
#include "kernel/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

#define CAP_WORDS _LINUX_CAPABILITY_U32S_3

static bool is_among(gid_t group, const gid_t *groups, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

/* Is that what the process has, and nothing else? A group may be named twice,
 * so that there are as many does not tell. */
static bool has_groups(const struct privileges *to)
{
    int count = getgroups(0, NULL);
    bool same = count >= 0 && (size_t)count == to->group_count;
    gid_t *groups;

    if (!same || count == 0)
        return same;
    groups = alloc_zeroed((size_t)count, sizeof *groups);
    if (groups == NULL)
        return false;
    same = getgroups(count, groups) == count;
    for (size_t i = 0; same && i < to->group_count; i++)
        same = is_among(to->groups[i], groups, to->group_count) &&
               is_among(groups[i], to->groups, to->group_count);
    alloc_free(groups);
    return same;
}

static bool has_group(gid_t gid)
{
    gid_t real, effective, saved;

    return getresgid(&real, &effective, &saved) == 0 && real == gid &&
           effective == gid && saved == gid;
}

static bool has_user(uid_t uid)
{
    uid_t real, effective, saved;

    return getresuid(&real, &effective, &saved) == 0 && real == uid &&
           effective == uid && saved == uid;
}

/* Some settings let a process keep what its user had. */
static int give_up_capabilities(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3
    };
    struct __user_cap_data_struct none[CAP_WORDS] = { { 0 } };

    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0 ? 0 : -errno;
}

/* The last proof is to try. */
static bool could_go_back(void)
{
    return setresuid((uid_t)-1, 0, (uid_t)-1) == 0;
}

static int drop(const struct privileges *to, const char **why)
{
    *why = "the supplementary groups could not be changed: that needs "
           "CAP_SETGID";
    if (!has_groups(to) &&
        (setgroups(to->group_count, to->groups) != 0 || !has_groups(to)))
        return errno != 0 ? -errno : -EPERM;
    *why = "the group could not be changed: that needs CAP_SETGID";
    if (!has_group(to->gid) &&
        (setresgid(to->gid, to->gid, to->gid) != 0 || !has_group(to->gid)))
        return errno != 0 ? -errno : -EPERM;
    *why = "the user could not be changed: that needs CAP_SETUID (EAGAIN: the "
           "user has as many processes as RLIMIT_NPROC lets it)";
    if (!has_user(to->uid) &&
        (setresuid(to->uid, to->uid, to->uid) != 0 || !has_user(to->uid)))
        return errno != 0 ? -errno : -EPERM;
    *why = "the capabilities could not be given up";
    return give_up_capabilities();
}

int privileges_drop(const struct privileges *to, const char **why)
{
    int saved = errno;
    int err;

    ASSERT(to->uid != 0);
    errno = 0;
    err = drop(to, why);
    if (err == 0 && could_go_back()) {
        *why = "the process could still become root again: this Linux keeps "
               "what it was asked to give up";
        err = -EPERM;
    }
    errno = saved;
    return err;
}

int privileges_renounce(void)
{
    int saved = errno;
    int err = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : -errno;

    errno = saved;
    return err;
}
