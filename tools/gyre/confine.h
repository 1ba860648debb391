/* SPDX-License-Identifier: MIT */
/*
 * confine.h - gyre serve --sandbox, --user
 */
#ifndef GYRE_TOOL_CONFINE_H
#define GYRE_TOOL_CONFINE_H

#include <gyre/sandbox.h>
#include <stdbool.h>

#include "options.h"

struct confine {
    bool wanted;      /* --sandbox */
    const char *user; /* --user, or NULL */
    bool unlinks;     /* it has names of its own to take away */
    gyre_sandbox_options sandbox;
};

/* Say what the server keeps. False: it cannot be, and that was printed. */
bool confine_prepare(struct confine *confine);

#endif
