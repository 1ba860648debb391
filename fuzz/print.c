/* SPDX-License-Identifier: MIT */
/*
 * print.c - programs and logs as text
 */
#include <gyre/error.h>
#include <inttypes.h>
#include <stdio.h>

#include "judge.h"
#include "ring/feature.h"

static const char *const end_names[] = {
    "stream-a",  "stream-b", "dgram-a",     "dgram-b",    "tcp-a",
    "tcp-b",     "pipe-r",   "pipe-w",      "pipe2-r",    "pipe2-w",
    "event",     "event2",   "epoll",       "file-f",     "file-g",
    "directory", "listener", "socket-unix", "socket-tcp", "child",
    "slot-a",    "slot-b",   "slot-file",   "other-ring"
};

static const char *const ref_names[REFS] = { "",
                                             "buffer",
                                             "vector",
                                             "message",
                                             "time",
                                             "name",
                                             "name2",
                                             "status",
                                             "how",
                                             "address",
                                             "size",
                                             "descriptors",
                                             "futex",
                                             "futexes",
                                             "events",
                                             "child",
                                             "attribute",
                                             "pages",
                                             "registered-vector",
                                             "registered",
                                             "group",
                                             "target",
                                             "bad" };

static const char *const time_names[] = { "long", "short", "zero", "negative" };

const char *program_opcode_name(unsigned opcode)
{
    const char *name = ring_opcode_name(opcode);

    return name != NULL ? name : "unknown";
}

static void print_fd(const struct io_uring_sqe *sqe, int fd)
{
    if ((sqe->flags & IOSQE_FIXED_FILE) == 0 && fd >= FD_BASE &&
        fd <= FD_BASE + OTHER_RING)
        printf(" fd %s", end_names[fd - FD_BASE]);
    else
        printf(" fd %d", fd);
}

static void print_field(const char *name, uint64_t value)
{
    if (value != 0)
        printf(value > 9 ? " %s 0x%" PRIx64 : " %s %" PRIu64, name, value);
}

static void print_ref(const struct item *item, const char *name, uint8_t ref,
                      uint64_t number)
{
    if (ref == REF_NUMBER)
        print_field(name, number);
    else if (ref == REF_TIME)
        printf(" %s time(%s)", name, time_names[item->time]);
    else if (ref == REF_TARGET)
        printf(" %s target(%u)", name, item->target);
    else if (ref == REF_NAME || ref == REF_NAME2)
        printf(" %s \"%s\"", name,
               program_names[ref == REF_NAME ? item->name : item->name2]);
    else if (ref == REF_FUTEX)
        printf(" %s futex(%d)", name, item->end - FUTEX_0);
    else
        printf(" %s %s", name, ref_names[ref]);
}

static void print_flags(uint8_t flags)
{
    static const char *const names[] = { "FIXED_FILE", "DRAIN", "LINK",
                                         "HARDLINK",   "ASYNC", "SELECT",
                                         "SKIP",       "0x80" };

    for (int bit = 0; bit < 8; bit++)
        if ((flags >> bit & 1) != 0)
            printf(" %s", names[bit]);
}

void print_request(const struct program *program, unsigned id)
{
    const struct item *item = &program->items[id];
    const struct io_uring_sqe *sqe = &item->sqe;

    printf("  %2u %s", id, program_opcode_name(sqe->opcode));
    print_fd(sqe, sqe->fd);
    print_ref(item, "addr", item->addr, sqe->addr);
    print_ref(item, "off", item->off, sqe->off);
    print_ref(item, "addr3", item->addr3, sqe->addr3);
    print_field("len", sqe->len);
    print_field("op_flags", sqe->op_flags);
    print_field("ioprio", sqe->ioprio);
    print_field("buf_index", sqe->buf_index);
    print_field("file_index", sqe->file_index);
    print_field("personality", sqe->personality);
    print_field("last", sqe->pad2_);
    print_flags(sqe->flags);
    printf("%s\n", run_is_known(item) ? "" : " (this Linux is too old)");
}

void program_print(const struct program *program)
{
    printf("program %" PRIu64 ", options 0x%x\n", program->seed,
           program->options);
    for (unsigned i = 0; i < program->step_count; i++) {
        const struct step *step = &program->steps[i];
        uint64_t run = ((UINT64_C(1) << step->count) - 1) << step->first;

        if (step->kind == STEP_SYNC_CANCEL)
            printf(" step %u: cancel everything\n", i);
        else if (step->kind == STEP_CHILD_ENDS)
            printf(" step %u: the child ends\n", i);
        else if ((run & ~program->left_out) != 0)
            printf(" step %u\n", i);
        for (unsigned id = step->first; id < step->first + step->count; id++)
            if ((program->left_out >> id & 1) == 0)
                print_request(program, id);
    }
}

void print_entry(const struct program *program, const struct entry *entry)
{
    if (entry == NULL) {
        printf("nothing\n");
        return;
    }
    if (entry->step >= program->step_count)
        printf("end");
    else
        printf("step %u", entry->step);
    if (entry->id < ITEMS_MAX)
        printf(" request %u (%s)", entry->id,
               program_opcode_name(program->items[entry->id].sqe.opcode));
    else if (entry->id >= ID_REST && entry->id < ID_REST + ENDS)
        printf(" left in %s", end_names[entry->id - ID_REST]);
    else
        printf(" %s", entry->id == ID_SYNC      ? "sync cancel"
                      : entry->id == ID_MESSAGE ? "message"
                      : entry->id == ID_MEMORY  ? "shared memory"
                      : entry->id == ID_STUCK   ? "stuck"
                                                : "foreign");
    printf(": %d%s%s flags 0x%x hash %08x\n", entry->result,
           entry->result < 0 ? " " : "",
           entry->result < 0 ? gyre_error_name(entry->result) : "",
           entry->flags, entry->hash);
}

static void print_log(const struct program *program, const char *name,
                      const struct log *log)
{
    printf(" %s\n", name);
    for (unsigned i = 0; i < log->count; i++) {
        const struct entry *entry = &log->entries[i];

        if (entry->id >= ID_REST && entry->id < ID_REST + ENDS)
            continue;
        printf("  ");
        print_entry(program, entry);
    }
    for (unsigned id = 0; id < program->item_count; id++)
        if ((log->muted >> id & 1) != 0)
            printf("  request %u was left out\n", id);
}

void print_logs(const struct program *program, const struct log *linux_,
                const struct log *emu)
{
    print_log(program, "Linux", linux_);
    print_log(program, "emu", emu);
}
