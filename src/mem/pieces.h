/* SPDX-License-Identifier: MIT */
/*
 * pieces.h - a loop's table of registered memory, and the kernel's
 *
 * A place of the table is in use or free; what is in it is a whole piece of the
 * user's, or, if the kernel does not take so much at once, nothing but the
 * bounds of one, whose parts are in other places. Each piece and each part has
 * a mark, which is what the kernel's tag leads to when the last request that
 * used it is over. A piece may be gone from the table long before that.
 */
#ifndef MEM_PIECES_H
#define MEM_PIECES_H

#include <gyre/registered.h>

#include "base/list.h"
#include "loop/fixed.h"
#include "loop/loop.h"

/* Linux took no more at once before 7.2. */
#define PART_MOST ((size_t)1 << 30)
#define PIECE_MOST ((size_t)FIXED_MAX * PART_MOST)

#define NO_PART UINT16_MAX

struct mark {
    struct gone_tag tag; /* comes first: its address is the tag */
    gyre_loop *loop;
    gyre_buffers_gone_fn *gone;
    void *user;
    struct mark *whole; /* of a part */
    uint32_t parts;     /* that the kernel has not let go of */
    bool waited_for;    /* the loop is held until it is gone */
    bool left;          /* its piece is out of the table */
    bool shared;        /* it came by a clone, so the kernel tells nothing */
    struct list link;   /* marks, or fences */
    gyre_work work;     /* for those that the kernel tells nothing of */
    uint64_t start;     /* of the piece, for those on `fences` */
    uint64_t size;
};

/* What a loop with registered memory has more: loop->registered. */
struct registered {
    struct fixed_table table;
    bool with_kernel; /* the kernel has a table */
    struct list marks;
    struct list fences; /* marks that wait for requests to end */
    struct mark *mark_of[FIXED_MAX];
    uint16_t next_part[FIXED_MAX]; /* of a piece in parts, and of each part */
    bool is_part[FIXED_MAX];
    gyre_buffers_stats stats;
};

/* The loop's table, made if need be; the kernel's, too, if `with_kernel`. 0 or
 * a negative errno. */
int registered_of(gyre_loop *loop, bool with_kernel,
                  struct registered **registered);

/* A free place of the loop's table that is not `taken`; -ENOSPC. */
int piece_find_free(const struct registered *registered, uint32_t taken);

/* In use, and by a piece of the user's. */
bool piece_is_in_use(const gyre_loop *loop, unsigned index);

/* A mark for a piece that is to come; NULL: no memory. One whose piece did not
 * come is dropped. */
struct mark *mark_new(gyre_loop *loop, struct registered *registered);
void mark_drop(struct mark *mark);

/* Hand a piece to the kernel, at a place that is free or will be lost to it. 0;
 * negative: it does not have it, which is told unless it is too much at once;
 * -EFAULT: nobody can, or it is too much. Never -ENOMEM. */
int piece_give_to_kernel(gyre_loop *loop, uint32_t index, const void *memory,
                         size_t size, struct mark *mark);

/* Emptying a place needs no memory of the kernel's, so it does not fail. */
void piece_take_from_kernel(gyre_loop *loop, uint32_t index);

/* In the loop's books; `first_part` is NO_PART, or the piece is in parts. */
void piece_fill(struct registered *registered, uint32_t index,
                const void *memory, size_t size, struct mark *mark,
                bool with_kernel, uint16_t first_part);

/* Likewise; what parts it has the kernel loses. True: the kernel has the piece
 * itself, and keeps it. */
bool piece_clear(gyre_loop *loop, uint32_t index, gyre_buffers_gone_fn *gone,
                 void *user);

/* Hand a piece to the kernel that takes only so much at once: in parts, each at
 * a free place that is not `index`, which is the piece's own. As many as it
 * takes: 0, and the first of them or NO_PART; or -EFAULT, -ENOMEM, and none. */
int parts_make(gyre_loop *loop, uint32_t index, char *memory, size_t size,
               struct mark *mark, uint16_t *first);

/* A part at this place, which the kernel has. */
void part_fill(struct registered *registered, uint32_t index,
               const void *memory, size_t size, struct mark *mark,
               struct mark *whole);

#endif
