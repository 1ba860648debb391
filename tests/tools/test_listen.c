/* SPDX-License-Identifier: MIT */
/* Addresses to listen on. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listen.h"
#include "runner/test.h"

static struct listen_address address;

TEST(W2_addresses_are_understood)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)&address.address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address.address;

    CHECK(listen_parse("127.0.0.1:8080", &address));
    CHECK_EQ(in4->sin_family, AF_INET);
    CHECK_EQ(ntohs(in4->sin_port), 8080);
    CHECK_EQ(ntohl(in4->sin_addr.s_addr), INADDR_LOOPBACK);
    CHECK(listen_parse("[::1]:65535", &address));
    CHECK_EQ(in6->sin6_family, AF_INET6);
    CHECK_EQ(ntohs(in6->sin6_port), 65535);
    CHECK(IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr));
    CHECK(!address.any_family);
    CHECK(listen_parse(":0", &address));
    CHECK(address.any_family);
    CHECK(listen_parse("unix:/a/b", &address));
    CHECK_EQ(address.address.ss_family, AF_UNIX);
}

TEST(W2_what_is_no_address_is_refused)
{
    static const char *const BAD[] = {
        "",
        "8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1: 80",
        "127.0.0.1:80x",
        "127.0.0.1:000080",
        "localhost:80",
        "1.2.3:80",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[]:80",
        "[x]:80",
        "[127.0.0.1]:80",
        "unix:",
        "1111111111111111111111111111111111111111111111111111111111111:80",
    };
    char path[256] = "unix:";

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (listen_parse(BAD[i], &address))
            FAIL("'%s' was taken for an address", BAD[i]);
    }
    memset(path + 5, 'x', 200);
    CHECK(!listen_parse(path, &address));
}

TEST(W2_port_0_gives_a_free_one_and_a_busy_one_is_told)
{
    struct listener one;
    struct listener two;
    unsigned port = 0;
    char text[64];

    CHECK(listen_parse("127.0.0.1:0", &address));
    CHECK_OK(listen_open(&address, &one));
    CHECK_EQ(sscanf(one.name, "http://127.0.0.1:%u/", &port), 1);
    CHECK_GT(port, 0);
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    CHECK(listen_parse(text, &address));
    CHECK_ERR(listen_open(&address, &two), -EADDRINUSE);
    listen_close(&one);
    CHECK_OK(listen_open(&address, &two));
    listen_close(&two);
    listen_close(&two);
}

TEST(W2_unix_sockets_are_taken_over_only_when_nobody_listens)
{
    struct listener one;
    struct listener two;
    char text[128];
    struct stat status;

    snprintf(text, sizeof text, "unix:%s/s", test_directory());
    CHECK(listen_parse(text, &address));
    CHECK_OK(listen_open(&address, &one));
    CHECK_STR_EQ(one.name, text);
    CHECK_ERR(listen_open(&address, &two), -EADDRINUSE);
    close(one.fd); /* as if the process had been killed */
    CHECK_OK(listen_open(&address, &two));
    listen_close(&two);
    CHECK(stat(text + 5, &status) != 0);
}
