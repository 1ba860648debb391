/* SPDX-License-Identifier: MIT */
/*
 * date.c - see date.h
 *
 * The calendar is computed in eras of 400 years that begin on the first of
 * March, so that the leap day is the last of its year and a month's first day
 * is a linear function of its number.
 */
#include "date.h"

#include <string.h>

#define DAY_SECONDS 86400
#define ERA_DAYS 146097
#define EPOCH_DAYS 719468                 /* from 0000-03-01 to 1970-01-01 */
#define SECONDS_MIN INT64_C(-62135596800) /* 0001-01-01 00:00:00 */
#define SECONDS_MAX INT64_C(253402300799) /* 9999-12-31 23:59:59 */

static const char DAYS[7][4] = {
    "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
};
static const char MONTHS[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

struct civil {
    int year;
    int month; /* 0 to 11 */
    int day;   /* 1 to 31 */
    int weekday;
    int hour;
    int minute;
    int second;
};

static struct civil civil_of(int64_t seconds)
{
    if (seconds < SECONDS_MIN)
        seconds = SECONDS_MIN;
    if (seconds > SECONDS_MAX)
        seconds = SECONDS_MAX;

    int64_t days = seconds / DAY_SECONDS - (seconds % DAY_SECONDS < 0);
    int rest = (int)(seconds - days * DAY_SECONDS);
    int64_t shifted = days + EPOCH_DAYS; /* positive: the year is at least 1 */
    int era = (int)(shifted / ERA_DAYS);
    int day = (int)(shifted % ERA_DAYS);
    int year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int of_year = day - (365 * year + year / 4 - year / 100);
    int march = (5 * of_year + 2) / 153; /* month, counted from March */

    return (struct civil){
        .year = era * 400 + year + (march >= 10),
        .month = march < 10 ? march + 2 : march - 10,
        .day = of_year - (153 * march + 2) / 5 + 1,
        .weekday = (int)((days % 7 + 11) % 7), /* 1970-01-01 was a Thursday */
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
    };
}

static int64_t civil_seconds(const struct civil *c)
{
    int year = c->year - (c->month < 2);
    int era = year / 400;
    int of_era = year - era * 400;
    int march = c->month < 2 ? c->month + 10 : c->month - 2;
    int of_year = (153 * march + 2) / 5 + c->day - 1;
    int day = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    int64_t days = (int64_t)era * ERA_DAYS + day - EPOCH_DAYS;

    return days * DAY_SECONDS + c->hour * 3600 + c->minute * 60 + c->second;
}

/* Two digits; the caller has room for them. */
static char *put2(char *out, int n)
{
    out[0] = (char)('0' + n / 10 % 10);
    out[1] = (char)('0' + n % 10);
    return out + 2;
}

static char *put4(char *out, int n)
{
    return put2(put2(out, n / 100), n % 100);
}

static char *put_string(char *out, const char *string)
{
    size_t size = strlen(string);

    memcpy(out, string, size);
    return out + size;
}

static char *put_clock(char *out, const struct civil *c)
{
    out = put2(out, c->hour);
    *out++ = ':';
    out = put2(out, c->minute);
    *out++ = ':';
    return put2(out, c->second);
}

void date_format(char out[DATE_SIZE], int64_t seconds)
{
    struct civil c = civil_of(seconds);

    out = put_string(out, DAYS[c.weekday]);
    out = put_string(out, ", ");
    out = put2(out, c.day);
    *out++ = ' ';
    out = put_string(out, MONTHS[c.month]);
    *out++ = ' ';
    out = put4(out, c.year);
    *out++ = ' ';
    out = put_clock(out, &c);
    out = put_string(out, " GMT");
    *out = '\0';
}

void date_format_log(char out[DATE_LOG_SIZE], int64_t seconds)
{
    struct civil c = civil_of(seconds);

    *out++ = '[';
    out = put2(out, c.day);
    *out++ = '/';
    out = put_string(out, MONTHS[c.month]);
    *out++ = '/';
    out = put4(out, c.year);
    *out++ = ':';
    out = put_clock(out, &c);
    out = put_string(out, " +0000]");
    *out = '\0';
}

void date_format_short(char out[DATE_SHORT_SIZE], int64_t seconds)
{
    struct civil c = civil_of(seconds);

    out = put4(out, c.year);
    *out++ = '-';
    out = put2(out, c.month + 1);
    *out++ = '-';
    out = put2(out, c.day);
    *out++ = ' ';
    out = put2(out, c.hour);
    *out++ = ':';
    out = put2(out, c.minute);
    *out = '\0';
}

/* ---- parsing: each step cuts its word off the front, or says no --------- */

static bool take(struct span *text, const char *word)
{
    if (!span_starts_with(*text, word))
        return false;
    text->data += strlen(word);
    text->size -= strlen(word);
    return true;
}

static bool take_number(struct span *text, size_t digits, int *number)
{
    if (text->size < digits)
        return false;
    *number = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = text->data[i];

        if (c < '0' || c > '9')
            return false;
        *number = *number * 10 + (c - '0');
    }
    text->data += digits;
    text->size -= digits;
    return true;
}

