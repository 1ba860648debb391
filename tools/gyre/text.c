/* SPDX-License-Identifier: MIT */
/*
 * text.c - see text.h
 *
 * The three escapes are what stands between a hostile file name or header and
 * the reader of a page or of a log: each passes a short list of bytes and
 * writes all others as numbers.
 */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/assert.h"

#define TEXT_SIZE_FIRST 4096

void text_init(struct text *text, char *buffer, size_t size)
{
    *text = (struct text){ .data = buffer, .size = size };
}

void text_init_growing(struct text *text, size_t size_max)
{
    ASSERT(size_max > 0);
    *text = (struct text){ .size_max = size_max };
}

void text_free(struct text *text)
{
    if (text->size_max > 0)
        alloc_free(text->data);
    *text = (struct text){ .size_max = text->size_max };
}

/* Make room for `size` more bytes; false if there is none. */
static bool text_reserve(struct text *text, size_t size)
{
    if (text->failed)
        return false;
    if (size <= text->size - text->used)
        return true;
    if (text->size_max < text->used || size > text->size_max - text->used) {
        text->failed = true;
        return false;
    }

    size_t wish = text->size == 0 ? TEXT_SIZE_FIRST : text->size;

    while (wish < text->used + size)
        wish *= 2;
    if (wish > text->size_max)
        wish = text->size_max;

    char *data = alloc_zeroed(1, wish);

    if (data == NULL) {
        text->failed = true;
        return false;
    }
    if (text->used > 0)
        memcpy(data, text->data, text->used);
    alloc_free(text->data);
    text->data = data;
    text->size = wish;
    return true;
}

void text_put(struct text *text, const void *data, size_t size)
{
    if (size == 0 || !text_reserve(text, size))
        return;
    memcpy(text->data + text->used, data, size);
    text->used += size;
}

void text_puts(struct text *text, const char *string)
{
    text_put(text, string, strlen(string));
}

void text_put_span(struct text *text, struct span span)
{
    text_put(text, span.data, span.size);
}

void text_printf(struct text *text, const char *format, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    /* For numbers and short words alone; names go through text_put(). */
    ASSERT(size >= 0 && (size_t)size < sizeof line);
    text_put(text, line, (size_t)size);
}

/* The length of the UTF-8 sequence at the front of span, 0 if it is none. */
static size_t utf8_length(struct span span)
{
    const unsigned char *s = (const unsigned char *)span.data;
    size_t length = s[0] < 0x80                    ? 1
                    : s[0] >= 0xC2 && s[0] <= 0xDF ? 2
                    : s[0] >= 0xE0 && s[0] <= 0xEF ? 3
                    : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                                   : 0;

    if (length > span.size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    }
    /* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    /* C1 controls, U+0080 to U+009F. */
    if (s[0] == 0xC2 && s[1] < 0xA0)
        return 0;
    return length;
}

void text_put_html(struct text *text, struct span span)
{
    while (span.size > 0) {
        size_t length = utf8_length(span);
        unsigned char c = (unsigned char)span.data[0];

        if (length == 0 || c < 0x20 || c == 0x7F) {
            text_puts(text, "\xEF\xBF\xBD");
            length = 1;
        } else if (c == '&') {
            text_puts(text, "&amp;");
        } else if (c == '<') {
            text_puts(text, "&lt;");
        } else if (c == '>') {
            text_puts(text, "&gt;");
        } else if (c == '"') {
            text_puts(text, "&quot;");
        } else if (c == '\'') {
            text_puts(text, "&#39;");
        } else {
            text_put(text, span.data, length);
        }
        span.data += length;
        span.size -= length;
    }
}

static bool is_alphanumeric(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z');
}

void text_put_url(struct text *text, struct span span)
{
    for (size_t i = 0; i < span.size; i++) {
        unsigned char c = (unsigned char)span.data[i];

        if (is_alphanumeric(c) || (c != 0 && strchr("-._~/", c) != NULL))
            text_put(text, &c, 1);
        else
            text_printf(text, "%%%02X", c);
    }
}

void text_put_log(struct text *text, struct span span)
{
    size_t plain = 0; /* bytes before i that are yet to be put */

    for (size_t i = 0; i < span.size; i++) {
        unsigned char c = (unsigned char)span.data[i];

        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            plain++;
            continue;
        }
        text_put(text, span.data + i - plain, plain);
        text_printf(text, "\\x%02X", c);
        plain = 0;
    }
    text_put(text, span.data + span.size - plain, plain);
}

void text_put_json(struct text *text, const char *string)
{
    text_put(text, "\"", 1);
    for (; *string != '\0'; string++) {
        unsigned char c = (unsigned char)*string;

        if (c == '"' || c == '\\')
            text_printf(text, "\\%c", c);
        else if (c < 0x20 || c == 0x7F)
            text_printf(text, "\\u%04x", c);
        else
            text_put(text, &c, 1);
    }
    text_put(text, "\"", 1);
}

struct span span_string(const char *string)
{
    return span_of(string, strlen(string));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span span)
{
    while (span.size > 0 && is_blank(span.data[0])) {
        span.data++;
        span.size--;
    }
    while (span.size > 0 && is_blank(span.data[span.size - 1]))
        span.size--;
    return span;
}

bool span_equals(struct span span, const char *string)
{
    size_t size = strlen(string);

    return span.size == size &&
           (size == 0 || memcmp(span.data, string, size) == 0);
}

bool span_equals_nocase(struct span span, const char *string)
{
    size_t size = strlen(string);

    return span.size == size &&
           (size == 0 || strncasecmp(span.data, string, size) == 0);
}

bool span_starts_with(struct span span, const char *string)
{
    size_t size = strlen(string);

    return span.size >= size &&
           (size == 0 || memcmp(span.data, string, size) == 0);
}

bool span_next_member(struct span *list, struct span *member)
{
    while (list->size > 0) {
        bool quoted = false;
        size_t end = 0;

        for (; end < list->size; end++) {
            if (list->data[end] == '"')
                quoted = !quoted;
            else if (list->data[end] == ',' && !quoted)
                break;
        }
        *member = span_trim(span_of(list->data, end));
        end += end < list->size;
        list->data += end;
        list->size -= end;
        if (member->size > 0)
            return true;
    }
    return false;
}
