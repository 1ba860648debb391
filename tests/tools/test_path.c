/* SPDX-License-Identifier: MIT */
/* From request targets to paths below the root, and what never gets there. */
#include <stdio.h>
#include <string.h>

#include "path.h"
#include "runner/test.h"

static struct path path;

static void check_path(const char *target, const char *text, bool is_directory)
{
    CHECK_EQ(path_decode(span_string(target), &path), 0);
    CHECK_STR_EQ(path.text, text);
    CHECK_EQ(path.size, strlen(text));
    CHECK_EQ(path.is_directory, is_directory);
}

static int status_of(const char *target)
{
    return path_decode(span_string(target), &path);
}

TEST(W2_targets_become_relative_paths)
{
    check_path("/", "", true);
    check_path("/a", "a", false);
    check_path("/a/b.txt", "a/b.txt", false);
    check_path("/a/", "a", true);
    check_path("//a///b//", "a/b", true);
    check_path("http://host:80/a/b", "a/b", false);
    check_path("HTTP://host", "", true);
    check_path("/.well-known/x", ".well-known/x", false);
}

TEST(W2_escapes_are_decoded_exactly_once)
{
    check_path("/a%20b", "a b", false);
    check_path("/%41%7e", "A~", false);
    check_path("/%2541", "%41", false);
    check_path("/%252e%252e/x", "%2e%2e/x", false);
    check_path("/%E4%BD%A0", "\xE4\xBD\xA0", false);
    check_path("/a%3Fb", "a?b", false);
    check_path("/a\\..\\b", "a\\..\\b", false);
}

TEST(W2_queries_are_kept_apart)
{
    check_path("/a?b/../c", "a", false);
    CHECK(span_equals(path.query, "b/../c"));
    check_path("/a/?", "a", true);
    CHECK(path.query.data != NULL && path.query.size == 0);
    check_path("/a", "a", false);
    CHECK(path.query.data == NULL);
    check_path("http://host?q", "", true);
    CHECK(span_equals(path.query, "q"));
}

TEST(W2_paths_that_climb_are_refused)
{
    static const char *const BAD[] = {
        "/..",     "/../etc/passwd", "/a/../b",   "/a/..",       "/%2e%2e/x",
        "/.%2e/x", "/%2E./x",        "/a/%2e%2e", "http://h/..", "/a//../b",
    };

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (status_of(BAD[i]) != 400)
            FAIL("'%s' was not refused", BAD[i]);
    }
}

TEST(W2_encoded_slashes_and_nuls_are_refused)
{
    static const char *const BAD[] = {
        "/a%2fb",    "/a%2Fb", "/%2f", "/a%00",  "/%00", "/a%", "/a%4",
        "/%zz",      "/%-1",   "/%4g", "/a#b",   "",     "*",   "a",
        "ftp://h/a", "?q",     "/a%2", "/..%2f", "/%",
    };

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (status_of(BAD[i]) != 400)
            FAIL("'%s' was not refused", BAD[i]);
    }
}

TEST(W2_hidden_names_do_not_exist)
{
    CHECK_EQ(status_of("/.git/config"), 404);
    CHECK_EQ(status_of("/a/.htaccess"), 404);
    CHECK_EQ(status_of("/%2egit"), 404);
    CHECK_EQ(status_of("/./a"), 404);
    CHECK_EQ(status_of("/..."), 404);
    CHECK_EQ(status_of("/.well-knownx"), 404);
}

TEST(W2_paths_longer_than_linux_has_are_refused)
{
    static char target[2 * PATH_SIZE];

    memset(target, 'a', sizeof target);
    target[0] = '/';
    CHECK_EQ(path_decode(span_of(target, PATH_SIZE), &path), 0);
    CHECK_EQ(path.size, PATH_SIZE - 1);
    CHECK_EQ(path_decode(span_of(target, PATH_SIZE + 1), &path), 414);
    for (size_t i = 0; i < sizeof target; i += 2)
        target[i] = '/';
    CHECK_EQ(path_decode(span_of(target, PATH_SIZE), &path), 0);
    CHECK_EQ(path_decode(span_of(target, sizeof target), &path), 414);
}

/* Whatever the bytes: no path that is let through can climb, hold a NUL, or be
 * absolute. */
TEST(W2_random_targets_never_climb)
{
    static const char ALPHABET[] = "/..%2eEfF0a?#\\b";
    uint32_t random = 12345;

    for (int round = 0; round < 300000; round++) {
        char target[24];

        target[0] = '/';
        for (size_t i = 1; i < sizeof target; i++) {
            random = random * 1664525 + 1013904223;
            target[i] = ALPHABET[(random >> 16) % (sizeof ALPHABET - 1)];
        }
        if (path_decode(span_of(target, sizeof target), &path) != 0)
            continue;
        CHECK_EQ(strlen(path.text), path.size);
        CHECK(path.text[0] != '/');

        static char padded[PATH_SIZE + 8];

        snprintf(padded, sizeof padded, "/%s/", path.text);
        CHECK(strstr(padded, "/../") == NULL);
        CHECK(strstr(padded, "/./") == NULL);
        CHECK(path.size == 0 || strstr(padded, "//") == NULL);
    }
}
