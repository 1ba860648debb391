/* SPDX-License-Identifier: MIT */
/*
 * Listeners whose connections are in slots: which are, how they come to another
 * engine, and that nobody is lost when there is no slot, no message, no
 * descriptor, or no time left.
 */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/fault.h"
#include "engine/callers.h"
#include "runner/clients.h"

enum { SLOTS = 64, CALLERS = 4, CALLS = 30, KEPT = 24 };

struct stage {
    gyre_listener_options options;
    gyre_listener *listener;
    gyre_scope scope;
    gyre_connection_fn *fn;
    unsigned engines;
    enum fault_kind kind;
    unsigned fails; /* the first, the second ... */
    atomic_uint served;
    atomic_uint handles; /* of connections in slots */
    gyre_event go;
    bool emulated;
    bool has_table;
};

static gyre_listener_stats stats_of(const gyre_listener *listener, int engine)
{
    gyre_listener_stats stats = { .size = sizeof stats };

    gyre_listener_get_stats(listener, engine, &stats);
    return stats;
}

static int give_byte(gyre_connection *connection)
{
    struct stage *stage = connection->arg;

    atomic_fetch_add(&stage->served, 1);
    if (gyre_is_slot(connection->fd))
        atomic_fetch_add(&stage->handles, 1);
    return gyre_send_all(connection->fd, "x", 1, 0);
}

static int serve(void *arg)
{
    struct stage *stage = arg;

    return gyre_listener_serve(stage->listener, &stage->scope, stage->fn,
                               stage);
}

static void stage_open(struct stage *stage)
{
    stage->listener = listen_with(&stage->options);
    stage->emulated = table_here().emulated;
    gyre_scope_open(&stage->scope, NULL);
    CHECK_OK(gyre_spawn(&stage->scope, serve, stage));
}

static void stage_close(struct stage *stage)
{
    gyre_scope scope;

    gyre_listener_stop(stage->listener);
    CHECK_OK(gyre_scope_close(&stage->scope));
    CHECK_EQ(open_at(stage->listener, -1), 0);
    gyre_listener_close(stage->listener);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_all(&scope, NULL, no_slot_is_used, NULL, NULL));
    CHECK_OK(gyre_scope_close(&scope));
}

/* ---- who is in a slot ---------------------------------------------------- */

static int call_often(void *arg)
{
    struct stage *stage = arg;

    for (unsigned i = 0; i < CALLS; i++)
        call_for_byte(stage->listener);
    return 0;
}

static void check_slotted(const struct stage *stage)
{
    gyre_listener_stats stats = stats_of(stage->listener, -1);
    bool passes = stage->engines > 1 &&
                  stage->options.spread == GYRE_SPREAD_HAND_OFF;

    CHECK_EQ(stats.accepted, CALLERS * CALLS);
    CHECK_EQ(stats.slotted, stage->emulated ? 0 : CALLERS * CALLS);
    CHECK_EQ(stage->handles, stats.slotted);
    if (stage->emulated || !passes) {
        CHECK_EQ(stats.passed, 0);
        return;
    }
    /* Those of the engine that does not accept. */
    CHECK_GT(stats.passed, 0);
    CHECK(stats.passed == accepted_by(stage->listener, 0) ||
          stats.passed == accepted_by(stage->listener, 1));
}

static int call_from_some(void *arg)
{
    struct stage *stage = arg;
    gyre_scope callers;

    stage_open(stage);
    gyre_scope_open(&callers, NULL);
    for (int i = 0; i < CALLERS; i++)
        CHECK_OK(gyre_spawn(&callers, call_often, stage));
    CHECK_OK(gyre_scope_close(&callers));
    CHECK_EQ(stage->served, CALLERS * CALLS);
    check_slotted(stage);
    stage_close(stage);
    return 0;
}

static void call_on_engines(const gyre_listener_options *options)
{
    for (unsigned engines = 1; engines <= 2; engines++) {
        struct stage stage = { .options = *options,
                               .fn = give_byte,
                               .engines = engines };

        run_on_engines(engines, call_from_some, &stage);
    }
}

KERNEL_TEST(V1_connections_in_slots_are_passed_from_table_to_table)
{
    call_on_engines(&(gyre_listener_options){ .slots = SLOTS });
}

KERNEL_TEST(V1_connections_that_are_not_passed_lie_in_slots_alike)
{
    call_on_engines(&(gyre_listener_options){
        .slots = SLOTS, .spread = GYRE_SPREAD_REUSEPORT });
}

