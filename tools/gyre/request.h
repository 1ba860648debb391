/* SPDX-License-Identifier: MIT */
/*
 * request.h - a request's head, understood
 *
 * All spans point into the head, which must stay while they are used.
 */
#ifndef GYRE_TOOL_REQUEST_H
#define GYRE_TOOL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

/* The headers that the server looks at. */
enum header {
    HEADER_ACCEPT,
    HEADER_CONTENT_LENGTH,
    HEADER_EXPECT,
    HEADER_HOST,
    HEADER_IF_MATCH,
    HEADER_IF_MODIFIED_SINCE,
    HEADER_IF_NONE_MATCH,
    HEADER_IF_RANGE,
    HEADER_IF_UNMODIFIED_SINCE,
    HEADER_RANGE,
    HEADER_REFERER,
    HEADER_TRANSFER_ENCODING,
    HEADER_USER_AGENT,
    HEADER_COUNT,
};

struct request {
    struct span line; /* the request line, for the log */
    struct span target;
    bool is_head;
    bool keep_alive;                   /* the client would like to go on */
    bool has_body;                     /* one follows, or may */
    int minor;                         /* HTTP/1.minor */
    struct span headers[HEADER_COUNT]; /* data NULL: not there */
    /* Private to request.c. */
    int current_;
    int refused_;
    bool complete_;
};

/*
 * Read the head of `size` bytes that head_scan() has passed (empty lines before
 * the request line are allowed). 0, or the status to answer with before the
 * connection is closed: 400, 405, 417, 505. `line` is set in each case.
 */
int request_parse(struct request *request, const char *head, size_t size);

#endif
