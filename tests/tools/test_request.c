/* SPDX-License-Identifier: MIT */
/*
 * Heads of requests: what is understood, and what is refused whatever the
 * version of llhttp. Each refused head here is one that some parser has let
 * pass, and that some other has read differently.
 */
#include <stdlib.h>
#include <string.h>

#include "head.h"
#include "request.h"
#include "runner/test.h"

static struct request request;

/* 0, or the status that the head is refused with; -1: it is not complete. */
static int status_of_bytes(const char *head, size_t size)
{
    struct head_scan scan = { 0 };
    long found = head_scan(&scan, head, size);

    if (found == 0)
        return -1;
    if (found < 0)
        return (int)-found;
    CHECK_LE(found, size);
    return request_parse(&request, head, (size_t)found);
}

static int status_of(const char *head)
{
    return status_of_bytes(head, strlen(head));
}

static void check_refused(int status, const char *const *heads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int given = status_of(heads[i]);

        if (given != status)
            FAIL("head %zu: %d instead of %d\n%s", i, given, status, heads[i]);
    }
}

#define CHECK_REFUSED(status, heads)                                           \
    check_refused(status, heads, sizeof(heads) / sizeof(heads)[0])

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"

TEST(W2_requests_are_understood)
{
    CHECK_EQ(status_of("GET /a?b HTTP/1.1\r\nHost: h\r\nRange:bytes=1-2 \r\n"
                       "USER-AGENT:\tx y\t\r\nX-Other: 1\r\n\r\n"),
             0);
    CHECK(span_equals(request.line, "GET /a?b HTTP/1.1"));
    CHECK(span_equals(request.target, "/a?b"));
    CHECK(span_equals(request.headers[HEADER_RANGE], "bytes=1-2"));
    CHECK(span_equals(request.headers[HEADER_USER_AGENT], "x y"));
    CHECK(request.headers[HEADER_REFERER].data == NULL);
    CHECK(!request.is_head && request.keep_alive && !request.has_body);
    CHECK_EQ(request.minor, 1);
    CHECK_EQ(status_of("\r\n\r\nHEAD / HTTP/1.1\r\nHost:\r\n\r\n"), 0);
    CHECK(request.is_head);
    CHECK(request.headers[HEADER_HOST].data != NULL);
}

