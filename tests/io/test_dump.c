/* SPDX-License-Identifier: MIT */
/*
 * Dumps: each of the things that a loop has in its books is told of, by name,
 * with what it waits for and since when; what is many is counted; and nothing
 * of it needs memory. On both kernels.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "io/world.h"

#define NOINLINE __attribute__((noinline))

/* ---- a dump as a string -------------------------------------------------- */

struct text {
    size_t size;
    char bytes[1 << 20];
};

static void take(void *user, const char *piece, size_t size)
{
    struct text *text = user;

    CHECK(text->size + size < sizeof text->bytes);
    memcpy(text->bytes + text->size, piece, size);
    text->size += size;
    text->bytes[text->size] = '\0';
}

/* Of the running loop, or of the given one. */
static const char *dump_of(gyre_loop *loop)
{
    static struct text text;

    text.size = 0;
    gyre_dump(loop, take, &text);
    CHECK_STR_HAS(text.bytes, "gyre dump: loop ");
    CHECK_STR_HAS(text.bytes, "\nend of dump\n");
    return text.bytes;
}

static const char *dump_here(void)
{
    return dump_of(gyre_loop_current());
}

/* libunwind keeps a pipe, for trying whether an address can be read. */
static int dump_once(void *arg)
{
    (void)arg;
    (void)dump_here();
    return 0;
}

void test_warm_up(void)
{
    must_run(dump_once, NULL);
}

/* From the task's line to the next line of a task or scope; static. */
static const char *part_of(const char *dump, const char *name)
{
    static char part[8192];
    char opening[100];
    const char *begin, *end;

    (void)snprintf(opening, sizeof opening, "task '%s' 0x", name);
    /* Others may speak of it: its own line begins with it. */
    for (begin = strstr(dump, opening); begin != NULL;
         begin = strstr(begin + 1, opening))
        if (begin[-1] == ' ' && begin[-2] == ' ')
            break;
    if (begin == NULL)
        FAIL("no %s in:\n%s", opening, dump);
    for (end = strchr(begin, '\n'); end != NULL; end = strchr(end + 1, '\n')) {
        const char *word = end + 1 + strspn(end + 1, " ");

        if (strncmp(word, "born", 4) != 0 && *word != '#')
            break;
    }
    CHECK(end != NULL && (size_t)(end - begin) < sizeof part);
    memcpy(part, begin, (size_t)(end - begin));
    part[end - begin] = '\0';
    return part;
}

static NOINLINE void spawn(gyre_scope *scope, const char *name,
                           gyre_task_fn *fn, void *arg)
{
    const gyre_task_options options = { .name = name };
    gyre_task *task;

    CHECK_OK(gyre_spawn_with(scope, &options, fn, arg, &task));
}

/* Let all the others get to where they wait. */
static void settle(void)
{
    CHECK_OK(gyre_sleep(5 * GYRE_MS));
}

/* ---- the tasks to be seen ------------------------------------------------ */

static int pair[2];
static gyre_mutex mutex = GYRE_MUTEX_INIT;
static volatile int after;

static NOINLINE int receive_deep(int fd)
{
    char byte;
    int n = (int)gyre_recv(fd, &byte, 1, 0);

    after = after + 1;
    return n;
}

static NOINLINE int receive(void *arg)
{
    int n = receive_deep(*(int *)arg);

    after = after + 1;
    return n == -ECANCELED ? 0 : n;
}

static int sleep_long(void *arg)
{
    (void)arg;
    (void)gyre_sleep(3600 * GYRE_SECOND);
    return 0;
}

static int hold_mutex(void *arg)
{
    (void)arg;
    CHECK_OK(gyre_mutex_lock(&mutex));
    (void)gyre_sleep(GYRE_NEVER);
    gyre_mutex_unlock(&mutex);
    return 0;
}

static int want_mutex(void *arg)
{
    (void)arg;
    if (gyre_mutex_lock(&mutex) == 0)
        gyre_mutex_unlock(&mutex);
    return 0;
}

static int own_scope(gyre_scope *scope, void *arg)
{
    spawn(scope, "grandchild", sleep_long, arg);
    return 0;
}

