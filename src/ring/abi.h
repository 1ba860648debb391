/* SPDX-License-Identifier: MIT */
/*
 * abi.h - requests, results and rings, as Linux lays them out in memory
 *
 * gyre's own definitions, with Linux's names, up to Linux 7.2. They replace
 * <linux/io_uring.h>, which no file of gyre includes: what this program can ask
 * for must not depend on how old the headers are on the machine that compiled
 * it. Beside each group stands the first Linux that knows it. The arguments of
 * io_uring_register(2) are in abi_register.h.
 *
 * All of this is fixed for ever by Linux's promise to its users. The assertions
 * at the end hold each size and offset; tests/ring compares every name with the
 * system's header.
 */
#ifndef RING_ABI_H
#define RING_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* struct __kernel_timespec: 64 bits everywhere. */
struct ring_timespec {
    int64_t tv_sec;
    int64_t tv_nsec;
};

/*
 * A request. Fields that share a place are alternatives by opcode; `op_flags`
 * is gyre's name for the word that Linux calls by a different name in each.
 */
struct io_uring_sqe {
    uint8_t opcode;  /* IORING_OP_* */
    uint8_t flags;   /* IOSQE_* */
    uint16_t ioprio; /* also IORING_RECVSEND_*, IORING_ACCEPT_* */
    int32_t fd;
    union {
        uint64_t off;
        uint64_t addr2;
        struct {
            uint32_t cmd_op;
            uint32_t pad1_;
        };
    };
    union {
        uint64_t addr;
        uint64_t splice_off_in;
        struct {
            uint32_t level;
            uint32_t optname;
        };
    };
    uint32_t len;
    union {
        uint32_t op_flags;
        uint32_t rw_flags;
        uint32_t fsync_flags;
        uint16_t poll_events;
        uint32_t poll32_events; /* big endian: halves swapped */
        uint32_t sync_range_flags;
        uint32_t msg_flags;
        uint32_t timeout_flags;
        uint32_t accept_flags;
        uint32_t cancel_flags;
        uint32_t open_flags;
        uint32_t statx_flags;
        uint32_t fadvise_advice;
        uint32_t splice_flags;
        uint32_t rename_flags;
        uint32_t unlink_flags;
        uint32_t hardlink_flags;
        uint32_t xattr_flags;
        uint32_t msg_ring_flags;
        uint32_t uring_cmd_flags;
        uint32_t waitid_flags;
        uint32_t futex_flags;
        uint32_t install_fd_flags;
        uint32_t nop_flags;
        uint32_t pipe_flags;
    };
    uint64_t user_data;
    union {
        uint16_t buf_index;
        uint16_t buf_group;
    };
    uint16_t personality;
    union {
        int32_t splice_fd_in;
        uint32_t file_index; /* slot + 1, or IORING_FILE_INDEX_ALLOC */
        uint32_t zcrx_ifq_idx;
        uint32_t optlen;
        struct {
            uint16_t addr_len;
            uint16_t pad3_;
        };
    };
    union {
        struct {
            uint64_t addr3;
            uint64_t pad2_;
        };
        struct {
            uint64_t attr_ptr;
            uint64_t attr_type_mask;
        };
        uint64_t optval;
        uint8_t cmd[16]; /* 80 bytes in a 128-byte SQE */
    };
};

/* A result. */
struct io_uring_cqe {
    uint64_t user_data;
    int32_t res;
    uint32_t flags; /* IORING_CQE_F_* */
};

