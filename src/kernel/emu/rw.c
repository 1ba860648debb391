/* SPDX-License-Identifier: MIT */
/*
 * rw.c - READ, WRITE, READV, WRITEV, and the same on registered memory
 *
 * The first try is preadv2() or pwritev2() with RWF_NOWAIT, which answers from
 * the page cache, a pipe or a socket, or says EAGAIN. Then it depends: epoll
 * accepts pipes and sockets, and refuses files (EPERM), whose disk has to be
 * waited for on a thread. Direct transfers go there at once.
 *
 * As on Linux, a short transfer of a stream is a result, and one of a file goes
 * on until all is done or the file ends. A descriptor without a position
 * ignores the offset. O_NONBLOCK makes no difference: the request waits.
 *
 * What knows no RWF_NOWAIT (EOPNOTSUPP: terminals, signalfd, inotify, procfs,
 * tmpfs, writes on some file systems) takes the slow lane, which never makes a
 * call that could block either.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "kernel/emu/internal.h"

#define RW_FLAGS 0x1ffU    /* that there are, up to RWF_NOSIGNAL (6.18) */
#define RW_MAX 0x7ffff000U /* Linux moves no more by one request */

/* A class that there is, and no level without one. The request is done at the
 * thread's own priority. */
static bool rw_has_priority(unsigned ioprio)
{
    enum { CLASS_SHIFT = 13, CLASS_IDLE = 3, LEVELS = 7 };
    unsigned class = ioprio >> CLASS_SHIFT;

    return class == 0 ? (ioprio & LEVELS) == 0 : class <= CLASS_IDLE;
}

int rw_check(const struct io_uring_sqe *sqe)
{
    if (!rw_has_priority(sqe->ioprio))
        return -EINVAL;
    /* Of a vector, a buffer of a group takes the place of the only part. */
    if (sqe->opcode == IORING_OP_READV && sqe->len != 1 &&
        (sqe->flags & IOSQE_BUFFER_SELECT) != 0)
        return -EINVAL;
    /* Polling for completion is for rings that were made for it. */
    return sqe->attr_type_mask != 0 || (sqe->rw_flags & RWF_HIPRI) != 0
               ? -EINVAL
               : 0;
}

static bool rw_is_vectored(const struct request *r)
{
    return !r->chosen && (r->sqe.opcode == IORING_OP_READV ||
                          r->sqe.opcode == IORING_OP_WRITEV ||
                          r->sqe.opcode == IORING_OP_READV_FIXED ||
                          r->sqe.opcode == IORING_OP_WRITEV_FIXED);
}

int rw_keep(struct request *r)
{
    if (!rw_is_vectored(r))
        return 0;
    return copy_vector(r, &r->kept.vector, r->sqe.addr, r->sqe.len);
}

/* What is still to be moved; `one` is room for it. A pipe that polls as
 * writable takes PIPE_BUF bytes without blocking, so a thread offers it no
 * more: one that is stuck in a write cannot be stopped. */
static struct vector rw_rest(const struct request *r, struct iovec *one)
{
    if (!rw_is_vectored(r)) {
        one->iov_base = (char *)emu_pointer(r->sqe.addr) + r->done;
        one->iov_len = r->sqe.len - r->done;
        if (r->serial &&
            (r->sqe.opcode == IORING_OP_WRITE ||
             r->sqe.opcode == IORING_OP_WRITE_FIXED) &&
            one->iov_len > PIPE_BUF)
            one->iov_len = PIPE_BUF;
        return (struct vector){ .iov = one, .count = 1 };
    }
    if (r->copied)
        return r->kept.vector;
    ASSERT(r->done == 0);
    return (struct vector){ .iov = emu_pointer(r->sqe.addr),
                            .count = r->sqe.len };
}

static int rw_call(const struct request *r, bool write, off_t offset, int flags)
{
    struct iovec one;
    struct vector rest = rw_rest(r, &one);
    int fd = r->sqe.fd;

    return emu_result(
        write ? pwritev2(fd, rest.iov, (int)rest.count, offset, flags)
              : preadv2(fd, rest.iov, (int)rest.count, offset, flags));
}

static bool rw_is_socket(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* One call; `stream` tells that the descriptor has no position. */
static int rw_once(const struct request *r, bool write, int flags, bool *stream)
{
    off_t offset = (off_t)r->sqe.off;
    int result;

    flags |= (int)r->sqe.rw_flags & ~RWF_NOWAIT;
    if (offset == -1)
        return rw_call(r, write, -1, flags);
    result = rw_call(r, write, offset + (off_t)r->done, flags);
    if (result != -ESPIPE)
        return result;
    *stream = true;
    /* Pipes and terminals do not look at the offset; sockets want none. */
    if (offset != 0 && rw_is_socket(r->sqe.fd))
        return -ESPIPE;
    return rw_call(r, write, -1, flags);
}

/* Is this a descriptor whose short transfers go on? */
static bool rw_is_file(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 &&
           (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode));
}

