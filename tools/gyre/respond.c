/* SPDX-License-Identifier: MIT */
/*
 * respond.c - which resource is meant, and whether it may be had
 *
 * See exchange.h. What is no file and no directory does not exist for a client;
 * neither does what lies behind a link out of the root.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <string.h>
#include <sys/stat.h>

#include "exchange.h"

/* What to answer when a path could not be opened. */
static int status_of_error(int error)
{
    switch (error) {
    case -EACCES:
    case -EPERM:
        return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
        return 503;
    case -EIO:
    case -ECANCELED:
    case -ETIME:
        return 500;
    default:
        /* ENOENT, ENOTDIR; ELOOP, EXDEV: a link that leads out; ENXIO: a
         * socket; ENAMETOOLONG: no such file can be; and the like. */
        return 404;
    }
}

static void send_opened(struct exchange *exchange)
{
    const char *path = exchange->path.text;
    struct statx status;
    int fd = beneath_open(exchange, path[0] != '\0' ? path : ".");

    if (fd < 0) {
        response_send_status(exchange, status_of_error(fd));
        return;
    }

    int error = beneath_examine(fd, &status);

    if (error == 0 && S_ISDIR(status.stx_mode)) {
        directory_send(exchange, fd);
        return;
    }
    if (error != 0)
        response_send_status(exchange, status_of_error(error));
    else if (!S_ISREG(status.stx_mode) || exchange->path.is_directory)
        response_send_status(exchange, 404);
    else
        resource_send(exchange, fd, &status);
    gyre_close(fd);
}

/* Wait for one of the descriptors that are meant for files, and use it. */
static void send_path(struct exchange *exchange)
{
    struct server *server = exchange->server;

    while (server->files >= server->files_max) {
        if (event_wait(&server->file_free, exchange->deadline_ns) != 0) {
            response_send_status(exchange, 503);
            return;
        }
    }
    server->files++;
    send_opened(exchange);
    server->files--;
    event_signal(&server->file_free);
}

void exchange_answer(struct exchange *exchange, size_t size)
{
    struct request *request = &exchange->request;
    struct connection *connection = exchange->connection;
    int status = request_parse(request, connection->in, size);

    if (status != 0) {
        exchange_refuse(exchange, status);
        return;
    }
    if (request->has_body) {
        /* Nobody asks a file server anything in a body. It is answered, and
         * not waited for: the connection ends. */
        exchange->close = true;
        connection->linger = true;
    }
    if (exchange->server->options->status &&
        span_equals(request->target, STATUS_PATH)) {
        status_send(exchange);
        return;
    }
    status = path_decode(request->target, &exchange->path);
    if (status != 0)
        response_send_status(exchange, status);
    else
        send_path(exchange);
}
