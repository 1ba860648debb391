/* SPDX-License-Identifier: MIT */
/*
 * select.c - requests that choose their buffers (IOSQE_BUFFER_SELECT)
 *
 * A receive or read looks at the first buffers of its group, tries to fill
 * them, and takes them if bytes have come (group.c): the buffer's number, and
 * whether more will come into it, are flags of the CQE. A multishot request
 * does so again and again (request.c); it ends with an error, with the end of
 * the stream, with -ENOBUFS when its group is empty, and if the CQ is full.
 *
 * A send takes its buffers at the first try, since they are what it sends.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "kernel/emu/internal.h"

/* There is no buffer. Linux looks at the descriptor first. */
static int select_failed(const struct request *r, int error)
{
    int type;
    socklen_t size = sizeof type;
    int fd = r->sqe.fd;

    if (r->op->attempt == rw_read)
        return fcntl(fd, F_GETFD) < 0 ? -errno : error;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ? -errno
                                                                 : error;
}

/* A receive without buffers, for whatever reason, says so in one way. */
static int select_look(struct request *r, size_t limit, struct look *look)
{
    int error = group_look(r, limit, false, look);

    return error == 0 ? 0 : select_failed(r, -ENOBUFS);
}

/* ---- reads --------------------------------------------------------------- */

int select_read_check(const struct io_uring_sqe *sqe)
{
    if ((sqe->flags & IOSQE_BUFFER_SELECT) == 0 || sqe->addr != 0 ||
        sqe->len != 0)
        return -EINVAL;
    return rw_check(sqe);
}

/* How much a read may take; of a vector the only part says so. */
static int read_limit(const struct request *r, size_t *limit)
{
    struct iovec part;
    int error = 0;

    *limit = r->sqe.len;
    if (r->sqe.opcode != IORING_OP_READV)
        return 0;
    if (r->copied)
        part = r->kept.vector.iov[0];
    else
        error = copy_in(&part, r->sqe.addr, sizeof part);
    if (error == 0)
        *limit = part.iov_len;
    return error;
}

int select_hold(struct request *r)
{
    size_t limit;
    int error = read_limit(r, &limit);

    if (error == 0)
        error = group_hold(r, limit);
    return error == -ENOENT ? -ENOBUFS : error;
}

static bool read_is_pollable(int fd)
{
    struct stat status;

    return fstat(fd, &status) != 0 ||
           !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) ||
             S_ISBLK(status.st_mode));
}

int select_read(struct request *r)
{
    uint64_t addr = r->sqe.addr;
    uint32_t len = r->sqe.len;
    struct look look;
    size_t limit;
    int verdict = read_limit(r, &limit);

    if (verdict == 0 && r->multishot && !read_is_pollable(r->sqe.fd))
        verdict = -EBADFD;
    if (verdict == 0)
        verdict = select_look(r, limit, &look);
    if (verdict != 0)
        return verdict;

    r->sqe.addr = (uintptr_t)look.pieces[0].iov_base;
    r->sqe.len = (uint32_t)look.size;
    r->chosen = true;
    verdict = rw_read(r);
    if (verdict == EMU_POOL || verdict == EMU_POOL_SERIAL) {
        r->cqe_flags = group_take(r, &look, look.size);
        return verdict;
    }
    r->chosen = false;
    r->sqe.addr = addr;
    r->sqe.len = len;
    r->over = verdict == 0;
    /* Of many, the end is none that fails the request. */
    if (r->over && r->multishot)
        r->short_is_failure = false;
    /* As on Linux, the end costs a single read its buffer. */
    if (verdict > 0 || (verdict == 0 && !r->multishot))
        r->cqe_flags = group_take(r, &look, (size_t)verdict);
    return verdict;
}

/* ---- receives ------------------------------------------------------------ */

/* Count down what a multishot receive may take in all. */
static void recv_count(struct request *r, size_t bytes)
{
    if (!r->multishot || r->sqe.optlen == 0)
        return;
    r->sqe.optlen -= bytes < r->sqe.optlen ? (uint32_t)bytes : r->sqe.optlen;
    r->over = r->sqe.optlen == 0;
}

static int recv_call(const struct request *r, struct look *look)
{
    struct msghdr message = { .msg_iov = look->pieces,
                              .msg_iovlen = look->count };

    return emu_result(
        recvmsg(r->sqe.fd, &message, (int)r->sqe.msg_flags | MSG_DONTWAIT));
}

