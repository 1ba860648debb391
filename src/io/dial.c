/* SPDX-License-Identifier: MIT */
/*
 * dial.c - a connection to whichever address answers first
 *
 * One task drives all attempts; their ops lie on the heap, beside the order in
 * which they are made. Callbacks only note what happened and wake the task if
 * it waits. It returns when none of its ops is in flight.
 */
#include <gyre/dial.h>

#include <errno.h>
#include <gyre/op_file.h>
#include <gyre/op_socket.h>
#include <gyre/socket.h>
#include <gyre/timer.h>

#include "base/alloc.h"
#include "io/call.h"

#define STAGGER_NS (250 * UINT64_C(1000000))

struct dial;

struct attempt {
    gyre_op op;
    struct dial *dial;
    const gyre_endpoint *address;
    int fd;    /* -1: none */
    int error; /* or 0 */
    bool flying;
};

struct dial {
    gyre_task *task;
    gyre_timer timer;
    uint64_t stagger_ns;
    struct attempt *attempts; /* in the order of their begins */
    size_t count;
    size_t begun;
    size_t flying;
    struct attempt *winner;
    bool waits;     /* the task does */
    bool impatient; /* the next one may begin */
};

/* ---- the order ----------------------------------------------------------- */

/* The next address of the family, or of another one, from *at on. */
static const gyre_endpoint *find_next(const gyre_endpoints *addresses,
                                      size_t *at, int family, bool same)
{
    while (*at < addresses->count) {
        const gyre_endpoint *address = &addresses->at[(*at)++];

        if ((address->any.sa_family == family) == same)
            return address;
    }
    return NULL;
}

/* Of the first one's family and of the others, alternately. */
static void put_in_order(struct dial *dial, const gyre_endpoints *addresses)
{
    int family = addresses->at[0].any.sa_family;
    size_t next[2] = { 0, 0 };
    bool same = true;

    for (size_t i = 0; i < addresses->count; i++, same = !same) {
        const gyre_endpoint *address =
            find_next(addresses, &next[same], family, same);

        if (address == NULL) {
            same = !same;
            address = find_next(addresses, &next[same], family, same);
        }
        dial->attempts[i].dial = dial;
        dial->attempts[i].address = address;
        dial->attempts[i].fd = -1;
    }
}

/* ---- attempts ------------------------------------------------------------ */

static void dial_wake(struct dial *dial)
{
    if (!dial->waits)
        return;
    dial->waits = false;
    task_wake(dial->task);
}

static void attempt_done(gyre_op *op, gyre_result result)
{
    struct attempt *attempt = CONTAINER_OF(op, struct attempt, op);
    struct dial *dial = attempt->dial;

    attempt->flying = false;
    attempt->error = result.res;
    dial->flying--;
    if (result.res < 0)
        dial->impatient = true;
    else if (dial->winner == NULL)
        dial->winner = attempt;
    dial_wake(dial);
}

static void stagger_over(gyre_timer *timer, int status)
{
    struct dial *dial = timer->user;

    ASSERT(status == 0);
    dial->impatient = true;
    dial_wake(dial);
}

static void attempt_begin(struct dial *dial)
{
    struct attempt *attempt = &dial->attempts[dial->begun++];
    const gyre_endpoint *address = attempt->address;

    gyre_timer_stop(&dial->timer);
    dial->impatient = false;
    attempt->fd = gyre_socket(address->any.sa_family,
                              address->type | SOCK_CLOEXEC, address->protocol);
    if (attempt->fd < 0) {
        attempt->error = attempt->fd;
        dial->impatient = true;
        return;
    }
    gyre_op_connect(&attempt->op, attempt->fd, &address->any, address->size);
    attempt->flying = true;
    dial->flying++;
    gyre_op_start(dial->task->tasks->loop, &attempt->op, attempt_done, NULL);
    if (dial->begun < dial->count && !dial->impatient)
        gyre_timer_start_after(&dial->timer, dial->stagger_ns);
}

