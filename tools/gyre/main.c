/* SPDX-License-Identifier: MIT */
/*
 * main.c - the program gyre: finds the command and calls it
 */
#include <gyre/gyre.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "commands.h"

struct command {
    const char *name;
    const char *summary;
    int (*main)(int argc, char **argv);
};

static const struct command COMMANDS[] = {
#ifdef GYRE_HAVE_BENCH
    { "bench", "measure this machine against hand-written programs",
      bench_main },
#endif
    { "doctor", "tell what this machine's kernel offers, and why",
      doctor_main },
#ifdef GYRE_HAVE_LLHTTP
    { "serve", "serve a directory over HTTP", serve_main },
#endif
    { "trace", "run a program and show the life of each op", trace_main },
};

static void print_help(FILE *out)
{
    fprintf(out, "usage: gyre COMMAND [OPTIONS]\n\ncommands:\n");
    for (size_t i = 0; i < ARRAY_SIZE(COMMANDS); i++)
        fprintf(out, "  %-8s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    fprintf(out,
            "\n"
            "gyre COMMAND --help tells a command's options; gyre --version "
            "the version.\n"
            "Exit codes: 0 done, 1 failed, 2 wrong usage.\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    for (size_t i = 0; i < ARRAY_SIZE(COMMANDS); i++) {
        if (strcmp(name, COMMANDS[i].name) == 0)
            return COMMANDS[i].main(argc - 1, argv + 1);
    }
    if (strcmp(name, "--version") == 0) {
        printf("gyre %s\n", gyre_version());
        return EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
        strcmp(name, "help") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
#ifndef GYRE_HAVE_LLHTTP
    if (strcmp(name, "serve") == 0) {
        fprintf(stderr, "gyre: this gyre was built without llhttp, which "
                        "serve needs: install libllhttp-dev (Debian 12: "
                        "node-llhttp) and build again\n");
        return EXIT_FAILED;
    }
#endif
    if (name[0] == '\0')
        print_help(stderr);
    else
        fprintf(stderr, "gyre: '%s' is no command (see gyre --help)\n", name);
    return EXIT_USAGE;
}
