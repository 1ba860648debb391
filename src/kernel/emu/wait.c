/* SPDX-License-Identifier: MIT */
/*
 * wait.c - waiting for descriptors
 *
 * Per descriptor there are three queues: requests that wait for data, for room,
 * and those that wait for events of their own (polls). The first two are served
 * in order; when one of them would still block, those behind it are not tried.
 *
 * Each new wait says so to Linux by one epoll_ctl(), one-shot, with the union
 * of what is waited for. It also is the check that the number still means what
 * it meant: a descriptor that was closed has left the epoll, so if MOD answers
 * ENOENT, all that waited on that number waits on a file that is gone. Such
 * requests become orphans, which a cancel can still end, as on Linux; they are
 * never tried on the new file.
 *
 *   event ---> serve the queues ---> anybody left? ---> MOD again
 *
 * Events carry the generation of the registration: one that was made for an
 * earlier file under the same number (a duplicate keeps it alive) is ignored.
 *
 * Readiness that is of no use to anybody and does not go away (a socket's error
 * queue while somebody waits for data, a datagram socket that was shut down)
 * would make a one-shot wait spin. After such an event the descriptor is
 * watched edge-triggered, and is not armed again until something else happens.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/emu/internal.h"

enum { FDS_PER_CHUNK = 64, EVENTS_BRISK = 4 };

/* Reported by epoll whether asked for or not. */
#define ALWAYS ((uint32_t)(EPOLLERR | EPOLLHUP))

/* The descriptor that it waits for, if it has to. */
int request_awaited(const struct request *r)
{
    return r->at_source ? r->sqe.splice_fd_in : r->sqe.fd;
}

enum direction request_direction(const struct request *r)
{
    if (r->at_source)
        return EMU_IN;
    /* The error queue is not data. */
    if (r->sqe.opcode == IORING_OP_RECVMSG &&
        (r->sqe.msg_flags & MSG_ERRQUEUE) != 0)
        return EMU_OTHER;
    return r->op->direction;
}

static uint32_t request_events(const struct request *r)
{
    switch (request_direction(r)) {
    case EMU_IN:
        return EPOLLIN;
    case EMU_OUT:
        return EPOLLOUT;
    default:
        if (r->sqe.opcode == IORING_OP_POLL_ADD)
            return (r->sqe.poll32_events & 0xffff) | EPOLLRDHUP;
        return EPOLLPRI | EPOLLERR;
    }
}

struct fd_state *wait_find(struct emu *emu, int fd)
{
    size_t chunk = (size_t)fd / FDS_PER_CHUNK;

    if (fd < 0 || chunk >= emu->fds_size || emu->fds[chunk] == NULL)
        return NULL;
    return &emu->fds[chunk][fd % FDS_PER_CHUNK];
}

static bool wait_grow(struct emu *emu, size_t chunk)
{
    size_t size = emu->fds_size == 0 ? 16 : emu->fds_size;
    struct fd_state **fds;

    if (chunk < emu->fds_size)
        return true;
    while (size <= chunk)
        size *= 2;
    fds = alloc_zeroed(size, sizeof *fds);
    if (fds == NULL)
        return false;
    if (emu->fds != NULL)
        memcpy(fds, emu->fds, emu->fds_size * sizeof *fds);
    alloc_free(emu->fds);
    emu->fds = fds;
    emu->fds_size = size;
    return true;
}

/* The state of a descriptor, made if need be; NULL: no memory. */
struct fd_state *wait_get(struct emu *emu, int fd)
{
    size_t chunk = (size_t)fd / FDS_PER_CHUNK;
    struct fd_state *states = NULL;

    ASSERT(fd >= 0);
    if (!wait_grow(emu, chunk))
        return NULL;
    if (emu->fds[chunk] == NULL) {
        states = alloc_zeroed(FDS_PER_CHUNK, sizeof *states);
        if (states == NULL)
            return NULL;
        for (size_t i = 0; i < FDS_PER_CHUNK; i++) {
            list_init(&states[i].polls);
            for (size_t d = 0; d < EMU_DIRECTIONS; d++)
                list_init(&states[i].waiting[d]);
        }
        emu->fds[chunk] = states;
    }
    return wait_find(emu, fd);
}

void wait_deinit(struct emu *emu)
{
    for (size_t i = 0; i < emu->fds_size; i++)
        alloc_free(emu->fds[i]);
    alloc_free(emu->fds);
    emu->fds = NULL;
    emu->fds_size = 0;
}

/* Does anybody stand in line on the descriptor, in this direction? */
bool wait_has_line(struct emu *emu, int fd, enum direction direction)
{
    struct fd_state *state = wait_find(emu, fd);

    if (state == NULL || (direction != EMU_IN && direction != EMU_OUT))
        return false;
    return state->busy[direction] != NULL ||
           !list_is_empty(&state->waiting[direction]);
}

