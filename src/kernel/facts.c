/* SPDX-License-Identifier: MIT */
/*
 * facts.c - what this machine offers, for `gyre doctor`
 *
 * A kernel is opened as a loop would open it and closed again; opcodes are
 * asked of a ring of their own, so that they are told also when the emulator
 * was chosen by hand.
 */
#include "kernel/facts.h"

#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/assert.h"
#include "kernel/choose.h"
#include "kernel/proc.h"
#include "ring/advice.h"
#include "ring/feature.h"

#define ENTRIES 64

static struct facts_limit limit_of(__rlimit_resource_t resource)
{
    struct rlimit limit = { 0 };

    getrlimit(resource, &limit);
    return (struct facts_limit){
        .soft = limit.rlim_cur == RLIM_INFINITY ? FACTS_UNLIMITED
                                                : limit.rlim_cur,
        .hard = limit.rlim_max == RLIM_INFINITY ? FACTS_UNLIMITED
                                                : limit.rlim_max,
    };
}

static void *thread_body(void *argument)
{
    return argument;
}

static int try_thread(void)
{
    pthread_t thread;

    int error = pthread_create(&thread, NULL, thread_body, NULL);

    if (error == 0)
        pthread_join(thread, NULL);
    return -error;
}

static void collect_system(struct facts *facts)
{
    facts->release = release_here()->name;
    facts->machine = release_here()->machine;
    facts->libc = gnu_get_libc_version();
    facts->memlock = limit_of(RLIMIT_MEMLOCK);
    facts->nofile = limit_of(RLIMIT_NOFILE);
    facts->nproc = limit_of(RLIMIT_NPROC);
    facts->threads_error = try_thread();
    facts->max_map_count = proc_number("/proc/sys/vm/max_map_count", -1);
    facts->io_uring_disabled =
        proc_number("/proc/sys/kernel/io_uring_disabled", -1);
    facts->io_uring_group = proc_number("/proc/sys/kernel/io_uring_group", -1);
    facts->seccomp = proc_seccomp();
    facts->entries_max = KERNEL_ENTRIES_MAX;
}

static void collect_kernel(struct facts *facts)
{
    const struct kernel_options options = { .entries = ENTRIES };
    struct kernel *kernel;

    facts->kernel = kernel_chosen_name();
    facts->reason = kernel_chosen_reason();
    facts->error_code = kernel_open(&kernel, &options, &facts->error);
    if (facts->error_code != 0)
        return;
    ASSERT(strcmp(kernel->class->name, facts->kernel) == 0);
    facts->setup_flags = kernel->setup_flags;
    facts->features = kernel->features;
    kernel->class->destroy(kernel);
}

static void collect_opcodes(struct facts *facts)
{
    struct ring ring;

    facts->refusal = kernel_uring_refusal();
    if (facts->refusal != NULL || ring_open_plain(&ring, 1, 0) != 0)
        return;
    ring_probe(&ring, &facts->opcodes);
    facts->register_opcodes = ring_register_opcodes();
    ring_close(&ring);
}

void facts_collect(struct facts *facts)
{
    memset(facts, 0, sizeof *facts);
    collect_system(facts);
    collect_kernel(facts);
    collect_opcodes(facts);
}

static unsigned names_of(uint32_t bits, const char *(*name)(uint32_t),
                         const char *names[32])
{
    unsigned count = 0;

    for (unsigned i = 0; i < 32; i++) {
        const char *word = (bits & RING_BIT(i)) != 0 ? name(RING_BIT(i)) : NULL;

        if (word != NULL)
            names[count++] = word;
    }
    return count;
}

unsigned facts_setup_flag_names(const struct facts *facts,
                                const char *names[32])
{
    return names_of(facts->setup_flags, ring_setup_flag_name, names);
}

unsigned facts_feature_names(const struct facts *facts, const char *names[32])
{
    return names_of(facts->features, ring_feature_bit_name, names);
}
