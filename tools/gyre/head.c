/* SPDX-License-Identifier: MIT */
/*
 * head.c - see head.h
 *
 * A scan remembers where it stopped, so a client that sends a byte at a time
 * costs a byte at a time.
 */
#include "head.h"

#include <string.h>

#define EMPTY_LINES_MAX 4 /* before the request line: RFC 9112 2.2 */

bool head_is_token_byte(unsigned char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
        (c >= 'a' && c <= 'z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

/* A byte that is neither CR nor LF: 0, or a negated status. */
static int scan_byte(struct head_scan *scan, unsigned char c)
{
    bool is_first = scan->at == scan->line;

    if ((c < 0x20 && c != '\t') || c == 0x7F)
        return -400;
    if (is_first && (c == ' ' || c == '\t'))
        return -400;
    if (scan->lines == 0) {
        if (c == '\t')
            return -400;
        return scan->at - scan->start >= HEAD_LINE_MAX ? -414 : 0;
    }
    if (scan->after_colon)
        return 0;
    if (c == ':') {
        scan->after_colon = true;
        return is_first ? -400 : 0;
    }
    return head_is_token_byte(c) ? 0 : -400;
}

/* The line that ends with the LF at scan->at: 1 if it was the last, 0, or a
 * negated status. */
static int scan_line_end(struct head_scan *scan)
{
    bool is_empty = scan->at == scan->line + 1;

    scan->line = scan->at + 1;
    scan->after_cr = false;
    if (is_empty) {
        if (scan->lines > 0)
            return 1;
        scan->start = scan->line;
        return scan->start > EMPTY_LINES_MAX * 2 ? -400 : 0;
    }
    if (scan->lines > 0 && !scan->after_colon)
        return -400;
    scan->after_colon = false;
    scan->lines++;
    return scan->lines > HEAD_COUNT_MAX + 1 ? -431 : 0;
}

long head_scan(struct head_scan *scan, const char *data, size_t size)
{
    for (; scan->at < size; scan->at++) {
        unsigned char c = (unsigned char)data[scan->at];
        int result = 0;

        if (scan->at >= HEAD_SIZE_MAX)
            return -431;
        if (scan->after_cr != (c == '\n'))
            return -400;
        if (c == '\n')
            result = scan_line_end(scan);
        else if (c == '\r')
            scan->after_cr = true;
        else
            result = scan_byte(scan, c);
        if (result < 0)
            return result;
        if (result > 0)
            return (long)++scan->at;
    }
    return 0;
}
