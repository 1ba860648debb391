/* SPDX-License-Identifier: MIT */
/*
 * test_write_queue.c - queued writes are whole, in order, and end with errors
 */
#include <errno.h>
#include <gyre/write_queue.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage.h"

enum { WRITES = 40, SIZE = 50000 };

struct job {
    gyre_queued_write request;
    int result;
    unsigned order; /* when it ended: 1, 2, 3 ... */
};

static unsigned ended;

static void job_done(gyre_queued_write *request, int result)
{
    struct job *job = request->user;

    CHECK_EQ(job->order, 0u);
    job->result = result;
    job->order = ++ended;
}

struct reader {
    gyre_op op;
    gyre_loop *loop;
    int fd;
    size_t got;
    char buffer[3000];
};

static void reader_got(gyre_op *op, gyre_result result)
{
    struct reader *reader = op->user;

    for (int i = 0; i < result.res; i++)
        CHECK_EQ((unsigned char)reader->buffer[i],
                 (reader->got + (size_t)i) / SIZE % 251);
    reader->got += result.res > 0 ? (size_t)result.res : 0;
    if (result.res > 0 && reader->got < (size_t)WRITES * SIZE)
        gyre_op_restart(op);
}

static void read_all(struct reader *reader, gyre_loop *loop, int fd)
{
    reader->loop = loop;
    reader->fd = fd;
    reader->got = 0;
    gyre_op_recv(&reader->op, fd, reader->buffer, sizeof reader->buffer, 0);
    gyre_op_start(loop, &reader->op, reader_got, reader);
}

struct owner {
    gyre_write_queue queue;
    gyre_queued_write requests[2];
    char data[8];
};

static void free_owner(gyre_queued_write *request, int result)
{
    struct owner *owner = request->user;

    ended++;
    CHECK(result == 0 || result == -ECANCELED);
    if (request == &owner->requests[1])
        free(owner);
}

/* Nothing touches the queue any more, however the last request ended. */
KERNEL_TEST(E14_the_last_request_may_free_its_queue)
{
    gyre_loop *loop = stage_open(8);
    int pair[2];

    make_pair(pair);
    for (int cancel = 0; cancel < 2; cancel++) {
        struct owner *owner = calloc(1, sizeof *owner);

        CHECK(owner != NULL);
        ended = 0;
        gyre_write_queue_init(&owner->queue, loop, pair[0], GYRE_QUEUE_SENDS);
        for (int i = 0; i < 2; i++)
            CHECK_OK(gyre_write_queue_add(&owner->queue, &owner->requests[i],
                                          owner->data, sizeof owner->data,
                                          free_owner, owner));
        if (cancel)
            gyre_write_queue_cancel(&owner->queue);
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
        CHECK_EQ(ended, 2u);
    }
    close_both(pair);
    gyre_loop_destroy(loop);
}

/* A small send buffer makes the first write short, as all that follow. */
KERNEL_TEST(E14_queued_writes_are_whole_and_in_order)
{
    gyre_loop *loop = stage_open(16);
    struct job *job = calloc(WRITES, sizeof *job);
    char *data = malloc((size_t)WRITES * SIZE);
    static struct reader reader;
    gyre_write_queue queue;
    int pair[2], small = 8192;

    CHECK(job != NULL && data != NULL);
    make_connection(pair);
    CHECK_OK(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
    gyre_write_queue_init(&queue, loop, pair[0], GYRE_QUEUE_SENDS);
    for (int i = 0; i < WRITES; i++) {
        memset(data + (size_t)i * SIZE, i % 251, SIZE);
        CHECK_OK(gyre_write_queue_add(&queue, &job[i].request,
                                      data + (size_t)i * SIZE, SIZE, job_done,
                                      &job[i]));
    }
    CHECK_EQ(gyre_write_queue_bytes(&queue), (size_t)WRITES * SIZE);
    read_all(&reader, loop, pair[1]);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(reader.got, (size_t)WRITES * SIZE);
    CHECK_EQ(gyre_write_queue_bytes(&queue), 0u);
    for (unsigned i = 0; i < WRITES; i++) {
        CHECK_OK(job[i].result);
        CHECK_EQ(job[i].order, i + 1);
    }
    free(data);
    free(job);
    close_both(pair);
    gyre_loop_destroy(loop);
}

static void expect_all(const struct job *job, unsigned count, int error)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK_ERR(job[i].result, error);
        CHECK_EQ(job[i].order, i + 1);
    }
}

static void add_some(gyre_write_queue *queue, struct job *job, unsigned count,
                     const char *data)
{
    for (unsigned i = 0; i < count; i++)
        CHECK_OK(gyre_write_queue_add(queue, &job[i].request, data, SIZE,
                                      job_done, &job[i]));
}

KERNEL_TEST(E14_after_an_error_every_queued_write_ends_with_it)
{
    gyre_loop *loop = stage_open(16);
    struct job job[3] = { 0 }, late = { 0 };
    static const char data[SIZE];
    gyre_write_queue queue;
    int pair[2];

    make_pair(pair);
    close(pair[1]);
    gyre_write_queue_init(&queue, loop, pair[0], GYRE_QUEUE_SENDS);
    add_some(&queue, job, 3, data);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    expect_all(job, 3, -EPIPE);
    CHECK_EQ(gyre_write_queue_bytes(&queue), 0u);
    CHECK_ERR(
        gyre_write_queue_add(&queue, &late.request, data, 1, job_done, &late),
        -EPIPE);
    CHECK_EQ(late.order, 0u);
    close(pair[0]);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(E14_a_queue_is_cancelled_whole)
{
    enum { COUNT = 30 }; /* more than a socket takes */
    gyre_loop *loop = stage_open(16);
    struct job job[COUNT] = { 0 };
    static const char data[SIZE];
    gyre_write_queue queue;
    unsigned written = 0;
    int pair[2];

    make_pair(pair);
    gyre_write_queue_init(&queue, loop, pair[0], GYRE_QUEUE_SENDS);
    add_some(&queue, job, COUNT, data);
    for (int i = 0; i < 20; i++)
        stage_turn(loop);
    gyre_write_queue_cancel(&queue);
    CHECK_EQ(job[COUNT - 1].order, 0u); /* not in here */
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    while (written < COUNT && job[written].result == 0)
        written++;
    CHECK_LT(written, (unsigned)COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK_ERR(job[i].result, i < written ? 0 : -ECANCELED);
        CHECK_EQ(job[i].order, i + 1);
    }
    close_both(pair);
    gyre_loop_destroy(loop);
}

static gyre_write_queue chatty;
static unsigned rounds;

static void add_again(gyre_queued_write *request, int result)
{
    CHECK_OK(result);
    if (++rounds < 5)
        CHECK_OK(gyre_write_queue_add(&chatty, request, "again\n", 6, add_again,
                                      NULL));
}

KERNEL_TEST(E14_a_request_may_be_queued_again_in_its_callback)
{
    gyre_loop *loop = stage_open(16);
    gyre_queued_write request;
    char buffer[64];
    int fds[2];

    make_pipe(fds);
    gyre_write_queue_init(&chatty, loop, fds[1], GYRE_QUEUE_WRITES);
    CHECK_OK(
        gyre_write_queue_add(&chatty, &request, "again\n", 6, add_again, NULL));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(rounds, 5u);
    CHECK_EQ(read(fds[0], buffer, sizeof buffer), 30);
    close_both(fds);
    gyre_loop_destroy(loop);
}
