/* SPDX-License-Identifier: MIT */
/*
 * lookup.c - names, by the C library
 *
 * getaddrinfo() alone knows what this machine has been told about names: files,
 * DNS, mDNS, whatever nsswitch.conf says. It is called on a thread that may
 * block.
 */
#include "kernel/lookup.h"

#include <errno.h>
#include <gyre/error.h>
#include <netdb.h>
#include <stddef.h>

#include "base/assert.h"

static lookup_fn *ask_now = getaddrinfo;
static void (*release_now)(struct addrinfo *found) = freeaddrinfo;

void lookup_replace(lookup_fn *ask, void (*release)(struct addrinfo *found))
{
    ASSERT((ask == NULL) == (release == NULL));
    ask_now = ask != NULL ? ask : getaddrinfo;
    release_now = release != NULL ? release : freeaddrinfo;
}

static int result_of(int code)
{
    switch (code) {
    case 0:
        return 0;
    case EAI_NONAME:
        return GYRE_ENAME;
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return GYRE_ENOADDRESS;
    case EAI_SERVICE:
        return GYRE_ESERVICE;
    case EAI_AGAIN:
        return GYRE_ENAMEAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_FAMILY:
    case EAI_SOCKTYPE:
    case EAI_BADFLAGS:
        return -EINVAL;
    case EAI_SYSTEM:
        return errno > 0 ? -errno : GYRE_ENAMEFAIL;
    default:
        return GYRE_ENAMEFAIL;
    }
}

int lookup(const char *name, const char *service, const struct addrinfo *hints,
           struct addrinfo **found)
{
    int err;

    *found = NULL;
    err = result_of(ask_now(name, service, hints, found));
    return err == 0 && *found == NULL ? GYRE_ENOADDRESS : err;
}

void lookup_free(struct addrinfo *found)
{
    if (found != NULL)
        release_now(found);
}
