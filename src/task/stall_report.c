/* SPDX-License-Identifier: MIT */
/*
 * stall_report.c - a stall in words
 */
#include <inttypes.h>
#include <string.h>

#include "task/stall.h"

struct text {
    char *bytes;
    size_t used;
};

static void take(void *user, const char *piece, size_t size)
{
    struct text *text = user;
    size_t room = STALL_TEXT_BYTES - 1 - text->used;

    if (size > room)
        size = room;
    memcpy(text->bytes + text->used, piece, size);
    text->used += size;
}

static void print_who(struct out *out, const gyre_stall *stall,
                      const struct stall_answer *answer)
{
    out_print(out, "gyre: stall: ");
    if (stall->task != NULL) {
        out_print(out, "task ");
        out_name(out, stall->task);
    } else if (answer != NULL && !answer->same) {
        out_print(out, "something");
    } else {
        out_print(out, "a callback");
    }
}

static void print_whose(struct out *out, const gyre_stall *stall)
{
    out_print(out,
              stall->ended ? " held the thread of loop %" PRIu64
                           : " has held the thread of loop %" PRIu64,
              stall->loop_id);
    if (stall->engine >= 0)
        out_print(out, ", engine %d,", stall->engine);
    out_print(out, " for ");
}

static void print_kind(struct out *out, const gyre_stall *stall)
{
    static const char *const did[] = {
        [GYRE_STALL_COMPUTING] = ", computing (",
        [GYRE_STALL_BLOCKED] = ", blocked in a system call (",
        [GYRE_STALL_WAITING] = ", waiting for a processor (",
    };

    out_print(out, "%s", did[stall->kind]);
    out_time(out, stall->cpu_ns);
    out_print(out, " of processor time)\n");
}

static void print_untold(struct out *out, const gyre_stall *stall)
{
    if (stall->untold > 0)
        out_print(out, "  %" PRIu64 " more since the last report\n",
                  stall->untold);
}

static void print_where(struct out *out, const gyre_stall *stall,
                        const struct stall_answer *answer)
{
    if (!answer->came) {
        out_print(out, "  what it is cannot be told: the thread did not take "
                       "the signal\n");
        return;
    }
    if (!answer->same) {
        out_print(out, "  it was over before it could be looked at\n");
        return;
    }
    if (stall->task != NULL) {
        out_print(out, "  spawned at ");
        unwind_print_place(out, stall->site);
        out_print(out, "; runs ");
        unwind_print_place(out, stall->fn);
        out_print(out, "\n");
    }
    unwind_print_calls(out, stall->calls, stall->call_count, 1);
}

void stall_text(char text[static STALL_TEXT_BYTES], const gyre_stall *stall,
                const struct stall_answer *answer)
{
    struct text whole = { .bytes = text };
    struct out out;

    out_init(&out, take, &whole);
    print_who(&out, stall, answer);
    print_whose(&out, stall);
    out_time(&out, stall->held_ns);
    if (stall->ended)
        out_print(&out, " in all");
    print_kind(&out, stall);
    if (!stall->ended) {
        print_untold(&out, stall);
        print_where(&out, stall, answer);
    }
    out_flush(&out);
    text[whole.used] = '\0';
}
