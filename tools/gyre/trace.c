/* SPDX-License-Identifier: MIT */
/*
 * trace.c - gyre trace: run a program and show what its loops did
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"
#include "trace_run.h"
#include "trace_show.h"

#define BUFFER_MAX ((uint64_t)64 << 30)

static const char HELP[] =
    "usage: gyre trace [OPTIONS] PROGRAM [ARGUMENTS...]\n"
    "       gyre trace [OPTIONS] FILE\n"
    "\n"
    "Runs a program that uses gyre and shows, on standard error when it has\n"
    "ended, the life of each of its ops: when it was started, how long its\n"
    "request waited to be submitted (queued), how long the kernel had it, and\n"
    "how long it then took until the task that waited ran again, or the\n"
    "callback had returned (resume). The exit code is the program's. A FILE\n"
    "that --record has made is shown on standard output, also while it is\n"
    "being written.\n"
    "\n"
    "  --events        one line a step, also of tasks and loops, in place of\n"
    "                  one line an op\n"
    "  --summary       one line an opcode: how many, and how long they took\n"
    "  --perfetto FILE, -o FILE\n"
    "                  write the trace for ui.perfetto.dev (Chrome's JSON)\n"
    "                  instead of showing it\n"
    "  --record FILE   only record, to be shown later\n"
    "  --buffer SIZE   how much is kept, as in 512K or 64M (64M); what is "
    "older\n"
    "                  is lost, and counted\n"
    "  --op NAME,...   only these: RECV, SEND ...\n"
    "  --fd N          only ops on this descriptor\n"
    "  --task NAME     only tasks of that name and their ops\n";

struct settings {
    struct trace_filter filter;
    const char *json;
    const char *record;
    uint64_t bytes;
    bool events;
    bool summary;
    bool sized;
    char **words; /* the program or file, and what follows */
};

/* ---- the command line ---------------------------------------------------- */

static uint64_t take_size(struct options *options)
{
    static const char units[] = "KMG";
    const char *text = options_value(options);
    char *end;
    unsigned long long size = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;

    if (unit != NULL) {
        unsigned shift = 10 * (unsigned)(unit - units + 1);

        size = size <= BUFFER_MAX ? size << shift : 0;
        end++;
    }
    if (!options->failed && (*text < '0' || *text > '9' || *end != '\0' ||
                             size < GYRE_TRACE_BYTES_MIN || size > BUFFER_MAX))
        options_wrong(options, "needs a size from 32K to 64G");
    return size;
}

static bool take_option(struct options *options, struct settings *settings)
{
    if (options_is(options, "--events"))
        settings->events = true;
    else if (options_is(options, "--summary"))
        settings->summary = true;
    else if (options_is(options, "--perfetto") || options_is(options, "-o"))
        settings->json = options_value(options);
    else if (options_is(options, "--record"))
        settings->record = options_value(options);
    else if (options_is(options, "--op"))
        settings->filter.ops = options_value(options);
    else if (options_is(options, "--task"))
        settings->filter.task = options_value(options);
    else if (options_is(options, "--fd"))
        settings->filter.fd = (int)options_number(options, 0, INT32_MAX);
    else
        return false;
    return true;
}

static bool check(struct options *options, const struct settings *settings)
{
    int ways = settings->events + settings->summary + (settings->json != NULL) +
               (settings->record != NULL);

    if (options->failed)
        return false;
    if (settings->words == NULL) {
        fputs(HELP, stderr);
        return false;
    }
    if (ways > 1) {
        fputs("gyre trace: --events, --summary, --perfetto and --record are "
              "four ways of which one can be had at a time: record, and show "
              "the file as often as you like\n",
              stderr);
        return false;
    }
    return true;
}

/* False: wrong usage, which has been said. */
static bool parse(struct options *options, struct settings *settings)
{
    while (options_next(options)) {
        if (options_is_word(options)) {
            settings->words = options->argv + options->at;
            break;
        }
        if (options_is(options, "--buffer")) {
            settings->bytes = take_size(options);
            settings->sized = true;
        } else if (!take_option(options, settings)) {
            options_unknown(options);
        }
    }
    return check(options, settings);
}

/* ---- showing ------------------------------------------------------------- */

