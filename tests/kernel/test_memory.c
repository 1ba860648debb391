/* SPDX-License-Identifier: MIT */
/*
 * Mappings and guards by themselves. What they are for is tested with the
 * stacks (tests/task/test_stack.c).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/memory.h"
#include "runner/patient.h"
#include "runner/test.h"

static bool is_deadly(char *address)
{
    int status = 0;
    pid_t child = fork();

    CHECK_GE(child, 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        *(volatile char *)address = 1;
        _exit(0);
    }
    CHECK_EQ(patient_waitpid(child, &status), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

TEST(mapped_memory_is_zeroed_and_reads_as_zero_when_released)
{
    size_t page = memory_page_size();
    char *memory = memory_map(4 * page);

    CHECK(memory != NULL);
    for (size_t i = 0; i < 4 * page; i++)
        CHECK_EQ(memory[i], 0);
    memset(memory, 7, 4 * page);
    memory_release(memory + page, 2 * page);
    CHECK_EQ(memory[page - 1], 7);
    CHECK_EQ(memory[page], 0);
    CHECK_EQ(memory[3 * page - 1], 0);
    CHECK_EQ(memory[3 * page], 7);
    memory_unmap(memory, 4 * page);
}

TEST(a_mapping_that_cannot_be_had_is_NULL_and_errno_is_left_alone)
{
    size_t page = memory_page_size();

    errno = ERANGE;
    CHECK(memory_map(SIZE_MAX / 2 / page * page) == NULL);
    CHECK_EQ(errno, ERANGE);
    alloc_fail_nth(1);
    CHECK(memory_map(page) == NULL);
    CHECK(alloc_did_fail());
    CHECK_EQ(errno, ERANGE);
}

TEST(a_guard_of_each_kind_kills_and_leaves_errno_alone)
{
    size_t page = memory_page_size();
    enum memory_guard best = memory_guard_best();

    for (int kind = MEMORY_GUARD_NONE; kind <= (int)best; kind++) {
        char *memory = memory_map(3 * page);

        CHECK(memory != NULL);
        memory_guard_restrict((enum memory_guard)kind, 0);
        errno = ERANGE;
        CHECK_EQ((int)memory_guard(memory + page, page), kind);
        CHECK_EQ((int)memory_guard_best(), kind);
        CHECK_EQ(errno, ERANGE);
        CHECK_EQ(is_deadly(memory + page), kind != MEMORY_GUARD_NONE);
        CHECK_EQ(is_deadly(memory + 2 * page - 1), kind != MEMORY_GUARD_NONE);
        CHECK(!is_deadly(memory + page - 1));
        CHECK(!is_deadly(memory + 2 * page));
        memory_release(memory, 3 * page);
        CHECK_EQ(is_deadly(memory + page), kind != MEMORY_GUARD_NONE);
        memory_unmap(memory, 3 * page);
        memory_guards_unmapped(kind == MEMORY_GUARD_PROTECT);
    }
}

TEST(locked_memory_has_guards_too)
{
    size_t page = memory_page_size();
    enum memory_guard kind;
    char *memory;

    if (mlockall(MCL_FUTURE | MCL_ONFAULT) != 0)
        TEST_SKIP("may not lock memory");
    memory = memory_map(2 * page);
    CHECK(memory != NULL);
    kind = memory_guard(memory, page);
    CHECK_NE(kind, MEMORY_GUARD_NONE);
    CHECK(is_deadly(memory));
    CHECK(!is_deadly(memory + page));
    memory_release(memory, 2 * page);
    memory_unmap(memory, 2 * page);
    memory_guards_unmapped(kind == MEMORY_GUARD_PROTECT);
    CHECK_EQ(munlockall(), 0);
}

/* Is `flag` among the VmFlags of the mapping of address? -1: not found. */
static int has_flag(const void *address, const char *flag)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    bool is_there = false;
    char line[512];
    int result = -1;

    CHECK(smaps != NULL);
    while (result < 0 && fgets(line, sizeof line, smaps) != NULL) {
        unsigned long first;
        unsigned long end;

        if (sscanf(line, "%lx-%lx ", &first, &end) == 2)
            is_there = (uintptr_t)address >= first && (uintptr_t)address < end;
        else if (is_there && strncmp(line, "VmFlags:", 8) == 0)
            result = strstr(line, flag) != NULL;
    }
    fclose(smaps);
    return result;
}

TEST(a_mapping_never_gets_huge_pages_unasked)
{
    size_t page = memory_page_size();
    char *memory;

    test_not_on_qemu_user("it takes no advice about pages");
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0)
        TEST_SKIP("this Linux has no huge pages");
    memory = memory_map(4 * page);
    CHECK(memory != NULL);
    memory[0] = 1;
    if (has_flag(memory, " ") < 0)
        TEST_SKIP("/proc/self/smaps is somebody else's");
    CHECK_EQ(has_flag(memory, " nh"), 1);
    memory_unmap(memory, 4 * page);
}

TEST_PANICS(a_mapping_is_made_of_whole_pages, "does not hold")
{
    CHECK(memory_map(memory_page_size() + 1) == NULL);
}

TEST(the_names_of_guards_are_those_of_the_calls)
{
    CHECK_STR_EQ(memory_guard_name(MEMORY_GUARD_MARKER), "MADV_GUARD_INSTALL");
    CHECK_STR_EQ(memory_guard_name(MEMORY_GUARD_PROTECT), "mprotect");
    CHECK_STR_EQ(memory_guard_name(MEMORY_GUARD_NONE), "none");
}
