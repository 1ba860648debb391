/* SPDX-License-Identifier: MIT */
/*
 * trace_json.c - a trace for ui.perfetto.dev
 *
 * Chrome's JSON format: an array of events, each on a line. A process has a
 * track for each of its loops, with slices for turns and for the time in the
 * kernel, and one for each task, with slices for what it does or waits for. Ops
 * are asynchronous slices, each with three parts: queued, kernel, resume.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "trace_show.h"

/* Tracks are numbered in 32 bits: loops as in their process, far above them the
 * tasks. */
#define TASK_TRACKS 1000000U

struct slice {
    uint64_t since_ns; /* 0: none is open */
    char name[64];
};

/* The tracks of one loop. */
struct tracks {
    struct slice turn;
    struct slice enter;
    struct slice running; /* of the task that runs */
    uint64_t running_task;
    uint64_t last_ns;
};

/* A task that waits. */
struct waiting {
    uint64_t serial;
    struct slice slice;
    bool named;
};

struct writer {
    FILE *out;
    const struct trace *trace;
    const struct trace_filter *filter;
    struct tracks *tracks;
    struct waiting *waiting; /* by serial number, from 1 on */
    size_t waiting_size;
    bool *any; /* an event was written: a comma is due */
    bool failed;
};

/* ---- one event ----------------------------------------------------------- */

static void put_string(FILE *out, const char *string)
{
    char buffer[1024];
    struct text text;

    text_init(&text, buffer, sizeof buffer);
    text_put_json(&text, string);
    fwrite(text.data, 1, text.used, out);
}

static void put_us(FILE *out, const char *name, uint64_t ns)
{
    fprintf(out, ",\"%s\":%" PRIu64 ".%03" PRIu64, name, ns / 1000, ns % 1000);
}

static uint64_t since_begin(const struct writer *writer, uint64_t ns)
{
    return ns > writer->trace->begun_ns ? ns - writer->trace->begun_ns : 0;
}

/* On the track of a task, or of the loop: 0. */
static void begin_event(const struct writer *writer, const char *phase,
                        unsigned source, uint64_t track)
{
    if (*writer->any)
        fputs(",\n", writer->out);
    *writer->any = true;
    fprintf(writer->out, "{\"ph\":\"%s\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu64,
            phase, writer->trace->sources[source].process,
            track == 0 ? writer->trace->sources[source].loop
                       : TASK_TRACKS + track);
}

static void put_name(const struct writer *writer, const char *name)
{
    fputs(",\"name\":", writer->out);
    put_string(writer->out, name);
}

static void end_event(const struct writer *writer)
{
    fputc('}', writer->out);
}

static void name_track(const struct writer *writer, unsigned source,
                       uint64_t track, const char *what, const char *name)
{
    begin_event(writer, "M", source, track);
    fprintf(writer->out, ",\"name\":\"%s\",\"args\":{\"name\":", what);
    put_string(writer->out, name);
    fputc('}', writer->out);
    end_event(writer);
}

/* ---- slices -------------------------------------------------------------- */

static void slice_open(struct slice *slice, uint64_t now_ns, const char *name)
{
    slice->since_ns = now_ns;
    memcpy(slice->name, name, strnlen(name, sizeof slice->name - 1) + 1);
    slice->name[sizeof slice->name - 1] = '\0';
}

static void slice_close(const struct writer *writer, struct slice *slice,
                        unsigned source, uint64_t track, uint64_t now_ns)
{
    if (slice->since_ns == 0)
        return;
    begin_event(writer, "X", source, track);
    put_name(writer, slice->name);
    put_us(writer->out, "ts", since_begin(writer, slice->since_ns));
    put_us(writer->out, "dur", now_ns - slice->since_ns);
    end_event(writer);
    slice->since_ns = 0;
}

/* ---- loops --------------------------------------------------------------- */

static void take_loop(struct writer *writer, const struct trace_event *event)
{
    const struct trace_op *record = trace_op_of(event);
    struct tracks *tracks = &writer->tracks[event->source];
    uint64_t now_ns = record->head.time_ns;
    char name[sizeof tracks->enter.name];

    switch (record->head.step) {
    case STEP_TURN:
        slice_close(writer, &tracks->turn, event->source, 0, now_ns);
        slice_open(&tracks->turn, now_ns, "turn");
        break;
    case STEP_ENTER:
        snprintf(name, sizeof name, "%s, %" PRId32 " requests",
                 record->detail == 0 ? "enter" : "enter and sleep",
                 record->head.value);
        slice_open(&tracks->enter, now_ns, name);
        break;
    case STEP_ENTERED:
        slice_close(writer, &tracks->enter, event->source, 0, now_ns);
        break;
    default:
        break;
    }
}

