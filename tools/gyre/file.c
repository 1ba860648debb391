/* SPDX-License-Identifier: MIT */
/*
 * file.c - regular files: opened, examined, and sent
 *
 * See exchange.h. A small body is read behind its head, which makes one send;
 * a large one is left to the kernel, which sends what it has cached at once and
 * the rest from the pool.
 *
 * A file may change while it is served. Its size is looked at once; what it
 * grows by afterwards is not sent, and if it has shrunk the connection is
 * closed, which tells the client that its copy is not whole.
 */
#include <errno.h>
#include <gyre/gyre.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "beneath.h"
#include "condition.h"
#include "exchange.h"
#include "markdown.h"
#include "mime.h"
#include "page.h"
#include "range.h"

#define MARKDOWN_MAX (2 << 20) /* larger ones are sent as they are */
#define PAGE_MAX (64 << 20)
#define OPEN_TRIES 8
#define OPEN_PAUSE_NS (4 * GYRE_MS)

int beneath_open(struct exchange *exchange, const char *path)
{
    struct open_how how = { .flags = BENEATH_FLAGS,
                            .resolve = BENEATH_RESOLVE };
    uint64_t pause_ns = OPEN_PAUSE_NS;
    int fd = gyre_openat2(exchange->server->service->root, path, &how);

    /* Other programs hold descriptors too (ENFILE), and a directory takes
     * several for a moment. One comes free soon. */
    for (int i = 0; i < OPEN_TRIES && (fd == -EMFILE || fd == -ENFILE); i++) {
        if (gyre_sleep(pause_ns) != 0)
            break;
        pause_ns *= 2;
        fd = gyre_openat2(exchange->server->service->root, path, &how);
    }
    /* -EAGAIN: a path changed under the kernel's eyes; it asks to try again. */
    for (int i = 0; i < OPEN_TRIES && fd == -EAGAIN; i++)
        fd = gyre_openat2(exchange->server->service->root, path, &how);
    return fd;
}

int beneath_examine(int fd, struct statx *status)
{
    /*
     * A plain call, because this one cannot wait: the file is open, and
     * AT_STATX_DONT_SYNC takes what is in memory (fresh from the opening)
     * where a network file system would ask its server again. On the ring a
     * statx always goes to a worker thread, which costs several times more
     * than all the rest of a small request.
     */
    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
                 STATX_TYPE | STATX_INO | STATX_SIZE | STATX_MTIME, status) == 0
               ? 0
               : -errno;
}

/* Fill the buffer behind the head from the file. 0, or a negative errno. */
static int read_behind_head(struct exchange *exchange, int fd,
                            struct range range)
{
    struct text *out = &exchange->out;

    while (range.size > 0) {
        ssize_t n =
            gyre_read(fd, out->data + out->used, range.size, range.first);

        if (n <= 0)
            return n < 0 ? (int)n : GYRE_EOF;
        out->used += (size_t)n;
        range.first += (uint64_t)n;
        range.size -= (uint64_t)n;
    }
    return 0;
}

/* The head is complete but for its empty line: send it, and the body. */
static void send_body(struct exchange *exchange, int fd, struct range range)
{
    struct connection *connection = exchange->connection;
    struct text *out = &exchange->out;
    int error = 0;

    text_puts(out, "\r\n");
    if (out->failed || out->used > EXCHANGE_HEAD_MAX) {
        response_abandon(exchange);
        return;
    }
    if (range.size <= EXCHANGE_SMALL_MAX) {
        error = read_behind_head(exchange, fd, range);
        if (error == 0)
            error = connection_send(connection, out->data, out->used, 0,
                                    exchange->deadline_ns);
        if (error == 0)
            exchange->body_sent = range.size;
    } else {
        error = connection_send(connection, out->data, out->used, MSG_MORE,
                                exchange->deadline_ns);
        if (error == 0)
            error = connection_send_file(connection, fd, range.first,
                                         range.size, exchange->deadline_ns,
                                         &exchange->body_sent);
    }
    if (error == -ETIME)
        count(&exchange->server->counts.timeouts, 1);
    if (error != 0)
        response_abandon(exchange);
}

static void put_validators(struct exchange *exchange,
                           const struct version *version, bool varies)
{
    char date[DATE_SIZE];

    date_format(date, version->modified);
    response_field(exchange, "ETag", span_string(version->etag));
    response_field(exchange, "Last-Modified", span_string(date));
    if (varies)
        response_field(exchange, "Vary", span_string("Accept"));
}

/* Answer what a condition has decided; false: go on. */
static bool answer_condition(struct exchange *exchange,
                             const struct version *version, bool varies)
{
    int status = condition_check(&exchange->request, version);

    if (status == 412)
        response_send_status(exchange, status);
    if (status == 304) {
        response_start(exchange, status);
        put_validators(exchange, version, varies);
        response_send_head(exchange);
    }
    return status != 200;
}

