/* SPDX-License-Identifier: MIT */
/*
 * Calls on sockets beyond recv and send: made and tuned by a task, whole
 * vectors, datagrams with addresses, and sends that read the caller's memory.
 * On every kernel, with the same results.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/world.h"

enum { MANY = 1 << 20 };

static unsigned char byte_at(size_t offset)
{
    return (unsigned char)(offset * 31 + offset / 251);
}

static char *many_bytes(void)
{
    char *bytes = malloc(MANY);

    CHECK(bytes != NULL);
    for (size_t i = 0; i < MANY; i++)
        bytes[i] = (char)byte_at(i);
    return bytes;
}

/* ---- a socket from its making to its end --------------------------------- */

/* Both ends in one task: accept first, then connect. */
static int client(void *arg)
{
    struct sockaddr_in *address = arg, peer;
    socklen_t size = sizeof peer;
    int fd = gyre_socket(AF_INET, SOCK_STREAM, 0);
    char bytes[8];

    CHECK(fd >= 0);
    CHECK_ERR(gyre_getpeername(fd, (struct sockaddr *)&peer, &size), -ENOTCONN);
    CHECK_OK(gyre_connect(fd, (struct sockaddr *)address, sizeof *address));
    CHECK_OK(gyre_getpeername(fd, (struct sockaddr *)&peer, &size));
    CHECK_EQ(peer.sin_port, address->sin_port);
    CHECK_OK(gyre_send_all(fd, "hello", 5, 0));
    CHECK_OK(gyre_shutdown(fd, SHUT_WR));
    CHECK_EQ(gyre_recv(fd, bytes, sizeof bytes, 0), 0); /* the end */
    CHECK_OK(gyre_close(fd));
    return 0;
}

