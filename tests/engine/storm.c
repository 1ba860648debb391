/* SPDX-License-Identifier: MIT */
/*
 * storm.c - see storm.h
 */
#include "engine/storm.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/engine.h"

unsigned long storm_count(unsigned long count)
{
    const char *asked = getenv("GYRE_TEST_CALLS");

    if (asked != NULL)
        return strtoul(asked, NULL, 10);
    return count / test_scale();
}

static void pause_us(long us)
{
    const struct timespec time = { 0, us * 1000 };

    nanosleep(&time, NULL);
}

/* ---- mills --------------------------------------------------------------- */

/* Between two turns: what was stored before a wake is here now. */
static void mill_look(struct mill *mill)
{
    unsigned wanted = atomic_load_explicit(&mill->wanted, memory_order_relaxed);

    atomic_store_explicit(&mill->seen, wanted, memory_order_release);
}

static void mill_turn(struct mill *mill, gyre_run_mode mode)
{
    int result = gyre_loop_run(mill->loop, mode);

    CHECK(result == 0 || result == 1);
    if (result == 1)
        atomic_fetch_add(&mill->stops, 1);
    mill_look(mill);
}

static void mill_poll(struct mill *mill)
{
    struct pollfd poll_fd = { .fd = gyre_loop_fd(mill->loop),
                              .events = POLLIN };
    uint64_t deadline_ns;

    CHECK_GE(poll_fd.fd, 0);
    CHECK_OK(gyre_loop_prepare(mill->loop, &deadline_ns));
    CHECK(deadline_ns == 0 || deadline_ns == GYRE_NEVER);
    if (poll(&poll_fd, 1, deadline_ns == 0 ? 0 : -1) < 0)
        CHECK_EQ(errno, EINTR);
    mill_turn(mill, GYRE_RUN_NOWAIT);
}

static void *mill_main(void *arg)
{
    struct mill *mill = arg;

    CHECK_OK(gyre_loop_create(&mill->loop, NULL));
    gyre_loop_hold(mill->loop);
    atomic_store(&mill->ready, true);
    while (!atomic_load(&mill->over)) {
        if (mill->kind == MILL_HOSTED)
            mill_poll(mill);
        else
            mill_turn(mill, mill->kind == MILL_FOREVER ? GYRE_RUN_FOREVER
                                                       : GYRE_RUN_ONCE);
    }
    gyre_loop_release(mill->loop);
    gyre_loop_destroy(mill->loop);
    return NULL;
}

void mill_start(struct mill *mill, enum mill_kind kind)
{
    memset(mill, 0, sizeof *mill);
    mill->kind = kind;
    if (kind == MILL_ENGINE) {
        CHECK_OK(gyre_engines_create(
            &mill->engines, &(gyre_run_options){ .engines = MILL_THREADS }));
        mill->loop = gyre_engine_loop(mill->engines, 1);
        return;
    }
    CHECK_OK(pthread_create(&mill->thread, NULL, mill_main, mill));
    while (!atomic_load(&mill->ready))
        sched_yield();
}

unsigned mill_threads(const struct mill *mill, pthread_t *threads)
{
    if (mill->kind != MILL_ENGINE) {
        threads[0] = mill->thread;
        return 1;
    }
    for (unsigned i = 0; i < MILL_THREADS; i++)
        threads[i] = mill->engines->engines[i].thread;
    return MILL_THREADS;
}

uint64_t mill_wakes(const struct mill *mill)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(mill->loop, &stats);
    return stats.wakes;
}

void mill_end(struct mill *mill)
{
    if (mill->kind == MILL_ENGINE) {
        gyre_engines_destroy(mill->engines);
        return;
    }
    atomic_store(&mill->over, true);
    gyre_loop_stop(mill->loop);
    CHECK_OK(pthread_join(mill->thread, NULL));
}

/* ---- callers ------------------------------------------------------------- */

static void work_arrived(gyre_work *work)
{
    const struct call *call = CONTAINER_OF(work, struct call, work);
    struct caller *caller = call->caller;

    CHECK_EQ(atomic_load(&caller->arrived), call->number); /* in order */
    atomic_store(&caller->arrived, call->number + 1);
}

static void op_arrived(gyre_op *op, gyre_result result)
{
    struct call *call = CONTAINER_OF(op, struct call, op);

    CHECK_EQ(result.res, 0);
    atomic_fetch_add(&call->caller->arrived, 1);
}

/* Mostly look: who sees it at once calls again while the loop is about to
 * sleep. */
static void pause_between_looks(unsigned look)
{
    if (look % 1000 == 999)
        sched_yield();
}

static void await_at_least(const atomic_ulong *arrived, unsigned long count)
{
    for (unsigned i = 0; atomic_load(arrived) < count; i++)
        pause_between_looks(i);
}

/* From call to call another moment. */
static void waste_time(unsigned long number)
{
    for (unsigned long i = number % 61; i > 0; i--)
        atomic_signal_fence(memory_order_seq_cst);
}