enum io_uring_op {
    IORING_OP_NOP = 0, /* 5.1 */
    IORING_OP_READV = 1,
    IORING_OP_WRITEV = 2,
    IORING_OP_FSYNC = 3,
    IORING_OP_READ_FIXED = 4,
    IORING_OP_WRITE_FIXED = 5,
    IORING_OP_POLL_ADD = 6,
    IORING_OP_POLL_REMOVE = 7,
    IORING_OP_SYNC_FILE_RANGE = 8, /* 5.2 */
    IORING_OP_SENDMSG = 9,         /* 5.3 */
    IORING_OP_RECVMSG = 10,
    IORING_OP_TIMEOUT = 11,        /* 5.4 */
    IORING_OP_TIMEOUT_REMOVE = 12, /* 5.5 */
    IORING_OP_ACCEPT = 13,
    IORING_OP_ASYNC_CANCEL = 14,
    IORING_OP_LINK_TIMEOUT = 15,
    IORING_OP_CONNECT = 16,
    IORING_OP_FALLOCATE = 17, /* 5.6 */
    IORING_OP_OPENAT = 18,
    IORING_OP_CLOSE = 19,
    IORING_OP_FILES_UPDATE = 20,
    IORING_OP_STATX = 21,
    IORING_OP_READ = 22,
    IORING_OP_WRITE = 23,
    IORING_OP_FADVISE = 24,
    IORING_OP_MADVISE = 25,
    IORING_OP_SEND = 26,
    IORING_OP_RECV = 27,
    IORING_OP_OPENAT2 = 28,
    IORING_OP_EPOLL_CTL = 29,
    IORING_OP_SPLICE = 30, /* 5.7 */
    IORING_OP_PROVIDE_BUFFERS = 31,
    IORING_OP_REMOVE_BUFFERS = 32,
    IORING_OP_TEE = 33,      /* 5.8 */
    IORING_OP_SHUTDOWN = 34, /* 5.11 */
    IORING_OP_RENAMEAT = 35,
    IORING_OP_UNLINKAT = 36,
    IORING_OP_MKDIRAT = 37, /* 5.15 */
    IORING_OP_SYMLINKAT = 38,
    IORING_OP_LINKAT = 39,
    IORING_OP_MSG_RING = 40,  /* 5.18 */
    IORING_OP_FSETXATTR = 41, /* 5.19 */
    IORING_OP_SETXATTR = 42,
    IORING_OP_FGETXATTR = 43,
    IORING_OP_GETXATTR = 44,
    IORING_OP_SOCKET = 45,
    IORING_OP_URING_CMD = 46,
    IORING_OP_SEND_ZC = 47,        /* 6.0 */
    IORING_OP_SENDMSG_ZC = 48,     /* 6.1 */
    IORING_OP_READ_MULTISHOT = 49, /* 6.7 */
    IORING_OP_WAITID = 50,
    IORING_OP_FUTEX_WAIT = 51,
    IORING_OP_FUTEX_WAKE = 52,
    IORING_OP_FUTEX_WAITV = 53,
    IORING_OP_FIXED_FD_INSTALL = 54, /* 6.8 */
    IORING_OP_FTRUNCATE = 55,        /* 6.9 */
    IORING_OP_BIND = 56,             /* 6.11 */
    IORING_OP_LISTEN = 57,
    IORING_OP_RECV_ZC = 58, /* 6.15 */
    IORING_OP_EPOLL_WAIT = 59,
    IORING_OP_READV_FIXED = 60,
    IORING_OP_WRITEV_FIXED = 61,
    IORING_OP_PIPE = 62,   /* 6.16 */
    IORING_OP_NOP128 = 63, /* 6.19 */
    IORING_OP_URING_CMD128 = 64,
    IORING_OP_LAST = 65,
};

#define RING_BIT(n) (UINT32_C(1) << (n))

/* sqe.flags */
#define IOSQE_FIXED_FILE RING_BIT(0)
#define IOSQE_IO_DRAIN RING_BIT(1)         /* 5.2 */
#define IOSQE_IO_LINK RING_BIT(2)          /* 5.3 */
#define IOSQE_IO_HARDLINK RING_BIT(3)      /* 5.5 */
#define IOSQE_ASYNC RING_BIT(4)            /* 5.6 */
#define IOSQE_BUFFER_SELECT RING_BIT(5)    /* 5.7 */
#define IOSQE_CQE_SKIP_SUCCESS RING_BIT(6) /* 5.17 */

/* sqe.file_index: any free slot (5.19). */
#define IORING_FILE_INDEX_ALLOC UINT32_MAX

/* sqe.fsync_flags */
#define IORING_FSYNC_DATASYNC RING_BIT(0)

