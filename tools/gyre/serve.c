/* SPDX-License-Identifier: MIT */
/*
 * serve.c - gyre serve: options, start-up, and the first and last lines
 *
 * Whatever can be wrong with a server (directory, address, permission, log) is
 * found here, before there is a loop; each mistake is one line that names the
 * thing and the remedy.
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/gyre.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "commands.h"
#include "kernel/thread.h"
#include "loop_options.h"
#include "options.h"
#include "server.h"

/* Stack of each task. Deep enough for the deepest call of connection.c, which
 * formats a line of the log, with a wide margin; the sanitizers' frames are
 * larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_SIZE (256 * 1024)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STACK_SIZE (256 * 1024)
#endif
#endif
#ifndef STACK_SIZE
#define STACK_SIZE (32 * 1024)
#endif

/* Descriptors for everything but clients and their files. */
#define DESCRIPTORS_OWN 24

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
    "                          every address, unix:PATH; port 0: any free one\n"
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
    "  --log FILE              append the access log to FILE (standard error)\n"
    "  --quiet                 no access log\n"
    "  --status                show what the server is doing at /.gyre/status\n"
    "  --loop OPTIONS          of the loop: sqpoll,entries=64 "
    "(docs/OPTIONS.md)\n"
    "  --engines N             serve on N threads, each with a loop (1); all: "
    "one for\n"
    "                          each CPU\n"
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
        .drain_timeout_ns = 30 * GYRE_SECOND,
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
    serve->listen_names[count] = text;
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
        serve->drain_timeout_ns = options_seconds(options);
    else if (options_is(options, "--loop"))
        loop_options_read(options, &serve->loop);
    else if (options_is(options, "--engines"))
        read_engines(options, serve);
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

/* ---- start-up: each step prints what is wrong and says false ------------ */

static bool complain(const char *what, const char *name, int error,
                     const char *remedy)
{
    const char *sentence = remedy != NULL ? remedy : gyre_error_remedy(error);

    fprintf(stderr, "gyre: %s %s: %s%s%s\n", what, name, gyre_strerror(error),
            sentence[0] != '\0' ? "; " : "", sentence);
    return false;
}

static bool parse_addresses(struct serve_options *serve)
{
    if (serve->listen_count == 0)
        serve->listen_names[serve->listen_count++] = "127.0.0.1:8080";
    for (unsigned i = 0; i < serve->listen_count; i++) {
        if (listen_parse(serve->listen_names[i], &serve->listens[i]))
            continue;
        fprintf(stderr,
                "gyre: cannot listen on '%s': no such form of address; give "
                "127.0.0.1:8080, [::1]:8080, :8080 or unix:PATH\n",
                serve->listen_names[i]);
        return false;
    }
    return true;
}

static bool open_root(struct service *service)
{
    const char *directory = service->options->directory;
    struct statfs status;

    service->root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (service->root < 0) {
        int error = -errno;
        const char *remedy = error == -ENOENT ? "name a directory that exists"
                             : error == -ENOTDIR
                                 ? "name a directory, not a file"
                             : error == -EACCES
                                 ? "give this user the right to enter it"
                                 : NULL;

        return complain("cannot serve", directory, error, remedy);
    }
    if (faccessat(service->root, ".", R_OK | X_OK, AT_EACCESS) != 0)
        return complain("cannot serve", directory, -errno,
                        "give this user the rights to read and enter it");
    if (fstatfs(service->root, &status) == 0 &&
        (status.f_type == PROC_SUPER_MAGIC || status.f_type == SYSFS_MAGIC)) {
        fprintf(stderr,
                "gyre: cannot serve %s: it shows the kernel's state, not "
                "files; name a directory on a disk\n",
                directory);
        return false;
    }
    return true;
}

static bool open_listeners(struct service *service)
{
    const struct serve_options *serve = service->options;

    for (unsigned i = 0; i < serve->listen_count; i++) {
        int error = listen_open(&serve->listens[i], &service->listeners[i]);
        const char *remedy =
            error == -EADDRINUSE
                ? "stop the program that has it, or choose another with "
                  "--listen (port 0: any free one)"
            : error == -EACCES || error == -EPERM
                ? "ports below 1024 need CAP_NET_BIND_SERVICE; choose another "
                  "with --listen"
            : error == -EADDRNOTAVAIL
                ? "this machine does not have that address; see ip address"
                : NULL;

        if (error != 0)
            return complain("cannot listen on", serve->listen_names[i], error,
                            remedy);
        service->listener_count++;
    }
    return true;
}