static int open_scope(void *arg)
{
    const gyre_scope_options options = {
        .deadline_ns = gyre_loop_now(gyre_loop_current()) + 1800 * GYRE_SECOND
    };
    int err = gyre_scope_run(&options, own_scope, arg);

    return err == -ETIME || err == -ECANCELED ? 0 : err;
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 7;
}

static int joiner_target(void *arg)
{
    return sleep_long(arg);
}

static int join_other(void *arg)
{
    (void)!gyre_join(arg, NULL);
    return 0;
}

static int yield_always(void *arg)
{
    (void)arg;
    while (gyre_yield() == 0)
        ;
    return 0;
}

/* Everything there is, then the dump, then the end of it all. */
static int with_all(void (*look)(const char *dump))
{
    const gyre_task_options named = { .name = "target" };
    gyre_task *target;
    gyre_scope scope;

    pair_open(pair);
    gyre_scope_open(&scope, NULL);
    spawn(&scope, "receiver", receive, &pair[0]);
    spawn(&scope, "sleeper", sleep_long, NULL);
    spawn(&scope, "holder", hold_mutex, NULL);
    spawn(&scope, "wanter", want_mutex, NULL);
    spawn(&scope, "opener", open_scope, NULL);
    spawn(&scope, "ended", end_at_once, NULL);
    spawn(&scope, "yielder", yield_always, NULL);
    CHECK_OK(gyre_spawn_with(&scope, &named, joiner_target, NULL, &target));
    spawn(&scope, "joiner", join_other, target);
    settle();
    look(dump_here());
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    pair_close(pair);
    return 0;
}

/* ---- what is told of a task ---------------------------------------------- */

static void look_at_states(const char *dump)
{
    char fd[32];

    (void)snprintf(fd, sizeof fd, "RECV on fd %d, in flight", pair[0]);
    CHECK_STR_HAS(part_of(dump, "receiver"), ": waiting for ");
    CHECK_STR_HAS(part_of(dump, "receiver"), fd);
    CHECK_STR_HAS(part_of(dump, "sleeper"), " on sleep, 59 min 59 s left");
    CHECK_STR_HAS(part_of(dump, "holder"), "sleep, for ever");
    CHECK_STR_HAS(part_of(dump, "wanter"), " on mutex 0x");
    CHECK_STR_HAS(part_of(dump, "wanter"), "held by task 'holder'");
    CHECK_STR_HAS(part_of(dump, "opener"), " on the 1 children of scope 0x");
    CHECK_STR_HAS(part_of(dump, "ended"), ": finished with 7, not joined");
    CHECK_STR_HAS(part_of(dump, "yielder"), ": ready after ");
    CHECK_STR_HAS(part_of(dump, "joiner"), " on join of task 'target'");
    CHECK_STR_HAS(dump, "task 'task' ");
    CHECK_STR_HAS(dump, ": running\n");
    CHECK_STR_HAS(dump, ": 1 children, 29 min 59 s left\n");
}

static int dump_states(void *arg)
{
    (void)arg;
    return with_all(look_at_states);
}

KERNEL_TEST2(U2_a_dump_tells_name_state_and_reason_of_each_task)
{
    must_run(dump_states, NULL);
}

static void look_at_origins(const char *dump)
{
    CHECK_STR_HAS(part_of(dump, "grandchild"), " ago by task 'opener' 0x");
    CHECK_STR_HAS(part_of(dump, "receiver"), " ago by task 'task' 0x");
#ifdef GYRE_HAVE_LIBUNWIND
    CHECK_STR_HAS(part_of(dump, "grandchild"), " at spawn+0x");
    CHECK_STR_HAS(part_of(dump, "grandchild"), "; runs sleep_long+0x0 (");
#endif
    CHECK_STR_HAS(part_of(dump, "grandchild"), "; stack 64 KiB");
}

static int dump_origins(void *arg)
{
    (void)arg;
    return with_all(look_at_origins);
}

KERNEL_TEST2(R7_names_parents_and_sites_are_in_dumps)
{
    must_run(dump_origins, NULL);
}

