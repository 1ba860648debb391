/* SPDX-License-Identifier: MIT */
/*
 * Names, with a C library that the test plays itself where it matters: slow,
 * failing, with more than one answer. And connections to names.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gyre/dial.h>
#include <gyre/resolve.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/world.h"
#include "kernel/lookup.h"

/* ---- the C library ------------------------------------------------------- */

static struct played {
    int code;         /* EAI_ */
    int saved_errno;  /* with EAI_SYSTEM */
    int gate;         /* read a byte from it first; 0: do not */
    atomic_int asked; /* so often */
    atomic_int freed; /* answers */
    unsigned count;   /* of addresses: 192.0.2.1, .2 ... */
    bool unix_family; /* an answer of no use */
    char name[300];
    char service[100];
    struct addrinfo hints;
} played;

static struct addrinfo *make_answer(unsigned i)
{
    struct addrinfo *found = calloc(1, sizeof *found);
    struct sockaddr_in *in = calloc(1, sizeof *in);

    CHECK(found != NULL && in != NULL);
    in->sin_family = AF_INET;
    in->sin_port = htons(80);
    in->sin_addr.s_addr = htonl(0xc0000201 + i);
    found->ai_family = played.unix_family ? AF_UNIX : AF_INET;
    found->ai_socktype = played.hints.ai_socktype;
    found->ai_addr = (struct sockaddr *)in;
    found->ai_addrlen = sizeof *in;
    return found;
}

static int play_lookup(const char *name, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found)
{
    char byte;

    atomic_fetch_add(&played.asked, 1);
    if (played.gate > 0)
        CHECK_EQ(read(played.gate, &byte, 1), 1);
    snprintf(played.name, sizeof played.name, "%s", name == NULL ? "-" : name);
    snprintf(played.service, sizeof played.service, "%s",
             service == NULL ? "-" : service);
    played.hints = *hints;
    errno = played.saved_errno;
    for (unsigned i = played.count; played.code == 0 && i > 0; i--) {
        struct addrinfo *one = make_answer(i - 1);

        one->ai_next = *found;
        *found = one;
    }
    return played.code;
}

static void free_answer(struct addrinfo *found)
{
    atomic_fetch_add(&played.freed, 1);
    while (found != NULL) {
        struct addrinfo *next = found->ai_next;

        free(found->ai_addr);
        free(found);
        found = next;
    }
}

static void play(unsigned count)
{
    memset(&played, 0, sizeof played);
    played.count = count;
    lookup_replace(play_lookup, free_answer);
}

static char *text_of(const gyre_endpoint *address)
{
    static char text[100];
    char host[60];

    if (address->any.sa_family == AF_INET)
        snprintf(text, sizeof text, "%s:%u",
                 inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host),
                 ntohs(address->in.sin_port));
    else
        snprintf(
            text, sizeof text, "[%s]:%u",
            inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof host),
            ntohs(address->in6.sin6_port));
    return text;
}

/* ---- names --------------------------------------------------------------- */

static int ask_for_names(void *arg)
{
    const gyre_resolve_options options = { .family = AF_INET,
                                           .type = SOCK_DGRAM,
                                           .flags = AI_PASSIVE };
    gyre_endpoints *found;

    (void)arg;
    play(3);
    CHECK_OK(gyre_resolve("example.org", "http", NULL, &found));
    CHECK_EQ(found->count, 3u);
    CHECK_STR_EQ(text_of(&found->at[0]), "192.0.2.1:80");
    CHECK_STR_EQ(text_of(&found->at[2]), "192.0.2.3:80");
    CHECK_EQ(found->at[1].size, sizeof(struct sockaddr_in));
    CHECK_EQ(found->at[1].type, SOCK_STREAM);
    CHECK_STR_EQ(played.name, "example.org");
    CHECK_STR_EQ(played.service, "http");
    CHECK_EQ(played.freed, 1);
    gyre_endpoints_free(found);
    CHECK_OK(gyre_resolve(NULL, "http", &options, &found));
    CHECK_STR_EQ(played.name, "-");
    CHECK_EQ(played.hints.ai_family, AF_INET);
    CHECK_EQ(played.hints.ai_socktype, SOCK_DGRAM);
    CHECK_EQ(played.hints.ai_flags, AI_PASSIVE);
    gyre_endpoints_free(found);
    gyre_endpoints_free(NULL);
    CHECK_EQ(played.asked, 2);
    return 0;
}

KERNEL_TEST(C16_a_name_is_asked_for_on_the_pool)
{
    must_run(ask_for_names, NULL);
}