static int server(gyre_scope *scope, void *arg)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = gyre_socket(AF_INET, SOCK_STREAM, 0);
    int on = 1, value = 0, fd;
    socklen_t value_size = sizeof value;
    char bytes[8];

    (void)arg;
    CHECK(listener >= 0);
    CHECK_OK(
        gyre_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    CHECK_OK(gyre_bind(listener, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(gyre_listen(listener, 16));
    CHECK_OK(gyre_getsockname(listener, (struct sockaddr *)&address, &size));
    CHECK_OK(gyre_getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &value,
                             &value_size));
    CHECK_EQ(value, 1);
    CHECK_EQ(value_size, sizeof value);
    CHECK_OK(gyre_spawn(scope, client, &address));
    fd = gyre_accept(listener, NULL, NULL, SOCK_NONBLOCK);
    CHECK(fd >= 0);
    CHECK_EQ(gyre_recv(fd, bytes, 5, MSG_WAITALL), 5);
    CHECK_EQ(gyre_inq(fd), 0);
    CHECK_EQ(gyre_outq(fd), 0);
    CHECK_EQ(gyre_recv(fd, bytes, 5, 0), 0);
    CHECK_OK(gyre_close(fd));
    CHECK_OK(gyre_close(listener));
    CHECK_ERR(
        gyre_getsockopt(listener, SOL_SOCKET, SO_TYPE, &value, &value_size),
        -EBADF);
    return 0;
}

static int make_and_use(void *arg)
{
    return gyre_scope_run(NULL, server, arg);
}

KERNEL_TEST(C10_C11_C12_a_connection_from_the_making_to_the_end)
{
    must_run(make_and_use, NULL);
}

/* ---- datagrams ----------------------------------------------------------- */

static int datagrams(void *arg)
{
    const int *family = arg;
    struct sockaddr_storage first = { .ss_family = (sa_family_t)*family };
    struct sockaddr_storage second = first, from;
    socklen_t size = *family == AF_INET ? sizeof(struct sockaddr_in)
                                        : sizeof(struct sockaddr_in6);
    socklen_t first_size = sizeof first, second_size = sizeof second;
    socklen_t from_size = 0;
    int a = gyre_socket(*family, SOCK_DGRAM, 0);
    int b = gyre_socket(*family, SOCK_DGRAM, 0);
    char bytes[16];

    if (*family == AF_INET)
        ((struct sockaddr_in *)&first)->sin_addr.s_addr =
            htonl(INADDR_LOOPBACK);
    else
        ((struct sockaddr_in6 *)&first)->sin6_addr = in6addr_loopback;
    second = first;
    if (a < 0 || gyre_bind(a, (struct sockaddr *)&first, size) < 0)
        TEST_SKIP("this machine has no IPv6 loopback");
    CHECK_OK(gyre_bind(b, (struct sockaddr *)&second, size));
    CHECK_OK(gyre_getsockname(a, (struct sockaddr *)&first, &first_size));
    CHECK_OK(gyre_getsockname(b, (struct sockaddr *)&second, &second_size));

    CHECK_EQ(gyre_sendto(a, "to b", 4, 0, (struct sockaddr *)&second, size), 4);
    CHECK_EQ(gyre_sendto(a, "", 0, 0, (struct sockaddr *)&second, size), 0);
    CHECK_EQ(gyre_sendto(a, "last", 4, 0, (struct sockaddr *)&second, size), 4);
    from_size = sizeof from;
    memset(&from, 0, sizeof from);
    CHECK_EQ(gyre_recvfrom(b, bytes, sizeof bytes, 0, (struct sockaddr *)&from,
                           &from_size),
             4);
    CHECK_EQ(from_size, size);
    CHECK_MEM_EQ(&from, &first, size);
    from_size = 2; /* too little room */
    CHECK_EQ(gyre_recvfrom(b, bytes, sizeof bytes, 0, (struct sockaddr *)&from,
                           &from_size),
             0);
    CHECK_EQ(from_size, size);
    CHECK_EQ(gyre_recvfrom(b, bytes, sizeof bytes, 0, NULL, NULL), 4);
    CHECK_MEM_EQ(bytes, "last", 4);
    CHECK_ERR(gyre_sendto(a, "x", 1, 0, NULL, 0), -EDESTADDRREQ);
    CHECK_ERR(gyre_recvfrom(777, bytes, 1, 0, NULL, NULL), -EBADF);
    CHECK_OK(gyre_close(a));
    CHECK_OK(gyre_close(b));
    return 0;
}

KERNEL_TEST(C14_C15_C17_datagrams_come_and_go_with_addresses)
{
    must_run(datagrams, &(int){ AF_INET });
}

KERNEL_TEST(C14_C15_C17_datagrams_of_the_sixth_version)
{
    must_run(datagrams, &(int){ AF_INET6 });
}

/* ---- whole vectors ------------------------------------------------------- */

struct sending {
    int fd;
    struct iovec *iov;
    unsigned count;
    bool by_write;
    int result;
};

static int send_whole(void *arg)
{
    struct sending *sending = arg;
    struct msghdr message = { .msg_iov = sending->iov,
                              .msg_iovlen = sending->count };

    sending->result = sending->by_write
                          ? gyre_writev_all(sending->fd, sending->iov,
                                            sending->count,
                                            GYRE_CURRENT_POSITION)
                          : gyre_sendmsg_all(sending->fd, &message, 0);
    CHECK_OK(gyre_shutdown(sending->fd, SHUT_WR));
    return 0;
}

enum { PIECES = 60 };

/* Pieces of many lengths, also of none, that come to MANY. */
static void cut(char *bytes, struct iovec iov[PIECES])
{
    size_t at = 0;

    for (size_t i = 0; i < PIECES; i++) {
        size_t size = i % 7 == 3 ? 0 : i * i * 10 + 1;

        if (i == PIECES - 2)
            size = MANY - at;
        if (i == PIECES - 1)
            size = 0;
        iov[i] = (struct iovec){ bytes + at, size };
        at += size;
    }
    CHECK_EQ(at, (size_t)MANY);
}

static int receive_whole(gyre_scope *scope, void *arg)
{
    struct sending *sending = arg;
    char *in = malloc(MANY), *out = many_bytes();
    struct iovec iov[PIECES], before[PIECES];
    int pair[2], little = 8192;
    size_t got = 0;
    ssize_t n;

    CHECK(in != NULL);
    tcp_pair_open(pair);
    CHECK_OK(
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof little));
    cut(out, iov);
    memcpy(before, iov, sizeof iov);
    sending->fd = pair[0];
    sending->iov = iov;
    sending->count = PIECES;
    CHECK_OK(gyre_spawn(scope, send_whole, sending));
    while ((n = gyre_recv(pair[1], in + got, MANY - got, 0)) > 0)
        got += (size_t)n;
    CHECK_EQ(n, 0);
    CHECK_EQ(got, (size_t)MANY);
    CHECK_MEM_EQ(in, out, MANY);
    CHECK_OK(sending->result);
    CHECK_MEM_EQ(iov, before, sizeof iov); /* the caller's array is as it was */
    pair_close(pair);
    free(in);
    free(out);
    return 0;
}

static int run_receive_whole(void *arg)
{
    return gyre_scope_run(NULL, receive_whole, arg);
}

