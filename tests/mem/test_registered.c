/* SPDX-License-Identifier: MIT */
/*
 * Registered memory: fixed requests and their bounds, plain ones that become
 * fixed, pieces that come and go under requests in flight, and the same results
 * where the kernel has no table.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/world.h"
#include "ring/feature.h"

enum { PIECE = 65536 };

static gyre_loop *loop;
static _Alignas(4096) char memory[3][PIECE];

static int32_t last_res;
static unsigned ended;

static void note(gyre_op *op, gyre_result result)
{
    (void)op;
    CHECK(gyre_result_is_last(result));
    last_res = result.res;
    ended++;
}

static int32_t perform(gyre_op *op)
{
    gyre_op_start(loop, op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    return last_res;
}

static gyre_buffers_stats look(void)
{
    gyre_buffers_stats stats = { .size = sizeof stats };

    gyre_buffers_get_stats(loop, &stats);
    return stats;
}

static uint64_t fixed_count(void)
{
    gyre_loop_stats stats = { .size = sizeof stats };

    gyre_loop_get_stats(loop, &stats);
    return stats.fixed;
}

static int file_open(void)
{
    int fd = open(file_make("file", 4 * PIECE), O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0);
    return fd;
}

/* What the file has at its start. */
static void check_file_bytes(const char *at, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        CHECK_EQ((unsigned char)at[i], (from + i) % 251);
}

/* ---- by index ------------------------------------------------------------ */

static void by_index(void)
{
    int fd = file_open();
    gyre_op op;
    int index;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    index = gyre_buffers_register(loop, memory[0], PIECE);
    CHECK_GE(index, 0);
    gyre_op_read_fixed(&op, fd, memory[0] + 10, 5000, 100, (unsigned)index);
    CHECK_EQ(perform(&op), 5000);
    check_file_bytes(memory[0] + 10, 5000, 100);
    gyre_op_write_fixed(&op, fd, memory[0] + 10, 5000, 3, (unsigned)index);
    CHECK_EQ(perform(&op), 5000);
    gyre_op_read_fixed(&op, fd, memory[0] + PIECE - 100, 100, 3,
                       (unsigned)index);
    CHECK_EQ(perform(&op), 100);
    check_file_bytes(memory[0] + PIECE - 100, 100, 100);
    gyre_op_read_fixed(&op, fd, memory[0], PIECE, 4 * PIECE, (unsigned)index);
    CHECK_EQ(perform(&op), 0);
    /* Out of its bounds, another's, nobody's. */
    gyre_op_read_fixed(&op, fd, memory[0] + PIECE - 99, 100, 0,
                       (unsigned)index);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_op_read_fixed(&op, fd, (void *)((uintptr_t)memory[0] - 1), 100, 0,
                       (unsigned)index);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_op_write_fixed(&op, fd, memory[1], 100, 0, (unsigned)index);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_op_read_fixed(&op, fd, memory[0], 100, 0, (unsigned)index + 1);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_op_read_fixed(&op, fd, memory[0], 100, 0, 65535);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_op_read_fixed(&op, -1, memory[0], 100, 0, (unsigned)index);
    CHECK_ERR(perform(&op), -EBADF);
    CHECK_EQ(fixed_count(), 0u);
    CHECK_OK(gyre_buffers_unregister(loop, (unsigned)index, NULL, NULL));
    gyre_op_read_fixed(&op, fd, memory[0], 100, 0, (unsigned)index);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_loop_destroy(loop);
    CHECK_OK(close(fd));
}

KERNEL_TEST(B4_I1_fixed_reads_and_writes_keep_within_their_piece)
{
    by_index();
}

KERNEL_TEST_ON(B4_I1_so_they_do_where_the_kernel_has_no_table, TEST_URING)
{
    CHECK_EQ(ring_features_restrict("registered_buffers"), 0u);
    by_index();
    CHECK_EQ(ring_features_restrict("op_read_fixed"), 0u);
    by_index();
    CHECK_EQ(ring_features_restrict(NULL), 0u);
}

static void fixed_on_pipe(void)
{
    char byte = 'x';
    gyre_op op;
    int fds[2];
    int index;

    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_OK(gyre_loop_create(&loop, NULL));
    index = gyre_buffers_register(loop, memory[0], PIECE);
    gyre_op_read_fixed(&op, fds[0], memory[0], 10, GYRE_CURRENT_POSITION,
                       (unsigned)index);
    gyre_op_start(loop, &op, note, NULL);
    ended = 0;
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(ended, 0u);
    CHECK_EQ(write(fds[1], &byte, 1), 1);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(last_res, 1);
    CHECK_EQ(memory[0][0], 'x');
    gyre_op_restart(&op);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_op_cancel(&op));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ERR(last_res, -ECANCELED);
    gyre_loop_destroy(loop);
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
}

