/* SPDX-License-Identifier: MIT */
/*
 * How a ring waits where a program asked for more: for a batch, with arguments
 * in a page that Linux knows, asking devices for packets.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/uring/uring.h"
#include "kernel/uring_test.h"
#include "ring/feature.h"

#define BATCH 8
#define LONG_US 5000000U /* no wait of these tests takes so long */

/* With options of the ring; skips where Linux refuses them. */
static struct kernel *open_asking(const gyre_ring_options *asked)
{
    const char *why = NULL;
    struct kernel_options options = {
        .entries = 32,
        .ring = *asked,
        .why = &why,
    };
    struct kernel *kernel;
    int err = uring_open(&kernel, &options);

    if (err == -EOPNOTSUPP || err == -EINVAL) {
        CHECK(why != NULL);
        TEST_SKIP("this Linux refuses the option");
    }
    CHECK_OK(err);
    CHECK_OK(kernel->class->attach(kernel));
    return kernel;
}

/* Reap all; what came of requests of ours. */
static unsigned reap(struct kernel *kernel)
{
    struct io_uring_cqe cqe;
    unsigned count = 0;

    while (cq_take(&kernel->cq, &cqe)) {
        if ((cqe.user_data & KERNEL_TAG_MASK) == KERNEL_TAG_INTERNAL)
            kernel->class->internal(kernel, &cqe);
        else
            count++;
    }
    return count;
}

/* A turn of BATCH, after which the ring takes itself to be under load. */
static void load(struct kernel *kernel)
{
    for (unsigned i = 0; i < BATCH; i++)
        put_nop(kernel, i);
    CHECK_EQ(enter(kernel, BATCH, 1, KERNEL_FOREVER), BATCH);
    CHECK_EQ(reap(kernel), BATCH);
}

/* ---- min_wait_us --------------------------------------------------------- */

struct writer {
    int fds[BATCH];
};

/* One after the other, with time for a wait to end between them. */
static void *write_slowly(void *arg)
{
    struct writer *writer = arg;

    for (unsigned i = 0; i < BATCH; i++) {
        usleep(2000);
        CHECK_EQ(write(writer->fds[i], "x", 1), 1);
    }
    return NULL;
}

