/* SPDX-License-Identifier: MIT */
/*
 * notice.h - one line to standard error, for what its user should know and no
 * caller can be told
 */
#ifndef BASE_NOTICE_H
#define BASE_NOTICE_H

/* Print "gyre: ", the text and a newline in one piece. errno is kept. */
void notice(const char *format, ...)
    __attribute__((format(printf, 1, 2), cold));

#endif