static void look_at_calls(const char *dump)
{
#if defined(GYRE_SWITCH_UCONTEXT)
    (void)dump;
    TEST_SKIP("swapcontext() keeps its registers to itself");
#elif defined(GYRE_HAVE_LIBUNWIND)
    const char *part = part_of(dump, "receiver");

    CHECK_STR_HAS(part, "gyre_recv+0x");
    CHECK_STR_HAS(strstr(part, "gyre_recv+0x"), "receive_deep+0x");
    CHECK_STR_HAS(strstr(part, "receive_deep+0x"), "receive+0x");
    CHECK(strstr(part, "context_entry") == NULL);
    CHECK_STR_HAS(part_of(dump, "yielder"), "yield_always+0x");
#else
    CHECK_STR_HAS(part_of(dump, "receiver"), "#4 ");
#endif
}

static int dump_calls(void *arg)
{
    (void)arg;
    return with_all(look_at_calls);
}

KERNEL_TEST2(U2_a_dump_tells_the_calls_of_each_waiting_task)
{
    must_run(dump_calls, NULL);
}

/* The number before the unit, in ms; of "waiting for 12 ms on". */
static unsigned long wait_ms(const char *part)
{
    const char *at = strstr(part, ": waiting for ");
    char unit[8] = "";
    unsigned long number = 0;

    CHECK(at != NULL);
    CHECK_EQ(sscanf(at, ": waiting for %lu %7s", &number, unit), 2);
    CHECK(strcmp(unit, "ms") == 0 || strcmp(unit, "us") == 0 ||
          strcmp(unit, "ns") == 0);
    return strcmp(unit, "ms") == 0 ? number : 0;
}

/* No timer of its own anywhere that would let the loop read its clock: ops
 * alone, and a thread that writes. */
static int dump_ages(void *arg)
{
    gyre_scope scope;
    const char *dump;

    (void)arg;
    pair_open(pair);
    gyre_scope_open(&scope, NULL);
    spawn(&scope, "old", receive, &pair[0]);
    CHECK_OK(gyre_sleep(200 * GYRE_MS));
    spawn(&scope, "young", receive, &pair[1]);
    CHECK_OK(gyre_sleep(20 * GYRE_MS));
    dump = dump_here();
    CHECK_GE(wait_ms(part_of(dump, "old")), 200u);
    CHECK_GE(wait_ms(part_of(dump, "young")), 10u);
    CHECK_LT(wait_ms(part_of(dump, "young")) + 150,
             wait_ms(part_of(dump, "old")));
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    pair_close(pair);
    return 0;
}

KERNEL_TEST2(U2_a_dump_tells_since_when_a_task_waits)
{
    must_run(dump_ages, NULL);
}

/* ---- ops, backlog, timers, pools ----------------------------------------- */

static void on_op(gyre_op *op, gyre_result result)
{
    (void)result;
    *(bool *)op->user = true;
}

static void on_timer(gyre_timer *timer, int status)
{
    (void)timer, (void)status;
}

/* "12 ms", "1.25 s", "59 min 59 s", in seconds. */
static double seconds_of(const char *age)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = { { " ns", 1e-9 },
                  { " us", 1e-6 },
                  { " ms", 1e-3 },
                  { " s", 1 },
                  { " min", 60 } };
    char *unit;
    double n = strtod(age, &unit);

    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (strncmp(unit, units[i].name, strlen(units[i].name)) == 0)
            return n * units[i].seconds;
    FAIL("no time: %.20s", age);
}