int select_recv(struct request *r)
{
    bool bundle = (r->sqe.ioprio & IORING_RECVSEND_BUNDLE) != 0;
    bool all = (r->sqe.msg_flags & MSG_WAITALL) != 0;
    struct look look;
    int n = group_look(r, r->sqe.len, bundle, &look);

    if (n != 0)
        return select_failed(r, bundle ? n : -ENOBUFS);
    n = recv_call(r, &look);
    if (n == -EAGAIN)
        return EMU_WAIT;
    r->over = n == 0;
    r->short_is_failure = n < 0 || (all && (size_t)n < look.size);
    if (n <= 0)
        return n;
    if (r->short_is_failure && !bundle && net_is_connected_kind(r->sqe.fd)) {
        /* The rest comes into the same buffer. */
        r->cqe_flags = group_take(r, &look, look.size);
        r->sqe.addr = (uintptr_t)look.pieces[0].iov_base;
        r->sqe.len = (uint32_t)look.size;
        r->chosen = true;
        r->done = (uint32_t)n;
        return EMU_WAIT;
    }
    r->cqe_flags =
        group_take(r, &look, (size_t)n < look.size ? (size_t)n : look.size);
    recv_count(r, (size_t)n);
    return n;
}

/* Once: the bytes go to the group's buffer, all else to the caller's header. */
static int recvmsg_once(struct request *r, struct look *look)
{
    struct kept_message *kept = &r->kept.message;
    struct msghdr header = kept->hdr;
    int n;

    header.msg_iov = look->pieces;
    header.msg_iovlen = 1;
    n = emu_result(
        recvmsg(r->sqe.fd, &header, (int)r->sqe.msg_flags | MSG_DONTWAIT));
    if (n < 0)
        return n == -EAGAIN ? EMU_WAIT : n;
    kept->control_used = header.msg_controllen;
    message_tell(r, &header);
    if (n > 0)
        r->cqe_flags = group_take(
            r, look, (size_t)n < look->size ? (size_t)n : look->size);
    return n;
}

/*
 * Again and again: all goes to the group's buffer, in four parts of fixed
 * places: a header, room for the address, room for control data, the bytes.
 * The result is the length of all four.
 */
static int recvmsg_shot(struct request *r, struct look *look)
{
    const struct msghdr *asked = &r->kept.message.hdr;
    char *buffer = look->pieces[0].iov_base;
    size_t control_at = sizeof(struct io_uring_recvmsg_out) +
                        asked->msg_namelen;
    size_t bytes_at = control_at + asked->msg_controllen;
    struct io_uring_recvmsg_out out = { 0 };
    struct iovec bytes;
    struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };
    int n;

    if (look->size < bytes_at)
        return -EFAULT;
    bytes = (struct iovec){ buffer + bytes_at, look->size - bytes_at };
    if (asked->msg_namelen > 0) {
        header.msg_name = buffer + sizeof out;
        header.msg_namelen = asked->msg_namelen;
    }
    if (asked->msg_controllen > 0) {
        header.msg_control = buffer + control_at;
        header.msg_controllen = asked->msg_controllen;
    }
    n = emu_result(
        recvmsg(r->sqe.fd, &header, (int)r->sqe.msg_flags | MSG_DONTWAIT));
    if (n < 0)
        return n == -EAGAIN ? EMU_WAIT : n;
    out.namelen = header.msg_namelen;
    out.controllen = (uint32_t)header.msg_controllen;
    out.payloadlen = (uint32_t)n;
    out.flags = (uint32_t)header.msg_flags;
    /* Bytes that came show that the buffer can be written to. */
    if (n == 0 && copy_check_out((uintptr_t)buffer, sizeof out) != 0)
        return -EFAULT;
    memcpy(buffer, &out, sizeof out);
    r->over = n == 0;
    if ((size_t)n > bytes.iov_len)
        n = (int)bytes.iov_len;
    n += (int)bytes_at;
    r->cqe_flags = group_take(r, look, (size_t)n);
    return n;
}

