/* SPDX-License-Identifier: MIT */
/*
 * test_differ.c - some random programs on Linux's ring and on the emulator
 *
 * The first seeds of what `./dev fuzz` runs for minutes. A program that differs
 * is told by its seed; `differ --one=SEED -v` prints it, and its smallest part
 * that still differs.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "judge.h"
#include "kernel/choose.h"
#include "runner/test.h"
#include "waiting.h"

/* An older Linux looks at some mistakes when it executes a request, not when it
 * takes it, or the other way round: in chains that decides all. */
static void need_ring(void)
{
    struct kernel_options options = { .entries = 4 };
    struct kernel *ring;
    bool young;

    if (test_on_valgrind())
        TEST_SKIP("its bad pointers are what valgrind reports");
    if (kernel_uring_refusal() != NULL)
        TEST_SKIP("needs io_uring");
    CHECK_OK(uring_open(&ring, &options));
    young = (ring->features & IORING_FEAT_NO_IOWAIT) != 0;
    ring->class->destroy(ring);
    if (!young)
        TEST_SKIP("the emulator's ways are those of Linux since 6.15");
}

TEST_WITH(S6_random_programs_end_as_on_linux_s_ring, .timeout_s = 120)
{
    static struct judge judge;
    static struct program program;
    struct sigaction ignored = { .sa_handler = SIG_IGN };
    unsigned count = 1000 / test_scale();
    char directory[256];

    need_ring();
    CHECK_EQ(sigaction(SIGPIPE, &ignored, NULL), 0);
    snprintf(directory, sizeof directory, "%s/differ", test_directory());
    judge_prepare(&judge, directory);
    for (uint64_t seed = 1; seed <= count; seed++) {
        program_generate(&program, seed);
        if (judge_program(&judge, &program) != DIFFERENT)
            continue;
        program_print(&program);
        print_logs(&program, &judge.uring_log, &judge.emu_log);
        FAIL("seed %u differs in %s: differ --one=%u -v", (unsigned)seed,
             judge.difference.what, (unsigned)seed);
    }
    judge_finish(&judge, directory);
}

TEST(S6_a_seed_is_always_the_same_program)
{
    static struct program first, second;

    for (uint64_t seed = 0; seed < 200; seed++) {
        memset(&first, 0xff, sizeof first);
        program_generate(&first, seed);
        program_generate(&second, seed);
        CHECK_MEM_EQ(&first, &second, sizeof first);
        CHECK_GT(first.item_count, 3u);
        if (seed > 0) {
            program_generate(&second, seed - 1);
            CHECK(memcmp(&first, &second, sizeof first) != 0);
        }
    }
}

/* What the comparison allows is little: anything else is found. */
TEST(S6_a_result_that_differs_is_found)
{
    static struct program program;
    static struct log left, right;
    struct difference difference;

    program_generate(&program, 1);
    left.count = right.count = 2;
    left.entries[0] = (struct entry){ .id = 0, .result = 1 };
    left.entries[1] = (struct entry){ .id = 1, .result = 2, .step = 1 };
    memcpy(right.entries, left.entries, sizeof left.entries);
    CHECK(logs_are_same(&program, &left, &right, &difference));
    right.entries[1].hash = 1;
    CHECK(!logs_are_same(&program, &left, &right, &difference));
    CHECK(difference.linux_ == &left.entries[1]);
    right.entries[1] = left.entries[1];
    right.entries[1].step = 2;
    CHECK(!logs_are_same(&program, &left, &right, &difference));
    right.entries[1].step = 1;
    right.count = 1;
    CHECK(!logs_are_same(&program, &left, &right, &difference));
    CHECK(difference.emu == NULL);
}

static void set_item(struct program *program, unsigned id, uint32_t objects,
                     bool loose, bool linked)
{
    program->items[id] = (struct item){
        .sqe.flags = linked ? IOSQE_IO_LINK : 0,
        .objects = objects,
        .loose = loose,
    };
    if (program->item_count <= id)
        program->item_count = id + 1;
}

