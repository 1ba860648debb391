/* SPDX-License-Identifier: MIT */
/* Entity tags, dates, and what they decide. */
#include <string.h>

#include "condition.h"
#include "runner/test.h"

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER "Sun, 06 Nov 1994 08:49:38 GMT"

static const struct version VERSION = { .etag = "\"1-2-3\"",
                                        .modified = 784111777 };

/* The decision for a request with one or two conditions. */
static int decide(enum header header, const char *value, enum header other,
                  const char *other_value)
{
    struct request request = { .minor = 1 };

    request.headers[header] = span_string(value);
    if (other_value != NULL)
        request.headers[other] = span_string(other_value);
    return condition_check(&request, &VERSION);
}

TEST(W2_versions_differ_when_files_do)
{
    struct version a;
    struct version b;

    version_make(&a, 1, 2, 3, 4, "");
    CHECK(a.etag[0] == '"' && a.etag[strlen(a.etag) - 1] == '"');
    CHECK_EQ(a.modified, 3);
    version_make(&b, 1, 2, 3, 5, "");
    CHECK(strcmp(a.etag, b.etag) != 0);
    version_make(&b, 1, 3, 3, 4, "");
    CHECK(strcmp(a.etag, b.etag) != 0);
    version_make(&b, 2, 2, 3, 4, "");
    CHECK(strcmp(a.etag, b.etag) != 0);
    version_make(&b, 1, 2, 3, 4, "-html");
    CHECK(strcmp(a.etag, b.etag) != 0);
    version_make(&b, UINT64_MAX, UINT64_MAX, INT64_MAX, 999999999, "-html");
    CHECK_LT(strlen(b.etag), ETAG_SIZE);
}

TEST(W2_if_none_match_compares_weakly)
{
    CHECK_EQ(decide(HEADER_IF_NONE_MATCH, "\"1-2-3\"", 0, NULL), 304);
    CHECK_EQ(decide(HEADER_IF_NONE_MATCH, "W/\"1-2-3\"", 0, NULL), 304);
    CHECK_EQ(decide(HEADER_IF_NONE_MATCH, "\"x\", \"1-2-3\"", 0, NULL), 304);
    CHECK_EQ(decide(HEADER_IF_NONE_MATCH, "*", 0, NULL), 304);
    CHECK_EQ(decide(HEADER_IF_NONE_MATCH, "\"1-2-4\"", 0, NULL), 200);
    CHECK_EQ(decide(HEADER_IF_NONE_MATCH, "1-2-3", 0, NULL), 200);
    CHECK_EQ(decide(HEADER_IF_NONE_MATCH, "\"x,\"1-2-3\"", 0, NULL), 200);
}

TEST(W2_if_modified_since_is_read)
{
    CHECK_EQ(decide(HEADER_IF_MODIFIED_SINCE, DATE, 0, NULL), 304);
    CHECK_EQ(decide(HEADER_IF_MODIFIED_SINCE, LATER, 0, NULL), 304);
    CHECK_EQ(decide(HEADER_IF_MODIFIED_SINCE, EARLIER, 0, NULL), 200);
    CHECK_EQ(decide(HEADER_IF_MODIFIED_SINCE, "yesterday", 0, NULL), 200);
    /* A tag decides alone. */
    CHECK_EQ(decide(HEADER_IF_MODIFIED_SINCE, DATE, HEADER_IF_NONE_MATCH,
                    "\"other\""),
             200);
}

TEST(W2_preconditions_are_kept)
{
    CHECK_EQ(decide(HEADER_IF_MATCH, "\"1-2-3\"", 0, NULL), 200);
    CHECK_EQ(decide(HEADER_IF_MATCH, "*", 0, NULL), 200);
    CHECK_EQ(decide(HEADER_IF_MATCH, "W/\"1-2-3\"", 0, NULL), 412);
    CHECK_EQ(decide(HEADER_IF_MATCH, "\"other\"", 0, NULL), 412);
    CHECK_EQ(decide(HEADER_IF_UNMODIFIED_SINCE, DATE, 0, NULL), 200);
    CHECK_EQ(decide(HEADER_IF_UNMODIFIED_SINCE, EARLIER, 0, NULL), 412);
    CHECK_EQ(decide(HEADER_IF_UNMODIFIED_SINCE, EARLIER, HEADER_IF_MATCH,
                    "\"1-2-3\""),
             200);
}

static bool allows(const char *value)
{
    struct request request = { .minor = 1 };

    if (value != NULL)
        request.headers[HEADER_IF_RANGE] = span_string(value);
    return condition_allows_range(&request, &VERSION);
}

TEST(W2_if_range_compares_strongly)
{
    CHECK(allows(NULL));
    CHECK(allows("\"1-2-3\""));
    CHECK(allows(DATE));
    CHECK(!allows("W/\"1-2-3\""));
    CHECK(!allows("\"other\""));
    CHECK(!allows(EARLIER));
    CHECK(!allows(LATER));
    CHECK(!allows("*"));
}