static int ask_by_numbers(void *arg)
{
    const gyre_resolve_options six = { .family = AF_INET6 };
    const gyre_resolve_options datagrams = { .type = SOCK_DGRAM };
    gyre_endpoints *found;

    (void)arg;
    play(1);
    CHECK_OK(gyre_resolve("192.0.2.7", "8080", NULL, &found));
    CHECK_EQ(found->count, 1u);
    CHECK_STR_EQ(text_of(&found->at[0]), "192.0.2.7:8080");
    CHECK_EQ(found->at[0].type, SOCK_STREAM);
    CHECK_EQ(found->at[0].protocol, IPPROTO_TCP);
    gyre_endpoints_free(found);
    CHECK_OK(gyre_resolve("2001:db8::5", NULL, &datagrams, &found));
    CHECK_STR_EQ(text_of(&found->at[0]), "[2001:db8::5]:0");
    CHECK_EQ(found->at[0].size, sizeof(struct sockaddr_in6));
    CHECK_EQ(found->at[0].protocol, IPPROTO_UDP);
    gyre_endpoints_free(found);
    CHECK_ERR(gyre_resolve("192.0.2.7", "1", &six, &found), GYRE_ENOADDRESS);
    CHECK(found == NULL);
    CHECK_EQ(played.asked, 0);
    /* These only the C library knows. */
    CHECK_OK(gyre_resolve("127.1", "80", NULL, &found));
    gyre_endpoints_free(found);
    CHECK_OK(gyre_resolve("192.0.2.7", "http", NULL, &found));
    gyre_endpoints_free(found);
    CHECK_OK(gyre_resolve("192.0.2.7", "65536", NULL, &found));
    gyre_endpoints_free(found);
    CHECK_OK(gyre_resolve("192.0.2.7", "", NULL, &found));
    gyre_endpoints_free(found);
    CHECK_EQ(played.asked, 4);
    return 0;
}

KERNEL_TEST(C16_numbers_are_never_asked_for)
{
    must_run(ask_by_numbers, NULL);
}

static int ask_in_vain(void *arg)
{
    static const struct {
        int code, saved_errno, result;
    } cases[] = {
        { EAI_NONAME, 0, GYRE_ENAME },
        { EAI_NODATA, 0, GYRE_ENOADDRESS },
        { EAI_ADDRFAMILY, 0, GYRE_ENOADDRESS },
        { EAI_SERVICE, 0, GYRE_ESERVICE },
        { EAI_AGAIN, 0, GYRE_ENAMEAGAIN },
        { EAI_FAIL, 0, GYRE_ENAMEFAIL },
        { EAI_MEMORY, 0, -ENOMEM },
        { EAI_BADFLAGS, 0, -EINVAL },
        { EAI_SYSTEM, EMFILE, -EMFILE },
        { EAI_SYSTEM, 0, GYRE_ENAMEFAIL },
        { EAI_OVERFLOW, 0, GYRE_ENAMEFAIL },
    };
    const gyre_resolve_options canonical = { .flags = AI_CANONNAME };
    const gyre_resolve_options local = { .family = AF_UNIX };
    char much[300];
    gyre_endpoints *found;

    (void)arg;
    play(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        played.code = cases[i].code;
        played.saved_errno = cases[i].saved_errno;
        CHECK_ERR(gyre_resolve("x", NULL, NULL, &found), cases[i].result);
        CHECK(found == NULL);
        CHECK(strcmp(gyre_strerror(cases[i].result), "unknown error") != 0);
        CHECK(strcmp(gyre_error_name(cases[i].result), "E?") != 0);
        CHECK(strcmp(gyre_error_remedy(cases[i].result), "") != 0);
    }
    played.code = 0;
    played.unix_family = true;
    CHECK_ERR(gyre_resolve("x", NULL, NULL, &found), GYRE_ENOADDRESS);
    played.count = 0;
    CHECK_ERR(gyre_resolve("x", NULL, NULL, &found), GYRE_ENOADDRESS);
    played.asked = 0;
    CHECK_ERR(gyre_resolve(NULL, NULL, NULL, &found), -EINVAL);
    CHECK_ERR(gyre_resolve("x", NULL, &canonical, &found), -EINVAL);
    CHECK_ERR(gyre_resolve("x", NULL, &local, &found), -EINVAL);
    memset(much, 'x', sizeof much - 1);
    much[255] = much[299] = '\0';
    played.code = EAI_NONAME;
    CHECK_ERR(gyre_resolve(much, NULL, NULL, &found), GYRE_ENAME);
    CHECK_EQ(strlen(played.name), 255u);
    much[255] = 'x';
    CHECK_ERR(gyre_resolve(much, NULL, NULL, &found), -ENAMETOOLONG);
    CHECK_ERR(gyre_resolve("x", much, NULL, &found), -ENAMETOOLONG);
    CHECK_EQ(played.asked, 1);
    return 0;
}

