/* SPDX-License-Identifier: MIT */
/*
 * A shutdown in phases: who is told, what may finish, what is cancelled, and
 * what the report says of it. What does not end at all: test_left.c.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/crew.h"

enum { ENGINES = 2 };

struct run {
    gyre_shutdown_report report;
    gyre_shutdown_options options;
    gyre_engines *engines;
    atomic_uint told;
    atomic_uint ended; /* by itself */
    atomic_uint cut;
    atomic_bool begun;
};

static void run_init(struct run *run, uint64_t drain_ns, uint64_t cancel_ns)
{
    *run = (struct run){ 0 };
    run->report.size = sizeof run->report;
    run->options.drain_ns = drain_ns;
    run->options.cancel_ns = cancel_ns;
}

static int run_with(struct run *run, unsigned engines, gyre_task_fn *fn)
{
    return gyre_run(&(gyre_run_options){ .engines = engines,
                                         .shutdown_report = &run->report },
                    fn, run);
}

static int wait_to_be_told(void *arg)
{
    struct run *run = arg;

    CHECK_OK(gyre_wait_shutdown());
    CHECK(gyre_is_shutting_down(NULL));
    CHECK_OK(gyre_wait_shutdown()); /* at once */
    atomic_fetch_add(&run->told, 1);
    return 0;
}

/* ---- phase one and two --------------------------------------------------- */

static int work_after_told(void *arg)
{
    struct run *run = arg;

    CHECK_OK(gyre_wait_shutdown());
    CHECK_OK(gyre_sleep(5 * GYRE_MS)); /* nobody cancels it */
    atomic_fetch_add(&run->ended, 1);
    return 0;
}

static int tell_all(void *arg)
{
    gyre_scope *scope = gyre_loop_scope(gyre_loop_current());
    struct run *run = arg;

    CHECK_OK(gyre_spawn_all(scope, NULL, wait_to_be_told, run, NULL));
    CHECK_OK(gyre_spawn_all(scope, NULL, work_after_told, run, NULL));
    CHECK(!gyre_is_shutting_down(NULL));
    CHECK_OK(gyre_sleep(2 * GYRE_MS));
    gyre_engines_shutdown(NULL, &run->options);
    return 7;
}

static void all_finish(unsigned engines)
{
    struct run run;

    run_init(&run, GYRE_NEVER, 0);
    CHECK_EQ(run_with(&run, engines, tell_all), 7);
    CHECK_EQ(run.told, engines);
    CHECK_EQ(run.ended, engines);
    CHECK_EQ(run.report.tasks_cancelled, 0);
    CHECK_EQ(run.report.tasks_left, 0);
    CHECK_EQ(run.report.engines_left, 0);
    CHECK_EQ(run.report.ops_left, 0);
    CHECK_GE(run.report.tasks, engines);
    CHECK_GE(run.report.drain_ns, 5 * GYRE_MS);
    CHECK_STR_EQ(run.report.text, "");
}

KERNEL_TEST(L10_a_drain_is_over_when_all_have_finished)
{
    all_finish(1);
    all_finish(ENGINES);
}

struct hooked {
    gyre_shutdown_hook hook;
    unsigned called;
};

static void count_hook(gyre_shutdown_hook *hook)
{
    ((struct hooked *)hook)->called++;
}

static int hook_some(void *arg)
{
    struct hooked *hooked = arg;

    for (int i = 0; i < 3; i++)
        CHECK(gyre_shutdown_watch(&hooked[i].hook, count_hook));
    gyre_shutdown_unwatch(&hooked[1].hook);
    gyre_shutdown_unwatch(&hooked[3].hook); /* never set */
    gyre_engines_shutdown(NULL, NULL);
    CHECK_EQ(hooked[0].called, 0); /* the loop does it */
    CHECK(gyre_is_shutting_down(NULL));
    CHECK_ERR(gyre_sleep(GYRE_NEVER), -ECANCELED);
    CHECK(!gyre_shutdown_watch(&hooked[1].hook, count_hook));
    gyre_shutdown_unwatch(&hooked[0].hook); /* too late, which is allowed */
    return 0;
}

TEST(L10_a_hook_is_called_once_and_not_when_it_was_taken_back)
{
    struct hooked hooked[4] = { 0 };

    run_on_engines(1, hook_some, hooked);
    CHECK_EQ(hooked[0].called, 1);
    CHECK_EQ(hooked[1].called, 0);
    CHECK_EQ(hooked[2].called, 1);
}

