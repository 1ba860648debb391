/* SPDX-License-Identifier: MIT */
/*
 * refusal.c - why io_uring does not work here
 *
 * That a ring can be made proves nothing: a filter may let io_uring_setup
 * through and refuse io_uring_enter, an old Linux lacks what gyre needs, and
 * one with a known fault (ring/advice.h) is not to be trusted. So a NOP has to
 * go round. What fails is told by call and errno, and explained by
 * what /proc knows of the reason.
 *
 * A seccomp filter may also answer by killing. If there is one, or if that
 * cannot be told, a child goes first and tells how far it came; only if it
 * lives do we try ourselves. It raises no SIGCHLD, and nobody else's wait() can
 * see it. It has a copy of our memory: sharing it, as after vfork(), would be
 * cheaper, but before Linux 5.16 a process that is killed so takes along all
 * that share its memory.
 */
#include "kernel/refusal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <gyre/error.h>

#include "base/assert.h"
#include "kernel/proc.h"
#include "ring/advice.h"
#include "ring/ring.h"
#include "ring/syscalls.h"

#define PROBE_ENTRIES 4
#define CHILD_STACK (64 * 1024)

enum stage {
    STAGE_SETUP = 0,
    STAGE_ENTER,
    STAGE_REGISTER,
    STAGE_OLD,
    STAGE_FAULT,
    STAGE_DONE
};

static const char *const calls[] = {
    [STAGE_SETUP] = "io_uring_setup",
    [STAGE_ENTER] = "io_uring_enter",
    [STAGE_REGISTER] = "io_uring_register",
};

struct attempt {
    enum stage stage; /* where it ended */
    int error;
    const char *lacks; /* STAGE_OLD */
    const struct advice *fault;
};

static struct attempt ended(enum stage stage, int error)
{
    return (struct attempt){ .stage = stage, .error = error };
}

/* One NOP through an enabled ring: 0, or the errno of enter. */
static int round_trip(struct ring *ring)
{
    struct io_uring_cqe cqe;

    *sq_next(&ring->sq) = (struct io_uring_sqe){ .opcode = IORING_OP_NOP };
    sq_publish(&ring->sq);
    for (;;) {
        int taken = ring_sys_enter(ring->fd, sq_used(&ring->sq), 1,
                                   IORING_ENTER_GETEVENTS, NULL, 0);

        if (cq_take(&ring->cq, &cqe))
            return cqe.res;
        if (taken < 0 && taken != -EINTR)
            return taken;
    }
}

static struct attempt attempt_on(struct ring *ring)
{
    struct ring_opcodes opcodes;
    const struct advice *fault = advice_against_rings();
    int err = ring_enable(ring);

    if (err < 0)
        return ended(STAGE_REGISTER, err);
    /* With some faults the NOP would never come back. */
    if (fault != NULL)
        return (struct attempt){ STAGE_FAULT, -EOPNOTSUPP, .fault = fault };
    err = round_trip(ring);
    if (err < 0)
        return ended(STAGE_ENTER, err);
    ring_probe(ring, &opcodes);
    if (!opcodes.has[IORING_OP_MKDIRAT])
        return (struct attempt){ STAGE_OLD, -EOPNOTSUPP,
                                 "no MKDIRAT, which 5.15 has" };
    return ended(STAGE_DONE, 0);
}

static struct attempt attempt(void)
{
    struct ring ring;
    int err = ring_open_plain(&ring, PROBE_ENTRIES, 0);

    if (err == -EOPNOTSUPP)
        return (struct attempt){ STAGE_OLD, err, "no EXT_ARG, which 5.11 has" };
    if (err < 0)
        return ended(STAGE_SETUP, err);
    struct attempt result = attempt_on(&ring);

    ring_close(&ring);
    return result;
}

/* ---- the child that goes first ------------------------------------------- */

/* Shared with the child. */
struct scout {
    atomic_int stage;
    char stack[CHILD_STACK] __attribute__((aligned(64)));
};

