/* SPDX-License-Identifier: MIT */
/*
 * request.c - see request.h
 *
 * llhttp reads the head; this file decides what of it is answered. The head is
 * given to llhttp whole, so each of its callbacks has a whole name or value.
 * Where versions of llhttp differ (8.1 of Debian 12, 9.2 of Debian 13), or
 * where it is more generous than a file server needs, the rule is here:
 *
 *   - the request line is three words with one blank between them;
 *   - Host is there once in HTTP/1.1, and never twice;
 *   - Content-Length and Transfer-Encoding come at most once, and not together;
 *   - Transfer-Encoding is "chunked", and not in HTTP/1.0;
 *   - a target is printable ASCII.
 */
#include "request.h"

#include <llhttp.h>
#include <string.h>
#include <strings.h>

#include "head.h"

#define NAME(string)                                                           \
    {                                                                          \
        .data = (string), .size = sizeof(string) - 1                           \
    }

static const struct span NAMES[HEADER_COUNT] = {
    [HEADER_ACCEPT] = NAME("accept"),
    [HEADER_CONTENT_LENGTH] = NAME("content-length"),
    [HEADER_EXPECT] = NAME("expect"),
    [HEADER_HOST] = NAME("host"),
    [HEADER_IF_MATCH] = NAME("if-match"),
    [HEADER_IF_MODIFIED_SINCE] = NAME("if-modified-since"),
    [HEADER_IF_NONE_MATCH] = NAME("if-none-match"),
    [HEADER_IF_RANGE] = NAME("if-range"),
    [HEADER_IF_UNMODIFIED_SINCE] = NAME("if-unmodified-since"),
    [HEADER_RANGE] = NAME("range"),
    [HEADER_REFERER] = NAME("referer"),
    [HEADER_TRANSFER_ENCODING] = NAME("transfer-encoding"),
    [HEADER_USER_AGENT] = NAME("user-agent"),
};

/* Sizes first: most headers differ in those from all that matter here. */
static int find_header(struct span name)
{
    int header = 0;

    while (header < HEADER_COUNT &&
           (name.size != NAMES[header].size ||
            strncasecmp(name.data, NAMES[header].data, name.size) != 0))
        header++;
    return header;
}

/* Which two lines of one header would leave it open what was meant? */
static bool must_be_single(int header)
{
    return header == HEADER_CONTENT_LENGTH || header == HEADER_HOST ||
           header == HEADER_TRANSFER_ENCODING || header == HEADER_RANGE;
}

static int on_field(llhttp_t *parser, const char *at, size_t size)
{
    struct request *request = parser->data;

    request->current_ = find_header(span_of(at, size));
    if (request->current_ == HEADER_COUNT)
        return 0;

    struct span *value = &request->headers[request->current_];

    if (value->data != NULL && must_be_single(request->current_))
        request->refused_ = 400;
    /* llhttp does not report a value that is empty. */
    *value = span_of(at + size, 0);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t size)
{
    struct request *request = parser->data;

    if (request->current_ < HEADER_COUNT)
        request->headers[request->current_] = span_trim(span_of(at, size));
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct request *request = parser->data;

    request->complete_ = true;
    request->keep_alive = llhttp_should_keep_alive(parser) != 0;
    return 0;
}

/* Only reads: shared by all connections. */
static llhttp_settings_t settings;

__attribute__((constructor)) static void request_settings(void)
{
    llhttp_settings_init(&settings);
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_headers_complete;
}

/* The next word of the line, up to a blank, which goes too. */
static struct span take_word(struct span *line)
{
    const char *blank = line->size > 0 ? memchr(line->data, ' ', line->size)
                                       : NULL;
    size_t size = blank != NULL ? (size_t)(blank - line->data) : line->size;
    struct span word = span_of(line->data, size);

    size += blank != NULL;
    line->data += size;
    line->size -= size;
    return word;
}

static bool is_token(struct span word)
{
    for (size_t i = 0; i < word.size; i++) {
        if (!head_is_token_byte((unsigned char)word.data[i]))
            return false;
    }
    return word.size > 0;
}

static bool is_printable(struct span word)
{
    for (size_t i = 0; i < word.size; i++) {
        if (word.data[i] <= ' ' || word.data[i] > '~')
            return false;
    }
    return word.size > 0;
}

/* "HTTP/1.1": 0, and the minor version; or a status. */
static int parse_version(struct span word, int *minor)
{
    if (word.size != 8 || !span_starts_with(word, "HTTP/") ||
        word.data[6] != '.' || word.data[5] < '0' || word.data[5] > '9' ||
        word.data[7] < '0' || word.data[7] > '9')
        return 400;
    *minor = word.data[7] - '0';
    return word.data[5] == '1' && *minor <= 1 ? 0 : 505;
}

static int parse_line(struct request *request)
{
    struct span rest = request->line;
    struct span method = take_word(&rest);

    request->target = take_word(&rest);

    int status = parse_version(rest, &request->minor);

    if (status == 400 || !is_token(method) || !is_printable(request->target))
        return 400;
    if (status != 0)
        return status;
    request->is_head = span_equals(method, "HEAD");
    return request->is_head || span_equals(method, "GET") ? 0 : 405;
}

/* What llhttp has passed may still be more than we take. */
static int check_headers(struct request *request)
{
    const struct span *header = request->headers;
    struct span length = header[HEADER_CONTENT_LENGTH];
    struct span encoding = header[HEADER_TRANSFER_ENCODING];

    if (request->refused_ != 0)
        return request->refused_;
    if (request->minor == 1 && header[HEADER_HOST].data == NULL)
        return 400;
    if (encoding.data != NULL && (length.data != NULL || request->minor == 0 ||
                                  !span_equals_nocase(encoding, "chunked")))
        return 400;
    if (length.data != NULL && length.size == 0)
        return 400;

    request->has_body = encoding.data != NULL;
    for (size_t i = 0; i < length.size; i++)
        request->has_body = request->has_body || length.data[i] != '0';

    if (header[HEADER_EXPECT].data != NULL &&
        !span_equals_nocase(header[HEADER_EXPECT], "100-continue"))
        return 417;
    return 0;
}

int request_parse(struct request *request, const char *head, size_t size)
{
    *request = (struct request){ .current_ = HEADER_COUNT };
    while (size > 0 && (head[0] == '\r' || head[0] == '\n')) {
        head++;
        size--;
    }

    const char *end = size > 0 ? memchr(head, '\r', size) : NULL;

    request->line = span_of(head, end != NULL ? (size_t)(end - head) : size);

    int status = parse_line(request);

    if (status != 0)
        return status;

    llhttp_t parser;

    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = request;

    llhttp_errno_t error = llhttp_execute(&parser, head, size);

    /* A request to change protocols is answered as if it were not one. */
    if ((error != HPE_OK && error != HPE_PAUSED_UPGRADE) || !request->complete_)
        return 400;
    return check_headers(request);
}
