/* SPDX-License-Identifier: MIT */
/*
 * listener_address.c - addresses as text, and back
 *
 * Hosts are given in digits: which of a name's addresses was meant is for the
 * user to say.
 */
#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "io/listener.h"
#include "kernel/proc.h"

static bool parse_number(const char *text, unsigned max, unsigned *number)
{
    unsigned value = 0;

    if (text[0] == '\0' || strlen(text) > (max > UINT16_MAX ? 10 : 5))
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' ||
            __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (unsigned)(*text - '0'), &value))
            return false;
    }
    *number = value;
    return value <= max;
}

/* A name that begins with @ is abstract: a zero byte stands for the @, and
 * there is none at its end. */
static bool parse_unix(const char *path, struct listener_address *address)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&address->any;
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof un->sun_path)
        return false;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, size);
    if (path[0] == '@')
        un->sun_path[0] = '\0';
    else
        size++;
    address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return true;
}

static bool parse_fd(const char *text, struct listener_address *address)
{
    unsigned fd;

    if (!parse_number(text, UINT16_MAX, &fd))
        return false;
    address->adopted = (int)fd;
    return true;
}

/* One of those that systemd has passed, by sd_listen_fds(3)'s protocol. */
static bool parse_passed(const char *text, struct listener_address *address)
{
    unsigned n;

    if (!parse_number(text, UINT16_MAX, &n))
        return false;
    address->adopted = proc_passed_socket(n);
    address->not_passed = address->adopted < 0;
    return true;
}

/* "PORT", or "CID:PORT". */
static bool parse_vsock(const char *text, struct listener_address *address)
{
    struct sockaddr_vm *vm = (struct sockaddr_vm *)&address->any;
    const char *colon = strchr(text, ':');
    char cid[16] = "";
    size_t size = colon != NULL ? (size_t)(colon - text) : 0;
    unsigned port;

    if (size >= sizeof cid)
        return false;
    memcpy(cid, text, size);
    address->size = sizeof *vm;
    vm->svm_family = AF_VSOCK;
    vm->svm_cid = VMADDR_CID_ANY;
    if (colon != NULL && !parse_number(cid, UINT32_MAX, &vm->svm_cid))
        return false;
    if (!parse_number(colon != NULL ? colon + 1 : text, UINT32_MAX, &port))
        return false;
    vm->svm_port = port != 0 ? port : VMADDR_PORT_ANY;
    return true;
}

static bool parse_ipv4(const char *host, unsigned port,
                       struct listener_address *address)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)&address->any;

    address->size = sizeof *in4;
    in4->sin_family = AF_INET;
    in4->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &in4->sin_addr) == 1;
}

/* Without the brackets; "": any address. */
static bool parse_ipv6(const char *host, unsigned port,
                       struct listener_address *address)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->any;

    address->size = sizeof *in6;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    return host[0] == '\0' || inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
}

bool listener_parse(const char *text, struct listener_address *address)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    size_t size = colon != NULL ? (size_t)(colon - text) : sizeof host;
    unsigned port;

    memset(address, 0, sizeof *address);
    address->adopted = -1;
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, address);
    if (strncmp(text, "fd:", 3) == 0)
        return parse_fd(text + 3, address);
    if (strncmp(text, "systemd:", 8) == 0)
        return parse_passed(text + 8, address);
    if (strncmp(text, "vsock:", 6) == 0)
        return parse_vsock(text + 6, address);
    if (size >= sizeof host || !parse_number(colon + 1, UINT16_MAX, &port))
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    address->any_family = size == 0;
    if (host[0] != '[')
        return size == 0 ? parse_ipv6("", port, address)
                         : parse_ipv4(host, port, address);
    if (size < 3 || host[size - 1] != ']')
        return false;
    host[size - 1] = '\0';
    return parse_ipv6(host + 1, port, address);
}

static void name_unix(const struct listener_address *address, char *name,
                      size_t size)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->any;
    size_t length = address->size - offsetof(struct sockaddr_un, sun_path);

    if (address->size <= offsetof(struct sockaddr_un, sun_path))
        snprintf(name, size, "unix:");
    else if (un->sun_path[0] == '\0')
        snprintf(name, size, "unix:@%.*s", (int)length - 1, un->sun_path + 1);
    else
        snprintf(name, size, "unix:%.*s", (int)length, un->sun_path);
}

static void name_vsock(const struct listener_address *address, char *name,
                       size_t size)
{
    const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&address->any;

    if (vm->svm_cid == VMADDR_CID_ANY)
        snprintf(name, size, "vsock:%u", vm->svm_port);
    else
        snprintf(name, size, "vsock:%u:%u", vm->svm_cid, vm->svm_port);
}

void listener_name(const struct listener_address *address, char *name,
                   size_t size)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&address->any;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->any;
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->any.ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &in4->sin_addr, host, sizeof host);
        snprintf(name, size, "%s:%u", host, ntohs(in4->sin_port));
    } else if (address->any.ss_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(name, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else if (address->any.ss_family == AF_UNIX) {
        name_unix(address, name, size);
    } else if (address->any.ss_family == AF_VSOCK) {
        name_vsock(address, name, size);
    } else {
        snprintf(name, size, "a socket of family %d", address->any.ss_family);
    }
}

const char *listener_path(const struct listener_address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->any;

    return un->sun_family == AF_UNIX && un->sun_path[0] != '\0' &&
                   address->size > offsetof(struct sockaddr_un, sun_path)
               ? un->sun_path
               : NULL;
}