/* sqe.timeout_flags */
#define IORING_TIMEOUT_ABS RING_BIT(0)      /* 5.5 */
#define IORING_TIMEOUT_UPDATE RING_BIT(1)   /* 5.11 */
#define IORING_TIMEOUT_BOOTTIME RING_BIT(2) /* 5.15 */
#define IORING_TIMEOUT_REALTIME RING_BIT(3)
#define IORING_LINK_TIMEOUT_UPDATE RING_BIT(4)
#define IORING_TIMEOUT_ETIME_SUCCESS RING_BIT(5) /* 5.16 */
#define IORING_TIMEOUT_MULTISHOT RING_BIT(6)     /* 6.4 */
#define IORING_TIMEOUT_IMMEDIATE_ARG RING_BIT(7) /* 7.1: addr is ns */
#define IORING_TIMEOUT_CLOCK_MASK                                              \
    (IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME)
#define IORING_TIMEOUT_UPDATE_MASK                                             \
    (IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE)

/* sqe.splice_flags: splice_fd_in is a slot. Others as in splice(2). */
#define SPLICE_F_FD_IN_FIXED RING_BIT(31)

/* sqe.len of POLL_ADD and POLL_REMOVE */
#define IORING_POLL_ADD_MULTI RING_BIT(0) /* 5.13 */
#define IORING_POLL_UPDATE_EVENTS RING_BIT(1)
#define IORING_POLL_UPDATE_USER_DATA RING_BIT(2)
#define IORING_POLL_ADD_LEVEL RING_BIT(3) /* 6.0 */

/* sqe.cancel_flags */
#define IORING_ASYNC_CANCEL_ALL RING_BIT(0) /* 5.19 */
#define IORING_ASYNC_CANCEL_FD RING_BIT(1)
#define IORING_ASYNC_CANCEL_ANY RING_BIT(2)
#define IORING_ASYNC_CANCEL_FD_FIXED RING_BIT(3) /* 6.0 */
#define IORING_ASYNC_CANCEL_USERDATA RING_BIT(4) /* 6.6 */
#define IORING_ASYNC_CANCEL_OP RING_BIT(5)

/* sqe.ioprio of the sends and receives */
#define IORING_RECVSEND_POLL_FIRST RING_BIT(0)     /* 5.19 */
#define IORING_RECV_MULTISHOT RING_BIT(1)          /* 6.0 */
#define IORING_RECVSEND_FIXED_BUF RING_BIT(2)      /* 6.0 with ZC, 7.2 plain */
#define IORING_SEND_ZC_REPORT_USAGE RING_BIT(3)    /* 6.2 */
#define IORING_RECVSEND_BUNDLE RING_BIT(4)         /* 6.10 */
#define IORING_SEND_VECTORIZED RING_BIT(5)         /* 6.17 */
#define IORING_SEND_ZC_NOTIF_USER_DATA RING_BIT(6) /* 7.1: in addr3 */

/* cqe.res of a notification */
#define IORING_NOTIF_USAGE_ZC_COPIED RING_BIT(31)

/* sqe.ioprio of ACCEPT */
#define IORING_ACCEPT_MULTISHOT RING_BIT(0) /* 5.19 */
#define IORING_ACCEPT_DONTWAIT RING_BIT(1)  /* 6.10 */
#define IORING_ACCEPT_POLL_FIRST RING_BIT(2)

/* sqe.addr of MSG_RING */
enum io_uring_msg_ring_flags {
    IORING_MSG_DATA = 0,
    IORING_MSG_SEND_FD = 1, /* 6.0 */
};

/* sqe.msg_ring_flags */
#define IORING_MSG_RING_CQE_SKIP RING_BIT(0)   /* 6.0 */
#define IORING_MSG_RING_FLAGS_PASS RING_BIT(1) /* 6.3 */

/* sqe.install_fd_flags */
#define IORING_FIXED_FD_NO_CLOEXEC RING_BIT(0)

/* sqe.nop_flags: the result is sqe.len (6.10) */
#define IORING_NOP_INJECT_RESULT RING_BIT(0)
#define IORING_NOP_CQE32 RING_BIT(5) /* 6.18 */

/* sqe.uring_cmd_flags */
#define IORING_URING_CMD_FIXED RING_BIT(0) /* 6.1 */

