/* SPDX-License-Identifier: MIT */
/*
 * test_small.c - lists, the heap with its injector, assertions, and the names
 * of errors
 */
#include <errno.h>
#include <gyre/error.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "runner/test.h"

struct item {
    struct list link;
    int number;
};

static void check_list(const struct list *head, const int *expected,
                       size_t count)
{
    const struct list *link = head->next;

    for (size_t i = 0; i < count; i++, link = link->next) {
        CHECK(link != head);
        CHECK_EQ(CONTAINER_OF(link, struct item, link)->number, expected[i]);
        CHECK(link->next->prev == link);
        CHECK(link->prev->next == link);
    }
    CHECK(link == head);
}

TEST(lists_keep_their_order)
{
    struct list head, other;
    struct item items[6];

    memset(items, 0, sizeof items); /* zeroed links are on no list */
    list_init(&head);
    list_init(&other);
    for (int i = 0; i < 6; i++) {
        items[i].number = i;
        CHECK(!list_is_linked(&items[i].link));
    }
    CHECK(list_is_empty(&head));
    CHECK(list_take_first(&head) == NULL);
    list_append(&head, &items[1].link);
    list_append(&head, &items[2].link);
    list_prepend(&head, &items[0].link);
    list_insert_before(&items[2].link, &items[5].link);
    check_list(&head, (int[]){ 0, 1, 5, 2 }, 4);
    CHECK(list_is_linked(&items[5].link));
    list_remove(&items[5].link);
    CHECK(!list_is_linked(&items[5].link));
    check_list(&head, (int[]){ 0, 1, 2 }, 3);
    list_append(&other, &items[3].link);
    list_append(&other, &items[4].link);
    list_append_all(&head, &other);
    CHECK(list_is_empty(&other));
    check_list(&head, (int[]){ 0, 1, 2, 3, 4 }, 5);
    list_append_all(&head, &other); /* nothing */
    list_append_all(&other, &head); /* all, to an empty list */
    check_list(&other, (int[]){ 0, 1, 2, 3, 4 }, 5);
    CHECK(list_take_first(&other) == &items[0].link);
    check_list(&other, (int[]){ 1, 2, 3, 4 }, 4);
}

TEST_PANICS(a_link_cannot_be_on_two_lists, "list_is_linked")
{
    struct list head, other, link = { NULL, NULL };

    list_init(&head);
    list_init(&other);
    list_append(&head, &link);
    list_append(&head, &other);
    list_append(&other, &link);
}

TEST_PANICS(a_torn_list_is_found_at_the_next_removal, "does not hold")
{
    struct list head, link = { NULL, NULL }, stray;

    list_init(&head);
    list_append(&head, &link);
    head.next = &stray;
    list_remove(&link);
}

/* ---- the heap ------------------------------------------------------------ */

TEST(memory_is_zeroed_and_aligned)
{
    for (size_t align = 16; align <= 4096; align *= 2) {
        unsigned char *memory = alloc_aligned(align, 100);

        CHECK(memory != NULL);
        CHECK_EQ((uintptr_t)memory % align, 0);
        for (int i = 0; i < 100; i++)
            CHECK_EQ(memory[i], 0);
        memset(memory, 0xFF, 100); /* for the next one, if it is reused */
        alloc_free(memory);
    }
    alloc_free(NULL);
}

/* Asked by the sanitizers at their start: a size that cannot be had is NULL
 * here too. */
#define SANITIZER_OPTIONS __attribute__((visibility("default"))) const char *

SANITIZER_OPTIONS __asan_default_options(void);
SANITIZER_OPTIONS __tsan_default_options(void);

SANITIZER_OPTIONS __asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

SANITIZER_OPTIONS __tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

TEST(impossible_sizes_are_refused)
{
    volatile size_t huge = SIZE_MAX;

    CHECK(alloc_zeroed(huge, 2) == NULL);
    CHECK(alloc_zeroed(huge / 2, 16) == NULL);
    CHECK(alloc_aligned(64, huge - 3) == NULL);
    CHECK(alloc_aligned(64, huge) == NULL);
}

