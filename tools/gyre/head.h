/* SPDX-License-Identifier: MIT */
/*
 * head.h - find the end of a request's head, and refuse what is ambiguous
 *
 * Every byte of a head passes here before llhttp sees it. Parsers disagree
 * about lone CRs and LFs, about lines that begin with a blank, about blanks
 * before the colon, and about control bytes; requests are smuggled through
 * those disagreements. This scan knows one grammar, the strict one of RFC 9112,
 * whatever llhttp's version is:
 *
 *   - a line ends with CR LF, and neither byte occurs anywhere else;
 *   - no control byte but the tab, and that one not in the request line;
 *   - no line begins with a blank (no folding);
 *   - a header is a name of token characters, at once followed by a colon.
 */
#ifndef GYRE_TOOL_HEAD_H
#define GYRE_TOOL_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#define HEAD_SIZE_MAX 16384 /* of the whole head: else 431 */
#define HEAD_LINE_MAX 8192  /* of the request line: else 414 */
#define HEAD_COUNT_MAX 100  /* of headers: else 431 */

/* Where a scan has got to. All zero: at the start of a request. */
struct head_scan {
    size_t at;    /* bytes seen */
    size_t start; /* of the request line: empty lines before it are skipped */
    size_t line;  /* where the present line begins */
    unsigned lines;
    bool after_cr;
    bool after_colon;
};

/*
 * Look at what has come: data[scan->at] up to data[size]. The size of the head
 * with its empty line, if it is complete; 0: more is needed; or a negated
 * status: -400, -414, -431.
 */
long head_scan(struct head_scan *scan, const char *data, size_t size);

/* May the byte stand in a token (RFC 9110 5.6.2)? */
bool head_is_token_byte(unsigned char c);

#endif
