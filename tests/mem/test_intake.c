/* SPDX-License-Identifier: MIT */
/*
 * Receiving without copying: an intake without a card, where Linux copies all,
 * which is since 7.1. Elsewhere: what is refused, and why.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/world.h"
#include "loop/loop.h"

enum { PAGE = 4096, MUCH = 300000 };

static gyre_intake *intake;
static gyre_loop *loop;
static char sent[MUCH];

static gyre_intake_stats look(void)
{
    gyre_intake_stats stats = { .size = sizeof stats };

    gyre_intake_get_stats(intake, &stats);
    return stats;
}

static void fill_sent(void)
{
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 7 + i / 251);
}

/* A loop with large completions and a task in it; skips where there are none.
 */
static void run_with(bool mixed, gyre_task_fn *body, void *arg)
{
    const gyre_loop_options options = { .ring.mixed_cqes = mixed,
                                        .ring.big_cqes = !mixed };
    const gyre_run_options run_options = { .loop = &options };

    if (gyre_loop_create(&loop, &options) < 0)
        test_skip(gyre_loop_create_error());
    gyre_loop_destroy(loop);
    loop = NULL;
    fill_sent();
    CHECK_OK(gyre_run(&run_options, body, arg));
}

/* An intake without a card. */
static void must_open(size_t bytes)
{
    const gyre_intake_options options = { .bytes = bytes };
    const char *why;
    int err;

    loop = gyre_loop_current();
    err = gyre_intake_create(&intake, loop, &options, &why);
    if (err == -EOPNOTSUPP || err == -EPERM)
        test_skip(why);
    CHECK_OK(err);
    CHECK(why == NULL);
}

/* ---- one connection ------------------------------------------------------ */

struct stream {
    int pair[2];
    size_t size;
};

static int send_stream(void *arg)
{
    struct stream *stream = arg;

    CHECK_OK(gyre_send_all(stream->pair[0], sent, stream->size, 0));
    CHECK_OK(gyre_shutdown(stream->pair[0], SHUT_WR));
    return 0;
}

static size_t take_all(gyre_incoming *in, gyre_slice *held, size_t most)
{
    gyre_slice slice;
    size_t got = 0;
    int n;

    while ((n = gyre_incoming_next(in, &slice)) > 0) {
        CHECK_EQ(n, (int)slice.size);
        CHECK_MEM_EQ(slice.data, sent + got, slice.size);
        got += slice.size;
        if (most > 0) {
            held[--most] = slice;
            continue;
        }
        gyre_slice_release(&slice);
        gyre_slice_release(&slice);
    }
    CHECK_OK(n);
    return got;
}

static int receive_all(void *arg)
{
    const size_t area = *(const size_t *)arg;
    struct stream stream = { .size = MUCH };
    gyre_incoming_options options;
    gyre_incoming in;
    gyre_scope scope;
    gyre_slice held[5];

    must_open(area);
    options = (gyre_incoming_options){ .zero_copy = intake };
    tcp_pair_open(stream.pair);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_incoming_recv(&in, stream.pair[1], NULL, &options));
    CHECK_EQ(look().receivers, 1u);
    CHECK_OK(gyre_spawn(&scope, send_stream, &stream));
    CHECK_EQ(take_all(&in, held, 5), (size_t)MUCH);
    CHECK(gyre_incoming_is_zero_copy(&in));
    gyre_incoming_close(&in);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(look().out, 5u);
    CHECK_EQ(look().bytes, (uint64_t)MUCH);
    CHECK_GE(look().pieces, (uint64_t)MUCH / PAGE);
    CHECK_EQ(look().receivers, 0u);
    CHECK_EQ(look().pages, (uint32_t)(area / PAGE));
    CHECK(look().copied_bytes == 0 || look().copied_bytes == MUCH);
    for (unsigned i = 0; i < 5; i++)
        gyre_slice_release(&held[i]);
    CHECK_EQ(look().out, 0u);
    gyre_intake_destroy(intake);
    pair_close(stream.pair);
    return 0;
}

KERNEL_TEST(C9_I11_a_stream_comes_in_pieces_that_are_given_back)
{
    size_t area = 1 << 20;

    run_with(true, receive_all, &area);
}

KERNEL_TEST(C9_I11_also_by_a_ring_whose_completions_are_all_large)
{
    size_t area = 1 << 20;

    run_with(false, receive_all, &area);
}