TEST(the_nth_allocation_fails_and_only_that)
{
    for (long n = 1; n <= 4; n++) {
        void *memory[5];

        alloc_fail_nth(n);
        CHECK(!alloc_did_fail());
        for (int i = 0; i < 5; i++) {
            memory[i] = i % 2 == 0 ? alloc_zeroed(1, 8) : alloc_aligned(16, 8);
            CHECK_EQ(memory[i] == NULL, i + 1 == n);
            CHECK_EQ(alloc_did_fail(), i + 1 >= n);
        }
        for (int i = 0; i < 5; i++)
            alloc_free(memory[i]);
    }
    alloc_fail_nth(1);
    alloc_fail_nth(0); /* taken back */
    alloc_free(alloc_zeroed(1, 1));
    CHECK(!alloc_did_fail());
}

static int tries;

static void allocate_three(void)
{
    void *a = alloc_zeroed(1, 1);
    void *b = a != NULL ? alloc_zeroed(1, 1) : NULL;
    void *c = b != NULL ? alloc_zeroed(1, 1) : NULL;

    tries++;
    CHECK_EQ(c == NULL, alloc_did_fail());
    alloc_free(a);
    alloc_free(b);
    alloc_free(c);
}

TEST(every_allocation_fails_in_turn)
{
    CHECK_EQ(for_each_failure(allocate_three), 3);
    CHECK_EQ(tries, 4);
}

/* ---- assertions ---------------------------------------------------------- */

TEST_PANICS(an_assertion_names_its_place_and_condition, "`1 + 1 == 3`")
{
    ASSERT(1 + 1 == 3);
}

TEST_PANICS(an_api_assertion_says_the_remedy, "body: buy a bigger one")
{
    /* The name of the function comes first; a test's own is not short. */
    int size = 3;

    if (size < 4)
        panic("body: %s", "buy a bigger one");
}

TEST_PANICS(a_panic_of_any_length_is_told, "gyre: xxxxxxxx")
{
    char text[4096];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    panic("%s", text);
}

static int evaluated;

static bool evaluate(void)
{
    evaluated++;
    return true;
}

TEST(conditions_are_evaluated_once)
{
    ASSERT(evaluate());
    ASSERT_API(evaluate(), "never");
    CHECK_EQ(evaluated, 2);
    VERIFY(evaluate());
#ifdef GYRE_VERIFY
    CHECK_EQ(evaluated, 3);
#else
    CHECK_EQ(evaluated, 2);
#endif
}

/* ---- errors -------------------------------------------------------------- */

TEST(E8_errors_have_names_sentences_and_remedies)
{
    static const struct {
        int error;
        const char *name;
    } errors[] = {
        { -EINVAL, "EINVAL" },    { -EFAULT, "EFAULT" },
        { -EBADF, "EBADF" },      { -EAGAIN, "EAGAIN" },
        { -EINTR, "EINTR" },      { -ECANCELED, "ECANCELED" },
        { -ETIME, "ETIME" },      { -ENOENT, "ENOENT" },
        { -ENOMEM, "ENOMEM" },    { -EALREADY, "EALREADY" },
        { -ENFILE, "ENFILE" },    { -EMFILE, "EMFILE" },
        { GYRE_EOF, "GYRE_EOF" }, { -EOWNERDEAD, "EOWNERDEAD" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        CHECK_STR_EQ(gyre_error_name(errors[i].error), errors[i].name);
        CHECK_GT(strlen(gyre_strerror(errors[i].error)), 3);
        CHECK_GT(strlen(gyre_error_remedy(errors[i].error)), 10);
    }
}

TEST(E8_any_number_has_some_name)
{
    static const int odd[] = { INT_MIN, INT_MIN + 1, -5000, -4095, -1000 };

    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        CHECK_STR_EQ(gyre_error_name(odd[i]), "E?");
        CHECK_STR_EQ(gyre_strerror(odd[i]), "unknown error");
        CHECK_STR_EQ(gyre_error_remedy(odd[i]), "");
    }
    CHECK_STR_EQ(gyre_strerror(0), "success");
    CHECK_STR_EQ(gyre_strerror(INT_MAX), "success");
    for (int error = -4200; error < 0; error++) {
        CHECK(gyre_error_name(error) != NULL);
        CHECK(gyre_strerror(error) != NULL);
    }
}

TEST(E8_naming_an_error_leaves_errno_alone)
{
    errno = 77;
    (void)gyre_strerror(-123456);
    (void)gyre_error_name(-ENOENT);
    CHECK_EQ(errno, 77);
}