/* sqe.cmd_op of URING_CMD on a socket */
enum io_uring_socket_op {
    SOCKET_URING_OP_SIOCINQ = 0, /* 6.7 */
    SOCKET_URING_OP_SIOCOUTQ = 1,
    SOCKET_URING_OP_GETSOCKOPT = 2,
    SOCKET_URING_OP_SETSOCKOPT = 3,
    SOCKET_URING_OP_TX_TIMESTAMP = 4, /* 6.17 */
    SOCKET_URING_OP_GETSOCKNAME = 5,  /* 6.19 */
};

/* sqe.cmd_op of URING_CMD on a disk: _IO(0x12, 0) */
#define BLOCK_URING_CMD_DISCARD UINT32_C(0x1200) /* 6.12 */

/* sqe.attr_type_mask */
#define IORING_RW_ATTR_FLAG_PI RING_BIT(0) /* 6.14 */

/* cqe.flags */
#define IORING_CQE_F_BUFFER RING_BIT(0)        /* 5.7: id in the upper half */
#define IORING_CQE_F_MORE RING_BIT(1)          /* 5.13 */
#define IORING_CQE_F_SOCK_NONEMPTY RING_BIT(2) /* 5.19 */
#define IORING_CQE_F_NOTIF RING_BIT(3)         /* 6.0 */
#define IORING_CQE_F_BUF_MORE RING_BIT(4)      /* 6.12 */
#define IORING_CQE_F_SKIP RING_BIT(5)          /* 6.18: filler, ignore */
#define IORING_CQE_F_32 RING_BIT(15)
#define IORING_CQE_BUFFER_SHIFT 16

/* params.flags of io_uring_setup(2) */
#define IORING_SETUP_IOPOLL RING_BIT(0)
#define IORING_SETUP_SQPOLL RING_BIT(1)
#define IORING_SETUP_SQ_AFF RING_BIT(2)
#define IORING_SETUP_CQSIZE RING_BIT(3) /* 5.5 */
#define IORING_SETUP_CLAMP RING_BIT(4)  /* 5.6 */
#define IORING_SETUP_ATTACH_WQ RING_BIT(5)
#define IORING_SETUP_R_DISABLED RING_BIT(6)   /* 5.10 */
#define IORING_SETUP_SUBMIT_ALL RING_BIT(7)   /* 5.18 */
#define IORING_SETUP_COOP_TASKRUN RING_BIT(8) /* 5.19 */
#define IORING_SETUP_TASKRUN_FLAG RING_BIT(9)
#define IORING_SETUP_SQE128 RING_BIT(10)
#define IORING_SETUP_CQE32 RING_BIT(11)
#define IORING_SETUP_SINGLE_ISSUER RING_BIT(12) /* 6.0 */
#define IORING_SETUP_DEFER_TASKRUN RING_BIT(13) /* 6.1 */
#define IORING_SETUP_NO_MMAP RING_BIT(14)       /* 6.5 */
#define IORING_SETUP_REGISTERED_FD_ONLY RING_BIT(15)
#define IORING_SETUP_NO_SQARRAY RING_BIT(16)    /* 6.6 */
#define IORING_SETUP_HYBRID_IOPOLL RING_BIT(17) /* 6.13 */
#define IORING_SETUP_CQE_MIXED RING_BIT(18)     /* 6.18 */
#define IORING_SETUP_SQE_MIXED RING_BIT(19)     /* 6.19 */
#define IORING_SETUP_SQ_REWIND RING_BIT(20)     /* 7.0 */

