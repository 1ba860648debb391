/* SPDX-License-Identifier: MIT */
/*
 * sandbox_calls.c - which system calls are in which set
 *
 * The first list is what the objects of ring/ and kernel/ import, and what libc
 * makes of that: memory, threads, clocks, signals, panics. What works on a path
 * is in a set even if the emulator could be asked for it, and so is what works
 * on other processes.
 */
#include "kernel/sandbox_calls.h"

#include <sys/syscall.h>

#include "base/assert.h"
#include "kernel/sandbox.h"
#include "ring/syscalls.h"

/* What gyre lives on, and I/O on what is open. */
static const short own[] = {
    /* bytes and descriptors */
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_close,
    SYS_lseek,
    SYS_fstat,
    SYS_fcntl,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_splice,
    SYS_tee,
    SYS_sendfile,
    SYS_fsync,
    SYS_fdatasync,
#ifdef SYS_close_range
    SYS_close_range,
#endif
    /* waiting */
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_eventfd2,
    SYS_signalfd4,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_times,
#ifdef SYS_epoll_pwait2
    SYS_epoll_pwait2,
#endif
    /* memory and threads */
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_mincore,
    SYS_membarrier,
    SYS_futex,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_set_tid_address,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_getcpu,
    SYS_exit,
    SYS_exit_group,
    SYS_restart_syscall,
#ifdef SYS_futex_waitv
    SYS_futex_waitv,
#endif
#ifdef SYS_rseq
    SYS_rseq,
#endif
    /* signals */
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    /* who and where we are */
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getgroups,
    SYS_getrandom,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrusage,
    /* sockets that are open */
    SYS_accept4,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_sendto,
    SYS_sendmsg,
    SYS_sendmmsg,
    SYS_shutdown,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_getsockname,
    SYS_getpeername,
#ifdef SYS_accept
    SYS_accept,
#endif
#ifdef SYS_open /* older forms, which newer machines do not have */
    SYS_dup2,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_epoll_wait,
#endif
#ifdef SYS_time
    SYS_time,
#endif
};

/* By path, and what is done with files. */
static const short files[] = {
    SYS_openat,     SYS_newfstatat, SYS_statx,           SYS_statfs,
    SYS_fstatfs,    SYS_faccessat,  SYS_readlinkat,      SYS_getcwd,
    SYS_getdents64, SYS_flock,      SYS_ftruncate,       SYS_fallocate,
    SYS_fadvise64,  SYS_readahead,  SYS_sync_file_range, SYS_copy_file_range,
    SYS_umask,      SYS_getxattr,   SYS_lgetxattr,       SYS_fgetxattr,
    SYS_listxattr,  SYS_llistxattr, SYS_flistxattr,
#ifdef SYS_openat2
    SYS_openat2,
#endif
#ifdef SYS_faccessat2
    SYS_faccessat2,
#endif
#ifdef SYS_open
    SYS_open,       SYS_stat,       SYS_lstat,           SYS_access,
    SYS_readlink,   SYS_getdents,
#endif
};

/* Names and attributes. */
static const short changes[] = {
    SYS_renameat2, SYS_unlinkat,    SYS_mkdirat,      SYS_linkat,
    SYS_symlinkat, SYS_truncate,    SYS_setxattr,     SYS_lsetxattr,
    SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
    SYS_fchmod,    SYS_fchmodat,    SYS_utimensat,
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_open
    SYS_creat,     SYS_rename,      SYS_unlink,       SYS_rmdir,
    SYS_mkdir,     SYS_link,        SYS_symlink,      SYS_chmod,
#endif
};

/* For sockets of one's own; socket(2) itself is looked at. */
static const short sockets[] = { SYS_connect, SYS_bind, SYS_listen };

static const short processes[] = {
    SYS_clone,
    SYS_execve,
    SYS_execveat,
    SYS_wait4,
    SYS_waitid,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_setpgid,
    SYS_getpgid,
    SYS_setsid,
    SYS_getsid,
    SYS_chdir,
    SYS_fchdir,
    SYS_sched_setaffinity,
    SYS_prctl,
    SYS_prlimit64,
#ifdef SYS_clone3
    SYS_clone3,
#endif
#ifdef SYS_pidfd_open
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
#endif
#ifdef SYS_open
    SYS_fork,
    SYS_vfork,
    SYS_getpgrp,
    SYS_getrlimit,
#endif
#ifdef SYS_arch_prctl
    SYS_arch_prctl,
#endif
};

static const short rings[] = { RING_CALL_ENTER, RING_CALL_REGISTER };

const struct sandbox_calls sandbox_table[SANDBOX_TABLE_COUNT] = {
    { SANDBOX_OWN, own, ARRAY_SIZE(own) },
    { SANDBOX_FILES, files, ARRAY_SIZE(files) },
    { SANDBOX_CHANGES, changes, ARRAY_SIZE(changes) },
    { SANDBOX_UNIX | SANDBOX_INET, sockets, ARRAY_SIZE(sockets) },
    { SANDBOX_PROCESSES, processes, ARRAY_SIZE(processes) },
    { SANDBOX_RINGS, rings, ARRAY_SIZE(rings) },
};
