/* SPDX-License-Identifier: MIT */
/*
 * Ops as cases of a select: started last, awaited to their last completion, and
 * nothing that they made is lost.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sync/lab.h"

static void pair_make(int pair[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void pair_close(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

static uint64_t in_flight(void)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(gyre_loop_current(), &stats);
    return stats.in_flight + stats.queued;
}

struct chooser {
    gyre_case cases[8];
    unsigned count;
    int winner;
    int done;
};

static int choose(void *arg)
{
    struct chooser *c = arg;

    c->winner = gyre_select(c->cases, c->count);
    CHECK_EQ(in_flight(), 0u); /* none of it is left */
    c->done++;
    return 0;
}

/* Until the kernel has the op. */
static void until_in_flight(const gyre_op *op)
{
    while (gyre_op_state(op) != GYRE_OP_IN_FLIGHT)
        CHECK_OK(gyre_yield());
}

/* ---- who wins ------------------------------------------------------------ */

enum { OP, CHANNEL, EVENT, TIMER, TASK, KINDS };

struct scene {
    int pair[2];
    char buffer[8];
    gyre_op op;
    gyre_channel *channel;
    gyre_event event, end;
    gyre_task *task;
    struct chooser chooser;
    int got;
};

static int wait_for_end(void *arg)
{
    return gyre_event_wait(arg, NULL);
}

static void happen(struct scene *s, unsigned kind)
{
    int n = 4;

    switch (kind) {
    case OP:
        CHECK_EQ(send(s->pair[1], "abc", 3, 0), 3);
        break;
    case CHANNEL:
        CHECK_OK(gyre_channel_try_send(s->channel, &n));
        break;
    case EVENT:
        CHECK_OK(gyre_event_set(&s->event, NULL));
        break;
    case TASK:
        CHECK_OK(gyre_event_set(&s->end, NULL));
        break;
    default:
        break; /* by itself */
    }
}

static void one_winner(unsigned kind, unsigned turn)
{
    struct scene s = { .chooser.count = KINDS };
    gyre_case *cases = s.chooser.cases;
    gyre_scope scope;

    pair_make(s.pair);
    s.channel = make_channel(sizeof(int), 0, 0);
    gyre_op_recv(&s.op, s.pair[0], s.buffer, sizeof s.buffer, 0);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, NULL, wait_for_end, &s.end, &s.task));
    cases[(OP + turn) % KINDS] = gyre_on_op(&s.op);
    cases[(CHANNEL + turn) % KINDS] = gyre_on_recv(s.channel, &s.got);
    cases[(EVENT + turn) % KINDS] = gyre_on_event(&s.event, NULL);
    cases[(TASK + turn) % KINDS] = gyre_on_task(s.task, NULL);
    cases[(TIMER + turn) % KINDS] = gyre_on_timer(
        kind != TIMER ? GYRE_NEVER
                      : gyre_loop_now(gyre_loop_current()) + 100 * GYRE_US);
    must_spawn(&scope, choose, &s.chooser);
    if (kind != TIMER) {
        until_in_flight(&s.op);
        CHECK_EQ(s.chooser.done, 0);
    }
    happen(&s, kind);
    while (s.chooser.done == 0)
        CHECK_OK(gyre_yield());
    CHECK_EQ(s.chooser.winner, (int)((kind + turn) % KINDS));
    for (unsigned i = 0; i < KINDS; i++) {
        bool is_op = i == (OP + turn) % KINDS;

        if (i == (unsigned)s.chooser.winner)
            CHECK_EQ(cases[i].result, kind == OP ? 3 : 0);
        else
            CHECK_ERR(cases[i].result, is_op ? -ECANCELED : -EAGAIN);
    }
    CHECK_EQ(s.got, kind == CHANNEL ? 4 : 0);
    gyre_event_set(&s.end, NULL);
    CHECK_OK(gyre_scope_close(&scope));
    gyre_channel_destroy(s.channel);
    pair_close(s.pair);
}

static int each_winner(void *arg)
{
    (void)arg;
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned turn = 0; turn < KINDS; turn++)
            one_winner(kind, turn);
    return 0;
}

