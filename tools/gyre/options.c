/* SPDX-License-Identifier: MIT */
/* options.c - see options.h */
#include "options.h"

#include <stdio.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
#define SECONDS_MAX UINT64_C(1000000000) /* some 31 years */

void options_init(struct options *options, int argc, char **argv)
{
    *options = (struct options){ .argc = argc, .argv = argv };
}

bool options_next(struct options *options)
{
    if (options->failed)
        return false;
    if (options->attached != NULL) {
        options_wrong(options, "takes no value");
        return false;
    }
    if (++options->at >= options->argc)
        return false;
    options->present = options->argv[options->at];
    if (!options->only_words && strcmp(options->present, "--") == 0) {
        options->only_words = true;
        return options_next(options);
    }
    if (!options_is_word(options)) {
        const char *equals = strchr(options->present, '=');

        options->attached = equals != NULL ? equals + 1 : NULL;
    }
    return true;
}

bool options_is_word(const struct options *options)
{
    return options->only_words || options->present[0] != '-' ||
           options->present[1] == '\0';
}

bool options_is(const struct options *options, const char *name)
{
    size_t size = strlen(name);

    return !options_is_word(options) &&
           strncmp(options->present, name, size) == 0 &&
           (options->present[size] == '\0' || options->present[size] == '=');
}

const char *options_peek(const struct options *options)
{
    if (options->attached != NULL)
        return options->attached;
    return options->at + 1 < options->argc ? options->argv[options->at + 1]
                                           : NULL;
}

const char *options_value(struct options *options)
{
    const char *value = options->attached;

    options->attached = NULL;
    if (value != NULL)
        return value;
    if (options->at + 1 >= options->argc) {
        options_wrong(options, "needs a value");
        return "";
    }
    return options->argv[++options->at];
}

/* Digits off the front of *text. */
static bool take_digits(const char **text, uint64_t *number)
{
    const char *start = *text;

    for (*number = 0; **text >= '0' && **text <= '9'; ++*text) {
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (unsigned)(**text - '0'), number))
            return false;
    }
    return *text != start;
}

uint64_t options_number(struct options *options, uint64_t least, uint64_t most)
{
    const char *text = options_value(options);
    uint64_t number = 0;
    char what[96];

    if (options->failed)
        return least;
    if (take_digits(&text, &number) && *text == '\0' && number >= least &&
        number <= most)
        return number;
    snprintf(what, sizeof what, "needs a whole number from %llu to %llu",
             (unsigned long long)least, (unsigned long long)most);
    options_wrong(options, what);
    return least;
}

uint64_t options_seconds(struct options *options)
{
    const char *text = options_value(options);
    uint64_t seconds = 0;
    uint64_t ns = 0;
    bool is_good;

    if (options->failed)
        return SECOND_NS;
    is_good = take_digits(&text, &seconds) && seconds <= SECONDS_MAX;
    if (is_good && *text == '.') {
        uint64_t unit = SECOND_NS / 10;

        for (text++; *text >= '0' && *text <= '9' && unit > 0; text++) {
            ns += (uint64_t)(*text - '0') * unit;
            unit /= 10;
        }
    }
    if (is_good && *text == '\0' && seconds * SECOND_NS + ns > 0)
        return seconds * SECOND_NS + ns;
    options_wrong(options, "needs a number of seconds above 0");
    return SECOND_NS;
}

void options_unknown(struct options *options)
{
    options_wrong(options, "is not known here");
}

void options_wrong(struct options *options, const char *what)
{
    if (!options->failed)
        fprintf(stderr, "gyre %s: %s %s (see gyre %s --help)\n",
                options->argv[0], options->present, what, options->argv[0]);
    options->failed = true;
}