/* A chain that waits may go on at the moment when a thread of the step is at
 * the same thing: the results would be those of chance. */
TEST(S6_what_would_meet_a_chain_by_chance_is_left_out)
{
    static struct program program;
    struct waiting waiting;

    set_item(&program, 0, OBJECT(STREAM_A), false, true);
    set_item(&program, 1, OBJECT(TCP_A), false, false);
    set_item(&program, 2, OBJECT(TCP_A), false, true);
    set_item(&program, 3, OBJECT(TCP_A), false, false);
    set_item(&program, 4, OBJECT(TCP_A), true, true);
    set_item(&program, 5, OBJECT(TCP_A), false, false);
    set_item(&program, 6, OBJECT(PIPE_R), true, false);
    waiting_look(&waiting, &program, 3, 0);
    CHECK(!waiting_excludes(&waiting, &program, 2));
    CHECK(!waiting_excludes(&waiting, &program, 3));
    CHECK(waiting_excludes(&waiting, &program, 4));
    /* It follows the thread's end, unless that one has been left out. */
    CHECK(waiting_excludes(&waiting, &program, 5));
    waiting_add(&waiting, &program, 4, true);
    CHECK(!waiting_excludes(&waiting, &program, 5));
    CHECK(!waiting_excludes(&waiting, &program, 6));
    /* What the chain begins on a thread meets what another chain begins. */
    program.items[1].loose = true;
    waiting_look(&waiting, &program, 3, 0);
    CHECK(!waiting_excludes(&waiting, &program, 2));
    CHECK(waiting_excludes(&waiting, &program, 3));
    /* The whole chain has begun. */
    waiting_look(&waiting, &program, 2, 0);
    CHECK(!waiting_excludes(&waiting, &program, 4));
}

/* Does one cancel end both, or does the chain go on with the other first? */
TEST(S6_a_cancel_of_all_does_not_let_a_chain_meet_another)
{
    static struct program program;
    struct waiting waiting;

    set_item(&program, 0, OBJECT(STREAM_A), false, true);
    set_item(&program, 1, OBJECT(FUTEX_0), false, false);
    set_item(&program, 2, OBJECT(FUTEX_0), false, false);
    set_item(&program, 3, 0, false, false);
    program.items[3].sqe.opcode = IORING_OP_ASYNC_CANCEL;
    program.items[3].sqe.cancel_flags = IORING_ASYNC_CANCEL_ANY;
    waiting_look(&waiting, &program, 7, 0);
    CHECK(!waiting_excludes(&waiting, &program, 3));
    program.items[0].sqe.flags = IOSQE_IO_HARDLINK;
    waiting_look(&waiting, &program, 7, 0);
    CHECK(waiting_excludes(&waiting, &program, 3));
    program.items[3].sqe.cancel_flags = 0;
    CHECK(!waiting_excludes(&waiting, &program, 3));
    program.items[3].sqe.cancel_flags = IORING_ASYNC_CANCEL_ALL;
    waiting_look(&waiting, &program, 3, 0);
    CHECK(!waiting_excludes(&waiting, &program, 3));
}

TEST(S6_only_one_request_waits_for_a_direction)
{
    static struct program program;
    struct waiting waiting;

    set_item(&program, 0, 0, false, false);
    set_item(&program, 1, 0, false, false);
    program.items[0].claims = program.items[1].claims = CLAIM_IN(STREAM_A);
    waiting_look(&waiting, &program, 0, 0);
    CHECK(!waiting_excludes(&waiting, &program, 1));
    waiting_add(&waiting, &program, 0, false);
    CHECK(waiting_excludes(&waiting, &program, 1));
    waiting_look(&waiting, &program, 1, 0);
    CHECK(waiting_excludes(&waiting, &program, 1));
    waiting_look(&waiting, &program, 1, 1);
    CHECK(!waiting_excludes(&waiting, &program, 1));
}