/* ---- the dial ------------------------------------------------------------ */

static void dial_leave(gyre_task *task)
{
    struct dial *dial = task->waits_for;

    dial->waits = false;
    task_wake(task);
}

static void dial_wait(struct dial *dial, void (*leave)(gyre_task *task))
{
    dial->waits = true;
    dial->task->waits_for = dial;
    task_wait(dial->task, leave, "dial", dial);
    ASSERT(!dial->waits);
}

/* Until one has won, or all have failed, or the task is cancelled. */
static void dial_run(struct dial *dial)
{
    while (dial->winner == NULL && task_cancelled(dial->task) == 0) {
        if (dial->begun < dial->count && (dial->flying == 0 || dial->impatient))
            attempt_begin(dial);
        else if (dial->flying > 0)
            dial_wait(dial, dial_leave);
        else
            return;
    }
}

static void dial_end(struct dial *dial)
{
    gyre_timer_stop(&dial->timer);
    for (size_t i = 0; i < dial->begun; i++)
        if (dial->attempts[i].flying)
            (void)gyre_op_cancel(&dial->attempts[i].op);
    while (dial->flying > 0)
        dial_wait(dial, NULL);
}

/* The winner's descriptor; or what the first said that failed by itself. */
static int dial_result(struct dial *dial)
{
    int cancelled = task_cancelled(dial->task);

    if (dial->winner != NULL)
        return dial->winner->fd;
    if (cancelled != 0)
        return cancelled;
    for (size_t i = 0; i < dial->begun; i++) {
        struct attempt *attempt = &dial->attempts[i];

        if (attempt->error >= 0)
            continue;
        if (attempt->fd >= 0)
            task_note_failure(dial->task, &attempt->op, attempt->error);
        return attempt->error;
    }
    return -ECANCELED; /* somebody cancelled all of the loop */
}

static void close_losers(struct dial *dial)
{
    for (size_t i = 0; i < dial->begun; i++) {
        struct attempt *attempt = &dial->attempts[i];

        if (attempt->fd < 0 || attempt == dial->winner)
            continue;
        gyre_op_close(&attempt->op, attempt->fd);
        (void)task_await_shielded(&attempt->op);
    }
}

int gyre_dial_endpoints(const gyre_endpoints *addresses,
                        const gyre_dial_options *options)
{
    struct dial dial = { .task = task_running(), .stagger_ns = STAGGER_NS };
    int result = task_cancelled(dial.task);

    ASSERT_API(addresses->count > 0, "there is no address to connect to");
    if (options != NULL)
        ASSERT_API(options->size == 0 || options->size == sizeof *options,
                   "gyre_dial_options.size is not that of this library");
    if (result != 0)
        return result;
    if (options != NULL && options->stagger_ns != 0)
        dial.stagger_ns = options->stagger_ns;
    dial.count = addresses->count;
    dial.attempts = alloc_aligned(_Alignof(struct attempt),
                                  dial.count * sizeof(struct attempt));
    if (dial.attempts == NULL)
        return -ENOMEM;
    put_in_order(&dial, addresses);
    gyre_timer_init(&dial.timer, dial.task->tasks->loop, stagger_over, &dial);
    dial_run(&dial);
    dial_end(&dial);
    result = dial_result(&dial);
    close_losers(&dial);
    alloc_free(dial.attempts);
    return result;
}

int gyre_dial(const char *name, const char *service,
              const gyre_dial_options *options)
{
    gyre_resolve_options resolve = { 0 };
    gyre_endpoints *addresses;
    int result;

    if (options != NULL) {
        resolve.family = options->family;
        resolve.type = options->type;
        resolve.flags = options->flags;
    }
    result = gyre_resolve(name, service, &resolve, &addresses);
    if (result < 0)
        return result;
    result = gyre_dial_endpoints(addresses, options);
    gyre_endpoints_free(addresses);
    return result;
}