static int show(const struct trace *trace, const struct settings *settings,
                FILE *out)
{
    if (settings->json == NULL)
        trace_show_head(out, trace);
    if (settings->summary)
        return trace_show_summary(out, trace, &settings->filter);
    if (settings->events)
        return trace_show_steps(out, trace, &settings->filter);
    return trace_show_ops(out, trace, &settings->filter);
}

static int write_json(const struct trace *trace,
                      const struct settings *settings)
{
    FILE *out = fopen(settings->json, "we");
    int err;

    if (out == NULL)
        return -errno;
    err = trace_write_json(out, trace, &settings->filter);
    if (err == 0 && ferror(out))
        err = -EIO;
    if (fclose(out) != 0 && err == 0)
        err = -errno;
    return err;
}

static int show_trace(const struct trace *trace,
                      const struct settings *settings, FILE *out)
{
    int err = settings->json != NULL ? write_json(trace, settings)
                                     : show(trace, settings, out);

    if (err == 0 && settings->json == NULL && fflush(out) != 0)
        err = -errno;
    if (err == 0)
        return EXIT_OK;
    fprintf(stderr, "gyre trace: cannot write %s: %s\n",
            settings->json != NULL ? settings->json : "the trace",
            strerror(-err));
    return EXIT_FAILED;
}

static void tell_of_nothing(const char *program)
{
    fprintf(stderr,
            "gyre trace: nothing was traced: '%s' made no gyre loop. Does it "
            "use gyre, of this version or later? Did it gain privileges "
            "(setuid)?\n",
            program);
}

static int show_file(int fd, const char *name, const struct settings *settings,
                     FILE *out)
{
    struct trace trace;
    int err = trace_read(&trace, fd);
    int code;

    if (err < 0) {
        fprintf(stderr, "gyre trace: cannot read %s: %s\n", name,
                err == -EINVAL ? "it is damaged, or of another version of gyre"
                               : strerror(-err));
        return EXIT_FAILED;
    }
    if (trace.source_count == 0)
        tell_of_nothing(trace.program[0] != '\0' ? trace.program : name);
    code = trace.source_count == 0 && settings->json == NULL
               ? EXIT_OK
               : show_trace(&trace, settings, out);
    trace_free(&trace);
    return code;
}

/* ---- running ------------------------------------------------------------- */

static int run(const struct settings *settings)
{
    int fd = trace_make(settings->record, settings->bytes, settings->words[0]);
    int code;
    int shown = EXIT_OK;
    bool ran;

    if (fd < 0) {
        fprintf(stderr, "gyre trace: cannot make %s: %s\n",
                settings->record != NULL ? settings->record : "the buffer",
                strerror(-fd));
        return EXIT_FAILED;
    }
    ran = trace_run(settings->words, fd, &code);
    if (ran && settings->record == NULL)
        shown = show_file(fd, "the buffer", settings, stderr);
    else if (ran && trace_is_empty(fd))
        tell_of_nothing(settings->words[0]);
    (void)close(fd);
    return code != EXIT_OK ? code : shown;
}

/* The descriptor of a trace, if the word names one; else -1. */
static int open_trace(const char *word)
{
    int fd = open(word, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || trace_is_one(fd))
        return fd;
    (void)close(fd);
    return -1;
}

int trace_main(int argc, char **argv)
{
    struct settings settings = {
        .filter = { .fd = -1 },
        .bytes = GYRE_TRACE_BYTES_DEFAULT,
    };
    struct options options;
    int fd;
    int code;

    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(HELP, stdout);
        return EXIT_OK;
    }
    options_init(&options, argc, argv);
    if (!parse(&options, &settings))
        return EXIT_USAGE;
    fd = open_trace(settings.words[0]);
    if (fd < 0)
        return run(&settings);
    if (settings.record != NULL || settings.sized ||
        settings.words[1] != NULL) {
        fprintf(stderr,
                "gyre trace: %s is a trace, which is shown: --record, --buffer "
                "and arguments are for programs\n",
                settings.words[0]);
        code = EXIT_USAGE;
    } else {
        code = show_file(fd, settings.words[0], &settings, stdout);
    }
    (void)close(fd);
    return code;
}
