/* SPDX-License-Identifier: MIT */
/*
 * test_op_pool.c - ops that the library owns, and those that own their bytes
 */
#include <errno.h>
#include <gyre/op_pool.h>
#include <gyre/op_small.h>
#include <string.h>

#include "rig.h"

static void give_at_the_end(gyre_op *op, gyre_result result)
{
    if (gyre_result_is_last(result))
        gyre_op_pool_give(op->user, op);
}

TEST(E18_a_handle_names_one_use_of_an_op)
{
    gyre_op_pool *pool;
    gyre_op_handle first, second;
    gyre_op *op;

    CHECK_OK(gyre_op_pool_create(&pool, 1));
    CHECK(gyre_op_pool_find(pool, 0) == NULL);
    op = gyre_op_pool_take(pool, &first);
    CHECK(op != NULL);
    CHECK(gyre_op_pool_find(pool, first) == op);
    CHECK(gyre_op_pool_take(pool, &second) == NULL);
    gyre_op_pool_give(pool, op);
    CHECK(gyre_op_pool_find(pool, first) == NULL);
    CHECK(gyre_op_pool_take(pool, &second) == op);
    CHECK(gyre_op_pool_find(pool, first) == NULL);
    CHECK(gyre_op_pool_find(pool, second) == op);
    CHECK_EQ(gyre_op_pool_taken(pool), 1);
    gyre_op_pool_destroy(pool);
}

TEST(E18_ops_keep_their_places_while_the_pool_grows)
{
    enum { OPS = 1000 };
    gyre_op_pool *pool;
    gyre_op_handle handle[OPS];
    gyre_op *op[OPS];

    CHECK_OK(gyre_op_pool_create(&pool, OPS));
    for (int i = 0; i < OPS; i++) {
        op[i] = gyre_op_pool_take(pool, &handle[i]);
        CHECK(op[i] != NULL);
        CHECK_EQ((uintptr_t)op[i] % 16, 0);
    }
    CHECK_EQ(gyre_op_pool_taken(pool), OPS);
    for (int i = 0; i < OPS; i++) {
        CHECK(gyre_op_pool_find(pool, handle[i]) == op[i]);
        gyre_op_pool_give(pool, op[i]);
    }
    CHECK_EQ(gyre_op_pool_taken(pool), 0);
    gyre_op_pool_destroy(pool);
}

TEST(E18_a_pools_op_is_given_back_in_its_last_callback)
{
    gyre_op_pool *pool;
    gyre_op_handle handle;
    struct rig rig;
    gyre_op *op;

    rig_open(&rig, 8);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    CHECK_OK(gyre_op_pool_create(&pool, 8));
    op = gyre_op_pool_take(pool, &handle);
    gyre_op_nop(op);
    gyre_op_start(rig.loop, op, give_at_the_end, pool);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(gyre_op_pool_taken(pool), 0);
    CHECK(gyre_op_pool_find(pool, handle) == NULL);
    gyre_op_pool_destroy(pool);
    rig_close(&rig);
}

TEST(E18_a_pool_of_no_size_and_without_memory_is_refused)
{
    gyre_op_pool *pool;

    CHECK_ERR(gyre_op_pool_create(&pool, 0), -EINVAL);
    CHECK_ERR(gyre_op_pool_create(&pool, GYRE_OP_POOL_MAX + 1), -EINVAL);
    for (unsigned nth = 1; nth <= 2; nth++) {
        alloc_fail_nth(nth);
        CHECK_ERR(gyre_op_pool_create(&pool, 8), -ENOMEM);
    }
    alloc_fail_nth(3);
    CHECK_OK(gyre_op_pool_create(&pool, 8));
    CHECK(gyre_op_pool_take(pool, &(gyre_op_handle){ 0 }) == NULL);
    CHECK(gyre_op_pool_take(pool, &(gyre_op_handle){ 0 }) != NULL);
    gyre_op_pool_destroy(pool);
    gyre_op_pool_destroy(NULL);
}

TEST_PANICS(E18_an_op_that_is_given_back_twice_is_found, "given back before")
{
    gyre_op_pool *pool;
    gyre_op_handle handle;
    gyre_op *op;

    CHECK_OK(gyre_op_pool_create(&pool, 8));
    op = gyre_op_pool_take(pool, &handle);
    gyre_op_pool_give(pool, op);
    gyre_op_pool_give(pool, op);
}

TEST_PANICS(E18_the_end_of_a_pool_whose_op_is_started_is_found, "is destroyed")
{
    gyre_op_pool *pool;
    gyre_op_handle handle;
    struct rig rig;
    gyre_op *op;

    rig_open(&rig, 8);
    CHECK_OK(gyre_op_pool_create(&pool, 8));
    op = gyre_op_pool_take(pool, &handle);
    gyre_op_nop(op);
    gyre_op_start(rig.loop, op, give_at_the_end, pool);
    gyre_op_pool_destroy(pool);
}

TEST(E13_small_ops_carry_their_bytes)
{
    char text[] = "a few bytes";
    char large[GYRE_SMALL_SIZE + 1] = "";
    gyre_small_op op;

    CHECK_OK(gyre_small_op_send(&op, 5, text, sizeof text, 0));
    memset(text, 'x', sizeof text);
    CHECK_EQ(gyre_op_buffer(&op.op), gyre_small_op_data(&op));
    CHECK(memcmp(gyre_op_buffer(&op.op), "a few bytes", 12) == 0);
    CHECK_OK(gyre_small_op_write(&op, 5, "other", 5, 0));
    CHECK(memcmp(gyre_op_buffer(&op.op), "other", 5) == 0);
    CHECK_ERR(gyre_small_op_send(&op, 5, large, sizeof large, 0), -EMSGSIZE);
    CHECK_ERR(gyre_small_op_write(&op, 5, large, sizeof large, 0), -EMSGSIZE);
    CHECK_OK(gyre_small_op_send(&op, 5, large, GYRE_SMALL_SIZE, 0));
}

TEST(E12_the_buffer_comes_back_with_the_result)
{
    char buffer[8];
    gyre_op op;

    gyre_op_recv(&op, 3, buffer, sizeof buffer, 0);
    CHECK_EQ(gyre_op_buffer(&op), buffer);
    gyre_op_write(&op, 3, buffer + 1, 7, 0);
    CHECK_EQ(gyre_op_buffer(&op), buffer + 1);
    gyre_op_nop(&op);
    CHECK(gyre_op_buffer(&op) == NULL);
}
