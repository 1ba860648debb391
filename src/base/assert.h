/* SPDX-License-Identifier: MIT */
/*
 * assert.h - what must be true, checked while the program runs
 *
 * Three kinds:
 *
 *   ASSERT(x)             gyre's own invariant. Always on: code that runs after
 *                         a broken invariant writes into somebody's buffer.
 *   ASSERT_API(x, "...")  the caller's duty; the sentence tells the remedy.
 *   VERIFY(x)             as ASSERT, for checks that walk structures; only in
 *                         builds with GYRE_VERIFY.
 *
 * A condition must be free of side effects. An assertion that guards a
 * numbered invariant of docs/ARCHITECTURE.md cites it beside it.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include <stddef.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Print "gyre: " and the message to standard error, then abort. */
_Noreturn void panic(const char *format, ...)
    __attribute__((format(printf, 1, 2), cold));

_Noreturn void assert_failed(const char *condition, const char *file, int line,
                             const char *function) __attribute__((cold));

#define ASSERT(x)                                                              \
    (LIKELY(x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__, __func__))

#define ASSERT_API(x, sentence)                                                \
    (LIKELY(x) ? (void)0 : panic("%s: %s", __func__, (sentence)))

#ifdef GYRE_VERIFY
#define VERIFY(x) ASSERT(x)
#else
#define VERIFY(x) ((void)sizeof(x))
#endif

#define CONTAINER_OF(pointer, type, member)                                    \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