static bool take_month(struct span *text, int *month)
{
    for (*month = 0; *month < 12; (*month)++) {
        if (take(text, MONTHS[*month]))
            return true;
    }
    return false;
}

static bool take_clock(struct span *text, struct civil *c)
{
    return take_number(text, 2, &c->hour) && take(text, ":") &&
           take_number(text, 2, &c->minute) && take(text, ":") &&
           take_number(text, 2, &c->second);
}

/* "06 Nov 1994 08:49:37 GMT", after the day's name. */
static bool take_fixdate(struct span text, struct civil *c)
{
    return take(&text, ", ") && take_number(&text, 2, &c->day) &&
           take(&text, " ") && take_month(&text, &c->month) &&
           take(&text, " ") && take_number(&text, 4, &c->year) &&
           take(&text, " ") && take_clock(&text, c) && take(&text, " GMT") &&
           text.size == 0;
}

/* "day, 06-Nov-94 08:49:37 GMT", after the first three letters. */
static bool take_rfc850(struct span text, struct civil *c)
{
    static const char *const ENDS[] = { "day", "sday", "nesday", "rsday",
                                        "urday" };
    bool found = false;

    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0] && !found; i++)
        found = take(&text, ENDS[i]);
    found = found && take(&text, ", ") && take_number(&text, 2, &c->day) &&
            take(&text, "-") && take_month(&text, &c->month) &&
            take(&text, "-") && take_number(&text, 2, &c->year) &&
            take(&text, " ") && take_clock(&text, c) && take(&text, " GMT") &&
            text.size == 0;
    c->year += c->year < 70 ? 2000 : 1900;
    return found;
}

/* " Nov  6 08:49:37 1994", after the day's name. */
static bool take_asctime(struct span text, struct civil *c)
{
    return take(&text, " ") && take_month(&text, &c->month) &&
           take(&text, " ") &&
           (take(&text, " ") ? take_number(&text, 1, &c->day)
                             : take_number(&text, 2, &c->day)) &&
           take(&text, " ") && take_clock(&text, c) && take(&text, " ") &&
           take_number(&text, 4, &c->year) && text.size == 0;
}

static bool civil_is_valid(const struct civil *c)
{
    /* The days of a month: whatever does not come back the same is no date. */
    if (c->year < 1 || c->day < 1 || c->day > 31 || c->hour > 23 ||
        c->minute > 59 || c->second > 60)
        return false;

    struct civil back = civil_of(civil_seconds(
        &(struct civil){ .year = c->year, .month = c->month, .day = c->day }));

    return back.month == c->month && back.day == c->day;
}

bool date_parse(struct span text, int64_t *seconds)
{
    struct civil c = { 0 };
    size_t day = 0;

    while (day < 7 && !take(&text, DAYS[day]))
        day++;
    if (day == 7)
        return false;
    if (!take_fixdate(text, &c) && !take_rfc850(text, &c) &&
        !take_asctime(text, &c))
        return false;
    if (!civil_is_valid(&c))
        return false;
    *seconds = civil_seconds(&c);
    return true;
}
