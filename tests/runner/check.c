/* SPDX-License-Identifier: MIT */
/*
 * check.c - the checks, and how they say what they saw
 *
 * A check that fails prints one line with the place, its own text and both
 * values, and ends the process. Ending at once, by _exit(), is right from any
 * thread and on any stack; the parent cleans up behind us.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/runner.h"

_Noreturn void test_fail(const struct test_site *site, const char *format, ...)
{
    char message[REPORT_TEXT_MAX / 2] = "";
    va_list args;

    if (format != NULL) {
        va_start(args, format);
        vsnprintf(message, sizeof message, format, args);
        va_end(args);
    }
    child_complain("%s:%u: %s%s%s", site->file, site->line, site->text,
                   *message ? ": " : "", message);
    fflush(stdout);
    fflush(stderr);
    _exit(1);
}

struct test_value test_value_signed(long long value)
{
    return (struct test_value){ .type = TEST_SIGNED, .i = value };
}

struct test_value test_value_unsigned(unsigned long long value)
{
    return (struct test_value){ .type = TEST_UNSIGNED, .u = value };
}

struct test_value test_value_float(double value)
{
    return (struct test_value){ .type = TEST_FLOAT, .f = value };
}

struct test_value test_value_pointer(const volatile void *value)
{
    return (struct test_value){ .type = TEST_POINTER, .p = value };
}

static bool is_negative(struct test_value v)
{
    return v.type == TEST_SIGNED && v.i < 0;
}

static double as_float(struct test_value v)
{
    switch (v.type) {
    case TEST_SIGNED:
        return (double)v.i;
    case TEST_UNSIGNED:
        return (double)v.u;
    case TEST_POINTER:
        return (double)(uintptr_t)v.p;
    case TEST_FLOAT:
        return v.f;
    }
    return 0;
}

static unsigned long long as_bits(struct test_value v)
{
    if (v.type == TEST_POINTER)
        return (uintptr_t)v.p;
    return v.type == TEST_SIGNED ? (unsigned long long)v.i : v.u;
}

/* -1, 0 or 1, as numbers compare, whatever their types. */
static int compare(struct test_value a, struct test_value b)
{
    if (a.type == TEST_FLOAT || b.type == TEST_FLOAT) {
        double x = as_float(a), y = as_float(b);
        return (x > y) - (x < y);
    }
    if (is_negative(a) != is_negative(b))
        return is_negative(a) ? -1 : 1;

    /* Of the same sign, two's complement orders as unsigned. */
    unsigned long long x = as_bits(a), y = as_bits(b);
    return (x > y) - (x < y);
}

enum { VALUE_TEXT_MAX = 96 };

static void print_value(struct test_value v, char text[VALUE_TEXT_MAX])
{
    switch (v.type) {
    case TEST_SIGNED:
        snprintf(text, VALUE_TEXT_MAX, "%lld", v.i);
        break;
    case TEST_UNSIGNED:
        if (v.u < 10)
            snprintf(text, VALUE_TEXT_MAX, "%llu", v.u);
        else
            snprintf(text, VALUE_TEXT_MAX, "%llu (%#llx)", v.u, v.u);
        break;
    case TEST_FLOAT:
        snprintf(text, VALUE_TEXT_MAX, "%.17g", v.f);
        break;
    case TEST_POINTER:
        snprintf(text, VALUE_TEXT_MAX, "%p", (void *)(uintptr_t)v.p);
        break;
    }
}

void test_compare(const struct test_site *site, struct test_value left,
                  enum test_relation relation, struct test_value right)
{
    int order = compare(left, right);
    bool holds = false;

    switch (relation) {
    case TEST_EQ:
        holds = order == 0;
        break;
    case TEST_NE:
        holds = order != 0;
        break;
    case TEST_LT:
        holds = order < 0;
        break;
    case TEST_LE:
        holds = order <= 0;
        break;
    case TEST_GT:
        holds = order > 0;
        break;
    case TEST_GE:
        holds = order >= 0;
        break;
    }
    if (holds)
        return;

    char a[VALUE_TEXT_MAX], b[VALUE_TEXT_MAX];
    print_value(left, a);
    print_value(right, b);
    test_fail(site, "%s and %s", a, b);
}

void test_compare_strings(const struct test_site *site, const char *left,
                          const char *right)
{
    if (left == right ||
        (left != NULL && right != NULL && strcmp(left, right) == 0))
        return;
    test_fail(site, "\"%.200s\" and \"%.200s\"", left ? left : "(null)",
              right ? right : "(null)");
}

void test_string_contains(const struct test_site *site, const char *haystack,
                          const char *needle)
{
    if (haystack != NULL && needle != NULL && strstr(haystack, needle) != NULL)
        return;
    test_fail(site, "\"%.300s\" lacks \"%.100s\"",
              haystack ? haystack : "(null)", needle ? needle : "(null)");
}

void test_compare_memory(const struct test_site *site, const void *left,
                         const void *right, size_t size)
{
    const unsigned char *a = left, *b = right;

    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i])
            test_fail(site, "differ at byte %zu of %zu: %#04x and %#04x", i,
                      size, a[i], b[i]);
}

/* "-ECANCELED (-125)", "17". */
static void print_result(long long r, char text[VALUE_TEXT_MAX])
{
    const char *name = NULL;

    if (r < 0 && r > -4096)
        name = strerrorname_np((int)-r);
    if (name != NULL)
        snprintf(text, VALUE_TEXT_MAX, "-%s (%lld)", name, r);
    else
        snprintf(text, VALUE_TEXT_MAX, "%lld", r);
}

void test_compare_results(const struct test_site *site, long long left,
                          long long right)
{
    char a[VALUE_TEXT_MAX], b[VALUE_TEXT_MAX];

    if (left == right)
        return;
    print_result(left, a);
    print_result(right, b);
    test_fail(site, "got %s, expected %s", a, b);
}
