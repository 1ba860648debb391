/* SPDX-License-Identifier: MIT */
/*
 * open.c - a loop on the kernel that this process uses
 *
 * Apart from create.c, since this file alone reaches the real kernels: the
 * loop's own tests link without them.
 */
#include <errno.h>
#include <gyre/blocking_pool.h>
#include <stdio.h>
#include <string.h>

#include "kernel/choose.h"
#include "loop/loop.h"
#include "loop/option.h"
#include "loop/restrict.h"

#define ENTRIES_DEFAULT 256U
#define CQ_ENTRIES_MIN 1024U

static _Thread_local const char *create_error = "";

const char *gyre_loop_create_error(void)
{
    return create_error;
}

void loop_create_says(const char *sentence)
{
    create_error = sentence;
}

/* GYRE_LOOP has a say in what the program leaves open. */
static int options_default(gyre_loop_options *to)
{
    const char *text = kernel_loop_options();
    gyre_loop_options other = { 0 };
    int err;

    if (text == NULL)
        return 0;
    err = gyre_loop_options_set(&other, text, &create_error);
    if (to->blocking_pool != NULL)
        other.blocking_threads_max = other.blocking_queue_max =
            other.blocking_idle_ms = 0;
    for (size_t i = 0; err == 0 && i < option_count; i++) {
        const struct option_row *row = &option_table[i];

        if (row->type != OPTION_OTHER && option_get(to, row) == 0)
            option_put(to, row, option_get(&other, row));
    }
    return err;
}

static int options_read(gyre_loop_options *to, const gyre_loop_options *from)
{
    static const gyre_loop_options none;
    int err;

    if (from == NULL)
        from = &none;
    if (from->size != 0 && from->size != sizeof *from) {
        create_error = "gyre_loop_options.size is not that of this library: "
                       "compile against its header";
        return -EINVAL;
    }
    *to = *from;
    err = options_default(to);
    if (err == 0 && to->blocking_threads_max > BLOCKING_THREADS_MAX) {
        create_error = "gyre_loop_options.blocking_threads_max is more than "
                       "1024: more threads than that help nobody";
        err = -EINVAL;
    }
    if (err == 0 && to->blocking_pool != NULL &&
        (to->blocking_threads_max | to->blocking_queue_max |
         to->blocking_idle_ms) != 0) {
        create_error = "gyre_loop_options.blocking_threads_max, "
                       "blocking_queue_max, blocking_idle_ms: with a "
                       "blocking_pool they are its own: set them when it is "
                       "made";
        err = -EINVAL;
    }
    if (to->entries == 0)
        to->entries = ENTRIES_DEFAULT;
    return err;
}

int loop_share_threads(gyre_loop_options *options,
                       struct gyre_blocking_pool **pool)
{
    gyre_loop_options o;
    int err = options_read(&o, options);

    *pool = NULL;
    if (err < 0)
        return err;
    *options = o;
    if (o.blocking_pool != NULL)
        return 0;
    err = gyre_blocking_pool_create(
        pool,
        &(gyre_blocking_pool_options){ .threads_max = o.blocking_threads_max,
                                       .queue_max = o.blocking_queue_max,
                                       .idle_ms = o.blocking_idle_ms });
    if (err < 0)
        return err;
    options->blocking_threads_max = 0;
    options->blocking_queue_max = 0;
    options->blocking_idle_ms = 0;
    options->blocking_pool = *pool;
    return 0;
}

int gyre_loop_create(gyre_loop **loop, const gyre_loop_options *options)
{
    gyre_loop_options o;
    struct kernel_options kernel_options;
    struct kernel *kernel;
    const char *why = NULL;
    int err;

    create_error = "";
    err = options_read(&o, options);
    if (err < 0)
        return err;
    kernel_options = (struct kernel_options){
        .entries = o.entries,
        .cq_entries = o.cq_entries,
        .clamp = o.clamp,
        .threads_max = o.blocking_threads_max,
        .queue_max = o.blocking_queue_max,
        .idle_ms = o.blocking_idle_ms,
        .pool = o.blocking_pool,
        .ring = o.ring,
    };
    if (o.restriction != NULL)
        kernel_options.ring.restrictable = true;
    if (o.cq_entries == 0 && o.entries < CQ_ENTRIES_MIN / 2)
        kernel_options.cq_entries = CQ_ENTRIES_MIN;
    err = kernel_open(&kernel, &kernel_options, &why);
    if (err < 0) {
        create_error = why != NULL ? why : "the kernel could not be opened";
        return err;
    }
    err = loop_create_on(loop, kernel, &o);
    if (err < 0) {
        create_error = "no memory for the loop";
        kernel->class->destroy(kernel);
        return err;
    }
    if (o.restriction != NULL)
        err = gyre_loop_restrict(*loop, o.restriction);
    if (err < 0) {
        create_error = gyre_restrict_error();
        gyre_loop_destroy(*loop);
    }
    return err;
}