/* Late enough, mostly, for the engine to have no task left. */
static int shut_down_late(void *arg)
{
    usleep(20000);
    gyre_engines_shutdown(arg, NULL);
    return 0;
}

static void op_ended(gyre_op *op, gyre_result result)
{
    (void)op, (void)result;
}

static void start_an_op(gyre_shutdown_hook *hook)
{
    static gyre_op op;

    (void)hook;
    gyre_op_nop(&op);
    gyre_op_start(gyre_loop_current(), &op, op_ended, NULL);
}

static int stop_with_a_call(void *arg)
{
    static gyre_shutdown_hook hook;
    static gyre_op op;

    (void)arg;
    memset(&hook, 0, sizeof hook);
    CHECK(gyre_shutdown_watch(&hook, start_an_op));
    gyre_op_call(&op, shut_down_late, gyre_engines_current());
    gyre_op_start(gyre_loop_current(), &op, op_ended, NULL);
    CHECK_OK(gyre_sleep(5 * GYRE_MS)); /* it has begun */
    gyre_loop_stop(gyre_loop_current());
    return 0;
}

KERNEL_TEST2(L10_no_hook_is_called_by_an_engine_that_closes)
{
    run_on_engines(1, stop_with_a_call, NULL);
    run_on_engines(ENGINES, stop_with_a_call, NULL);
}

static int wait_in_vain(void *arg)
{
    (void)arg;
    CHECK_ERR(gyre_wait_shutdown(), -ECANCELED);
    CHECK_ERR(gyre_wait_shutdown(), -ECANCELED);
    return 0;
}

static int cancel_who_waits(void *arg)
{
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, wait_in_vain, NULL));
    CHECK_OK(gyre_yield());
    gyre_scope_cancel(&scope);
    return gyre_scope_close(&scope);
}

TEST(L10_a_wait_for_a_shutdown_can_be_cancelled)
{
    struct run run;

    run_init(&run, 0, 0);
    CHECK_OK(run_with(&run, 1, cancel_who_waits));
    CHECK_EQ(run.report.tasks, 0); /* there was none */
}

/* ---- phase three --------------------------------------------------------- */

static int sleep_until_cut(void *arg)
{
    struct run *run = arg;

    CHECK_ERR(gyre_sleep(GYRE_NEVER), -ECANCELED);
    atomic_fetch_add(&run->cut, 1);
    return 0;
}

static int commit(gyre_scope *scope, void *arg)
{
    struct run *run = arg;

    (void)scope;
    CHECK_OK(gyre_sleep(10 * GYRE_MS));
    atomic_fetch_add(&run->ended, 1);
    return 0;
}

static int shielded(void *arg)
{
    static const gyre_scope_options shield = { .shield = true,
                                               .deadline_ns = GYRE_NEVER };
    struct run *run = arg;

    CHECK_ERR(gyre_sleep(GYRE_NEVER), -ECANCELED);
    CHECK_OK(gyre_scope_run(&shield, commit, run));
    CHECK_ERR(gyre_cancelled(), -ECANCELED);
    return 0;
}

static int leave_some(void *arg)
{
    gyre_scope *scope = gyre_loop_scope(gyre_loop_current());
    struct run *run = arg;

    CHECK_OK(gyre_spawn_all(scope, NULL, sleep_until_cut, run, NULL));
    CHECK_OK(gyre_spawn_all(scope, NULL, shielded, run, NULL));
    for (int i = 0; i < 5; i++)
        CHECK_OK(spawn_at(scope, GYRE_ANYWHERE, sleep_until_cut, run, NULL));
    gyre_engines_shutdown(NULL, &run->options);
    return 0;
}

static void cut_after_drain(unsigned engines)
{
    struct run run;

    run_init(&run, 20 * GYRE_MS, 60 * GYRE_SECOND);
    CHECK_OK(run_with(&run, engines, leave_some));
    CHECK_EQ(run.cut, 5 + engines);
    CHECK_EQ(run.ended, engines);
    CHECK_EQ(run.report.tasks_cancelled, 5 + 2 * engines);
    CHECK_EQ(run.report.tasks_left, 0);
    CHECK_GE(run.report.drain_ns, 20 * GYRE_MS);
    CHECK_GE(run.report.end_ns, 10 * GYRE_MS); /* the shields */
}