/* Each of the three calls once. What they answer is of no interest. */
static int scout_main(void *argument)
{
    struct scout *scout = argument;
    struct io_uring_params params = { 0 };

    /* No core, and no crash report of somebody who watches for cores. */
    (void)prctl(PR_SET_DUMPABLE, 0);
    int fd = ring_sys_setup(1, &params);

    atomic_store(&scout->stage, STAGE_ENTER);
    (void)ring_sys_enter(fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    atomic_store(&scout->stage, STAGE_REGISTER);
    (void)ring_sys_register(fd, IORING_UNREGISTER_FILES, NULL, 0);
    atomic_store(&scout->stage, STAGE_DONE);
    return 0;
}

/* Run the scout to its end: 0, or a negative errno. Signals are blocked
 * meanwhile: no handler of the program is to run in the child. */
static int run_scout(struct scout *scout)
{
    sigset_t all;
    sigset_t before;
    int status;
    int err = 0;

    sigfillset(&all);
    sigdelset(&all, SIGSYS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int child =
        clone(scout_main, scout->stack + CHILD_STACK, CLONE_VFORK, scout);

    if (child < 0)
        err = -errno;
    while (child > 0 && waitpid(child, &status, (int)__WCLONE) < 0 &&
           errno == EINTR)
        ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

/* How far the scout came; STAGE_DONE: it lives. Or a negative errno. */
static int send_scout(void)
{
    int saved = errno;
    struct scout *scout = mmap(NULL, sizeof *scout, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int result;

    if (scout == MAP_FAILED) {
        result = -errno;
    } else {
        result = run_scout(scout);
        if (result == 0)
            result = atomic_load(&scout->stage);
        munmap(scout, sizeof *scout);
    }
    errno = saved;
    return result;
}

/* ---- words --------------------------------------------------------------- */

static void explain_eperm(char *text, size_t size)
{
    long disabled = proc_number("/proc/sys/kernel/io_uring_disabled", 0);
    long group = proc_number("/proc/sys/kernel/io_uring_group", -1);

    if (disabled == 2)
        snprintf(text, size, "kernel.io_uring_disabled=2");
    else if (disabled == 1 && group < 0)
        snprintf(text, size,
                 "kernel.io_uring_disabled=1, and no kernel.io_uring_group");
    else if (disabled == 1)
        snprintf(text, size,
                 "kernel.io_uring_disabled=1, and this process is not in "
                 "kernel.io_uring_group=%ld",
                 group);
    else if (proc_seccomp() == 2)
        snprintf(text, size,
                 "a seccomp filter refuses it, as container engines do");
    else
        snprintf(text, size, "a security policy refuses it");
}

static void explain(const struct attempt *attempt, char *text, size_t size)
{
    bool filtered = proc_seccomp() == 2;

    text[0] = '\0';
    if (attempt->stage != STAGE_SETUP && filtered)
        snprintf(text, size,
                 "a seccomp filter refuses it, though not io_uring_setup");
    else if (attempt->error == -EPERM)
        explain_eperm(text, size);
    else if (attempt->error == -ENOSYS)
        snprintf(text, size,
                 "no io_uring: Linux older than 5.1 or built without it, or "
                 "a sandbox");
    else if (attempt->error == -EACCES)
        snprintf(text, size, "%s",
                 filtered ? "a seccomp filter refuses it"
                          : "a security module refuses it, such as SELinux");
    else if (attempt->error == -EPROTO)
        snprintf(text, size, "it describes a ring that cannot be");
}

static void describe(const struct attempt *attempt, char *reason, size_t size)
{
    char why[160];

    if (attempt->stage == STAGE_FAULT) {
        snprintf(reason, size, "not used on Linux %s: %s (%s)",
                 release_here()->name, attempt->fault->trouble,
                 attempt->fault->source);
        return;
    }
    if (attempt->stage == STAGE_OLD) {
        snprintf(reason, size, "the io_uring of Linux %s is too old (%s)",
                 release_here()->name, attempt->lacks);
        return;
    }
    explain(attempt, why, sizeof why);
    int length = snprintf(reason, size, "%s: %s", calls[attempt->stage],
                          gyre_error_name(attempt->error));

    ASSERT(length > 0 && (size_t)length < size);
    if (why[0] != '\0')
        snprintf(reason + length, size - (size_t)length, " (%s)", why);
}

static bool is_temporary(int error)
{
    return error == -ENOMEM || error == -EMFILE || error == -ENFILE ||
           error == -EAGAIN || error == -EINTR || error == -EBUSY;
}

bool refusal_find(char *reason, size_t size)
{
    ASSERT(size > 1);
    reason[0] = '\0';
    if (proc_seccomp() != 0) {
        int stage = send_scout();

        /* Not knowing is a reason, too: an attempt might be our last. */
        if (stage < 0)
            snprintf(reason, size,
                     "whether seccomp kills on io_uring cannot be tried: %s",
                     gyre_error_name(stage));
        else if (stage != STAGE_DONE)
            snprintf(reason, size, "seccomp kills on %s (SIGSYS)",
                     calls[stage]);
        if (reason[0] != '\0')
            return true;
    }
    struct attempt result = attempt();

    if (result.stage == STAGE_DONE)
        return true;
    if (is_temporary(result.error))
        return false;
    describe(&result, reason, size);
    return true;
}
