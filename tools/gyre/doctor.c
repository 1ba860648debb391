/* SPDX-License-Identifier: MIT */
/*
 * doctor.c - gyre doctor: what this machine's kernel offers, and why
 *
 * The facts are collected below (kernel/facts.h), by asking Linux; here they
 * are shown, as JSON for programs, or for people with what each means for them
 * and what they can do about it. A machine without io_uring is not ill: gyre
 * works there, slower, and the doctor says how slow is healed.
 */
#include <gyre/gyre.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "base/assert.h"
#include "commands.h"
#include "json.h"
#include "kernel/emu/emu.h"
#include "kernel/facts.h"
#include "kernel/thread.h"
#include "loop/optable.h"
#include "loop_options.h"
#include "operations.h"
#include "options.h"
#include "ring/advice.h"
#include "ring/feature.h"
#include "task/stack.h"
#include "text.h"
#include "watch/unwind.h"

#define REPORT_MAX (1 << 20)
#define LINE_WIDTH 78
#define INDENT 14

static const char HELP[] =
    "usage: gyre doctor [--json] [--loop OPTIONS] |\n"
    "                   --operations | --options | --advice\n"
    "\n"
    "Tells what this machine's kernel offers, what gyre will use and what it\n"
    "will do without, and why. GYRE_KERNEL=uring|emu and "
    "GYRE_WITHOUT=FEATURE,...\n"
    "have their effect; so has GYRE_LINUX_RELEASE=6.14.7, for what is known "
    "of single\n"
    "releases, and GYRE_WITH=FEATURE,..., which uses features in spite of "
    "that.\n"
    "\n"
    "  --json          the same for programs\n"
    "  --loop OPTIONS  ask for a loop with these: sqpoll,entries=64\n"
    "  --operations    instead, the page of all operations, "
    "docs/OPERATIONS.md\n"
    "  --options       instead, the page of a loop's options, "
    "docs/OPTIONS.md\n"
    "  --advice        instead, what is known of single releases of Linux, as "
    "in\n"
    "                  docs/KERNELS.md\n";

/* How a stack is guarded here. */
static const char *guard_name(void)
{
    struct stack_pool pool;
    const char *name;

    stack_pool_init(&pool, 0, 0);
    name = stack_guard_name(&pool);
    stack_pool_deinit(&pool);
    return name;
}

/* For programs of liburing. */
static bool has_uring_library(void)
{
#ifdef GYRE_HAVE_URING_LIBRARY
    return true;
#else
    return false;
#endif
}

static const char *llhttp_version(void)
{
#ifdef LLHTTP_VERSION
    return LLHTTP_VERSION;
#else
    return "none";
#endif
}

static const char *cmark_version(void)
{
#ifdef CMARK_VERSION
    return CMARK_VERSION;
#else
    return "none";
#endif
}

/* What to do about io_uring being refused. */
static const char *remedy_of(const struct facts *facts)
{
    if (advice_against_rings() != NULL)
        return "use a release of Linux without this fault, or, if it does not "
               "matter to you, GYRE_KERNEL=uring";
    if (facts->io_uring_disabled == 1)
        return "an administrator can allow it: sysctl "
               "kernel.io_uring_disabled=0"
               ", or put this user into the group of kernel.io_uring_group";
    if (facts->io_uring_disabled > 1)
        return "an administrator can allow it: sysctl kernel.io_uring_disabled"
               "=0";
    if (facts->seccomp == 2)
        return "let the sandbox's seccomp profile allow io_uring_setup, "
               "io_uring_enter and io_uring_register";
    return "use Linux 5.15 or later with CONFIG_IO_URING=y";
}

/* ---- JSON --------------------------------------------------------------- */

static void json_limit(struct json *json, const char *name,
                       const struct facts_limit *limit)
{
    json_object(json, name);
    if (limit->soft == FACTS_UNLIMITED)
        json_string(json, "soft", "unlimited");
    else
        json_number(json, "soft", (int64_t)limit->soft);
    if (limit->hard == FACTS_UNLIMITED)
        json_string(json, "hard", "unlimited");
    else
        json_number(json, "hard", (int64_t)limit->hard);
    json_object_end(json);
}

static void json_known(struct json *json, const char *name, long value)
{
    if (value < 0)
        json_null(json, name);
    else
        json_number(json, name, value);
}

