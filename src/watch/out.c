/* SPDX-License-Identifier: MIT */
/*
 * out.c - numbers and names in words, and the buffer they go through
 */
#include "watch/out.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"

#define INDENT_MAX 20U
#define NAME_MAX_BYTES 64U
#define US UINT64_C(1000)

void out_init(struct out *out, gyre_dump_fn *write, void *user)
{
    out->write = write;
    out->user = user;
    out->used = 0;
    out->frugal = false;
}

void out_flush(struct out *out)
{
    if (out->used > 0)
        out->write(out->user, out->text, out->used);
    out->used = 0;
}

void out_print(struct out *out, const char *format, ...)
{
    /* Twice at most: the second time into an empty buffer. */
    for (;;) {
        size_t room = OUT_BYTES - out->used;
        va_list arguments;
        int length;

        va_start(arguments, format);
        length = vsnprintf(out->text + out->used, room, format, arguments);
        va_end(arguments);
        if (length < 0)
            return;
        if ((size_t)length < room) {
            out->used += (size_t)length;
            return;
        }
        if (out->used == 0) {
            out->used = OUT_BYTES - 1;
            return;
        }
        out_flush(out);
    }
}

void out_indent(struct out *out, unsigned depth)
{
    unsigned width = 2 * (depth < INDENT_MAX ? depth : INDENT_MAX);

    out_print(out, "%*s", (int)width, "");
}

void out_time(struct out *out, uint64_t ns)
{
    if (ns < US)
        out_print(out, "%" PRIu64 " ns", ns);
    else if (ns < GYRE_MS)
        out_print(out, "%" PRIu64 " us", ns / US);
    else if (ns < GYRE_SECOND)
        out_print(out, "%" PRIu64 " ms", ns / GYRE_MS);
    else if (ns < 60 * GYRE_SECOND)
        out_print(out, "%" PRIu64 ".%02" PRIu64 " s", ns / GYRE_SECOND,
                  ns % GYRE_SECOND / (10 * GYRE_MS));
    else if (ns < 3600 * GYRE_SECOND)
        out_print(out, "%" PRIu64 " min %" PRIu64 " s", ns / GYRE_SECOND / 60,
                  ns / GYRE_SECOND % 60);
    else
        out_print(out, "%" PRIu64 " h %" PRIu64 " min", ns / GYRE_SECOND / 3600,
                  ns / GYRE_SECOND / 60 % 60);
}

void out_bytes(struct out *out, uint64_t bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    uint64_t tenths = bytes * 10 / 1024;
    unsigned unit = 0;

    if (bytes < 1024) {
        out_print(out, "%" PRIu64 " bytes", bytes);
        return;
    }
    while (tenths >= 10 * 1024 && unit < 3) {
        tenths /= 1024;
        unit++;
    }
    if (tenths % 10 == 0)
        out_print(out, "%" PRIu64 " %s", tenths / 10, units[unit]);
    else
        out_print(out, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
                  units[unit]);
}

void out_name(struct out *out, const char *name)
{
    char clean[NAME_MAX_BYTES + 1];
    size_t length = 0;

    for (; name[length] != '\0' && length < NAME_MAX_BYTES; length++) {
        unsigned char c = (unsigned char)name[length];

        clean[length] = c < 0x20 || c == 0x7f ? '?' : name[length];
    }
    clean[length] = '\0';
    out_print(out, "'%s'", clean);
}
