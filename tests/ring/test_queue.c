/* SPDX-License-Identifier: MIT */
/*
 * Queues with large places, and with places of two sizes, as Linux fills them
 * and as a bug of Linux's does.
 */
#include <string.h>

#include "ring/queue.h"
#include "runner/test.h"

enum { ENTRIES = 4 };

struct memory {
    _Atomic uint32_t head, tail, flags;
    struct io_uring_cqe cqes[2 * ENTRIES];
    struct io_uring_sqe sqes[2 * ENTRIES];
};

static struct cq cq_of(struct memory *m, enum cq_form form)
{
    memset(m, 0, sizeof *m);
    return (struct cq){ .head = &m->head,
                        .tail = &m->tail,
                        .flags = &m->flags,
                        .cqes = m->cqes,
                        .entries = ENTRIES,
                        .mask = ENTRIES - 1,
                        .form = (uint8_t)form };
}

static struct sq sq_of(struct memory *m, uint32_t stride)
{
    memset(m, 0, sizeof *m);
    return (struct sq){ .head = &m->head,
                        .tail = &m->tail,
                        .flags = &m->flags,
                        .sqes = m->sqes,
                        .entries = ENTRIES,
                        .mask = ENTRIES - 1,
                        .stride = stride };
}

/* What the kernel writes at a place, and counts. */
static void put(struct memory *m, uint32_t place, uint64_t user_data,
                uint32_t flags, uint64_t extra)
{
    m->cqes[place] =
        (struct io_uring_cqe){ .user_data = user_data, .flags = flags };
    if (extra != 0)
        memcpy(&m->cqes[place + 1], (uint64_t[]){ extra, extra + 1 }, 16);
    m->tail += 1 + (extra != 0);
}

static void must_take(struct cq *cq, uint64_t user_data, uint64_t extra)
{
    struct io_uring_cqe cqe;

    CHECK(cq_take(cq, &cqe));
    CHECK_EQ(cqe.user_data, user_data);
    CHECK_EQ(cq->extra_of, extra != 0 ? user_data : 0);
    if (extra == 0)
        return;
    CHECK_EQ(cq->extra[0], extra);
    CHECK_EQ(cq->extra[1], extra + 1);
}

static void must_be_empty(struct cq *cq)
{
    struct io_uring_cqe cqe;

    CHECK(!cq_take(cq, &cqe));
    CHECK_EQ(cq_ready(cq), 0u);
}

TEST(A8_E6_a_filler_at_the_end_is_passed_over)
{
    struct memory m;
    struct cq cq = cq_of(&m, CQ_MIXED);

    put(&m, 0, 1, 0, 0);
    put(&m, 1, 2, IORING_CQE_F_32, 20);
    must_take(&cq, 1, 0);
    must_take(&cq, 2, 20);
    put(&m, 3, 0, IORING_CQE_F_SKIP, 0);
    must_be_empty(&cq); /* alone, and it stays */
    CHECK_EQ(cq_counted(&cq), 1u);
    put(&m, 0, 3, IORING_CQE_F_32, 30);
    must_take(&cq, 3, 30);
    put(&m, 2, 4, 0, 0);
    put(&m, 3, 0, IORING_CQE_F_SKIP, 0);
    put(&m, 0, 5, IORING_CQE_F_32, 50);
    must_take(&cq, 4, 0);
    must_take(&cq, 5, 50);
    must_be_empty(&cq);
}

/* The place at the end has the filler, then a small one, and counts twice. */
TEST(A8_E6_a_place_that_was_never_written_is_passed_over)
{
    struct memory m;
    struct cq cq = cq_of(&m, CQ_MIXED);

    put(&m, 0, 1, 0, 0);
    put(&m, 1, 2, IORING_CQE_F_32, 20);
    put(&m, 3, 0, IORING_CQE_F_SKIP, 0);
    put(&m, 3, 3, 0, 0);
    CHECK_EQ(cq_ready(&cq), ENTRIES + 1u);
    must_take(&cq, 1, 0);
    must_take(&cq, 2, 20);
    must_take(&cq, 3, 0);
    must_be_empty(&cq);
    put(&m, 1, 4, IORING_CQE_F_32, 40); /* where Linux goes on */
    must_take(&cq, 4, 40);
    must_be_empty(&cq);
}

/* The same, but the queue has been looked at between the two. */
TEST(A8_E6_a_filler_may_become_a_result)
{
    struct memory m;
    struct cq cq = cq_of(&m, CQ_MIXED);

    put(&m, 0, 1, 0, 0);
    put(&m, 1, 2, IORING_CQE_F_32, 20);
    put(&m, 3, 0, IORING_CQE_F_SKIP, 0);
    must_take(&cq, 1, 0);
    must_take(&cq, 2, 20);
    must_be_empty(&cq);
    put(&m, 3, 3, 0, 0);
    must_take(&cq, 3, 0);
    must_be_empty(&cq);
    put(&m, 1, 4, 0, 0);
    must_take(&cq, 4, 0);
    must_be_empty(&cq);
}

TEST(A8_E6_each_place_of_32_bytes_has_its_words)
{
    struct memory m;
    struct cq cq = cq_of(&m, CQ_BIG);

    for (uint32_t i = 0; i < 2 * ENTRIES; i++) {
        struct io_uring_cqe *at = &m.cqes[2 * (i % ENTRIES)];

        *at = (struct io_uring_cqe){ .user_data = i + 1,
                                     .flags = IORING_CQE_F_SKIP };
        memcpy(at + 1, (uint64_t[]){ i + 10, i + 11 }, 16);
        m.tail++;
        CHECK(cq_at(&cq, i) == at);
        must_take(&cq, i + 1, i + 10);
    }
    must_be_empty(&cq);
}

TEST(A8_a_large_request_does_not_go_around_the_end)
{
    struct memory m;
    struct sq sq = sq_of(&m, SQE_SIZE);

    CHECK_EQ(sq_big_places(&sq), 2u);
    CHECK(sq_next(&sq) == &m.sqes[0]);
    CHECK(!sq_wants_filler(&sq));
    CHECK(sq_next_big(&sq) == &m.sqes[1]);
    CHECK(sq_wants_filler(&sq));
    CHECK_EQ(sq_room(&sq), 1u);
    CHECK(sq_next(&sq) == &m.sqes[3]);
    m.head = 4;
    CHECK(sq_next_big(&sq) == &m.sqes[0]);
    CHECK_EQ(sq_room(&sq), 2u);
}

TEST(A8_places_of_128_bytes_follow_each_other)
{
    struct memory m;
    struct sq sq = sq_of(&m, SQE_SIZE_BIG);

    CHECK_EQ(sq_big_places(&sq), 1u);
    memset(m.sqes, 0xff, sizeof m.sqes);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        CHECK(!sq_wants_filler(&sq));
        CHECK(sq_next_clear(&sq) == &m.sqes[2 * i]);
        CHECK_EQ(m.sqes[2 * i + 1].user_data, 0u);
        CHECK_EQ(m.sqes[2 * i].user_data, UINT64_MAX);
    }
    CHECK_EQ(sq_room(&sq), 0u);
}

TEST_PANICS(A8_a_large_request_needs_room, "sq_room")
{
    struct memory m;
    struct sq sq = sq_of(&m, SQE_SIZE);

    for (int i = 0; i < 3; i++)
        sq_next(&sq);
    sq_next_big(&sq);
}
