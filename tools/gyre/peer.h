/* SPDX-License-Identifier: MIT */
/*
 * peer.h - who a client is, for the log
 */
#ifndef GYRE_TOOL_PEER_H
#define GYRE_TOOL_PEER_H

#include <stddef.h>
#include <sys/socket.h>

#define PEER_NAME_SIZE 46 /* of the longest, which is an IPv6 address */

/* The address without its port; "vsock:CID"; "unix", also for whoever has no
 * address. `size` is at least PEER_NAME_SIZE. */
void peer_name(const struct sockaddr *peer, char *name, size_t size);

#endif
