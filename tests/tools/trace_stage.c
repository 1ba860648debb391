/* SPDX-License-Identifier: MIT */
/* trace_stage.c - see trace_stage.h */
#include "trace_stage.h"

#include <sys/mman.h>
#include <unistd.h>

void traced_begin(struct traced *traced, size_t bytes)
{
    *traced = (struct traced){ .fd = memfd_create("trace", MFD_CLOEXEC) };
    CHECK_GE(traced->fd, 0);
    CHECK_EQ(gyre_loop_create(&traced->loop, NULL), 0);
    CHECK_EQ(gyre_trace_start(traced->loop, traced->fd, bytes), 0);
}

static void keep_life(void *user, const struct life *life)
{
    struct traced *traced = user;

    if (traced->count < sizeof traced->lives / sizeof traced->lives[0])
        traced->lives[traced->count] = *life;
    traced->count++;
}

void traced_read(struct traced *traced)
{
    const struct life_listener listener = { .user = traced, .life = keep_life };

    trace_free(&traced->trace);
    traced->count = 0;
    CHECK_EQ(trace_read(&traced->trace, traced->fd), 0);
    CHECK_EQ(traced->trace.damaged, 0);
    CHECK_EQ(trace_live(&traced->trace, &listener), 0);
}

void traced_end(struct traced *traced)
{
    (void)gyre_trace_stop(traced->loop);
    gyre_loop_destroy(traced->loop);
    traced_read(traced);
}

void traced_free(struct traced *traced)
{
    trace_free(&traced->trace);
    close(traced->fd);
}

const struct life *traced_life(const struct traced *traced, uint8_t opcode)
{
    const struct life *found = NULL;

    CHECK_LE(traced->count, sizeof traced->lives / sizeof traced->lives[0]);
    for (unsigned i = 0; i < traced->count; i++) {
        if (traced->lives[i].opcode != opcode)
            continue;
        CHECK(found == NULL);
        found = &traced->lives[i];
    }
    CHECK(found != NULL);
    return found;
}

uint64_t traced_when(const struct traced *traced, const struct life *life,
                     enum loop_step step, unsigned n)
{
    for (size_t i = 0; i < traced->trace.event_count; i++) {
        const struct trace_event *event = &traced->trace.events[i];

        if (event->record->step == step && event->source == life->source &&
            trace_op_of(event)->op == life->id && n-- == 0)
            return event->record->time_ns;
    }
    return 0;
}

size_t traced_steps(const struct traced *traced, enum loop_step step)
{
    size_t count = 0;

    for (size_t i = 0; i < traced->trace.event_count; i++)
        count += traced->trace.events[i].record->step == step;
    return count;
}
