/* SPDX-License-Identifier: MIT */
/*
 * serve.c - gyre serve: start-up and the last lines
 *
 * Whatever can be wrong with a server (directory, address, permission, log) is
 * found here, before there are engines, and before the sandbox; each mistake is
 * one line that names the thing and the remedy.
 */
#include <errno.h>
#include <fcntl.h>
#include <gyre/gyre.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "commands.h"
#include "room.h"
#include "serve_options.h"
#include "server.h"
#include "signals.h"

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

/* Of each address: its socket, and clients that wait for a place. */
#define DESCRIPTORS_LISTEN 5

/* ---- start-up: each step prints what is wrong and says false ------------ */

static bool complain(const char *what, const char *name, int error,
                     const char *remedy)
{
    const char *sentence = remedy != NULL ? remedy : gyre_error_remedy(error);

    fprintf(stderr, "gyre: %s %s: %s%s%s\n", what, name, gyre_strerror(error),
            sentence[0] != '\0' ? "; " : "", sentence);
    return false;
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

/* Of TCP, and to be opened here: then there can be one for each engine. */
static bool is_tcp(const char *address)
{
    static const char *const OTHERS[] = { "unix:", "vsock:", "fd:",
                                          "systemd:" };

    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        if (strncmp(address, OTHERS[i], strlen(OTHERS[i])) == 0)
            return false;
    return true;
}

static bool check_addresses(const struct serve_options *serve)
{
    bool tcp = false;

    for (unsigned i = 0; i < serve->listen_count; i++)
        tcp |= is_tcp(serve->listens[i]);
    if (serve->reuseport && !tcp)
        fprintf(stderr, "gyre: --reuseport: no address is one of TCP that is "
                        "opened here; leave it out, or --listen on one\n");
    return !serve->reuseport || tcp;
}

static bool open_listeners(struct service *service)
{
    const struct serve_options *serve = service->options;
    gyre_listener_options options = {
        .no_delay = true, /* heads wait for bodies by MSG_MORE, not by Nagle */
        .peers = true,
        .places = &service->places,
        .make_place = room_make,
        .engines = serve->engines,
    };

    for (unsigned i = 0; i < serve->listen_count; i++) {
        options.spread = serve->reuseport && is_tcp(serve->listens[i])
                             ? GYRE_SPREAD_REUSEPORT
                             : GYRE_SPREAD_HAND_OFF;
        if (gyre_listener_open(&service->listeners[i], serve->listens[i],
                               &options) < 0) {
            fprintf(stderr, "gyre: %s\n", gyre_listener_error());
            return false;
        }
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

    uint64_t own = (DESCRIPTORS_OWN +
                    service->options->listen_count * DESCRIPTORS_LISTEN) *
                   service->options->engines;
    uint64_t spare = limit.rlim_cur > own + 3 ? limit.rlim_cur - own : 3;

    if (spare > UINT32_MAX)
        spare = UINT32_MAX;
    service->places_max = service->options->connections_max;
    if (service->places_max > spare / 3 * 2)
        service->places_max = (unsigned)(spare / 3 * 2);
    service->files_max = (unsigned)spare - service->places_max;
    gyre_semaphore_init(&service->places, service->places_max, 0);
}

static void close_all(struct service *service)
{
    for (unsigned i = 0; i < service->listener_count; i++)
        gyre_listener_close(service->listeners[i]);
    if (service->root >= 0)
        close(service->root);
    if (service->log_fd > STDERR_FILENO)
        close(service->log_fd);
}

/* The name of a Unix socket is taken away at the end. */
static bool prepare_sandbox(struct serve_options *serve)
{
    for (unsigned i = 0; i < serve->listen_count; i++)
        if (strncmp(serve->listens[i], "unix:", 5) == 0 &&
            serve->listens[i][5] != '@')
            serve->confine.unlinks = true;
    return confine_prepare(&serve->confine);
}

/* How the drain went, if it took too long. */
static void tell_end(const struct service *service,
                     const gyre_shutdown_report *report)
{
    const gyre_shutdown_options *end = &service->options->end;
    uint64_t cut = 0;

    for (unsigned i = 0; i < service->server_count; i++)
        cut += counted(&service->servers[i].counts.cut);
    if (cut > 0)
        fprintf(stderr,
                "gyre: the drain timeout (%g s) ended responses that were "
                "still being sent; --drain-timeout changes it\n",
                (double)end->drain_ns / GYRE_SECOND);
    if (report->engines_left > 0)
        fprintf(stderr,
                "gyre: %g s later (--cancel-timeout) this had not ended:\n%s",
                (double)end->cancel_ns / GYRE_SECOND, report->text);
}

static int run(struct service *service)
{
    const struct serve_options *serve = service->options;
    const struct confine *confine = &serve->confine;
    gyre_shutdown_report report = { .size = sizeof report };
    const gyre_run_options options = {
        .loop = &serve->loop,
        .stack_size = STACK_SIZE,
        .engines = serve->engines,
        .cpus = serve->cpus,
        .cpu_count = serve->cpu_count,
        .name = "serve",
        .sandbox = confine->wanted ? &confine->sandbox : NULL,
        .stall_ns = serve->stall_ns,
        .shutdown_report = &report,
    };
    int result = gyre_run(&options, service_run, service);
    const char *why = gyre_loop_create_error();

    if (why[0] == '\0' && confine->wanted)
        why = gyre_sandbox_error();

    tell_end(service, &report);
    /* What is left may use all there is. */
    if (report.engines_left > 0)
        _exit(EXIT_FAILED);
    service_destroy(service);
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
    static struct service service = { .root = -1, .log_fd = -1 };
    struct serve_options serve;
    int result = serve_options_read(&serve, argc, argv);

    if (result >= 0)
        return result;
    result = EXIT_FAILED;
    service.options = &serve;
    signals_hold();
    if (check_addresses(&serve) && prepare_sandbox(&serve) &&
        open_root(&service) && open_log(&service)) {
        set_limits(&service);
        if (open_listeners(&service))
            result = run(&service);
    }
    close_all(&service);
    return result;
}
