/* SPDX-License-Identifier: MIT */
/*
 * notice.c - see notice.h
 */
#include "base/notice.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void notice(const char *format, ...)
{
    int saved = errno;
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)fprintf(stderr, "gyre: %s\n", text);
    errno = saved;
}
