/* SPDX-License-Identifier: MIT */
/*
 * option.h - the table of a loop's options
 *
 * One row for each member of gyre_loop_options and of the gyre_ring_options in
 * it: what gyre_loop_options_set() may set by its name, and what `gyre doctor
 * --options` prints as docs/OPTIONS.md. Members that are no numbers have rows
 * that only tell.
 */
#ifndef LOOP_OPTION_H
#define LOOP_OPTION_H

#include <gyre/loop.h>
#include <stddef.h>

enum option_type {
    OPTION_FLAG,   /* bool */
    OPTION_NUMBER, /* unsigned */
    OPTION_OTHER,  /* not by its name */
};

struct option_row {
    const char *name;
    enum option_type type;
    size_t offset; /* in gyre_loop_options */
    /* For the page: what zero stands for; the first Linux, "any" or "none"
     * (gyre's own); what it is; what happens at its bound, or where it is
     * refused; what was measured. */
    const char *normal;
    const char *since;
    const char *what;
    const char *bound;
    const char *effect;
};

/* More threads than that help nobody. */
#define BLOCKING_THREADS_MAX 1024U

/* What gyre_loop_create_error() is to say on this thread. */
void loop_create_says(const char *sentence);

/* Let the loops that will be made with these options have one pool of threads,
 * as the options and GYRE_LOOP say. `*pool` is the caller's to destroy, once
 * they are made or could not be; NULL: the options had one. 0, or as
 * gyre_loop_create(). */
int loop_share_threads(gyre_loop_options *options,
                       struct gyre_blocking_pool **pool);

extern const struct option_row option_table[];
extern const size_t option_count;

/* The value of a FLAG or NUMBER. */
unsigned option_get(const gyre_loop_options *options,
                    const struct option_row *row);
void option_put(gyre_loop_options *options, const struct option_row *row,
                unsigned value);

#endif