KERNEL_TEST2(K9_R6_G7_each_kind_wins_in_each_place_beside_an_op)
{
    must_run(each_winner, NULL);
}

/* ---- order of preference ------------------------------------------------- */

static int preference(void *arg)
{
    gyre_channel *channel = make_channel(sizeof(int), 1, 0);
    gyre_case cases[2];
    char buffer[8];
    gyre_op op;
    int pair[2], n = 0;

    (void)arg;
    pair_make(pair);
    gyre_op_recv(&op, pair[0], buffer, 3, 0);
    for (int round = 0; round < 2; round++) {
        CHECK_OK(gyre_channel_try_send(channel, &n));
        CHECK_EQ(send(pair[1], "abc", 3, 0), 3);
        cases[0] = gyre_on_op(&op);
        cases[1] = gyre_on_recv(channel, &n);
        /* Above it wins, though it was not started. */
        CHECK_EQ(round == 0 ? gyre_select(cases, 2) : gyre_try_select(cases, 2),
                 0);
        CHECK_EQ(cases[0].result, 3);
        CHECK_ERR(cases[1].result, -EAGAIN);
        CHECK_EQ(gyre_channel_length(channel), 1u);
        /* And with nothing there it does not keep the channel waiting. */
        CHECK_EQ(gyre_select(cases, 2), 1);
        CHECK_ERR(cases[0].result, -ECANCELED);
        /* Below it is not even tried. */
        CHECK_OK(gyre_channel_try_send(channel, &n));
        CHECK_EQ(send(pair[1], "def", 3, 0), 3);
        cases[0] = gyre_on_recv(channel, &n);
        cases[1] = gyre_on_op(&op);
        CHECK_EQ(gyre_select(cases, 2), 0);
        CHECK_ERR(cases[1].result, -ECANCELED);
        CHECK_EQ(gyre_select(cases, 2), 1);
        CHECK_EQ(cases[1].result, 3);
        CHECK_MEM_EQ(buffer, "def", 3);
        CHECK_ERR(gyre_try_select(cases, 2), -EAGAIN);
        CHECK_EQ(in_flight(), 0u);
    }
    pair_close(pair);
    gyre_channel_destroy(channel);
    return 0;
}

KERNEL_TEST2(K9_an_op_that_is_ready_has_its_place_in_the_order)
{
    must_run(preference, NULL);
}

static int op_error(void *arg)
{
    gyre_failure failure;
    gyre_case at;
    gyre_op op;
    char byte;

    (void)arg;
    gyre_op_read(&op, 9999, &byte, 1, 0);
    at = gyre_on_op(&op);
    CHECK_EQ(gyre_select(&at, 1), 0);
    CHECK_ERR(at.result, -EBADF);
    gyre_task_failure(&failure);
    CHECK_ERR(failure.error, -EBADF);
    CHECK_STR_EQ(failure.call, "READ");
    return 0;
}

KERNEL_TEST2(K9_K8_an_error_is_the_result_of_its_case)
{
    must_run(op_error, NULL);
}

/* ---- losers -------------------------------------------------------------- */

/* Two opens that end in the same turn: one of them must lose with a file in its
 * hands. The census of descriptors sees whether it is closed. */
static unsigned kept;

static int two_opens(void *arg)
{
    bool keep = arg != NULL;
    gyre_case cases[2];
    gyre_op ops[2];
    int winner, loser;

    gyre_op_openat(&ops[0], AT_FDCWD, "/dev/null", O_RDONLY, 0);
    gyre_op_openat(&ops[1], AT_FDCWD, "/dev/zero", O_RDONLY, 0);
    cases[0] = gyre_on_op(&ops[0]);
    cases[1] = gyre_on_op(&ops[1]);
    cases[0].keep = cases[1].keep = keep;
    winner = gyre_select(cases, 2);
    CHECK_GE(winner, 0);
    loser = 1 - winner;
    CHECK_GE(cases[winner].result, 0);
    close(cases[winner].result);
    if (keep && cases[loser].result >= 0)
        kept += close(cases[loser].result) == 0;
    else
        CHECK_ERR(cases[loser].result, -ECANCELED);
    return 0;
}