static void json_text(struct json *json, const char *name, const char *value)
{
    if (value == NULL)
        json_null(json, name);
    else
        json_string(json, name, value);
}

static void json_limits(struct json *json, const struct facts *facts)
{
    json_object(json, "limits");
    json_number(json, "entries_max", facts->entries_max);
    json_limit(json, "memlock", &facts->memlock);
    json_limit(json, "nofile", &facts->nofile);
    json_limit(json, "nproc", &facts->nproc);
    json_bool(json, "threads", facts->threads_error == 0);
    json_number(json, "cpus", thread_cpu_count());
    json_known(json, "max_map_count", facts->max_map_count);
    json_known(json, "io_uring_disabled", facts->io_uring_disabled);
    json_known(json, "io_uring_group", facts->io_uring_group);
    json_known(json, "seccomp", facts->seccomp);
    json_object_end(json);
}

static void json_versions(struct json *json, const struct facts *facts)
{
    json_object(json, "versions");
    json_string(json, "gyre", gyre_version());
    json_string(json, "linux", facts->release);
    json_string(json, "machine", facts->machine);
    json_string(json, "libc", facts->libc);
    json_string(json, "llhttp", llhttp_version());
    json_bool(json, "libgyre_uring", has_uring_library());
    json_string(json, "cmark", cmark_version());
    json_string(json, "compiler", GYRE_COMPILER);
    json_string(json, "switch", GYRE_SWITCH);
    json_string(json, "stack_guard", guard_name());
    json_string(json, "unwinder", unwind_method());
    json_object_end(json);
}

static void json_names(struct json *json, const char *name,
                       const char *const *names, unsigned count)
{
    json_array(json, name);
    for (unsigned i = 0; i < count; i++)
        json_string(json, NULL, names[i]);
    json_array_end(json);
}

/* Has gyre more for it than a raw request? */
static bool has_call(unsigned opcode)
{
    const char *fill = op_table[opcode].fill;

    return fill != NULL && strcmp(fill, "gyre_op_raw") != 0;
}

/* False: no loop could be made with `asked`. */
static bool report_json(struct text *out, const struct facts *facts,
                        const gyre_loop_options *asked)
{
    const char *names[32];
    struct json json;

    json_init(&json, out);
    json_string(&json, "kernel", facts->kernel);
    json_text(&json, "kernel_reason", facts->reason);
    json_text(&json, "refusal", facts->refusal);
    json_text(&json, "error", facts->error);
    json_names(&json, "setup_flags", names,
               facts_setup_flag_names(facts, names));
    json_names(&json, "features", names, facts_feature_names(facts, names));
    json_object(&json, "ops");
    for (unsigned op = 0; ring_opcode_name(op) != NULL; op++)
        json_bool(&json, ring_opcode_name(op), facts->opcodes.has[op]);
    json_object_end(&json);
    json_object(&json, "wrapped");
    for (unsigned op = 0; ring_opcode_name(op) != NULL; op++)
        json_bool(&json, ring_opcode_name(op), has_call(op));
    json_object_end(&json);
    json_object(&json, "op_features");
    for (unsigned i = RING_OP_FEATURE_FIRST; i < RING_FEATURE_COUNT; i++)
        json_bool(&json, ring_feature_name((enum ring_feature)i),
                  facts->opcodes.feature[i]);
    json_object_end(&json);
    advice_json(&json, facts->kernel);
    json_limits(&json, facts);
    json_versions(&json, facts);
    bool is_well = loop_options_report(&json, asked);

    json_finish(&json);
    return is_well;
}

/* ---- for people --------------------------------------------------------- */

/* "label        words", with lines broken between words. */
struct paragraph {
    struct text *out;
    size_t column;
};

static void begin_label(struct paragraph *p, struct text *out,
                        const char *label)
{
    *p = (struct paragraph){ .out = out, .column = INDENT };
    text_printf(out, "%-*s", INDENT, label);
}

static void put_word(struct paragraph *p, struct span word)
{
    if (p->column > INDENT && p->column + 1 + word.size > LINE_WIDTH) {
        text_printf(p->out, "\n%*s", INDENT, "");
        p->column = INDENT;
    } else if (p->column > INDENT) {
        text_puts(p->out, " ");
        p->column++;
    }
    text_put_span(p->out, word);
    p->column += word.size;
}

static void put_words(struct paragraph *p, const char *words)
{
    while (*words != '\0') {
        size_t size = strcspn(words, " ");

        if (size > 0)
            put_word(p, span_of(words, size));
        words += size + (words[size] == ' ');
    }
}