/* A small send buffer: the first send is a part of the whole. */
KERNEL_TEST(E14_a_message_larger_than_the_socket_is_sent_whole)
{
    struct sending sending = { .by_write = false };

    must_run(run_receive_whole, &sending);
}

KERNEL_TEST(E14_a_vector_larger_than_the_socket_is_written_whole)
{
    struct sending sending = { .by_write = true };

    must_run(run_receive_whole, &sending);
}

static int write_file(void *arg)
{
    char *bytes = many_bytes(), *back = malloc(MANY);
    struct iovec iov[PIECES];
    int fd = gyre_open(arg, O_RDWR | O_CREAT, 0600);
    struct stat st;

    CHECK(fd >= 0 && back != NULL);
    cut(bytes, iov);
    CHECK_OK(gyre_writev_all(fd, iov, PIECES, 100));
    CHECK_OK(fstat(fd, &st));
    CHECK_EQ(st.st_size, 100 + MANY);
    CHECK_EQ(pread(fd, back, MANY, 100), MANY);
    CHECK_MEM_EQ(back, bytes, MANY);
    CHECK_OK(gyre_writev_all(fd, iov, 0, 0));     /* nothing */
    CHECK_OK(gyre_writev_all(fd, iov + 3, 1, 0)); /* of no bytes */
    CHECK_ERR(gyre_writev_all(777, iov, 1, 0), -EBADF);
    CHECK_OK(gyre_close(fd));
    free(bytes);
    free(back);
    return 0;
}

KERNEL_TEST(E14_a_vector_is_written_to_its_place)
{
    char path[600];

    snprintf(path, sizeof path, "%s/vector", test_directory());
    must_run(write_file, path);
}

/* The first error, in the middle too. */
static int errors_of_whole(void *arg)
{
    char *bytes = many_bytes();
    struct iovec iov = { bytes, MANY };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct rlimit limit = { 5000, RLIM_INFINITY };
    int pair[2], fd = gyre_open(arg, O_RDWR | O_CREAT, 0600);

    CHECK(fd >= 0);
    pair_open(pair);
    CHECK_OK(close(pair[1]));
    CHECK_ERR(gyre_sendmsg_all(pair[0], &message, 0), -EPIPE);
    CHECK_ERR(gyre_sendmsg_all(fd, &message, 0), -ENOTSOCK);
    CHECK_OK(close(pair[0]));
    signal(SIGXFSZ, SIG_IGN);
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
    CHECK_ERR(gyre_writev_all(fd, &iov, 1, 0), -EFBIG);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 5000);
    CHECK_OK(gyre_close(fd));
    free(bytes);
    return 0;
}

KERNEL_TEST(E14_the_first_error_ends_a_whole_vector)
{
    char path[600];

    snprintf(path, sizeof path, "%s/vector", test_directory());
    must_run(errors_of_whole, path);
}

/* A descriptor goes along with the first part alone. */
struct passing {
    int pair[2];
    int given;
};

static int pass_descriptor(void *arg)
{
    struct passing *passing = arg;
    char *bytes = many_bytes();
    struct iovec iov[2] = { { bytes, MANY / 2 },
                            { bytes + MANY / 2, MANY / 2 } };
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { .space = "" };
    struct msghdr message = { .msg_iov = iov,
                              .msg_iovlen = 2,
                              .msg_control = &control,
                              .msg_controllen = sizeof control };

    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.head), &passing->given, sizeof(int));
    CHECK_OK(gyre_sendmsg_all(passing->pair[0], &message, 0));
    free(bytes);
    return 0;
}

static int count_descriptors(gyre_scope *scope, void *arg)
{
    struct passing *passing = arg;
    char *bytes = malloc(MANY);
    size_t got = 0;
    int came = 0;

    CHECK(bytes != NULL);
    pair_open(passing->pair);
    passing->given = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_OK(gyre_spawn(scope, pass_descriptor, passing));
    while (got < MANY) {
        char control[256];
        struct iovec iov = { bytes, MANY };
        struct msghdr message = { .msg_iov = &iov,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof control };
        ssize_t n = gyre_recvmsg(passing->pair[1], &message, MSG_CMSG_CLOEXEC);

        CHECK_GT(n, 0);
        got += (size_t)n;
        for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL;
             at = CMSG_NXTHDR(&message, at)) {
            int fd;

            CHECK_EQ(at->cmsg_len, CMSG_LEN(sizeof fd));
            memcpy(&fd, CMSG_DATA(at), sizeof fd);
            CHECK_OK(close(fd));
            came++;
        }
    }
    CHECK_EQ(came, 1);
    CHECK_OK(close(passing->given));
    pair_close(passing->pair);
    free(bytes);
    return 0;
}