static int many_opens(void *arg)
{
    for (int i = 0; i < 50; i++)
        CHECK_OK(two_opens(arg));
    return 0;
}

KERNEL_TEST2(K9_R2_a_losers_descriptor_is_closed)
{
    must_run(many_opens, NULL);
}

KERNEL_TEST2(K9_R2_or_kept_if_that_is_asked_for)
{
    must_run(many_opens, (void *)1);
    CHECK_GT(kept, 0u);
}

static int listener_make(struct sockaddr_un *address, socklen_t *size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    *size = sizeof *address;
    CHECK_EQ(bind(fd, (void *)address, sizeof address->sun_family), 0);
    CHECK_EQ(getsockname(fd, (void *)address, size), 0);
    CHECK_EQ(listen(fd, 8), 0);
    return fd;
}

/* Both listeners have a connection waiting. */
static int two_accepts(void *arg)
{
    struct sockaddr_un address;
    int listeners[2], clients[2];
    gyre_case cases[2];
    gyre_op ops[2];
    int winner;

    (void)arg;
    for (int i = 0; i < 2; i++) {
        socklen_t size;

        listeners[i] = listener_make(&address, &size);
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_EQ(connect(clients[i], (void *)&address, size), 0);
        gyre_op_accept(&ops[i], listeners[i], NULL, NULL, 0);
        cases[i] = gyre_on_op(&ops[i]);
    }
    winner = gyre_select(cases, 2);
    CHECK_GE(winner, 0);
    close(cases[winner].result);
    CHECK_ERR(cases[1 - winner].result, -ECANCELED);
    for (int i = 0; i < 2; i++) {
        close(listeners[i]);
        close(clients[i]);
    }
    return 0;
}

/* Two listeners with three connections each, which multishot accepts take: one
 * is the winner's, and the census sees what becomes of the others. */
static int two_multishot_accepts(void *arg)
{
    enum { EACH = 3 };
    int listeners[2], clients[2][EACH];
    gyre_case cases[2];
    gyre_op ops[2];
    int winner;

    (void)arg;
    for (int i = 0; i < 2; i++) {
        struct sockaddr_un address;
        socklen_t size;

        listeners[i] = listener_make(&address, &size);
        for (int n = 0; n < EACH; n++) {
            clients[i][n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            CHECK_EQ(connect(clients[i][n], (void *)&address, size), 0);
        }
        gyre_op_accept_multishot(&ops[i], listeners[i], 0);
        cases[i] = gyre_on_op(&ops[i]);
    }
    winner = gyre_select(cases, 2);
    CHECK_GE(winner, 0);
    CHECK_GE(cases[winner].result, 0);
    CHECK_OK(close(cases[winner].result));
    CHECK_ERR(cases[1 - winner].result, -ECANCELED);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(gyre_op_state(&ops[i]), GYRE_OP_IDLE);
        close(listeners[i]);
        for (int n = 0; n < EACH; n++)
            close(clients[i][n]);
    }
    return 0;
}

KERNEL_TEST2(K9_G8_a_multishot_accept_wins_once_and_drops_nothing)
{
    for (int i = 0; i < 5; i++)
        must_run(two_multishot_accepts, NULL);
}

KERNEL_TEST2(K9_R2_a_losers_connection_is_closed)
{
    for (int i = 0; i < 5; i++)
        must_run(two_accepts, NULL);
}

/* What a receive of a loser took is told: nothing is thrown away. */
static int two_receives(void *arg)
{
    int pairs[2][2], winner, total = 0;
    char buffers[2][8];
    gyre_case cases[2];
    gyre_op ops[2];

    (void)arg;
    for (int i = 0; i < 2; i++) {
        pair_make(pairs[i]);
        CHECK_EQ(send(pairs[i][1], "wxyz", 4, 0), 4);
        gyre_op_recv(&ops[i], pairs[i][0], buffers[i], 8, 0);
        cases[i] = gyre_on_op(&ops[i]);
    }
    winner = gyre_select(cases, 2);
    CHECK_GE(winner, 0);
    for (int i = 0; i < 2; i++) {
        int more = (int)recv(pairs[i][0], buffers[i], 8, MSG_DONTWAIT);

        total += cases[i].result > 0 ? cases[i].result : 0;
        total += more > 0 ? more : 0;
        CHECK(cases[i].result == 4 || cases[i].result == -ECANCELED);
        pair_close(pairs[i]);
    }
    CHECK_EQ(total, 8);
    return 0;
}