/* ---- tasks --------------------------------------------------------------- */

static struct waiting *waiting_of(struct writer *writer, uint64_t serial)
{
    if (serial >= writer->waiting_size) {
        size_t size = 2 * serial + 64;
        struct waiting *larger =
            realloc(writer->waiting, size * sizeof *larger);

        if (larger == NULL) {
            writer->failed = true;
            return NULL;
        }
        memset(larger + writer->waiting_size, 0,
               (size - writer->waiting_size) * sizeof *larger);
        writer->waiting = larger;
        writer->waiting_size = size;
    }
    return &writer->waiting[serial];
}

static void name_task(const struct writer *writer, const struct being *being,
                      struct waiting *waiting)
{
    char name[48];

    if (waiting->named || being->name[0] == '\0')
        return;
    waiting->named = true;
    snprintf(name, sizeof name, "%s#%" PRIu64, being->name, being->serial);
    name_track(writer, being->source, being->serial, "thread_name", name);
}

static void stop_running(const struct writer *writer, struct tracks *tracks,
                         unsigned source, uint64_t now_ns)
{
    slice_close(writer, &tracks->running, source, tracks->running_task, now_ns);
}

static void take_task(struct writer *writer, const struct trace_event *event,
                      const struct being *being)
{
    const struct trace_task *record = trace_task_of(event);
    struct tracks *tracks = &writer->tracks[event->source];
    struct waiting *waiting = waiting_of(writer, being->serial);
    uint64_t now_ns = record->head.time_ns;
    char reason[sizeof waiting->slice.name];

    if (waiting == NULL)
        return;
    name_task(writer, being, waiting);
    switch (record->head.step) {
    case STEP_SPAWNED:
        slice_open(&waiting->slice, now_ns, "waits: its first turn");
        break;
    case STEP_RUNS:
        slice_close(writer, &waiting->slice, event->source, being->serial,
                    now_ns);
        tracks->running_task = being->serial;
        slice_open(&tracks->running, now_ns, "runs");
        break;
    case STEP_WAITS:
        stop_running(writer, tracks, event->source, now_ns);
        snprintf(reason, sizeof reason, "waits: %s",
                 being->awaits != NULL ? trace_op_name(being->awaits->opcode)
                                       : record->text);
        slice_open(&waiting->slice, now_ns, reason);
        break;
    case STEP_RETURNS:
        stop_running(writer, tracks, event->source, now_ns);
        break;
    default:
        break;
    }
}

/* ---- ops ----------------------------------------------------------------- */

static void begin_async(const struct writer *writer, const char *phase,
                        const struct life *life, const char *name, uint64_t ns)
{
    begin_event(writer, phase, life->source, 0);
    fprintf(writer->out, ",\"cat\":\"op\",\"id\":\"%" PRIx64 "\"",
            life->serial);
    put_name(writer, name);
    put_us(writer->out, "ts", since_begin(writer, ns));
}

static void put_async(const struct writer *writer, const char *phase,
                      const struct life *life, const char *name, uint64_t ns)
{
    begin_async(writer, phase, life, name, ns);
    end_event(writer);
}

static void put_part(const struct writer *writer, const struct life *life,
                     const char *name, uint64_t from, uint64_t to)
{
    if (from == 0 || to < from)
        return;
    put_async(writer, "b", life, name, from);
    put_async(writer, "e", life, name, to);
}

static void put_facts(const struct writer *writer, const struct life *life)
{
    FILE *out = writer->out;

    fprintf(out, ",\"args\":{\"fd\":%d,\"len\":%" PRIu32, life->fd, life->len);
    if (life->ended_ns != 0)
        fprintf(out, ",\"result\":%" PRId32 ",\"flags\":%" PRIu32, life->result,
                life->cqe_flags);
    if (life->results > 0)
        fprintf(out, ",\"results_before\":%u", life->results);
    if (life->is_chained)
        fprintf(out, ",\"chain\":%" PRIu32, life->chain);
    fprintf(out,
            ",\"beside\":%s,\"at_once\":%s,\"asked_to_end\":%s,"
            "\"deadline_passed\":%s,\"again\":%u",
            life->beside ? "true" : "false", life->tried ? "true" : "false",
            life->cancelled ? "true" : "false",
            life->expired ? "true" : "false", life->again);
    if (life->owner != NULL) {
        fputs(",\"task\":", out);
        put_string(out, life->owner->name);
    }
    fputc('}', out);
}

