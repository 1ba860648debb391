/* SPDX-License-Identifier: MIT */
/*
 * options.c - reading the command line of differ
 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void usage(int code)
{
    fprintf(code == 0 ? stdout : stderr, "\
usage: differ [OPTION]...\n\
\n\
Runs random programs of requests on Linux's ring and on the emulator, and\n\
compares all that they give.\n\
\n\
  --seed=N           the first program (1); the others follow it\n\
  --programs=N       how many (10000)\n\
  --time=SECONDS     end after so long\n\
  --jobs=N           processes (two for each processor)\n\
  --one=SEED         this program only: print it, and what both kernels gave\n\
  -v                 print the whole of each program that differs, not only\n\
                     its smallest part\n\
  --stop             end at the first difference\n\
  --check-histogram  fail unless each opcode and each flag came often enough\n\
  --directory=PATH   for scratch files (/dev/shm if it is there, else /tmp)\n");
    exit(code);
}

static uint64_t number_of(const char *option, const char *text, uint64_t least)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
        number < least) {
        fprintf(stderr, "differ: %s=%s: give a number that is at least %llu\n",
                option, text, (unsigned long long)least);
        exit(2);
    }
    return number;
}

/* Is it `name`, and what follows its "="? */
static const char *value_of(const char *argument, const char *name)
{
    size_t length = strlen(name);

    return strncmp(argument, name, length) == 0 && argument[length] == '='
               ? argument + length + 1
               : NULL;
}

static bool read_number(struct options *options, const char *argument)
{
    const char *text;

    if ((text = value_of(argument, "--seed")) != NULL) {
        options->seed = number_of("--seed", text, 0);
    } else if ((text = value_of(argument, "--programs")) != NULL) {
        options->programs = number_of("--programs", text, 1);
    } else if ((text = value_of(argument, "--time")) != NULL) {
        options->seconds = number_of("--time", text, 1);
    } else if ((text = value_of(argument, "--jobs")) != NULL) {
        options->jobs = (unsigned)number_of("--jobs", text, 1);
    } else if ((text = value_of(argument, "--one")) != NULL) {
        options->seed = number_of("--one", text, 0);
        options->one = true;
    } else {
        return false;
    }
    return true;
}

void options_read(struct options *options, int argc, char **argv)
{
    const char *text;
    bool programs = false;

    *options = (struct options){
        .seed = 1,
        .programs = 10000,
        .jobs = 2 * (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
        .directory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
    };
    for (int i = 1; i < argc; i++) {
        programs |= value_of(argv[i], "--programs") != NULL;
        if (read_number(options, argv[i]))
            continue;
        if ((text = value_of(argv[i], "--directory")) != NULL) {
            options->directory = text;
        } else if (strcmp(argv[i], "-v") == 0) {
            options->verbose = true;
        } else if (strcmp(argv[i], "--stop") == 0) {
            options->stop = true;
        } else if (strcmp(argv[i], "--check-histogram") == 0) {
            options->check_histogram = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            usage(0);
        } else {
            fprintf(stderr, "differ: %s is no option\n", argv[i]);
            usage(2);
        }
    }
    if (options->seconds != 0 && !programs)
        options->programs = UINT64_MAX;
    if (options->jobs > 64)
        options->jobs = 64;
}