TEST(W2_connections_are_kept_alive_as_the_client_wishes)
{
    CHECK_EQ(status_of(GET "Connection: close\r\n\r\n"), 0);
    CHECK(!request.keep_alive);
    CHECK_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
    CHECK(!request.keep_alive);
    CHECK_EQ(status_of("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0);
    CHECK(request.keep_alive);
    CHECK_EQ(status_of(GET "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), 0);
    CHECK(request.keep_alive);
}

TEST(W2_bodies_are_noticed)
{
    CHECK_EQ(status_of(GET "Content-Length: 5\r\n\r\n"), 0);
    CHECK(request.has_body);
    CHECK_EQ(status_of(GET "Content-Length: 0\r\n\r\n"), 0);
    CHECK(!request.has_body);
    CHECK_EQ(status_of(GET "Transfer-Encoding: chunked\r\n\r\n"), 0);
    CHECK(request.has_body);
    CHECK_EQ(status_of(GET "Expect: 100-continue\r\n\r\n"), 0);
    CHECK_EQ(status_of(GET "Expect: 200-maybe\r\n\r\n"), 417);
}

TEST(W2_conflicting_lengths_are_refused)
{
    static const char *const HEADS[] = {
        GET "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        GET "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        GET "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
        GET "Content-Length: 1, 1\r\n\r\n",
        GET "Content-Length: +1\r\n\r\n",
        GET "Content-Length: -1\r\n\r\n",
        GET "Content-Length: 0x1\r\n\r\n",
        GET "Content-Length:\r\n\r\n",
        GET "Content-Length: 99999999999999999999999\r\n\r\n",
        GET "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        GET "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
        GET "Transfer-Encoding: x\r\n\r\n",
        GET "Transfer-Encoding: chunked, x\r\n\r\n",
        GET "Transfer-Encoding: x, chunked\r\n\r\n",
        GET "Transfer-Encoding:\r\n\r\n",
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    };

    CHECK_REFUSED(400, HEADS);
}

TEST(W2_ambiguous_line_ends_are_refused)
{
    static const char *const HEADS[] = {
        "GET / HTTP/1.1\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "GET / HTTP/1.1\rHost: h\r\n\r\n",
        GET "X: \rTransfer-Encoding: chunked\r\n\r\n",
        GET "X: a\r\rb\r\n\r\n",
        GET "\r\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    };

    CHECK_REFUSED(400, HEADS);
}

TEST(W2_header_lines_that_begin_with_a_blank_are_refused)
{
    static const char *const HEADS[] = {
        GET " X: a\r\n\r\n",
        GET "\tX: a\r\n\r\n",
        GET "X: a\r\n b\r\n\r\n",
        GET "X: a\r\n\tb\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    };

    CHECK_REFUSED(400, HEADS);
}

TEST(W2_header_names_are_tokens)
{
    static const char *const HEADS[] = {
        GET "X : a\r\n\r\n",    GET "X\t: a\r\n\r\n",   GET ": a\r\n\r\n",
        GET "X\r\n\r\n",        GET "X(y): a\r\n\r\n",  GET "X\x80: a\r\n\r\n",
        GET "X: a\x01\r\n\r\n", GET "X: a\x7F\r\n\r\n",
    };

    CHECK_REFUSED(400, HEADS);
    CHECK_EQ(status_of_bytes(GET "X: a\0b\r\n\r\n", sizeof GET + 10), 400);
}

TEST(W2_hosts_are_there_once)
{
    static const char *const HEADS[] = {
        "GET / HTTP/1.1\r\n\r\n",
        GET "Host: other\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    };

    CHECK_REFUSED(400, HEADS);
    CHECK_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
}

TEST(W2_request_lines_are_three_words)
{
    static const char *const HEADS[] = {
        "garbage\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /\x80 HTTP/1.1\r\nHost: h\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / http/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/11\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.10\r\nHost: h\r\n\r\n",
        "GET / ICE/1.0\r\nHost: h\r\n\r\n",
        "\x16\x03\x01\x02",
    };

    CHECK_REFUSED(400, HEADS);
}

TEST(W2_methods_and_versions_that_are_not_ours_are_refused)
{
    static const char *const METHODS[] = {
        "POST / HTTP/1.1\r\nHost: h\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
        "FROB / HTTP/1.1\r\nHost: h\r\n\r\n",
        "get / HTTP/1.1\r\nHost: h\r\n\r\n",
        "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
    };
    static const char *const VERSIONS[] = {
        "GET / HTTP/0.9\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: h\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: h\r\n\r\n",
    };

    CHECK_REFUSED(405, METHODS);
    CHECK_REFUSED(505, VERSIONS);
}

static char *long_head(const char *before, size_t count, const char *after)
{
    size_t size = strlen(before) + count + strlen(after) + 1;
    char *head = malloc(size);

    CHECK(head != NULL);
    memset(head, 'a', size);
    memcpy(head, before, strlen(before));
    strcpy(head + strlen(before) + count, after);
    return head;
}

TEST(W2_heads_have_limits)
{
    char *head = long_head("GET /", HEAD_LINE_MAX, " HTTP/1.1\r\n");

    CHECK_EQ(status_of(head), 414);
    free(head);
    head = long_head("GET /", 8000, " HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK_EQ(status_of(head), 0);
    free(head);
    head = long_head(GET "X: ", HEAD_SIZE_MAX, "\r\n\r\n");
    CHECK_EQ(status_of(head), 431);
    free(head);
    /* Without an end in sight, too. */
    head = long_head(GET "X: ", HEAD_SIZE_MAX - 100, "");
    CHECK_EQ(status_of(head), -1);
    free(head);
    head = long_head(GET "X: ", HEAD_SIZE_MAX, "");
    CHECK_EQ(status_of(head), 431);
    free(head);
}

TEST(W2_headers_are_counted)
{
    char head[HEAD_COUNT_MAX * 8 + 64] = GET;

    for (int i = 1; i < HEAD_COUNT_MAX; i++)
        strcat(head, "X: y\r\n");

    size_t size = strlen(head);

    strcpy(head + size, "\r\n");
    CHECK_EQ(status_of(head), 0);
    strcpy(head + size, "X: y\r\n\r\n");
    CHECK_EQ(status_of(head), 431);
}

/* However a head is cut into pieces, the scan says the same. */
TEST(W2_heads_come_in_pieces)
{
    static const char *const HEADS[] = {
        GET "X: y\r\n\r\n",
        GET "X: \rTransfer-Encoding: chunked\r\n\r\n",
        "\r\n" GET "\r\nGET /next HTTP/1.1\r\n",
        GET " folded: x\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof HEADS / sizeof HEADS[0]; i++) {
        const char *head = HEADS[i];
        struct head_scan whole = { 0 };
        struct head_scan pieces = { 0 };
        long expected = head_scan(&whole, head, strlen(head));
        long found = 0;

        for (size_t size = 0; size <= strlen(head) && found == 0; size++)
            found = head_scan(&pieces, head, size);
        CHECK_EQ(found, expected);
    }
}

/* Bytes like those of a request, in disorder: whatever is let through keeps the
 * rules of head.h. The sanitizers look at the rest. */
TEST(W2_random_heads_keep_the_rules)
{
    static const char *const WORDS[] = {
        "GET ",
        "/ ",
        "HTTP/1.1",
        "\r\n",
        "\r",
        "\n",
        "Host: h",
        "X: y",
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        " ",
        "\t",
        ":",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n",
        "\x80",
        "Connection: ",
        "close",
        "keep-alive, upgrade",
        "Upgrade: h2c",
        "Expect: 100-continue",
    };
    uint32_t random = 1;
    unsigned passed = 0;
    unsigned rounds = 200000 / test_scale();

    for (unsigned round = 0; round < rounds; round++) {
        char head[512] = "";

        for (int i = 0; i < 12; i++) {
            random = random * 1664525 + 1013904223;
            strcat(head,
                   WORDS[(random >> 16) % (sizeof WORDS / sizeof WORDS[0])]);
        }
        if (status_of(head) != 0)
            continue;
        passed++;

        const char *end = strstr(head, "\r\n\r\n");

        CHECK(end != NULL && request.target.size > 0);
        for (const char *p = head; p < end; p++) {
            CHECK(*p != '\n' || (p > head && p[-1] == '\r'));
            CHECK(*p != '\r' || p[1] == '\n');
            CHECK(*p != '\n' || (p[1] != ' ' && p[1] != '\t'));
        }
    }
    CHECK_GT(passed, 100 / test_scale());
}

TEST(W2_random_bytes_do_no_harm)
{
    uint32_t random = 7;

    for (unsigned round = 0; round < 100000 / test_scale(); round++) {
        char head[64];

        for (size_t i = 0; i < sizeof head; i++) {
            random = random * 1664525 + 1013904223;
            head[i] = (char)(random >> 16);
        }
        CHECK_NE(status_of_bytes(head, sizeof head), 0);
    }
}