KERNEL_TEST2(U2_a_dump_tells_of_ops_with_descriptor_and_age)
{
    static char buffers[2];
    gyre_deadline deadline;
    gyre_op flying, queued;
    bool done[2] = { false, false };
    gyre_timer timer;
    gyre_loop *loop;
    char line[100];
    const char *dump, *at;
    double age;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    pair_open(pair);
    gyre_op_recv(&flying, pair[0], &buffers[0], 1, 0);
    gyre_op_start(loop, &flying, on_op, &done[0]);
    gyre_op_set_deadline(&flying, &deadline,
                         gyre_loop_now(loop) + 3600 * GYRE_SECOND);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    gyre_timer_init(&timer, loop, on_timer, NULL);
    gyre_timer_start_after(&timer, 120 * GYRE_MS);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
    gyre_op_recv(&queued, pair[1], &buffers[1], 1, 0);
    gyre_op_start(loop, &queued, on_op, &done[1]);

    dump = dump_of(loop);
    CHECK_STR_HAS(dump, "1 ops queued (backlog), 1 ops in flight\n");
    CHECK_STR_HAS(dump, "timers: 1 armed, the loop looks at them in ");
    (void)snprintf(line, sizeof line, ": RECV on fd %d, in flight for ",
                   pair[0]);
    CHECK_STR_HAS(dump, line);
    at = strstr(dump, line) + strlen(line);
    age = seconds_of(at);
    CHECK(age >= 0.1);
    CHECK_STR_HAS(at, ", 59 min ");
    CHECK_STR_HAS(at, " s left; calls ");
    (void)snprintf(line, sizeof line, ": RECV on fd %d, queued for ", pair[1]);
    CHECK_STR_HAS(dump, line);
    at = strstr(dump, line) + strlen(line);
    CHECK(seconds_of(at) <= age - 0.1);
    CHECK_STR_HAS(dump, "  2 in all; 0 more are of tasks\n");
    CHECK_STR_HAS(dump, "tasks: none so far\n");
#ifdef GYRE_HAVE_LIBUNWIND
    CHECK_STR_HAS(dump, "; calls on_op+0x0 (");
#endif

    CHECK_OK(gyre_op_cancel(&flying));
    CHECK_STR_HAS(dump_of(loop), ", asked to end, ");
    gyre_loop_destroy(loop);
    CHECK(done[0] && done[1]);
    pair_close(pair);
}

static int block(void *arg)
{
    char byte;

    return (int)read(*(int *)arg, &byte, 1);
}

static int call_blocking(void *arg)
{
    CHECK_EQ(gyre_call_blocking(block, arg), 1);
    return 0;
}

static int dump_pools(void *arg)
{
    static int pipes[2];
    gyre_scope scope;

    (void)arg;
    CHECK_STR_HAS(dump_here(), "blocking threads: 0 of at most 8, 0 idle");
    CHECK_OK(pipe(pipes));
    gyre_scope_open(&scope, NULL);
    spawn(&scope, "blocker", call_blocking, &pipes[0]);
    settle();
    CHECK_STR_HAS(dump_here(), "blocking threads: 1 of at most 8, ");
    CHECK_STR_HAS(dump_here(), "requests queued, the longest wait ");
    CHECK_STR_HAS(dump_here(), "stacks of 64 KiB: 2 used, ");
    CHECK_STR_HAS(part_of(dump_here(), "blocker"), "CALL, in flight");
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    CHECK_OK(gyre_scope_close(&scope));
    close(pipes[0]);
    close(pipes[1]);
    return 0;
}

KERNEL_TEST2(U2_a_dump_tells_of_stacks_and_blocking_threads)
{
    CHECK_OK(gyre_run(&(gyre_run_options){ .engines = 1 }, dump_pools, NULL));
}

/* ---- many, deep, and without memory -------------------------------------- */

static int sleep_in_scope(gyre_scope *scope, void *arg)
{
    (void)scope;
    return sleep_long(arg);
}

static int sleep_scoped(void *arg)
{
    int err = gyre_scope_run(NULL, sleep_in_scope, arg);

    return err == -ECANCELED ? 0 : err;
}

static int dump_many(void *arg)
{
    unsigned count = test_tasks(3000);
    gyre_scope scope, scopes[50];
    const char *dump;
    char line[100];

    (void)arg;
    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < count; i++) {
        CHECK_OK(gyre_spawn(&scope, sleep_long, NULL));
        CHECK_OK(gyre_spawn(&scope, sleep_scoped, NULL));
    }
    settle();
    for (int i = 0; i < 50; i++)
        gyre_scope_open(&scopes[i], NULL);
    dump = dump_here();
    (void)snprintf(line, sizeof line, "and %u more like task 'task' ",
                   count - 3);
    CHECK_STR_HAS(dump, line);
    CHECK_STR_HAS(strstr(dump, line) + 1, line);
    CHECK_LT(strlen(dump), 30000u);
    for (int i = 49; i >= 0; i--)
        CHECK_OK(gyre_scope_close(&scopes[i]));
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    return 0;
}

KERNEL_TEST2(U2_a_dump_of_many_tasks_is_short)
{
    must_run(dump_many, NULL);
}

