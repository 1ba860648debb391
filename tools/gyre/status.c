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

static void put_server(struct text *text, const struct server *server)
{
    const struct server_counts *counts = &server->counts;

    put_row(text, "uptime, seconds",
            (gyre_loop_now(gyre_loop_current()) - server->started_ns) /
                GYRE_SECOND);
    put_row(text, "connections", server->slots);
    put_row(text, "connections, at most", server->slots_max);
    put_row(text, "connections accepted", counts->accepted);
    put_row(text, "connections cut for being slow", counts->timeouts);
    put_row(text, "idle connections closed to make room", counts->evicted);
    put_row(text, "pauses of accept", counts->accept_pauses);
    put_row(text, "requests", counts->requests);
    put_row(text, "responses 2xx", counts->classes[2]);
    put_row(text, "responses 3xx", counts->classes[3]);
    put_row(text, "responses 4xx", counts->classes[4]);
    put_row(text, "responses 5xx", counts->classes[5]);
    put_row(text, "bytes of bodies", counts->bytes);
    put_row(text, "lines of the log dropped", server->log.dropped);
}

static void put_loop(struct text *text)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(gyre_loop_current(), &stats);
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

void status_send(struct exchange *exchange)
{
    struct text page;

    text_init_growing(&page, 1 << 16);
    page_begin(&page, span_string("gyre serve: status"), (struct span){ 0 });
    text_puts(&page, "<h1>Status</h1>\n<h2>Server</h2>\n<table>\n");
    put_server(&page, exchange->server);
    text_puts(&page, "</table>\n<h2>Loop (");
    text_puts(&page, gyre_loop_kernel(gyre_loop_current()));
    text_puts(&page, ")</h2>\n<table>\n");
    put_loop(&page);
    if (exchange->server->options->stall_ns != 0)
        put_stalls(&page);
    text_puts(&page, "</table>\n");
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