/* Move the start of a vector on; it has to be a copy for that. */
static int rw_advance(struct request *r, size_t bytes)
{
    int error = 0;

    if (!rw_is_vectored(r))
        return 0;
    if (!r->copied)
        error = rw_keep(r);
    if (error != 0)
        return error;
    r->copied = true;
    vector_advance(&r->kept.vector, bytes);
    return 0;
}

/* A call gave `result`. True: the request is over, with `*answer`; false: it is
 * a file, and there is more to move. */
static bool rw_is_over(struct request *r, int result, bool stream, int *answer)
{
    struct iovec one;
    struct vector rest = rw_rest(r, &one);
    size_t wanted;
    bool all, over;

    if (result <= 0) {
        *answer = request_cut_short(r, result);
        r->short_is_failure = result < 0 ||
                              vector_total(rest.iov, rest.count) > 0;
        return true;
    }
    wanted = vector_total(rest.iov, rest.count);
    all = (size_t)result == wanted;
    over = all || stream || wanted > RW_MAX || !rw_is_file(r->sqe.fd) ||
           rw_advance(r, (size_t)result) != 0;
    r->done += (uint32_t)result;
    r->short_is_failure = !all;
    *answer = (int)r->done;
    return over;
}

/* Streams without RWF_NOWAIT that are sockets: an old Linux. */
static int rw_socket(struct request *r, bool write)
{
    struct iovec one;
    struct vector rest = rw_rest(r, &one);
    struct msghdr message = { .msg_iov = rest.iov, .msg_iovlen = rest.count };
    int fd = r->sqe.fd;

    return emu_result(write ? sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
                            : recvmsg(fd, &message, MSG_DONTWAIT));
}

static int rw_slow_lane(struct request *r, bool write)
{
    struct stat status;
    bool stream = true;
    int flags, result, answer;

    if (fstat(r->sqe.fd, &status) != 0)
        return -errno;
    if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) ||
        S_ISDIR(status.st_mode)) {
        /* The caller's own RWF_NOWAIT, where there is none. Linux's ring makes
         * EAGAIN of it for writes. */
        if (request_is_impatient(&r->sqe) && !write)
            return -EOPNOTSUPP;
        return EMU_POOL;
    }
    flags = fcntl(r->sqe.fd, F_GETFL);
    if (S_ISSOCK(status.st_mode))
        result = rw_socket(r, write);
    else if (flags >= 0 && (flags & O_NONBLOCK) != 0)
        result = rw_once(r, write, 0, &stream);
    else if (poll_ready(r->sqe.fd, write ? POLLOUT : POLLIN))
        return EMU_POOL_SERIAL;
    else
        return EMU_WAIT;
    if (result == -EAGAIN)
        return EMU_WAIT;
    (void)rw_is_over(r, result, stream, &answer);
    return answer;
}

/*
 * A transfer past the page cache waits for the disk in the call that makes it:
 * RWF_NOWAIT keeps Linux from waiting for room in the disk's queue, and not for
 * that. Such a transfer is aligned, so the others need not ask what they are.
 */
static bool rw_is_direct(const struct request *r)
{
    enum { SECTOR_MASK = 511 };
    uint64_t place = r->sqe.off != UINT64_MAX ? r->sqe.off : 0;
    int flags;

    if (!rw_is_vectored(r))
        place |= r->sqe.addr | r->sqe.len;
    if ((place & SECTOR_MASK) != 0 || r->sqe.len == 0)
        return false;
    flags = fcntl(r->sqe.fd, F_GETFL);
    return flags >= 0 && (flags & O_DIRECT) != 0 && rw_is_file(r->sqe.fd);
}

static int rw_attempt(struct request *r, bool write)
{
    bool stream = false;
    int result, answer;

    if (rw_is_direct(r) && !request_is_impatient(&r->sqe))
        return EMU_POOL;
    do {
        result = rw_once(r, write, RWF_NOWAIT, &stream);
        if (result == -EAGAIN)
            return r->done > 0 ? EMU_POOL : EMU_WAIT;
        if (result == -EOPNOTSUPP)
            return (r->sqe.rw_flags & ~RW_FLAGS) != 0 ? result
                                                      : rw_slow_lane(r, write);
    } while (!rw_is_over(r, result, stream, &answer));
    return answer;
}

static int rw_work(struct request *r, bool write)
{
    bool stream = false;
    int result, answer;

    do {
        result = rw_once(r, write, 0, &stream);
        /* Somebody else was faster: wait again. */
        if (result == -EAGAIN && r->serial)
            return EMU_WAIT;
    } while (!rw_is_over(r, result, stream, &answer));
    return answer;
}

int rw_read(struct request *r)
{
    return request_chooses(r) ? select_read(r) : rw_attempt(r, false);
}

int rw_write(struct request *r)
{
    return rw_attempt(r, true);
}

int rw_read_work(struct request *r)
{
    return rw_work(r, false);
}

int rw_write_work(struct request *r)
{
    return rw_work(r, true);
}
