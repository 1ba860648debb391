/* SPDX-License-Identifier: MIT */
/*
 * compare.c - two logs, and the differences that are allowed
 *
 * Each allowed difference is a line of docs/DIFFERENCES.md, whose number stands
 * where it is allowed. Of each request the results are compared in their order,
 * with the step in which they came, and of the requests of a chain the order in
 * which they ended; between other requests of a step no order is promised.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"

struct view {
    const struct entry *entries[LOG_MAX]; /* by request, then as they came */
    unsigned count;
};

static bool is_request(const struct entry *entry)
{
    return entry->id < ITEMS_MAX;
}

static int by_request(const void *a, const void *b)
{
    const struct entry *left = *(const struct entry *const *)a;
    const struct entry *right = *(const struct entry *const *)b;

    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    /* Messages of one step come in any order. */
    if (left->id == ID_MESSAGE) {
        if (left->step != right->step)
            return left->step < right->step ? -1 : 1;
        if (left->hash != right->hash)
            return left->hash < right->hash ? -1 : 1;
        if (left->result != right->result)
            return left->result < right->result ? -1 : 1;
    }
    return left < right ? -1 : left > right;
}

static void look(const struct log *log, struct view *view)
{
    view->count = 0;
    for (unsigned i = 0; i < log->count; i++)
        view->entries[view->count++] = &log->entries[i];
    qsort(view->entries, view->count, sizeof *view->entries, by_request);
}

/* ---- what is allowed ----------------------------------------------------- */

static bool sends_without_copies(const struct item *item)
{
    return item->sqe.opcode == IORING_OP_SEND_ZC ||
           item->sqe.opcode == IORING_OP_SENDMSG_ZC;
}

static bool cancels(const struct item *item)
{
    return item->sqe.opcode == IORING_OP_ASYNC_CANCEL ||
           item->sqe.opcode == IORING_OP_POLL_REMOVE ||
           item->sqe.opcode == IORING_OP_TIMEOUT_REMOVE;
}

/* 10: does the program have splices that wait, on a thread of Linux's? */
static bool splices_wait(const struct program *program)
{
    for (unsigned id = 0; id < program->item_count; id++) {
        const struct io_uring_sqe *sqe = &program->items[id].sqe;

        if ((sqe->opcode == IORING_OP_SPLICE || sqe->opcode == IORING_OP_TEE) &&
            (sqe->splice_flags & SPLICE_F_NONBLOCK) == 0)
            return true;
    }
    return false;
}

static struct entry plain(const struct program *program,
                          const struct entry *entry)
{
    const uint32_t many = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
    struct entry plain = *entry;
    const struct item *item;

    if (!is_request(entry))
        return plain;
    item = &program->items[entry->id];
    /* 4: a hint that the emulator does not give. */
    plain.flags &= ~IORING_CQE_F_SOCK_NONEMPTY;
    /* 31 */
    if (sends_without_copies(item))
        plain.flags &= ~IORING_CQE_F_MORE;
    /* 10: a worker may look busy for a moment after its CQE. */
    if (cancels(item) && plain.result == -EALREADY)
        plain.result = -ENOENT;
    if (cancels(item) && (plain.result >= 0 || plain.result == -ENOENT) &&
        splices_wait(program))
        plain.result = 0;
    /* 10: what waits on a thread is interrupted. */
    if (item->loose && (plain.result == -EINTR || plain.result == -512))
        plain.result = -ECANCELED;
    /* 24: a cancel's answer. */
    if (item->sqe.opcode == IORING_OP_ASYNC_CANCEL &&
        (item->sqe.cancel_flags & many) == 0 && plain.result > 0)
        plain.result = 0;
    if (item->sqe.opcode == IORING_OP_LINK_TIMEOUT && plain.result > 0)
        plain.result = -ETIME;
    return plain;
}

/* 20: of several events a multishot poll may tell one at a time. */
static bool is_part_of(const struct program *program, const struct entry *part,
                       const struct entry *all)
{
    const struct item *item = &program->items[part->id];

    return item->sqe.opcode == IORING_OP_POLL_ADD &&
           (item->sqe.len & IORING_POLL_ADD_MULTI) != 0 && part->result > 0 &&
           all->result > 0 && (part->result & ~all->result) == 0;
}

/* 74: which of two mistakes is told. */
static bool are_two_mistakes(const struct item *item, int a, int b)
{
    return item->spoiled && a < 0 && b < 0 && a != -ECANCELED &&
           b != -ECANCELED;
}

static bool entries_are_same(const struct program *program,
                             const struct entry *linux_,
                             const struct entry *emu)
{
    struct entry a = plain(program, linux_), b = plain(program, emu);

    if (is_request(linux_) && linux_->id == emu->id &&
        is_part_of(program, &a, &b))
        a.result = b.result;
    if (is_request(linux_) &&
        are_two_mistakes(&program->items[linux_->id], a.result, b.result))
        a.result = b.result;
    return memcmp(&a, &b, sizeof a) == 0;
}

/* ---- comparing ----------------------------------------------------------- */

static const struct entry *first_of(const struct log *log, unsigned id)
{
    for (unsigned i = 0; i < log->count; i++)
        if (log->entries[i].id == id)
            return &log->entries[i];
    return NULL;
}

/* Did two requests of a chain end in the same order on both? */
static bool order_is_same(const struct log *linux_, const struct log *emu,
                          unsigned id, struct difference *difference)
{
    const struct entry *a = first_of(linux_, id);
    const struct entry *b = first_of(linux_, id + 1);
    const struct entry *c = first_of(emu, id), *d = first_of(emu, id + 1);

    if (a == NULL || b == NULL || c == NULL || d == NULL || (a < b) == (c < d))
        return true;
    *difference = (struct difference){ a, c, "the order in a chain" };
    return false;
}

static bool orders_are_same(const struct program *program,
                            const struct log *linux_, const struct log *emu,
                            struct difference *difference)
{
    const uint8_t links = IOSQE_IO_LINK | IOSQE_IO_HARDLINK;

    for (unsigned id = 0; id + 1 < program->item_count; id++) {
        const struct item *item = &program->items[id];

        if ((item->sqe.flags & links) != 0 && item->step == item[1].step &&
            !order_is_same(linux_, emu, id, difference))
            return false;
    }
    return true;
}

/* Report the difference of the earliest step: the others may follow from it. */
static void choose(struct difference *difference, const struct entry *linux_,
                   const struct entry *emu)
{
    const struct entry *one = linux_ != NULL ? linux_ : emu;
    const struct entry *other = difference->linux_ != NULL ? difference->linux_
                                                           : difference->emu;

    if (other == NULL || one->step < other->step)
        *difference = (struct difference){ linux_, emu, "a result" };
}

bool logs_are_same(const struct program *program, const struct log *linux_,
                   const struct log *emu, struct difference *difference)
{
    static struct view a, b;
    unsigned i = 0, j = 0;

    *difference = (struct difference){ .what = NULL };
    look(linux_, &a);
    look(emu, &b);
    while (i < a.count || j < b.count) {
        const struct entry *left = i < a.count ? a.entries[i] : NULL;
        const struct entry *right = j < b.count ? b.entries[j] : NULL;

        if (right == NULL || (left != NULL && left->id < right->id)) {
            choose(difference, left, NULL);
            i++;
        } else if (left == NULL || left->id > right->id) {
            choose(difference, NULL, right);
            j++;
        } else {
            if (!entries_are_same(program, left, right))
                choose(difference, left, right);
            i++;
            j++;
        }
    }
    return difference->what == NULL &&
           orders_are_same(program, linux_, emu, difference);
}
