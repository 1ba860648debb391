/* SPDX-License-Identifier: MIT */
/*
 * Text that cannot overflow, and the escapes that stand between a hostile name
 * and the reader of a page or a log.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "runner/test.h"
#include "text.h"

/* What an escape makes of `in`, with a NUL. */
static const char *escape(void (*put)(struct text *, struct span),
                          const char *in, size_t size)
{
    static char out[4096];
    struct text text;

    text_init(&text, out, sizeof out - 1);
    put(&text, span_of(in, size));
    CHECK(!text.failed);
    out[text.used] = '\0';
    return out;
}

TEST(W2_names_are_escaped_in_html)
{
    CHECK_STR_EQ(escape(text_put_html, "<a href=\"x\">&'", 14),
                 "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    CHECK_STR_EQ(escape(text_put_html, "caf\xC3\xA9", 5), "caf\xC3\xA9");
}

TEST(W2_what_is_no_utf8_is_replaced_in_html)
{
    static const char *const BAD[] = {
        "\x01",
        "\x7F",
        "\x1B",
        "\x80",
        "\xC3",
        "\xC0\xAF",
        "\xE0\x80\x80",
        "\xED\xA0\x80",
        "\xF5\x80\x80\x80",
        "\xF4\x90\x80\x80",
        "\xC2\x9B",
        "\xFF",
        "\xE2\x82",
    };

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        const char *out = escape(text_put_html, BAD[i], strlen(BAD[i]));

        CHECK(strncmp(out, "\xEF\xBF\xBD", 3) == 0);
        for (; *out != '\0'; out += 3)
            CHECK(strncmp(out, "\xEF\xBF\xBD", 3) == 0);
    }
}

TEST(W2_every_byte_of_a_path_is_safe_in_a_url)
{
    CHECK_STR_EQ(escape(text_put_url, "a b/c?d#e%f:g", 13),
                 "a%20b/c%3Fd%23e%25f%3Ag");
    for (unsigned c = 1; c < 256; c++) {
        char byte = (char)c;
        const char *out = escape(text_put_url, &byte, 1);

        CHECK(strpbrk(out, "<>\"'&\r\n \t") == NULL);
        CHECK((unsigned char)out[0] < 0x7F);
        CHECK(strlen(out) == 1 || (strlen(out) == 3 && out[0] == '%'));
    }
}

TEST(W2_log_lines_have_neither_control_bytes_nor_quotes)
{
    CHECK_STR_EQ(escape(text_put_log, "a\"b\\c\nd\x1B[0me\xFF", 13),
                 "a\\x22b\\x5Cc\\x0Ad\\x1B[0me\\xFF");
    for (unsigned c = 0; c < 256; c++) {
        char byte = (char)c;
        const char *out = escape(text_put_log, &byte, 1);

        for (const char *p = out; *p != '\0'; p++)
            CHECK(*p >= ' ' && *p < 0x7F && *p != '"');
    }
}

TEST(W1_strings_are_escaped_in_json)
{
    char out[64];
    struct text text;

    text_init(&text, out, sizeof out - 1);
    text_put_json(&text, "a\"b\\c\nd");
    out[text.used] = '\0';
    CHECK_STR_EQ(out, "\"a\\\"b\\\\c\\u000ad\"");
}

TEST(text_that_does_not_fit_is_dropped_and_told_of)
{
    char out[9] = "........";
    struct text text;

    text_init(&text, out, 4);
    text_puts(&text, "abc");
    CHECK(!text.failed);
    text_puts(&text, "de");
    CHECK(text.failed);
    text_puts(&text, "f"); /* nothing follows a gap */
    CHECK_EQ(text.used, 3);
    CHECK_STR_EQ(out, "abc.....");
}

TEST(growing_text_stops_at_its_limit)
{
    struct text text;

    text_init_growing(&text, 10000);
    for (int i = 0; i < 10000; i++)
        text_put(&text, "x", 1);
    CHECK(!text.failed);
    CHECK_EQ(text.used, 10000);
    text_put(&text, "x", 1);
    CHECK(text.failed);
    text_free(&text);
}

static void grow_once(void)
{
    struct text text;

    text_init_growing(&text, 1 << 20);
    for (int i = 0; i < 20000; i++)
        text_puts(&text, "word ");
    CHECK(text.failed || text.used == 100000);
    text_free(&text);
}

TEST(growing_text_copes_with_no_memory)
{
    CHECK_GT(for_each_failure(grow_once), 3);
}

TEST(lists_are_cut_at_commas_outside_of_quotes)
{
    struct span list = span_string(" a ,, \"b,c\" ,\td");
    struct span member;

    CHECK(span_next_member(&list, &member) && span_equals(member, "a"));
    CHECK(span_next_member(&list, &member) && span_equals(member, "\"b,c\""));
    CHECK(span_next_member(&list, &member) && span_equals(member, "d"));
    CHECK(!span_next_member(&list, &member));
    list = span_string(" , ,");
    CHECK(!span_next_member(&list, &member));
}