static int run_count_descriptors(void *arg)
{
    return gyre_scope_run(NULL, count_descriptors, arg);
}

KERNEL_TEST(E14_C5_control_data_goes_once)
{
    struct passing passing;

    must_run(run_count_descriptors, &passing);
}

/* ---- without copying ----------------------------------------------------- */

/* To a receiver on the same machine Linux copies; since when does it tell? */
static bool expect_copied(void)
{
    return test_has("send_zc_report", 6, 3);
}

static int zc_stream(void *arg)
{
    char *bytes = many_bytes(), in[10000];
    struct iovec iov[2] = { { bytes, 5000 }, { bytes + 5000, 5000 } };
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
    gyre_zc zc = { .copied = false };
    int pair[2];

    (void)arg;
    tcp_pair_open(pair);
    CHECK_EQ(gyre_send_zc(pair[0], bytes, 10000, 0, &zc), 10000);
    CHECK_EQ(zc.copied, expect_copied());
    CHECK_OK(gyre_recv_all(pair[1], in, 10000, 0));
    CHECK_MEM_EQ(in, bytes, 10000);
    CHECK_EQ(gyre_sendmsg_zc(pair[0], &message, 0, &zc), 10000);
    CHECK_EQ(zc.copied, expect_copied());
    memset(in, 0, sizeof in);
    CHECK_OK(gyre_recv_all(pair[1], in, 10000, 0));
    CHECK_MEM_EQ(in, bytes, 10000);
    CHECK_EQ(gyre_send_zc(pair[0], bytes, 10000, 0, NULL), 10000);
    CHECK_OK(gyre_recv_all(pair[1], in, 10000, 0));
    CHECK_OK(gyre_shutdown(pair[0], SHUT_WR));
    CHECK_ERR(gyre_send_zc(pair[0], bytes, 10000, 0, &zc), -EPIPE);
    CHECK_ERR(gyre_send_zc(777, bytes, 10000, 0, &zc), -EBADF);
    pair_close(pair);
    free(bytes);
    return 0;
}

KERNEL_TEST(C8_a_call_without_copying_returns_when_the_memory_is_free)
{
    must_run(zc_stream, NULL);
}

/* Fewer bytes than the threshold are copied at once: no notification. */
static int zc_threshold(void *arg)
{
    static char bytes[GYRE_ZC_THRESHOLD];
    struct iovec iov = { bytes, 10 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    gyre_zc zc = { .threshold = 100 };
    gyre_loop_stats before = { .size = sizeof before };
    gyre_loop_stats after = before;
    gyre_loop *loop = gyre_loop_current();
    int pair[2];
    static const struct {
        size_t size, threshold;
        unsigned completions;
    } cases[] = { { GYRE_ZC_THRESHOLD - 1, 0, 1 },
                  { GYRE_ZC_THRESHOLD, 0, 2 },
                  { 99, 100, 1 },
                  { 100, 100, 2 },
                  { 1, 1, 2 } };

    (void)arg;
    tcp_pair_open(pair);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        zc.threshold = cases[i].threshold;
        zc.copied = false;
        gyre_loop_get_stats(loop, &before);
        CHECK_EQ(gyre_send_zc(pair[0], bytes, cases[i].size, 0, &zc),
                 (ssize_t)cases[i].size);
        gyre_loop_get_stats(loop, &after);
        CHECK_EQ(after.completions - before.completions, cases[i].completions);
        CHECK_EQ(zc.copied, cases[i].completions == 1 || expect_copied());
    }
    zc = (gyre_zc){ .copied = false };
    CHECK_EQ(gyre_sendmsg_zc(pair[0], &message, 0, &zc), 10);
    CHECK(zc.copied);
    pair_close(pair);
    return 0;
}

KERNEL_TEST(C8_few_bytes_are_copied_at_once)
{
    must_run(zc_threshold, NULL);
}

