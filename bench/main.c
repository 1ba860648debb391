/* SPDX-License-Identifier: MIT */
/*
 * main.c - gyre bench: the command line
 *
 *     gyre bench [NAME] [--json] [--time S] [--rounds N] [--case TEXT]
 *                [--instructions] [--calls] [--loop OPTIONS] [--engines N]
 *
 * Without a name all benches run. `--take` is for callgrind's sake, which runs
 * this program again for a single sample.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define CONTENDERS_MAX 16
#define ROUNDS_MAX 255

static const struct bench *const benches[] = {
    &bench_nop,   &bench_timers,  &bench_switch, &bench_spawn,
    &bench_mutex, &bench_channel, &bench_echo,   &bench_http,
    &bench_reads, &bench_sharing, &bench_post,   &bench_pingpong,
    &bench_tree,
};
#define BENCHES (sizeof benches / sizeof benches[0])

struct options {
    const struct bench *bench; /* NULL: all */
    bool help;
    bool json;
    bool instructions;
    bool calls;
    unsigned engines; /* 0: the bench's own affair */
    double seconds;   /* 0: the bench's own */
    unsigned rounds;
    const char *only; /* cases whose name has this */
    const char *loop; /* NULL: no contenders with options */
    const char *take;
};

static const char usage[] =
    "usage: gyre bench [NAME] [options]\n"
    "  NAME            nop, timers, switch, spawn, mutex, channel,\n"
    "                  echo, http, reads, sharing, post, pingpong or tree;\n"
    "                  else all\n"
    "  --json          all samples, as JSON\n"
    "  --time S        seconds of one sample\n"
    "  --rounds N      samples of each contender, at most 255\n"
    "  --case TEXT     only cases whose name contains TEXT\n"
    "  --loop OPTIONS  gyre with options of its loop, too (docs/OPTIONS.md):\n"
    "                  min_wait_us=20,registered_waits\n"
    "  --engines N     of post (threads that post), pingpong (a round of "
    "them)\n"
    "                  and tree, 2 unless told otherwise; of echo, then by\n"
    "                  servers that have so many threads\n"
    "  --calls         count system calls too (needs tracefs, as root)\n"
    "  --instructions  count user-space instructions too (needs valgrind)\n";

static int wrong(const char *what, const char *argument)
{
    fprintf(stderr, "gyre bench: %s '%s'\n%s", what, argument, usage);
    return 2;
}

/* The same with engines, if that is another. */
static const struct bench *with_engines(const struct bench *bench)
{
    return bench == &bench_echo ? &bench_echo_engines : bench;
}

static const struct bench *bench_named(const char *name)
{
    for (size_t i = 0; i < BENCHES; i++)
        if (strcmp(benches[i]->name, name) == 0)
            return benches[i];
    return NULL;
}

/* A number from above `low` to `high`; false if it is none. */
static bool parse_number(const char *text, double low, double high,
                         double *number)
{
    char *end;

    *number = strtod(text, &end);
    return end != text && *end == '\0' && *number > low && *number <= high;
}

/* An option that has a value. 0, or the exit code. */
static int parse_value(struct options *o, const char *name, const char *value)
{
    double number;

    if (value == NULL)
        return wrong("a value is missing after", name);
    if (strcmp(name, "--time") == 0) {
        if (!parse_number(value, 0, 60, &o->seconds))
            return wrong("--time takes seconds, more than 0, at most 60, not",
                         value);
    } else if (strcmp(name, "--rounds") == 0) {
        if (!parse_number(value, 0.5, ROUNDS_MAX, &number))
            return wrong("--rounds takes 1 to 255, not", value);
        o->rounds = (unsigned)number;
    } else if (strcmp(name, "--engines") == 0) {
        if (!parse_number(value, 0.5, ENGINES_MAX, &number))
            return wrong("--engines takes 1 to 64, not", value);
        o->engines = (unsigned)number;
    } else if (strcmp(name, "--case") == 0) {
        o->only = value;
    } else if (strcmp(name, "--loop") == 0) {
        gyre_loop_options unused = { 0 };

        if (gyre_loop_options_set(&unused, value, NULL) < 0)
            return wrong("--loop takes options of docs/OPTIONS.md, not", value);
        o->loop = value;
    } else if (strcmp(name, "--take") == 0) {
        o->take = value;
    } else {
        return wrong("unknown option", name);
    }
    return 0;
}

static int parse(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];

        if (strcmp(argument, "--help") == 0) {
            o->help = true;
        } else if (argument[0] != '-') {
            o->bench = bench_named(argument);
            if (o->bench == NULL)
                return wrong("unknown bench", argument);
        } else if (strcmp(argument, "--json") == 0) {
            o->json = true;
        } else if (strcmp(argument, "--instructions") == 0) {
            o->instructions = true;
        } else if (strcmp(argument, "--calls") == 0) {
            o->calls = true;
        } else {
            int code = parse_value(o, argument, argv[i + 1]);

            if (code != 0)
                return code;
            i++;
        }
    }
    return 0;
}

