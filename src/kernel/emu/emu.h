/* SPDX-License-Identifier: MIT */
/*
 * emu.h - the emulator as a co-processor
 *
 * emu_open() (kernel.h) makes a kernel that executes requests in user space. A
 * loop can use it alone; or another kernel keeps one beside itself for the
 * requests that its Linux has no opcode for. For the second use:
 *
 *     emu_open(&side, &options);           kernel->side_cq = &side->cq;
 *     fd = side->class->pollable_fd(side); watch it in the ring
 *     emu_submit(side, sqe, 1);              results may be in the CQ at once
 *     emu_progress(side);                  when fd is readable
 *
 * All of it belongs to the thread that owns the emulator. None of it blocks.
 */
#ifndef KERNEL_EMU_EMU_H
#define KERNEL_EMU_EMU_H

#include <stdbool.h>

#include "kernel/kernel.h"

/* Does the emulator execute this opcode? */
bool emu_has_opcode(unsigned opcode);

/* Does the request name a registered file, or put one into a slot? */
bool emu_names_slot(const struct io_uring_sqe *sqe);

/* Execute requests, which are copied, as one batch: 0, and their CQEs come on
 * emu->cq; or -ENOMEM, and there is none. */
int emu_submit(struct kernel *emu, const struct io_uring_sqe *sqes,
               unsigned count);

/* Put CQEs that answer no request of it into emu->cq, and free the list. */
struct posted;
void emu_deliver(struct kernel *emu, struct posted *posted);

/* Any thread: kernel_class.give, for a kernel beside which this one is. */
int emu_give(struct kernel *emu, struct kernel *told, const void *from, int fd,
             uint32_t index, uint64_t user_data);

/*
 * For who guards an emulator with a lock and lets several threads use it in
 * turns: the next to use it becomes its owner.
 */
void emu_disown(struct kernel *emu);

/* How many CQEs there have been of timeouts whose time had come. */
uint32_t emu_expired(struct kernel *emu);

/* Ring the eventfd that is registered, if one is. */
void emu_ring_event(struct kernel *emu);

/* Are there requests that have not had their last CQE? */
bool emu_is_busy(struct kernel *emu);

/* 0, or the error with which a request ends that is wrong in itself. */
int emu_check(const struct io_uring_sqe *sqe);

/* Move what has finished to emu->cq. */
void emu_progress(struct kernel *emu);

/* The request's result if it can be had without blocking; else -EAGAIN. Needs
 * no emulator. A request that was done in part gives the part. */
int emu_try(const struct io_uring_sqe *sqe);

#endif
