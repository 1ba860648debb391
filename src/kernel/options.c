/* SPDX-License-Identifier: MIT */
/*
 * options.c - the numbers that a kernel is asked for, checked
 *
 * The bounds are Linux's own: 32768 SQEs, twice as many CQEs, and a CQ no
 * smaller than the SQ. Linux would answer EINVAL to each of them; here they are
 * told apart.
 */
#include "kernel/options.h"

#include <errno.h>

#include "base/assert.h"

#define CQ_ENTRIES_MAX (2 * KERNEL_ENTRIES_MAX)

static unsigned round_up(unsigned n)
{
    unsigned power = 1;

    ASSERT(n >= 1 && n <= CQ_ENTRIES_MAX);
    while (power < n)
        power *= 2;
    return power;
}

static const char *objection(const struct kernel_options *asked)
{
    if (asked->entries == 0)
        return "a ring needs entries: ask for 1 to 32768";
    if (asked->entries > KERNEL_ENTRIES_MAX)
        return "too many entries: ask for 32768 or fewer, or set clamp";
    if (asked->cq_entries > CQ_ENTRIES_MAX)
        return "too many CQ entries: ask for 65536 or fewer, or set clamp";
    if (asked->cq_entries != 0 &&
        round_up(asked->cq_entries) < round_up(asked->entries))
        return "the CQ must have as many entries as the SQ or more; 0 stands "
               "for twice as many";
    if (asked->ring.cq_entries_max > CQ_ENTRIES_MAX ||
        (asked->ring.cq_entries_max & (asked->ring.cq_entries_max - 1)) != 0)
        return "cq_entries_max is to be a power of two, at most 65536";
    if (asked->ring.spin_us > KERNEL_SPIN_US_MAX)
        return "spin_us is more than 1000000: a second of looking at a queue "
               "helps nobody";
    return NULL;
}

static unsigned limit(unsigned n, unsigned low, unsigned high)
{
    return n < low ? low : n > high ? high : n;
}

int kernel_options_resolve(struct kernel_options *result,
                           const struct kernel_options *asked, const char **why)
{
    *result = *asked;
    if (asked->clamp) {
        result->entries = limit(asked->entries, 1, KERNEL_ENTRIES_MAX);
        if (asked->cq_entries != 0)
            result->cq_entries =
                limit(asked->cq_entries, result->entries, CQ_ENTRIES_MAX);
    }

    const char *sentence = objection(result);

    if (sentence != NULL) {
        if (why != NULL)
            *why = sentence;
        return -EINVAL;
    }
    result->entries = round_up(result->entries);
    if (result->cq_entries != 0)
        result->cq_entries = round_up(result->cq_entries);
    if (result->threads_max == 0)
        result->threads_max = KERNEL_THREADS_DEFAULT;
    if (result->idle_ms == 0)
        result->idle_ms = KERNEL_IDLE_MS_DEFAULT;
    return 0;
}

bool options_name_cpus(const gyre_ring_options *asked)
{
    for (size_t i = 0; i < ARRAY_SIZE(asked->iowq_cpus.bits); i++)
        if (asked->iowq_cpus.bits[i] != 0)
            return true;
    return false;
}
#define NO_RING                                                                \
    ": io_uring is not used here (gyre doctor says why), and the emulator "    \
    "has "                                                                     \
    "no requests that need it: leave it out, or set best_effort"

/* What only Linux's own ring can give. */
static const char *asked_of_linux(const gyre_ring_options *asked)
{
    if (asked->sqpoll || asked->sqpoll_bound)
        return "sqpoll: io_uring is not used here (gyre doctor says why), and "
               "no thread of Linux's polls an emulated queue: leave it out, or "
               "set best_effort";
    if (asked->huge_pages)
        return "huge_pages: io_uring is not used here (gyre doctor says why): "
               "leave it out, or set best_effort";
    if (asked->sq_rewind)
        return "sq_rewind: io_uring is not used here (gyre doctor says why): "
               "leave it out, or set best_effort";
    if (asked->cq_entries_max != 0)
        return "cq_entries_max: io_uring is not used here (gyre doctor says "
               "why), and an emulated queue does not grow: leave it out, or "
               "set best_effort";
    if (asked->min_wait_us != 0)
        return "min_wait_us: io_uring is not used here (gyre doctor says why), "
               "and emulated waits end with the first completion: leave it "
               "out, or set best_effort";
    if (asked->registered_waits)
        return "registered_waits: io_uring is not used here (gyre doctor says "
               "why): leave it out, or set best_effort";
    if (asked->napi_us != 0 || asked->napi_prefer)
        return "napi_us: io_uring is not used here (gyre doctor says why): "
               "leave it out, set best_effort, or set SO_BUSY_POLL on sockets";
    if (asked->iowq_bounded != 0 || asked->iowq_unbounded != 0)
        return "iowq_bounded, iowq_unbounded: io_uring is not used here (gyre "
               "doctor says why): blocking_threads_max is for the threads of "
               "the emulator; leave them out, or set best_effort";
    if (options_name_cpus(asked))
        return "iowq_cpus: io_uring is not used here (gyre doctor says why), "
               "and the threads of the emulator are not bound: leave it out, "
               "or set best_effort";
    if (asked->big_cqes || asked->mixed_cqes)
        return asked->big_cqes ? "big_cqes" NO_RING : "mixed_cqes" NO_RING;
    if (asked->iopoll || asked->hybrid_iopoll)
        return asked->iopoll ? "iopoll" NO_RING : "hybrid_iopoll" NO_RING;
    if (asked->big_sqes || asked->mixed_sqes)
        return asked->big_sqes ? "big_sqes" NO_RING : "mixed_sqes" NO_RING;
    if (asked->shared)
        return "shared: io_uring is not used here (gyre doctor says why), and "
               "an emulated queue has one thread: leave it out, or set "
               "best_effort";
    if (asked->share_workers != 0)
        return "share_workers: io_uring is not used here (gyre doctor says "
               "why), and each emulated loop has its own threads: leave it "
               "out, or set best_effort";
    if (asked->spin_us != 0)
        return "spin_us: io_uring is not used here (gyre doctor says why), and "
               "an emulated queue shows nothing to whoever looks at it: leave "
               "it out, or set best_effort";
    return NULL;
}

int kernel_options_refuse_ring(const struct kernel_options *options)
{
    const char *sentence = asked_of_linux(&options->ring);

    if (sentence == NULL || options->ring.best_effort)
        return 0;
    if (options->why != NULL)
        *options->why = sentence;
    return -EOPNOTSUPP;
}
