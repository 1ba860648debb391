/* SPDX-License-Identifier: MIT */
/*
 * trace_sum.c - a table of opcodes: how many, and how long they took
 *
 * Percentiles are those of a histogram with eight steps to each doubling, so
 * they are at most an eighth too large.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "trace_show.h"
#include "trace_time.h"

#define STEPS_BITS 3
#define BINS (64 << STEPS_BITS)

struct spread {
    uint64_t count;
    uint64_t bins[BINS];
};

struct opcode_sum {
    uint64_t count;
    uint64_t errors;
    uint64_t results;
    struct spread queued;
    struct spread kernel;
    struct spread resume;
};

struct sums {
    const struct trace_filter *filter;
    struct opcode_sum *of[256];
    bool failed;
};

static unsigned bin_of(uint64_t ns)
{
    unsigned power;

    if (ns < 1U << STEPS_BITS)
        return (unsigned)ns;
    power = 63 - (unsigned)__builtin_clzll(ns) - STEPS_BITS;
    return ((power + 1) << STEPS_BITS) +
           (unsigned)((ns >> power) & ((1U << STEPS_BITS) - 1));
}

/* The most that falls into it. */
static uint64_t bin_top(unsigned bin)
{
    unsigned power = bin >> STEPS_BITS;
    uint64_t step = bin & ((1U << STEPS_BITS) - 1);

    if (power == 0)
        return bin;
    return ((((UINT64_C(1) << STEPS_BITS) + step + 1) << (power - 1))) - 1;
}

static void spread_add(struct spread *spread, uint64_t ns)
{
    spread->count++;
    spread->bins[bin_of(ns)]++;
}

static uint64_t spread_percentile(const struct spread *spread, unsigned percent)
{
    uint64_t rank = (spread->count * percent + 99) / 100;
    uint64_t seen = 0;

    for (unsigned bin = 0; bin < BINS; bin++) {
        seen += spread->bins[bin];
        if (seen >= rank)
            return bin_top(bin);
    }
    return 0;
}

static void add_life(void *user, const struct life *life)
{
    struct sums *sums = user;
    struct opcode_sum *sum = sums->of[life->opcode];

    if (life->ended_ns == 0 || !trace_wants_op(sums->filter, life))
        return;
    if (sum == NULL)
        sum = sums->of[life->opcode] = calloc(1, sizeof *sum);
    if (sum == NULL) {
        sums->failed = true;
        return;
    }
    sum->count++;
    sum->errors += life->result < 0;
    sum->results += life->results;
    if (life->submitted_ns != 0 && !life->tried) {
        spread_add(&sum->queued, life_queued_ns(life));
        spread_add(&sum->kernel, life_kernel_ns(life));
    }
    if (life->resumed_ns != 0 && !life->tried)
        spread_add(&sum->resume, life_resume_ns(life));
}

static void put_spread(FILE *out, const struct spread *spread)
{
    char p50[TRACE_TIME_BYTES];
    char p99[TRACE_TIME_BYTES];

    if (spread->count == 0)
        fprintf(out, " %9s %9s", "-", "-");
    else
        fprintf(out, " %9s %9s", trace_time(p50, spread_percentile(spread, 50)),
                trace_time(p99, spread_percentile(spread, 99)));
}

int trace_show_summary(FILE *out, const struct trace *trace,
                       const struct trace_filter *filter)
{
    struct sums sums = { .filter = filter };
    const struct life_listener listener = { .user = &sums, .life = add_life };
    int err = trace_live(trace, &listener);

    fprintf(out, "%-16s %9s %9s %9s %19s %19s %19s\n", "", "", "", "further",
            "queued", "kernel", "resume");
    fprintf(out, "%-16s %9s %9s %9s", "op", "count", "errors", "results");
    for (unsigned i = 0; i < 3; i++)
        fprintf(out, " %9s %9s", "p50", "p99");
    fputc('\n', out);
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        const struct opcode_sum *sum = sums.of[opcode];

        if (sum == NULL)
            continue;
        fprintf(out, "%-16s %9" PRIu64 " %9" PRIu64 " %9" PRIu64,
                trace_op_name((uint8_t)opcode), sum->count, sum->errors,
                sum->results);
        put_spread(out, &sum->queued);
        put_spread(out, &sum->kernel);
        put_spread(out, &sum->resume);
        fputc('\n', out);
        free(sums.of[opcode]);
    }
    if (err == 0 && sums.failed)
        err = -ENOMEM;
    return err;
}