/* How many waits it takes to hear of BATCH things that come one by one. */
static unsigned waits_for_batch(struct kernel *kernel)
{
    struct writer writer;
    pthread_t thread;
    char bytes[BATCH];
    int readers[BATCH];
    unsigned waits = 0;
    unsigned submit = BATCH;

    for (unsigned i = 0; i < BATCH; i++) {
        int fds[2];

        CHECK_OK(pipe(fds));
        readers[i] = fds[0];
        writer.fds[i] = fds[1];
        put_read(kernel, 1, fds[0], &bytes[i], 1);
    }
    CHECK_EQ(pthread_create(&thread, NULL, write_slowly, &writer), 0);
    for (unsigned seen = 0; seen < BATCH; waits++) {
        CHECK_GE(enter(kernel, submit, 1, KERNEL_FOREVER), 0);
        submit = 0;
        seen += reap(kernel);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (unsigned i = 0; i < BATCH; i++) {
        close(readers[i]);
        close(writer.fds[i]);
    }
    return waits;
}

RING_TEST(A15_under_load_one_wait_takes_a_batch)
{
    struct kernel *kernel =
        open_asking(&(gyre_ring_options){ .min_wait_us = LONG_US });

    test_quiet(); /* a signal ends a wait */
    load(kernel);
    /* Before 7.1 the wait may end one short of the batch. */
    CHECK_LE(waits_for_batch(kernel), 2u);
    kernel->class->destroy(kernel);
}

RING_TEST(A15_an_idle_loop_does_not_wait_for_a_batch)
{
    struct kernel *kernel =
        open_asking(&(gyre_ring_options){ .min_wait_us = LONG_US });
    uint64_t begun = now(kernel);

    for (unsigned i = 0; i < 5; i++) {
        put_nop(kernel, i);
        CHECK_EQ(enter(kernel, 1, 1, KERNEL_FOREVER), 1);
        CHECK_EQ(reap(kernel), 1u);
    }
    CHECK_LT(now(kernel) - begun, LONG_US * UINT64_C(1000));
    kernel->class->destroy(kernel);
}

RING_TEST(A15_a_batch_that_does_not_come_is_waited_for_no_longer_than_told)
{
    struct kernel *kernel =
        open_asking(&(gyre_ring_options){ .min_wait_us = 1000 });
    char byte = 0;
    int fds[2];

    load(kernel);
    CHECK_OK(pipe(fds));
    CHECK_EQ(write(fds[1], "x", 1), 1);
    put_read(kernel, 1, fds[0], &byte, 1);
    CHECK_EQ(enter(kernel, 1, 1, KERNEL_FOREVER), 1);
    CHECK_EQ(reap(kernel), 1u);
    CHECK_EQ(byte, 'x');
    close(fds[0]);
    close(fds[1]);
    kernel->class->destroy(kernel);
}

RING_TEST(A15_a_wake_ends_the_wait_for_a_batch)
{
    struct kernel *kernel =
        open_asking(&(gyre_ring_options){ .min_wait_us = 1000 });

    load(kernel);
    kernel->class->wake(kernel);
    CHECK_GE(enter(kernel, 0, 1, KERNEL_FOREVER), 0);
    CHECK_EQ(reap(kernel), 0u);
    kernel->class->destroy(kernel);
}

RING_TEST(A15_min_wait_is_refused_where_it_is_not)
{
    const char *why = NULL;
    struct kernel_options options = { .entries = 4,
                                      .ring.min_wait_us = 5,
                                      .why = &why };
    struct kernel *kernel;

    CHECK_EQ(ring_features_restrict("min_wait"), 0u);
    CHECK_ERR(uring_open(&kernel, &options), -EOPNOTSUPP);
    CHECK(strncmp(why, "min_wait_us", 11) == 0);
    options.ring.best_effort = true;
    CHECK_OK(uring_open(&kernel, &options));
    CHECK_EQ(kernel->ring.min_wait_us, 0u);
    kernel->class->destroy(kernel);
}

/* ---- registered_waits ---------------------------------------------------- */

RING_TEST(A15_registered_waits_end_at_their_deadlines)
{
    if (!test_has("timed_wait", 5, 11))
        TEST_SKIP("the limit of a wait is a request of its own");

    struct kernel *kernel =
        open_asking(&(gyre_ring_options){ .registered_waits = true });
    struct uring *uring = uring_of(kernel);

    CHECK(uring->waits != NULL);
    for (unsigned i = 1; i <= 3; i++) {
        uint64_t deadline = now(kernel) + i * MS;

        CHECK_ERR(enter(kernel, 0, 1, deadline), -ETIME);
        CHECK_GE(now(kernel), deadline);
        CHECK_EQ(uring->waits[0].flags, IORING_REG_WAIT_TS);
    }
    kernel->class->destroy(kernel);
}

RING_TEST(A15_registered_waits_take_batches)
{
    struct kernel *kernel = open_asking(&(gyre_ring_options){
        .registered_waits = true,
        .min_wait_us = LONG_US,
    });

    test_quiet();
    load(kernel);
    CHECK_LE(waits_for_batch(kernel), 2u);
    CHECK_EQ(uring_of(kernel)->waits[0].min_wait_usec, LONG_US);
    kernel->class->destroy(kernel);
}

RING_TEST(A15_registered_waits_are_refused_where_they_are_not)
{
    const char *why = NULL;
    struct kernel_options options = { .entries = 4,
                                      .ring.registered_waits = true,
                                      .why = &why };
    struct kernel *kernel;

    CHECK_EQ(ring_features_restrict("registered_waits"), 0u);
    CHECK_ERR(uring_open(&kernel, &options), -EOPNOTSUPP);
    CHECK(strncmp(why, "registered_waits", 16) == 0);
    options.ring.best_effort = true;
    CHECK_OK(uring_open(&kernel, &options));
    CHECK(!kernel->ring.registered_waits);
    CHECK(uring_of(kernel)->waits == NULL);
    kernel->class->destroy(kernel);
}

RING_TEST(A15_without_memory_for_the_page_there_is_no_ring)
{
    struct kernel_options options = { .entries = 4,
                                      .ring.registered_waits = true };
    struct kernel *kernel;
    int err;

    kernel = open_asking(&options.ring);
    kernel->class->destroy(kernel);
    for (long n = 1;; n++) {
        alloc_fail_nth(n);
        err = uring_open(&kernel, &options);
        if (!alloc_did_fail())
            break;
        CHECK_ERR(err, -ENOMEM);
    }
    alloc_fail_nth(0);
    CHECK_OK(err);
    kernel->class->destroy(kernel);
}

/* ---- napi_us ------------------------------------------------------------- */

/* A number of the ring's own report, in microseconds; -1: it has none. */
static long napi_of(const struct kernel *kernel)
{
    char name[64], line[256];
    long value = -1;
    FILE *file;

    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", kernel->ring_fd);
    file = fopen(name, "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        long ns;

        if (strncmp(line, "NAPI:\tdisabled", 14) == 0)
            value = 0;
        if (sscanf(line, "napi_busy_poll_dt:\t%ld", &ns) == 1)
            value = ns / 1000;
    }
    fclose(file);
    return value;
}

RING_TEST(A17_napi_is_what_the_ring_says_it_is)
{
    struct kernel *kernel =
        open_asking(&(gyre_ring_options){ .napi_us = 50, .napi_prefer = true });
    long us = napi_of(kernel);

    if (us < 0)
        TEST_SKIP("this Linux does not show it");
    CHECK_EQ(us, 50);
    load(kernel);
    kernel->class->destroy(kernel);

    kernel = open_ring(4, 0);
    CHECK_EQ(napi_of(kernel), 0);
    kernel->class->destroy(kernel);
}

RING_TEST(A17_napi_is_refused_where_it_is_not)
{
    const char *why = NULL;
    struct kernel_options options = { .entries = 4,
                                      .ring.napi_us = 50,
                                      .why = &why };
    struct kernel *kernel;

    CHECK_EQ(ring_features_restrict("napi"), 0u);
    CHECK_ERR(uring_open(&kernel, &options), -EOPNOTSUPP);
    CHECK(strncmp(why, "napi_us", 7) == 0);
}
