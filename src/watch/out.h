/* SPDX-License-Identifier: MIT */
/*
 * out.h - text that goes out in pieces
 *
 * A buffer of fixed size between printf and whoever takes the text. Nothing is
 * allocated; what is longer than the buffer is cut.
 */
#ifndef WATCH_OUT_H
#define WATCH_OUT_H

#include <gyre/dump.h>

#define OUT_BYTES 2048

struct out {
    gyre_dump_fn *write;
    void *user;
    size_t used;
    bool frugal; /* the caller has little stack left: do without libunwind */
    char text[OUT_BYTES];
};

void out_init(struct out *out, gyre_dump_fn *write, void *user);
void out_flush(struct out *out);
void out_print(struct out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* `depth` times two blanks, for a tree that stays on the page however deep. */
void out_indent(struct out *out, unsigned depth);

/* "312 ns", "45 us", "1.20 s", "3 min 20 s", "5 h 12 min". */
void out_time(struct out *out, uint64_t ns);

/* "768 bytes", "12.5 KiB", "3.0 MiB". */
void out_bytes(struct out *out, uint64_t bytes);

/* A name that a user gave: without control characters, cut at 64 bytes. */
void out_name(struct out *out, const char *name);

#endif