/* ---- Markdown as a page ------------------------------------------------- */

struct rendering {
    struct exchange *exchange;
    struct text page;
    struct span source;
};

/* On a thread of the pool. */
static int render(void *arg)
{
    struct rendering *rendering = arg;
    struct path *path = &rendering->exchange->path;
    struct span name = span_of(path->text, path->size);
    char title[MARKDOWN_TITLE_SIZE];
    struct text content;

    text_init_growing(&content, PAGE_MAX);
    markdown_render(&content, rendering->source, title);
    page_begin(&rendering->page, title[0] != '\0' ? span_string(title) : name,
               name);
    text_put(&rendering->page, content.data, content.used);
    text_puts(&rendering->page, "<hr><p><a href=\"?raw\">Source of this page"
                                "</a></p>\n");
    page_end(&rendering->page);

    bool failed = content.failed || rendering->page.failed;

    text_free(&content);
    return failed ? -ENOMEM : 0;
}

static int read_source(struct rendering *rendering, int fd, size_t size)
{
    char *source = alloc_zeroed(1, size + 1);
    size_t used = 0;
    ssize_t n = 0;

    if (source == NULL)
        return -ENOMEM;
    rendering->source = span_of(source, 0);
    while (used < size &&
           (n = gyre_read(fd, source + used, size - used, used)) > 0)
        used += (size_t)n;
    rendering->source.size = used;
    return n < 0 ? (int)n : 0;
}

static void send_rendered(struct exchange *exchange, int fd,
                          const struct statx *status,
                          const struct version *version)
{
    struct rendering rendering = { .exchange = exchange };

    text_init_growing(&rendering.page, PAGE_MAX);

    int error = read_source(&rendering, fd, (size_t)status->stx_size);

    if (error == 0)
        error = gyre_call_blocking(render, &rendering);
    if (error != 0) {
        response_send_status(exchange, error == -ENOMEM ? 503 : 500);
    } else {
        response_start(exchange, 200);
        put_validators(exchange, version, true);
        response_send_body(exchange, "text/html; charset=utf-8",
                           span_of(rendering.page.data, rendering.page.used));
    }
    text_free(&rendering.page);
    alloc_free((void *)(uintptr_t)rendering.source.data);
}

/* Would the client rather have a page than the source? Browsers name HTML;
 * curl and its like take anything, and get the bytes of the file. */
static bool wants_page(const struct exchange *exchange)
{
    struct span list = exchange->request.headers[HEADER_ACCEPT];
    struct span member;

    if (span_equals(exchange->path.query, "raw"))
        return false;
    while (span_next_member(&list, &member)) {
        if (span_starts_with(member, "text/html"))
            return true;
    }
    return false;
}

/* ---- the file ----------------------------------------------------------- */

void resource_send(struct exchange *exchange, int fd,
                   const struct statx *status)
{
    struct request *request = &exchange->request;
    struct span name = span_of(exchange->path.text, exchange->path.size);
    bool varies = mime_is_markdown(name) && markdown_is_available() &&
                  status->stx_size <= MARKDOWN_MAX;
    bool renders = varies && wants_page(exchange);
    struct range range = { .first = 0, .size = status->stx_size };
    struct version version;
    enum range_kind kind = RANGE_WHOLE;

    version_make(&version, status->stx_ino, status->stx_size,
                 status->stx_mtime.tv_sec, status->stx_mtime.tv_nsec,
                 renders ? "-html" : "");
    if (answer_condition(exchange, &version, varies))
        return;
    if (renders) {
        send_rendered(exchange, fd, status, &version);
        return;
    }
    if (condition_allows_range(request, &version))
        kind = range_parse(request->headers[HEADER_RANGE], status->stx_size,
                           &range);

    char line[64];
    struct text text;

    text_init(&text, line, sizeof line);
    if (kind == RANGE_NONE) {
        text_printf(&text, "bytes */%llu",
                    (unsigned long long)status->stx_size);
        response_send_status_with(exchange, 416, "Content-Range",
                                  span_of(line, text.used));
        return;
    }
    response_start(exchange, kind == RANGE_PART ? 206 : 200);
    put_validators(exchange, &version, varies);
    response_field(exchange, "Accept-Ranges", span_string("bytes"));
    response_field(exchange, "Content-Type", span_string(mime_type(name)));
    response_field(exchange, "X-Content-Type-Options", span_string("nosniff"));
    if (kind == RANGE_PART) {
        text_printf(&text, "bytes %llu-%llu/%llu",
                    (unsigned long long)range.first,
                    (unsigned long long)(range.first + range.size - 1),
                    (unsigned long long)status->stx_size);
        response_field(exchange, "Content-Range", span_of(line, text.used));
    }
    text_printf(&exchange->out, "Content-Length: %llu\r\n",
                (unsigned long long)range.size);
    if (request->is_head)
        response_send_head(exchange);
    else
        send_body(exchange, fd, range);
}