KERNEL_TEST(C16_each_failure_has_an_error_of_its_own)
{
    must_run(ask_in_vain, NULL);
}

/* /etc/hosts has it, or nsswitch.conf knows it by itself. */
static int ask_for_localhost(void *arg)
{
    gyre_endpoints *found;

    (void)arg;
    lookup_replace(NULL, NULL);
    CHECK_OK(gyre_resolve("localhost", "80", NULL, &found));
    for (size_t i = 0; i < found->count; i++)
        CHECK(strcmp(text_of(&found->at[i]), "127.0.0.1:80") == 0 ||
              strcmp(text_of(&found->at[i]), "[::1]:80") == 0);
    gyre_endpoints_free(found);
    CHECK_ERR(gyre_resolve("localhost", "no-such-service", NULL, &found),
              GYRE_ESERVICE);
    return 0;
}

KERNEL_TEST(C16_localhost_is_known_to_the_c_library)
{
    must_run(ask_for_localhost, NULL);
}

/* Its deadline comes when a thread is busy with it. */
static int end_it(void *arg)
{
    while (played.asked == 0)
        gyre_sleep(1000000);
    gyre_scope_set_deadline(arg, 1);
    return 0;
}

static int leave_a_slow_name(void *arg)
{
    gyre_endpoints *found = (void *)1;
    gyre_scope scope;
    int gate[2];

    (void)arg;
    CHECK_OK(pipe2(gate, O_CLOEXEC));
    play(2);
    played.gate = gate[0];
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, end_it, &scope));
    CHECK_ERR(gyre_resolve("slow", NULL, NULL, &found), -ETIME);
    CHECK(found == NULL);
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    CHECK_EQ(played.freed, 0);
    CHECK_EQ(write(gate[1], "x", 1), 1);
    /* Its answer is dropped when it comes, and the thread is free again. */
    CHECK_EQ(write(gate[1], "x", 1), 1);
    CHECK_OK(gyre_resolve("quick", NULL, NULL, &found));
    CHECK_EQ(found->count, 2u);
    gyre_endpoints_free(found);
    while (played.freed < 2)
        gyre_sleep(1000000);
    CHECK_OK(close(gate[0]));
    CHECK_OK(close(gate[1]));
    return 0;
}

KERNEL_TEST(C16_a_caller_leaves_a_slow_name_at_its_deadline)
{
    must_run(leave_a_slow_name, NULL);
}

/* ---- as an op ------------------------------------------------------------ */

static gyre_loop *loop;
static int32_t last_res;

static void note(gyre_op *op, gyre_result result)
{
    (void)op;
    last_res = result.res;
}

KERNEL_TEST(C16_an_op_resolves_and_is_used_again)
{
    gyre_resolve_op op;
    char name[10] = "first";

    play(2);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_resolve_op_fill(&op, name, "80", NULL));
    memset(name, 'x', 5);
    gyre_op_start(loop, &op.op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_OK(last_res);
    CHECK_EQ(op.addresses->count, 2u);
    CHECK_STR_EQ(played.name, "first");
    gyre_endpoints_free(op.addresses);
    CHECK_OK(gyre_resolve_op_fill(&op, "::1", "80", NULL));
    gyre_op_start(loop, &op.op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_OK(last_res);
    CHECK_STR_EQ(text_of(&op.addresses->at[0]), "[::1]:80");
    gyre_endpoints_free(op.addresses);
    played.code = EAI_AGAIN;
    CHECK_OK(gyre_resolve_op_fill(&op, "third", "80", NULL));
    gyre_op_start(loop, &op.op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ERR(last_res, GYRE_ENAMEAGAIN);
    CHECK(op.addresses == NULL);
    CHECK_ERR(gyre_resolve_op_fill(&op, NULL, NULL, NULL), -EINVAL);
    gyre_loop_destroy(loop);
}

static int resolve_or_fail(void *arg)
{
    gyre_endpoints *found;

    (void)arg;
    for (long nth = 1;; nth++) {
        bool failed;
        int err;

        alloc_fail_nth(nth);
        err =
            gyre_resolve(nth % 2 == 0 ? "192.0.2.1" : "x", "80", NULL, &found);
        failed = alloc_did_fail();
        alloc_fail_nth(0);
        CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN);
        CHECK_EQ(found != NULL, err == 0);
        gyre_endpoints_free(found);
        if (!failed && nth % 2 == 1)
            return 0;
        CHECK_LT(nth, 100);
    }
}

KERNEL_TEST2(C16_no_memory_for_an_answer_is_told)
{
    play(2);
    must_run(resolve_or_fail, NULL);
}
