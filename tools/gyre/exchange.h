/* SPDX-License-Identifier: MIT */
/*
 * exchange.h - one request and its response
 *
 * An exchange holds what answering takes: the request as understood, the
 * decoded path, and a buffer in which the response's head is put together, with
 * a small body right behind it, so that both are sent at once. It is borrowed
 * from the server by exchange_open() and given back by exchange_close().
 *
 *   response.c   heads, short pages, sending
 *   respond.c    which resource is meant, and whether it may be had
 *   file.c       bodies of files: conditions, ranges, slices
 *   directory.c  redirects, index files, listings
 *   status.c     the status page
 *
 * Every response goes through response_start(), any number of response_field(),
 * and one of the response_send…() functions; a failure to send closes the
 * connection, whatever its kind.
 */
#ifndef GYRE_TOOL_EXCHANGE_H
#define GYRE_TOOL_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "connection.h"
#include "path.h"
#include "request.h"
#include "server.h"
#include "text.h"

/* A body up to this size is read behind its head and sent with it; a larger one
 * goes by sendfile. docs/PERFORMANCE.md, "Files", has the measurement. */
#define EXCHANGE_SMALL_MAX 16384
#define EXCHANGE_HEAD_MAX 2048
#define EXCHANGE_BUFFER_SIZE (EXCHANGE_HEAD_MAX + EXCHANGE_SMALL_MAX)

/* Where the status page is: no file can be there, since names that begin with a
 * dot are not served. */
#define STATUS_PATH "/.gyre/status"

struct exchange {
    struct connection *connection;
    struct server *server;
    struct exchange *next_spare;
    struct request request;
    struct path path;
    uint64_t deadline_ns; /* of the whole response */
    uint64_t body_sent;
    int status; /* sent, or about to be; 0: none */
    bool close; /* the connection ends with this response */
    struct text out;
    char buffer[EXCHANGE_BUFFER_SIZE];
};

/* NULL: no memory. */
struct exchange *exchange_open(struct connection *connection);

/* Answer the head of `size` bytes at the front of the connection's buffer. */
void exchange_answer(struct exchange *exchange, size_t size);

/* Answer with an error, and close: nothing that follows can be trusted. */
void exchange_refuse(struct exchange *exchange, int status);

/* Log, count, give back. May the connection go on? */
bool exchange_close(struct exchange *exchange);

/* ---- response.c --------------------------------------------------------- */

/* The status line and what every response has. */
void response_start(struct exchange *exchange, int status);
void response_field(struct exchange *exchange, const char *name,
                    struct span value);

/* Send the head alone: 304, or the answer to a HEAD. */
void response_send_head(struct exchange *exchange);

/* Send the head, with its Content-Type and Content-Length, and a body. */
void response_send_body(struct exchange *exchange, const char *type,
                        struct span body);

/* Close the connection instead of what was to be sent. */
void response_abandon(struct exchange *exchange);

/* A short page that says what the status means. The second form takes a line of
 * header of one's own. */
void response_send_status(struct exchange *exchange, int status);
void response_send_status_with(struct exchange *exchange, int status,
                               const char *name, struct span value);

/* ---- file.c, directory.c, status.c -------------------------------------- */

struct statx;

/* Open below the root. A descriptor, or a negative errno. */
int beneath_open(struct exchange *exchange, const char *path);

/* Look at what is open. 0, or a negative errno. */
int beneath_examine(int fd, struct statx *status);

/* Answer with a regular file, whose name is exchange->path. */
void resource_send(struct exchange *exchange, int fd,
                   const struct statx *status);

/* Answer with a directory: exchange->path may change. Takes fd over. */
void directory_send(struct exchange *exchange, int fd);

void status_send(struct exchange *exchange);

#endif
