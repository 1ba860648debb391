/* SPDX-License-Identifier: MIT */
/*
 * What ends an iterator, or makes it wait: errors, cancels, deadlines, closes,
 * buffers that have run out; and that nothing is lost or left by it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem/hall.h"

/* ---- errors -------------------------------------------------------------- */

static int next_of(struct hall *hall)
{
    gyre_slice slice = { 0 };
    int n = gyre_incoming_next(&hall->in, &slice);

    gyre_slice_release(&slice);
    return n;
}

static int error_body(void *arg)
{
    struct hall hall;
    int file = open(file_make("file", 100), O_RDONLY | O_CLOEXEC);
    gyre_buffer_group_options incremental = { .count = 2, .incremental = true };
    gyre_buffer_group *bits;

    (void)arg;
    hall_open(&hall, 4, 256, false);
    CHECK_OK(gyre_incoming_recv(&hall.in, -1, hall.group, NULL));
    CHECK_ERR(next_of(&hall), -EBADF);
    CHECK_ERR(next_of(&hall), -EBADF);
    gyre_incoming_close(&hall.in);
    CHECK_OK(gyre_incoming_recv(&hall.in, file, hall.group, NULL));
    CHECK_ERR(next_of(&hall), -ENOTSOCK);
    gyre_incoming_close(&hall.in);
    CHECK_OK(gyre_incoming_accept(&hall.in, hall.pair[0], NULL));
    CHECK_ERR(gyre_incoming_next_fd(&hall.in), -EINVAL);
    gyre_incoming_close(&hall.in);

    CHECK_OK(gyre_buffer_group_create(&bits, hall.pool, &incremental));
    gyre_buffer_group_stats stats = { .size = sizeof stats };
    gyre_buffer_group_get_stats(bits, &stats);
    if (stats.incremental) {
        CHECK_ERR(gyre_incoming_read(&hall.in, hall.pair[0], bits, NULL),
                  -EINVAL);
        gyre_incoming_close(&hall.in);
        CHECK_ERR(gyre_incoming_recvmsg(&hall.in, hall.pair[0], bits, NULL),
                  -EINVAL);
        gyre_incoming_close(&hall.in);
    }
    gyre_buffer_group_destroy(bits);
    hall_close(&hall);
    CHECK_OK(close(file));
    return 0;
}

KERNEL_TEST(C6_E8_what_cannot_be_received_from_says_why_and_goes_on_saying_it)
{
    must_run(error_body, NULL);
}

