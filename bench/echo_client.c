/* SPDX-License-Identifier: MIT */
/*
 * echo_client.c - who asks; by epoll, so that it runs everywhere
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo.h"

#define EVENTS 256
#define SIZE_MAX_ 4096

struct state {
    const struct echo_client *client;
    uint32_t *missing; /* bytes of the answer, by connection */
    int epoll;
    unsigned under_way;
    bool ending;
};

static const char zeros[SIZE_MAX_] = "echo";

static int ask(struct state *state, unsigned index)
{
    const struct echo_client *client = state->client;
    const struct echo_talk *talk = client->talk;
    ssize_t sent = send(client->fds[index],
                        talk->request != NULL ? talk->request : zeros,
                        talk->size, MSG_NOSIGNAL);

    if (sent != (ssize_t)talk->size)
        return sent < 0 ? -errno : -EMSGSIZE;
    state->missing[index] = talk->reply_size;
    state->under_way++;
    return 0;
}

/* 1: an answer is whole; 0: not yet. */
static int receive(struct state *state, unsigned index)
{
    char buffer[SIZE_MAX_];
    ssize_t n = recv(state->client->fds[index], buffer, state->missing[index],
                     MSG_DONTWAIT);

    if (n == 0)
        return -ECONNRESET;
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    /* What is to come back as it was: did it? */
    if (state->client->talk->request == NULL &&
        memcmp(buffer,
               zeros + state->client->talk->size - state->missing[index],
               (size_t)n) != 0)
        return -EBADMSG;
    state->missing[index] -= (uint32_t)n;
    if (state->missing[index] > 0)
        return 0;
    state->under_way--;
    return 1;
}

static int watch(struct state *state, unsigned index)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = index };

    if (epoll_ctl(state->epoll, EPOLL_CTL_ADD, state->client->fds[index],
                  &event) != 0)
        return -errno;
    return 0;
}

/* An answer has come: on to the next. */
static int go_on(struct state *state, unsigned index)
{
    const struct echo_client *client = state->client;
    int err = 0;

    if (client->connect != NULL) {
        close(client->fds[index]);
        client->fds[index] = client->connect(client->port);
        err = client->fds[index] < 0 ? client->fds[index] : watch(state, index);
    }
    return err < 0 || state->ending ? err : ask(state, index);
}

static int64_t turn(struct state *state)
{
    struct epoll_event events[EVENTS];
    int64_t answered = 0;
    int n = epoll_wait(state->epoll, events, EVENTS, 10000);

    if (n <= 0)
        return n == 0 ? -ETIMEDOUT : -errno;
    for (int i = 0; i < n; i++) {
        int whole = receive(state, events[i].data.u32);

        if (whole < 0)
            return whole;
        answered += whole;
        if (whole > 0) {
            int err = go_on(state, events[i].data.u32);

            if (err < 0)
                return err;
        }
    }
    return answered;
}

static int64_t turn_until(struct state *state, const struct budget *budget)
{
    uint64_t end = wall_ns() + budget->ns;
    uint64_t answered = 0;

    for (unsigned i = 0; i < state->client->count; i++) {
        int err = ask(state, i);

        if (err < 0)
            return err;
    }
    while (state->under_way > 0) {
        int64_t n = turn(state);

        if (n < 0)
            return n;
        answered += (uint64_t)n;
        state->ending =
            (budget->ns != 0 && wall_ns() >= end) ||
            (budget->ops != 0 && answered + state->under_way >= budget->ops) ||
            (budget->ns == 0 && budget->ops == 0);
    }
    return (int64_t)answered;
}

int64_t echo_client_run(struct echo_client *client, const struct budget *budget)
{
    uint32_t missing[1024] = { 0 };
    struct state state = { .client = client,
                           .missing = missing,
                           .epoll = epoll_create1(EPOLL_CLOEXEC) };
    int64_t answered = 0;

    if (client->count > 1024 || client->talk->size > SIZE_MAX_ ||
        client->talk->reply_size > SIZE_MAX_)
        return -EINVAL;
    if (state.epoll < 0)
        return -errno;
    for (unsigned i = 0; i < client->count && answered == 0; i++)
        answered = watch(&state, i);
    if (answered == 0)
        answered = turn_until(&state, budget);
    close(state.epoll);
    return answered;
}

static uint64_t count_of(int counter)
{
    uint64_t count = 0;

    if (counter >= 0 && read(counter, &count, sizeof count) != sizeof count)
        abort();
    return count;
}

int echo_client_measure(struct echo_client *client, int64_t server, int counter,
                        const struct budget *budget, struct sample *sample)
{
    struct budget warm_up = { .ns = budget->ns / 10, .ops = budget->ops / 10 };
    int64_t warm = echo_client_run(client, &warm_up);
    uint64_t cpu, calls, wall;
    int64_t answered;

    if (warm < 0)
        return (int)warm;
    cpu = cpu_ns_of(server);
    calls = count_of(counter);
    wall = wall_ns();
    answered = echo_client_run(client, budget);
    if (answered < 0)
        return (int)answered;
    sample->wall_ns = wall_ns() - wall;
    sample->cpu_ns = cpu_ns_of(server) - cpu;
    if (counter >= 0)
        sample->calls = count_of(counter) - calls;
    sample->pid = server;
    sample->ops = (uint64_t)answered;
    if (budget->ns == 0)
        sample->ops += (uint64_t)warm; /* instructions: of the whole run */
    return 0;
}
