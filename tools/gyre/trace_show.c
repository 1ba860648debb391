/* SPDX-License-Identifier: MIT */
/* trace_show.c - see trace_show.h; the table and the JSON are elsewhere */
#include "trace_show.h"

#include <gyre/error.h>
#include <gyre/op_slot.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "loop/optable.h"
#include "trace_time.h"

const char *trace_op_name(uint8_t opcode)
{
    const char *name = op_table[opcode].name;

    return name != NULL ? name : "?";
}

/* ---- filters ------------------------------------------------------------- */

static bool list_has(const char *list, const char *name)
{
    size_t size = strlen(name);

    for (;;) {
        size_t part = strcspn(list, ",");

        if (part == size && strncasecmp(list, name, size) == 0)
            return true;
        if (list[part] == '\0')
            return false;
        list += part + 1;
    }
}

bool trace_wants_task(const struct trace_filter *filter,
                      const struct being *being)
{
    return filter->task == NULL ||
           (being != NULL && strcmp(being->name, filter->task) == 0);
}

bool trace_wants_op(const struct trace_filter *filter, const struct life *life)
{
    return (filter->ops == NULL ||
            list_has(filter->ops, trace_op_name(life->opcode))) &&
           (filter->fd == -1 || life->fd == filter->fd) &&
           trace_wants_task(filter, life->owner);
}

bool trace_filters(const struct trace_filter *filter)
{
    return filter->ops != NULL || filter->task != NULL || filter->fd != -1;
}

/* ---- words --------------------------------------------------------------- */

struct view {
    FILE *out;
    const struct trace *trace;
    const struct trace_filter *filter;
};

static void put_time(const struct view *view, uint64_t ns)
{
    uint64_t since = ns > view->trace->begun_ns ? ns - view->trace->begun_ns
                                                : 0;

    fprintf(view->out, "%5" PRIu64 ".%06" PRIu64, since / GYRE_SECOND,
            since % GYRE_SECOND / 1000);
}

/* The loop, where there are several. */
static void put_source(const struct view *view, unsigned source)
{
    const struct trace_source *of = &view->trace->sources[source];

    if (view->trace->source_count > 1)
        fprintf(view->out, " [%" PRIu32 "/%" PRIu32 "]", of->process, of->loop);
}

static void being_word(char *word, size_t size, const struct being *being)
{
    if (being == NULL)
        snprintf(word, size, "-");
    else
        snprintf(word, size, "%s#%" PRIu64, being->name, being->serial);
}

static void fd_word(char *word, size_t size, int fd)
{
    if (fd < 0)
        snprintf(word, size, "-");
    else if (gyre_is_slot(fd))
        snprintf(word, size, "slot %u", gyre_slot_number(fd));
    else
        snprintf(word, size, "fd %d", fd);
}

static void result_word(char *word, size_t size, int32_t result)
{
    if (result < 0)
        snprintf(word, size, "%s", gyre_error_name(result));
    else
        snprintf(word, size, "%" PRId32, result);
}

static void put_duration(const struct view *view, uint64_t from, uint64_t to)
{
    char word[TRACE_TIME_BYTES];

    fprintf(view->out, " %9s",
            from == 0 || to < from ? "-" : trace_time(word, to - from));
}

/* ---- one line an op ------------------------------------------------------ */

static void put_notes(const struct view *view, const struct life *life)
{
    FILE *out = view->out;

    if (life->results > 0)
        fprintf(out, "  after %u results", life->results);
    if (life->tried)
        fprintf(out, "  at once, without the kernel's queue");
    if (life->beside)
        fprintf(out, "  beside");
    if (life->is_chained)
        fprintf(out, "  chain %" PRIu32, life->chain);
    if (life->held)
        fprintf(out, "  waited for others on its descriptor");
    if (life->again > 0)
        fprintf(out, "  made again %u times", life->again);
    if (life->expired)
        fprintf(out, "  its deadline passed");
    else if (life->cancelled)
        fprintf(out, "  was asked to end");
    if (life->submitted_ns == 0 && life->ended_ns != 0)
        fprintf(out, "  never submitted");
    if (life->ended_ns == 0)
        fprintf(out, "  goes on");
}

static void put_life(void *user, const struct life *life)
{
    const struct view *view = user;
    char task[40];
    char fd[24];
    char result[24] = "?";

    if (!trace_wants_op(view->filter, life))
        return;
    being_word(task, sizeof task, life->owner);
    fd_word(fd, sizeof fd, life->fd);
    if (life->ended_ns != 0)
        result_word(result, sizeof result, life->result);
    put_time(view, life->started_ns);
    put_source(view, life->source);
    fprintf(view->out, "  %-16s %-16s %-8s %10s", task,
            trace_op_name(life->opcode), fd, result);
    if (!life->tried) {
        put_duration(view, life->started_ns, life->submitted_ns);
        put_duration(view, life->submitted_ns, life->ended_ns);
        put_duration(view, life->ended_ns, life->resumed_ns);
    }
    put_notes(view, life);
    fputc('\n', view->out);
}

int trace_show_ops(FILE *out, const struct trace *trace,
                   const struct trace_filter *filter)
{
    struct view view = { out, trace, filter };
    const struct life_listener listener = { .user = &view, .life = put_life };

    fprintf(out, "%12s%s  %-16s %-16s %-8s %10s %9s %9s %9s\n", "started",
            trace->source_count > 1 ? " [pid/loop]" : "", "task", "op", "on",
            "result", "queued", "kernel", "resume");
    return trace_live(trace, &listener);
}

/* ---- one line a step ----------------------------------------------------- */