/* Should the request stand in line without a try of its own? */
bool wait_must_queue(struct emu *emu, const struct request *r)
{
    struct fd_state *state = wait_find(emu, request_awaited(r));

    /* A splice finds the line that is its own by a try. */
    if (state == NULL || request_is_impatient(&r->sqe) ||
        r->op->attempt == splice_attempt)
        return false;
    if (wait_has_line(emu, request_awaited(r), request_direction(r)))
        return true;
    /* Only a guess that spares a useless receive: epoll knows better. Where
     * much goes on it is wrong more often than not: the peer has answered
     * before it is its turn again, and a wait costs more than a try. One that
     * has no buffer to choose ends at once. */
    if (!state->drained || state->brisk || r->sqe.opcode != IORING_OP_RECV)
        return false;
    return !request_chooses(r) || !group_is_empty(r);
}

static uint32_t wait_interest(const struct fd_state *state)
{
    const struct list *others = &state->waiting[EMU_OTHER];
    uint32_t events = 0;

    if (!list_is_empty(&state->waiting[EMU_IN]) && state->busy[EMU_IN] == NULL)
        events |= EPOLLIN;
    if (!list_is_empty(&state->waiting[EMU_OUT]) &&
        state->busy[EMU_OUT] == NULL)
        events |= EPOLLOUT;
    for (const struct list *at = others->next; at != others; at = at->next)
        events |= request_events(CONTAINER_OF(at, const struct request, link)) |
                  ALWAYS;
    return events;
}

static void wait_count(struct emu *emu, const struct request *r, int change)
{
    emu->waiting += (unsigned)change;
    if (r->op->splices)
        emu->splices += (unsigned)change;
}

/* The file behind the number is gone, with all that waited for it. */
static void wait_orphan(struct emu *emu, struct fd_state *state)
{
    for (int d = 0; d < EMU_DIRECTIONS; d++) {
        struct list *link;

        while ((link = list_take_first(&state->waiting[d])) != NULL) {
            struct request *r = CONTAINER_OF(link, struct request, link);

            r->place = EMU_ORPHANED;
            list_append(&emu->orphans, link);
            wait_count(emu, r, -1);
        }
        state->busy[d] = NULL;
    }
    state->registered = false;
    state->edge = false;
    state->drained = false;
}

static int wait_control(struct emu *emu, int op, int fd,
                        const struct fd_state *state, uint32_t events)
{
    struct epoll_event event = {
        .events = events | (state->edge ? EPOLLET : EPOLLONESHOT),
        .data.u64 = (uint64_t)state->generation << 32 | (uint32_t)fd,
    };

    return emu_result(epoll_ctl(emu->epoll_fd, op, fd, &event));
}

/* Ask epoll for what waits on the descriptor and, if `mine` is not 0, for a
 * new request that waits for `mine`. */
static int wait_arm(struct emu *emu, int fd, struct fd_state *state,
                    uint32_t mine)
{
    int error;

    if (state->registered) {
        error = wait_control(emu, EPOLL_CTL_MOD, fd, state,
                             wait_interest(state) | mine);
        if (error != -ENOENT && error != -EBADF)
            return error;
        wait_orphan(emu, state);
        if (error == -EBADF || mine == 0)
            return error;
    }
    state->generation++;
    mine |= wait_interest(state);
    error = wait_control(emu, EPOLL_CTL_ADD, fd, state, mine);
    /* The same file came back under the same number, by dup2(). */
    if (error == -EEXIST)
        error = wait_control(emu, EPOLL_CTL_MOD, fd, state, mine);
    state->registered = error == 0;
    return error;
}

/* Stand in line; a request that was there before it went to the pool stands
 * first. On an error it waits nowhere. */
int wait_add(struct emu *emu, struct request *r)
{
    enum direction direction = request_direction(r);
    struct fd_state *state;
    uint32_t events;
    int error;

    ASSERT(direction < EMU_DIRECTIONS && r->place == EMU_NEW);
    if (request_awaited(r) < 0)
        return -EBADF;
    state = wait_get(emu, request_awaited(r));
    if (state == NULL)
        return -ENOMEM;
    /* While a worker has the descriptor, readiness is not news; but the check
     * of the number has to be made. */
    events = state->busy[direction] == NULL ? request_events(r) : 0;
    error = wait_arm(emu, request_awaited(r), state, events | ALWAYS);
    if (error != 0)
        return error;

    if (r->serial)
        list_prepend(&state->waiting[direction], &r->link);
    else
        list_append(&state->waiting[direction], &r->link);
    r->place = EMU_WAITING;
    wait_count(emu, r, 1);
    return 0;
}