KERNEL_TEST(B4_a_fixed_read_waits_for_data_and_is_cancelled)
{
    fixed_on_pipe();
}

/* ---- by itself ----------------------------------------------------------- */

static void by_itself(bool with_table)
{
    int fd = file_open();
    uint64_t fixed = with_table;
    gyre_op op;
    int index;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_GE(gyre_buffers_register(loop, memory[2], PIECE), 0);
    index = gyre_buffers_register(loop, memory[0], PIECE);
    CHECK_GE(index, 0);
    gyre_op_read(&op, fd, memory[0] + 1, 1000, 5);
    CHECK_EQ(perform(&op), 1000);
    check_file_bytes(memory[0] + 1, 1000, 5);
    CHECK_EQ(fixed_count(), fixed);
    gyre_op_write(&op, fd, memory[0] + 1, 1000, 5);
    CHECK_EQ(perform(&op), 1000);
    CHECK_EQ(fixed_count(), 2 * fixed);
    gyre_op_read(&op, fd, memory[2] + PIECE - 10, 10, 0);
    CHECK_EQ(perform(&op), 10);
    CHECK_EQ(fixed_count(), 3 * fixed);
    /* Not all of it; and of nobody's. */
    gyre_op_read(&op, fd, memory[0] + PIECE - 10, 11, 0);
    CHECK_EQ(perform(&op), 11);
    gyre_op_read(&op, fd, memory[1], 11, 0);
    CHECK_EQ(perform(&op), 11);
    gyre_op_read(&op, fd, memory[0], 0, 0);
    CHECK_EQ(perform(&op), 0);
    gyre_op_read(&op, -1, memory[0], 1, 0);
    CHECK_ERR(perform(&op), -EBADF);
    CHECK_EQ(fixed_count(), 4 * fixed);
    CHECK_OK(gyre_buffers_unregister(loop, (unsigned)index, NULL, NULL));
    gyre_op_read(&op, fd, memory[0] + 1, 1000, 5);
    CHECK_EQ(perform(&op), 1000);
    CHECK_EQ(fixed_count(), 4 * fixed);
    gyre_loop_destroy(loop);
    CHECK_OK(close(fd));
}

KERNEL_TEST(B20_what_lies_in_registered_memory_becomes_fixed_by_itself)
{
    by_itself(true);
}

KERNEL_TEST_ON(B20_it_stays_plain_where_the_kernel_has_no_table, TEST_URING)
{
    CHECK_EQ(ring_features_restrict("registered_buffers"), 0u);
    by_itself(false);
    CHECK_EQ(ring_features_restrict(NULL), 0u);
}

static int read_into_pool(void *arg)
{
    gyre_pool_stats stats = { .size = sizeof stats };
    gyre_pool *pool;
    char *buffer;
    int fd = gyre_open(arg, O_RDONLY, 0);

    CHECK(fd >= 0);
    loop = gyre_loop_current();
    CHECK_OK(gyre_pool_create(&pool, loop, NULL));
    buffer = gyre_pool_get(pool, 10000);
    CHECK_EQ(gyre_read(fd, buffer, 10000, 77), 10000);
    check_file_bytes(buffer, 10000, 77);
    CHECK_EQ(fixed_count(), 1u);
    gyre_pool_get_stats(pool, &stats);
    CHECK_EQ(stats.registered, 2u << 20);
    gyre_pool_put(pool, buffer);
    gyre_pool_destroy(pool);
    CHECK_EQ(look().count, 0u);
    CHECK_OK(gyre_close(fd));
    return 0;
}

KERNEL_TEST(B20_I1_I7_a_read_into_a_pools_buffer_is_fixed)
{
    char path[600];

    strcpy(path, file_make("file", PIECE));
    must_run(read_into_pool, path);
}

/* ---- coming and going ---------------------------------------------------- */

static unsigned gone;

static void note_gone(void *user)
{
    gone += *(unsigned *)user;
}

