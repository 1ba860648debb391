/* SPDX-License-Identifier: MIT */
/*
 * range.c - see range.h
 *
 * Numbers that do not fit 64 bits are no error in a range: they lie behind the
 * end of any file, and are cut to it.
 */
#include "range.h"

#include <stdbool.h>

/* Digits off the front; a number too large becomes UINT64_MAX. False if there
 * is none. */
static bool take_number(struct span *text, uint64_t *number)
{
    size_t digits = 0;
    bool too_large = false;

    *number = 0;
    for (; digits < text->size; digits++) {
        char c = text->data[digits];

        if (c < '0' || c > '9')
            break;
        too_large =
            too_large || __builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (unsigned)(c - '0'), number);
    }
    if (too_large)
        *number = UINT64_MAX;
    text->data += digits;
    text->size -= digits;
    return digits > 0;
}

/* "-N": the last N bytes. */
static enum range_kind parse_suffix(struct span text, uint64_t file_size,
                                    struct range *range)
{
    uint64_t count;

    if (!take_number(&text, &count) || text.size > 0)
        return RANGE_WHOLE;
    if (count == 0 || file_size == 0)
        return RANGE_NONE;
    if (count > file_size)
        count = file_size;
    range->first = file_size - count;
    range->size = count;
    return RANGE_PART;
}

enum range_kind range_parse(struct span header, uint64_t file_size,
                            struct range *range)
{
    if (header.data == NULL || header.size < 6 ||
        !span_equals_nocase(span_of(header.data, 6), "bytes="))
        return RANGE_WHOLE;

    struct span text = span_trim(span_of(header.data + 6, header.size - 6));
    uint64_t first;
    uint64_t last = UINT64_MAX;

    if (span_starts_with(text, "-"))
        return parse_suffix(span_of(text.data + 1, text.size - 1), file_size,
                            range);
    if (!take_number(&text, &first) || !span_starts_with(text, "-"))
        return RANGE_WHOLE;
    text.data++;
    text.size--;
    if (text.size > 0 && (!take_number(&text, &last) || text.size > 0))
        return RANGE_WHOLE;
    if (last < first)
        return RANGE_WHOLE; /* not a range at all: RFC 9110 14.1.1 */
    if (first >= file_size)
        return RANGE_NONE;
    if (last > file_size - 1)
        last = file_size - 1;
    range->first = first;
    range->size = last - first + 1;
    return RANGE_PART;
}