KERNEL_TEST(L10_what_has_not_finished_is_cancelled_but_for_shields)
{
    cut_after_drain(1);
    cut_after_drain(ENGINES);
}

static int shorten(void *arg)
{
    gyre_scope *scope = gyre_loop_scope(gyre_loop_current());
    struct run *run = arg;

    CHECK_OK(gyre_spawn_all(scope, NULL, sleep_until_cut, run, NULL));
    gyre_engines_shutdown(
        NULL, &(gyre_shutdown_options){ .drain_ns = 3600 * GYRE_SECOND });
    CHECK_OK(gyre_yield());
    gyre_engines_shutdown(NULL,
                          &(gyre_shutdown_options){ .drain_ns = GYRE_MS });
    gyre_engines_shutdown(NULL,
                          &(gyre_shutdown_options){ .drain_ns = GYRE_NEVER });
    return 0;
}

KERNEL_TEST2(L10_a_second_call_can_only_shorten_the_times)
{
    struct run run;

    run_init(&run, 0, 0);
    CHECK_OK(run_with(&run, 1, shorten));
    CHECK_EQ(run.cut, 1);
    run_init(&run, 0, 0);
    CHECK_OK(run_with(&run, ENGINES, shorten));
    CHECK_EQ(run.cut, ENGINES);
}

/* ---- from elsewhere ------------------------------------------------------ */

static void *shut_down(void *arg)
{
    struct run *run = arg;

    while (!atomic_load(&run->begun))
        usleep(100);
    CHECK(!gyre_is_shutting_down(run->engines));
    gyre_engines_shutdown(run->engines, &run->options);
    return NULL;
}

static int say_begun(void *arg)
{
    struct run *run = arg;

    run->engines = gyre_engines_current();
    atomic_store(&run->begun, true);
    return wait_to_be_told(run);
}

static void from_a_thread(unsigned engines)
{
    pthread_t thread;
    struct run run;

    run_init(&run, GYRE_NEVER, 0);
    CHECK_OK(pthread_create(&thread, NULL, shut_down, &run));
    CHECK_OK(run_with(&run, engines, say_begun));
    CHECK_OK(pthread_join(thread, NULL));
    CHECK_EQ(run.told, 1);
}

KERNEL_TEST(L2_L10_a_plain_thread_shuts_engines_down)
{
    from_a_thread(1);
    from_a_thread(ENGINES);
}

static _Atomic(gyre_engines *) signalled;

static void on_signal(int number)
{
    static const gyre_shutdown_options drain = { .drain_ns = GYRE_NEVER };

    (void)number;
    gyre_engines_shutdown(atomic_load(&signalled), &drain);
}

static int wait_then_raise(void *arg)
{
    (void)arg;
    CHECK_OK(gyre_sleep(GYRE_MS));
    CHECK_OK(raise(SIGUSR1));
    return 0;
}

static int told_by_signal(void *arg)
{
    struct run *run = arg;

    atomic_store(&signalled, gyre_engines_current());
    CHECK_OK(gyre_spawn(gyre_loop_scope(gyre_loop_current()), wait_then_raise,
                        NULL));
    return wait_to_be_told(run);
}

KERNEL_TEST(L10_a_signal_handler_shuts_engines_down)
{
    struct sigaction action = { .sa_handler = on_signal };
    struct run run;

    CHECK_OK(sigaction(SIGUSR1, &action, NULL));
    for (unsigned engines = 1; engines <= ENGINES; engines++) {
        run_init(&run, 0, 0);
        CHECK_OK(run_with(&run, engines, told_by_signal));
        CHECK_EQ(run.told, 1);
    }
}

/* ---- engines of their own ------------------------------------------------ */

static void own_engines(unsigned count)
{
    gyre_engines *engines;
    struct run run;

    run_init(&run, GYRE_NEVER, 0);
    CHECK_OK(
        gyre_engines_create(&engines, &(gyre_run_options){ .engines = count }));
    CHECK(!gyre_is_shutting_down(engines));
    gyre_engines_shutdown(engines, &run.options);
    CHECK_OK(gyre_engines_wait(engines, &run.report));
    CHECK_EQ(run.report.tasks_left, 0);
}

