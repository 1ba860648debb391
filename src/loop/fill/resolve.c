/* SPDX-License-Identifier: MIT */
/*
 * resolve.c - names become addresses
 *
 * What is all digits is answered when the op is filled, and the op is then one
 * that does nothing. Everything else is a call on the pool. Forms of numbers
 * that only the C library knows ("127.1", "fe80::1%eth0") count as names.
 */
#include <gyre/resolve.h>

#include <arpa/inet.h>
#include <errno.h>
#include <gyre/error.h>
#include <netdb.h>

#include "base/alloc.h"
#include "kernel/lookup.h"
#include "loop/fill/fill.h"
#include "loop/resolve.h"

#define FLAGS_KNOWN                                                            \
    (AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV | AI_ADDRCONFIG |            \
     AI_V4MAPPED | AI_ALL)

/* ---- the answer ---------------------------------------------------------- */

void gyre_endpoints_free(gyre_endpoints *addresses)
{
    alloc_free(addresses);
}

static gyre_endpoints *addresses_new(size_t count)
{
    gyre_endpoints *addresses =
        alloc_zeroed(1, sizeof *addresses + count * sizeof addresses->at[0]);

    if (addresses == NULL)
        return NULL;
    addresses->count = count;
    addresses->at = (gyre_endpoint *)(void *)(addresses + 1);
    return addresses;
}

static bool is_internet(const struct addrinfo *found)
{
    return (found->ai_family == AF_INET || found->ai_family == AF_INET6) &&
           found->ai_addrlen <= sizeof(struct sockaddr_in6);
}

static int addresses_take(gyre_endpoints **addresses,
                          const struct addrinfo *found)
{
    size_t count = 0;

    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        count += is_internet(at);
    if (count == 0)
        return GYRE_ENOADDRESS;
    *addresses = addresses_new(count);
    if (*addresses == NULL)
        return -ENOMEM;
    count = 0;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        gyre_endpoint *address = &(*addresses)->at[count];

        if (!is_internet(at))
            continue;
        memcpy(&address->any, at->ai_addr, at->ai_addrlen);
        address->size = at->ai_addrlen;
        address->type = at->ai_socktype;
        address->protocol = at->ai_protocol;
        count++;
    }
    return 0;
}

/* ---- names --------------------------------------------------------------- */

int resolve_work(void *arg)
{
    gyre_resolve_op *op = arg;
    const struct addrinfo hints = {
        .ai_family = op->family_,
        .ai_socktype = op->type_,
        .ai_flags = op->flags_,
    };
    struct addrinfo *found;
    int err = lookup(op->has_name_ ? op->name_ : NULL,
                     op->has_service_ ? op->service_ : NULL, &hints, &found);

    if (err == 0)
        err = addresses_take(&op->addresses, found);
    lookup_free(found);
    return err;
}

/* ---- numbers ------------------------------------------------------------- */

/* The port; -1: it is a name. */
static int port_of(const char *service)
{
    int port = 0;

    if (service == NULL)
        return 0;
    for (const char *at = service; *at != '\0'; at++) {
        if (*at < '0' || *at > '9')
            return -1;
        port = port * 10 + (*at - '0');
        if (port > UINT16_MAX)
            return -1;
    }
    return *service != '\0' ? port : -1;
}

static bool address_set(gyre_endpoint *address, const gyre_resolve_op *op,
                        int family, const char *text, int port)
{
    uint16_t in_order = htons((uint16_t)port);
    void *to;

    if (op->family_ != 0 && op->family_ != family)
        return false;
    address->type = op->type_;
    if (op->type_ == SOCK_STREAM)
        address->protocol = IPPROTO_TCP;
    else if (op->type_ == SOCK_DGRAM)
        address->protocol = IPPROTO_UDP;
    address->any.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        address->in.sin_port = in_order;
        address->size = sizeof address->in;
        to = &address->in.sin_addr;
    } else {
        address->in6.sin6_port = in_order;
        address->size = sizeof address->in6;
        to = &address->in6.sin6_addr;
    }
    return inet_pton(family, text, to) == 1;
}

/* Is it a number at all? */
static bool is_number(const char *name)
{
    struct in6_addr room;

    return inet_pton(AF_INET, name, &room) == 1 ||
           inet_pton(AF_INET6, name, &room) == 1;
}

/* The answer without asking anybody: 0 or an error, and *known; or not. */
static int answer_numbers(gyre_resolve_op *op, bool *known)
{
    int port = port_of(op->has_service_ ? op->service_ : NULL);
    gyre_endpoint address = { .size = 0 };

    *known = port >= 0 && op->has_name_ && is_number(op->name_) &&
             (op->flags_ & (AI_V4MAPPED | AI_ADDRCONFIG)) == 0;
    if (!*known)
        return 0;
    if (!address_set(&address, op, AF_INET, op->name_, port) &&
        !address_set(&address, op, AF_INET6, op->name_, port))
        return GYRE_ENOADDRESS;
    op->addresses = addresses_new(1);
    if (op->addresses == NULL)
        return -ENOMEM;
    op->addresses->at[0] = address;
    return 0;
}

/* ---- the op -------------------------------------------------------------- */

static int text_copy(char *to, size_t room, const char *from, bool *has)
{
    size_t size;

    *has = from != NULL;
    if (from == NULL)
        return 0;
    size = strnlen(from, room);
    if (size == room)
        return -ENAMETOOLONG;
    memcpy(to, from, size + 1);
    return 0;
}

static int options_take(gyre_resolve_op *op,
                        const gyre_resolve_options *options)
{
    op->type_ = SOCK_STREAM;
    if (options == NULL)
        return 0;
    ASSERT_API(options->size == 0 || options->size == sizeof *options,
               "gyre_resolve_options.size is not that of this library");
    op->family_ = options->family;
    op->flags_ = options->flags;
    if (options->type != 0)
        op->type_ = options->type;
    return (options->flags & ~FLAGS_KNOWN) == 0 &&
                   (op->family_ == 0 || op->family_ == AF_INET ||
                    op->family_ == AF_INET6)
               ? 0
               : -EINVAL;
}

int gyre_resolve_op_fill(gyre_resolve_op *op, const char *name,
                         const char *service,
                         const gyre_resolve_options *options)
{
    bool known = false;
    int err;

    memset(op, 0, offsetof(gyre_resolve_op, name_));
    err = options_take(op, options);
    if (err == 0 && name == NULL && service == NULL)
        err = -EINVAL;
    if (err == 0)
        err = text_copy(op->name_, sizeof op->name_, name, &op->has_name_);
    if (err == 0)
        err = text_copy(op->service_, sizeof op->service_, service,
                        &op->has_service_);
    if (err == 0)
        err = answer_numbers(op, &known);
    if (err < 0)
        return err;
    if (known)
        gyre_op_nop(&op->op);
    else
        gyre_op_call(&op->op, resolve_work, op);
    return 0;
}