/* Work or an op, when there is room for one more under way. */
static void call_hand_over(struct caller *caller, unsigned long number)
{
    struct call *call = &caller->calls[number % caller->window];

    if (number >= caller->window)
        await_at_least(&caller->arrived, number - caller->window + 1);
    call->caller = caller;
    call->number = number;
    if (caller->kind == CALL_POST) {
        gyre_loop_post(caller->mill->loop, &call->work, work_arrived);
        return;
    }
    gyre_op_nop(&call->op);
    gyre_op_start_remote(caller->mill->loop, &call->op, op_arrived, NULL);
}

/* Until a turn after the wake has seen what was stored before it. */
static void call_wake(struct mill *mill)
{
    unsigned ticket =
        atomic_fetch_add_explicit(&mill->wanted, 1, memory_order_relaxed) + 1;

    gyre_loop_wake(mill->loop, GYRE_WAKE_COMPLETION, 1);
    for (unsigned i = 0;
         (int)(atomic_load_explicit(&mill->seen, memory_order_acquire) -
               ticket) < 0;
         i++)
        pause_between_looks(i);
}

static void call_stop(struct mill *mill)
{
    unsigned before = atomic_load(&mill->stops);

    gyre_loop_stop(mill->loop);
    for (unsigned i = 0; atomic_load(&mill->stops) == before; i++)
        pause_between_looks(i);
}

static void *caller_main(void *arg)
{
    struct caller *caller = arg;

    for (unsigned long i = 0; i < caller->count; i++) {
        if (caller->kind == CALL_WAKE)
            call_wake(caller->mill);
        else if (caller->kind == CALL_STOP)
            call_stop(caller->mill);
        else
            call_hand_over(caller, i);
        waste_time(i);
    }
    if (caller->kind == CALL_POST || caller->kind == CALL_OP)
        await_at_least(&caller->arrived, caller->count);
    atomic_fetch_add(&caller->mill->calls, caller->count);
    atomic_store(&caller->ended, true);
    return NULL;
}

void caller_start(struct caller *caller, enum caller_kind kind,
                  struct mill *mill, unsigned window, unsigned long count)
{
    memset(caller, 0, sizeof *caller);
    caller->kind = kind;
    caller->mill = mill;
    caller->window = window;
    caller->count = count;
    CHECK_OK(pthread_create(&caller->thread, NULL, caller_main, caller));
}

void caller_await(const struct caller *caller)
{
    while (!atomic_load(&caller->ended))
        pause_us(1000);
}

void caller_join(struct caller *caller)
{
    CHECK_OK(pthread_join(caller->thread, NULL));
}

/* ---- what disturbs them -------------------------------------------------- */

static void stopper_main(const struct stopper *stopper, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (!atomic_load(stopper->over)) {
        pause_us(3000);
        if (kill(parent, SIGSTOP) < 0)
            _exit(1);
        pause_us(300);
        kill(parent, SIGCONT);
    }
    _exit(0);
}

void stopper_start(struct stopper *stopper)
{
    pid_t parent = getpid();

    stopper->over = mmap(NULL, sizeof *stopper->over, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(stopper->over != MAP_FAILED);
    stopper->pid = fork();
    CHECK_GE(stopper->pid, 0);
    if (stopper->pid == 0)
        stopper_main(stopper, parent);
}

/* It ends by itself: killed, it might leave this process stopped. */
void stopper_end(struct stopper *stopper)
{
    int status;

    atomic_store(stopper->over, true);
    while (waitpid(stopper->pid, &status, 0) < 0)
        CHECK_EQ(errno, EINTR);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_OK(munmap(stopper->over, sizeof *stopper->over));
}

static atomic_ulong engines_interrupted;

/* Without SA_RESTART, so that system calls end with EINTR. */
static void interrupt(int number)
{
    (void)number;
    if (engine_self != NULL)
        atomic_fetch_add(&engines_interrupted, 1);
}

static void *signaller_main(void *arg)
{
    struct signaller *signaller = arg;

    while (!atomic_load(&signaller->over)) {
        for (unsigned i = 0; i < signaller->count; i++) {
            int err = pthread_kill(signaller->threads[i], SIGPROF);

            CHECK(err == 0 || err == ESRCH); /* it has ended, not joined */
        }
        signaller->sent += signaller->count;
        pause_us(200);
    }
    return NULL;
}

void signaller_start(struct signaller *signaller, const pthread_t *threads,
                     unsigned count)
{
    /* Threads of engines leave other signals to the program's. */
    const struct sigaction action = { .sa_handler = interrupt };

    memset(signaller, 0, sizeof *signaller);
    atomic_store(&engines_interrupted, 0);
    CHECK_OK(sigaction(SIGPROF, &action, NULL));
    signaller->threads = threads;
    signaller->count = count;
    CHECK_OK(
        pthread_create(&signaller->thread, NULL, signaller_main, signaller));
}

void signaller_end(struct signaller *signaller)
{
    atomic_store(&signaller->over, true);
    CHECK_OK(pthread_join(signaller->thread, NULL));
    signaller->engines_interrupted = atomic_load(&engines_interrupted);
}