KERNEL_TEST2(K9_G8_what_a_loser_received_is_not_lost)
{
    for (int i = 0; i < 5; i++)
        must_run(two_receives, NULL);
}

/* ---- cancel -------------------------------------------------------------- */

static int cancelled_ops(void *arg)
{
    struct chooser chooser = { .count = 3 };
    char buffers[3][8];
    gyre_op ops[3];
    int pairs[3][2];
    gyre_scope scope;

    for (int i = 0; i < 3; i++) {
        pair_make(pairs[i]);
        gyre_op_recv(&ops[i], pairs[i][0], buffers[i], 8, 0);
        chooser.cases[i] = gyre_on_op(&ops[i]);
    }
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, choose, &chooser);
    if (arg != NULL)
        until_in_flight(&ops[2]);
    else
        CHECK_OK(gyre_yield()); /* started, and the kernel has not seen them */
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(chooser.winner, -ECANCELED);
    for (int i = 0; i < 3; i++) {
        CHECK_ERR(chooser.cases[i].result, -ECANCELED);
        pair_close(pairs[i]);
    }
    return 0;
}

KERNEL_TEST2(K9_R6_R8_a_cancel_ends_all_ops_of_a_select)
{
    must_run(cancelled_ops, NULL);
    must_run(cancelled_ops, (void *)1);
}

static void cancel_scope(gyre_op *op, gyre_result result)
{
    CHECK_OK(result.res);
    gyre_scope_cancel(op->user);
}

static int nop_beside_event(void *arg)
{
    struct chooser *chooser = arg;

    return choose(chooser);
}

/* The kernel has done the op when the cancel comes, in the same turn. */
static int done_all_the_same(void *arg)
{
    gyre_event event = GYRE_EVENT_INIT;
    struct chooser chooser = { .count = 2 };
    gyre_op canceller, op;
    gyre_scope scope;

    (void)arg;
    gyre_op_nop(&canceller);
    gyre_op_nop(&op);
    chooser.cases[0] = gyre_on_event(&event, NULL);
    chooser.cases[1] = gyre_on_op(&op);
    gyre_scope_open(&scope, NULL);
    gyre_op_start(gyre_loop_current(), &canceller, cancel_scope, &scope);
    must_spawn(&scope, nop_beside_event, &chooser);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(chooser.winner, 1);
    CHECK_OK(chooser.cases[1].result);
    return 0;
}

KERNEL_TEST2(K9_M12_an_op_that_was_quicker_than_the_cancel_counts)
{
    must_run(done_all_the_same, NULL);
}

/* Somebody else ends the op: that is how it went. */
static int cancelled_by_another(void *arg)
{
    struct chooser chooser = { .count = 1 };
    char buffer[8];
    gyre_scope scope;
    gyre_op op;
    int pair[2];

    (void)arg;
    pair_make(pair);
    gyre_op_recv(&op, pair[0], buffer, 8, 0);
    chooser.cases[0] = gyre_on_op(&op);
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, choose, &chooser);
    until_in_flight(&op);
    CHECK_OK(gyre_op_cancel(&op));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(chooser.winner, 0);
    CHECK_ERR(chooser.cases[0].result, -ECANCELED);
    pair_close(pair);
    return 0;
}

KERNEL_TEST2(K9_an_op_that_another_cancels_has_its_result)
{
    must_run(cancelled_by_another, NULL);
}

/* ---- random -------------------------------------------------------------- */

/* Bytes and numbers from two senders to a receiver that takes either, with a
 * short deadline: each is counted once. */