KERNEL_TEST(V1_slots_go_with_peers_and_a_bound)
{
    call_on_engines(&(gyre_listener_options){ .slots = SLOTS, .peers = true });
    call_on_engines(
        &(gyre_listener_options){ .slots = SLOTS, .connections_max = 3 });
}

/* ---- no more slots ------------------------------------------------------- */

static int give_byte_and_stay(gyre_connection *connection)
{
    struct stage *stage = connection->arg;
    int err = give_byte(connection);

    return err < 0 ? err : gyre_event_wait(&stage->go, NULL);
}

static void call_and_stay(const struct stage *stage, int *fds)
{
    for (int i = 0; i < KEPT; i++) {
        char byte = 0;

        fds[i] = call(stage->listener);
        CHECK_GE(fds[i], 0);
        CHECK_EQ(gyre_recv(fds[i], &byte, 1, 0), 1);
    }
}

static void let_go(struct stage *stage, const int *fds)
{
    CHECK_EQ(stage->served, KEPT);
    CHECK_OK(gyre_event_set(&stage->go, NULL));
    for (int i = 0; i < KEPT; i++)
        CHECK_OK(gyre_close(fds[i]));
}

static int keep_more_than_slots(void *arg)
{
    struct stage *stage = arg;
    int fds[KEPT];

    /* One that is there already is used as it is. */
    if (stage->has_table)
        CHECK_OK(gyre_slots_create(gyre_loop_current(), SLOTS_ALLOWED));
    stage_open(stage);
    call_and_stay(stage, fds);
    for (unsigned n = 0; n < stage->engines; n++) {
        gyre_listener_stats stats = stats_of(stage->listener, (int)n);

        CHECK_LE(stats.slotted, stage->options.slots);
        CHECK_GT(stats.accepted, stats.slotted);
    }
    if (!stage->emulated)
        CHECK_GE(stage->handles, stage->options.slots);
    let_go(stage, fds);
    stage_close(stage);
    gyre_event_destroy(&stage->go);
    return 0;
}

KERNEL_TEST(V1_more_connections_than_slots_have_descriptors)
{
    allow_slots();
    for (unsigned i = 0; i < 4; i++) {
        struct stage stage = { .options.slots = 5,
                               .fn = give_byte_and_stay,
                               .engines = 1 + i / 2,
                               .has_table = i % 2 == 1 };

        run_on_engines(stage.engines, keep_more_than_slots, &stage);
    }
}

/* ---- tables that somebody else fills, or takes away ---------------------- */

static int fill_table(void *arg)
{
    int fds[2] = { *(int *)arg, *(int *)arg };

    CHECK_OK(gyre_slots_create(gyre_loop_current(), 2));
    CHECK_EQ(gyre_slots_set(gyre_loop_current(), 0, fds, 2), 2);
    return 0;
}

static int drop_table(void *arg)
{
    (void)arg;
    CHECK_OK(gyre_slots_destroy(gyre_loop_current()));
    return 0;
}

static void do_on(unsigned n, gyre_task_fn *fn, void *arg)
{
    gyre_scope *scope = gyre_engine_scope(gyre_engines_current(), n);
    gyre_task *task;

    CHECK_OK(spawn_at(scope, GYRE_ENGINE(n), fn, arg, &task));
    CHECK_OK(gyre_join(task, NULL));
}

static void call_without_passing(struct stage *stage)
{
    int fds[KEPT];

    call_and_stay(stage, fds);
    CHECK_EQ(stats_of(stage->listener, 1).slotted, 0);
    CHECK_EQ(stats_of(stage->listener, 1).accepted, KEPT / 2);
    CHECK_EQ(stats_of(stage->listener, 0).slotted,
             stage->emulated ? 0 : KEPT / 2);
    let_go(stage, fds);
}

static int pass_into_full_table(void *arg)
{
    struct stage *stage = arg;
    int null = gyre_open("/dev/null", O_RDONLY, 0);

    do_on(1, fill_table, &null);
    stage_open(stage);
    call_without_passing(stage);
    do_on(1, drop_table, NULL);
    CHECK_OK(gyre_close(null));
    stage_close(stage);
    gyre_event_destroy(&stage->go);
    return 0;
}

KERNEL_TEST(V1_who_finds_the_other_table_full_has_a_descriptor)
{
    struct stage stage = { .options.slots = SLOTS, .fn = give_byte_and_stay };

    run_on_engines(2, pass_into_full_table, &stage);
}

static int make_small_table(void *arg)
{
    (void)arg;
    CHECK_OK(gyre_slots_create(gyre_loop_current(), SLOTS));
    return 0;
}

