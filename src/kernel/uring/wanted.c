/* SPDX-License-Identifier: MIT */
/*
 * wanted.c - see wanted.h
 *
 * Linux answers EINVAL to a set of flags, and does not say to which. So when a
 * ring is refused, rings are asked for with one member more each time, in the
 * order of the table: the first that is refused has the culprit.
 */
#include "kernel/uring/wanted.h"

#include <errno.h>
#include <unistd.h>

#include "kernel/options.h"
#include "kernel/uring/polled.h"
#include "kernel/uring/workers.h"
#include "ring/syscalls.h"

#define CQ_MIXED_MIN 8U

struct option {
    bool (*is_asked)(const gyre_ring_options *asked);
    void (*drop)(gyre_ring_options *asked);
    /* For the set-up; or NULL. */
    void (*want)(const gyre_ring_options *asked, struct ring_wanted *wanted);
    /* Once the ring is there, and before it is enabled: 0 or a negative errno;
     * or NULL. */
    int (*apply)(struct uring *uring);
    const char *refused;
    const char *exhausted; /* -EAGAIN: likewise; or NULL */
};

/* ---- sqpoll -------------------------------------------------------------- */

static bool sqpoll_is_asked(const gyre_ring_options *asked)
{
    return asked->sqpoll;
}

static void sqpoll_drop(gyre_ring_options *asked)
{
    asked->sqpoll = asked->sqpoll_bound = false;
    asked->sqpoll_idle_ms = asked->sqpoll_cpu = 0;
}

static void sqpoll_want(const gyre_ring_options *asked,
                        struct ring_wanted *wanted)
{
    wanted->flags |= IORING_SETUP_SQPOLL;
    wanted->sq_thread_idle_ms = asked->sqpoll_idle_ms;
}

static bool sqpoll_bound_is_asked(const gyre_ring_options *asked)
{
    return asked->sqpoll_bound;
}

static void sqpoll_bound_drop(gyre_ring_options *asked)
{
    asked->sqpoll_bound = false;
    asked->sqpoll_cpu = 0;
}

static void sqpoll_bound_want(const gyre_ring_options *asked,
                              struct ring_wanted *wanted)
{
    wanted->flags |= IORING_SETUP_SQ_AFF;
    wanted->sq_thread_cpu = asked->sqpoll_cpu;
}

/* ---- huge_pages ---------------------------------------------------------- */

static bool huge_pages_is_asked(const gyre_ring_options *asked)
{
    return asked->huge_pages;
}

static void huge_pages_drop(gyre_ring_options *asked)
{
    asked->huge_pages = false;
}

static void huge_pages_want(const gyre_ring_options *asked,
                            struct ring_wanted *wanted)
{
    (void)asked;
    wanted->flags |= IORING_SETUP_NO_MMAP;
}

/* ---- sq_rewind ----------------------------------------------------------- */

static bool sq_rewind_is_asked(const gyre_ring_options *asked)
{
    return asked->sq_rewind;
}

static void sq_rewind_drop(gyre_ring_options *asked)
{
    asked->sq_rewind = false;
}

static void sq_rewind_want(const gyre_ring_options *asked,
                           struct ring_wanted *wanted)
{
    (void)asked;
    wanted->flags |= IORING_SETUP_SQ_REWIND | IORING_SETUP_NO_SQARRAY;
}

/* ---- sharing ------------------------------------------------------------- */

static bool movable_is_asked(const gyre_ring_options *asked)
{
    return asked->movable || asked->shared;
}

static void movable_drop(gyre_ring_options *asked)
{
    asked->movable = asked->shared = false;
}

/* Deferred and cooperative work waits for the thread that submitted. */
static void movable_want(const gyre_ring_options *asked,
                         struct ring_wanted *wanted)
{
    (void)asked;
    wanted->never |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
}

/* A queue that begins anew with each call is its caller's. */
static int movable_apply(struct uring *uring)
{
    const gyre_ring_options *asked = &uring->kernel.ring;

    return asked->shared && asked->sq_rewind ? -EOPNOTSUPP : 0;
}

static bool share_is_asked(const gyre_ring_options *asked)
{
    return asked->share_workers != 0;
}

static void share_drop(gyre_ring_options *asked)
{
    asked->share_workers = 0;
}