/* Every contender failed: nothing was measured. */
static bool is_empty(const struct bench_case *of, const struct series *series)
{
    for (unsigned i = 0; i < of->count; i++)
        if (series[i].count > 0)
            return false;
    return true;
}

/* A case as --engines wants it. */
static struct bench_case case_of(const struct bench *bench, unsigned index)
{
    struct bench_case of = bench->cases[index];

    if (of.engines)
        of.n = bench_engines;
    return of;
}

/* Beside each contender that is gyre on its usual kernel, the same with options
 * of its loop: its name with a plus. */
struct with_options {
    struct bench_case of;
    struct contender contenders[CONTENDERS_MAX];
    char names[CONTENDERS_MAX][96];
};

static const struct bench_case *add_options(const struct bench_case *of,
                                            const char *loop,
                                            struct with_options *with)
{
    unsigned count = 0;

    if (loop == NULL)
        return of;
    with->of = *of;
    with->of.contenders = with->contenders;
    for (unsigned i = 0; i < of->count; i++)
        with->contenders[count++] = of->contenders[i];
    for (unsigned i = 0; i < of->count && count < CONTENDERS_MAX; i++) {
        struct contender contender = of->contenders[i];

        if (strncmp(contender.name, "gyre", 4) != 0 ||
            contender.kernel != NULL || contender.take == NULL)
            continue;
        snprintf(with->names[count], sizeof with->names[count], "%s +",
                 contender.name);
        contender.name = with->names[count];
        contender.loop = loop;
        contender.is_limit = false;
        with->contenders[count++] = contender;
    }
    with->of.count = count;
    return &with->of;
}

static int run_one_case(const struct bench *bench, unsigned index,
                        const struct options *o, bool first)
{
    struct bench_case plain = case_of(bench, index);
    struct with_options with;
    const struct bench_case *of = add_options(&plain, o->loop, &with);
    double seconds = o->seconds > 0 ? o->seconds : bench->seconds;
    unsigned rounds = o->rounds > 0 ? o->rounds : bench->rounds;
    struct series series[CONTENDERS_MAX] = { { 0 } };
    uint64_t ns = (uint64_t)(seconds * (double)NS_PER_S);
    const char *remedy = "";
    int err = run_case(of, rounds, ns, series);

    if (err == 0 && o->calls) {
        err = count_calls(of, ns, series);
        remedy = " (--calls needs tracefs, and to be root)";
    }
    if (err == 0 && o->instructions) {
        err = count_instructions(bench, index, of, series);
        remedy = err == -ENOENT ? " (is valgrind installed?)" : "";
    }
    if (err < 0)
        fprintf(stderr, "gyre bench: %s: %s%s\n", of->name, strerror(-err),
                remedy);
    else
        report_case(of, series, o->json, first);
    if (err == 0 && is_empty(of, series))
        err = -ENODATA;
    for (unsigned i = 0; i < of->count; i++)
        free(series[i].samples);
    return err;
}

static int run_bench(const struct bench *bench, const struct options *o)
{
    bool first = true;
    int worst = 0;

    report_begin(bench, o->json, o->rounds > 0 ? o->rounds : bench->rounds,
                 o->seconds > 0 ? o->seconds : bench->seconds);
    if (o->loop != NULL && !o->json)
        printf("+: its loop has %s\n", o->loop);
    for (unsigned i = 0; i < bench->count; i++) {
        int err;

        if (o->only != NULL && strstr(bench->cases[i].name, o->only) == NULL)
            continue;
        err = run_one_case(bench, i, o, first);
        first = false;
        if (err < 0)
            worst = err;
    }
    report_end(o->json);
    return worst;
}

static int take(const struct options *o)
{
    unsigned of, contender;
    struct bench_case plain;
    unsigned long long ops;

    if (o->bench == NULL ||
        sscanf(o->take, "%u,%u,%llu", &of, &contender, &ops) != 3 ||
        of >= o->bench->count || contender >= o->bench->cases[of].count)
        return wrong("--take is for the program itself, not for", o->take);
    plain = case_of(o->bench, of);
    return take_for_callgrind(&plain, contender, ops) < 0;
}

int bench_main(int argc, char **argv)
{
    struct options o = { 0 };
    int code = parse(&o, argc, argv);

    if (code != 0)
        return code;
    if (o.help) {
        fputs(usage, stdout);
        return 0;
    }
    if (o.engines != 0) {
        if (o.bench == NULL || !with_engines(o.bench)->engines)
            return wrong(
                "--engines is for post, pingpong, tree and echo, not for",
                o.bench == NULL ? "all" : o.bench->name);
        o.bench = with_engines(o.bench);
        bench_engines = o.engines;
    }
    if (o.take != NULL)
        return take(&o);
    if (o.bench != NULL)
        return run_bench(o.bench, &o) < 0;
    for (size_t i = 0; i < BENCHES; i++) {
        if (i > 0)
            printf("\n");
        if (run_bench(benches[i], &o) < 0)
            code = 1;
    }
    return code;
}
