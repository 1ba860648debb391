/* SPDX-License-Identifier: MIT */
/*
 * make_file.c - requests on files, names, attributes and the room of files
 *
 * All may run on a thread.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "maker.h"

static void set_file(struct maker *m, struct item *item)
{
    static const uint8_t files[] = { FILE_F, FILE_G, SLOT_FILE, DIRECTORY };
    int end = PICK(m, files);

    if (end == SLOT_FILE)
        maker_set_slot(item, end);
    else
        maker_set_end(item, end);
    item->loose = true;
}

static void set_name(struct maker *m, struct item *item)
{
    maker_set_end(item, DIRECTORY);
    item->name = (uint8_t)draw(m, NAMES);
    /* A name may be any of the files. */
    item->objects |= OBJECT(FILE_F) | OBJECT(FILE_G) | OBJECT(SLOT_FILE);
    item->addr = REF_NAME;
    item->loose = true;
}

void make_file_rw(struct maker *m, struct item *item)
{
    static const uint64_t offsets[] = {
        0, 10, 990, 2000, UINT64_MAX, UINT64_MAX
    };
    bool out = one_in(m, 2), vector = one_in(m, 3);

    set_file(m, item);
    item->sqe.opcode = out ? (vector ? IORING_OP_WRITEV : IORING_OP_WRITE)
                           : (vector ? IORING_OP_READV : IORING_OP_READ);
    item->addr = vector ? REF_VECTOR : REF_BUFFER;
    item->sqe.len = vector ? 1 + draw(m, 2) : draw(m, BUFFER_SIZE);
    item->sqe.off = PICK(m, offsets);
}

void make_sync(struct maker *m, struct item *item)
{
    static const uint8_t ends[] = { FILE_F, FILE_G, PIPE_R, DIRECTORY };

    maker_set_end(item, PICK(m, ends));
    item->loose = true;
    if (one_in(m, 2)) {
        item->sqe.opcode = IORING_OP_FSYNC;
        item->sqe.fsync_flags = draw(m, 3);
    } else {
        item->sqe.opcode = IORING_OP_SYNC_FILE_RANGE;
        item->sqe.off = draw(m, 2) * 512;
        item->sqe.len = draw(m, 2) * 512;
        item->sqe.sync_range_flags = draw(m, 9);
    }
}

void make_open(struct maker *m, struct item *item)
{
    static const uint32_t flags[] = { O_RDONLY,
                                      O_RDWR,
                                      O_RDWR | O_CREAT,
                                      O_WRONLY | O_CREAT | O_EXCL,
                                      O_RDONLY | O_TRUNC,
                                      O_RDONLY | O_DIRECTORY,
                                      O_RDWR | O_CREAT | O_TRUNC,
                                      O_PATH };

    set_name(m, item);
    item->sqe.open_flags = PICK(m, flags);
    item->sqe.len = (item->sqe.open_flags & O_CREAT) != 0 ? 0600 : 0;
    item->sqe.opcode = IORING_OP_OPENAT;
    if (one_in(m, 2)) {
        item->sqe.opcode = IORING_OP_OPENAT2;
        item->off = REF_HOW;
        item->sqe.len = 24;
    }
    if (one_in(m, 4)) {
        m->program->options |= OPTION_SLOTS;
        item->sqe.file_index = one_in(m, 2) ? IORING_FILE_INDEX_ALLOC
                                            : 4 + draw(m, 6);
        item->objects |= UINT32_C(1) << OBJECT_SLOTS;
    }
}

/* Not of what somebody waits on: hence the claims. */
void make_close(struct maker *m, struct item *item)
{
    static const uint8_t ends[] = { EVENT, FILE_G, SOCKET_UNIX, SOCKET_TCP,
                                    PIPE2_R };
    int end = PICK(m, ends);

    item->sqe.opcode = IORING_OP_CLOSE;
    item->loose = true;
    if (one_in(m, 3)) {
        m->program->options |= OPTION_SLOTS;
        item->sqe.file_index = 3 + draw(m, 7);
        item->objects |= UINT32_C(1) << OBJECT_SLOTS | OBJECT(SLOT_FILE);
    } else if (one_in(m, 2)) {
        maker_set_end(item, end);
        item->claims = CLAIM_BOTH(end);
    } else {
        item->sqe.fd = 9999;
    }
}

