/* SPDX-License-Identifier: MIT */
/*
 * What a trace says of ops and tasks, on each kernel: each step, in order, with
 * what was really done.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/test.h"
#include "trace_stage.h"

static void count_done(gyre_op *op, gyre_result result)
{
    unsigned *done = op->user;

    (void)result;
    ++*done;
}

static void pair_make(int pair[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void pair_end(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

KERNEL_TEST(W8_an_op_goes_from_start_to_its_callback)
{
    struct traced traced;
    gyre_op receive, send;
    unsigned done = 0;
    char buffer[16];
    int pair[2];

    pair_make(pair);
    traced_begin(&traced, 0);
    gyre_op_recv(&receive, pair[0], buffer, sizeof buffer, 0);
    gyre_op_start(traced.loop, &receive, count_done, &done);
    gyre_op_send(&send, pair[1], "trace", 5, 0);
    gyre_op_start(traced.loop, &send, count_done, &done);
    CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_UNTIL_DONE), 0);
    CHECK_EQ(done, 2);
    CHECK_STR_EQ(gyre_loop_kernel(traced.loop),
                 strncmp(test_kernel(), "uring", 5) == 0 ? "uring" : "emu");
    traced_end(&traced);

    const struct life *life = traced_life(&traced, IORING_OP_RECV);

    CHECK_EQ(life->fd, pair[0]);
    CHECK_EQ(life->len, sizeof buffer);
    CHECK_EQ(life->result, 5);
    CHECK(life->owner == NULL);
    CHECK_LT(0, life->started_ns);
    CHECK_LE(life->started_ns, life->submitted_ns);
    CHECK_LE(life->submitted_ns, life->ended_ns);
    CHECK_LE(life->ended_ns, life->resumed_ns);
    CHECK_EQ(life->beside, false);
    CHECK_EQ(traced_life(&traced, IORING_OP_SEND)->result, 5);
    CHECK_EQ(traced.trace.source_count, 1);
    CHECK_STR_EQ(traced.trace.sources[0].kernel,
                 strncmp(test_kernel(), "uring", 5) == 0 ? "uring" : "emu");
    CHECK_EQ(traced.trace.sources[0].process, (uint32_t)getpid());
    CHECK_EQ(traced.trace.lost, 0);
    /* The loop's own: what is entered is left. */
    CHECK_GT(traced_steps(&traced, STEP_ENTER), 0);
    CHECK_EQ(traced_steps(&traced, STEP_ENTER),
             traced_steps(&traced, STEP_ENTERED));
    CHECK_GT(traced_steps(&traced, STEP_TURN), 0);
    CHECK_EQ(traced_steps(&traced, STEP_OPENED), 1);
    CHECK_EQ(traced_steps(&traced, STEP_CLOSED), 1);
    traced_free(&traced);
    pair_end(pair);
}

static int waits_for_bytes(void *arg)
{
    const int *pair = arg;
    char buffer[4];

    return (int)gyre_recv(pair[0], buffer, sizeof buffer, 0);
}

static int sleeps_then_sends(void *arg)
{
    const int *pair = arg;

    CHECK_EQ(gyre_sleep(GYRE_MS), 0);
    CHECK_EQ(gyre_yield(), 0);
    CHECK_EQ(gyre_send_all(pair[1], "ab", 2, 0), 0);
    return 0;
}

/* The record in which a task of that name waits for that reason. */
static const struct trace_task *find_wait(const struct traced *traced,
                                          const char *reason)
{
    for (size_t i = 0; i < traced->trace.event_count; i++) {
        const struct trace_event *event = &traced->trace.events[i];

        if (event->record->step == STEP_WAITS &&
            strcmp(trace_task_of(event)->text, reason) == 0)
            return trace_task_of(event);
    }
    return NULL;
}