/* Less memory than there is data: receivers wait for pieces. */
KERNEL_TEST(C9_I11_few_pages_serve_a_long_stream)
{
    size_t area = 16 * PAGE;

    run_with(true, receive_all, &area);
}

/* ---- all of it held ------------------------------------------------------ */

static void *release_elsewhere(void *arg)
{
    gyre_slice_release(arg);
    return NULL;
}

static int hold_all(void *arg)
{
    struct stream stream = { .size = 40 * PAGE };
    const gyre_incoming_options *options =
        &(gyre_incoming_options){ .zero_copy = NULL };
    gyre_incoming_options with = *options;
    gyre_slice held[8];
    gyre_incoming in;
    gyre_scope scope;
    pthread_t thread;
    size_t got = 0;
    unsigned count = 0;

    (void)arg;
    must_open(8 * PAGE);
    with.zero_copy = intake;
    tcp_pair_open(stream.pair);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_incoming_recv(&in, stream.pair[1], NULL, &with));
    CHECK_OK(gyre_spawn(&scope, send_stream, &stream));
    while (count < 8) {
        CHECK_GT(gyre_incoming_next(&in, &held[count]), 0);
        CHECK_MEM_EQ(held[count].data, sent + got, held[count].size);
        got += held[count++].size;
    }
    while (look().waiting == 0)
        gyre_sleep(1000000);
    CHECK_EQ(look().out, 8u);
    CHECK_GE(look().dry, 1u);
    /* By another thread, and by this. */
    CHECK_EQ(pthread_create(&thread, NULL, release_elsewhere, &held[0]), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_GT(gyre_incoming_next(&in, &held[0]), 0);
    CHECK_MEM_EQ(held[0].data, sent + got, held[0].size);
    got += held[0].size;
    while (count > 0)
        gyre_slice_release(&held[--count]);
    while (gyre_incoming_next(&in, &held[0]) > 0) {
        CHECK_MEM_EQ(held[0].data, sent + got, held[0].size);
        got += held[0].size;
        gyre_slice_release(&held[0]);
    }
    CHECK_EQ(got, stream.size);
    gyre_incoming_close(&in);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(look().out, 0u);
    gyre_intake_destroy(intake);
    pair_close(stream.pair);
    return 0;
}

KERNEL_TEST(C9_I11_receivers_wait_while_all_pages_are_held)
{
    run_with(true, hold_all, NULL);
}

/* Without memory to note a piece in the stream ends before it. */
static int lose_one(void *arg)
{
    gyre_incoming_options options;
    gyre_incoming in;
    gyre_slice slice;
    int pair[2];

    (void)arg;
    must_open(1 << 20);
    options = (gyre_incoming_options){ .zero_copy = intake };
    tcp_pair_open(pair);
    CHECK_OK(gyre_incoming_recv(&in, pair[1], NULL, &options));
    alloc_fail_nth(1);
    CHECK_EQ(send(pair[0], sent, 20 * PAGE, 0), 20 * PAGE);
    while (!alloc_did_fail())
        CHECK_OK(gyre_yield());
    alloc_fail_nth(0);
    CHECK_OK(gyre_sleep(1000000));
    CHECK_ERR(gyre_incoming_next(&in, &slice), -ENOMEM);
    gyre_incoming_close(&in);
    CHECK_EQ(look().out, 0u);
    gyre_intake_destroy(intake);
    pair_close(pair);
    return 0;
}

KERNEL_TEST2(C9_I11_a_stream_with_a_hole_ends_there)
{
    run_with(true, lose_one, NULL);
}

static int leave_early(void *arg)
{
    struct stream stream = { .size = MUCH };
    gyre_incoming_options options;
    gyre_incoming in;
    gyre_slice slice;
    gyre_scope scope;

    (void)arg;
    must_open(8 * PAGE);
    options = (gyre_incoming_options){ .zero_copy = intake };
    tcp_pair_open(stream.pair);
    CHECK_EQ(send(stream.pair[0], sent, 20 * PAGE, 0), 20 * PAGE);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_incoming_recv(&in, stream.pair[1], NULL, &options));
    CHECK_GT(gyre_incoming_next(&in, &slice), 0);
    gyre_scope_cancel(&scope);
    CHECK_ERR(gyre_incoming_next(&in, &slice), -ECANCELED);
    /* What was not taken goes back by itself. */
    gyre_incoming_close(&in);
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(look().out, 1u);
    gyre_slice_release(&slice);
    CHECK_EQ(look().out, 0u);
    gyre_intake_destroy(intake);
    gyre_intake_destroy(NULL);
    pair_close(stream.pair);
    return 0;
}

