/* SPDX-License-Identifier: MIT */
/*
 * response.c - heads of responses, short pages, and the end of an exchange
 *
 * See exchange.h. Whatever a client or a file name has put into a head has been
 * encoded before, or was printable ASCII from the start, so no value can break
 * out of its line.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "exchange.h"
#include "page.h"
#include "room.h"

#define SPARES_MAX 256

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 412:
        return "Precondition Failed";
    case 414:
        return "URI Too Long";
    case 416:
        return "Range Not Satisfiable";
    case 417:
        return "Expectation Failed";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

struct exchange *exchange_open(struct connection *connection)
{
    struct server *server = connection->server;
    struct exchange *exchange = server->spares;

    if (exchange != NULL) {
        server->spares = exchange->next_spare;
        server->spare_count--;
    } else {
        exchange = alloc_zeroed(1, sizeof *exchange);
        if (exchange == NULL)
            return NULL;
    }
    exchange->connection = connection;
    exchange->server = server;
    exchange->request = (struct request){ .minor = 1 };
    exchange->deadline_ns = gyre_loop_now(gyre_loop_current()) +
                            server->options->response_timeout_ns;
    exchange->body_sent = 0;
    exchange->status = 0;
    exchange->close = false;
    return exchange;
}

/* At most so much of what a client says goes into a log line; with every byte
 * escaped the parts fit LOG_LINE_MAX. */
static struct span cut(struct span span, size_t size)
{
    return span_of(span.data, span.size < size ? span.size : size);
}

static void put_log_line(struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    char line[LOG_LINE_MAX];
    struct text text;

    text_init(&text, line, sizeof line - 1);
    text_puts(&text, exchange->connection->peer);
    text_puts(&text, " - - ");
    text_puts(&text, server_wall_clock(exchange->server)->log);
    text_puts(&text, " \"");
    text_put_log(&text, cut(request->line, 400));
    text_printf(&text, "\" %d %llu \"", exchange->status,
                (unsigned long long)exchange->body_sent);
    text_put_log(&text, cut(request->headers[HEADER_REFERER], 200));
    text_puts(&text, "\" \"");
    text_put_log(&text, cut(request->headers[HEADER_USER_AGENT], 200));
    text_puts(&text, "\"");
    line[text.used++] = '\n';
    log_put(&exchange->server->service->log, span_of(line, text.used));
}

bool exchange_close(struct exchange *exchange)
{
    struct server *server = exchange->server;
    bool go_on = !exchange->close;

    if (gyre_cancelled() != 0)
        count(&server->counts.cut, 1);
    count(&server->counts.requests, 1);
    count(&server->counts.bytes, exchange->body_sent);
    count(&server->counts.classes[exchange->status / 100 % 6], 1);
    if (log_is_open(&server->service->log))
        put_log_line(exchange);

    if (server->spare_count >= SPARES_MAX) {
        alloc_free(exchange);
        return go_on;
    }
    exchange->next_spare = server->spares;
    server->spares = exchange;
    server->spare_count++;
    return go_on;
}

/* ---- heads -------------------------------------------------------------- */

void response_start(struct exchange *exchange, int status)
{
    struct text *out = &exchange->out;
    struct server *server = exchange->server;

    exchange->status = status;
    /* Somebody waits for a connection's place, or the server is about to go. */
    if (server->draining || room_is_wanted(server->service) ||
        !exchange->request.keep_alive)
        exchange->close = true;

    text_init(out, exchange->buffer, sizeof exchange->buffer);
    text_printf(out, "HTTP/1.1 %d %s\r\nServer: gyre\r\nDate: %s\r\n", status,
                reason(status), server_wall_clock(server)->http);
    if (exchange->close)
        text_puts(out, "Connection: close\r\n");
    else if (exchange->request.minor == 0)
        text_puts(out, "Connection: keep-alive\r\n");
}

void response_field(struct exchange *exchange, const char *name,
                    struct span value)
{
    text_puts(&exchange->out, name);
    text_puts(&exchange->out, ": ");
    text_put_span(&exchange->out, value);
    text_puts(&exchange->out, "\r\n");
}

void response_abandon(struct exchange *exchange)
{
    exchange->close = true;
}

static int send_out(struct exchange *exchange, int flags)
{
    if (exchange->out.failed)
        return -EMSGSIZE;
    return connection_send(exchange->connection, exchange->out.data,
                           exchange->out.used, flags, exchange->deadline_ns);
}

void response_send_head(struct exchange *exchange)
{
    text_puts(&exchange->out, "\r\n");
    if (send_out(exchange, 0) != 0)
        response_abandon(exchange);
}

void response_send_body(struct exchange *exchange, const char *type,
                        struct span body)
{
    struct text *out = &exchange->out;

    response_field(exchange, "Content-Type", span_string(type));
    text_printf(out, "Content-Length: %zu\r\n", body.size);
    text_puts(out, "X-Content-Type-Options: nosniff\r\n");
    if (exchange->request.is_head) {
        response_send_head(exchange);
        return;
    }
    text_puts(out, "\r\n");

    bool is_small = body.size <= out->size - out->used;

    if (is_small)
        text_put_span(out, body);

    int error = send_out(exchange, is_small ? 0 : MSG_MORE);

    if (error == 0 && !is_small)
        error = connection_send(exchange->connection, body.data, body.size, 0,
                                exchange->deadline_ns);
    if (error != 0)
        response_abandon(exchange);
    else
        exchange->body_sent = body.size;
}

/* ---- short pages -------------------------------------------------------- */

static struct span status_page(int status, char *buffer, size_t size)
{
    struct text page;
    char title[64];
    struct text title_text;

    text_init(&title_text, title, sizeof title);
    text_printf(&title_text, "%d %s", status, reason(status));
    text_init(&page, buffer, size);
    text_puts(&page, "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\">"
                     "<link rel=\"icon\" href=\"data:,\"><title>");
    text_put(&page, title, title_text.used);
    text_puts(&page, "</title></head>\n<body><h1>");
    text_put(&page, title, title_text.used);
    text_puts(&page, "</h1></body>\n</html>\n");
    ASSERT(!page.failed);
    return span_of(buffer, page.used);
}

void response_send_status_with(struct exchange *exchange, int status,
                               const char *name, struct span value)
{
    char page[512];

    response_start(exchange, status);
    if (name != NULL)
        response_field(exchange, name, value);
    response_send_body(exchange, "text/html; charset=utf-8",
                       status_page(status, page, sizeof page));
}

void response_send_status(struct exchange *exchange, int status)
{
    response_send_status_with(exchange, status, NULL, (struct span){ 0 });
}

void exchange_refuse(struct exchange *exchange, int status)
{
    struct connection *connection = exchange->connection;

    if (exchange->request.line.data == NULL) {
        const char *end = connection->in_used > 0 ? memchr(connection->in, '\r',
                                                           connection->in_used)
                                                  : NULL;

        exchange->request.line =
            span_of(connection->in, end != NULL ? (size_t)(end - connection->in)
                                                : connection->in_used);
    }
    exchange->close = true;
    connection->linger = true;
    if (status == 405)
        response_send_status_with(exchange, status, "Allow",
                                  span_string("GET, HEAD"));
    else
        response_send_status(exchange, status);
}
