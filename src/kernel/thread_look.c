/* SPDX-License-Identifier: MIT */
/*
 * thread_look.c - see thread_look.h
 */
#include "kernel/thread_look.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/proc.h"

#define NS_PER_S UINT64_C(1000000000)

static const char *own_stack_end(void)
{
    pthread_attr_t attributes;
    void *bottom;
    size_t size;

    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return NULL;
    if (pthread_attr_getstack(&attributes, &bottom, &size) != 0)
        bottom = NULL;
    pthread_attr_destroy(&attributes);
    return bottom == NULL ? NULL : (const char *)bottom + size;
}

struct thread_handle thread_handle_self(void)
{
    struct thread_handle self = { .tid = gettid(),
                                  .stack_end = own_stack_end() };

    if (pthread_getcpuclockid(pthread_self(), &self.cpu_clock) != 0)
        self.cpu_clock = CLOCK_PROCESS_CPUTIME_ID;
    return self;
}

int thread_signal(const struct thread_handle *thread, int number)
{
    int saved = errno;
    int result = 0;

    if (syscall(SYS_tgkill, getpid(), thread->tid, number) < 0)
        result = -errno;
    errno = saved;
    return result;
}

uint64_t thread_cpu_ns(const struct thread_handle *thread)
{
    struct timespec used = { 0 };
    int saved = errno;

    (void)clock_gettime(thread->cpu_clock, &used);
    errno = saved;
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* "4711 (its name) S ...": the name may have any byte. */
char thread_state(const struct thread_handle *thread)
{
    char path[64], text[256];
    const char *end;

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat",
                   (int)thread->tid);
    if (proc_read(path, text, sizeof text) != 0)
        return '?';
    end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : '?';
}

void thread_set_helper_name(void)
{
    char name[16];

    proc_name_helper(name, sizeof name);
    (void)pthread_setname_np(pthread_self(), name);
}
