/* SPDX-License-Identifier: MIT */
/*
 * assert.c - the end of a program that broke a rule
 *
 * The text goes out in one piece, so that two threads that fail at once do not
 * mix their lines. Nothing is cleaned up: the process is in an unknown state.
 */
#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void panic(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "gyre: %s\n", text);
    fflush(stderr);
    abort();
}

void assert_failed(const char *condition, const char *file, int line,
                   const char *function)
{
    panic("%s:%d: %s: `%s` does not hold", file, line, function, condition);
}
