/* SPDX-License-Identifier: MIT */
/*
 * acceptor.h - what an accept's error means
 */
#ifndef IO_ACCEPTOR_H
#define IO_ACCEPTOR_H

#include <gyre/acceptor.h>

/* An accept, or what comes after it, has failed. 0: try again; a shortage has
 * been waited for. Or the error that ends the accepting. */
int acceptor_pass_over(gyre_acceptor *acceptor, int error);

#endif
