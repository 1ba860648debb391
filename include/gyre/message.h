/* SPDX-License-Identifier: MIT */
/*
 * gyre/message.h - messages from one loop to another
 *
 *     gyre_receiver_open(&receiver, loop, got, user);      on the loop's thread
 *     gyre_address to = gyre_receiver_address(&receiver);  a value: copy it
 *
 *     gyre_message_send(to, 7);              a task of any loop
 *     gyre_op_message(&op, to, 7);           an op of any loop
 *     gyre_message_post(to, 7);              any thread, also without a loop
 *
 * A message is 32 bits, or an open file that goes from one loop's slot into
 * another's:
 *
 *     gyre_receiver_take_slots(&receiver, got_slot);
 *     gyre_message_send_slot(to, connection, GYRE_SLOT_ANY);
 *
 * It is a completion that one kernel puts into the queue of another (io_uring's
 * MSG_RING), so it costs its receiver no system call and no lock, and nobody
 * allocates for it where both are rings. For work with more to say there is
 * gyre_loop_post().
 *
 * Life.     The caller owns the receiver, from open to close. What was sent to
 *           one that is closed meanwhile is dropped, and never given to
 *           another. A loop is kept running by its open receivers
 *           (gyre_loop_hold()); the end of the loop closes them.
 * Threads.  A receiver belongs to its loop's thread, on which it is called. An
 *           address is a plain value, for any thread.
 * Errors.   A message to a loop that has ended is -EBADF; or -EBADFD if its
 *           number has come to mean something else; or, if that is another
 *           loop, 0, and it is dropped. -ENOMEM: there was no
 *           memory to keep it in. A result of 0 says that it is on its way,
 *           not that it was received.
 *
 * Messages of one sender to one loop by the same one of the three ways arrive
 * in the order in which they were sent, if the loop has turned before.
 */
#ifndef GYRE_MESSAGE_H
#define GYRE_MESSAGE_H

#include <gyre/op.h>
#include <gyre/op_slot.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gyre_receiver gyre_receiver;

/* Called on the loop's thread for each message. It may close the receiver. */
typedef void gyre_receiver_fn(gyre_receiver *receiver, int32_t value);

/* The same for each file: the handle of a slot of the receiver's loop, which is
 * the program's to close. */
typedef void gyre_receiver_slot_fn(gyre_receiver *receiver, int handle);

struct gyre_receiver {
    void *user; /* the caller's; never read by gyre */
    gyre_receiver_fn *got_;
    gyre_receiver_slot_fn *got_slot_;
    gyre_loop *loop_;
    uint64_t id_;
};

/* Of a receiver, wherever. All zero bits: nobody's. */
typedef struct gyre_address {
    uint64_t id;
    int32_t loop;
    uint32_t zero;
} gyre_address;

/* 0, or -ENOMEM. */
GYRE_API int gyre_receiver_open(gyre_receiver *receiver, gyre_loop *loop,
                                gyre_receiver_fn *got,
                                void *user) GYRE_MUST_USE;
GYRE_API void gyre_receiver_close(gyre_receiver *receiver);

/* Take files, too, from now on; NULL: no longer. What comes for a receiver that
 * takes none, or is closed, is taken out of its slot again. */
GYRE_API void gyre_receiver_take_slots(gyre_receiver *receiver,
                                       gyre_receiver_slot_fn *got);

GYRE_API gyre_address gyre_receiver_address(const gyre_receiver *receiver);

/* A request that sends `value`. Result: 0, or an error as above. since 5.18,
 * where both loops run on rings; else the other loop is woken for it. */
GYRE_API void gyre_op_message(gyre_op *op, gyre_address to, int32_t value);

/*
 * A request that passes the open file in a slot of its loop, where the file
 * stays as well, into a slot of the receiver's loop: by number, whatever is in
 * it, or GYRE_SLOT_ANY. Who gives a number away leaves that slot alone until
 * the file has come. gyre_op_slot() makes of the result the handle in the other
 * loop. Besides the errors above: -EBADF: an empty slot, or no handle; -EINVAL:
 * it has no such slot, or is the same loop; -ENXIO (any: -ENFILE): it has no
 * table; -ENFILE: none of its slots is free; -EMFILE: a table in user space is
 * on the way, and found no descriptor left. since 6.14; else, and between
 * tables that are not both Linux's, gyre carries it. In a chain it is
 * -EOPNOTSUPP then.
 */
GYRE_API void gyre_op_message_slot(gyre_op *op, gyre_address to, int handle,
                                   uint32_t slot);

/* Any thread, whether or not it has a loop; does not block. 0, or an error as
 * above. */
GYRE_API int gyre_message_post(gyre_address to, int32_t value) GYRE_MUST_USE;

/* In a task: 0, an error as above, or -ECANCELED or -ETIME when its scope is
 * cancelled; then it may have been sent. */
GYRE_API int gyre_message_send(gyre_address to, int32_t value) GYRE_WAITS;

/* In a task, as gyre_op_message_slot(): the handle in the other loop. */
GYRE_API int gyre_message_send_slot(gyre_address to, int handle,
                                    uint32_t slot) GYRE_WAITS;

#ifdef __cplusplus
}
#endif

#endif
