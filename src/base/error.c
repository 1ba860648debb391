/* SPDX-License-Identifier: MIT */
/*
 * error.c - names, sentences and remedies for results
 *
 * The names and sentences of errnos are libc's; the remedies, for those that a
 * user of gyre meets and wonders about, stand in the table below.
 */
#include <errno.h>
#include <gyre/error.h>
#include <gyre/gyre.h>
#include <string.h>

#include "base/assert.h"

#define ERRNO_MAX 4095 /* Linux's own bound */

struct remedy {
    int error; /* negative */
    const char *text;
};

static const struct remedy remedies[] = {
    { -EINVAL, "An argument or a combination of flags is one that this kernel "
               "does not know: look the operation up in its header; `gyre "
               "doctor` tells what this Linux executes." },
    { -EFAULT, "A pointer leads to memory that is not mapped, or is a guard: "
               "check that buffers live until the last completion." },
    { -EBADF, "The descriptor is not open, not open for this, or was closed "
              "meanwhile." },
    { -EAGAIN,
      "It would have to wait (gyre_op_try, try_ calls, MSG_DONTWAIT), there "
      "are "
      "as many tasks as may be, or the kernel is short of memory: wait for it, "
      "or try again." },
    { -EINTR,
      "A signal interrupted a call that cannot be repeated safely, such "
      "as connect: make a new socket and try again." },
    { -ECANCELED, "The op or its scope was cancelled. Without that: the kernel "
                  "could not make a worker thread (RLIMIT_NPROC)." },
    { -ETIME, "A scope's deadline passed, or a raw timeout expired." },
    { -ETIMEDOUT, "The call's own deadline passed; from a socket: the peer "
                  "does not answer." },
    { -ENOENT, "There is no such file; from a cancel: its target had ended." },
    { -ENOMEM, "No memory; from a ring: RLIMIT_MEMLOCK, raise `ulimit -l` or "
               "make smaller loops." },
    { -EALREADY, "The target of a cancel is running and may still complete: "
                 "wait for its last completion; or it was set or closed "
                 "before." },
    { -EPIPE, "The peer has gone, or the channel was closed: close." },
    { -ENFILE, "The system has no more open files: raise fs.file-max." },
    { -EMFILE, "The process has no more descriptors: raise RLIMIT_NOFILE "
               "(`ulimit -n`)." },
    { -EOPNOTSUPP, "Neither this Linux nor the emulator executes the operation "
                   "on this object." },
    { -EPERM,
      "Not permitted; from a ring: seccomp or kernel.io_uring_disabled, "
      "see `gyre doctor`." },
    { -EOWNERDEAD, "The kernel's thread that takes the requests of a ring with "
                   "sqpoll has ended: make another loop." },
    { -ECONNREFUSED, "Nobody listens there." },
    { -EADDRINUSE, "Another socket has the address: stop the other program or "
                   "take another port." },
    { GYRE_EOF, "The peer closed the stream before all bytes had come, or a "
                "closed channel has nothing left." },
    { GYRE_ENAME, "Nobody knows the name, or the service: look at its "
                  "spelling, /etc/hosts and /etc/resolv.conf." },
    { GYRE_ENOADDRESS, "The name has addresses of another family, or none: "
                       "ask for any family." },
    { GYRE_ESERVICE, "/etc/services does not have it for sockets of this type: "
                     "give the port in digits." },
    { GYRE_ENAMEAGAIN, "No server of names answered: try again later, or look "
                       "at /etc/resolv.conf." },
    { GYRE_ENAMEFAIL, "A server of names refuses, or its answer is broken." },
};

struct own {
    int error;
    const char *name;
    const char *text;
};

static const struct own owns[] = {
    { GYRE_EOF, "GYRE_EOF", "the stream ended too early" },
    { GYRE_ENAME, "GYRE_ENAME", "there is no such name or service" },
    { GYRE_ENOADDRESS, "GYRE_ENOADDRESS",
      "the name has no address of this family" },
    { GYRE_ESERVICE, "GYRE_ESERVICE",
      "there is no such service for sockets of this type" },
    { GYRE_ENAMEAGAIN, "GYRE_ENAMEAGAIN",
      "no server of names answered for now" },
    { GYRE_ENAMEFAIL, "GYRE_ENAMEFAIL", "a server of names failed" },
};

static const struct own *own_of(int error)
{
    for (size_t i = 0; i < ARRAY_SIZE(owns); i++)
        if (owns[i].error == error)
            return &owns[i];
    return NULL;
}

const char *gyre_error_name(int error)
{
    const char *name;

    if (error >= 0)
        return "OK";
    if (own_of(error) != NULL)
        return own_of(error)->name;
    name = error >= -ERRNO_MAX ? strerrorname_np(-error) : NULL;
    return name != NULL ? name : "E?";
}

const char *gyre_strerror(int error)
{
    const char *text;

    if (error >= 0)
        return "success";
    if (own_of(error) != NULL)
        return own_of(error)->text;
    /* Unlike strerror(), it returns static strings and is for any thread. */
    text = error >= -ERRNO_MAX ? strerrordesc_np(-error) : NULL;
    return text != NULL ? text : "unknown error";
}

const char *gyre_error_remedy(int error)
{
    for (size_t i = 0; i < ARRAY_SIZE(remedies); i++)
        if (remedies[i].error == error)
            return remedies[i].text;
    return "";
}

#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor, patch)                                      \
    TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *gyre_version(void)
{
    return VERSION_TEXT(GYRE_VERSION_MAJOR, GYRE_VERSION_MINOR,
                        GYRE_VERSION_PATCH);
}
