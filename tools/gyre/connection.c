/* SPDX-License-Identifier: MIT */
/*
 * connection.c - see connection.h
 *
 *      +--> wait for a head --> read it --> exchange --+
 *      |     idle timeout    header timeout            |
 *      +------------------ keep alive -----------------+--> linger, close
 *
 * Ten thousand clients may sit in the upper row, so that is what memory is
 * saved on: a small buffer that grows with the head it holds and shrinks again,
 * and a shallow stack. Whatever an answer needs is borrowed from the server for
 * as long as the answer takes (exchange.h).
 *
 * Every wait has a deadline, and lies in a scope of its own that carries it.
 */
#include "connection.h"

#include <errno.h>
#include <gyre/gyre.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "exchange.h"
#include "room.h"
#include "server.h"

#define IN_SIZE 2048
#define IN_SIZE_MAX (HEAD_SIZE_MAX + IN_SIZE) /* a head and what follows it */
#define SLICE_MAX (256 * 1024)
#define LINGER_NS (2 * GYRE_SECOND)
#define LINGER_BYTES (1 << 20)

static uint64_t now(void)
{
    return gyre_loop_now(gyre_loop_current());
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void connection_end_idle(struct connection *connection)
{
    ASSERT(connection->waiting != NULL);
    gyre_scope_cancel(connection->waiting);
}

/* ---- receiving ---------------------------------------------------------- */

/* Bytes received; 0 at the stream's end; -ETIME after the deadline. */
static ssize_t receive(struct connection *connection, void *data, size_t size,
                       uint64_t deadline_ns)
{
    const gyre_scope_options options = { .deadline_ns = deadline_ns };
    gyre_scope scope;

    gyre_scope_open(&scope, &options);
    connection->waiting = &scope;

    ssize_t n = gyre_recv(connection->fd, data, size, 0);

    connection->waiting = NULL;

    int error = gyre_scope_close(&scope);

    (void)error; /* what came in time counts, whatever became of the scope */
    return n;
}

/* Give the buffer `size` bytes; false: no memory. */
static bool resize_in(struct connection *connection, size_t size)
{
    char *in = alloc_zeroed(1, size);

    if (in == NULL)
        return false;
    ASSERT(connection->in_used <= size);
    if (connection->in_used > 0)
        memcpy(in, connection->in, connection->in_used);
    alloc_free(connection->in);
    connection->in = in;
    connection->in_size = size;
    return true;
}

static bool make_room(struct connection *connection)
{
    size_t size = connection->in_size;

    if (connection->in_used < size)
        return true;
    ASSERT(size < IN_SIZE_MAX); /* the scan refuses longer heads */
    size = size == 0 ? IN_SIZE : size * 2;
    return resize_in(connection, size < IN_SIZE_MAX ? size : IN_SIZE_MAX);
}

/* Until when the next bytes must have come. */
static uint64_t head_deadline(const struct connection *connection)
{
    const struct serve_options *options = connection->server->options;

    if (connection->in_used == 0 && connection->requests > 0)
        return connection->wait_since_ns + options->idle_timeout_ns;
    return connection->wait_since_ns + options->header_timeout_ns;
}

/* Wait for bytes of the next head. As receive(). */
static ssize_t receive_more(struct connection *connection)
{
    struct server *server = connection->server;
    bool is_idle = connection->in_used == 0 && connection->requests > 0;

    if (!make_room(connection))
        return -ENOMEM;
    if (is_idle) {
        if (server->draining || !room_rest(connection))
            return 0;
    }

    ssize_t n = receive(connection, connection->in + connection->in_used,
                        connection->in_size - connection->in_used,
                        head_deadline(connection));

    room_wake(connection);
    if (n <= 0)
        return n;
    /* From its first byte on, a head has the header timeout. */
    if (is_idle)
        connection->wait_since_ns = now();
    connection->in_used += (size_t)n;
    return n;
}

/* The size of a complete head at the front of the buffer; 0: the client is
 * gone or has said nothing in time; or a negated status. */
static long receive_head(struct connection *connection)
{
    for (;;) {
        long found =
            head_scan(&connection->scan, connection->in, connection->in_used);

        if (found != 0)
            return found;

        ssize_t n = receive_more(connection);

        if (n > 0)
            continue;
        if (n != -ETIME)
            return 0;
        count(&connection->server->counts.timeouts, 1);
        return connection->in_used > 0 ? -408 : 0;
    }
}

/* Cut an answered head off the buffer. */
static void consume(struct connection *connection, size_t size)
{
    ASSERT(size <= connection->in_used);
    connection->in_used -= size;
    if (connection->in_used > 0)
        memmove(connection->in, connection->in + size, connection->in_used);
    else if (connection->in_size > IN_SIZE)
        /* Without memory the large buffer stays, which does as well. */
        (void)resize_in(connection, IN_SIZE);
    connection->scan = (struct head_scan){ .at = 0 };
    connection->requests++;
    connection->wait_since_ns = now();
}

/* ---- sending ------------------------------------------------------------ */

int connection_send(struct connection *connection, const void *data,
                    size_t size, int flags, uint64_t deadline_ns)
{
    const char *at = data;

    while (size > 0) {
        const gyre_scope_options options = {
            .deadline_ns =
                earlier(deadline_ns,
                        now() + connection->server->options->send_timeout_ns),
        };
        gyre_scope scope;

        gyre_scope_open(&scope, &options);

        ssize_t n = gyre_send(connection->fd, at, size, flags);
        int error = gyre_scope_close(&scope);

        (void)error;
        if (n < 0)
            return (int)n;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

int connection_send_file(struct connection *connection, int file,
                         uint64_t offset, uint64_t size, uint64_t deadline_ns,
                         uint64_t *sent)
{
    while (*sent < size) {
        uint64_t left = size - *sent;
        const gyre_scope_options options = {
            .deadline_ns =
                earlier(deadline_ns,
                        now() + connection->server->options->send_timeout_ns),
        };
        gyre_scope scope;

        gyre_scope_open(&scope, &options);

        ssize_t n = gyre_sendfile(connection->fd, file, offset + *sent,
                                  left < SLICE_MAX ? left : SLICE_MAX);
        int error = gyre_scope_close(&scope);

        (void)error;
        if (n < 0)
            return (int)n;
        if (n == 0)
            return GYRE_EOF;
        *sent += (uint64_t)n;
        /* A cached file and a fast client never make this task wait; the
         * others have their turn between two slices. */
        if (*sent < size && (error = gyre_yield()) != 0)
            return error;
    }
    return 0;
}

/* ---- the end ------------------------------------------------------------ */

/*
 * Closing a socket that has unread bytes sends a reset, and a reset takes away
 * from the client what it has not read yet: the very answer that says why. So
 * our side is shut down first, and what still comes is read for a moment.
 */
static void linger(struct connection *connection)
{
    uint64_t deadline_ns = now() + LINGER_NS;
    size_t seen = 0;
    ssize_t n;

    if (gyre_shutdown(connection->fd, SHUT_WR) < 0 || connection->in_size == 0)
        return;
    do {
        n = receive(connection, connection->in, connection->in_size,
                    deadline_ns);
        seen += n > 0 ? (size_t)n : 0;
    } while (n > 0 && seen < LINGER_BYTES);
}

static void serve_requests(struct connection *connection)
{
    bool go_on = true;

    while (go_on) {
        long found = receive_head(connection);

        if (found == 0)
            break;

        struct exchange *exchange = exchange_open(connection);

        if (exchange == NULL)
            break;
        if (found < 0)
            exchange_refuse(exchange, (int)-found);
        else
            exchange_answer(exchange, (size_t)found);
        go_on = exchange_close(exchange);
        if (go_on)
            consume(connection, (size_t)found);
        else
            connection->linger |= found > 0 &&
                                  connection->in_used > (size_t)found;
    }
}

int connection_serve(gyre_connection *accepted)
{
    struct service *service = accepted->arg;
    struct connection connection = {
        .server = &service->servers[gyre_engine_current()],
        .fd = accepted->fd,
        .wait_since_ns = now(),
    };

    peer_name(accepted->peer, connection.peer, sizeof connection.peer);
    serve_requests(&connection);
    if (connection.linger)
        linger(&connection);
    alloc_free(connection.in);
    return 0;
}