static void put_line(struct text *out, const char *label, const char *words)
{
    struct paragraph p;

    begin_label(&p, out, label);
    put_words(&p, words);
    text_puts(out, "\n");
}

static void put_names(struct text *out, const char *label,
                      const char *const *names, unsigned count)
{
    struct paragraph p;

    begin_label(&p, out, label);
    for (unsigned i = 0; i < count; i++)
        put_word(&p, span_string(names[i]));
    text_puts(out, count == 0 ? "none\n" : "\n");
}

/* Opcodes that Linux has, or has not, in the order of their numbers. */
static void put_ops(struct text *out, const char *label,
                    const struct facts *facts, bool has)
{
    struct paragraph p;
    unsigned count = 0;

    begin_label(&p, out, label);
    for (unsigned op = 0; ring_opcode_name(op) != NULL; op++) {
        if (facts->opcodes.has[op] != has)
            continue;
        put_word(&p, span_string(ring_opcode_name(op)));
        count++;
    }
    text_puts(out, count == 0 ? "none\n" : "\n");
}

/* What old opcodes have gained: that this Linux has, or has not. */
static void put_op_features(struct text *out, const char *label,
                            const struct facts *facts, bool has)
{
    struct paragraph p;
    unsigned count = 0;

    begin_label(&p, out, label);
    for (unsigned i = RING_OP_FEATURE_FIRST; i < RING_FEATURE_COUNT; i++) {
        if (facts->opcodes.feature[i] != has)
            continue;
        put_word(&p, span_string(ring_feature_name((enum ring_feature)i)));
        count++;
    }
    text_puts(out, count == 0 ? "none\n" : "\n");
}

/* The operations that gyre has a call for, but this Linux no opcode. */
static void put_emulated(struct text *out, const struct facts *facts)
{
    struct paragraph p;
    unsigned count = 0;

    begin_label(&p, out, "emulated");
    for (unsigned op = 0; op < ARRAY_SIZE(facts->opcodes.has); op++) {
        bool emulates = strcmp(facts->kernel, "emu") == 0;

        if (!emu_has_opcode(op) || (facts->opcodes.has[op] && !emulates))
            continue;
        put_word(&p, span_string(op_table[op].name));
        count++;
    }
    text_puts(out, count == 0 ? "none\n" : "\n");
}

static void format_number(char *buffer, size_t size, uint64_t number)
{
    if (number == FACTS_UNLIMITED)
        snprintf(buffer, size, "unlimited");
    else
        snprintf(buffer, size, "%" PRIu64, number);
}

static void put_limit(struct text *out, const char *label,
                      const struct facts_limit *limit, const char *remark)
{
    char soft[32];
    char hard[32];
    char line[256];

    format_number(soft, sizeof soft, limit->soft);
    format_number(hard, sizeof hard, limit->hard);
    snprintf(line, sizeof line, "%s, and %s at most%s", soft, hard, remark);
    put_line(out, label, line);
}

static void put_limits(struct text *out, const struct facts *facts)
{
    char line[160];

    snprintf(line, sizeof line, "%u in a submission queue at most",
             facts->entries_max);
    put_line(out, "entries", line);
    put_limit(out, "memlock", &facts->memlock,
              " (bytes; all rings of one user together, root's excepted)");
    put_limit(out, "descriptors", &facts->nofile,
              facts->nofile.soft < facts->nofile.hard
                  ? " (gyre serve raises it by itself)"
                  : "");
    put_limit(out, "threads", &facts->nproc,
              facts->threads_error == 0 ? " (of this user's)" : " (reached)");
    snprintf(line, sizeof line,
             "%u with GYRE_EACH_CPU: one for each CPU this process may use",
             thread_cpu_count());
    put_line(out, "engines", line);
    if (facts->max_map_count >= 0) {
        snprintf(line, sizeof line,
                 "%ld (where guards of stacks are made by mprotect, half as "
                 "many tasks have one)",
                 facts->max_map_count);
        put_line(out, "mappings", line);
    }
}

