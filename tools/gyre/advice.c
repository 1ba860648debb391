/* SPDX-License-Identifier: MIT */
/*
 * advice.c - what is known of single releases of Linux, told
 *
 * The table itself, and who decides by it, are in src/ring/.
 */
#include "ring/advice.h"

#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "ring/feature.h"

static void put_number(struct text *out, unsigned number)
{
    text_printf(out, "%u.%u", number / 1000000, number / 1000 % 1000);
    if (number % 1000 != 0)
        text_printf(out, ".%u", number % 1000);
}

static void put_range(struct text *out, const struct advice_range *range)
{
    if (range->first == 0 && range->end == ADVICE_NO_END) {
        text_puts(out, "every");
        return;
    }
    if (range->first != 0)
        put_number(out, range->first);
    text_puts(out, range->first != 0 ? " – " : "– ");
    if (range->end != ADVICE_NO_END)
        put_number(out, range->end);
}

static const char *const makers[] = {
    [RELEASE_OF_ANYBODY] = "",
    [RELEASE_OF_UBUNTU] = " of Ubuntu",
    [RELEASE_OF_AMAZON] = " of Amazon",
    [RELEASE_OF_ANDROID] = " of Android",
    [RELEASE_OF_RED_HAT] = " of Red Hat",
};

static void put_row(struct text *out, const struct advice *advice)
{
    text_printf(out, "| `%s` | ", advice->name);
    for (unsigned i = 0; i < ADVICE_RANGES; i++) {
        if (advice->ranges[i].end == 0)
            continue;
        text_puts(out, i > 0 ? ", " : "");
        put_range(out, &advice->ranges[i]);
    }
    text_puts(out, makers[advice->maker]);
    text_printf(out, " | %s | %s | ", advice->trouble, advice->remedy);
    if (advice->no_ring)
        text_puts(out, "`GYRE_KERNEL=uring`");
    if (advice->no_ring && advice->without != NULL)
        text_puts(out, ", ");
    if (advice->without != NULL)
        text_printf(out, "`GYRE_WITH=%s`", advice->without);
    if (!advice->no_ring && advice->without == NULL)
        text_puts(out, "–");
    text_printf(out, " | %s |\n", advice->source);
}

void advice_page(struct text *out)
{
    text_puts(out, "| name | Linux from – before | trouble | what gyre does | "
                   "to use it all the same | source |\n"
                   "|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < advice_count; i++)
        put_row(out, &advice_table[i]);
}

/* The n-th row about this Linux, or NULL. */
static const struct advice *advice_here(unsigned n)
{
    for (unsigned i = 0; i < advice_count; i++) {
        if (advice_is_for(&advice_table[i], release_here()) && n-- == 0)
            return &advice_table[i];
    }
    return NULL;
}

enum taken {
    TOLD,  /* there is nothing to decide */
    TAKEN, /* what the row says is done */
    NOT_TAKEN,
};

static const char *const taken_words[] = { "told", "taken", "not taken" };

static enum taken is_taken(const struct advice *advice, const char *kernel)
{
    bool is_ring = strcmp(kernel, "uring") == 0;

    if (advice->no_ring)
        return is_ring ? NOT_TAKEN : TAKEN;
    if (advice->without == NULL)
        return TOLD;
    return ring_advice_is_taken(advice->without) ? TAKEN : NOT_TAKEN;
}

void advice_json(struct json *json, const char *kernel)
{
    const struct advice *advice;

    json_array(json, "advice");
    for (unsigned n = 0; (advice = advice_here(n)) != NULL; n++) {
        json_object(json, NULL);
        json_string(json, "name", advice->name);
        json_string(json, "trouble", advice->trouble);
        json_string(json, "remedy", advice->remedy);
        json_string(json, "source", advice->source);
        if (advice->without != NULL)
            json_string(json, "without", advice->without);
        else
            json_null(json, "without");
        json_bool(json, "no_ring", advice->no_ring);
        json_string(json, "state", taken_words[is_taken(advice, kernel)]);
        json_object_end(json);
    }
    json_array_end(json);
}

bool advice_line(unsigned n, const char *kernel, char *line, size_t size)
{
    const struct advice *advice = advice_here(n);

    if (advice == NULL)
        return false;
    enum taken taken = is_taken(advice, kernel);

    snprintf(line, size, "%s: %s. %s: %s (%s)", advice->name, advice->trouble,
             taken == NOT_TAKEN ? "Remedy, not taken as the environment asks"
                                : "Remedy",
             advice->remedy, advice->source);
    return true;
}
