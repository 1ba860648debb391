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