/* params.features */
#define IORING_FEAT_SINGLE_MMAP RING_BIT(0) /* 5.4 */
#define IORING_FEAT_NODROP RING_BIT(1)      /* 5.5 */
#define IORING_FEAT_SUBMIT_STABLE RING_BIT(2)
#define IORING_FEAT_RW_CUR_POS RING_BIT(3) /* 5.6 */
#define IORING_FEAT_CUR_PERSONALITY RING_BIT(4)
#define IORING_FEAT_FAST_POLL RING_BIT(5)       /* 5.7 */
#define IORING_FEAT_POLL_32BITS RING_BIT(6)     /* 5.9 */
#define IORING_FEAT_SQPOLL_NONFIXED RING_BIT(7) /* 5.11 */
#define IORING_FEAT_EXT_ARG RING_BIT(8)
#define IORING_FEAT_NATIVE_WORKERS RING_BIT(9) /* 5.12 */
#define IORING_FEAT_RSRC_TAGS RING_BIT(10)     /* 5.13 */
#define IORING_FEAT_CQE_SKIP RING_BIT(11)      /* 5.17 */
#define IORING_FEAT_LINKED_FILE RING_BIT(12)
#define IORING_FEAT_REG_REG_RING RING_BIT(13)    /* 6.3 */
#define IORING_FEAT_RECVSEND_BUNDLE RING_BIT(14) /* 6.10 */
#define IORING_FEAT_MIN_TIMEOUT RING_BIT(15)     /* 6.12 */
#define IORING_FEAT_RW_ATTR RING_BIT(16)         /* 6.14 */
#define IORING_FEAT_NO_IOWAIT RING_BIT(17)       /* 6.15 */

/* The flags word of the SQ ring */
#define IORING_SQ_NEED_WAKEUP RING_BIT(0)
#define IORING_SQ_CQ_OVERFLOW RING_BIT(1) /* 5.8 */
#define IORING_SQ_TASKRUN RING_BIT(2)     /* 5.19 */

/* The flags word of the CQ ring */
#define IORING_CQ_EVENTFD_DISABLED RING_BIT(0) /* 5.8 */

/* Flags of io_uring_enter(2) */
#define IORING_ENTER_GETEVENTS RING_BIT(0)
#define IORING_ENTER_SQ_WAKEUP RING_BIT(1)
#define IORING_ENTER_SQ_WAIT RING_BIT(2)         /* 5.10 */
#define IORING_ENTER_EXT_ARG RING_BIT(3)         /* 5.11 */
#define IORING_ENTER_REGISTERED_RING RING_BIT(4) /* 5.18 */
#define IORING_ENTER_ABS_TIMER RING_BIT(5)       /* 6.12 */
#define IORING_ENTER_EXT_ARG_REG RING_BIT(6)     /* 6.13 */
#define IORING_ENTER_NO_IOWAIT RING_BIT(7)       /* 6.15 */

/* The argument of io_uring_enter(2) with EXT_ARG */
struct io_uring_getevents_arg {
    uint64_t sigmask; /* sigset_t *, or 0 */
    uint32_t sigmask_sz;
    uint32_t min_wait_usec; /* 6.12 */
    uint64_t ts;            /* struct ring_timespec *, or 0 */
};

/* One of the arguments in a region, with EXT_ARG_REG */
struct io_uring_reg_wait {
    struct ring_timespec ts;
    uint32_t min_wait_usec;
    uint32_t flags; /* IORING_REG_WAIT_TS */
    uint64_t sigmask;
    uint32_t sigmask_sz;
    uint32_t pad_[3];
    uint64_t pad2_[2];
};

#define IORING_REG_WAIT_TS RING_BIT(0)

/* Where to mmap(2) the parts of a ring */
#define IORING_OFF_SQ_RING UINT64_C(0)
#define IORING_OFF_CQ_RING UINT64_C(0x8000000)
#define IORING_OFF_SQES UINT64_C(0x10000000)
#define IORING_OFF_PBUF_RING UINT64_C(0x80000000)
#define IORING_OFF_PBUF_SHIFT 16
#define IORING_OFF_MMAP_MASK UINT64_C(0xf8000000)

/* Offsets of the SQ's fields in the mapping */
struct io_sqring_offsets {
    uint32_t head;
    uint32_t tail;
    uint32_t ring_mask;
    uint32_t ring_entries;
    uint32_t flags;
    uint32_t dropped;
    uint32_t array; /* unless NO_SQARRAY */
    uint32_t resv1;
    uint64_t user_addr; /* with NO_MMAP */
};

struct io_cqring_offsets {
    uint32_t head;
    uint32_t tail;
    uint32_t ring_mask;
    uint32_t ring_entries;
    uint32_t overflow;
    uint32_t cqes;
    uint32_t flags;
    uint32_t resv1;
    uint64_t user_addr;
};