/* It has room for them all, but none to spare. */
static int pass_into_small_table(void *arg)
{
    struct stage *stage = arg;

    do_on(1, make_small_table, NULL);
    stage_open(stage);
    call_without_passing(stage);
    stage_close(stage);
    gyre_event_destroy(&stage->go);
    return 0;
}

KERNEL_TEST(V1_slots_that_another_gate_may_need_are_not_passed_into)
{
    struct stage stage = { .options.slots = SLOTS, .fn = give_byte_and_stay };

    run_on_engines(2, pass_into_small_table, &stage);
}

/* Those who are accepted where there is no slot are not dropped. */
static int accept_with_full_table(void *arg)
{
    struct stage *stage = arg;
    unsigned here = (unsigned)gyre_engine_current();
    int null = gyre_open("/dev/null", O_RDONLY, 0);
    int fds[KEPT];

    do_on(here, fill_table, &null);
    stage_open(stage);
    call_and_stay(stage, fds);
    CHECK_EQ(stats_of(stage->listener, (int)here).slotted, 0);
    let_go(stage, fds);
    do_on(here, drop_table, NULL);
    CHECK_OK(gyre_close(null));
    stage_close(stage);
    gyre_event_destroy(&stage->go);
    return 0;
}

KERNEL_TEST(V1_with_its_own_table_full_it_accepts_into_descriptors)
{
    static const gyre_listener_options each[] = {
        { .slots = SLOTS },
        { .slots = SLOTS, .peers = true },
        { .slots = SLOTS, .spread = GYRE_SPREAD_REUSEPORT },
    };

    for (size_t i = 0; i < 3; i++) {
        struct stage stage = { .options = each[i], .fn = give_byte_and_stay };

        run_on_engines(2, accept_with_full_table, &stage);
    }
}

static int pass_into_no_table(void *arg)
{
    struct stage *stage = arg;

    stage_open(stage);
    if (!stage->emulated)
        do_on(1, drop_table, NULL);
    call_without_passing(stage);
    stage_close(stage);
    gyre_event_destroy(&stage->go);
    return 0;
}

KERNEL_TEST(V1_who_finds_no_table_there_any_more_has_a_descriptor)
{
    struct stage stage = { .options.slots = SLOTS, .fn = give_byte_and_stay };

    run_on_engines(2, pass_into_no_table, &stage);
}

static int ask_for_too_many(void *arg)
{
    const gyre_listener_options most = { .slots = GYRE_SLOTS_MAX };
    gyre_listener *listener;
    int err = gyre_listener_open(&listener, "127.0.0.1:0", &most);

    (void)arg;
    if (table_here().emulated) {
        CHECK_OK(err);
        gyre_listener_close(listener);
        return 0;
    }
    CHECK_ERR(err, -EMFILE);
    CHECK_STR_HAS(gyre_listener_error(), "options.slots");
    CHECK_STR_HAS(gyre_listener_error(), "RLIMIT_NOFILE");
    return 0;
}

KERNEL_TEST(V1_more_slots_than_may_be_are_refused_with_the_remedy)
{
    run_on_engines(2, ask_for_too_many, NULL);
}

/* A plain thread has no loop to make them for: they are made by the serving. */
static int serve_from_outside(void *arg)
{
    struct stage *stage = arg;
    int err;

    stage->emulated = table_here().emulated;
    gyre_scope_open(&stage->scope, NULL);
    if (stage->options.slots == GYRE_SLOTS_MAX) {
        err = gyre_listener_serve(stage->listener, &stage->scope, give_byte,
                                  stage);
        CHECK_ERR(err, -EMFILE);
        CHECK_STR_HAS(gyre_listener_error(), "RLIMIT_NOFILE");
    } else {
        CHECK_OK(gyre_spawn(&stage->scope, serve, stage));
        call_for_byte(stage->listener);
        call_for_byte(stage->listener);
        gyre_listener_stop(stage->listener);
    }
    CHECK_OK(gyre_scope_close(&stage->scope));
    CHECK_EQ(stage->handles, stage->emulated ? 0 : stage->served);
    gyre_listener_close(stage->listener);
    return 0;
}

KERNEL_TEST(V1_slots_of_a_listener_from_outside_are_made_by_the_serving)
{
    struct stage stage = { .options = { .slots = SLOTS, .engines = 2 },
                           .fn = give_byte };

    stage.listener = listen_with(&stage.options);
    run_on_engines(2, serve_from_outside, &stage);
    CHECK_EQ(stage.served, 2);
    if (stage.emulated)
        return;
    stage.options.slots = GYRE_SLOTS_MAX;
    stage.handles = stage.served = 0;
    stage.listener = listen_with(&stage.options);
    run_on_engines(2, serve_from_outside, &stage);
}

