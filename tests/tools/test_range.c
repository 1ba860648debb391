/* SPDX-License-Identifier: MIT */
/* Single ranges of bytes. */
#include "range.h"
#include "runner/test.h"

static void check_part(const char *header, uint64_t file_size, uint64_t first,
                       uint64_t size)
{
    struct range range = { 0 };

    CHECK_EQ(range_parse(span_string(header), file_size, &range), RANGE_PART);
    CHECK_EQ(range.first, first);
    CHECK_EQ(range.size, size);
}

static enum range_kind kind_of(const char *header, uint64_t file_size)
{
    struct range range;

    return range_parse(span_string(header), file_size, &range);
}

TEST(W2_ranges_name_a_part_of_a_file)
{
    check_part("bytes=0-0", 100, 0, 1);
    check_part("bytes=0-99", 100, 0, 100);
    check_part("bytes=10-", 100, 10, 90);
    check_part("bytes=-10", 100, 90, 10);
    check_part("BYTES=5-6", 100, 5, 2);
}

TEST(W2_ranges_are_cut_to_the_file)
{
    check_part("bytes=90-1000", 100, 90, 10);
    check_part("bytes=-1000", 100, 0, 100);
    check_part("bytes=99-18446744073709551615", 100, 99, 1);
    check_part("bytes=0-99999999999999999999999", 100, 0, 100);
    check_part("bytes=-99999999999999999999999", 100, 0, 100);
    check_part("bytes=1-", UINT64_MAX, 1, UINT64_MAX - 1);
}

TEST(W2_ranges_behind_the_end_cannot_be_satisfied)
{
    CHECK_EQ(kind_of("bytes=100-", 100), RANGE_NONE);
    CHECK_EQ(kind_of("bytes=99999999999999999999999-", 100), RANGE_NONE);
    CHECK_EQ(kind_of("bytes=-0", 100), RANGE_NONE);
    CHECK_EQ(kind_of("bytes=0-", 0), RANGE_NONE);
    CHECK_EQ(kind_of("bytes=-1", 0), RANGE_NONE);
}

TEST(W2_what_is_no_single_range_asks_for_the_whole_file)
{
    static const char *const WHOLE[] = {
        "",          "bytes",         "bytes=",     "bytes=-",    "bytes=a-b",
        "bytes=5-4", "bytes=1-2,4-5", "bytes=1",    "lines=1-2",  "bytes=1-2x",
        "bytes=--1", "bytes=+1-2",    "bytes=1 -2", "bytes=0x1-",
    };

    for (size_t i = 0; i < sizeof WHOLE / sizeof WHOLE[0]; i++) {
        if (kind_of(WHOLE[i], 100) != RANGE_WHOLE)
            FAIL("'%s' was taken for a range", WHOLE[i]);
    }
    CHECK_EQ(range_parse((struct span){ 0 }, 100, &(struct range){ 0 }),
             RANGE_WHOLE);
}
