/* SPDX-License-Identifier: MIT */
/*
 * confine.c - gyre serve --sandbox, --user
 *
 * The server has its listeners, its directory and its log open before it gives
 * up the rest. What it keeps is I/O on these, and opening files: for the server
 * those below its directory, which the kernel guards as ever (RESOLVE_BENEATH);
 * for code that should not run here, those of its user.
 */
#include "confine.h"

#include <pwd.h>
#include <stdio.h>

static bool find_user(struct confine *confine)
{
    const struct passwd *user;

    if (confine->user == NULL)
        return true;
    if (!confine->wanted) {
        fprintf(stderr, "gyre: --user %s: only with --sandbox\n",
                confine->user);
        return false;
    }
    user = getpwnam(confine->user);
    if (user == NULL) {
        fprintf(stderr,
                "gyre: --user %s: there is no such user; see getent passwd\n",
                confine->user);
        return false;
    }
    confine->sandbox.drop = true;
    confine->sandbox.uid = user->pw_uid;
    confine->sandbox.gid = user->pw_gid;
    return true;
}

bool confine_prepare(struct confine *confine)
{
    confine->sandbox = (gyre_sandbox_options){
        .allow = GYRE_ALLOW_STREAMS | GYRE_ALLOW_FILES |
                 (confine->unlinks ? (unsigned)GYRE_ALLOW_CHANGES : 0),
    };
    return find_user(confine);
}