/* The argument of io_uring_setup(2), in and out */
struct io_uring_params {
    uint32_t sq_entries;
    uint32_t cq_entries;
    uint32_t flags; /* IORING_SETUP_* */
    uint32_t sq_thread_cpu;
    uint32_t sq_thread_idle;
    uint32_t features; /* IORING_FEAT_* */
    uint32_t wq_fd;
    uint32_t resv[3];
    struct io_sqring_offsets sq_off;
    struct io_cqring_offsets cq_off;
};

/* Before the data of a multishot RECVMSG */
struct io_uring_recvmsg_out {
    uint32_t namelen;
    uint32_t controllen;
    uint32_t payloadlen;
    uint32_t flags;
};

#define RING_OFFSET(type, member, offset)                                      \
    static_assert(offsetof(struct type, member) == (offset),                   \
                  "struct " #type "." #member)
#define RING_SIZE(type, size)                                                  \
    static_assert(sizeof(struct type) == (size), "struct " #type)

RING_SIZE(ring_timespec, 16);

RING_SIZE(io_uring_sqe, 64);
RING_OFFSET(io_uring_sqe, opcode, 0);
RING_OFFSET(io_uring_sqe, flags, 1);
RING_OFFSET(io_uring_sqe, ioprio, 2);
RING_OFFSET(io_uring_sqe, fd, 4);
RING_OFFSET(io_uring_sqe, off, 8);
RING_OFFSET(io_uring_sqe, addr2, 8);
RING_OFFSET(io_uring_sqe, cmd_op, 8);
RING_OFFSET(io_uring_sqe, addr, 16);
RING_OFFSET(io_uring_sqe, splice_off_in, 16);
RING_OFFSET(io_uring_sqe, level, 16);
RING_OFFSET(io_uring_sqe, optname, 20);
RING_OFFSET(io_uring_sqe, len, 24);
RING_OFFSET(io_uring_sqe, op_flags, 28);
RING_OFFSET(io_uring_sqe, poll_events, 28);
RING_OFFSET(io_uring_sqe, user_data, 32);
RING_OFFSET(io_uring_sqe, buf_index, 40);
RING_OFFSET(io_uring_sqe, buf_group, 40);
RING_OFFSET(io_uring_sqe, personality, 42);
RING_OFFSET(io_uring_sqe, splice_fd_in, 44);
RING_OFFSET(io_uring_sqe, file_index, 44);
RING_OFFSET(io_uring_sqe, optlen, 44);
RING_OFFSET(io_uring_sqe, addr_len, 44);
RING_OFFSET(io_uring_sqe, addr3, 48);
RING_OFFSET(io_uring_sqe, attr_ptr, 48);
RING_OFFSET(io_uring_sqe, attr_type_mask, 56);
RING_OFFSET(io_uring_sqe, optval, 48);
RING_OFFSET(io_uring_sqe, cmd, 48);

RING_SIZE(io_uring_cqe, 16);
RING_OFFSET(io_uring_cqe, res, 8);
RING_OFFSET(io_uring_cqe, flags, 12);

RING_SIZE(io_uring_getevents_arg, 24);
RING_OFFSET(io_uring_getevents_arg, min_wait_usec, 12);
RING_OFFSET(io_uring_getevents_arg, ts, 16);

RING_SIZE(io_uring_reg_wait, 64);
RING_OFFSET(io_uring_reg_wait, flags, 20);
RING_OFFSET(io_uring_reg_wait, sigmask, 24);

RING_SIZE(io_sqring_offsets, 40);
RING_OFFSET(io_sqring_offsets, flags, 16);
RING_OFFSET(io_sqring_offsets, array, 24);
RING_OFFSET(io_sqring_offsets, user_addr, 32);

RING_SIZE(io_cqring_offsets, 40);
RING_OFFSET(io_cqring_offsets, overflow, 16);
RING_OFFSET(io_cqring_offsets, cqes, 20);
RING_OFFSET(io_cqring_offsets, flags, 24);
RING_OFFSET(io_cqring_offsets, user_addr, 32);

RING_SIZE(io_uring_params, 120);
RING_OFFSET(io_uring_params, features, 20);
RING_OFFSET(io_uring_params, sq_off, 40);
RING_OFFSET(io_uring_params, cq_off, 80);

RING_SIZE(io_uring_recvmsg_out, 16);

#endif
