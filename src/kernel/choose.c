/* SPDX-License-Identifier: MIT */
/*
 * choose.c - which kernel a program gets
 *
 * The answer for this process is found when it is first needed and then kept,
 * so that all loops of a program run on the same kernel. Failures that may pass
 * (no memory, no descriptors) are no answer: they stay the error of the call
 * that met them, and the next call asks again. GYRE_KERNEL=emu is obeyed before
 * io_uring is tried at all, for there are sandboxes where the mere attempt is
 * reported.
 *
 * Nothing is printed here. Programs that want to tell their users have
 * kernel_chosen_reason().
 */
#include "kernel/choose.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "kernel/options.h"
#include "kernel/refusal.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool decided;      /* refusal is final; guarded by the lock */
static char refusal[256]; /* "": io_uring works */

const char *kernel_uring_refusal(void)
{
    pthread_mutex_lock(&lock);
    if (!decided)
        decided = refusal_find(refusal, sizeof refusal);
    const char *reason = refusal[0] != '\0' ? refusal : NULL;

    pthread_mutex_unlock(&lock);
    return reason;
}

void kernel_refuse_uring(const char *reason)
{
    pthread_mutex_lock(&lock);
    decided = true;
    snprintf(refusal, sizeof refusal, "%s", reason);
    pthread_mutex_unlock(&lock);
}

/* GYRE_KERNEL, or "" if it says nothing. */
static const char *forced_name(void)
{
    const char *name = secure_getenv("GYRE_KERNEL");

    return name != NULL ? name : "";
}

const char *kernel_loop_options(void)
{
    return secure_getenv("GYRE_LOOP");
}

const char *kernel_engines_option(void)
{
    return secure_getenv("GYRE_ENGINES");
}

struct choice {
    const char *name; /* NULL: GYRE_KERNEL names no kernel */
    const char *reason;
    int (*open)(struct kernel **, const struct kernel_options *);
};

static struct choice choose(void)
{
    const char *forced = forced_name();

    if (strcmp(forced, "uring") == 0)
        return (struct choice){ "uring", "GYRE_KERNEL=uring", uring_open };
    if (strcmp(forced, "emu") == 0)
        return (struct choice){ "emu", "GYRE_KERNEL=emu", emu_open };
    if (forced[0] != '\0')
        return (struct choice){ NULL,
                                "GYRE_KERNEL names no kernel: it may be uring "
                                "or emu",
                                NULL };
    const char *reason = kernel_uring_refusal();

    if (reason == NULL)
        return (struct choice){ "uring", "io_uring works here", uring_open };
    return (struct choice){ "emu", reason, emu_open };
}

const char *kernel_chosen_name(void)
{
    struct choice choice = choose();

    return choice.name != NULL ? choice.name : "none";
}

const char *kernel_chosen_reason(void)
{
    return choose().reason;
}

/* What is missing, and where to get more of it. */
static const char *sentence_of(const struct choice *choice, int err)
{
    switch (err) {
    case -ENOMEM:
        return strcmp(choice->name, "uring") == 0
                   ? "no memory for a ring of 64 entries: it may count against "
                     "the memlock limit (ulimit -l): raise that, or have fewer "
                     "rings"
                   : "no memory for the emulated kernel";
    case -EMFILE:
        return "this process has as many files open as it may: raise "
               "ulimit -n";
    case -ENFILE:
        return "this machine has as many files open as it may: raise "
               "fs.file-max";
    case -EAGAIN:
        return "no more threads or locked memory may be had: raise ulimit -u "
               "and ulimit -l";
    default:
        break;
    }
    if (choice->open == uring_open && kernel_uring_refusal() != NULL)
        return kernel_uring_refusal();
    return "the kernel could not be opened";
}

int kernel_open(struct kernel **kernel, const struct kernel_options *options,
                const char **why)
{
    struct kernel_options resolved;
    const char *sentence = NULL;
    int err = kernel_options_resolve(&resolved, options, &sentence);

    if (err == 0) {
        struct choice choice = choose();

        if (choice.name == NULL) {
            sentence = choice.reason;
            err = -EINVAL;
        } else {
            resolved.why = &sentence;
            err = choice.open(kernel, &resolved);
            if (err == 0)
                (*kernel)->reason = choice.reason;
            else if (sentence == NULL)
                sentence = sentence_of(&choice, err);
        }
    }
    ASSERT(err == 0 || sentence != NULL);
    if (err != 0 && why != NULL)
        *why = sentence;
    return err;
}
