/* SPDX-License-Identifier: MIT */
/*
 * splice.c - SPLICE, TEE, PIPE
 *
 * A splice has two ends, and may have to wait for either. It is tried without
 * blocking; if that says EAGAIN, a look at both ends tells which one it waits
 * for. When that one is ready the other may no longer be, and the request moves
 * from one line to the other.
 *
 *     in not ready: stand in line at `in`       (at_source)
 *     else:         stand in line at `out`
 *
 * Pipes obey SPLICE_F_NONBLOCK, and what has O_NONBLOCK itself. The rest may
 * block: files for a disk, blocking sockets and terminals for a peer. These go
 * to a thread, the latter when they are ready, and with no more than such a
 * descriptor takes at once.
 *
 * As on Linux's ring, and unlike READ and WRITE, O_NONBLOCK counts: -EAGAIN
 * instead of a wait.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/emu/internal.h"

#define FLAGS_KNOWN                                                            \
    ((uint32_t)(SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE |            \
                SPLICE_F_GIFT) |                                               \
     SPLICE_F_FD_IN_FIXED /* gone when it is executed */)

struct end {
    int fd;
    bool pipe;
    bool disk; /* no readiness to wait for, but a disk */
    bool nonblocking;
};

static int end_look(struct end *end, int fd)
{
    struct stat status;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fstat(fd, &status) != 0)
        return -errno;
    end->fd = fd;
    end->pipe = S_ISFIFO(status.st_mode);
    end->disk = S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) ||
                S_ISDIR(status.st_mode);
    end->nonblocking = (flags & O_NONBLOCK) != 0;
    return 0;
}

struct ends {
    struct end in;
    struct end out;
};

static int ends_look(struct ends *ends, const struct request *r)
{
    int error = end_look(&ends->in, r->sqe.splice_fd_in);

    return error != 0 ? error : end_look(&ends->out, r->sqe.fd);
}

static bool end_is_ready(const struct end *end, short events)
{
    return end->disk || poll_ready(end->fd, events);
}

/* Would Linux rather say so than wait for that end? A pipe takes the other's
 * word for it; a socket to be written to does not even hear of the flag. */
static bool is_impatient(const struct request *r, const struct ends *ends,
                         bool source)
{
    const struct end *mine = source ? &ends->in : &ends->out;
    const struct end *other = source ? &ends->out : &ends->in;

    if (mine->nonblocking)
        return true;
    if (!source && !mine->pipe)
        return false;
    return (r->sqe.splice_flags & SPLICE_F_NONBLOCK) != 0 ||
           (other->pipe && other->nonblocking);
}

/* Wait for one end, in its line. */
static int wait_for(struct request *r, const struct ends *ends, bool source)
{
    if (is_impatient(r, ends, source))
        return -EAGAIN;
    if (r->at_source == source)
        return EMU_WAIT;
    r->at_source = source;
    return EMU_WAIT_ELSEWHERE;
}

static long splice_call(const struct request *r, size_t size)
{
    int in = r->sqe.splice_fd_in, out = r->sqe.fd;
    unsigned flags = r->sqe.splice_flags | SPLICE_F_NONBLOCK;
    loff_t in_at = (loff_t)r->sqe.splice_off_in, out_at = (loff_t)r->sqe.off;

    if (r->sqe.opcode == IORING_OP_TEE)
        return tee(in, out, size, flags);
    return splice(in, in_at == -1 ? NULL : &in_at, out,
                  out_at == -1 ? NULL : &out_at, size, flags);
}

/* Without SIGPIPE, which Linux's ring does not send, either. */
static int splice_quietly(const struct request *r, size_t size)
{
    sigset_t pipe, before, pending;
    const struct timespec now = { 0 };
    int result;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    result = emu_result(splice_call(r, size));
    if (result == -EPIPE && !sigismember(&before, SIGPIPE) &&
        sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE))
        (void)sigtimedwait(&pipe, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

int splice_check(const struct io_uring_sqe *sqe)
{
    return sqe->ioprio != 0 || (sqe->splice_flags & ~FLAGS_KNOWN) != 0 ? -EINVAL
                                                                       : 0;
}

int splice_tee_check(const struct io_uring_sqe *sqe)
{
    return sqe->off != 0 || sqe->splice_off_in != 0 ? -EINVAL
                                                    : splice_check(sqe);
}

/* Which end is not ready? If both are, one has just become so: the request
 * stands in line at `out`, where it is told at once. */
static int splice_wait(struct request *r, const struct ends *ends)
{
    return wait_for(r, ends, !end_is_ready(&ends->in, POLLIN));
}

/* Less than was asked for is a failure, for those behind it in a chain. */
static int splice_end(struct request *r, int result)
{
    r->short_is_failure = result < 0 || (uint32_t)result != r->sqe.len;
    return result;
}

int splice_attempt(struct request *r)
{
    struct ends ends;
    int result = ends_look(&ends, r);

    if (result != 0)
        return result;
    if (r->sqe.len == 0)
        return 0;
    if (!ends.in.pipe && !ends.out.pipe)
        return -EINVAL;
    if (ends.in.disk || ends.out.disk) {
        /* The end to stand in line at, if it comes to that. */
        r->at_source = ends.out.disk;
        return EMU_POOL;
    }
    if ((ends.in.pipe || ends.in.nonblocking) &&
        (ends.out.pipe || ends.out.nonblocking)) {
        result = splice_quietly(r, r->sqe.len);
        return result == -EAGAIN ? splice_wait(r, &ends)
                                 : splice_end(r, result);
    }
    if (!end_is_ready(&ends.in, POLLIN))
        return wait_for(r, &ends, true);
    if (!end_is_ready(&ends.out, POLLOUT))
        return wait_for(r, &ends, false);
    return EMU_POOL;
}

int splice_work(struct request *r)
{
    size_t size = r->sqe.len;
    struct ends ends;
    int result = ends_look(&ends, r);

    if (result != 0)
        return result;
    if (!ends.out.pipe && !ends.out.disk && size > PIPE_BUF)
        size = PIPE_BUF;
    result = splice_quietly(r, size);
    if (result != -EAGAIN)
        return splice_end(r, result);
    return is_impatient(r, &ends, r->at_source) ? -EAGAIN : EMU_WAIT;
}

int splice_pipe_check(const struct io_uring_sqe *sqe)
{
    uint32_t known = O_CLOEXEC | O_NONBLOCK | O_DIRECT |
                     O_EXCL /* O_NOTIFICATION_PIPE */;

    return sqe->ioprio != 0 || sqe->fd != 0 || sqe->off != 0 ||
                   sqe->addr3 != 0 || sqe->file_index != 0 ||
                   (sqe->pipe_flags & ~known) != 0
               ? -EINVAL
               : 0;
}

/* Not pipe2(): the C library's declaration promises that the pointer is good,
 * which here is for Linux to judge. */
int splice_pipe(struct request *r)
{
    return emu_result(
        syscall(SYS_pipe2, emu_pointer(r->sqe.addr), r->sqe.pipe_flags));
}