KERNEL_TEST(W8_a_task_waits_and_runs_again)
{
    const gyre_task_options reader = { .name = "reader" };
    struct traced traced;
    int pair[2];

    pair_make(pair);
    traced_begin(&traced, 0);
    CHECK_EQ(gyre_spawn_with(gyre_loop_scope(traced.loop), &reader,
                             waits_for_bytes, pair, NULL),
             0);
    CHECK_EQ(gyre_spawn(gyre_loop_scope(traced.loop), sleeps_then_sends, pair),
             0);
    CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_UNTIL_DONE), 0);
    traced_end(&traced);

    const struct life *life = traced_life(&traced, IORING_OP_RECV);
    const struct trace_task *wait = find_wait(&traced, "sleep");

    CHECK(wait != NULL);
    CHECK(find_wait(&traced, "yield") != NULL);
    CHECK_EQ(life->result, 2);
    CHECK_GE(life->ended_ns, wait->head.time_ns + GYRE_MS);
    /* It is over when the task runs, not when the callback has returned. */
    CHECK_GE(life->resumed_ns, traced_when(&traced, life, STEP_RETURNED, 0));
    CHECK_EQ(traced_steps(&traced, STEP_SPAWNED), 2);
    CHECK_EQ(traced_steps(&traced, STEP_RETURNS), 2);
    CHECK_EQ(traced_steps(&traced, STEP_RUNS),
             2 + traced_steps(&traced, STEP_WAITS));
    traced_free(&traced);
    pair_end(pair);
}

static void note_owner(void *user, const struct life *life)
{
    char *name = user;

    if (life->opcode == IORING_OP_RECV && life->owner != NULL)
        memcpy(name, life->owner->name, TRACE_TASK_TEXT);
}

KERNEL_TEST2(W8_an_op_is_known_by_the_name_of_its_task)
{
    const gyre_task_options reader = {
        .name = "a reader with a name that is longer than a record has room for"
    };
    struct traced traced;
    char name[TRACE_TASK_TEXT] = "";
    const struct life_listener listener = { .user = name, .life = note_owner };
    int pair[2];

    pair_make(pair);
    traced_begin(&traced, 0);
    CHECK_EQ(gyre_spawn_with(gyre_loop_scope(traced.loop), &reader,
                             waits_for_bytes, pair, NULL),
             0);
    CHECK_EQ(send(pair[1], "x", 1, 0), 1);
    CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_UNTIL_DONE), 0);
    traced_end(&traced);
    CHECK_EQ(trace_live(&traced.trace, &listener), 0);
    CHECK_STR_EQ(name, "a reader with a name th");
    traced_free(&traced);
    pair_end(pair);
}

struct several {
    unsigned results;
    int fd;
};

static void poll_done(gyre_op *op, gyre_result result)
{
    struct several *several = op->user;
    char byte;

    if (gyre_result_is_last(result))
        return;
    CHECK_EQ(recv(several->fd, &byte, 1, 0), 1);
    if (++several->results == 3)
        CHECK_EQ(gyre_op_cancel(op), 0);
}

KERNEL_TEST(W8_an_op_of_many_results_shows_each)
{
    struct several several = { 0 };
    struct traced traced;
    gyre_op poll;
    int pair[2];

    pair_make(pair);
    several.fd = pair[0];
    traced_begin(&traced, 0);
    gyre_op_poll_multishot(&poll, pair[0], POLLIN);
    gyre_op_start(traced.loop, &poll, poll_done, &several);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(send(pair[1], "x", 1, 0), 1);
        while (several.results <= i)
            CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_ONCE), 0);
    }
    CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_UNTIL_DONE), 0);
    traced_end(&traced);

    const struct life *life = traced_life(&traced, IORING_OP_POLL_ADD);

    CHECK_EQ(life->results, 3);
    CHECK_EQ(life->result, -ECANCELED);
    CHECK_EQ(life->cancelled, true);
    CHECK_LE(traced_when(&traced, life, STEP_MORE, 2),
             traced_when(&traced, life, STEP_CANCEL, 0));
    CHECK_LE(traced_when(&traced, life, STEP_CANCEL, 0),
             traced_when(&traced, life, STEP_ASKED, 0));
    CHECK_LE(traced_when(&traced, life, STEP_ASKED, 0), life->ended_ns);
    traced_free(&traced);
    pair_end(pair);
}