void make_statx(struct maker *m, struct item *item)
{
    static const uint32_t flags[] = { 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH };

    set_name(m, item);
    item->sqe.opcode = IORING_OP_STATX;
    item->sqe.len = STATX_SIZE | STATX_TYPE | STATX_NLINK;
    item->sqe.statx_flags = PICK(m, flags);
    item->off = REF_STATUS;
}

void make_name(struct maker *m, struct item *item)
{
    static const uint8_t opcodes[] = { IORING_OP_RENAMEAT, IORING_OP_UNLINKAT,
                                       IORING_OP_MKDIRAT, IORING_OP_SYMLINKAT,
                                       IORING_OP_LINKAT };

    set_name(m, item);
    item->name2 = (uint8_t)draw(m, NAMES);
    item->sqe.opcode = PICK(m, opcodes);
    switch (item->sqe.opcode) {
    case IORING_OP_RENAMEAT:
        item->sqe.rename_flags = draw(m, 5); /* NOREPLACE, EXCHANGE, ... */
        /* fallthrough */
    case IORING_OP_LINKAT:
        item->sqe.len = FD_BASE + DIRECTORY;
        /* fallthrough */
    case IORING_OP_SYMLINKAT:
        item->off = REF_NAME2;
        break;
    case IORING_OP_UNLINKAT:
        item->sqe.unlink_flags = one_in(m, 3) ? AT_REMOVEDIR : 0;
        break;
    default:
        item->sqe.len = 0700;
    }
}

void make_space(struct maker *m, struct item *item)
{
    static const uint8_t opcodes[] = { IORING_OP_FALLOCATE, IORING_OP_FTRUNCATE,
                                       IORING_OP_FADVISE, IORING_OP_MADVISE };

    set_file(m, item);
    item->sqe.opcode = PICK(m, opcodes);
    switch (item->sqe.opcode) {
    case IORING_OP_FALLOCATE:
        item->sqe.off = draw(m, 1000);
        item->sqe.addr = draw(m, 1000);
        item->sqe.len = draw(m, 4); /* KEEP_SIZE, PUNCH_HOLE */
        break;
    case IORING_OP_FTRUNCATE:
        item->sqe.off = draw(m, 1500);
        maker_needs(item, 609);
        break;
    case IORING_OP_FADVISE:
        item->sqe.len = draw(m, 100);
        item->sqe.fadvise_advice = draw(m, 8);
        break;
    default:
        item->sqe.flags &= (uint8_t)~IOSQE_FIXED_FILE;
        item->sqe.fd = -1;
        item->addr = REF_PAGES;
        item->sqe.len = draw(m, 3) * 4096;
        item->sqe.fadvise_advice = draw(m, 7);
        item->objects = UINT32_C(1) << OBJECT_MEMORY;
    }
}

void make_attribute(struct maker *m, struct item *item)
{
    bool set = one_in(m, 2);

    set_file(m, item);
    item->sqe.opcode = set ? IORING_OP_FSETXATTR : IORING_OP_FGETXATTR;
    if (one_in(m, 2)) {
        item->sqe.flags &= (uint8_t)~IOSQE_FIXED_FILE;
        item->sqe.opcode = set ? IORING_OP_SETXATTR : IORING_OP_GETXATTR;
        item->addr3 = REF_NAME;
        item->name = (uint8_t)draw(m, NAMES);
        item->objects = OBJECT(FILE_F) | OBJECT(FILE_G) | OBJECT(DIRECTORY) |
                        OBJECT(SLOT_FILE);
    }
    item->addr = REF_ATTRIBUTE;
    item->off = REF_BUFFER;
    item->sqe.len = draw(m, 20);
    if (set)
        item->sqe.xattr_flags = draw(m, 4);
}

void make_pipe(struct maker *m, struct item *item)
{
    static const uint32_t flags[] = { 0, O_CLOEXEC, O_NONBLOCK,
                                      O_DIRECT | O_CLOEXEC, O_APPEND };

    item->sqe.opcode = IORING_OP_PIPE;
    item->sqe.pipe_flags = PICK(m, flags);
    item->addr = REF_DESCRIPTORS;
    maker_needs(item, 616);
}