static int reset_body(void *arg)
{
    struct linger linger = { 1, 0 };
    struct hall hall;
    int n;

    (void)arg;
    hall_open(&hall, 4, 256, false);
    pair_close(hall.pair);
    tcp_pair_open(hall.pair);
    CHECK_OK(gyre_incoming_recv(&hall.in, hall.pair[0], hall.group, NULL));
    CHECK_EQ(write(hall.pair[1], bytes_from(0), 100), 100);
    CHECK_EQ(next_of(&hall), 100);
    CHECK_OK(setsockopt(hall.pair[1], SOL_SOCKET, SO_LINGER, &linger,
                        sizeof linger));
    CHECK_OK(close(hall.pair[1]));
    n = next_of(&hall);
    CHECK_ERR(n, -ECONNRESET);
    gyre_incoming_close(&hall.in);
    hall.pair[1] = dup(hall.pair[0]);
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(C6_a_reset_connection_is_an_error_after_its_bytes)
{
    must_run(reset_body, NULL);
}

static int closed_body(void *arg)
{
    struct hall hall;
    int n;

    (void)arg;
    hall_open(&hall, 4, 256, false);
    CHECK_OK(gyre_incoming_recv(&hall.in, hall.pair[0], hall.group, NULL));
    CHECK_EQ(write(hall.pair[1], bytes_from(0), 100), 100);
    CHECK_EQ(next_of(&hall), 100);
    CHECK_OK(gyre_close(hall.pair[0]));
    n = next_of(&hall);
    CHECK_ERR(n, -ECANCELED);
    CHECK_ERR(next_of(&hall), -ECANCELED);
    CHECK_OK(gyre_cancelled());
    gyre_incoming_close(&hall.in);
    hall.pair[0] = dup(hall.pair[1]);
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(C6_G9_closing_the_descriptor_ends_the_iterator)
{
    must_run(closed_body, NULL);
}

/* ---- cancels ------------------------------------------------------------- */

static int next_in_scope(gyre_scope *scope, void *arg)
{
    (void)scope;
    return next_of(arg);
}

static int deadline_body(void *arg)
{
    gyre_scope_options soon = { 0 };
    struct hall hall;
    uint64_t got = 0;

    (void)arg;
    hall_open(&hall, 4, 256, false);
    CHECK_OK(gyre_incoming_recv(&hall.in, hall.pair[0], hall.group, NULL));
    for (unsigned i = 0; i < 5; i++) {
        soon.deadline_ns = gyre_deadline_in(GYRE_MS);
        CHECK_ERR(gyre_scope_run(&soon, next_in_scope, &hall), -ETIME);
        /* Cancelled, it says so, and keeps what there is. */
        CHECK_EQ(write(hall.pair[1], bytes_from(got), 600), 600);
        CHECK_OK(gyre_sleep(GYRE_MS));
        soon.deadline_ns = 1;
        CHECK_ERR(gyre_scope_run(&soon, next_in_scope, &hall), -ETIME);
        for (uint64_t end = got + 600; got < end;) {
            gyre_slice slice;

            CHECK_GT(gyre_incoming_next(&hall.in, &slice), 0);
            check_bytes(slice.data, slice.size, got);
            got += slice.size;
            gyre_slice_release(&slice);
        }
    }
    gyre_incoming_close(&hall.in);
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(C6_G5_a_deadline_at_next_loses_nothing)
{
    must_run(deadline_body, NULL);
}

static int leave_body(gyre_scope *scope, void *arg)
{
    struct hall *hall = arg;

    (void)scope;
    CHECK_OK(gyre_incoming_recv(&hall->in, hall->pair[0], hall->group, NULL));
    CHECK_EQ(write(hall->pair[1], bytes_from(0), 2000), 2000);
    CHECK_GT(next_of(hall), 0);
    gyre_scope_cancel(scope);
    CHECK_ERR(next_of(hall), -ECANCELED);
    gyre_incoming_close(&hall->in);
    return 0;
}

static int cancelled_close_body(void *arg)
{
    struct hall hall;

    (void)arg;
    hall_open(&hall, 4, 256, false);
    (void)gyre_scope_run(NULL, leave_body, &hall);
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(C6_R2_closed_in_a_cancelled_scope_it_gives_all_buffers_back)
{
    must_run(cancelled_close_body, NULL);
}

/* ---- no more buffers ----------------------------------------------------- */

static atomic_bool go;

struct releaser {
    gyre_slice *slices;
    unsigned count;
};

static void *release_all(void *arg)
{
    struct releaser *releaser = arg;

    while (!atomic_load(&go))
        ;
    for (unsigned i = 0; i < releaser->count; i++)
        gyre_slice_release(&releaser->slices[i]);
    return NULL;
}

/* A pool of 16 buffers, of which the group has 8; the consumer keeps what he
 * gets, until there is none; another thread then gives it back. */
static int dry_body(void *arg)
{
    enum { SIZE = 4096, ALL = 16, BYTES = 300000 };
    gyre_buffer_group_stats stats = { .size = sizeof stats };
    static gyre_slice kept[ALL];
    struct releaser releaser = { kept, 0 };
    uint64_t sent = 0, got = 0;
    pthread_t thread;
    struct hall hall;

    (void)arg;
    atomic_store(&go, false);
    hall_open_in(&hall, ALL * SIZE, 8, SIZE, false);
    CHECK_OK(gyre_incoming_recv(&hall.in, hall.pair[0], hall.group, NULL));
    while (got < BYTES) {
        gyre_slice slice;
        ssize_t n = sent < BYTES ? write(hall.pair[1], bytes_from(sent), 50000)
                                 : 0;

        if (n > 0)
            sent += (uint64_t)n;
        gyre_buffer_group_get_stats(hall.group, &stats);
        if (stats.waiting == 1 && releaser.count == ALL && !atomic_load(&go)) {
            /* All are kept: nothing can come. */
            CHECK_EQ(stats.with_kernel, 0u);
            CHECK_OK(pthread_create(&thread, NULL, release_all, &releaser));
            atomic_store(&go, true);
        }
        if (releaser.count == ALL && !atomic_load(&go)) {
            CHECK_OK(gyre_yield());
            continue;
        }
        CHECK_GT(gyre_incoming_next(&hall.in, &slice), 0);
        check_bytes(slice.data, slice.size, got);
        got += slice.size;
        if (releaser.count < ALL)
            kept[releaser.count++] = slice;
        else
            gyre_slice_release(&slice);
    }
    CHECK_OK(pthread_join(thread, NULL));
    CHECK_GT(stats_of(hall.pool).exhausted, 0u);
    CHECK_EQ(stats_of(hall.pool).foreign, (unsigned)ALL);
    gyre_incoming_close(&hall.in);
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(I6_I9_a_dry_group_waits_for_buffers_and_goes_on_by_itself)
{
    must_run(dry_body, NULL);
}

/* Closed while it waits for buffers. */
static int dry_close_body(void *arg)
{
    enum { SIZE = 4096, ALL = 16 };
    gyre_buffer_group_stats stats = { .size = sizeof stats };
    void *kept[ALL];
    struct hall hall;

    (void)arg;
    hall_open_in(&hall, ALL * SIZE, 8, SIZE, false);
    for (unsigned i = 0; i < 8; i++) {
        kept[i] = gyre_pool_get(hall.pool, SIZE);
        CHECK(kept[i] != NULL);
    }
    CHECK(gyre_pool_get(hall.pool, SIZE) == NULL);
    CHECK_OK(gyre_incoming_recv(&hall.in, hall.pair[0], hall.group, NULL));
    for (uint64_t sent = 0; stats.waiting == 0;) {
        ssize_t n = write(hall.pair[1], bytes_from(sent), 10000);

        sent += n > 0 ? (uint64_t)n : 0;
        CHECK_OK(gyre_yield());
        gyre_buffer_group_get_stats(hall.group, &stats);
    }
    gyre_incoming_close(&hall.in);
    gyre_buffer_group_get_stats(hall.group, &stats);
    CHECK_EQ(stats.waiting, 0u);
    for (unsigned i = 0; i < 8; i++)
        gyre_pool_put(hall.pool, kept[i]);
    CHECK_OK(gyre_yield());
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(I6_an_iterator_that_waits_for_buffers_is_closed)
{
    must_run(dry_close_body, NULL);
}

/* ---- many ---------------------------------------------------------------- */

enum { MANY = 60 };

struct crowd {
    gyre_pool *pool;
    gyre_buffer_group *group;
    int pairs[MANY][2];
    gyre_incoming in[MANY];
    unsigned done;
    uint64_t bytes;
};

struct member {
    struct crowd *crowd;
    unsigned number;
};

static int crowd_send(void *arg)
{
    struct member *member = arg;
    int fd = member->crowd->pairs[member->number][1];
    uint64_t sent = 0;

    while (sent < member->crowd->bytes) {
        CHECK_OK(gyre_send_all(fd, bytes_from(sent), 1000, 0));
        sent += 1000;
    }
    return gyre_shutdown(fd, SHUT_WR);
}

static int crowd_take(void *arg)
{
    struct member *member = arg;
    struct crowd *crowd = member->crowd;
    gyre_incoming *in = &crowd->in[member->number];
    gyre_slice slice;
    uint64_t got = 0;
    int n;

    /* One in five takes nothing before all the others have all. */
    while (member->number % 5 == 0 && crowd->done < MANY - MANY / 5)
        CHECK_OK(gyre_sleep(GYRE_MS));
    while ((n = gyre_incoming_next(in, &slice)) > 0) {
        check_bytes(slice.data, slice.size, got);
        got += slice.size;
        gyre_slice_release(&slice);
        if (got % 7 == 0)
            CHECK_OK(gyre_yield());
    }
    CHECK_OK(n);
    CHECK_EQ(got, crowd->bytes);
    crowd->done++;
    gyre_incoming_close(in);
    return 0;
}

static int crowd_scope(gyre_scope *scope, void *arg)
{
    struct crowd *crowd = arg;
    static struct member members[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        gyre_incoming_options options = { .cap = 8192 };

        members[i] = (struct member){ crowd, i };
        pair_open(crowd->pairs[i]);
        CHECK_OK(gyre_incoming_recv(&crowd->in[i], crowd->pairs[i][0],
                                    crowd->group, &options));
        CHECK_OK(gyre_spawn(scope, crowd_send, &members[i]));
        CHECK_OK(gyre_spawn(scope, crowd_take, &members[i]));
    }
    return 0;
}

/* The lazy ones can have all that their caps allow, and the rest go on. */
static int crowd_body(void *arg)
{
    gyre_pool_options pool = { .bytes_max = 1 << 20 };
    gyre_buffer_group_options group = { .count = 16, .buffer_size = 2048 };
    static struct crowd crowd;

    (void)arg;
    memset(&crowd, 0, sizeof crowd);
    crowd.bytes = 200000 / test_scale() / 1000 * 1000;
    CHECK_OK(gyre_pool_create(&crowd.pool, gyre_loop_current(), &pool));
    CHECK_OK(gyre_buffer_group_create(&crowd.group, crowd.pool, &group));
    CHECK_OK(gyre_scope_run(NULL, crowd_scope, &crowd));
    for (unsigned i = 0; i < MANY; i++)
        pair_close(crowd.pairs[i]);
    gyre_buffer_group_destroy(crowd.group);
    CHECK_EQ(stats_of(crowd.pool).buffers, 0u);
    gyre_pool_destroy(crowd.pool);
    return 0;
}

KERNEL_TEST(C6_I6_J6_many_share_a_group_and_the_lazy_do_not_starve_the_rest)
{
    must_run(crowd_body, NULL);
}

/* ---- the end of all ------------------------------------------------------ */

enum { FLYING = 1000 };

static unsigned ended;

static void count_ended(gyre_op *op, gyre_result result)
{
    (void)op;
    CHECK_ERR(result.res, -ECANCELED);
    CHECK(gyre_result_is_last(result));
    ended++;
}

static void start_flying(gyre_loop *loop, gyre_op *ops, char *memory,
                         int (*pairs)[2])
{
    for (unsigned i = 0; i < FLYING; i++) {
        char *buffer = memory + (size_t)i * 4096;

        if (i % 2 == 0)
            gyre_op_recv(&ops[i], pairs[i % 50][0], buffer, 4096, 0);
        else
            gyre_op_read(&ops[i], pairs[50 + i % 50][0], buffer, 4096,
                         GYRE_CURRENT_POSITION);
        gyre_op_start(loop, &ops[i], count_ended, NULL);
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
}

static void flying_pairs(int (*pairs)[2])
{
    for (unsigned i = 0; i < 100; i++)
        if (i < 50)
            pair_open(pairs[i]);
        else
            CHECK_OK(pipe2(pairs[i], O_CLOEXEC | O_NONBLOCK));
}

/* The loop is destroyed under 1000 requests; then their memory is protected and
 * their data comes. Nothing may touch it. */
KERNEL_TEST(I10_R2_nothing_writes_to_the_buffers_of_a_loop_that_is_gone)
{
    size_t size = (size_t)FLYING * 4096;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static gyre_op ops[FLYING];
    int pairs[100][2];
    gyre_loop *loop;

    CHECK(memory != MAP_FAILED);
    memset(memory, 'm', size);
    flying_pairs(pairs);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_EQ(gyre_buffers_register(loop, memory, size / 2), 0);
    ended = 0;
    start_flying(loop, ops, memory, pairs);
    CHECK_EQ(ended, 0u);
    gyre_loop_destroy(loop);
    CHECK_EQ(ended, (unsigned)FLYING);
    CHECK_OK(mprotect(memory, size, PROT_NONE));
    for (unsigned i = 0; i < 100; i++)
        for (unsigned times = 0; times < 12; times++)
            CHECK_EQ(write(pairs[i][1], "x", 1), 1);
    CHECK_OK(mprotect(memory, size, PROT_READ));
    for (size_t at = 0; at < size; at += 4096)
        CHECK_EQ(memory[at], 'm');
    for (unsigned i = 0; i < 100; i++)
        pair_close(pairs[i]);
    CHECK_OK(munmap(memory, size));
}