static void look_without_memory(const char *dump)
{
    (void)dump;
    alloc_fail_nth(1);
    CHECK_STR_HAS(dump_here(), "task 'receiver' ");
    CHECK(!alloc_did_fail());
    alloc_fail_nth(0);
}

static int dump_without_memory(void *arg)
{
    (void)arg;
    return with_all(look_without_memory);
}

KERNEL_TEST2(U2_a_dump_allocates_nothing)
{
    must_run(dump_without_memory, NULL);
}

/* Nor does what it calls need any: not one page more is to be had. */
static void look_without_pages(const char *dump)
{
    struct rlimit before, none = { 0, RLIM_INFINITY };

    (void)dump;
    CHECK_OK(getrlimit(RLIMIT_AS, &before));
    none.rlim_max = before.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_AS, &none));
    dump = dump_here();
    CHECK_OK(setrlimit(RLIMIT_AS, &before));
    CHECK_STR_HAS(part_of(dump, "receiver"), "RECV on fd ");
    CHECK_STR_HAS(part_of(dump, "wanter"), "held by task 'holder'");
}

static int dump_without_pages(void *arg)
{
    (void)arg;
    return with_all(look_without_pages);
}

KERNEL_TEST2(U2_a_dump_works_when_memory_is_out)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    TEST_SKIP("the sanitizers need memory themselves");
#endif
    if (test_on_valgrind())
        TEST_SKIP("valgrind needs memory itself");
    must_run(dump_without_pages, NULL);
}

static int dump_with_little_stack(void *arg)
{
    const char *dump = dump_here();

    (void)arg;
    CHECK_STR_HAS(dump, ", left out: too little stack here\n");
    CHECK_STR_HAS(dump, ": running\n");
    return 0;
}

KERNEL_TEST2(U2_a_dump_leaves_the_calls_out_if_there_is_little_stack)
{
    const gyre_run_options options = { .stack_size = 16384 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    TEST_SKIP("the sanitizers make each frame larger");
#endif
    CHECK_OK(gyre_run(&options, dump_with_little_stack, NULL));
}

static int dump_to_fds(void *arg)
{
    int pipes[2];
    char text[200];

    (void)arg;
    CHECK_OK(pipe2(pipes, O_NONBLOCK));
    CHECK_OK(gyre_dump_fd(gyre_loop_current(), pipes[1]));
    CHECK_GT(read(pipes[0], text, sizeof text), 20);
    CHECK_EQ(strncmp(text, "gyre dump: loop ", 16), 0);
    close(pipes[1]);
    CHECK_ERR(gyre_dump_fd(gyre_loop_current(), pipes[1]), -EBADF);
    close(pipes[0]);
    return 0;
}

KERNEL_TEST2(U2_a_dump_goes_to_a_descriptor_and_tells_its_error)
{
    must_run(dump_to_fds, NULL);
}

static void dump_from_within(void *user, const char *text, size_t size)
{
    (void)text, (void)size;
    gyre_dump(user, dump_from_within, user);
}

TEST_PANICS(U2_a_dump_within_a_dump_panics, "gyre_dump() was called by")
{
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_dump(loop, dump_from_within, loop);
}

/* ---- on a signal --------------------------------------------------------- */

/* All there is to read; waits for the first byte. */
static size_t read_dump(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t n;

    do {
        n = gyre_read(fd, text + used, (uint32_t)(size - 1 - used),
                      GYRE_CURRENT_POSITION);
        CHECK_GT(n, 0);
        used += (size_t)n;
        text[used] = '\0';
    } while (strstr(text, "end of dump\n") == NULL);
    return used;
}

static int dump_on_signal(void *arg)
{
    static char text[65536];
    gyre_scope scope;
    int pipes[2];

    (void)arg;
    CHECK_OK(pipe(pipes));
    gyre_scope_open(&scope, NULL);
    spawn(&scope, "sleeper", sleep_long, NULL);
    settle();
    CHECK_OK(gyre_dump_on_signal(gyre_loop_current(), SIGUSR1, pipes[1]));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(kill(getpid(), SIGUSR1));
        read_dump(pipes[0], text, sizeof text);
        CHECK_STR_HAS(text, "task 'sleeper' ");
        CHECK_STR_HAS(text, "READ on fd ");
    }
    gyre_scope_cancel(&scope);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_OK(gyre_dump_on_signal(gyre_loop_current(), 0, -1));
    close(pipes[0]);
    close(pipes[1]);
    return 0;
}

