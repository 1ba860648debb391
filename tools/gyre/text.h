/* SPDX-License-Identifier: MIT */
/*
 * text.h - text put together in a buffer that cannot overflow
 *
 * A text either fills a buffer of the caller's, or grows on the heap up to a
 * limit. What does not fit is dropped and remembered in `failed`, so that a
 * whole page may be built without a check at each word, and one at the end.
 * A text is not terminated by a NUL.
 */
#ifndef GYRE_TOOL_TEXT_H
#define GYRE_TOOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of somebody else's text. */
struct span {
    const char *data; /* NULL: there is none */
    size_t size;
};

struct text {
    char *data;
    size_t used;
    size_t size;
    size_t size_max; /* 0: the buffer is the caller's and does not grow */
    bool failed;     /* something was dropped */
};

/* Fill `buffer`, which stays the caller's. */
void text_init(struct text *text, char *buffer, size_t size);

/* Grow on the heap, up to size_max bytes. */
void text_init_growing(struct text *text, size_t size_max);

/* Give back what a growing text has taken; the text is empty afterwards. */
void text_free(struct text *text);

void text_put(struct text *text, const void *data, size_t size);
void text_puts(struct text *text, const char *string);
void text_put_span(struct text *text, struct span span);
void text_printf(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As text between HTML tags or inside a quoted attribute. Control bytes, and
 * what is no UTF-8, come as the replacement character. */
void text_put_html(struct text *text, struct span span);

/* As the path of a URL: every byte but the unreserved ones and '/' comes as
 * %NN, so that the result is also safe inside HTML and in a header. */
void text_put_url(struct text *text, struct span span);

/* As a part of a log line: control bytes, quotes, backslashes and bytes from
 * 0x80 up come as \xNN. */
void text_put_log(struct text *text, struct span span);

/* As a JSON string, with its quotes. */
void text_put_json(struct text *text, const char *string);

static inline struct span span_of(const char *string, size_t size)
{
    return (struct span){ .data = string, .size = size };
}

struct span span_string(const char *string);

/* Without blanks (space and tab) at both ends. */
struct span span_trim(struct span span);

bool span_equals(struct span span, const char *string);
bool span_equals_nocase(struct span span, const char *string);
bool span_starts_with(struct span span, const char *string);

/* The next member of a comma-separated list, trimmed, cut off the front of
 * *list; false at its end. Commas inside double quotes do not count. */
bool span_next_member(struct span *list, struct span *member);

#endif
