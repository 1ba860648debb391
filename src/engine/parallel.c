/* SPDX-License-Identifier: MIT */
/*
 * parallel.c - pieces of work that all engines take one by one
 *
 * The caller and a task for each further engine take the next piece from a
 * counter until there is none. The tasks may begin anywhere, so engines that
 * are busy leave their share to others; one that begins too late finds nothing.
 *
 * Functions that block are called by as many tasks as the pool has threads, on
 * the caller's engine, each of which waits for one piece at a time: so others
 * who use the pool have their turns between two.
 *
 * The counter needs no order: what pieces read was written before the tasks
 * were spawned, and what they write is read when their scope has closed.
 */
#include <errno.h>
#include <gyre/parallel.h>
#include <gyre/scope.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "kernel/thread.h"

enum { PIECES_EACH = 8, CACHE_LINE = 64 };

/* How long pieces may follow each other before the loop has its turn. */
#define TURN_NS (UINT64_C(100) * 1000)

struct parallel {
    size_t count;
    size_t grain;
    size_t pieces;
    gyre_parallel_fn *fn;            /* or: */
    const gyre_reduction *reduction; /* NULL: there is `fn` */
    void *arg;
    bool blocks;    /* pieces are for threads of the pool */
    unsigned width; /* tasks that take part, at most */
    _Alignas(CACHE_LINE) _Atomic size_t next;
    atomic_int error; /* the first; negative: take no more */
};

/* What a task has of it. */
struct share {
    struct parallel *all;
    void *value; /* of a reduction */
    bool began;
};

/* ---- one task ------------------------------------------------------------ */

static void share_begin(struct share *share)
{
    const gyre_reduction *reduction = share->all->reduction;

    share->began = true;
    if (reduction == NULL)
        return;
    if (reduction->begin != NULL)
        reduction->begin(share->value, share->all->arg);
    else
        memset(share->value, 0, reduction->size);
}

static int piece_do(const struct share *share, size_t piece)
{
    const struct parallel *all = share->all;
    size_t from = piece * all->grain;
    size_t to = all->count - from > all->grain ? from + all->grain : all->count;

    return all->reduction != NULL
               ? all->reduction->fold(share->value, from, to, all->arg)
               : all->fn(from, to, all->arg);
}

struct call {
    const struct share *share;
    size_t piece;
};

/* On a thread of the pool. */
static int call_do(void *arg)
{
    const struct call *call = arg;

    return piece_do(call->share, call->piece);
}

static int piece_do_anywhere(const struct share *share, size_t piece)
{
    struct call call = { .share = share, .piece = piece };
    gyre_op op;

    if (!share->all->blocks)
        return piece_do(share, piece);
    gyre_op_call(&op, call_do, &call);
    return gyre_await(&op).res;
}

static int parallel_fail(struct parallel *all, int err)
{
    int none = 0;

    atomic_compare_exchange_strong_explicit(
        &all->error, &none, err, memory_order_relaxed, memory_order_relaxed);
    return err;
}

static bool parallel_is_over(const struct parallel *all)
{
    return atomic_load_explicit(&all->next, memory_order_relaxed) >=
               all->pieces ||
           atomic_load_explicit(&all->error, memory_order_relaxed) != 0;
}

/* Let others have their turn. A yield alone comes back at once if nobody is
 * ready, a few hundred times; timers and the kernel are looked at in between.
 */
static int share_yield(uint64_t *turned_ns)
{
    uint64_t now_ns = thread_clock();

    if (now_ns - *turned_ns >= TURN_NS) {
        task_running()->tasks->loop->ready_left = 0;
        *turned_ns = now_ns;
    }
    return gyre_yield();
}

/* Piece after piece, until there is none, somebody has failed, or the task is
 * cancelled. */
static int share_do(struct share *share)
{
    struct parallel *all = share->all;
    uint64_t turned_ns = thread_clock();
    int err = gyre_cancelled();

    share_begin(share);
    while (err >= 0 && !parallel_is_over(all)) {
        size_t piece =
            atomic_fetch_add_explicit(&all->next, 1, memory_order_relaxed);

        if (piece >= all->pieces)
            break;
        err = piece_do_anywhere(share, piece);
        if (err >= 0 && !parallel_is_over(all))
            err = share_yield(&turned_ns);
    }
    return err < 0 ? parallel_fail(all, err) : 0;
}

/* ---- several ------------------------------------------------------------- */