KERNEL_TEST(L10_engines_without_work_end_when_they_are_shut_down)
{
    own_engines(1);
    own_engines(3);
}

/* ---- listeners ----------------------------------------------------------- */

static int never_served(gyre_connection *connection)
{
    (void)connection;
    return -ENOTSUP;
}

static int listen_until_told(void *arg)
{
    const gyre_listener_options *options = arg;
    gyre_listener *listener;
    gyre_scope scope;

    CHECK_OK(gyre_listener_open(&listener, "127.0.0.1:0", options));
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_listener_serve(listener, &scope, never_served, NULL));
    CHECK(gyre_is_shutting_down(NULL));
    CHECK_OK(gyre_cancelled());
    CHECK_OK(gyre_scope_close(&scope));
    gyre_listener_close(listener);
    return 0;
}

static int stop_listeners(void *arg)
{
    static const gyre_shutdown_options drain = { .drain_ns = GYRE_NEVER };
    gyre_scope *scope = gyre_loop_scope(gyre_loop_current());

    for (int i = 0; i < 2; i++)
        CHECK_OK(gyre_spawn(scope, listen_until_told, arg));
    CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_engines_shutdown(NULL, &drain);
    CHECK_OK(gyre_spawn(scope, listen_until_told, arg)); /* stops at once */
    return 0;
}

KERNEL_TEST(L10_a_shutdown_stops_listeners)
{
    gyre_listener_options options = { 0 };

    run_on_engines(1, stop_listeners, &options);
    run_on_engines(ENGINES, stop_listeners, &options);
    options.spread = GYRE_SPREAD_REUSEPORT;
    run_on_engines(ENGINES, stop_listeners, &options);
}

static unsigned listening;

static int listen_to_the_end(void *arg)
{
    gyre_listener *listener;
    gyre_scope scope;

    CHECK_OK(gyre_listener_open(&listener, "127.0.0.1:0", arg));
    listening++; /* and serves, as soon as another task runs */
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_listener_serve(listener, &scope, never_served, NULL));
    CHECK(gyre_is_shutting_down(NULL));
    CHECK_OK(gyre_scope_close(&scope));
    gyre_listener_close(listener);
    return 0;
}

static int cancel_listeners(void *arg)
{
    gyre_scope *scope = gyre_loop_scope(gyre_loop_current());

    listening = 0;
    for (int i = 0; i < 2; i++)
        CHECK_OK(gyre_spawn(scope, listen_to_the_end, arg));
    while (listening < 2)
        CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_engines_shutdown(NULL, NULL);
    return 0;
}

KERNEL_TEST(L10_listeners_have_ended_well_when_a_shutdown_cancels_at_once)
{
    gyre_listener_options options = { 0 };

    run_on_engines(1, cancel_listeners, &options);
    run_on_engines(ENGINES, cancel_listeners, &options);
    options.spread = GYRE_SPREAD_REUSEPORT;
    run_on_engines(ENGINES, cancel_listeners, &options);
}

/* ---- ports --------------------------------------------------------------- */

static int listen_on(struct sockaddr_in *at)
{
    socklen_t length = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_GE(fd, 0);
    CHECK_OK(bind(fd, (struct sockaddr *)at, sizeof *at));
    CHECK_OK(listen(fd, 5));
    CHECK_OK(getsockname(fd, (struct sockaddr *)at, &length));
    return fd;
}

struct port {
    struct sockaddr_in at;
    int fd;
};

static int accept_for_ever(void *arg)
{
    const struct port *port = arg;

    CHECK_ERR(gyre_accept(port->fd, NULL, NULL, 0), -ECANCELED);
    return 0;
}

static int accept_everywhere(void *arg)
{
    gyre_scope *scope = gyre_loop_scope(gyre_loop_current());

    CHECK_OK(gyre_spawn_all(scope, NULL, accept_for_ever, arg, NULL));
    CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_engines_shutdown(NULL, NULL);
    return 0;
}

KERNEL_TEST(L10_a_port_can_be_bound_again_at_once)
{
    struct port port = { .at = { .sin_family = AF_INET } };

    port.at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (unsigned i = 0; i < 10; i++) {
        port.fd = listen_on(&port.at); /* the same from the second time on */
        run_on_engines(1 + i % 3, accept_everywhere, &port);
        CHECK_OK(close(port.fd));
    }
}
