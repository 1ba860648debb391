/* SPDX-License-Identifier: MIT */
/*
 * test.h - all that a test needs
 *
 *     TEST(A12_a_turn_is_one_system_call)
 *     {
 *         CHECK_EQ(turn(loop), 0);
 *     }
 *
 * That is all it takes to add a test: it registers itself. Its name begins
 * with the rows of docs/CAPABILITIES.md that it proves, if any. Each test runs
 * in a child process of its own, with a time-out. When its body has returned,
 * the descriptors, mappings, threads and child processes must be what they
 * were before: whatever is left over fails the test. A child that ends without
 * returning from the body (by exit, say) has failed, too.
 *
 *   TEST(name)                   once, whatever the kernel
 *   KERNEL_TEST(name)            once on each kernel of TEST_EVERY_KERNEL
 *   KERNEL_TEST2(name)           on io_uring and on the emulator only: for
 *                                what is slow
 *   KERNEL_TEST_ON(name, set)    on the kernels of the set
 *   TEST_PANICS(name, "text")    the body must panic (SIGABRT), and "text"
 *                                must be in what it printed
 *   TEST_WITH(name, ...)         any other combination of struct test's fields
 *
 * A check that fails prints both sides and ends the child at once, from any
 * thread; in a process that the test forked, too. No test sleeps in order to
 * be right, uses a fixed port, or asserts an upper bound of time below ten
 * times the normal; what has to wait for something waits without limit, and
 * leaves it to the time-out to fail.
 */
#ifndef RUNNER_TEST_H
#define RUNNER_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Kernels, as the environment of the child asks for them. */
enum test_kernel {
    TEST_ANY = 0,              /* GYRE_KERNEL is not set: runs once */
    TEST_URING = 1 << 0,       /* io_uring with all that this Linux has */
    TEST_URING_COOP = 1 << 1,  /* … without deferred task work */
    TEST_URING_PLAIN = 1 << 2, /* … as an old Linux has it: no rung at all */
    TEST_EMU = 1 << 3,         /* the emulator */
    TEST_EVERY_KERNEL = TEST_URING | TEST_URING_COOP | TEST_URING_PLAIN |
                        TEST_EMU,
};

struct test {
    const char *name;
    const char *file;
    void (*body)(void);
    const char *panic;  /* expected in the output of a panic; or NULL */
    unsigned kernels;   /* a set of enum test_kernel */
    unsigned timeout_s; /* 0: 60; more when sanitized, or on a busy machine */
    unsigned line;      /* of the test in its file */
    struct test *next_; /* the runner's */
};