static int helper_main(void *arg)
{
    struct share *share = arg;

    return parallel_is_over(share->all) ? 0 : share_do(share);
}

/* As many as can be had. A caller that would have to wait for room does not: it
 * might be who takes it. */
static void helpers_spawn(const struct parallel *all, gyre_scope *scope,
                          struct share *shares, unsigned count)
{
    const gyre_task_options options = { .name = "parallel",
                                        .where = all->blocks ? GYRE_HERE
                                                             : GYRE_ANYWHERE };

    for (unsigned i = 0; i < count && !bound_is_reached(scope); i++)
        if (gyre_spawn_with(scope, &options, helper_main, &shares[i], NULL) < 0)
            return;
}

static int parallel_do(struct parallel *all, struct share *own,
                       struct share *shares, unsigned helpers)
{
    gyre_scope scope;
    int err;

    if (helpers == 0)
        return share_do(own);
    gyre_scope_open(&scope, NULL);
    helpers_spawn(all, &scope, shares, helpers);
    if (share_do(own) < 0)
        gyre_scope_cancel(&scope);
    err = gyre_scope_close(&scope);
    /* A piece may have been cut short by a cancel, which is no error of the
     * scope's. */
    return err < 0 ? err : atomic_load(&all->error);
}

static void combine(const struct parallel *all, void *result,
                    const struct share *shares, unsigned helpers)
{
    for (unsigned i = 0; i < helpers; i++)
        if (shares[i].began)
            all->reduction->combine(result, shares[i].value, all->arg);
}

/* Engines, or threads of the pool. */
static unsigned parallel_width(const struct parallel *all)
{
    const struct tasks *tasks = task_running()->tasks;
    struct kernel *kernel = tasks->loop->kernel;
    const struct engine *here = tasks->engine;
    struct kernel_pool pool = { .threads_max = 1 };

    if (!all->blocks)
        return here != NULL ? here->set->count : 1;
    if (kernel->class->pool != NULL)
        kernel->class->pool(kernel, &pool);
    return pool.threads_max;
}

/* A share for each, and behind them their values, each in cache lines of its
 * own. NULL: no memory. */
static struct share *shares_make(struct parallel *all, unsigned count)
{
    size_t value = all->reduction != NULL ? all->reduction->size : 0;
    size_t room = (value + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    size_t first = (count * sizeof(struct share) + CACHE_LINE - 1) &
                   ~(size_t)(CACHE_LINE - 1);
    struct share *shares = alloc_aligned(CACHE_LINE, first + count * room);

    for (unsigned i = 0; shares != NULL && i < count; i++)
        shares[i] =
            (struct share){ .all = all,
                            .value = (char *)shares + first + i * room };
    return shares;
}

static void parallel_cut(struct parallel *all, size_t grain)
{
    all->width = parallel_width(all);
    if (grain == 0)
        grain = all->count / ((size_t)all->width * PIECES_EACH);
    all->grain = grain > 0 ? grain : 1;
    all->pieces = all->count / all->grain + (all->count % all->grain != 0);
    if (all->pieces < all->width)
        all->width = (unsigned)all->pieces;
}

static int parallel(struct parallel *all, size_t grain, void *result)
{
    struct share own = { .all = all, .value = result };
    struct share *shares = NULL;
    unsigned helpers;
    int err;

    parallel_cut(all, grain);
    helpers = all->width > 0 ? all->width - 1 : 0;
    if (helpers > 0)
        shares = shares_make(all, helpers);
    if (shares == NULL)
        helpers = 0;
    err = parallel_do(all, &own, shares, helpers);
    if (err == 0 && all->reduction != NULL)
        combine(all, result, shares, helpers);
    alloc_free(shares);
    return err;
}

int gyre_parallel_for(size_t count, size_t grain, gyre_parallel_fn *fn,
                      void *arg)
{
    struct parallel all = { .count = count, .fn = fn, .arg = arg };

    return parallel(&all, grain, NULL);
}

int gyre_parallel_reduce(size_t count, size_t grain,
                         const gyre_reduction *reduction, void *result,
                         void *arg)
{
    struct parallel all = { .count = count,
                            .reduction = reduction,
                            .arg = arg };

    return parallel(&all, grain, result);
}

int gyre_parallel_blocking(size_t count, size_t grain, gyre_parallel_fn *fn,
                           void *arg)
{
    struct parallel all = {
        .count = count, .fn = fn, .arg = arg, .blocks = true
    };

    return parallel(&all, grain, NULL);
}