/* Linux takes it without sqpoll, and then does nothing. */
static int share_apply(struct uring *uring)
{
    return uring->kernel.ring.sqpoll ? 0 : -EOPNOTSUPP;
}

/* ---- cq_entries_max ------------------------------------------------------ */

static bool growth_is_asked(const gyre_ring_options *asked)
{
    return asked->cq_entries_max != 0;
}

static void growth_drop(gyre_ring_options *asked)
{
    asked->cq_entries_max = 0;
}

/* ---- waits --------------------------------------------------------------- */

static bool min_wait_is_asked(const gyre_ring_options *asked)
{
    return asked->min_wait_us != 0;
}

static void min_wait_drop(gyre_ring_options *asked)
{
    asked->min_wait_us = 0;
}

static int min_wait_apply(struct uring *uring)
{
    if ((uring->ring.features & IORING_FEAT_MIN_TIMEOUT) == 0)
        return -EOPNOTSUPP;
    uring->batches = true;
    return 0;
}

static bool registered_waits_is_asked(const gyre_ring_options *asked)
{
    return asked->registered_waits;
}

static void registered_waits_drop(gyre_ring_options *asked)
{
    asked->registered_waits = false;
}

/* Linux takes the page only of a ring that is not enabled yet. */
static void registered_waits_want(const gyre_ring_options *asked,
                                  struct ring_wanted *wanted)
{
    (void)asked;
    wanted->flags |= IORING_SETUP_R_DISABLED;
}

/* ---- napi ---------------------------------------------------------------- */

static bool napi_is_asked(const gyre_ring_options *asked)
{
    return asked->napi_us != 0 || asked->napi_prefer;
}

static void napi_drop(gyre_ring_options *asked)
{
    asked->napi_us = 0;
    asked->napi_prefer = false;
}

static int napi_apply(struct uring *uring)
{
    struct io_uring_napi napi = {
        .busy_poll_to = uring->kernel.ring.napi_us,
        .prefer_busy_poll = uring->kernel.ring.napi_prefer,
    };

    if (!ring_feature_allowed(RING_NAPI) || napi.busy_poll_to == 0)
        return -EOPNOTSUPP;
    return ring_sys_register(uring->ring.fd, IORING_REGISTER_NAPI, &napi, 1);
}

/* ---- restrictions and workers -------------------------------------------- */

static bool restrictable_is_asked(const gyre_ring_options *asked)
{
    return asked->restrictable;
}

static void restrictable_drop(gyre_ring_options *asked)
{
    asked->restrictable = false;
}

static void restrictable_want(const gyre_ring_options *asked,
                              struct ring_wanted *wanted)
{
    (void)asked;
    wanted->flags |= IORING_SETUP_R_DISABLED;
}

static bool iowq_is_asked(const gyre_ring_options *asked)
{
    return asked->iowq_bounded != 0 || asked->iowq_unbounded != 0;
}

static void iowq_drop(gyre_ring_options *asked)
{
    asked->iowq_bounded = asked->iowq_unbounded = 0;
}

static void iowq_cpus_drop(gyre_ring_options *asked)
{
    asked->iowq_cpus = (gyre_cpus){ { 0 } };
}

/* ---- sizes --------------------------------------------------------------- */

static bool big_cqes_is_asked(const gyre_ring_options *asked)
{
    return asked->big_cqes;
}

static void big_cqes_drop(gyre_ring_options *asked)
{
    asked->big_cqes = false;
}

static void big_cqes_want(const gyre_ring_options *asked,
                          struct ring_wanted *wanted)
{
    (void)asked;
    wanted->flags |= IORING_SETUP_CQE32;
}

static bool mixed_cqes_is_asked(const gyre_ring_options *asked)
{
    return asked->mixed_cqes;
}

static void mixed_cqes_drop(gyre_ring_options *asked)
{
    asked->mixed_cqes = false;
}

static void mixed_cqes_want(const gyre_ring_options *asked,
                            struct ring_wanted *wanted)
{
    unsigned entries = wanted->cq_entries != 0 ? wanted->cq_entries
                                               : 2 * wanted->entries;

    (void)asked;
    wanted->flags |= IORING_SETUP_CQE_MIXED;
    /* Room for two places beside a filler. */
    if (entries < CQ_MIXED_MIN)
        wanted->cq_entries = CQ_MIXED_MIN;
}

static bool big_sqes_is_asked(const gyre_ring_options *asked)
{
    return asked->big_sqes;
}