KERNEL_TEST(I2_a_piece_is_gone_when_its_last_request_is_over)
{
    unsigned one = 1, ten = 10;
    gyre_op op;
    int fds[2];
    int index;

    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_OK(gyre_loop_create(&loop, NULL));
    index = gyre_buffers_register(loop, memory[0], PIECE);
    CHECK_GE(index, 0);
    gyre_op_read_fixed(&op, fds[0], memory[0], 10, GYRE_CURRENT_POSITION,
                       (unsigned)index);
    gyre_op_start(loop, &op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    /* Its place means other memory now, and the request keeps what it has. */
    CHECK_OK(gyre_buffers_update(loop, (unsigned)index, memory[1], PIECE,
                                 note_gone, &one));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(gone, 0u);
    CHECK_OK(gyre_buffers_unregister(loop, (unsigned)index, note_gone, &ten));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_NE(gone % 10, 1u);
    CHECK_EQ(write(fds[1], "hello", 5), 5);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(gone, 11u);
    CHECK_EQ(last_res, 5);
    CHECK_MEM_EQ(memory[0], "hello", 5);
    CHECK_EQ(look().count, 0u);
    gyre_loop_destroy(loop);
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
}

KERNEL_TEST_ON(I2_without_a_table_it_is_gone_at_the_next_turn, TEST_URING)
{
    unsigned one = 1;
    int index;

    CHECK_EQ(ring_features_restrict("registered_buffers"), 0u);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    index = gyre_buffers_register(loop, memory[0], PIECE);
    CHECK_GE(index, 0);
    CHECK_EQ(look().count, 1u);
    CHECK_EQ(look().with_kernel, 0u);
    CHECK_EQ(look().refused, 1u);
    CHECK_OK(gyre_buffers_unregister(loop, (unsigned)index, note_gone, &one));
    CHECK_EQ(gone, 0u);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(gone, 1u);
    gyre_loop_destroy(loop);
    CHECK_EQ(ring_features_restrict(NULL), 0u);
}

KERNEL_TEST(I2_the_table_has_1024_places_and_they_are_used_again)
{
    unsigned indices[1024];

    CHECK_OK(gyre_loop_create(&loop, NULL));
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 1024; i++) {
            int index = gyre_buffers_register(loop, memory[0] + 16 * i, 16);

            CHECK_GE(index, 0);
            indices[i] = (unsigned)index;
        }
        CHECK_ERR(gyre_buffers_register(loop, memory[1], 16), -ENOSPC);
        CHECK_EQ(look().count, 1024u);
        CHECK_EQ(look().bytes, 16384u);
        CHECK_EQ(look().bytes_with_kernel, 16384u);
        for (unsigned i = 0; i < 1024; i++)
            CHECK_OK(gyre_buffers_unregister(loop, indices[i], NULL, NULL));
        CHECK_EQ(look().count, 0u);
        CHECK_EQ(look().bytes_with_kernel, 0u);
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(I1_I2_bad_arguments_are_refused_and_change_nothing)
{
    char *hole =
        mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int index;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_ERR(gyre_buffers_unregister(loop, 0, NULL, NULL), -EINVAL);
    CHECK_ERR(gyre_buffers_register(loop, NULL, 10), -EINVAL);
    CHECK_ERR(gyre_buffers_register(loop, memory[0], 0), -EINVAL);
    CHECK_ERR(gyre_buffers_register(loop, memory[0], ((size_t)1 << 40) + 1),
              -EINVAL);
    if (!test_on_valgrind())
        CHECK_ERR(gyre_buffers_register(loop, hole, 4096), -EFAULT);
    index = gyre_buffers_register(loop, memory[0], PIECE);
    CHECK_GE(index, 0);
    if (!test_on_valgrind())
        CHECK_ERR(
            gyre_buffers_update(loop, (unsigned)index, hole, 4096, NULL, NULL),
            -EFAULT);
    CHECK_ERR(
        gyre_buffers_update(loop, (unsigned)index, memory[0], 0, NULL, NULL),
        -EINVAL);
    CHECK_ERR(gyre_buffers_update(loop, (unsigned)index + 1, memory[0], 10,
                                  NULL, NULL),
              -EINVAL);
    CHECK_ERR(gyre_buffers_unregister(loop, 5000, NULL, NULL), -EINVAL);
    CHECK_EQ(look().count, 1u);
    CHECK_EQ(look().bytes, (unsigned)PIECE);
    gyre_loop_destroy(loop);
    CHECK_OK(munmap(hole, 4096));
}

/* The loop's end does not wait for anybody's word. */
KERNEL_TEST(I2_a_loop_ends_with_pieces_registered_and_going)
{
    unsigned one = 1;
    gyre_op op;
    int fds[2];
    int index;

    CHECK_OK(pipe2(fds, O_CLOEXEC));
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_GE(gyre_buffers_register(loop, memory[1], PIECE), 0);
    index = gyre_buffers_register(loop, memory[0], PIECE);
    gyre_op_read_fixed(&op, fds[0], memory[0], 10, GYRE_CURRENT_POSITION,
                       (unsigned)index);
    gyre_op_start(loop, &op, note, NULL);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_buffers_unregister(loop, (unsigned)index, note_gone, &one));
    gyre_loop_destroy(loop);
    CHECK_ERR(last_res, -ECANCELED);
    CHECK_OK(close(fds[0]));
    CHECK_OK(close(fds[1]));
}

