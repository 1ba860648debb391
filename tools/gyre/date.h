/* SPDX-License-Identifier: MIT */
/*
 * date.h - dates as HTTP writes them
 *
 * Proleptic Gregorian calendar, UTC, no leap seconds: the arithmetic of
 * RFC 9110 and of time_t. No locale, no time zone data, no lock.
 */
#ifndef GYRE_TOOL_DATE_H
#define GYRE_TOOL_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

#define DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */

/* Years 1 to 9999; what lies outside is moved to the nearer end. */
void date_format(char out[DATE_SIZE], int64_t seconds);

/* "[06/Nov/1994:08:49:37 +0000]", as access logs have it, with a NUL. */
#define DATE_LOG_SIZE 29
void date_format_log(char out[DATE_LOG_SIZE], int64_t seconds);

/* "1994-11-06 08:49", with a NUL. */
#define DATE_SHORT_SIZE 17
void date_format_short(char out[DATE_SHORT_SIZE], int64_t seconds);

/* Any of the three forms of RFC 9110 5.6.7; false if it is none of them. The
 * two-digit year of the RFC 850 form is taken as 1970 to 2069. */
bool date_parse(struct span text, int64_t *seconds);

#endif
