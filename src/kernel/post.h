/* SPDX-License-Identifier: MIT */
/*
 * post.h - CQEs that one kernel is sent by others, and by plain threads
 *
 * Each kernel of the process that can take some is known by a number, its
 * address: a ring's descriptor, which is what Linux's MSG_RING names it by, or
 * the emulator's epoll descriptor. What is sent to an address that is no
 * kernel's any more is refused.
 */
#ifndef KERNEL_POST_H
#define KERNEL_POST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel;

/* From open to destroy. The address is kept in kernel->address. */
void kernel_announce(struct kernel *kernel, int address);
/* A descriptor of a ring with this share_workers, the caller's to close, or
 * -1. */
int kernel_sharing(unsigned number);

void kernel_withdraw(struct kernel *kernel);

/* Any thread: one CQE more for the kernel with this address. 0; -EBADFD: it
 * is another kind of descriptor; -EBADF: it is none; -ENOMEM. */
int kernel_post_to(int address, uint64_t user_data, int32_t res,
                   uint32_t flags);

/*
 * Any thread: put the file of `fd`, which stays the caller's, into slot `index`
 * - 1 (IORING_FILE_INDEX_ALLOC: any) of this kernel's table, and tell it by a
 * CQE; kernel_class.give says what of. A negative `fd` is an error, which is
 * the result unless something is wrong with the address. May wait for the
 * thread of a ring if kernel_takes_files_itself(), and does not block else. As
 * MSG_RING: the slot if any was asked for, or 0; -EBADFD, -EBADF as above;
 * -EINVAL: it is `from` itself, or has no such slot; -ENFILE, -ENXIO, -ENOMEM,
 * -EMFILE.
 */
int kernel_give_to(int address, const void *from, int fd, uint32_t index,
                   uint64_t user_data);

/* The same from nobody, and close `fd`. */
int kernel_give_away(int address, int fd, uint32_t index, uint64_t user_data);

/* Is it a ring whose table is Linux's? */
bool kernel_takes_files_itself(int address);

/* A ring has its owner, and Linux takes messages for it. */
void kernel_enabled(struct kernel *kernel);

/* What an address is: nobody's that we know, a ring that Linux knows by it, or
 * one that can be posted to only. */
enum kernel_kind { KERNEL_NONE, KERNEL_RING, KERNEL_BOX };
enum kernel_kind kernel_kind_at(int address);

/* ---- for kernels: a box that any thread may put CQEs into ---------------- */

struct posted {
    struct posted *next;
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
};

struct post_box {
    _Atomic(struct posted *) newest;
};

/* 0 or -ENOMEM. */
int post_box_put(struct post_box *box, uint64_t user_data, int32_t res,
                 uint32_t flags);

/* Looked at in every turn. */
static inline bool post_box_is_empty(struct post_box *box)
{
    return atomic_load_explicit(&box->newest, memory_order_relaxed) == NULL;
}

/* All that is in it, in order, linked by next; each is freed by the caller. */
struct posted *post_box_take(struct post_box *box);

/* Throw it all away. */
void post_box_clear(struct post_box *box);

#endif
