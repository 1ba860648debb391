/* SPDX-License-Identifier: MIT */
/*
 * blocking.c - pools of threads for several loops, and how busy they are
 */
#include <gyre/blocking_pool.h>

#include <errno.h>

#include "kernel/blocking.h"
#include "loop/loop.h"
#include "loop/option.h"

/* Its refusal, or NULL. */
static const char *objection(const gyre_blocking_pool_options *options)
{
    if (options->size != 0 && options->size != sizeof *options)
        return "gyre_blocking_pool_options.size is not that of this library: "
               "compile against its header";
    if (options->threads_max > BLOCKING_THREADS_MAX)
        return "gyre_blocking_pool_options.threads_max is more than 1024: more "
               "threads than that help nobody";
    return NULL;
}

int gyre_blocking_pool_create(gyre_blocking_pool **pool,
                              const gyre_blocking_pool_options *options)
{
    static const gyre_blocking_pool_options none;
    const gyre_blocking_pool_options *o = options != NULL ? options : &none;
    const char *sentence = objection(o);

    loop_create_says(sentence != NULL ? sentence : "");
    if (sentence != NULL)
        return -EINVAL;
    *pool = blocking_create(&(struct kernel_options){
        .threads_max = o->threads_max != 0 ? o->threads_max
                                           : KERNEL_THREADS_DEFAULT,
        .queue_max = o->queue_max,
        .idle_ms = o->idle_ms != 0 ? o->idle_ms : KERNEL_IDLE_MS_DEFAULT,
    });
    return *pool == NULL ? -ENOMEM : 0;
}

void gyre_blocking_pool_destroy(gyre_blocking_pool *pool)
{
    if (pool != NULL)
        blocking_let_go(pool);
}

static void stats_fill(gyre_blocking_stats *stats,
                       const struct kernel_pool *look)
{
    *stats = (gyre_blocking_stats){
        .size = sizeof *stats,
        .threads_max = look->threads_max,
        .queue_max = look->queue_max,
        .idle_ms = look->idle_ms,
        .threads = look->threads,
        .idle = look->idle,
        .queued = look->queued,
        .wait_max_ns = look->wait_max_ns,
        .taken = look->taken,
        .refused = look->refused,
        .made = look->made,
    };
}

#define STATS_SIZE                                                             \
    "gyre_blocking_stats.size is to be sizeof(gyre_blocking_stats)"

void gyre_blocking_pool_get_stats(gyre_blocking_pool *pool,
                                  gyre_blocking_stats *stats)
{
    struct kernel_pool look;

    ASSERT_API(stats->size == sizeof *stats, STATS_SIZE);
    blocking_look(pool, &look);
    stats_fill(stats, &look);
}

void gyre_loop_get_blocking_stats(const gyre_loop *loop,
                                  gyre_blocking_stats *stats)
{
    struct kernel *kernel = loop->kernel;
    struct kernel_pool look = { 0 };

    ASSERT_API(stats->size == sizeof *stats, STATS_SIZE);
    if (kernel->class->pool != NULL)
        kernel->class->pool(kernel, &look);
    stats_fill(stats, &look);
}
