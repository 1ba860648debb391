/* SPDX-License-Identifier: MIT */
/*
 * unwind.c - by frame pointers, and what a place is called
 *
 * Frame by frame towards higher addresses, within the stack; whatever does not
 * fit that picture ends the walk. So it cannot run in circles or read what is
 * no stack, whatever a frame pointer may hold in code that uses the register
 * for something else.
 */
#include "watch/unwind.h"

#include <dlfcn.h>
#include <string.h>

#include "base/assert.h"
#include "watch/groups.h"
#include "watch/libunwind.h"

#define KEY_FRAMES 8U

const char *unwind_method(void)
{
    return libunwind_version();
}

/* The sanitizers know nothing of frames that are not running. */
#define UNCHECKED __attribute__((no_sanitize("address", "thread")))

struct walk {
    const struct unwind_start *start;
    const char *frame; /* NULL: the outermost was given */
};

/* A frame begins with the caller's frame and the return address. */
static bool is_frame(const struct unwind_start *start, const char *frame)
{
    return (uintptr_t)frame % sizeof(void *) == 0 && frame >= start->low &&
           frame + 2 * sizeof(void *) <= start->high;
}

/* The return address of the next frame; NULL: there is none. */
static UNCHECKED const void *walk_next(struct walk *walk)
{
    const char *frame = walk->frame;
    const char *caller;
    const void *pc;

    if (frame == NULL || !is_frame(walk->start, frame))
        return NULL;
    caller = ((const char *const *)(const void *)frame)[0];
    pc = ((const void *const *)(const void *)frame)[1];
    walk->frame = caller > frame ? caller : NULL;
    return pc;
}

uint64_t unwind_key(const struct unwind_start *start)
{
    struct walk walk = { start, start->frame };
    uint64_t key = 0;
    const void *pc;

    for (unsigned i = 0; i < KEY_FRAMES && (pc = walk_next(&walk)) != NULL; i++)
        key = groups_mix(key, (uintptr_t)pc);
    return key;
}

/* ---- names --------------------------------------------------------------- */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* `name` may be NULL: then the dynamic linker is asked. */
static void print_place(struct out *out, const void *pc, const char *name,
                        uint64_t offset)
{
    Dl_info info = { 0 };
    bool known = dladdr(pc, &info) != 0;

    if (name == NULL && known && info.dli_sname != NULL) {
        name = info.dli_sname;
        offset = (uint64_t)((uintptr_t)pc - (uintptr_t)info.dli_saddr);
    }
    if (name != NULL)
        out_print(out, "%.200s+0x%llx", name, (unsigned long long)offset);
    else
        out_print(out, "%p", pc);
    if (known && info.dli_fname != NULL)
        out_print(
            out, " (%.100s+0x%llx)", last_part(info.dli_fname),
            (unsigned long long)((uintptr_t)pc - (uintptr_t)info.dli_fbase));
}

/* Apart, for what it keeps on the stack. */
static __attribute__((noinline)) void print_named_place(struct out *out,
                                                        const void *pc)
{
    struct libunwind_place place;

    if (libunwind_name(pc, &place))
        print_place(out, pc, place.name, place.offset);
    else
        print_place(out, pc, NULL, 0);
}

void unwind_print_place(struct out *out, const void *pc)
{
    if (pc == NULL)
        out_print(out, "?");
    else if (out->frugal)
        print_place(out, pc, NULL, 0);
    else
        print_named_place(out, pc);
}

static void print_frame(struct out *out, unsigned depth, unsigned number,
                        const void *pc, const struct libunwind_place *place)
{
    out_indent(out, depth);
    out_print(out, "#%-2u ", number);
    print_place(out, pc, place != NULL ? place->name : NULL,
                place != NULL ? place->offset : 0);
    out_print(out, "\n");
}

static void print_by_frames(struct out *out, const struct unwind_start *start,
                            unsigned depth)
{
    struct walk walk = { start, start->frame };
    const void *pc = start->pc;

    for (unsigned i = 0; i < UNWIND_FRAMES_MAX && pc != NULL; i++) {
        print_frame(out, depth, i, pc, NULL);
        pc = walk_next(&walk);
    }
}

/* What the task began with is of no interest, and has no caller. */
static bool is_entry(const struct libunwind_place *place)
{
    return strcmp(place->name, "context_entry") == 0;
}

/* False: there is no libunwind, or it knows nothing. */
static bool print_by_tables(struct out *out, const struct unwind_start *start,
                            unsigned depth)
{
    struct libunwind_walk walk;
    struct libunwind_place place;
    unsigned count = 0;

    if (!libunwind_begin(&walk, start))
        return false;
    do {
        const void *pc = libunwind_pc(&walk);
        bool named = libunwind_frame_name(&walk, &place);

        if (pc == NULL || (named && is_entry(&place)))
            break;
        print_frame(out, depth, count, pc, named ? &place : NULL);
        count++;
    } while (count < UNWIND_FRAMES_MAX && libunwind_step(&walk));
    return count > 0;
}

void unwind_print(struct out *out, const struct unwind_start *start,
                  unsigned depth)
{
    if (!print_by_tables(out, start, depth))
        print_by_frames(out, start, depth);
}

/* ---- of what a signal interrupted ---------------------------------------- */

static unsigned collect_by_frames(const struct unwind_start *start,
                                  const void **calls)
{
    struct walk walk = { start, start->frame };
    const void *pc = start->pc;
    unsigned count = 0;

    while (count < UNWIND_FRAMES_MAX && pc != NULL) {
        calls[count++] = pc;
        pc = walk_next(&walk);
    }
    return count;
}

/* libunwind's walk is for signal handlers; to look up names is not. */
static __attribute__((noinline)) unsigned collect_by_tables(
    const struct unwind_start *start, const void **calls)
{
    struct libunwind_walk walk;
    unsigned count = 0;

    if (!libunwind_begin(&walk, start))
        return 0;
    do {
        calls[count] = libunwind_pc(&walk);
        if (calls[count] == NULL)
            break;
        count++;
    } while (count < UNWIND_FRAMES_MAX && libunwind_step(&walk));
    return count;
}

unsigned unwind_collect(const struct unwind_start *start, bool room,
                        const void **calls)
{
    unsigned count = room ? collect_by_tables(start, calls) : 0;

    return count > 0 ? count : collect_by_frames(start, calls);
}

static bool print_call(struct out *out, const void *pc, unsigned number,
                       unsigned depth)
{
    struct libunwind_place place;
    bool named = libunwind_name(pc, &place);

    if (named && is_entry(&place))
        return false;
    print_frame(out, depth, number, pc, named ? &place : NULL);
    return true;
}

void unwind_print_calls(struct out *out, const void *const *calls,
                        unsigned count, unsigned depth)
{
    for (unsigned i = 0; i < count; i++)
        if (!print_call(out, calls[i], i, depth))
            return;
}