static void put_life(void *user, const struct life *life)
{
    struct writer *writer = user;
    const char *name = trace_op_name(life->opcode);
    uint64_t end_ns = life->resumed_ns;

    if (!trace_wants_op(writer->filter, life))
        return;
    if (end_ns == 0)
        end_ns = writer->tracks[life->source].last_ns;
    begin_async(writer, "b", life, name, life->started_ns);
    put_facts(writer, life);
    end_event(writer);
    put_part(writer, life, "queued", life->started_ns, life->submitted_ns);
    put_part(writer, life, "kernel", life->submitted_ns,
             life->ended_ns != 0 ? life->ended_ns : end_ns);
    put_part(writer, life, "resume", life->ended_ns, end_ns);
    put_async(writer, "e", life, name, end_ns);
}

static bool is_instant(uint8_t step)
{
    return step == STEP_MORE || step == STEP_CANCEL || step == STEP_EXPIRED ||
           step == STEP_AGAIN || step == STEP_ASKED;
}

/* What happens to an op between its moments. */
static void put_instant(const struct writer *writer,
                        const struct trace_event *event,
                        const struct life *life)
{
    if (!is_instant(event->record->step) ||
        !trace_wants_op(writer->filter, life))
        return;
    begin_async(writer, "n", life, trace_step_name(event->record->step),
                event->record->time_ns);
    fprintf(writer->out, ",\"args\":{\"value\":%" PRId32 "}",
            event->record->value);
    end_event(writer);
}

static void take_event(void *user, const struct trace_event *event,
                       const struct life *life, const struct being *being)
{
    struct writer *writer = user;

    writer->tracks[event->source].last_ns = event->record->time_ns;
    if (life != NULL)
        put_instant(writer, event, life);
    else if (being != NULL && trace_wants_task(writer->filter, being))
        take_task(writer, event, being);
    else if (event->record->step < STEP_SPAWNED &&
             !trace_filters(writer->filter))
        take_loop(writer, event);
}

/* ---- the file ------------------------------------------------------------ */

static void close_slices(const struct writer *writer)
{
    for (unsigned i = 0; i < writer->trace->source_count; i++) {
        struct tracks *tracks = &writer->tracks[i];

        slice_close(writer, &tracks->enter, i, 0, tracks->last_ns);
        slice_close(writer, &tracks->turn, i, 0, tracks->last_ns);
        stop_running(writer, tracks, i, tracks->last_ns);
    }
}

static void put_tracks(const struct writer *writer)
{
    const struct trace *trace = writer->trace;
    char name[64];

    for (unsigned i = 0; i < trace->source_count; i++) {
        snprintf(name, sizeof name, "loop %" PRIu32 " (%s)",
                 trace->sources[i].loop, trace->sources[i].kernel);
        name_track(writer, i, 0, "thread_name", name);
        name_track(writer, i, 0, "process_name",
                   trace->program[0] != '\0' ? trace->program : "gyre");
    }
}

int trace_write_json(FILE *out, const struct trace *trace,
                     const struct trace_filter *filter)
{
    bool any = false;
    struct writer writer = {
        .out = out,
        .trace = trace,
        .filter = filter,
        .any = &any,
    };
    const struct life_listener listener = {
        .user = &writer,
        .event = take_event,
        .life = put_life,
    };
    int err;

    writer.tracks = calloc(trace->source_count + 1, sizeof *writer.tracks);
    if (writer.tracks == NULL)
        return -ENOMEM;
    fprintf(out,
            "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"records_lost\":"
            "%" PRIu64 "},\"traceEvents\":[\n",
            trace->lost);
    put_tracks(&writer);
    err = trace_live(trace, &listener);
    close_slices(&writer);
    fputs("\n]}\n", out);
    free(writer.tracks);
    free(writer.waiting);
    return err == 0 && writer.failed ? -ENOMEM : err;
}
