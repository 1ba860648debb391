/* SPDX-License-Identifier: MIT */
/*
 * report.c - what the samples say, for people or as JSON
 *
 * The JSON has every sample, for those who want to see the spread or another
 * statistic; the table has medians and minima, and their ratios to the limit of
 * the case.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct summary {
    double median;
    double minimum;
    double cpu;   /* of the median */
    double wall;  /* of the median; 0: unknown */
    double calls; /* for each operation; < 0: unknown */
};

/* How samples are compared: what the case is about. */
static double cost(const struct sample *sample, bool in_wall)
{
    uint64_t ns = in_wall ? sample->wall_ns : sample->cpu_ns;

    return (double)ns / (double)sample->ops;
}

static int by_cpu(const void *a, const void *b)
{
    double x = cost(a, false);
    double y = cost(b, false);

    return (x > y) - (x < y);
}

static int by_wall(const void *a, const void *b)
{
    double x = cost(a, true);
    double y = cost(b, true);

    return (x > y) - (x < y);
}

static struct summary summarize(const struct series *series, bool in_wall)
{
    struct summary summary = { .calls = -1 };
    struct sample sorted[256];
    unsigned count = series->count < 256 ? series->count : 256;
    unsigned middle = count / 2;

    if (count == 0)
        return summary;
    memcpy(sorted, series->samples, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, in_wall ? by_wall : by_cpu);
    summary.minimum = cost(&sorted[0], in_wall);
    summary.median = cost(&sorted[middle], in_wall);
    if (count % 2 == 0)
        summary.median = (summary.median + cost(&sorted[middle - 1], in_wall)) /
                         2;
    summary.cpu = cost(&sorted[middle], false);
    summary.wall = cost(&sorted[middle], true);
    if (series->calls >= 0)
        summary.calls = series->calls;
    else if (sorted[middle].calls != CALLS_UNKNOWN)
        summary.calls = (double)sorted[middle].calls /
                        (double)sorted[middle].ops;
    return summary;
}

static struct summary limit_of(const struct bench_case *of,
                               const struct series *series)
{
    for (unsigned i = 0; i < of->count; i++)
        if (of->contenders[i].is_limit)
            return summarize(&series[i], of->in_wall);
    return (struct summary){ 0 };
}

/* Why there are no samples. */
static void print_reason(const struct contender *contender, int error)
{
    if (contender->peer != NULL && error == -ENOENT)
        printf("not built (%s)", peer_package(contender->peer));
    else
        printf("%s", strerror(-error));
}

/* ---- JSON --------------------------------------------------------------- */

/* Names are ours: letters, digits, spaces. Nothing needs escaping. */
static void json_contender(const struct bench_case *of,
                           const struct contender *contender,
                           const struct series *series,
                           const struct summary *limit)
{
    struct summary summary = summarize(series, of->in_wall);
    const char *in = of->in_bytes ? "bytes" : "ns";

    printf("{\"name\":\"%s\",\"limit\":%s", contender->name,
           contender->is_limit ? "true" : "false");
    if (series->error != 0) {
        printf(",\"error\":\"");
        print_reason(contender, series->error);
        printf("\"");
    }
    if (series->count > 0) {
        printf(",\"median_%s\":%.3f,\"minimum_%s\":%.3f", in, summary.median,
               in, summary.minimum);
        if (limit->minimum > 0)
            printf(",\"ratio_medians\":%.4f,\"ratio_minima\":%.4f",
                   summary.median / limit->median,
                   summary.minimum / limit->minimum);
        if (of->in_wall)
            printf(",\"cpu_ns\":%.3f", summary.cpu);
        else if (summary.wall > 0)
            printf(",\"wall_ns\":%.3f", summary.wall);
        if (summary.calls >= 0)
            printf(",\"calls\":%.5f", summary.calls);
    }
    if (series->instructions > 0)
        printf(",\"instructions\":%.1f", series->instructions);
    printf(",\"samples_%s\":[", in);
    for (unsigned i = 0; i < series->count; i++)
        printf("%s%.3f", i == 0 ? "" : ",",
               cost(&series->samples[i], of->in_wall));
    printf("]}");
}

static void json_case(const struct bench_case *of, const struct series *series,
                      bool first)
{
    struct summary limit = limit_of(of, series);

    printf("%s\n{\"case\":\"%s\",\"contenders\":[", first ? "" : ",", of->name);
    for (unsigned i = 0; i < of->count; i++) {
        printf("%s\n ", i == 0 ? "" : ",");
        json_contender(of, &of->contenders[i], &series[i], &limit);
    }
    printf("]}");
}

/* ---- a table ------------------------------------------------------------ */

static void print_ratio(double value, double limit)
{
    if (limit > 0)
        printf(" %7.2f", value / limit);
    else
        printf(" %7s", "-");
}

static void table_row(const struct bench_case *of,
                      const struct contender *contender,
                      const struct series *series, const struct summary *limit)
{
    struct summary summary = summarize(series, of->in_wall);

    printf("  %-28s", contender->name);
    if (series->count == 0) {
        printf(" not here: ");
        print_reason(contender, series->error);
        printf("\n");
        return;
    }
    printf(" %10.1f %10.1f", summary.median, summary.minimum);
    print_ratio(summary.median, limit->median);
    print_ratio(summary.minimum, limit->minimum);
    if (of->in_wall)
        printf(" %9.1f", summary.cpu);
    else if (of->engines)
        printf(" %9.1f", summary.wall);
    if (summary.calls >= 0)
        printf(" %9.3f", summary.calls);
    else
        printf(" %9s", "-");
    if (series->instructions > 0)
        printf(" %9.1f", series->instructions);
    printf("%s\n", contender->is_limit ? "  <- 1.00" : "");
}

static bool has_instructions(const struct bench_case *of,
                             const struct series *series)
{
    for (unsigned i = 0; i < of->count; i++)
        if (series[i].instructions > 0)
            return true;
    return false;
}

static void table_case(const struct bench_case *of, const struct series *series)
{
    struct summary limit = limit_of(of, series);

    printf("\n%-30s %10s %10s %7s %7s", of->name,
           of->in_wall ? "wall" : "median", "minimum", "ratio", "of min");
    if (of->in_wall || of->engines)
        printf(" %9s", of->in_wall ? "cpu" : "wall");
    printf(" %9s %9s\n", "calls", has_instructions(of, series) ? "instr" : "");
    for (unsigned i = 0; i < of->count; i++)
        table_row(of, &of->contenders[i], &series[i], &limit);
}

/* ---- both --------------------------------------------------------------- */

void report_begin(const struct bench *bench, bool json, unsigned rounds,
                  double seconds)
{
    if (json)
        printf("{\"bench\":\"%s\",\"unit\":\"%s\",\"rounds\":%u,"
               "\"seconds\":%g,\"cases\":[",
               bench->name, bench->unit, rounds, seconds);
    else if (bench->engines)
        printf("%s with %u engines: ns, on the wall or of CPU time, for %s; %u "
               "rounds of %g s, interleaved\n",
               bench->name, bench_engines, bench->unit, rounds, seconds);
    else
        printf("%s: ns of CPU time for %s; %u rounds of %g s, interleaved\n",
               bench->name, bench->unit, rounds, seconds);
}

void report_case(const struct bench_case *of, const struct series *series,
                 bool json, bool first)
{
    if (json)
        json_case(of, series, first);
    else
        table_case(of, series);
    fflush(stdout);
}

void report_end(bool json)
{
    if (json)
        printf("\n]}\n");
}