struct either {
    gyre_channel *channel;
    int pair[2];
    unsigned sent_bytes, sent_numbers;
    unsigned got_bytes, got_numbers, timers;
};

enum { ROUNDS = 300 };

static int send_bytes(void *arg)
{
    struct either *e = arg;
    struct chance chance = { 11 };

    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK_EQ(gyre_send(e->pair[1], "x", 1, 0), 1);
        e->sent_bytes++;
        for (unsigned n = below(&chance, 4); n > 0; n--)
            CHECK_OK(gyre_yield());
    }
    CHECK_OK(gyre_shutdown(e->pair[1], SHUT_WR));
    return 0;
}

static int send_numbers(void *arg)
{
    struct either *e = arg;
    struct chance chance = { 12 };

    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK_OK(gyre_channel_send(e->channel, &i));
        e->sent_numbers++;
        for (unsigned n = below(&chance, 4); n > 0; n--)
            CHECK_OK(gyre_yield());
    }
    CHECK_OK(gyre_channel_close(e->channel));
    return 0;
}

static int take_either(void *arg)
{
    struct either *e = arg;
    bool bytes = true, numbers = true;
    struct chance chance = { 13 };

    while (bytes || numbers) {
        uint64_t now = gyre_loop_now(gyre_loop_current());
        char buffer[1];
        unsigned number = 0;
        gyre_op op;
        gyre_case cases[3];
        int winner;

        gyre_op_recv(&op, e->pair[0], buffer, 1, 0);
        cases[0] = gyre_on_timer(now + below(&chance, 50) * GYRE_US);
        cases[1] = numbers ? gyre_on_recv(e->channel, &number)
                           : gyre_on_timer(GYRE_NEVER);
        cases[2] = bytes ? gyre_on_op(&op) : gyre_on_timer(GYRE_NEVER);
        winner = gyre_select(cases, 3);
        CHECK_GE(winner, 0);
        e->timers += winner == 0;
        if (winner == 1 && cases[1].result == 0)
            CHECK_EQ(number, e->got_numbers++);
        else if (winner == 1)
            numbers = false;
        if (bytes && cases[2].result >= 0) { /* also as a loser */
            e->got_bytes += (unsigned)cases[2].result;
            bytes = cases[2].result > 0;
        }
        if (winner == 0)
            CHECK_OK(gyre_yield());
    }
    return 0;
}

static int either(void *arg)
{
    struct either e = { 0 };
    gyre_branch branches[] = { { .fn = send_bytes, .arg = &e },
                               { .fn = send_numbers, .arg = &e },
                               { .fn = take_either, .arg = &e } };

    (void)arg;
    pair_make(e.pair);
    e.channel = make_channel(sizeof(unsigned), 3, 0);
    CHECK_OK(gyre_all(branches, 3));
    CHECK_EQ(e.got_bytes, e.sent_bytes);
    CHECK_EQ(e.got_numbers, e.sent_numbers);
    CHECK_GT(e.timers, 0u);
    gyre_channel_destroy(e.channel);
    pair_close(e.pair);
    return 0;
}

KERNEL_TEST2(K9_R6_bytes_numbers_and_timers_in_one_select_lose_nothing)
{
    must_run(either, NULL);
}

static int op_twice(void *arg)
{
    gyre_case cases[2];
    gyre_op op;
    char byte;

    (void)arg;
    gyre_op_read(&op, 0, &byte, 1, 0);
    cases[0] = cases[1] = gyre_on_op(&op);
    return gyre_select(cases, 2);
}

TEST_PANICS(K9_an_op_twice_panics, "op")
{
    must_run(op_twice, NULL);
}

static int op_that_chooses(void *arg)
{
    gyre_case at;
    gyre_op op;

    (void)arg;
    gyre_op_read(&op, 0, NULL, 0, 0);
    gyre_op_use_group(&op, 1);
    at = gyre_on_op(&op);
    return gyre_select(&at, 1);
}

TEST_PANICS(K9_an_op_that_chooses_its_buffer_panics, "which buffer")
{
    must_run(op_that_chooses, NULL);
}
