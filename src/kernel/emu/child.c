/* SPDX-License-Identifier: MIT */
/*
 * child.c - WAITID
 *
 * waitid(2) with WNOHANG tells at once whether a child has changed. What is
 * missing is to be told when to ask again. SIGCHLD is the program's: it may be
 * ignored, handled or blocked, and a handler of ours would be in its way. So:
 *
 *   one child, and its end only   a pidfd of our own, which is readable then
 *   any child, a group, a child   nothing that one could wait for: ask again
 *   that stops or goes on         and again, after 1 ms, 2, 4, up to 16 ms
 *
 * A child is looked at with WNOWAIT first, and is reaped with the caller's own
 * pointer, so that a bad one is Linux's to find.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/emu/internal.h"

#define PAUSE_FIRST_NS UINT64_C(1000000)
#define PAUSE_LAST_NS UINT64_C(16000000)

int child_check(const struct io_uring_sqe *sqe)
{
    return sqe->addr != 0 || sqe->buf_index != 0 || sqe->addr3 != 0 ||
                   sqe->waitid_flags != 0
               ? -EINVAL
               : 0;
}

static int child_wait(unsigned type, int id, siginfo_t *info, int options)
{
    return emu_result(
        waitid((idtype_t)type, (id_t)id, info, options | WNOHANG));
}

/* Linux's ring does not wait for a pidfd that is non-blocking. */
static bool child_is_impatient(const struct request *r, int id)
{
    int flags;

    if ((r->sqe.file_index & WNOHANG) != 0)
        return true;
    flags = r->sqe.len == P_PIDFD ? fcntl(id, F_GETFL) : 0;
    return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

static int child_try(const struct request *r, int id)
{
    int options = (int)r->sqe.file_index;
    siginfo_t *to = emu_pointer(r->sqe.addr2);
    siginfo_t info = { .si_pid = 0 };
    int error = child_wait(r->sqe.len, id, &info, options | WNOWAIT);

    if (error != 0)
        return error;
    if (info.si_pid == 0 && !child_is_impatient(r, id))
        return EMU_WAIT;
    if (to == NULL)
        to = &info;
    /* The same one, if there was one. */
    if (info.si_pid != 0)
        error = child_wait(P_PID, info.si_pid, to, options);
    else
        error = child_wait(r->sqe.len, id, to, options);
    /* Somebody else was quicker. */
    if (info.si_pid != 0 &&
        (error == -ECHILD || (error == 0 && to->si_pid == 0)))
        return EMU_WAIT;
    return error;
}

/* A pidfd that tells of the child's end; -1: there is none. */
static int child_open(const struct request *r, int id)
{
    int options = (int)r->sqe.file_index;

    if ((options & (WSTOPPED | WCONTINUED)) != 0)
        return -1;
    if (r->sqe.len == P_PID)
        return (int)syscall(SYS_pidfd_open, id, 0);
    if (r->sqe.len == P_PIDFD)
        return fcntl(id, F_DUPFD_CLOEXEC, 0);
    return -1;
}

int child_begin(struct emu *emu, struct request *r)
{
    struct kept_child *child = &r->kept.child;
    int id = r->sqe.fd;
    int verdict = child_try(r, id);
    int fd, error;

    if (verdict != EMU_WAIT)
        return verdict;
    child->id = id;
    child->pause_ns = PAUSE_FIRST_NS;
    error = request_hold(emu, r);
    if (error != 0)
        return error;
    fd = child_open(r, id);
    if (fd < 0) {
        timeout_sleep(emu, r, child->pause_ns);
        return EMU_TAKEN;
    }
    r->started = true;
    r->sqe.fd = fd;
    return EMU_WAIT;
}

/* The pidfd is readable. */
int child_attempt(struct request *r)
{
    return child_try(r, r->kept.child.id);
}

void child_tick(struct emu *emu, struct request *r)
{
    struct kept_child *child = &r->kept.child;
    int verdict = child_try(r, child->id);

    if (verdict != EMU_WAIT) {
        request_settle(emu, r, verdict);
        return;
    }
    if (child->pause_ns < PAUSE_LAST_NS)
        child->pause_ns *= 2;
    timeout_sleep(emu, r, child->pause_ns);
}

void child_after(struct emu *emu, const struct request *r, int result)
{
    (void)result;
    if (!r->started)
        return;
    wait_forget(emu, r->sqe.fd);
    close(r->sqe.fd);
}