static bool open_log(struct service *service)
{
    const struct serve_options *serve = service->options;

    service->log_fd = -1;
    if (serve->quiet)
        return true;
    if (serve->log_path == NULL) {
        service->log_fd = STDERR_FILENO;
        return true;
    }
    service->log_fd = open(serve->log_path,
                           O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
                           0644);
    return service->log_fd >= 0 ||
           complain("cannot write the log", serve->log_path, -errno, NULL);
}

/* Signals come through a descriptor. They are blocked before there is any
 * other thread, so that all threads have them blocked. An ignored signal would
 * not come: a shell starts what is put into the background of a script with
 * SIGINT ignored. */
static bool open_signals(struct service *service)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGINT, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    service->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return service->signal_fd >= 0 ||
           complain("cannot open", "a signal descriptor", -errno, NULL);
}

/*
 * As many descriptors as the hard limit gives. A connection needs one, and a
 * second while a file is sent to it. Most connections wait most of the time, so
 * two thirds are for connections; the rest is for files.
 */
static void set_limits(struct service *service)
{
    struct rlimit limit = { .rlim_cur = 1024 };

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }

    uint64_t own =
        (DESCRIPTORS_OWN + service->listener_count * (1 + SERVE_ACCEPTORS)) *
        service->options->engines;
    uint64_t spare = limit.rlim_cur > own + 3 ? limit.rlim_cur - own : 3;

    if (spare > UINT32_MAX)
        spare = UINT32_MAX;
    service->slots_max = service->options->connections_max;
    if (service->slots_max > spare / 3 * 2)
        service->slots_max = (unsigned)(spare / 3 * 2);
    service->files_max = (unsigned)spare - service->slots_max;
}

static void close_all(struct service *service)
{
    for (unsigned i = 0; i < service->listener_count; i++)
        listen_close(&service->listeners[i]);
    if (service->root >= 0)
        close(service->root);
    if (service->signal_fd >= 0)
        close(service->signal_fd);
    if (service->log_fd > STDERR_FILENO)
        close(service->log_fd);
}

/* The name of a Unix socket is taken away at the end. */
static bool prepare_sandbox(struct serve_options *serve)
{
    for (unsigned i = 0; i < serve->listen_count; i++)
        if (strncmp(serve->listen_names[i], "unix:", 5) == 0)
            serve->confine.unlinks = true;
    return confine_prepare(&serve->confine);
}

static int run(struct service *service)
{
    const struct serve_options *serve = service->options;
    const struct confine *confine = &serve->confine;
    const gyre_run_options options = {
        .loop = &serve->loop,
        .stack_size = STACK_SIZE,
        .engines = serve->engines,
        .cpus = serve->cpus,
        .cpu_count = serve->cpu_count,
        .name = "serve",
        .sandbox = confine->wanted ? &confine->sandbox : NULL,
        .stall_ns = serve->stall_ns,
    };
    int result = gyre_run(&options, service_run, service);
    const char *why = gyre_loop_create_error();

    if (why[0] == '\0' && confine->wanted)
        why = gyre_sandbox_error();

    if (result >= 0)
        return EXIT_OK;
    if (why[0] != '\0')
        fprintf(stderr, "gyre: cannot serve: %s\n", why);
    else
        complain("cannot go on serving", service->options->directory, result,
                 NULL);
    return EXIT_FAILED;
}

int serve_main(int argc, char **argv)
{
    static struct service service = { .root = -1,
                                      .signal_fd = -1,
                                      .log_fd = -1 };
    struct serve_options serve;
    struct options options;
    int result = EXIT_FAILED;

    set_defaults(&serve);
    options_init(&options, argc, argv);
    while (options_next(&options)) {
        if (options_is(&options, "--help")) {
            fputs(HELP, stdout);
            return EXIT_OK;
        }
        parse_option(&options, &serve);
    }
    if (options.failed)
        return EXIT_USAGE;
    if (serve.directory == NULL) {
        fprintf(stderr, "gyre serve: name the directory to serve (see gyre "
                        "serve --help)\n");
        return EXIT_USAGE;
    }

    service.options = &serve;
    if (parse_addresses(&serve) && prepare_sandbox(&serve) &&
        open_root(&service) && open_signals(&service) && open_log(&service) &&
        open_listeners(&service)) {
        set_limits(&service);
        result = run(&service);
    }
    close_all(&service);
    return result;
}