#define TEST_WITH(test_name, ...)                                              \
    static void test_name(void);                                               \
    static struct test test_name##_entry = { .name = #test_name,               \
                                             .file = __FILE__,                 \
                                             .line = __LINE__,                 \
                                             .body = test_name,                \
                                             __VA_ARGS__ };                    \
    __attribute__((constructor)) static void test_name##_register(void)        \
    {                                                                          \
        test_register(&test_name##_entry);                                     \
    }                                                                          \
    static void test_name(void)

#define TEST(name) TEST_WITH(name, .kernels = TEST_ANY)
#define TEST_PANICS(name, text) TEST_WITH(name, .panic = (text))
#define KERNEL_TEST(name) TEST_WITH(name, .kernels = TEST_EVERY_KERNEL)
#define KERNEL_TEST2(name) TEST_WITH(name, .kernels = TEST_URING | TEST_EMU)
#define KERNEL_TEST_ON(name, set) TEST_WITH(name, .kernels = (set))

void test_register(struct test *test);

/* End the test: it cannot be run here, because… It is counted and listed. */
_Noreturn void test_skip(const char *reason);
#define TEST_SKIP(reason) test_skip(reason)

/* The kernel that this child was started for: "uring", "uring-coop",
 * "uring-plain", "emu", or "uring-sqpoll", on which the tests of "uring" run if
 * --kernel names it; or "" if the test does not care. */
const char *test_kernel(void);

/* May the ring of this test have a feature that Linux has since major.minor,
 * and that GYRE_WITHOUT may take away? True on the emulator. For what is only
 * told where Linux tells it. */
bool test_has(const char *feature, unsigned major, unsigned minor);

/* By how much this run is slower than a plain one: 1, or more under
 * sanitizers, valgrind and emulated processors (GYRE_TEST_SCALE). Multiply
 * limits of time by it, and divide amounts of work. */
unsigned test_scale(void);

/* So many tasks, or some hundreds under ThreadSanitizer, which needs half a
 * millisecond for each and cannot have more than 8128 at a time. */
unsigned test_tasks(unsigned count);

/* Some tests make no sense there: bad pointers, limits of descriptors. */
bool test_on_valgrind(void);

/* qemu-user translates system calls, and not all: ends the test there, with
 * what of Linux it has not got, as in "it knows no seccomp". */
void test_not_on_qemu_user(const char *because);

/* How many engines gyre_run() makes unless the test says it: GYRE_ENGINES. With
 * more than one the first task is a guest on the last of them. */
unsigned test_engines(void);

/* For a test whose own system calls must not be interrupted: no signals, though
 * GYRE_TEST_SIGNALS asks for a storm of them. */
void test_quiet(void);

/* A scratch directory of this test alone, removed afterwards. */
const char *test_directory(void);

/*
 * Call fn again and again, and let the first, the second, … allocation fail
 * (base/alloc.h), until it gets through without a failure left to inject.
 * fn must cope with each, and must leave nothing behind. Gives the number of
 * failures injected, for the test to check that there were any.
 */
long for_each_failure(void (*fn)(void));

/* A test program may define these. */
__attribute__((weak)) void test_warm_up(void); /* before the census: make
                                                  what lives forever */

/* A value of any scalar type, for printing and for comparing as numbers are:
 * -1 is less than 1u. */
struct test_value {
    enum { TEST_SIGNED, TEST_UNSIGNED, TEST_FLOAT, TEST_POINTER } type;
    union {
        long long i;
        unsigned long long u;
        double f;
        const volatile void *p;
    };
};

struct test_value test_value_signed(long long value);
struct test_value test_value_unsigned(unsigned long long value);
struct test_value test_value_float(double value);
struct test_value test_value_pointer(const volatile void *value);

#define TEST_VALUE(x)                                                          \
    _Generic((x), _Bool                                                        \
             : test_value_unsigned, char                                       \
             : test_value_signed, signed char                                  \
             : test_value_signed, short                                        \
             : test_value_signed, int                                          \
             : test_value_signed, long                                         \
             : test_value_signed, long long                                    \
             : test_value_signed, unsigned char                                \
             : test_value_unsigned, unsigned short                             \
             : test_value_unsigned, unsigned                                   \
             : test_value_unsigned, unsigned long                              \
             : test_value_unsigned, unsigned long long                         \
             : test_value_unsigned, float                                      \
             : test_value_float, double                                        \
             : test_value_float, default                                       \
             : test_value_pointer)(x)

/* Where a check stands, and what it said. */
struct test_site {
    const char *file;
    unsigned line;
    const char *text;
};

#define TEST_SITE(text_)                                                       \
    (&(const struct test_site){ __FILE__, __LINE__, (text_) })

/* Fail with a message of one's own. */
_Noreturn void test_fail(const struct test_site *site, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum test_relation { TEST_EQ, TEST_NE, TEST_LT, TEST_LE, TEST_GT, TEST_GE };

void test_compare(const struct test_site *site, struct test_value left,
                  enum test_relation relation, struct test_value right);
void test_compare_strings(const struct test_site *site, const char *left,
                          const char *right);
void test_compare_memory(const struct test_site *site, const void *left,
                         const void *right, size_t size);
void test_compare_results(const struct test_site *site, long long left,
                          long long right);
void test_string_contains(const struct test_site *site, const char *haystack,
                          const char *needle);

#define CHECK(x) ((x) ? (void)0 : test_fail(TEST_SITE("CHECK(" #x ")"), NULL))
#define FAIL(...) test_fail(TEST_SITE("FAIL"), __VA_ARGS__)

#define TEST_COMPARE(name, a, relation, b)                                     \
    test_compare(TEST_SITE(name "(" #a ", " #b ")"), TEST_VALUE(a), relation,  \
                 TEST_VALUE(b))
#define CHECK_EQ(a, b) TEST_COMPARE("CHECK_EQ", a, TEST_EQ, b)
#define CHECK_NE(a, b) TEST_COMPARE("CHECK_NE", a, TEST_NE, b)
#define CHECK_LT(a, b) TEST_COMPARE("CHECK_LT", a, TEST_LT, b)
#define CHECK_LE(a, b) TEST_COMPARE("CHECK_LE", a, TEST_LE, b)
#define CHECK_GT(a, b) TEST_COMPARE("CHECK_GT", a, TEST_GT, b)
#define CHECK_GE(a, b) TEST_COMPARE("CHECK_GE", a, TEST_GE, b)

/* Results of calls: errors are printed by name (-ECANCELED). */
#define CHECK_ERR(r, expected)                                                 \
    test_compare_results(TEST_SITE("CHECK_ERR(" #r ", " #expected ")"), (r),   \
                         (expected))
#define CHECK_OK(r) test_compare_results(TEST_SITE("CHECK_OK(" #r ")"), (r), 0)

#define CHECK_STR_EQ(a, b)                                                     \
    test_compare_strings(TEST_SITE("CHECK_STR_EQ(" #a ", " #b ")"), (a), (b))
#define CHECK_STR_HAS(text, part)                                              \
    test_string_contains(TEST_SITE("CHECK_STR_HAS(" #text ", " #part ")"),     \
                         (text), (part))
#define CHECK_MEM_EQ(a, b, size)                                               \
    test_compare_memory(TEST_SITE("CHECK_MEM_EQ(" #a ", " #b ")"), (a), (b),   \
                        (size))

#endif
