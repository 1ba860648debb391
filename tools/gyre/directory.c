/* SPDX-License-Identifier: MIT */
/*
 * directory.c - a directory: its index.html, or a listing
 *
 * See exchange.h. A directory's name ends with a slash, or relative links on
 * its page would lead astray; without one, the client is sent there.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <string.h>
#include <sys/stat.h>

#include "exchange.h"
#include "listing.h"

static const char INDEX_NAME[] = "/index.html";

#define PAGE_MAX (64 << 20)

/* To the same path with a slash behind it, on this server. */
static void redirect(struct exchange *exchange)
{
    struct text *out = &exchange->out;
    const struct path *path = &exchange->path;

    response_start(exchange, 301);
    text_puts(out, "Location: /");
    text_put_url(out, span_of(path->text, path->size));
    text_puts(out, "/");
    if (path->query.data != NULL) {
        text_puts(out, "?");
        text_put_span(out, path->query);
    }
    text_puts(out, "\r\nContent-Length: 0\r\n");
    if (out->failed)
        response_send_status(exchange, 414);
    else
        response_send_head(exchange);
}

/* Answer with the index file, if there is one. */
static bool send_index(struct exchange *exchange)
{
    struct path *path = &exchange->path;
    size_t size = path->size;
    const char *name = &INDEX_NAME[size == 0 ? 1 : 0];
    struct statx status;
    bool sent = false;

    if (size + sizeof INDEX_NAME > PATH_SIZE)
        return false;
    memcpy(path->text + size, name, strlen(name) + 1);
    path->size += strlen(name);

    int fd = beneath_open(exchange, path->text);

    if (fd >= 0) {
        sent = beneath_examine(fd, &status) == 0 && S_ISREG(status.stx_mode);
        if (sent)
            resource_send(exchange, fd, &status);
        gyre_close(fd);
    }
    path->size = size;
    path->text[size] = '\0';
    return sent;
}

static void send_listing(struct exchange *exchange, int fd)
{
    struct listing listing = { .root = exchange->server->service->root,
                               .path = exchange->path.text,
                               .fd = fd };

    text_init_growing(&listing.page, PAGE_MAX);

    int error = gyre_call_blocking(listing_make, &listing);

    if (error == -ECANCELED || error == -ETIME)
        gyre_close(fd); /* it never ran */
    if (error != 0) {
        response_send_status(exchange, error == -ENOMEM ? 503 : 500);
    } else {
        response_start(exchange, 200);
        response_field(exchange, "Cache-Control", span_string("no-cache"));
        response_send_body(exchange, "text/html; charset=utf-8",
                           span_of(listing.page.data, listing.page.used));
    }
    text_free(&listing.page);
}

void directory_send(struct exchange *exchange, int fd)
{
    if (!exchange->path.is_directory) {
        gyre_close(fd);
        redirect(exchange);
    } else if (send_index(exchange)) {
        gyre_close(fd);
    } else {
        send_listing(exchange, fd);
    }
}