/* ---- nothing left -------------------------------------------------------- */

static int echo_byte(gyre_connection *connection)
{
    struct stage *stage = connection->arg;
    char byte;

    CHECK_EQ(gyre_recv(connection->fd, &byte, 1, 0), 1);
    CHECK_EQ(gyre_send(connection->fd, &byte, 1, 0), 1);
    if (atomic_fetch_add(&stage->served, 1) + 1 == KEPT)
        gyre_listener_stop(stage->listener);
    return 0;
}

static int serve_without_descriptors(void *arg)
{
    struct stage *stage = arg;
    int null = gyre_open("/dev/null", O_RDONLY, 0);
    struct sockaddr_in address;
    struct rlimit limit;
    pid_t child;

    if (table_here().emulated)
        TEST_SKIP("without Linux's table a slot takes a descriptor");
    do_on(1, fill_table, &null);
    stage->listener = listen_with(&stage->options);
    address = address_of(stage->listener);
    gyre_scope_open(&stage->scope, NULL);
    child = clients_start(&address, KEPT);
    limit = leave_descriptors(0);
    CHECK_OK(
        gyre_listener_serve(stage->listener, &stage->scope, echo_byte, stage));
    CHECK_OK(gyre_scope_close(&stage->scope));
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    clients_end(child);
    CHECK_EQ(stats_of(stage->listener, 0).slotted, KEPT);
    CHECK_EQ(stats_of(stage->listener, 1).accepted, 0);
    CHECK_EQ(stats_of(stage->listener, -1).pauses, 0);
    gyre_listener_close(stage->listener);
    do_on(1, drop_table, NULL);
    CHECK_OK(gyre_close(null));
    return no_slot_is_used(NULL);
}

KERNEL_TEST(V1_without_descriptors_they_are_served_in_the_slots_there_are)
{
    struct stage stage = { .options.slots = SLOTS };

    test_quiet();
    if (test_on_valgrind())
        TEST_SKIP("valgrind keeps descriptors of its own");
    run_on_engines(2, serve_without_descriptors, &stage);
}

/* ---- what fails ---------------------------------------------------------- */

/* Each is answered, whatever of the server's has failed. */
static void *call_twice(void *arg)
{
    struct stage *stage = arg;
    struct sockaddr_in address = address_of(stage->listener);

    for (int i = 0; i < 2; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char byte = 0;

        CHECK_GE(fd, 0);
        CHECK_OK(
            patient_connect(fd, (struct sockaddr *)&address, sizeof address));
        CHECK_EQ(patient_read(fd, &byte, 1), 1);
        CHECK_EQ(byte, 'x');
        CHECK_EQ(patient_read(fd, &byte, 1), 0);
        CHECK_OK(close(fd));
    }
    gyre_listener_stop(stage->listener);
    return NULL;
}

static int give_byte_at_last(gyre_connection *connection)
{
    while (give_byte(connection) < 0)
        ;
    return 0;
}

static int fail_at(void *arg)
{
    struct stage *stage = arg;
    pthread_t thread;

    stage->listener = listen_with(&stage->options);
    gyre_scope_open(&stage->scope, NULL);
    fault_nth(stage->kind, stage->fails, -ENOMEM);
    CHECK_EQ(pthread_create(&thread, NULL, call_twice, stage), 0);
    CHECK_OK(gyre_listener_serve(stage->listener, &stage->scope,
                                 give_byte_at_last, stage));
    CHECK_OK(gyre_scope_close(&stage->scope));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(accepted_by(stage->listener, -1), 2);
    gyre_listener_close(stage->listener);
    fault_nth(stage->kind, 0, 0);
    gyre_scope_open(&stage->scope, NULL);
    CHECK_OK(gyre_spawn_all(&stage->scope, NULL, no_slot_is_used, NULL, NULL));
    return gyre_scope_close(&stage->scope);
}

static void fail_each(enum fault_kind kind, unsigned first, unsigned last)
{
    for (unsigned fails = first; fails <= last; fails++) {
        struct stage stage = { .options.slots = SLOTS,
                               .kind = kind,
                               .fails = fails };

        run_on_engines(2, fail_at, &stage);
    }
}

KERNEL_TEST(V1_a_message_that_fails_loses_nobody)
{
    fail_each(FAULT_OP, 1, 6);
}

/* Without the first two nothing is accepted. */
KERNEL_TEST(V1_who_cannot_be_passed_for_want_of_a_task_is_served)
{
    fail_each(FAULT_SPAWN, 3, 6);
}
