/* SPDX-License-Identifier: MIT */
/*
 * valgrind.h - for a few lines, valgrind does not report errors
 *
 * Of a thread that touches memory in order to learn whose it is: between
 * VALGRIND_DISABLE_ERROR_REPORTING and VALGRIND_ENABLE_ERROR_REPORTING, which
 * are nothing where valgrind's header is not at hand.
 */
#ifndef BASE_VALGRIND_H
#define BASE_VALGRIND_H

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_DISABLE_ERROR_REPORTING (void)0
#define VALGRIND_ENABLE_ERROR_REPORTING (void)0
#endif

#endif
