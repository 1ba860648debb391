/* SPDX-License-Identifier: MIT */
/*
 * options.h - options of a command line, one after the other
 *
 *     struct options options;
 *     options_init(&options, argc, argv);
 *     while (options_next(&options)) {
 *         if (options_is(&options, "--listen"))
 *             value = options_value(&options);
 *         ...
 *     }
 *
 * Long options alone, as "--name VALUE" or "--name=VALUE"; "--" ends them.
 * What is no option is a word. The first mistake is printed, and remembered in
 * `failed`.
 */
#ifndef GYRE_TOOL_OPTIONS_H
#define GYRE_TOOL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    int argc;
    char **argv;
    int at;
    const char *present;  /* the option or word under way */
    const char *attached; /* what follows its '=', or NULL */
    bool only_words;      /* after "--" */
    bool failed;
};

void options_init(struct options *options, int argc, char **argv);

/* The next option or word is `present`; false at the end or after a mistake. */
bool options_next(struct options *options);

bool options_is_word(const struct options *options);
bool options_is(const struct options *options, const char *name);

/* The present option's value: attached, or the next argument. */
const char *options_value(struct options *options);

/* That value, without taking it; NULL: there is none. */
const char *options_peek(const struct options *options);

/* The present option's value, a whole number from `least` to `most`. */
uint64_t options_number(struct options *options, uint64_t least, uint64_t most);

/* Likewise, seconds with up to nine decimals, as nanoseconds; more than 0. */
uint64_t options_seconds(struct options *options);

/* Say that the present option or word is not known. */
void options_unknown(struct options *options);

/* Say that something is wrong with the arguments. */
void options_wrong(struct options *options, const char *what);

#endif
