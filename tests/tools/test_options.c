/* SPDX-License-Identifier: MIT */
/* Options of the command line. */
#include <string.h>

#include "options.h"
#include "runner/test.h"

/* A parser over "command" and the given arguments. */
#define START(...)                                                             \
    const char *argv_[] = { "command", __VA_ARGS__, NULL };                    \
    struct options options;                                                    \
    options_init(&options, (int)(sizeof argv_ / sizeof argv_[0]) - 1,          \
                 (char **)(uintptr_t)argv_)

TEST(W1_options_and_words_come_in_order)
{
    START("--one", "word", "--two=2", "--three", "3", "--", "--four");

    CHECK(options_next(&options) && options_is(&options, "--one"));
    CHECK(!options_is(&options, "--on"));
    CHECK(options_next(&options) && options_is_word(&options));
    CHECK_STR_EQ(options.present, "word");
    CHECK(options_next(&options) && options_is(&options, "--two"));
    CHECK_STR_EQ(options_value(&options), "2");
    CHECK(options_next(&options) && options_is(&options, "--three"));
    CHECK_STR_EQ(options_value(&options), "3");
    CHECK(options_next(&options) && options_is_word(&options));
    CHECK_STR_EQ(options.present, "--four");
    CHECK(!options_next(&options) && !options.failed);
}

TEST(W1_a_value_that_is_missing_is_a_mistake)
{
    START("--one");

    CHECK(options_next(&options));
    CHECK_STR_EQ(options_value(&options), "");
    CHECK(options.failed && !options_next(&options));
}

TEST(W1_a_value_for_a_flag_is_a_mistake)
{
    START("--flag=1");

    CHECK(options_next(&options) && options_is(&options, "--flag"));
    CHECK(!options_next(&options) && options.failed);
}

TEST(W1_numbers_have_bounds)
{
    static const struct {
        const char *text;
        bool good;
    } NUMBERS[] = { { "1", true },   { "10", true },
                    { "0", false },  { "11", false },
                    { "", false },   { "x", false },
                    { "5x", false }, { "-5", false },
                    { " 5", false }, { "99999999999999999999", false } };

    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        START("--n", NUMBERS[i].text);

        CHECK(options_next(&options));
        options_number(&options, 1, 10);
        if (options.failed == NUMBERS[i].good)
            FAIL("'%s'", NUMBERS[i].text);
    }
}

TEST(W1_seconds_have_decimals)
{
    static const struct {
        const char *text;
        uint64_t ns; /* 0: refused */
    } TIMES[] = { { "1", 1000000000 },
                  { "0.5", 500000000 },
                  { "1.000000001", 1000000001 },
                  { "0.0000000001", 0 },
                  { "0", 0 },
                  { "", 0 },
                  { ".5", 0 },
                  { "1s", 0 },
                  { "-1", 0 },
                  { "1e3", 0 },
                  { "99999999999", 0 } };

    for (size_t i = 0; i < sizeof TIMES / sizeof TIMES[0]; i++) {
        START("--t", TIMES[i].text);

        CHECK(options_next(&options));

        uint64_t ns = options_seconds(&options);

        CHECK_EQ(options.failed, TIMES[i].ns == 0);
        if (!options.failed)
            CHECK_EQ(ns, TIMES[i].ns);
    }
}
