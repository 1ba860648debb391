/* SPDX-License-Identifier: MIT */
/* Dates: the three forms of HTTP, against the C library's calendar. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "date.h"
#include "runner/test.h"

static int64_t parse(const char *text)
{
    int64_t seconds = INT64_MIN;

    return date_parse(span_string(text), &seconds) ? seconds : INT64_MIN;
}

TEST(W2_dates_are_written_as_http_wants)
{
    char out[DATE_SIZE];
    char log[DATE_LOG_SIZE];
    char brief[DATE_SHORT_SIZE];

    date_format(out, 784111777);
    CHECK_STR_EQ(out, "Sun, 06 Nov 1994 08:49:37 GMT");
    date_format_log(log, 784111777);
    CHECK_STR_EQ(log, "[06/Nov/1994:08:49:37 +0000]");
    date_format_short(brief, 784111777);
    CHECK_STR_EQ(brief, "1994-11-06 08:49");
}

TEST(W2_dates_agree_with_the_c_library)
{
    const int64_t step = (4 * 86400 + 3 * 3607) * (int64_t)test_scale();

    /* Every fourth day of years 1 to 9999, at changing times of the day. */
    for (int64_t t = -62135596800; t <= 253402300799; t += step) {
        char ours[DATE_SIZE];
        char theirs[64];
        time_t seconds = (time_t)t;
        struct tm tm;

        CHECK(gmtime_r(&seconds, &tm) != NULL);
        snprintf(theirs, sizeof theirs,
                 "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 &"SunMonTueWedThuFriSat"[tm.tm_wday * 3], tm.tm_mday,
                 &"JanFebMarAprMayJunJulAugSepOctNovDec"[tm.tm_mon * 3],
                 tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        date_format(ours, t);
        if (strcmp(ours, theirs) != 0 || parse(ours) != t)
            CHECK_STR_EQ(ours, theirs);
        CHECK_EQ(parse(ours), t);
    }
}

TEST(W2_dates_of_all_three_forms_are_read)
{
    CHECK_EQ(parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    CHECK_EQ(parse("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    CHECK_EQ(parse("Sun Nov  6 08:49:37 1994"), 784111777);
    CHECK_EQ(parse("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    CHECK_EQ(parse("Tue, 29 Feb 2000 00:00:00 GMT"), 951782400);
    CHECK_EQ(parse("Wednesday, 01-Jan-69 00:00:00 GMT"), 3124224000);
}

TEST(W2_what_is_no_date_is_refused)
{
    static const char *const BAD[] = {
        "",
        "Sun",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Mon, 29 Feb 1900 00:00:00 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "784111777",
    };

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (parse(BAD[i]) != INT64_MIN)
            FAIL("'%s' was taken for a date", BAD[i]);
    }
}

TEST(W2_times_beyond_the_calendar_are_moved_to_its_ends)
{
    char out[DATE_SIZE];

    date_format(out, INT64_MIN);
    CHECK_STR_EQ(out, "Mon, 01 Jan 0001 00:00:00 GMT");
    date_format(out, INT64_MAX);
    CHECK_STR_EQ(out, "Fri, 31 Dec 9999 23:59:59 GMT");
}
