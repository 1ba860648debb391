/* SPDX-License-Identifier: MIT */
/*
 * libuv.c - the peer libuv: loops on threads, which are posted to, and an echo
 * server on some of them
 *
 * uv_async_send() wakes a loop and may say so once for many, so whoever posts
 * needs a queue of his own, here under libuv's mutex.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "mail_peer.h"

struct box {
    uv_loop_t loop;
    uv_async_t async;
    uv_mutex_t mutex;
    uv_thread_t thread;
    struct letter *first, *last;
    int cpu;
};

static void on_async(uv_async_t *async)
{
    struct box *box = async->data;
    struct letter *letter;

    uv_mutex_lock(&box->mutex);
    letter = box->first;
    box->first = NULL;
    uv_mutex_unlock(&box->mutex);
    while (letter != NULL) {
        struct letter *next = letter->room[0];

        letter->open(letter);
        letter = next;
    }
}

static void run_box(void *arg)
{
    struct box *box = arg;

    mail_bind(box->cpu);
    uv_run(&box->loop, UV_RUN_DEFAULT);
}

static struct box *create(int cpu)
{
    struct box *box = mail_alloc(sizeof *box);

    box->cpu = cpu;
    box->async.data = box;
    if (uv_loop_init(&box->loop) != 0 || uv_mutex_init(&box->mutex) != 0 ||
        uv_async_init(&box->loop, &box->async, on_async) != 0 ||
        uv_thread_create(&box->thread, run_box, box) != 0)
        return NULL;
    return box;
}

static void post(struct box *box, struct letter *letter)
{
    letter->room[0] = NULL;
    uv_mutex_lock(&box->mutex);
    if (box->first == NULL)
        box->first = letter;
    else
        box->last->room[0] = letter;
    box->last = letter;
    uv_mutex_unlock(&box->mutex);
    uv_async_send(&box->async);
}

const struct box_class peer_boxes = { create, post, NULL };

/* ---- echo: a loop and a socket that listens for each thread -------------- */

struct server {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_thread_t thread;
    unsigned size;
};

struct connection {
    uv_tcp_t tcp;
    unsigned size;
    char buffer[4096];
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = handle->data;

    (void)suggested;
    *buf = uv_buf_init(c->buffer, c->size);
}

/* The socket's buffer is larger than any request, so a try is enough, and there
 * is no request of libuv's to be kept. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    uv_buf_t back = uv_buf_init(buf->base, n < 0 ? 0 : (unsigned)n);

    if (n < 0 || (n > 0 && uv_try_write(stream, &back, 1) != n))
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    struct connection *c = mail_alloc(sizeof *c);

    if (status < 0 || uv_tcp_init(&server->loop, &c->tcp) != 0 ||
        uv_accept(listener, (uv_stream_t *)&c->tcp) != 0)
        abort();
    c->tcp.data = c;
    c->size = server->size;
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

/* The port that it listens on; 0: it does not. */
static int server_listen(struct server *server, int port)
{
    struct sockaddr_in address;
    int length = sizeof address, on = 1, fd;

    server->listener.data = server;
    if (uv_loop_init(&server->loop) != 0 ||
        uv_tcp_init_ex(&server->loop, &server->listener, AF_INET) != 0 ||
        uv_fileno((uv_handle_t *)&server->listener, &fd) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        uv_ip4_addr("127.0.0.1", port, &address) != 0 ||
        uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&server->listener, 512, on_connection) != 0 ||
        uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address,
                           &length) != 0)
        return 0;
    return ntohs(address.sin_port);
}

static void serve(void *arg)
{
    struct server *server = arg;

    uv_run(&server->loop, UV_RUN_DEFAULT);
}

static uint64_t echo(unsigned engines, uint64_t size)
{
    struct server *servers = mail_alloc(engines * sizeof *servers);
    int port = 0;

    for (unsigned i = 0; i < engines; i++) {
        servers[i].size = (unsigned)size;
        port = server_listen(&servers[i], port);
        if (port == 0)
            return 0;
    }
    for (unsigned i = 1; i < engines; i++)
        if (uv_thread_create(&servers[i].thread, serve, &servers[i]) != 0)
            return 0;
    peer_listens(port);
    serve(&servers[0]);
    return 0;
}

static const struct peer_test tests[] = { PEER_MAIL_TESTS, { "echo", echo } };

int main(void)
{
    return peer_main(tests, sizeof tests / sizeof tests[0]);
}
