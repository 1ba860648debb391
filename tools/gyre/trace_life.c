/* SPDX-License-Identifier: MIT */
/*
 * trace_life.c - see trace_life.h
 *
 * Two tables by hash: ops that have not ended, by loop and name (an op's name
 * is new at each start), and the tasks, by loop and address. A task's address
 * comes again when it has returned; then the younger one is meant.
 */
#include "trace_life.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096U

/* An op's address, in its name and in what a task waits for. */
#define ADDRESS_MASK UINT64_C(0x0000FFFFFFFFFFF0)

struct walk {
    const struct life_listener *listener;
    struct life *lives[BUCKETS];
    struct being *beings[BUCKETS];
    struct being **running; /* by source */
    uint64_t last_life;
    uint64_t last_being;
    bool failed;
};

/* By the address alone, so that an op is found by what waits for it. */
static unsigned bucket(unsigned source, uint64_t address)
{
    uint64_t h = ((address & ADDRESS_MASK) + source) *
                 UINT64_C(0x9E3779B97F4A7C15);

    return (unsigned)(h >> 40) % BUCKETS;
}

/* ---- tasks --------------------------------------------------------------- */

static struct being *being_find(struct walk *walk, unsigned source,
                                uint64_t task)
{
    struct being *being = walk->beings[bucket(source, task)];

    while (being != NULL &&
           (being->task != task || being->source != source || being->returned))
        being = being->next;
    return being;
}

static struct being *being_new(struct walk *walk, unsigned source,
                               uint64_t task)
{
    struct being **first = &walk->beings[bucket(source, task)];
    struct being *being = calloc(1, sizeof *being);

    if (being == NULL) {
        walk->failed = true;
        return NULL;
    }
    being->task = task;
    being->source = source;
    being->serial = ++walk->last_being;
    being->next = *first;
    *first = being;
    return being;
}

static struct being *being_of(struct walk *walk,
                              const struct trace_event *event)
{
    const struct trace_task *record = trace_task_of(event);
    struct being *being = being_find(walk, event->source, record->task);

    /* A stack that was used before, and the end of that task is lost. */
    if (being != NULL && record->head.step == STEP_SPAWNED) {
        being->returned = true;
        being = NULL;
    }
    if (being == NULL)
        being = being_new(walk, event->source, record->task);
    if (being != NULL && record->head.step != STEP_WAITS)
        memcpy(being->name, record->text, sizeof being->name);
    return being;
}

/* ---- ops ----------------------------------------------------------------- */

static struct life *life_find(struct walk *walk, unsigned source, uint64_t id)
{
    struct life *life = walk->lives[bucket(source, id)];

    while (life != NULL && (life->id != id || life->source != source))
        life = life->next;
    return life;
}

/* The op at that address that has not ended. */
static struct life *life_at(struct walk *walk, unsigned source,
                            uint64_t address)
{
    struct life *life = walk->lives[bucket(source, address)];

    while (life != NULL &&
           ((life->id & ADDRESS_MASK) != (address & ADDRESS_MASK) ||
            life->source != source || life->ended_ns != 0))
        life = life->next;
    return life;
}

static void life_tell(struct walk *walk, struct life *life)
{
    if (walk->listener->life != NULL)
        walk->listener->life(walk->listener->user, life);
}

static void life_remove(struct walk *walk, struct life *life)
{
    struct life **at = &walk->lives[bucket(life->source, life->id)];

    while (*at != life)
        at = &(*at)->next;
    *at = life->next;
    free(life);
}

static void life_end(struct walk *walk, struct life *life)
{
    if (life->waiter != NULL)
        life->waiter->awaits = NULL;
    life_tell(walk, life);
    life_remove(walk, life);
}

static struct life *life_new(struct walk *walk, const struct trace_event *event)
{
    const struct trace_op *record = trace_op_of(event);
    unsigned opcode = record->head.flags & TRACE_OPCODE_MASK;
    struct life **first = &walk->lives[bucket(event->source, record->op)];
    struct life *life = calloc(1, sizeof *life);

    if (life == NULL) {
        walk->failed = true;
        return NULL;
    }
    *life = (struct life){
        .id = record->op,
        .serial = ++walk->last_life,
        .source = event->source,
        .opcode = (uint8_t)opcode,
        .sqe_flags = (uint8_t)(record->head.flags >> TRACE_SQE_FLAGS_SHIFT),
        .fd = record->head.value,
        .len = (uint32_t)record->detail,
        .started_ns = record->head.time_ns,
        .owner = walk->running[event->source],
        .next = *first,
    };
    *first = life;
    return life;
}

/* Done at once: all there is. */
static struct life *life_new_tried(struct walk *walk,
                                   const struct trace_event *event)
{
    const struct trace_op *record = trace_op_of(event);
    struct life *life = life_new(walk, event);

    if (life == NULL)
        return NULL;
    life->fd = (int32_t)(uint32_t)record->detail;
    life->len = 0;
    life->result = record->head.value;
    life->tried = true;
    life->submitted_ns = life->ended_ns = life->resumed_ns = life->started_ns;
    return life;
}

/* ---- records ------------------------------------------------------------- */

static void take_submitted(struct life *life, const struct trace_record *record)
{
    life->submitted_ns = record->time_ns;
    life->beside = (record->flags & TRACE_BESIDE) != 0;
    life->is_chained = (record->flags & TRACE_CHAINED) != 0;
    life->chain = (uint32_t)record->value;
}

