/* SPDX-License-Identifier: MIT */
/*
 * multipoll.c - POLL_ADD that goes on
 *
 * A multishot poll tells what is ready when it comes, and then each time the
 * descriptor wakes those who wait for it, whether or not the last news was
 * acted upon. That is an edge-triggered registration; those of wait.c are
 * one-shot, and armed again all the time, which would tell the same news again.
 * An epoll knows a descriptor once, so the multishot polls have one of their
 * own, made for the first of them, which lies in the other.
 *
 * All multishot polls on a descriptor share its registration. One more of them,
 * or an update, arms it anew, and then each of them may hear once more of what
 * is ready already.
 *
 * As on Linux, a poll that finds the CQ full ends: its last CQE needs no
 * memory. The numbers of descriptors are checked as wait.c does it.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "kernel/emu/internal.h"

enum { EVENTS_AT_ONCE = 32 };

static struct request *request_at(struct list *link)
{
    return CONTAINER_OF(link, struct request, link);
}

/* The epoll of the polls, made if need be: 0 or a negative errno. */
static int multipoll_open(struct emu *emu)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = EMU_KEY_POLLS };
    int fd, error;

    if (emu->polls_fd >= 0)
        return 0;
    fd = emu_move(emu, emu_result(epoll_create1(EPOLL_CLOEXEC)));
    if (fd < 0)
        return fd;
    error = emu_result(epoll_ctl(emu->epoll_fd, EPOLL_CTL_ADD, fd, &event));
    if (error < 0) {
        close(fd);
        return error;
    }
    emu->polls_fd = fd;
    return 0;
}

/* The file behind the number is gone: only a cancel can end them. */
void multipoll_orphan(struct emu *emu, struct fd_state *state)
{
    struct list *link;

    while ((link = list_take_first(&state->polls)) != NULL) {
        request_at(link)->place = EMU_ORPHANED;
        list_append(&emu->orphans, link);
        emu->polling--;
    }
    state->polls_registered = false;
}

static int multipoll_control(struct emu *emu, int op, int fd,
                             const struct fd_state *state, uint32_t mine)
{
    struct epoll_event event = {
        .data.u64 = (uint64_t)state->polls_generation << 32 | (uint32_t)fd,
    };
    uint32_t events = mine | EPOLLET;

    for (struct list *at = state->polls.next; at != &state->polls;
         at = at->next)
        events |= poll_wanted(request_at(at));
    event.events = events;
    return emu_result(epoll_ctl(emu->polls_fd, op, fd, &event));
}

/* Watch for what the polls on the descriptor want, and for `mine`. */
static int multipoll_arm(struct emu *emu, int fd, struct fd_state *state,
                         uint32_t mine)
{
    int error;

    if (state->polls_registered) {
        error = multipoll_control(emu, EPOLL_CTL_MOD, fd, state, mine);
        if (error != -ENOENT && error != -EBADF)
            return error;
        multipoll_orphan(emu, state);
        if (error == -EBADF)
            return error;
    }
    state->polls_generation++;
    error = multipoll_control(emu, EPOLL_CTL_ADD, fd, state, mine);
    /* The same file came back under the same number, by dup2(). */
    if (error == -EEXIST)
        error = multipoll_control(emu, EPOLL_CTL_MOD, fd, state, mine);
    state->polls_registered = error == 0;
    return error;
}

/* Begin, or go on after an update. What is ready now comes as an event. */
int multipoll_begin(struct emu *emu, struct request *r)
{
    struct fd_state *state;
    int error;

    if (r->sqe.fd < 0)
        return -EBADF;
    state = wait_get(emu, r->sqe.fd);
    if (state == NULL)
        return -ENOMEM;
    error = multipoll_open(emu);
    if (error == 0)
        error = multipoll_arm(emu, r->sqe.fd, state, poll_wanted(r));
    /* What never changes is told once, as of a single poll. */
    if (error == -EPERM) {
        error = poll_attempt(r);
        return error == EMU_WAIT ? -EINVAL : error;
    }
    if (error == 0)
        error = request_hold(emu, r);
    if (error != 0)
        return error;
    list_append(&state->polls, &r->link);
    r->place = EMU_POLLING;
    emu->polling++;
    return EMU_TAKEN;
}

/* A cancel or an update takes it out, or its end. */
void multipoll_leave(struct emu *emu, struct request *r)
{
    struct fd_state *state = wait_find(emu, r->sqe.fd);

    ASSERT(r->place == EMU_POLLING && state != NULL);
    list_remove(&r->link);
    r->place = EMU_NEW;
    emu->polling--;
    if (!list_is_empty(&state->polls) || !state->polls_registered)
        return;
    /* It may be gone already, and then so is its registration. */
    (void)epoll_ctl(emu->polls_fd, EPOLL_CTL_DEL, r->sqe.fd, NULL);
    state->polls_registered = false;
}

static void multipoll_event(struct emu *emu, const struct epoll_event *event)
{
    struct fd_state *state = wait_find(emu, (int)(uint32_t)event->data.u64);
    struct list *next;

    ASSERT(state != NULL);
    if ((uint32_t)(event->data.u64 >> 32) != state->polls_generation)
        return;
    for (struct list *at = state->polls.next; at != &state->polls; at = next) {
        struct request *r = request_at(at);
        uint32_t found = event->events & (poll_wanted(r) | EPOLLERR | EPOLLHUP);

        next = at->next;
        if (found == 0)
            continue;
        if (request_has_room(emu) && request_post_more(emu, r, (int)found)) {
            emu->events++;
            timeout_count(emu);
            continue;
        }
        multipoll_leave(emu, r);
        request_complete(emu, r, (int)found);
    }
}

void multipoll_serve(struct emu *emu)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count;

    do {
        count = epoll_wait(emu->polls_fd, events, EVENTS_AT_ONCE, 0);
        for (int i = 0; i < count; i++)
            multipoll_event(emu, &events[i]);
    } while (count == EVENTS_AT_ONCE);
}
