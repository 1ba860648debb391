/* SPDX-License-Identifier: MIT */
/*
 * status.c - the status page: what the server is doing, live
 *
 * Only with --status, since it tells strangers about the machine. It refreshes
 * itself every second.
 */
#include <gyre/gyre.h>
#include <inttypes.h>

#include "exchange.h"
#include "page.h"

static void put_row(struct text *text, const char *name, uint64_t value)
{
    text_printf(text, "<tr><td>%s</td><td class=\"n\">%" PRIu64 "</td></tr>\n",
                name, value);
}

/* Of all engines together. */
static void sum_counts(const struct service *service, struct server_counts *sum)
{
    *sum = (struct server_counts){ 0 };
    for (unsigned i = 0; i < service->server_count; i++) {
        const struct server *server = &service->servers[i];
        const struct server_counts *counts = &server->counts;

        sum->requests += counted(&counts->requests);
        sum->bytes += counted(&counts->bytes);
        sum->timeouts += counted(&counts->timeouts);
        sum->evicted += counted(&counts->evicted);
        for (unsigned class = 0; class < 6; class ++)
            sum->classes[class] += counted(&counts->classes[class]);
    }
}

/* Of all addresses together; on all engines: -1. */
static void sum_listeners(const struct service *service, int engine,
                          gyre_listener_stats *sum)
{
    *sum = (gyre_listener_stats){ .size = sizeof *sum };
    for (unsigned i = 0; i < service->listener_count; i++) {
        gyre_listener_stats stats = { .size = sizeof stats };

        gyre_listener_get_stats(service->listeners[i], engine, &stats);
        sum->accepted += stats.accepted;
        sum->open += stats.open;
        sum->pauses += stats.pauses;
        sum->waiting += stats.waiting;
    }
}

static void put_service(struct text *text, const struct service *service)
{
    struct server_counts counts;
    gyre_listener_stats stats;

    sum_counts(service, &counts);
    sum_listeners(service, -1, &stats);
    put_row(text, "uptime, seconds",
            (gyre_loop_now(gyre_loop_current()) - service->started_ns) /
                GYRE_SECOND);
    put_row(text, "connections", stats.open);
    put_row(text, "connections, at most", service->places_max);
    put_row(text, "connections that wait for room", stats.waiting);
    put_row(text, "connections accepted", stats.accepted);
    put_row(text, "connections cut for being slow", counts.timeouts);
    put_row(text, "idle connections closed to make room", counts.evicted);
    put_row(text, "pauses of accept", stats.pauses);
    put_row(text, "requests", counts.requests);
    put_row(text, "responses 2xx", counts.classes[2]);
    put_row(text, "responses 3xx", counts.classes[3]);
    put_row(text, "responses 4xx", counts.classes[4]);
    put_row(text, "responses 5xx", counts.classes[5]);
    put_row(text, "bytes of bodies", counts.bytes);
    put_row(text, "lines of the log dropped", counted(&service->log.dropped));
}

static void put_loop(struct text *text, const gyre_loop *loop)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(loop, &stats);
    put_row(text, "turns", stats.turns);
    put_row(text, "enters", stats.enters);
    put_row(text, "requests submitted", stats.submitted);
    put_row(text, "completions", stats.completions);
    put_row(text, "in flight", stats.in_flight);
    put_row(text, "timers", stats.timers);
    put_row(text, "longest backlog", stats.backlog_max);
    put_row(text, "overflows", stats.overflows);
    put_row(text, "emulated", stats.emulated);
}

static void put_stalls(struct text *text)
{
    gyre_stall_stats stats = { .size = sizeof stats };

    gyre_loop_get_stall_stats(gyre_loop_current(), &stats);
    put_row(text, "stalls", stats.stalls);
    put_row(text, "longest stall, milliseconds", stats.longest_ns / GYRE_MS);
}

/* One of several: what it does of the whole. */
static void put_engine(struct text *text, const struct service *service,
                       unsigned n)
{
    const gyre_engines *engines = gyre_engines_current();
    const struct server *server = &service->servers[n];
    gyre_listener_stats stats;

    sum_listeners(service, (int)n, &stats);
    text_printf(text, "<h2>Engine %u</h2>\n<table>\n", n);
    put_row(text, "tasks", gyre_engine_load(engines, n));
    put_row(text, "connections", stats.open);
    put_row(text, "connections accepted", stats.accepted);
    put_row(text, "requests", counted(&server->counts.requests));
    put_loop(text, gyre_engine_loop(engines, n));
    text_puts(text, "</table>\n");
}

void status_send(struct exchange *exchange)
{
    const struct service *service = exchange->server->service;
    struct text page;

    text_init_growing(&page, 1 << 16);
    page_begin(&page, span_string("gyre serve: status"), (struct span){ 0 });
    text_puts(&page, "<h1>Status</h1>\n<h2>Server</h2>\n<table>\n");
    put_service(&page, service);
    text_printf(&page, "</table>\n<h2>Loop (%s)</h2>\n<table>\n",
                gyre_loop_kernel(gyre_loop_current()));
    put_loop(&page, gyre_loop_current());
    if (exchange->server->options->stall_ns != 0)
        put_stalls(&page);
    text_puts(&page, "</table>\n");
    for (unsigned n = 0; service->server_count > 1 && n < service->server_count;
         n++)
        put_engine(&page, service, n);
    page_end(&page);

    if (page.failed) {
        response_send_status(exchange, 503);
    } else {
        response_start(exchange, 200);
        response_field(exchange, "Cache-Control", span_string("no-store"));
        response_field(exchange, "Refresh", span_string("1"));
        response_send_body(exchange, "text/html; charset=utf-8",
                           span_of(page.data, page.used));
    }
    text_free(&page);
}
