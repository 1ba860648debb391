/* SPDX-License-Identifier: MIT */
/* peer.c - see peer.h */
#include "peer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/assert.h"

static_assert(PEER_NAME_SIZE == INET6_ADDRSTRLEN, "every address has room");

void peer_name(const struct sockaddr *peer, char *name, size_t size)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)peer;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;
    const struct sockaddr_vm *vm = (const struct sockaddr_vm *)peer;
    const char *given = NULL;

    ASSERT(size >= PEER_NAME_SIZE);
    if (peer->sa_family == AF_INET)
        given = inet_ntop(AF_INET, &in4->sin_addr, name, (socklen_t)size);
    else if (peer->sa_family == AF_INET6)
        given = inet_ntop(AF_INET6, &in6->sin6_addr, name, (socklen_t)size);
    if (peer->sa_family == AF_VSOCK)
        snprintf(name, size, "vsock:%u", vm->svm_cid);
    else if (given == NULL)
        snprintf(name, size, "unix");
}
