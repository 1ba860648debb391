/* SPDX-License-Identifier: MIT */
/*
 * gyre/error.h - names for what a call returned
 *
 * Nearly all errors are Linux's, negative. The few of gyre's own lie below
 * -4096, where no errno can be.
 */
#ifndef GYRE_ERROR_H
#define GYRE_ERROR_H

#include <gyre/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gyre_error {
    /* The stream ended before all that was asked for had come. */
    GYRE_EOF = -4097,
    /* Of names, by gyre/resolve.h. */
    GYRE_ENAME = -4098,      /* there is no such name */
    GYRE_ENOADDRESS = -4099, /* it has no address of this family */
    GYRE_ESERVICE = -4100,   /* there is no such service for this type */
    GYRE_ENAMEAGAIN = -4101, /* no server of names answered in time */
    GYRE_ENAMEFAIL = -4102,  /* a server of names refuses, or is broken */
};

/*
 * The sentence of a result: "Connection refused". Takes any
 * number, also >= 0 ("success"). Static storage, any thread.
 */
GYRE_API const char *gyre_strerror(int error);

/* The name alone: "ECONNREFUSED", "GYRE_EOF"; "E?" if it has none. */
GYRE_API const char *gyre_error_name(int error);

/* What usually causes the error and what to do, in one sentence; "" if gyre has
 * nothing to say beyond its name. Static storage, any thread. */
GYRE_API const char *gyre_error_remedy(int error);

#ifdef __cplusplus
}
#endif

#endif