/* Unix sockets know no sends without copying; UDP does. */
static int zc_kinds(void *arg)
{
    static char bytes[8000], in[8000];
    struct iovec iov = { bytes, sizeof bytes };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    gyre_zc zc = { .copied = false };
    int pair[2], to, from;

    (void)arg;
    pair_open(pair);
    CHECK_EQ(gyre_send_zc(pair[0], bytes, sizeof bytes, 0, &zc), 8000);
    CHECK(zc.copied);
    zc.copied = false;
    CHECK_EQ(gyre_sendmsg_zc(pair[0], &message, 0, &zc), 8000);
    CHECK(zc.copied);
    CHECK_OK(gyre_recv_all(pair[1], in, sizeof in, 0));
    CHECK_OK(gyre_recv_all(pair[1], in, sizeof in, 0));
    pair_close(pair);

    to = gyre_socket(AF_INET, SOCK_DGRAM, 0);
    from = gyre_socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_OK(gyre_bind(to, (struct sockaddr *)&address, size));
    CHECK_OK(gyre_getsockname(to, (struct sockaddr *)&address, &size));
    CHECK_EQ(gyre_sendto_zc(from, bytes, sizeof bytes, 0,
                            (struct sockaddr *)&address, size, &zc),
             8000);
    CHECK_EQ(gyre_recv(to, in, sizeof in, 0), 8000);
    CHECK_OK(gyre_close(to));
    CHECK_OK(gyre_close(from));
    return 0;
}

KERNEL_TEST(C8_C17_a_socket_that_must_copy_does)
{
    must_run(zc_kinds, NULL);
}

/* A limit on locked memory of which nothing is left. */
static int zc_memlock(void *arg)
{
    char *bytes = many_bytes(), in[8192];
    gyre_zc zc = { .copied = false };
    struct rlimit limit = { 0, 0 };
    int pair[2];

    (void)arg;
    tcp_pair_open(pair);
    CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
    for (int i = 0; i < 4; i++) {
        ssize_t n = gyre_send_zc(pair[0], bytes, 64000, 0, &zc);

        CHECK_GT(n, 0);
        CHECK(zc.copied);
        while (n > 0) {
            ssize_t got = gyre_recv(pair[1], in, sizeof in, 0);

            CHECK_GT(got, 0);
            n -= got;
        }
    }
    pair_close(pair);
    free(bytes);
    return 0;
}

/* Root has no such limit. */
static void give_up_ipc_lock(void)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];

    CHECK_OK(syscall(SYS_capget, &head, data));
    data[0].effective &= ~(1U << CAP_IPC_LOCK);
    CHECK_OK(syscall(SYS_capset, &head, data));
}

KERNEL_TEST(C8_without_locked_memory_bytes_are_copied)
{
    give_up_ipc_lock();
    must_run(zc_memlock, NULL);
}

/* ---- a whole exchange ---------------------------------------------------- */

enum { CLIENTS = 5, ROUNDS = 20 };

static int echo_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char bytes[512];
    ssize_t n;

    while ((n = gyre_recv(fd, bytes, sizeof bytes, 0)) > 0)
        CHECK_OK(gyre_send_all(fd, bytes, (size_t)n, 0));
    CHECK_EQ(n, 0);
    return gyre_close(fd);
}

static int ask(void *arg)
{
    struct sockaddr_in *address = arg;
    int fd = gyre_socket(AF_INET, SOCK_STREAM, 0);
    char out[1024], in[1024];

    CHECK_OK(gyre_connect(fd, (struct sockaddr *)address, sizeof *address));
    for (int round = 0; round < ROUNDS; round++) {
        memset(out, round, sizeof out);
        CHECK_OK(gyre_send_all(fd, out, sizeof out, 0));
        CHECK_OK(gyre_recv_all(fd, in, sizeof in, 0));
        CHECK_MEM_EQ(in, out, sizeof in);
    }
    return gyre_close(fd);
}

static int exchange(gyre_scope *scope, void *arg)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = gyre_socket(AF_INET, SOCK_STREAM, 0);

    (void)arg;
    CHECK_OK(gyre_bind(listener, (struct sockaddr *)&address, size));
    CHECK_OK(gyre_listen(listener, CLIENTS));
    CHECK_OK(gyre_getsockname(listener, (struct sockaddr *)&address, &size));
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(gyre_spawn(scope, ask, &address));
    for (int i = 0; i < CLIENTS; i++) {
        int fd = gyre_accept(listener, NULL, NULL, SOCK_NONBLOCK);

        CHECK(fd >= 0);
        CHECK_OK(gyre_spawn(scope, echo_one, (void *)(intptr_t)fd));
    }
    CHECK_OK(gyre_close(listener));
    return 0;
}

static int run_exchange(void *arg)
{
    return gyre_scope_run(NULL, exchange, arg);
}

KERNEL_TEST(C1_C3_C4_C11_some_clients_and_their_echo)
{
    must_run(run_exchange, NULL);
}
