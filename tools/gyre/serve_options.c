/* SPDX-License-Identifier: MIT */
/* serve_options.c - see serve_options.h */
#include "serve_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "kernel/thread.h"
#include "loop_options.h"
#include "options.h"
#include "server.h"

static const char HELP[] =
    "usage: gyre serve DIR [OPTIONS]\n"
    "\n"
    "Serves the regular files below DIR over HTTP/1.1 (GET and HEAD). Hidden\n"
    "files, other file systems mounted below DIR, and links that lead out of "
    "it\n"
    "are not served. Markdown is shown as a page to browsers.\n"
    "\n"
    "  --listen ADDR           where to listen; may be given several times\n"
    "                          (127.0.0.1:8080). 127.0.0.1:80, [::1]:80, :80 "
    "for\n"
    "                          every address, unix:PATH, unix:@NAME, "
    "vsock:PORT; "
    "port\n"
    "                          0: any free one; fd:N, systemd:N: one that is "
    "open\n"
    "  --max-connections N     connections at a time (16384); more wait in "
    "the\n"
    "                          listen queue\n"
    "  --header-timeout S      a request's head must have come after S seconds "
    "(10)\n"
    "  --idle-timeout S        a kept-alive connection may rest so long (60)\n"
    "  --send-timeout S        the client must have taken something after "
    "(60)\n"
    "  --response-timeout S    the client must have taken everything after "
    "(21600)\n"
    "  --drain-timeout S       after a signal, responses may take so long "
    "(30)\n"
    "  --cancel-timeout S      and then so long to be ended; what has not is "
    "named (5)\n"
    "  --log FILE              append the access log to FILE (standard error)\n"
    "  --quiet                 no access log\n"
    "  --status                show what the server is doing at /.gyre/status\n"
    "  --loop OPTIONS          of the loop: sqpoll,entries=64 "
    "(docs/OPTIONS.md)\n"
    "  --engines N             serve on N threads, each with a loop (1); all: "
    "one for\n"
    "                          each CPU\n"
    "  --reuseport             a TCP address is a socket for each of them "
    "(SO_REUSEPORT),\n"
    "                          which serves what Linux gives it; else they "
    "have clients\n"
    "                          in turn\n"
    "  --cpus LIST             engine by engine, the CPU it is bound to: "
    "0,2,4-7\n"
    "  --sandbox               give up what serving needs not, before the "
    "first "
    "client\n"
    "  --user NAME             and become this user; needs root\n"
    "  --stall MS              tell of what keeps the thread for so many "
    "milliseconds,\n"
    "                          on standard error (never)\n"
    "  --stats                 print the loop's counters at the end\n"
    "\n"
    "SIGTERM and SIGINT let what is being sent end, then exit with 0; a "
    "second\n"
    "signal ends at once, with 128 and its number.\n";

static void set_defaults(struct serve_options *serve)
{
    *serve = (struct serve_options){
        .connections_max = 16384,
        .header_timeout_ns = 10 * GYRE_SECOND,
        .idle_timeout_ns = 60 * GYRE_SECOND,
        .send_timeout_ns = 60 * GYRE_SECOND,
        .response_timeout_ns = 21600 * GYRE_SECOND,
        .end = { .drain_ns = 30 * GYRE_SECOND, .cancel_ns = 5 * GYRE_SECOND },
        .engines = 1,
    };
}

static void add_listen(struct options *options, struct serve_options *serve,
                       const char *text)
{
    unsigned count = serve->listen_count;

    if (options->failed)
        return;
    if (count == SERVE_LISTEN_MAX) {
        options_wrong(options, "may be given 16 times at most");
        return;
    }
    serve->listens[count] = text;
    serve->listen_count++;
}

static void read_engines(struct options *options, struct serve_options *serve)
{
    const char *text = options_peek(options);

    if (text != NULL && strcmp(text, "all") == 0) {
        (void)options_value(options);
        serve->engines = thread_cpu_count();
    } else {
        serve->engines = (unsigned)options_number(options, 1, 1024);
    }
}

/* A CPU, or a range of them. False: it is none. */
static bool read_range(const char **text, unsigned *first, unsigned *last)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    *first = *last = (unsigned)strtoul(*text, &end, 10);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        *last = (unsigned)strtoul(end + 1, &end, 10);
    *text = *end == ',' ? end + 1 : end;
    return *first <= *last && *last < SERVE_CPUS_MAX &&
           (*end == '\0' || (*end == ',' && end[1] != '\0'));
}

static void read_cpus(struct options *options, struct serve_options *serve)
{
    const char *text = options_value(options);
    unsigned first, last;

    serve->cpu_count = 0;
    while (!options->failed && *text != '\0') {
        if (!read_range(&text, &first, &last) ||
            serve->cpu_count + (last - first) >= SERVE_CPUS_MAX) {
            options_wrong(options, "wants CPUs by number, as in 0,2,4-7");
            return;
        }
        while (first <= last)
            serve->cpus[serve->cpu_count++] = first++;
    }
}

static void parse_option(struct options *options, struct serve_options *serve)
{
    if (options_is(options, "--listen"))
        add_listen(options, serve, options_value(options));
    else if (options_is(options, "--max-connections"))
        serve->connections_max = (unsigned)options_number(options, 1, 10000000);
    else if (options_is(options, "--header-timeout"))
        serve->header_timeout_ns = options_seconds(options);
    else if (options_is(options, "--idle-timeout"))
        serve->idle_timeout_ns = options_seconds(options);
    else if (options_is(options, "--send-timeout"))
        serve->send_timeout_ns = options_seconds(options);
    else if (options_is(options, "--response-timeout"))
        serve->response_timeout_ns = options_seconds(options);
    else if (options_is(options, "--drain-timeout"))
        serve->end.drain_ns = options_seconds(options);
    else if (options_is(options, "--cancel-timeout"))
        serve->end.cancel_ns = options_seconds(options);
    else if (options_is(options, "--loop"))
        loop_options_read(options, &serve->loop);
    else if (options_is(options, "--engines"))
        read_engines(options, serve);
    else if (options_is(options, "--reuseport"))
        serve->reuseport = true;
    else if (options_is(options, "--cpus"))
        read_cpus(options, serve);
    else if (options_is(options, "--log"))
        serve->log_path = options_value(options);
    else if (options_is(options, "--quiet"))
        serve->quiet = true;
    else if (options_is(options, "--status"))
        serve->status = true;
    else if (options_is(options, "--sandbox"))
        serve->confine.wanted = true;
    else if (options_is(options, "--user"))
        serve->confine.user = options_value(options);
    else if (options_is(options, "--stall"))
        serve->stall_ns = options_number(options, 1, 3600000) * GYRE_MS;
    else if (options_is(options, "--stats"))
        serve->stats = true;
    else if (options_is_word(options) && serve->directory == NULL)
        serve->directory = options->present;
    else
        options_unknown(options);
}

int serve_options_read(struct serve_options *serve, int argc, char **argv)
{
    struct options options;

    set_defaults(serve);
    options_init(&options, argc, argv);
    while (options_next(&options)) {
        if (options_is(&options, "--help")) {
            fputs(HELP, stdout);
            return EXIT_OK;
        }
        parse_option(&options, serve);
    }
    if (options.failed)
        return EXIT_USAGE;
    if (serve->directory == NULL) {
        fprintf(stderr, "gyre serve: name the directory to serve (see gyre "
                        "serve --help)\n");
        return EXIT_USAGE;
    }
    if (serve->listen_count == 0)
        serve->listens[serve->listen_count++] = "127.0.0.1:8080";
    return -1;
}