static void put_request(const struct view *view, const struct life *life)
{
    char fd[24];

    if (life == NULL) {
        fprintf(view->out, "an op that was started before");
        return;
    }
    fd_word(fd, sizeof fd, life->fd);
    fprintf(view->out, "%s#%" PRIu64 " on %s", trace_op_name(life->opcode),
            life->serial, fd);
}

static void put_op_step(const struct view *view,
                        const struct trace_event *event,
                        const struct life *life)
{
    const struct trace_op *record = trace_op_of(event);
    char result[24];

    result_word(result, sizeof result, record->head.value);
    put_request(view, life);
    switch (record->head.step) {
    case STEP_SUBMITTED:
        if ((record->head.flags & TRACE_BESIDE) != 0)
            fprintf(view->out, ", beside");
        if ((record->head.flags & TRACE_CHAINED) != 0)
            fprintf(view->out, ", chain %" PRId32, record->head.value);
        break;
    case STEP_MORE:
    case STEP_ENDED:
    case STEP_TRIED:
        fprintf(view->out, " = %s", result);
        break;
    default:
        break;
    }
}

static void put_loop_step(const struct view *view,
                          const struct trace_event *event)
{
    const struct trace_op *record = trace_op_of(event);
    const struct trace_loop *opened = (const void *)record;
    char result[24];

    switch (record->head.step) {
    case STEP_OPENED:
        fprintf(view->out, "on %s: %s",
                view->trace->sources[event->source].kernel, opened->text);
        break;
    case STEP_TURN:
        fprintf(view->out, "%" PRIu64, record->detail);
        break;
    case STEP_ENTER:
        fprintf(view->out, "%" PRId32 " requests, %s", record->head.value,
                record->detail == 0 ? "does not sleep" : "may sleep");
        break;
    case STEP_ENTERED:
        result_word(result, sizeof result, record->head.value);
        fprintf(view->out, "= %s", result);
        break;
    default:
        break;
    }
}

static void put_task_step(const struct view *view,
                          const struct trace_event *event,
                          const struct being *being)
{
    const struct trace_task *record = trace_task_of(event);
    char word[40];

    being_word(word, sizeof word, being);
    fprintf(view->out, "%s", word);
    if (record->head.step == STEP_WAITS)
        fprintf(view->out, ": %s", record->text);
    if (record->head.step == STEP_WAITS && being != NULL &&
        being->awaits != NULL) {
        fprintf(view->out, " ");
        put_request(view, being->awaits);
    }
    if (record->head.step == STEP_RETURNS)
        fprintf(view->out, " = %" PRId32, record->head.value);
}

const char *trace_step_name(uint8_t step)
{
    static const char *const names[] = {
        [STEP_STARTED] = "started",     [STEP_HELD] = "held",
        [STEP_SUBMITTED] = "submitted", [STEP_MORE] = "result",
        [STEP_ENDED] = "ended",         [STEP_RETURNED] = "returned",
        [STEP_AGAIN] = "again",         [STEP_CANCEL] = "to end",
        [STEP_DEADLINE] = "deadline",   [STEP_EXPIRED] = "expired",
        [STEP_TRIED] = "at once",       [STEP_ASKED] = "cancel sent",
        [STEP_OPENED] = "loop",         [STEP_TURN] = "turn",
        [STEP_ENTER] = "enter",         [STEP_ENTERED] = "entered",
        [STEP_CLOSED] = "loop ends",    [STEP_SPAWNED] = "spawned",
        [STEP_RUNS] = "runs",           [STEP_WAITS] = "waits",
        [STEP_RETURNS] = "task ends",
    };

    return step < sizeof names / sizeof names[0] && names[step] != NULL
               ? names[step]
               : "?";
}

static bool wants_step(const struct view *view, const struct trace_event *event,
                       const struct life *life, const struct being *being)
{
    if (!trace_filters(view->filter))
        return true;
    if (life != NULL)
        return trace_wants_op(view->filter, life);
    return event->record->step >= STEP_SPAWNED && view->filter->ops == NULL &&
           view->filter->fd == -1 && trace_wants_task(view->filter, being);
}

static void put_step(void *user, const struct trace_event *event,
                     const struct life *life, const struct being *being)
{
    const struct view *view = user;
    uint8_t step = event->record->step;

    if (!wants_step(view, event, life, being))
        return;
    put_time(view, event->record->time_ns);
    put_source(view, event->source);
    fprintf(view->out, "  %-11s ", trace_step_name(step));
    if (step >= STEP_SPAWNED)
        put_task_step(view, event, being);
    else if (step >= STEP_OPENED)
        put_loop_step(view, event);
    else
        put_op_step(view, event, life);
    fputc('\n', view->out);
}

int trace_show_steps(FILE *out, const struct trace *trace,
                     const struct trace_filter *filter)
{
    struct view view = { out, trace, filter };
    const struct life_listener listener = { .user = &view, .event = put_step };

    return trace_live(trace, &listener);
}

/* ---- what it is a trace of ----------------------------------------------- */

void trace_show_head(FILE *out, const struct trace *trace)
{
    if (trace->program[0] != '\0')
        fprintf(out, "program: %s\n", trace->program);
    for (unsigned i = 0; i < trace->source_count; i++) {
        const struct trace_source *of = &trace->sources[i];

        fprintf(out, "process %" PRIu32 ", loop %" PRIu32 ": kernel %s%s%s%s\n",
                of->process, of->loop, of->kernel,
                of->reason[0] != '\0' ? " (" : "", of->reason,
                of->reason[0] != '\0' ? ")" : "");
    }
    if (trace->lost > 0)
        fprintf(out,
                "%" PRIu64 " older records were lost: the buffer was too small "
                "(--buffer)\n",
                trace->lost);
    if (trace->damaged > 0)
        fprintf(out, "%u parts of the file are damaged and left out\n",
                trace->damaged);
}
