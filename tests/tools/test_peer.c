/* SPDX-License-Identifier: MIT */
/* What the log calls a client. */
#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "peer.h"
#include "runner/test.h"

static void named(const void *peer, const char *expected)
{
    char name[PEER_NAME_SIZE];

    peer_name(peer, name, sizeof name);
    CHECK_STR_EQ(name, expected);
}

TEST(W2_clients_are_named_by_their_addresses)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = 80 };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = 80 };
    const struct sockaddr_vm vm = { .svm_family = AF_VSOCK, .svm_cid = 3 };
    const struct sockaddr_un un = { .sun_family = AF_UNIX };

    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    named(&in4, "127.0.0.1");
    CHECK_EQ(inet_pton(AF_INET6, "1111:2222:3333:4444:5555:6666:7777:8888",
                       &in6.sin6_addr),
             1);
    named(&in6, "1111:2222:3333:4444:5555:6666:7777:8888");
    CHECK_EQ(inet_pton(AF_INET6, "::ffff:192.168.100.200", &in6.sin6_addr), 1);
    named(&in6, "::ffff:192.168.100.200");
    named(&vm, "vsock:3");
    named(&un, "unix");
}