KERNEL_TEST2(U2_a_signal_makes_the_loop_write_a_dump)
{
    struct sigaction action;

    must_run(dump_on_signal, NULL);
    CHECK_OK(sigaction(SIGUSR1, NULL, &action));
    CHECK(action.sa_handler == SIG_DFL);
}

static volatile sig_atomic_t heard;

static void hear(int number)
{
    heard = number;
}

KERNEL_TEST2(U2_a_signal_reaches_each_loop_and_the_handler_of_before)
{
    struct sigaction before = { .sa_handler = hear }, action;
    static char text[65536];
    gyre_loop *loops[3];
    int pipes[3][2];

    CHECK_OK(sigaction(SIGUSR2, &before, NULL));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(gyre_loop_create(&loops[i], NULL));
        CHECK_OK(pipe(pipes[i]));
        CHECK_OK(gyre_dump_on_signal(loops[i], SIGUSR2, pipes[i][1]));
    }
    CHECK_OK(gyre_dump_on_signal(loops[1], 0, -1));
    CHECK_OK(raise(SIGUSR2));
    CHECK_OK(raise(SIGUSR2)); /* one with the first */
    CHECK_EQ(heard, SIGUSR2);
    for (int i = 0; i < 3; i++) {
        ssize_t n;

        CHECK_OK(gyre_loop_run(loops[i], GYRE_RUN_NOWAIT));
        CHECK_OK(gyre_loop_run(loops[i], GYRE_RUN_NOWAIT));
        if (i != 1)
            CHECK_OK(gyre_dump_on_signal(loops[i], SIGUSR1, pipes[i][1]));
        gyre_loop_destroy(loops[i]); /* it forgets by itself, too */
        close(pipes[i][1]);
        n = read(pipes[i][0], text, sizeof text - 1);
        CHECK_GE(n, 0);
        text[n] = '\0';
        CHECK_EQ(n > 0, i != 1);
        CHECK(n == 0 ||
              strstr(strstr(text, "gyre dump") + 1, "gyre dump") == NULL);
        close(pipes[i][0]);
    }
    CHECK_OK(sigaction(SIGUSR2, NULL, &action));
    CHECK(action.sa_handler == hear);
    CHECK_OK(sigaction(SIGUSR1, NULL, &action));
    CHECK(action.sa_handler == SIG_DFL);
}

static char alternate[128 * 1024];
static bool heard_there, heard_blocked;

static void hear_where(int number)
{
    const char *here = __builtin_frame_address(0);
    sigset_t blocked;

    (void)number;
    heard_there = (uintptr_t)here - (uintptr_t)alternate < sizeof alternate;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    heard_blocked = sigismember(&blocked, SIGUSR2);
}

TEST(U2_the_handler_of_before_has_its_stack_and_its_mask)
{
    struct sigaction before = { .sa_handler = hear_where,
                                .sa_flags = SA_ONSTACK };
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate }, old;
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    sigaddset(&before.sa_mask, SIGUSR2);
    CHECK_OK(sigaltstack(&stack, &old));
    CHECK_OK(sigaction(SIGUSR1, &before, NULL));
    CHECK_OK(gyre_dump_on_signal(loop, SIGUSR1, -1));
    CHECK_OK(raise(SIGUSR1));
    CHECK(heard_there);
    CHECK(heard_blocked);
    gyre_loop_destroy(loop);
    CHECK_OK(sigaltstack(&old, NULL));
}

KERNEL_TEST2(U2_a_dump_is_not_written_for_a_loop_that_ended_in_between)
{
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_dump_on_signal(loop, SIGUSR1, -1));
    CHECK_ERR(gyre_dump_on_signal(loop, SIGKILL, -1), -EINVAL);
    CHECK_ERR(gyre_dump_on_signal(loop, 1000, -1), -EINVAL);
    CHECK_ERR(gyre_dump_on_signal(loop, -1, -1), -EINVAL);
    CHECK_OK(raise(SIGUSR1));
    gyre_loop_destroy(loop);
}
