/* SPDX-License-Identifier: MIT */
/*
 * files.h - the emulator's table of registered files
 *
 * A slot holds a descriptor of the emulator's own. A request that names a slot
 * is given that descriptor when it starts and keeps it open until its last CQE;
 * so everything behind the start works on descriptors alone, and a slot may be
 * emptied, filled anew or closed under its requests.
 */
#ifndef KERNEL_EMU_FILES_H
#define KERNEL_EMU_FILES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ring/abi.h"

struct emu;
struct kernel;
struct request;
struct emu_file;

/* Other threads fill slots, too (files_give). What they change is changed under
 * the lock, and the owner reads without it what they never change. */
struct emu_files {
    pthread_mutex_t lock;
    _Atomic(struct emu_file *) *slots;  /* NULL: there is no table */
    _Atomic(struct emu_file *) dropped; /* by others: the owner lets them go */
    uint32_t count;
    uint32_t auto_first, auto_end; /* where a slot is chosen by the table */
    uint32_t auto_next;            /* where the next search begins */
};

/* io_uring_register(2), of the opcodes that have to do with files; any other is
 * -EOPNOTSUPP. */
int files_register(struct emu *emu, unsigned opcode, void *arg, unsigned count);

/* Does the request name a slot? */
bool files_are_named(const struct io_uring_sqe *sqe);

/* Give a new request the files that it names by slot: 0, or -EBADF. */
int files_take(struct emu *emu, struct request *r);

/* A request ends with `result`. What it has opened for a slot goes there: the
 * result is then what Linux gives. */
int files_settle(struct emu *emu, const struct request *r, int result);

/* The request has had its last CQE and lets go of its files (or NULL). */
void files_drop(struct emu *emu, struct emu_file *const files[2]);

/* What is in a slot, or NULL; and its descriptor, or -EBADF. */
struct emu_file *files_at(const struct emu *emu, uint32_t slot);
int files_look(const struct emu *emu, uint32_t slot);

/* CLOSE of a slot; Linux's result. */
int files_close(struct emu *emu, uint32_t slot);

/* Any thread: put the file of `fd`, which stays the caller's, into a slot,
 * and tell `told`, as kernel_class.give says. */
int files_give(struct emu *emu, struct kernel *told, int fd, uint32_t index,
               uint64_t user_data);

/* Let go of what others have put files in place of. */
void files_collect(struct emu *emu);

/* Is it a MSG_RING that passes a file? Its descriptor, which stays its own; or
 * -EBADF. */
bool files_are_passed(const struct io_uring_sqe *sqe);
int files_passed(const struct request *r);

void files_init(struct emu *emu);
void files_deinit(struct emu *emu);

int files_update_check(const struct io_uring_sqe *sqe);
int files_update_begin(struct emu *emu, struct request *r);
int files_export_check(const struct io_uring_sqe *sqe);
int files_export(struct request *r);

#endif