KERNEL_TEST2(I1_no_memory_for_a_registration_is_told)
{
    for (long nth = 1;; nth++) {
        int index;
        bool failed;

        CHECK_OK(gyre_loop_create(&loop, NULL));
        alloc_fail_nth(nth);
        index = gyre_buffers_register(loop, memory[0], PIECE);
        failed = alloc_did_fail();
        alloc_fail_nth(0);
        if (index >= 0)
            CHECK_OK(
                gyre_buffers_unregister(loop, (unsigned)index, NULL, NULL));
        else
            CHECK_ERR(index, -ENOMEM);
        gyre_loop_destroy(loop);
        if (!failed)
            break;
        CHECK_LT(nth, 100);
    }
}

KERNEL_TEST(I2_a_clone_has_the_same_pieces_under_the_same_indices)
{
    int fd = file_open();
    gyre_loop *first;
    gyre_op op;
    int index[3];

    CHECK_OK(gyre_loop_create(&first, NULL));
    for (unsigned i = 0; i < 3; i++)
        index[i] = gyre_buffers_register(first, memory[i], PIECE);
    CHECK_OK(gyre_buffers_unregister(first, (unsigned)index[1], NULL, NULL));
    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_OK(gyre_buffers_clone(loop, first));
    CHECK_ERR(gyre_buffers_clone(loop, first), -EBUSY);
    CHECK_EQ(look().count, 2u);
    CHECK_EQ(look().with_kernel, 2u);
    gyre_loop_destroy(first);
    gyre_op_read_fixed(&op, fd, memory[2], 100, 7, (unsigned)index[2]);
    CHECK_EQ(perform(&op), 100);
    check_file_bytes(memory[2], 100, 7);
    gyre_op_read_fixed(&op, fd, memory[1], 100, 7, (unsigned)index[1]);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_op_read_fixed(&op, fd, memory[0], 100, 0, (unsigned)index[2]);
    CHECK_ERR(perform(&op), -EFAULT);
    gyre_loop_destroy(loop);
    CHECK_OK(close(fd));
}

/* ---- sends without copying ----------------------------------------------- */

enum { MUCH = 5000 }; /* more than GYRE_ZC_THRESHOLD */

static int send_body(void *arg)
{
    static char got[MUCH];
    int pair[2];
    int index;

    (void)arg;
    loop = gyre_loop_current();
    index = gyre_buffers_register(loop, memory[0], PIECE);
    CHECK_GE(index, 0);
    memset(memory[0], 'z', PIECE);
    tcp_pair_open(pair);
    CHECK_EQ(gyre_send_zc(pair[0], memory[0] + 5, MUCH, 0, NULL), MUCH);
    CHECK_OK(gyre_recv_all(pair[1], got, MUCH, 0));
    CHECK_MEM_EQ(got, memory[0], MUCH);
    CHECK_EQ(fixed_count(), 1u);
    CHECK_EQ(gyre_send_zc(pair[0], memory[1], MUCH, 0, NULL), MUCH);
    CHECK_OK(gyre_recv_all(pair[1], got, MUCH, 0));
    CHECK_EQ(fixed_count(), 1u);
    CHECK_OK(gyre_buffers_unregister(loop, (unsigned)index, NULL, NULL));
    CHECK_OK(gyre_close(pair[0]));
    CHECK_OK(gyre_close(pair[1]));
    return 0;
}

KERNEL_TEST(B20_a_send_without_copying_from_registered_memory_is_fixed)
{
    must_run(send_body, NULL);
}

static void *look_elsewhere(void *arg)
{
    gyre_buffers_stats stats = { .size = sizeof stats };

    gyre_buffers_get_stats(arg, &stats);
    return NULL;
}

TEST_PANICS(I1_figures_on_the_wrong_thread_panic, "does not own the loop")
{
    pthread_t thread;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    CHECK_EQ(pthread_create(&thread, NULL, look_elsewhere, loop), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}