static void big_sqes_drop(gyre_ring_options *asked)
{
    asked->big_sqes = false;
}

static void big_sqes_want(const gyre_ring_options *asked,
                          struct ring_wanted *wanted)
{
    (void)asked;
    wanted->flags |= IORING_SETUP_SQE128;
}

static bool mixed_sqes_is_asked(const gyre_ring_options *asked)
{
    return asked->mixed_sqes;
}

static void mixed_sqes_drop(gyre_ring_options *asked)
{
    asked->mixed_sqes = false;
}

static void mixed_sqes_want(const gyre_ring_options *asked,
                            struct ring_wanted *wanted)
{
    (void)asked;
    wanted->flags |= IORING_SETUP_SQE_MIXED;
    if (wanted->entries < SQE_BIG_PLACES)
        wanted->entries = SQE_BIG_PLACES;
}

/* ---- polled requests ----------------------------------------------------- */

static bool iopoll_is_asked(const gyre_ring_options *asked)
{
    return asked->iopoll;
}

static void iopoll_drop(gyre_ring_options *asked)
{
    asked->iopoll = false;
}

static bool hybrid_iopoll_is_asked(const gyre_ring_options *asked)
{
    return asked->hybrid_iopoll;
}

static void hybrid_iopoll_drop(gyre_ring_options *asked)
{
    asked->hybrid_iopoll = false;
}

/* ---- the table ----------------------------------------------------------- */

/* A member that needs another comes after it. */
static const struct option options[] = {
    { sqpoll_is_asked, sqpoll_drop, sqpoll_want, NULL,
      "sqpoll: this Linux gives no thread that polls the queue (5.11 does to "
      "root, 5.13 to all), or one with a fault (gyre doctor names it): leave "
      "it out, or set best_effort",
      "sqpoll: no thread more may be had for it: raise ulimit -u, or leave it "
      "out" },
    { sqpoll_bound_is_asked, sqpoll_bound_drop, sqpoll_bound_want, NULL,
      "sqpoll_bound: needs sqpoll, and sqpoll_cpu the number of a processor "
      "that this process may use" },
    { huge_pages_is_asked, huge_pages_drop, huge_pages_want, NULL,
      "huge_pages: needs Linux 6.5, and before 6.10 huge pages that are to be "
      "had: leave it out, or set best_effort" },
    { sq_rewind_is_asked, sq_rewind_drop, sq_rewind_want, NULL,
      "sq_rewind: needs Linux 7.0, and no sqpoll: leave it out, or set "
      "best_effort" },
    { movable_is_asked, movable_drop, movable_want, movable_apply,
      "shared: excludes sq_rewind: leave one of them out, or set best_effort",
      NULL },
    { share_is_asked, share_drop, NULL, share_apply,
      "share_workers: needs sqpoll, for without it each thread has one set of "
      "workers for all its rings: add it, or leave share_workers out",
      NULL },
    { growth_is_asked, growth_drop, NULL, uring_grow_try,
      "cq_entries_max: needs Linux 6.13 and DEFER_TASKRUN (not with sqpoll), "
      "and "
      "neither huge_pages nor sq_rewind: "
      "leave it out, or set best_effort" },
    { min_wait_is_asked, min_wait_drop, NULL, min_wait_apply,
      "min_wait_us: needs Linux 6.12: leave it out, or set best_effort" },
    { registered_waits_is_asked, registered_waits_drop, registered_waits_want,
      uring_waits_register,
      "registered_waits: needs Linux 6.13: leave it out, or set best_effort" },
    { napi_is_asked, napi_drop, NULL, napi_apply,
      "napi_us: needs Linux 6.9 with CONFIG_NET_RX_BUSY_POLL, and a number of "
      "microseconds that it takes (from 7.1 at most 10000); napi_prefer needs "
      "napi_us" },
    { restrictable_is_asked, restrictable_drop, restrictable_want, NULL,
      "restrictable: this Linux makes no ring that can be restricted (5.10 "
      "does): leave it out, or set best_effort" },
    { iowq_is_asked, iowq_drop, NULL, workers_limit,
      "iowq_bounded, iowq_unbounded: numbers below 2^31, and a Linux that "
      "takes them (5.15): leave them out, or set best_effort" },
    { options_name_cpus, iowq_cpus_drop, NULL, workers_check_cpus,
      "iowq_cpus: this process may use none of these processors" },
    { big_cqes_is_asked, big_cqes_drop, big_cqes_want, NULL,
      "big_cqes: this Linux has no completions of 32 bytes (5.19 has): leave "
      "it "
      "out, or set best_effort" },
    { mixed_cqes_is_asked, mixed_cqes_drop, mixed_cqes_want, NULL,
      "mixed_cqes: since Linux 6.18, and not beside big_cqes, which serves "
      "before that" },
    { big_sqes_is_asked, big_sqes_drop, big_sqes_want, NULL,
      "big_sqes: this Linux has no requests of 128 bytes (5.19 has): leave it "
      "out, or set best_effort" },
    { mixed_sqes_is_asked, mixed_sqes_drop, mixed_sqes_want, NULL,
      "mixed_sqes: since Linux 6.19, and not beside big_sqes, which serves "
      "before that" },
    { iopoll_is_asked, iopoll_drop, NULL, polled_open,
      "iopoll: this Linux gives no ring that is polled: leave it out, or set "
      "best_effort" },
    { hybrid_iopoll_is_asked, hybrid_iopoll_drop, NULL, polled_open_hybrid,
      "hybrid_iopoll: since Linux 6.13, and beside iopoll, which serves "
      "before that" },
};

