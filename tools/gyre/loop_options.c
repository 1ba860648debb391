/* SPDX-License-Identifier: MIT */
/*
 * loop_options.c - a loop's options: --loop, docs/OPTIONS.md, what a loop got
 *
 * A cell of the page that says nothing is left empty here, so that the check of
 * the page (tests/tidy/options.sh) finds it.
 */
#include "loop_options.h"

#include <stdio.h>
#include <string.h>

#include "loop/option.h"

static const char HEAD[] =
    "# Options of a loop\n"
    "\n"
    "Members of `gyre_loop_options` (`gyre/loop.h`) and of its `ring`\n"
    "(`gyre/ring.h`), which is about Linux's io_uring alone. A program may "
    "set\n"
    "those that are numbers by their names, too (`gyre_loop_options_set()`;\n"
    "`gyre serve --loop sqpoll,entries=64`), and `gyre doctor --json --loop\n"
    "...` tells what a loop on this machine has of them.\n"
    "\n"
    "Made by `gyre doctor --options` from `src/loop/option.c`; do not edit it\n"
    "here.\n"
    "\n"
    "| option | zero means | Linux | what | at the bound, or refused | "
    "measured "
    "|\n"
    "|---|---|---|---|---|---|\n";

void loop_options_read(struct options *options, gyre_loop_options *loop)
{
    const char *text = options_value(options);
    const char *why;

    if (!options->failed && gyre_loop_options_set(loop, text, &why) < 0)
        options_wrong(options, why);
}

void loop_options_page(struct text *out)
{
    text_puts(out, HEAD);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_table[i];

        text_printf(out, "| `%s` | %s | %s | %s | %s | %s |\n", row->name,
                    row->normal, row->since, row->what, row->bound,
                    row->effect);
    }
}

static void report_row(struct json *json, const struct option_row *row,
                       const gyre_loop_options *got)
{
    if (row->type == OPTION_FLAG)
        json_bool(json, row->name, option_get(got, row) != 0);
    else if (row->type == OPTION_NUMBER)
        json_number(json, row->name, option_get(got, row));
}

bool loop_options_report(struct json *json, const gyre_loop_options *asked)
{
    gyre_loop_options got = { .size = sizeof got };
    gyre_loop *loop;

    if (gyre_loop_create(&loop, asked) < 0) {
        json_string(json, "options_error", gyre_loop_create_error());
        return false;
    }
    gyre_loop_get_options(loop, &got);
    gyre_loop_destroy(loop);
    json_object(json, "options");
    for (size_t i = 0; i < option_count; i++)
        report_row(json, &option_table[i], &got);
    json_object_end(json);
    return true;
}
