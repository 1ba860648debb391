/* SPDX-License-Identifier: MIT */
/*
 * measure.c - a table of the kinds of tasks and how deep their stacks went
 *
 * A kind is the name that tasks were given, compared as text and copied, since
 * it is not held for ever; or else the address of their function.
 * Who names each task differently must not fill the memory: there is a bound,
 * and one kind for the rest.
 */
#include "task/measure.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "loop/loop.h"
#include "task/paint.h"
#include "task/task.h"

#define BUCKETS 64
#define KINDS_MAX 1000

struct stack_kind {
    struct stack_kind *next; /* in its bucket */
    gyre_stack_use use;
    char name[];
};

struct stack_kinds {
    struct stack_kind *buckets[BUCKETS];
    size_t count;
    gyre_stack_use others;
};

static size_t hash_text(const char *text)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

static size_t bucket_of(const char *name, gyre_task_fn *fn)
{
    return (name != NULL ? hash_text(name) : (uintptr_t)fn >> 4) % BUCKETS;
}

static bool is_kind(const gyre_stack_use *use, const char *name,
                    gyre_task_fn *fn)
{
    if (name == NULL || use->name == NULL)
        return name == use->name && use->fn == fn;
    return strcmp(use->name, name) == 0;
}

static struct stack_kind *kind_create(struct stack_kinds *kinds,
                                      const char *name, gyre_task_fn *fn)
{
    size_t size = name != NULL ? strlen(name) + 1 : 0;
    struct stack_kind *kind = alloc_zeroed(1, sizeof *kind + size);
    struct stack_kind **bucket = &kinds->buckets[bucket_of(name, fn)];

    if (kind == NULL)
        return NULL;
    if (name != NULL) {
        memcpy(kind->name, name, size);
        kind->use.name = kind->name;
    } else {
        kind->use.fn = fn;
    }
    kind->use.least_left = SIZE_MAX;
    kind->next = *bucket;
    *bucket = kind;
    kinds->count++;
    return kind;
}

static gyre_stack_use *use_of(struct stack_kinds *kinds, const char *name,
                              gyre_task_fn *fn)
{
    struct stack_kind *kind = kinds->buckets[bucket_of(name, fn)];

    while (kind != NULL && !is_kind(&kind->use, name, fn))
        kind = kind->next;
    if (kind == NULL && kinds->count < KINDS_MAX)
        kind = kind_create(kinds, name, fn);
    return kind != NULL ? &kind->use : &kinds->others;
}

void measure_note(struct stack_kinds *kinds, struct stack *stack,
                  const char *name, gyre_task_fn *fn)
{
    size_t left = stack_untouched(stack);
    gyre_stack_use *use = use_of(kinds, name, fn);

    /* To find the kind may have taken more of the stack than the task did. */
    stack->painted = (uint32_t)stack_untouched(stack);
    use->count++;
    if (left < use->least_left) {
        use->least_left = left;
        use->size = stack->size;
    }
    if (stack->size - left > use->most_used)
        use->most_used = stack->size - left;
}

void measure_end(struct stack_kinds *kinds)
{
    if (kinds == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (kinds->buckets[i] != NULL) {
            struct stack_kind *kind = kinds->buckets[i];

            kinds->buckets[i] = kind->next;
            alloc_free(kind);
        }
    alloc_free(kinds);
}

/* ---- what users call ----------------------------------------------------- */

int gyre_loop_measure_stacks(gyre_loop *loop)
{
    struct tasks *tasks = tasks_of(loop);

    if (tasks == NULL)
        return -ENOMEM;
    if (tasks->kinds != NULL)
        return 0;
    tasks->kinds = alloc_zeroed(1, sizeof *tasks->kinds);
    if (tasks->kinds == NULL)
        return -ENOMEM;
    tasks->kinds->others =
        (gyre_stack_use){ .name = "(others)", .least_left = SIZE_MAX };
    tasks->stacks.paints = true;
    return 0;
}

size_t gyre_stack_report(gyre_loop *loop,
                         void (*fn)(const gyre_stack_use *use, void *user),
                         void *user)
{
    struct tasks *tasks = loop->tasks;
    struct stack_kinds *kinds = tasks != NULL ? tasks->kinds : NULL;
    size_t count;

    loop_assert_owner(loop);
    if (kinds == NULL)
        return 0;
    count = kinds->count;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct stack_kind *kind = kinds->buckets[i]; kind != NULL;
             kind = kind->next)
            fn(&kind->use, user);
    if (kinds->others.count > 0) {
        fn(&kinds->others, user);
        count++;
    }
    return count;
}

size_t gyre_stack_used(const gyre_task *task)
{
    const struct stack *stack = task->stack;

    return stack_is_painted(stack) ? stack->size - stack_untouched(stack) : 0;
}
