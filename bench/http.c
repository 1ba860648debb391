/* SPDX-License-Identifier: MIT */
/*
 * http.c - a server of one small page: CPU time for each request
 *
 * The servers, the client and the way of measuring are those of echo.c; what is
 * said is HTTP/1.1 on connections that are kept: a request of a browser's size,
 * looked through to its end, and a reply from memory. So it shows what the way
 * of doing I/O costs when request and reply differ, not what parsing costs.
 */
#include <string.h>

#include "echo.h"

static const char REQUEST[] =
    "GET /index.html HTTP/1.1\r\n"
    "Host: localhost:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Connection: keep-alive\r\n"
    "\r\n";

static const char REPLY[] = "HTTP/1.1 200 OK\r\n"
                            "Content-Type: text/html; charset=utf-8\r\n"
                            "Content-Length: 46\r\n"
                            "Connection: keep-alive\r\n"
                            "\r\n"
                            "<!doctype html><title>gyre</title><p>Hello</p>";

static const char *answer(const char *request, unsigned size)
{
    const char *at = request, *end = request + size;

    if (size < 4 || memcmp(request, "GET ", 4) != 0)
        return NULL;
    while ((at = memchr(at, '\r', (size_t)(end - at))) != NULL) {
        if (end - at >= 4 && memcmp(at, "\r\n\r\n", 4) == 0)
            return REPLY;
        at++;
    }
    return NULL;
}

static const struct echo_talk http = {
    .request = REQUEST,
    .size = sizeof REQUEST - 1,
    .reply_size = sizeof REPLY - 1,
    .answer = answer,
};

static int take(const struct bench_case *of, const struct budget *budget,
                struct sample *sample)
{
    return echo_take(of, budget, sample, &http);
}

static const struct contender contenders[] = {
    { .name = "uring by hand, best",
      .take = take,
      .serve = serve_uring_best,
      .is_limit = true },
    { .name = "uring by hand, same ops",
      .take = take,
      .serve = serve_uring_plain },
    { .name = "gyre callbacks", .take = take, .serve = serve_callbacks },
    { .name = "gyre tasks", .take = take, .serve = serve_tasks },
    { .name = "epoll by hand", .take = take, .serve = serve_epoll },
    { .name = "gyre callbacks on emu",
      .take = take,
      .serve = serve_callbacks,
      .kernel = "emu" },
    { .name = "gyre tasks on emu",
      .take = take,
      .serve = serve_tasks,
      .kernel = "emu" },
};
#define COUNT (sizeof contenders / sizeof contenders[0])

static const struct bench_case cases[] = {
    { "1 connection", contenders, COUNT, 1 },
    { "64 connections", contenders, COUNT, 64 },
    { "512 connections", contenders, COUNT, 512 },
};

const struct bench bench_http = {
    .name = "http",
    .unit = "a request, in the server",
    .cases = cases,
    .count = sizeof cases / sizeof cases[0],
    .seconds = 0.5,
    .rounds = 5,
    .instruction_ops = 20000,
};