/* What to ask of Linux for the first `count` members of those asked for. */
static struct ring_wanted wanted_of(const struct uring *uring, size_t count)
{
    const gyre_ring_options *asked = &uring->kernel.ring;
    struct ring_wanted wanted = {
        .entries = uring->options.entries,
        .cq_entries = uring->options.cq_entries,
    };

    for (size_t i = 0; i < count; i++)
        if (options[i].want != NULL && options[i].is_asked(asked))
            options[i].want(asked, &wanted);
    return wanted;
}

static bool any_is_asked(const gyre_ring_options *asked)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (options[i].is_asked(asked))
            return true;
    return false;
}

/* Whose fault it is that the ring was refused; NULL: no member's. */
static const struct option *culprit(const struct uring *uring)
{
    for (size_t i = 0; i <= ARRAY_SIZE(options); i++) {
        struct ring_wanted wanted = wanted_of(uring, i);
        struct ring ring;

        wanted.entries = SQE_BIG_PLACES;
        wanted.cq_entries = CQ_MIXED_MIN;
        int err = ring_open(&ring, &wanted);

        ring_close(&ring);
        if (err < 0)
            return i > 0 ? &options[i - 1] : NULL;
    }
    return NULL;
}

/* A member was refused: try without it, or say which it was. True: again. */
static bool give_way(struct uring *uring, const struct option *option, int *err)
{
    if (uring->options.ring.best_effort) {
        option->drop(&uring->kernel.ring);
        return true;
    }
    if (*err == -EINVAL)
        *err = -EOPNOTSUPP;
    if (uring->options.why != NULL)
        *uring->options.why = *err == -EAGAIN ? option->exhausted
                                              : option->refused;
    return false;
}

static int open_ring(struct uring *uring)
{
    for (;;) {
        struct ring_wanted wanted = wanted_of(uring, ARRAY_SIZE(options));
        int share_fd = -1;

        if (share_is_asked(&uring->kernel.ring))
            share_fd = kernel_sharing(uring->kernel.ring.share_workers);
        if (share_fd >= 0) {
            wanted.flags |= IORING_SETUP_ATTACH_WQ;
            wanted.share_fd = share_fd;
        }
        int err = ring_open(&uring->ring, &wanted);

        if (share_fd >= 0)
            close(share_fd);
        if ((err != -EINVAL && err != -EPERM && err != -EOPNOTSUPP &&
             err != -EAGAIN) ||
            !any_is_asked(&uring->kernel.ring))
            return err;
        const struct option *option = culprit(uring);

        if (option == NULL || !give_way(uring, option, &err))
            return err;
    }
}

int wanted_open(struct uring *uring)
{
    uring->kernel.ring = uring->options.ring;
    int err = open_ring(uring);

    for (size_t i = 0; err == 0 && i < ARRAY_SIZE(options); i++) {
        const struct option *option = &options[i];

        if (option->apply == NULL || !option->is_asked(&uring->kernel.ring))
            continue;
        err = option->apply(uring);
        if (err < 0 && give_way(uring, option, &err))
            err = 0;
    }
    return err;
}