KERNEL_TEST(W8_a_deadline_that_passes_is_told)
{
    struct traced traced;
    gyre_deadline deadline;
    gyre_op receive;
    unsigned done = 0;
    char buffer[4];
    int pair[2];

    pair_make(pair);
    traced_begin(&traced, 0);
    gyre_op_recv(&receive, pair[0], buffer, sizeof buffer, 0);
    gyre_op_start(traced.loop, &receive, count_done, &done);
    gyre_op_set_deadline(&receive, &deadline,
                         gyre_loop_now(traced.loop) + GYRE_MS);
    CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_UNTIL_DONE), 0);
    traced_end(&traced);

    const struct life *life = traced_life(&traced, IORING_OP_RECV);

    CHECK_EQ(life->result, -ETIME);
    CHECK_EQ(life->has_deadline, true);
    CHECK_EQ(life->expired, true);
    CHECK_GE(life->ended_ns, life->started_ns + GYRE_MS);
    traced_free(&traced);
    pair_end(pair);
}

KERNEL_TEST(W8_an_op_cancelled_before_it_is_submitted_never_was)
{
    struct traced traced;
    gyre_op receive;
    unsigned done = 0;
    char buffer[4];
    int pair[2];

    pair_make(pair);
    traced_begin(&traced, 0);
    gyre_op_recv(&receive, pair[0], buffer, sizeof buffer, 0);
    gyre_op_start(traced.loop, &receive, count_done, &done);
    CHECK_EQ(gyre_op_cancel(&receive), 0);
    CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_UNTIL_DONE), 0);
    traced_end(&traced);

    const struct life *life = traced_life(&traced, IORING_OP_RECV);

    CHECK_EQ(life->submitted_ns, 0);
    CHECK_EQ(life->result, -ECANCELED);
    CHECK_LE(life->started_ns, life->ended_ns);
    traced_free(&traced);
    pair_end(pair);
}

KERNEL_TEST(W8_ops_of_a_chain_are_shown_as_one)
{
    struct traced traced;
    gyre_op ops[3];
    gyre_chain_link links[3];
    unsigned done = 0;
    uint32_t chain;

    traced_begin(&traced, 0);
    for (unsigned i = 0; i < 3; i++) {
        gyre_op_nop(&ops[i]);
        links[i] = (gyre_chain_link){ .op = &ops[i],
                                      .done = count_done,
                                      .user = &done };
    }
    CHECK_EQ(gyre_chain_start(traced.loop, links, 3, 0), 0);
    CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_UNTIL_DONE), 0);
    CHECK_EQ(done, 3);
    traced_end(&traced);
    CHECK_EQ(traced.count, 3);
    chain = traced.lives[0].chain;
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(traced.lives[i].is_chained, true);
        CHECK_EQ(traced.lives[i].chain, chain);
        CHECK_LT(0, traced.lives[i].submitted_ns);
        CHECK_LE(traced.lives[i].submitted_ns, traced.lives[i].ended_ns);
    }
    traced_free(&traced);
}

static int nothing(void *arg)
{
    (void)arg;
    return 7;
}

KERNEL_TEST2(W8_what_goes_beside_the_ring_is_marked)
{
    struct traced traced;
    gyre_op call;
    unsigned done = 0;

    traced_begin(&traced, 0);
    gyre_op_call(&call, nothing, NULL);
    gyre_op_start(traced.loop, &call, count_done, &done);
    CHECK_EQ(gyre_loop_run(traced.loop, GYRE_RUN_UNTIL_DONE), 0);
    traced_end(&traced);
    CHECK_EQ(traced.count, 1);
    CHECK_EQ(traced.lives[0].result, 7);
    CHECK_EQ(traced.lives[0].beside, strcmp(test_kernel(), "emu") != 0);
    traced_free(&traced);
}

KERNEL_TEST2(W8_what_is_done_at_once_is_told_without_the_loop)
{
    struct traced traced;
    gyre_op send;
    int pair[2];

    pair_make(pair);
    traced_begin(&traced, 0);
    gyre_op_send(&send, pair[0], "abc", 3, 0);
    CHECK_EQ(gyre_op_try(traced.loop, &send), 3);
    traced_end(&traced);
    CHECK_EQ(traced_life(&traced, IORING_OP_SEND)->tried, true);
    CHECK_EQ(traced_life(&traced, IORING_OP_SEND)->result, 3);
    CHECK_EQ(traced_life(&traced, IORING_OP_SEND)->fd, pair[0]);
    traced_free(&traced);
    pair_end(pair);
}
