/* SPDX-License-Identifier: MIT */
/*
 * echo.h - an echo server to be measured, and the client that drives it
 *
 * A server gets its connections ready made, so that it is nothing but the
 * loop of receive and send: it answers whatever comes, on each connection,
 * until the other side has closed all of them.
 */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include "bench.h"

/* What is said. A request comes in one piece. */
struct echo_talk {
    const char *request; /* NULL: `size` bytes, which are sent back */
    unsigned size;       /* of a request */
    unsigned reply_size;
    /* The reply to a request of `size` bytes; NULL: no such request. */
    const char *(*answer)(const char *request, unsigned size);
};

struct echo_job {
    const int *fds;
    unsigned count;
    unsigned size; /* of a request; a buffer this large is enough */
    const struct echo_talk *talk;
    uint64_t requests; /* out: received */
    uint64_t calls;    /* out: of the kernel; CALLS_UNKNOWN */
};

/* What to send for `*size` bytes that came; NULL: nothing, close. */
static inline const char *echo_reply(const struct echo_job *job,
                                     const char *came, unsigned *size)
{
    const struct echo_talk *talk = job->talk;
    const char *reply = came;

    if (talk->answer != NULL) {
        reply = talk->answer(came, *size);
        *size = talk->reply_size;
    }
    return reply;
}

/* 0, or a negative errno. */
typedef int echo_server(struct echo_job *job);

echo_server serve_callbacks;
echo_server serve_slots; /* the same on registered files */
echo_server serve_tasks;
echo_server serve_callbacks_pooled; /* received into a pool */
echo_server serve_tasks_pooled;
echo_server serve_tasks_pooled_small; /* on small pages */
echo_server serve_uring_plain;        /* the ops that gyre uses */
echo_server serve_uring_best;         /* all that io_uring offers */
echo_server serve_epoll;

struct echo_client {
    int *fds;
    unsigned count;
    const struct echo_talk *talk;
    /* NULL, or who makes a connection: then each has one request. */
    int (*connect)(uint16_t port);
    uint16_t port;
};

/* A sample of a contender's server: of->n connections on which this is said. */
int echo_take(const struct bench_case *of, const struct budget *budget,
              struct sample *sample, const struct echo_talk *talk);

/* Send a request on each connection, and another as soon as one was answered,
 * until the budget is used up. The number answered, or a negative errno. */
int64_t echo_client_run(struct echo_client *client,
                        const struct budget *budget);

/* A tenth of the budget to warm up, then the window, in which the server's CPU
 * time counts, and its system calls, if `counter` (calls_of()) is not -1. */
int echo_client_measure(struct echo_client *client, int64_t server, int counter,
                        const struct budget *budget, struct sample *sample);

#endif
