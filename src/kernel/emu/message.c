/* SPDX-License-Identifier: MIT */
/*
 * message.c - RECVMSG, SENDMSG, SENDMSG_ZC
 *
 * The first try uses the caller's msghdr as it is. A request that has to wait
 * works on a copy of the header, the iovecs and (when sending) the address, for
 * those may go once the request is submitted. What the header points to for the
 * result stays the caller's: data, control data, the address received.
 *
 * A receive tells its results (length of the address, length of the control
 * data, flags) by writing into the caller's header, at the end.
 */
#include <errno.h>
#include <sys/socket.h>

#include "kernel/emu/internal.h"

static bool message_is_send(const struct request *r)
{
    return r->sqe.opcode != IORING_OP_RECVMSG;
}

int message_keep(struct request *r)
{
    struct kept_message *kept = &r->kept.message;
    int error = copy_in(&kept->hdr, r->sqe.addr, sizeof kept->hdr);

    if (error == 0 && !message_is_send(r) && !request_is_multishot(&r->sqe))
        error = copy_check_out(r->sqe.addr, sizeof kept->hdr);
    if (error != 0)
        return error;
    kept->control_used = 0;
    error = copy_vector(r, &kept->vector, (uintptr_t)kept->hdr.msg_iov,
                        kept->hdr.msg_iovlen);
    if (error != 0)
        return error == -EINVAL ? -EMSGSIZE : error;
    kept->hdr.msg_iov = kept->vector.iov;
    if (!message_is_send(r) || kept->hdr.msg_name == NULL)
        return 0;
    if (kept->hdr.msg_namelen > sizeof kept->name)
        return -EINVAL;
    error = copy_in(&kept->name, (uintptr_t)kept->hdr.msg_name,
                    kept->hdr.msg_namelen);
    kept->hdr.msg_name = &kept->name;
    return error;
}

/* The parts of a transfer with MSG_WAITALL are counted on the copy. */
static int message_prepare(struct request *r)
{
    int error = 0;

    if (!r->copied && (r->sqe.msg_flags & MSG_WAITALL) != 0) {
        error = message_keep(r);
        r->copied = error == 0;
    }
    return error;
}

/* The header for the next call, from the copy. */
static struct msghdr message_rest(const struct kept_message *kept)
{
    struct msghdr rest = kept->hdr;

    rest.msg_iov = kept->vector.iov;
    rest.msg_iovlen = kept->vector.count;
    if (rest.msg_control != NULL) {
        rest.msg_control = (char *)rest.msg_control + kept->control_used;
        rest.msg_controllen -= kept->control_used;
    }
    return rest;
}

void message_tell(const struct request *r, const struct msghdr *got)
{
    struct msghdr *caller = emu_pointer(r->sqe.addr);
    const struct msghdr *given = &r->kept.message.hdr;

    /* As on Linux: without a place for a name its length is left alone. */
    if (got->msg_name != NULL)
        caller->msg_namelen = got->msg_namelen;
    /* What is as it was given is not written: there are programs whose header
     * is gone by now, and Linux's write of the same was not noticed. */
    if (given->msg_controllen != r->kept.message.control_used)
        caller->msg_controllen = r->kept.message.control_used;
    if (given->msg_flags != got->msg_flags)
        caller->msg_flags = got->msg_flags;
}

static int message_finish(struct request *r, int n)
{
    struct vector *vector = &r->kept.message.vector;
    size_t wanted = (size_t)-1;
    int verdict;

    if (r->copied)
        wanted = vector_total(vector->iov, vector->count);
    verdict = net_finish(r, n, wanted);
    if (verdict == EMU_WAIT && n > 0)
        vector_advance(vector, (size_t)n);
    return verdict;
}

int message_recv(struct request *r)
{
    struct kept_message *kept = &r->kept.message;
    int flags = (int)r->sqe.msg_flags | MSG_DONTWAIT;
    struct msghdr rest;
    int error, n;

    if (request_chooses(r))
        return select_recvmsg(r);
    error = message_prepare(r);
    if (error != 0)
        return error;
    if (!r->copied)
        return message_finish(
            r, emu_result(recvmsg(r->sqe.fd, emu_pointer(r->sqe.addr), flags)));
    rest = message_rest(kept);
    rest.msg_flags = 0;
    n = emu_result(recvmsg(r->sqe.fd, &rest, flags));
    if (n >= 0) {
        kept->control_used += rest.msg_controllen;
        message_tell(r, &rest);
    }
    n = message_finish(r, n);
    r->short_is_failure |= (flags & MSG_WAITALL) != 0 &&
                           (rest.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    return n;
}

int message_send(struct request *r)
{
    struct kept_message *kept = &r->kept.message;
    int flags = (int)r->sqe.msg_flags | MSG_DONTWAIT | MSG_NOSIGNAL;
    int error = message_prepare(r);
    struct msghdr rest;
    int n;

    if (error != 0)
        return error;
    if (!r->copied)
        return message_finish(
            r, emu_result(sendmsg(r->sqe.fd, emu_pointer(r->sqe.addr), flags)));
    rest = message_rest(kept);
    n = emu_result(sendmsg(r->sqe.fd, &rest, flags));
    /* Control data goes with the first byte and must not go again. */
    if (n > 0)
        kept->control_used = kept->hdr.msg_controllen;
    return message_finish(r, n);
}

int message_send_zc(struct request *r)
{
    int error = r->held ? 0 : net_zc_refusal(r);

    return error != 0 ? error : message_send(r);
}