/* The callback has returned; but a task that waits has yet to run. */
static void take_returned(struct walk *walk, struct life *life,
                          const struct trace_record *record)
{
    if (life->waiter != NULL)
        return;
    life->resumed_ns = record->time_ns;
    life_end(walk, life);
}

static void take_op(struct walk *walk, struct life *life,
                    const struct trace_event *event)
{
    const struct trace_op *op = trace_op_of(event);

    switch (op->head.step) {
    case STEP_HELD:
        life->held = true;
        break;
    case STEP_SUBMITTED:
        take_submitted(life, &op->head);
        break;
    case STEP_MORE:
        life->results++;
        break;
    case STEP_ENDED:
        life->ended_ns = op->head.time_ns;
        life->result = op->head.value;
        life->cqe_flags = (uint32_t)op->detail;
        break;
    case STEP_RETURNED:
        take_returned(walk, life, &op->head);
        break;
    case STEP_AGAIN:
        life->again++;
        break;
    case STEP_CANCEL:
        life->cancelled = true;
        break;
    case STEP_DEADLINE:
        life->has_deadline = true;
        break;
    case STEP_EXPIRED:
        life->expired = true;
        break;
    default:
        break;
    }
}

/* One waits for one, also where records are lost that say when others ended. */
static void await(struct walk *walk, struct being *being, struct life *life)
{
    struct life *before = being->awaits;

    if (before != NULL) {
        before->waiter = NULL;
        being->awaits = NULL;
        if (before->ended_ns != 0)
            life_end(walk, before);
    }
    if (life == NULL)
        return;
    if (life->waiter != NULL)
        life->waiter->awaits = NULL;
    life->waiter = being;
    being->awaits = life;
}

static void take_task(struct walk *walk, struct being *being,
                      const struct trace_event *event)
{
    const struct trace_task *record = trace_task_of(event);
    struct being **running = &walk->running[event->source];
    struct life *life = being->awaits;

    switch (record->head.step) {
    case STEP_RUNS:
        *running = being;
        if (life != NULL && life->ended_ns != 0) {
            life->resumed_ns = record->head.time_ns;
            life_end(walk, life);
        }
        break;
    case STEP_WAITS:
        *running = NULL;
        life = record->on == 0 ? NULL
                               : life_at(walk, event->source, record->on);
        await(walk, being, life);
        break;
    case STEP_RETURNS:
        *running = NULL;
        being->returned = true;
        break;
    default:
        break;
    }
}

static void tell_event(struct walk *walk, const struct trace_event *event,
                       const struct life *life, const struct being *being)
{
    if (walk->listener->event != NULL)
        walk->listener->event(walk->listener->user, event, life, being);
}

static void take_event(struct walk *walk, const struct trace_event *event)
{
    uint8_t step = event->record->step;
    struct life *life = NULL;
    struct being *being = NULL;

    if (step >= STEP_SPAWNED)
        being = being_of(walk, event);
    else if (step == STEP_STARTED)
        life = life_new(walk, event);
    else if (step < STEP_OPENED && step != STEP_TRIED)
        life = life_find(walk, event->source, trace_op_of(event)->op);
    else if (step == STEP_TRIED)
        life = life_new_tried(walk, event);
    if (being != NULL && step == STEP_WAITS)
        take_task(walk, being, event); /* what it waits for is told, too */
    tell_event(walk, event, life, being);
    if (being != NULL && step != STEP_WAITS)
        take_task(walk, being, event);
    else if (life != NULL && step == STEP_TRIED)
        life_end(walk, life);
    else if (life != NULL)
        take_op(walk, life, event);
}

static int life_compare(const void *a, const void *b)
{
    const struct life *x = *(const struct life *const *)a;
    const struct life *y = *(const struct life *const *)b;

    return (x->serial > y->serial) - (x->serial < y->serial);
}

/* Those that go on when the trace ends, in order of start. */
static void end_the_rest(struct walk *walk)
{
    struct life **rest;
    size_t count = 0;

    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct life *at = walk->lives[i]; at != NULL; at = at->next)
            count++;
    rest = calloc(count + 1, sizeof(*rest));
    count = 0;
    for (unsigned i = 0; rest != NULL && i < BUCKETS; i++)
        for (struct life *at = walk->lives[i]; at != NULL; at = at->next)
            rest[count++] = at;
    walk->failed |= rest == NULL;
    if (rest != NULL)
        qsort(rest, count, sizeof(*rest), life_compare);
    for (size_t i = 0; rest != NULL && i < count; i++)
        life_end(walk, rest[i]);
    free(rest);
}

static void walk_free(struct walk *walk)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        while (walk->lives[i] != NULL)
            life_remove(walk, walk->lives[i]);
        while (walk->beings[i] != NULL) {
            struct being *being = walk->beings[i];

            walk->beings[i] = being->next;
            free(being);
        }
    }
    free(walk->running);
    free(walk);
}

int trace_live(const struct trace *trace, const struct life_listener *listener)
{
    struct walk *walk = calloc(1, sizeof *walk);
    bool failed;

    if (walk == NULL)
        return -ENOMEM;
    walk->listener = listener;
    walk->running = calloc(trace->source_count + 1, sizeof(*walk->running));
    walk->failed = walk->running == NULL;
    for (size_t i = 0; i < trace->event_count && !walk->failed; i++)
        take_event(walk, &trace->events[i]);
    if (!walk->failed)
        end_the_rest(walk);
    failed = walk->failed;
    walk_free(walk);
    return failed ? -ENOMEM : 0;
}
