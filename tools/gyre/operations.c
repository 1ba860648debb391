/* SPDX-License-Identifier: MIT */
/*
 * operations.c - docs/OPERATIONS.md, from the table of ops
 *
 * A cell that says nothing is left empty here, so that the check of the page
 * (tests/tidy/operations.sh) finds it.
 */
#include "operations.h"

#include <string.h>

#include "kernel/kernel.h"
#include "loop/optable.h"
#include "ring/feature.h"

static const char HEAD[] =
    "# Operations\n"
    "\n"
    "Each request that a kernel executes: the function that fills an op with\n"
    "it, the call for tasks or why there is none, the first Linux whose\n"
    "io_uring has the opcode, how the emulator executes it below that (and\n"
    "where there is no io_uring), and by what its tests begin: rows of\n"
    "[CAPABILITIES.md](CAPABILITIES.md), mostly. A flag of an opcode may be\n"
    "younger: `src/kernel/uring/route.c` says what is done without it.\n"
    "\n"
    "Made by `gyre doctor --operations` from `src/loop/optable.c`; do not "
    "edit\n"
    "it here.\n"
    "\n"
    "| opcode | fills an op | for tasks | Linux | below | tests |\n"
    "|---|---|---|---|---|---|\n";

/* Names of functions, with commas between, come as code; other words as they
 * are. */
static void put_functions(struct text *out, const char *names)
{
    while (names != NULL && *names != '\0') {
        size_t length = strcspn(names, ",");
        bool is_name = strncmp(names, "gyre_", 5) == 0;

        text_puts(out, is_name ? "`" : "");
        text_put(out, names, length);
        text_puts(out, is_name ? "`" : "");
        names += length;
        length = strspn(names, ", ");
        text_put(out, names, length);
        names += length;
    }
}

static void put_row(struct text *out, unsigned opcode)
{
    const struct op_info *info = &op_table[opcode];
    const char *name = info->name;
    const char *since = ring_opcode_since(opcode);

    if (name == NULL)
        name = ring_opcode_name(opcode);
    text_printf(out, "| %s | ", name);
    put_functions(out, info->fill);
    text_puts(out, " | ");
    put_functions(out, info->call);
    text_printf(out, " | %s | %s | %s |\n", since != NULL ? since : "never",
                info->below != NULL ? info->below : "",
                info->rows != NULL ? info->rows : "");
}

void operations_page(struct text *out)
{
    text_puts(out, HEAD);
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        if (op_table[opcode].name != NULL || opcode < IORING_OP_LAST)
            put_row(out, opcode);
    }
}