KERNEL_TEST(C9_I11_a_receiver_that_is_closed_gives_all_back)
{
    run_with(true, leave_early, NULL);
}

/* ---- who cannot have it -------------------------------------------------- */

static int fall_back(void *arg)
{
    gyre_incoming_options options;
    gyre_buffer_group *group;
    gyre_incoming in;
    gyre_slice slice;
    gyre_pool *pool;
    int pair[2];

    (void)arg;
    must_open(0);
    CHECK_OK(gyre_pool_create(&pool, loop, NULL));
    CHECK_OK(gyre_buffer_group_create(&group, pool, NULL));
    options = (gyre_incoming_options){ .zero_copy = intake };
    pair_open(pair);
    CHECK_OK(gyre_incoming_recv(&in, pair[1], group, &options));
    CHECK_EQ(write(pair[0], "hello", 5), 5);
    CHECK_EQ(gyre_incoming_next(&in, &slice), 5);
    CHECK_MEM_EQ(slice.data, "hello", 5);
    CHECK(!gyre_incoming_is_zero_copy(&in));
    CHECK_EQ(look().refused, 1u);
    CHECK_EQ(look().receivers, 0u);
    gyre_slice_release(&slice);
    gyre_incoming_close(&in);
    CHECK_OK(gyre_incoming_recv(&in, pair[1], NULL, &options));
    CHECK_ERR(gyre_incoming_next(&in, &slice), -EPROTONOSUPPORT);
    gyre_incoming_close(&in);
    gyre_buffer_group_destroy(group);
    gyre_pool_destroy(pool);
    gyre_intake_destroy(intake);
    pair_close(pair);
    return 0;
}

KERNEL_TEST(C9_I11_what_is_no_tcp_comes_from_the_group)
{
    run_with(true, fall_back, NULL);
}

KERNEL_TEST(C9_I11_without_large_completions_it_is_refused_with_a_sentence)
{
    const gyre_intake_options odd = { .bytes = 5000 };
    const char *why = NULL;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_ERR(gyre_intake_create(&intake, loop, NULL, &why), -EOPNOTSUPP);
    if (loop->kernel->ring_fd >= 0)
        CHECK_STR_HAS(why, "mixed_cqes");
    else
        CHECK_STR_HAS(why, "io_uring");
    CHECK_ERR(gyre_intake_create(&intake, loop, NULL, NULL), -EOPNOTSUPP);
    CHECK_ERR(gyre_intake_create(&intake, loop, &odd, &why), -EINVAL);
    CHECK_STR_HAS(why, "multiple");
    gyre_loop_destroy(loop);
}

/* There is no such card; or, before 6.15, nothing at all. */
KERNEL_TEST(C9_I11_a_card_that_is_not_there_is_refused_with_a_sentence)
{
    const gyre_intake_options card = { .interface = 12345, .queue = 1 };
    gyre_loop_options options = { .ring.big_cqes = true };
    const char *why = NULL;

    if (gyre_loop_create(&loop, &options) < 0)
        test_skip(gyre_loop_create_error());
    CHECK_LT(gyre_intake_create(&intake, loop, &card, &why), 0);
    CHECK(why != NULL && strlen(why) > 20);
    gyre_loop_destroy(loop);
}

static int open_or_fail(void *arg)
{
    (void)arg;
    must_open(0);
    gyre_intake_destroy(intake);
    for (long nth = 1;; nth++) {
        bool failed;
        int err;

        alloc_fail_nth(nth);
        err = gyre_intake_create(&intake, loop, NULL, NULL);
        failed = alloc_did_fail();
        alloc_fail_nth(0);
        if (err == 0)
            gyre_intake_destroy(intake);
        else
            CHECK_ERR(err, -ENOMEM);
        if (!failed)
            return 0;
        CHECK_LT(nth, 100);
    }
}

KERNEL_TEST2(C9_I11_no_memory_for_an_intake_is_told)
{
    run_with(true, open_or_fail, NULL);
}