static void put_versions(struct text *out, const struct facts *facts)
{
    char line[256];

    snprintf(line, sizeof line, "%s; Linux %s, %s; libc %s", gyre_version(),
             facts->release, facts->machine, facts->libc);
    put_line(out, "gyre", line);
    snprintf(line, sizeof line, "%s; llhttp %s; cmark %s", GYRE_COMPILER,
             llhttp_version(), cmark_version());
    put_line(out, "built with", line);
    put_line(out, "liburing",
             has_uring_library()
                 ? "libgyre-uring was built: programs of liburing run on it"
                 : "libgyre-uring was left out (GYRE_BUILD_URING)");
    snprintf(line, sizeof line, "switched by %s, guarded by %s", GYRE_SWITCH,
             guard_name());
    put_line(out, "stacks", line);
    snprintf(line, sizeof line, "calls of waiting tasks by %s",
             unwind_method());
    put_line(out, "dumps", line);
}

static void put_advice(struct text *out, const char *kernel)
{
    char line[512];

    for (unsigned n = 0; advice_line(n, kernel, line, sizeof line); n++)
        put_line(out, n == 0 ? "known faults" : "", line);
}

/* False: no loop could be made with `asked`. */
static bool report_text(struct text *out, const struct facts *facts,
                        const gyre_loop_options *asked)
{
    const char *names[32];
    gyre_loop *loop;
    bool is_well = false;

    put_versions(out, facts);
    text_puts(out, "\n");
    put_line(out, "kernel", facts->kernel);
    if (facts->reason != NULL)
        put_line(out, "because", facts->reason);
    if (facts->refusal != NULL) {
        /* Mostly the reason already. */
        if (facts->reason == NULL || strcmp(facts->reason, facts->refusal) != 0)
            put_line(out, "io_uring", facts->refusal);
        put_line(out, "remedy", remedy_of(facts));
    }
    if (facts->error != NULL)
        put_line(out, "trouble", facts->error);
    else if (gyre_loop_create(&loop, asked) < 0)
        put_line(out, "trouble", gyre_loop_create_error());
    else
        is_well = true;
    if (is_well)
        gyre_loop_destroy(loop);
    if (facts->threads_error != 0)
        put_line(out, "trouble",
                 "no thread can be made, and what may block ends with EAGAIN: "
                 "raise ulimit -u");
    text_puts(out, "\n");
    if (facts->setup_flags != 0)
        put_names(out, "setup", names, facts_setup_flag_names(facts, names));
    if (facts->features != 0)
        put_names(out, "features", names, facts_feature_names(facts, names));
    if (facts->refusal == NULL) {
        put_ops(out, "operations", facts, true);
        put_ops(out, "missing", facts, false);
        put_op_features(out, "flags", facts, true);
        put_op_features(out, "without", facts, false);
    }
    put_emulated(out, facts);
    text_puts(out, "\n");
    put_advice(out, facts->kernel);
    put_limits(out, facts);
    return is_well;
}

/* False: it could not be written. The text is freed. */
static bool print(struct text *out)
{
    bool failed = out->failed ||
                  fwrite(out->data, 1, out->used, stdout) != out->used ||
                  fflush(stdout) != 0;

    text_free(out);
    if (failed)
        fprintf(stderr, "gyre: cannot write the report\n");
    return !failed;
}

int doctor_main(int argc, char **argv)
{
    struct options options;
    struct facts facts;
    struct text out;
    bool as_json = false;
    bool is_well = true;
    void (*page)(struct text *) = NULL;
    gyre_loop_options loop = { 0 };

    options_init(&options, argc, argv);
    while (options_next(&options)) {
        if (options_is(&options, "--help")) {
            fputs(HELP, stdout);
            return EXIT_OK;
        }
        if (options_is(&options, "--json"))
            as_json = true;
        else if (options_is(&options, "--operations"))
            page = operations_page;
        else if (options_is(&options, "--options"))
            page = loop_options_page;
        else if (options_is(&options, "--advice"))
            page = advice_page;
        else if (options_is(&options, "--loop"))
            loop_options_read(&options, &loop);
        else
            options_unknown(&options);
    }
    if (options.failed)
        return EXIT_USAGE;

    text_init_growing(&out, REPORT_MAX);
    if (page != NULL) {
        page(&out);
        return print(&out) ? EXIT_OK : EXIT_FAILED;
    }
    facts_collect(&facts);
    if (as_json)
        is_well = report_json(&out, &facts, &loop);
    else
        is_well = report_text(&out, &facts, &loop);

    bool failed = !print(&out);

    /* A machine on which no loop can be made is worth an exit code. */
    return failed || !is_well ? EXIT_FAILED : EXIT_OK;
}
