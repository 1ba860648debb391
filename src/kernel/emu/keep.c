/* SPDX-License-Identifier: MIT */
/*
 * keep.c - descriptors that are closed under requests
 *
 * On Linux a request holds its file. Here it knows a number, and two kinds of
 * requests go by it later: one that a thread is to execute, and one with two
 * descriptors (a splice) that waits at one of them and then uses the other.
 * They must not meet another file that was given the number meanwhile. So a
 * CLOSE of such a number says that it is done, and the descriptor is closed
 * when the last request that needs it has ended.
 *
 * Of all requests that need a closed number, one keeps it; when it ends another
 * one does, or nobody. Which waits at the number itself is no matter of this
 * file: it becomes an orphan (wait.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "kernel/emu/internal.h"

enum { END_FD, END_SOURCE, ENDS };

static int end_number(const struct request *r, int end)
{
    return end == END_FD ? r->sqe.fd : r->sqe.splice_fd_in;
}

/* Will the request use the number that was given to it for this end? */
static bool end_is_needed(const struct request *r, int end)
{
    if (r->keeps[end])
        return true;
    if (r->files[end] != NULL || (end == END_FD && r->op->no_file) ||
        (end == END_SOURCE && !r->op->splices))
        return false;
    return r->place == EMU_POOLED ||
           (r->place == EMU_WAITING && r->op->splices &&
            r->at_source != (end == END_SOURCE));
}

/* Who needs the number: the one that keeps it, if it has been closed. */
static struct request *keep_find(const struct emu *emu, int fd, int *which)
{
    struct request *found = NULL;

    if (LIKELY(emu->pooled == 0 && emu->splices == 0 && emu->kept == 0))
        return NULL;
    for (struct list *at = emu->held.next; at != &emu->held; at = at->next) {
        struct request *r = CONTAINER_OF(at, struct request, all);

        for (int end = 0; end < ENDS; end++) {
            if (end_number(r, end) != fd || !end_is_needed(r, end))
                continue;
            if (found == NULL || r->keeps[end]) {
                found = r;
                *which = end;
            }
            if (r->keeps[end])
                return r;
        }
    }
    return found;
}

bool keep_is_needed(const struct emu *emu, int fd)
{
    int end;

    return keep_find(emu, fd, &end) != NULL;
}

static void keep_set(struct emu *emu, struct request *r, int end)
{
    r->keeps[end] = true;
    emu->kept++;
}

/* 0: it will be closed later; 1: close it; -EBADF: it is closed. */
int keep_instead(struct emu *emu, int fd)
{
    int end;
    struct request *r = keep_find(emu, fd, &end);

    if (r == NULL)
        return 1;
    if (r->keeps[end] || fcntl(fd, F_GETFD) < 0)
        return -EBADF;
    keep_set(emu, r, end);
    return 0;
}

/* The request has ended, and is held no more. */
void keep_end(struct emu *emu, struct request *r)
{
    for (int end = 0; end < ENDS; end++) {
        int fd = end_number(r, end), other_end;
        struct request *other;

        if (!r->keeps[end])
            continue;
        r->keeps[end] = false;
        emu->kept--;
        other = keep_find(emu, fd, &other_end);
        if (other != NULL)
            keep_set(emu, other, other_end);
        else
            (void)close(fd);
    }
}