int select_recvmsg(struct request *r)
{
    struct kept_message *kept = &r->kept.message;
    struct look look;
    size_t limit;
    int error = 0;

    if (!r->copied) {
        error = message_keep(r);
        if (error != 0)
            return error;
        r->copied = true;
    }
    if (kept->vector.count > 1)
        return -EINVAL;
    limit = kept->vector.count == 1 ? kept->vector.iov[0].iov_len : 0;
    error = select_look(r, limit, &look);
    if (error != 0)
        return error;
    return r->multishot ? recvmsg_shot(r, &look) : recvmsg_once(r, &look);
}

/* ---- sends --------------------------------------------------------------- */

int select_send(struct request *r)
{
    /* Of a list's buffer Linux sends all. */
    size_t limit = group_is_ring(r) ? r->sqe.len : 0;
    int error = select_failed(r, 0);

    if (error == 0)
        error = group_hold(r, limit);
    return error != 0 ? select_failed(r, error) : net_send(r);
}

/* Copy what was looked at, and the address, into the request. */
static int bundle_keep(struct request *r, const struct look *look)
{
    struct kept_message *kept = &r->kept.message;
    struct iovec *pieces = kept->vector.few;
    struct sockaddr_storage name;
    int error = r->copied ? 0 : net_send_keep(r);

    if (error != 0)
        return error;
    r->copied = true;
    if (look->count > ARRAY_SIZE(kept->vector.few)) {
        ASSERT(r->memory == NULL);
        pieces = alloc_zeroed(look->count, sizeof *pieces);
        if (pieces == NULL)
            return -ENOMEM;
        r->memory = pieces;
    }
    name = r->kept.name;
    memset(&kept->hdr, 0, sizeof kept->hdr);
    kept->name = name;
    if (r->sqe.addr2 != 0) {
        kept->hdr.msg_name = &kept->name;
        kept->hdr.msg_namelen = r->sqe.addr_len;
    }
    memcpy(pieces, look->pieces, look->count * sizeof *pieces);
    kept->vector.iov = pieces;
    kept->vector.count = look->count;
    return 0;
}

static void bundle_let_go(struct request *r)
{
    struct sockaddr_storage name = r->kept.message.name;

    alloc_free(r->memory);
    r->memory = NULL;
    r->kept.name = name;
    r->chosen = false;
}

static int bundle_choose(struct request *r)
{
    struct look look;
    int error = group_look(r, r->sqe.len, true, &look);

    if (error != 0)
        return select_failed(r, error);
    error = bundle_keep(r, &look);
    if (error != 0)
        return error;
    r->cqe_flags = group_take(r, &look, look.size);
    r->chosen = true;
    r->over = group_is_empty(r);
    return 0;
}

/* All that the group has, in one result; several if the group is filled more
 * quickly than that, unless the send has to wait. */
int select_send_bundle(struct request *r)
{
    struct kept_message *kept = &r->kept.message;
    int error = r->chosen ? 0 : bundle_choose(r);
    size_t wanted;
    int n;

    if (error != 0)
        return error;
    kept->hdr.msg_iov = kept->vector.iov;
    kept->hdr.msg_iovlen = kept->vector.count;
    wanted = vector_total(kept->vector.iov, kept->vector.count);
    n = emu_result(
        sendmsg(r->sqe.fd, &kept->hdr,
                (int)r->sqe.msg_flags | MSG_DONTWAIT | MSG_NOSIGNAL));
    if (n == -EAGAIN ||
        (n > 0 && (size_t)n < wanted && net_is_connected_kind(r->sqe.fd))) {
        r->over = true;
        if (n > 0) {
            r->done += (uint32_t)n;
            vector_advance(&kept->vector, (size_t)n);
        }
        return EMU_WAIT;
    }
    r->short_is_failure = n < 0 || (size_t)n < wanted;
    return n < 0 ? request_cut_short(r, n) : (int)r->done + n;
}

/* ---- several results ----------------------------------------------------- */

/* Between two results of a multishot request. */
void select_shot_is_over(struct request *r)
{
    r->cqe_flags = 0;
    r->done = 0;
    r->short_is_failure = false;
    if (r->sqe.opcode == IORING_OP_READ_MULTISHOT) {
        r->chosen = false;
        r->sqe.addr = 0;
        r->sqe.len = 0;
    }
    if (r->sqe.opcode == IORING_OP_SEND)
        bundle_let_go(r);
}