/* A cancel takes the request out. The registration stays; an event that finds
 * nobody does nothing. */
void wait_leave(struct emu *emu, struct request *r)
{
    ASSERT(r->place == EMU_WAITING || r->place == EMU_ORPHANED);
    list_remove(&r->link);
    if (r->place == EMU_WAITING)
        wait_count(emu, r, -1);
    r->place = EMU_NEW;
}

/* Serve a queue in order, as far as it goes. */
static bool wait_serve(struct emu *emu, struct fd_state *state,
                       enum direction direction)
{
    struct list *queue = &state->waiting[direction];
    bool progress = false;

    while (!list_is_empty(queue) && state->busy[direction] == NULL) {
        struct request *r = CONTAINER_OF(queue->next, struct request, link);
        int verdict = request_attempt(emu, r);

        progress |= verdict != EMU_WAIT;
        if (verdict == EMU_WAIT || verdict == EMU_AGAIN)
            break;
        wait_leave(emu, r);
        request_settle(emu, r, verdict);
    }
    return progress;
}

/* Polls, and reads of the error queue: each has its own events. */
static bool wait_serve_others(struct emu *emu, struct fd_state *state,
                              uint32_t events)
{
    struct list *queue = &state->waiting[EMU_OTHER];
    struct list *next;
    bool progress = false;

    for (struct list *at = queue->next; at != queue; at = next) {
        struct request *r = CONTAINER_OF(at, struct request, link);
        int verdict;

        next = at->next;
        if ((events & (request_events(r) | ALWAYS)) == 0)
            continue;
        r->seen = events;
        verdict = request_attempt(emu, r);
        progress |= verdict != EMU_WAIT;
        if (verdict == EMU_WAIT || verdict == EMU_AGAIN)
            continue;
        wait_leave(emu, r);
        request_settle(emu, r, verdict);
    }
    return progress;
}

static void wait_rearm(struct emu *emu, int fd, struct fd_state *state)
{
    /* Errors need no care: a file that is gone has made orphans, and the others
     * (no memory) cannot happen to an entry that exists. */
    if (wait_interest(state) != 0)
        (void)wait_arm(emu, fd, state, 0);
}

void wait_event(struct emu *emu, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    uint32_t events = event->events;
    struct fd_state *state = wait_find(emu, fd);
    bool progress = false;

    ASSERT(state != NULL);
    if ((uint32_t)(event->data.u64 >> 32) != state->generation)
        return;
    state->drained = false;
    state->brisk = emu->events_at_once >= EVENTS_BRISK;
    if ((events & (EPOLLIN | ALWAYS)) != 0)
        progress |= wait_serve(emu, state, EMU_IN);
    if ((events & (EPOLLOUT | ALWAYS)) != 0)
        progress |= wait_serve(emu, state, EMU_OUT);
    progress |= wait_serve_others(emu, state, events);

    if (!progress && state->edge)
        return; /* still armed, for the next change */
    state->edge = !progress && wait_interest(state) != 0;
    wait_rearm(emu, fd, state);
}

/* A worker takes the descriptor for itself in one direction. */
int wait_reserve(struct emu *emu, struct request *r)
{
    enum direction direction = request_direction(r);
    struct fd_state *state = wait_get(emu, request_awaited(r));

    if (state == NULL)
        return -ENOMEM;
    ASSERT(direction < EMU_OTHER && state->busy[direction] == NULL);
    state->busy[direction] = r;
    return 0;
}

void wait_release(struct emu *emu, struct request *r)
{
    struct fd_state *state = wait_find(emu, request_awaited(r));
    enum direction direction = request_direction(r);

    ASSERT(state != NULL);
    /* Or the number has come to mean another file meanwhile. */
    if (state->busy[direction] == r)
        state->busy[direction] = NULL;
}

/* After a worker: those behind it in the queue. */
void wait_resume(struct emu *emu, int fd, enum direction direction)
{
    struct fd_state *state = wait_find(emu, fd);

    if (list_is_empty(&state->waiting[direction]))
        return;
    (void)wait_serve(emu, state, direction);
    wait_rearm(emu, fd, state);
}

/* Close a descriptor of our own, on which nothing waits any more. Its file may
 * live on under other numbers, so epoll has to be told. */
void wait_close(struct emu *emu, int fd)
{
    struct fd_state *state = wait_find(emu, fd);

    if (state != NULL && state->registered)
        (void)epoll_ctl(emu->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    if (state != NULL)
        wait_orphan(emu, state);
    (void)close(fd);
}

/* The descriptor has been closed by a request. */
void wait_forget(struct emu *emu, int fd)
{
    struct fd_state *state = wait_find(emu, fd);

    if (state == NULL)
        return;
    wait_orphan(emu, state);
    multipoll_orphan(emu, state);
}
