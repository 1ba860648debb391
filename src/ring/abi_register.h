/* SPDX-License-Identifier: MIT */
/*
 * abi_register.h - what io_uring_register(2) takes and gives
 *
 * The second half of abi.h, under the same rules: gyre's own definitions with
 * Linux's names, up to 7.2. Fields named resv or pad must be zero.
 */
#ifndef RING_ABI_REGISTER_H
#define RING_ABI_REGISTER_H

#include "ring/abi.h"

enum io_uring_register_op {
    IORING_REGISTER_BUFFERS = 0, /* 5.1 */
    IORING_UNREGISTER_BUFFERS = 1,
    IORING_REGISTER_FILES = 2,
    IORING_UNREGISTER_FILES = 3,
    IORING_REGISTER_EVENTFD = 4, /* 5.2 */
    IORING_UNREGISTER_EVENTFD = 5,
    IORING_REGISTER_FILES_UPDATE = 6,  /* 5.5 */
    IORING_REGISTER_EVENTFD_ASYNC = 7, /* 5.6 */
    IORING_REGISTER_PROBE = 8,
    IORING_REGISTER_PERSONALITY = 9,
    IORING_UNREGISTER_PERSONALITY = 10,
    IORING_REGISTER_RESTRICTIONS = 11, /* 5.10 */
    IORING_REGISTER_ENABLE_RINGS = 12,
    IORING_REGISTER_FILES2 = 13, /* 5.13 */
    IORING_REGISTER_FILES_UPDATE2 = 14,
    IORING_REGISTER_BUFFERS2 = 15,
    IORING_REGISTER_BUFFERS_UPDATE = 16,
    IORING_REGISTER_IOWQ_AFF = 17, /* 5.14 */
    IORING_UNREGISTER_IOWQ_AFF = 18,
    IORING_REGISTER_IOWQ_MAX_WORKERS = 19, /* 5.15 */
    IORING_REGISTER_RING_FDS = 20,         /* 5.18 */
    IORING_UNREGISTER_RING_FDS = 21,
    IORING_REGISTER_PBUF_RING = 22, /* 5.19 */
    IORING_UNREGISTER_PBUF_RING = 23,
    IORING_REGISTER_SYNC_CANCEL = 24, /* 6.0 */
    IORING_REGISTER_FILE_ALLOC_RANGE = 25,
    IORING_REGISTER_PBUF_STATUS = 26, /* 6.8 */
    IORING_REGISTER_NAPI = 27,        /* 6.9 */
    IORING_UNREGISTER_NAPI = 28,
    IORING_REGISTER_CLOCK = 29, /* 6.12 */
    IORING_REGISTER_CLONE_BUFFERS = 30,
    IORING_REGISTER_SEND_MSG_RING = 31, /* 6.13 */
    IORING_REGISTER_ZCRX_IFQ = 32,      /* 6.15 */
    IORING_REGISTER_RESIZE_RINGS = 33,  /* 6.13 */
    IORING_REGISTER_MEM_REGION = 34,
    IORING_REGISTER_QUERY = 35,      /* 6.18 */
    IORING_REGISTER_ZCRX_CTRL = 36,  /* 6.19 */
    IORING_REGISTER_BPF_FILTER = 37, /* 7.0 */
    IORING_REGISTER_LAST = 38,
};

/* Or-ed to the opcode: the descriptor is a registered one (6.3). */
#define IORING_REGISTER_USE_REGISTERED_RING RING_BIT(31)

/* IORING_REGISTER_FILES2, BUFFERS2 */
struct io_uring_rsrc_register {
    uint32_t nr;
    uint32_t flags; /* IORING_RSRC_REGISTER_SPARSE */
    uint64_t resv2;
    uint64_t data;
    uint64_t tags;
};

#define IORING_RSRC_REGISTER_SPARSE RING_BIT(0) /* 5.19 */

/* IORING_REGISTER_FILES_UPDATE (as files), REGISTER_RING_FDS */
struct io_uring_rsrc_update {
    uint32_t offset;
    uint32_t resv;
    uint64_t data;
};

/* IORING_REGISTER_FILES_UPDATE2, BUFFERS_UPDATE */
struct io_uring_rsrc_update2 {
    uint32_t offset;
    uint32_t resv;
    uint64_t data;
    uint64_t tags;
    uint32_t nr;
    uint32_t resv2;
};

#define IORING_REGISTER_FILES_SKIP (-2) /* 5.12: leave this slot alone */

/* IORING_REGISTER_PROBE */
struct io_uring_probe_op {
    uint8_t op;
    uint8_t resv;
    uint16_t flags; /* IO_URING_OP_SUPPORTED */
    uint32_t resv2;
};

struct io_uring_probe {
    uint8_t last_op;
    uint8_t ops_len;
    uint16_t resv;
    uint32_t resv2[3];
    struct io_uring_probe_op ops[];
};

#define IO_URING_OP_SUPPORTED RING_BIT(0)

/* IORING_REGISTER_RESTRICTIONS */
struct io_uring_restriction {
    uint16_t opcode; /* IORING_RESTRICTION_* */
    union {
        uint8_t register_op;
        uint8_t sqe_op;
        uint8_t sqe_flags;
    };
    uint8_t resv;
    uint32_t resv2[3];
};

enum io_uring_register_restriction_op {
    IORING_RESTRICTION_REGISTER_OP = 0,
    IORING_RESTRICTION_SQE_OP = 1,
    IORING_RESTRICTION_SQE_FLAGS_ALLOWED = 2,
    IORING_RESTRICTION_SQE_FLAGS_REQUIRED = 3,
    IORING_RESTRICTION_LAST = 4,
};

/* The same for a task and its children, ring descriptor -1 (7.0) */
struct io_uring_task_restriction {
    uint16_t flags;
    uint16_t nr_res;
    uint32_t resv[3];
    struct io_uring_restriction restrictions[];
};

/* IORING_REGISTER_IOWQ_MAX_WORKERS: index into its two numbers */
enum io_wq_type {
    IO_WQ_BOUND = 0,
    IO_WQ_UNBOUND = 1,
};

/* IORING_REGISTER_CLOCK */
struct io_uring_clock_register {
    uint32_t clockid;
    uint32_t resv_[3];
};

/* IORING_REGISTER_CLONE_BUFFERS */
struct io_uring_clone_buffers {
    uint32_t src_fd;
    uint32_t flags;   /* IORING_REGISTER_SRC_REGISTERED, DST_REPLACE */
    uint32_t src_off; /* 6.13, with dst_off and nr */
    uint32_t dst_off;
    uint32_t nr;
    uint32_t pad[3];
};

#define IORING_REGISTER_SRC_REGISTERED RING_BIT(0)
#define IORING_REGISTER_DST_REPLACE RING_BIT(1)

/* A provided buffer */
struct io_uring_buf {
    uint64_t addr;
    uint32_t len;
    uint16_t bid;
    uint16_t resv; /* of the first buffer: the ring's tail */
};

struct io_uring_buf_ring {
    uint64_t resv1;
    uint32_t resv2;
    uint16_t resv3;
    uint16_t tail;
};

/* IORING_(UN)REGISTER_PBUF_RING */
struct io_uring_buf_reg {
    uint64_t ring_addr;
    uint32_t ring_entries;
    uint16_t bgid;
    uint16_t flags;    /* IOU_PBUF_RING_* */
    uint32_t min_left; /* 7.1 */
    uint32_t resv[5];
};

#define IOU_PBUF_RING_MMAP RING_BIT(0) /* 6.4 */
#define IOU_PBUF_RING_INC RING_BIT(1)  /* 6.12 */

/* IORING_REGISTER_PBUF_STATUS */
struct io_uring_buf_status {
    uint32_t buf_group;
    uint32_t head; /* out */
    uint32_t resv[8];
};

/* IORING_(UN)REGISTER_NAPI */
struct io_uring_napi {
    uint32_t busy_poll_to; /* microseconds */
    uint8_t prefer_busy_poll;
    uint8_t opcode; /* 6.13, with op_param; 0: set these two */
    uint8_t pad[2];
    uint32_t op_param; /* which sockets: 0 for all that are used */
    uint32_t resv;
};

/* IORING_REGISTER_MEM_REGION */
struct io_uring_region_desc {
    uint64_t user_addr;
    uint64_t size;
    uint32_t flags; /* IORING_MEM_REGION_TYPE_USER */
    uint32_t id;
    uint64_t mmap_offset;
    uint64_t resv_[4];
};

struct io_uring_mem_region_reg {
    uint64_t region_uptr;
    uint64_t flags; /* IORING_MEM_REGION_REG_WAIT_ARG */
    uint64_t resv_[2];
};

#define IORING_MEM_REGION_TYPE_USER RING_BIT(0)
#define IORING_MEM_REGION_REG_WAIT_ARG RING_BIT(0)

/* IORING_REGISTER_SYNC_CANCEL */
struct io_uring_sync_cancel_reg {
    uint64_t addr;
    int32_t fd;
    uint32_t flags;               /* IORING_ASYNC_CANCEL_* */
    struct ring_timespec timeout; /* -1, -1: none */
    uint8_t opcode;
    uint8_t pad[7];
    uint64_t pad2[3];
};

/* IORING_REGISTER_FILE_ALLOC_RANGE */
struct io_uring_file_index_range {
    uint32_t off;
    uint32_t len;
    uint64_t resv;
};

/* IORING_REGISTER_QUERY: a chain of these */
struct io_uring_query_hdr {
    uint64_t next_entry;
    uint64_t query_data;
    uint32_t query_op; /* IO_URING_QUERY_* */
    uint32_t size;
    int32_t result;
    uint32_t resv_[3];
};

enum io_uring_query_op {
    IO_URING_QUERY_OPCODES = 0, /* 6.18 */
    IO_URING_QUERY_ZCRX = 1,    /* 6.19 */
    IO_URING_QUERY_SCQ = 2,
    IO_URING_QUERY_ZCRX_NOTIF = 3, /* 7.2 */
};

struct io_uring_query_opcode {
    uint32_t nr_request_opcodes;
    uint32_t nr_register_opcodes;
    uint64_t feature_flags;
    uint64_t ring_setup_flags;
    uint64_t enter_flags;
    uint64_t sqe_flags;
    uint32_t nr_query_opcodes; /* 6.19 */
    uint32_t pad_;
};

struct io_uring_query_zcrx {
    uint64_t register_flags;
    uint64_t area_flags;
    uint32_t nr_ctrl_opcodes;
    uint32_t features;
    uint32_t rq_hdr_size;
    uint32_t rq_hdr_alignment;
    uint64_t resv2_;
};

struct io_uring_query_scq {
    uint64_t hdr_size;
    uint64_t hdr_alignment;
};

/* IORING_REGISTER_ZCRX_IFQ */
struct io_uring_zcrx_rqe {
    uint64_t off;
    uint32_t len;
    uint32_t pad_;
};

struct io_uring_zcrx_cqe {
    uint64_t off; /* the area's number in the upper 16 bits */
    uint64_t pad_;
};

#define IORING_ZCRX_AREA_SHIFT 48

struct io_uring_zcrx_offsets {
    uint32_t head;
    uint32_t tail;
    uint32_t rqes;
    uint32_t resv2_;
    uint64_t resv_[2];
};

struct io_uring_zcrx_area_reg {
    uint64_t addr;
    uint64_t len;
    uint64_t rq_area_token;
    uint32_t flags; /* IORING_ZCRX_AREA_DMABUF */
    uint32_t dmabuf_fd;
    uint64_t resv2_[2];
};

#define IORING_ZCRX_AREA_DMABUF RING_BIT(0) /* 6.16 */

struct io_uring_zcrx_ifq_reg {
    uint32_t if_idx;
    uint32_t if_rxq;
    uint32_t rq_entries;
    uint32_t flags; /* ZCRX_REG_* */
    uint64_t area_ptr;
    uint64_t region_ptr;
    struct io_uring_zcrx_offsets offsets;
    uint32_t zcrx_id;
    uint32_t rx_buf_len; /* 7.0 */
    uint64_t notif_desc; /* 7.2 */
    uint64_t resv_[2];
};

#define ZCRX_REG_IMPORT RING_BIT(0) /* 6.19 */
#define ZCRX_REG_NODEV RING_BIT(1)  /* 7.1 */
#define ZCRX_FEATURE_RX_PAGE_SIZE RING_BIT(0)
#define ZCRX_FEATURE_NOTIFICATION RING_BIT(1)

/* IORING_REGISTER_ZCRX_CTRL */
enum zcrx_ctrl_op {
    ZCRX_CTRL_FLUSH_RQ = 0, /* 6.19 */
    ZCRX_CTRL_EXPORT = 1,
    ZCRX_CTRL_ARM_NOTIFICATION = 2, /* 7.2 */
};

/* What is told of, by a CQE with the number as its result; 7.2 */
enum zcrx_event_type {
    ZCRX_EVENT_ALLOC_FAIL = 0,
    ZCRX_EVENT_COPY = 1,
};

struct zcrx_event_desc {
    uint64_t user_data;
    uint32_t type_mask;
    uint32_t flags;        /* ZCRX_EVENT_DESC_FLAG_STATS */
    uint64_t stats_offset; /* in the region: two words, pieces and bytes */
    uint64_t resv2_[9];
};

#define ZCRX_EVENT_DESC_FLAG_STATS RING_BIT(0)

struct zcrx_ctrl {
    uint32_t zcrx_id;
    uint32_t op;
    uint64_t resv_[2];
    union {
        uint32_t zcrx_fd;    /* EXPORT, out */
        uint32_t event_type; /* ARM_NOTIFICATION */
        uint64_t argument_[6];
    };
};

/* IORING_REGISTER_BPF_FILTER */
struct io_uring_bpf_filter {
    uint32_t opcode;
    uint32_t flags; /* IO_URING_BPF_FILTER_* */
    uint32_t filter_len;
    uint8_t pdu_size;
    uint8_t resv[3];
    uint64_t filter_ptr;
    uint64_t resv2[5];
};

struct io_uring_bpf {
    uint16_t cmd_type; /* IO_URING_BPF_CMD_FILTER */
    uint16_t cmd_flags;
    uint32_t resv;
    struct io_uring_bpf_filter filter;
};

#define IO_URING_BPF_CMD_FILTER 1
#define IO_URING_BPF_FILTER_DENY_REST RING_BIT(0)
#define IO_URING_BPF_FILTER_SZ_STRICT RING_BIT(1)

RING_SIZE(io_uring_rsrc_register, 32);
RING_OFFSET(io_uring_rsrc_register, data, 16);
RING_SIZE(io_uring_rsrc_update, 16);
RING_OFFSET(io_uring_rsrc_update, data, 8);
RING_SIZE(io_uring_rsrc_update2, 32);
RING_OFFSET(io_uring_rsrc_update2, nr, 24);
RING_SIZE(io_uring_probe_op, 8);
RING_OFFSET(io_uring_probe_op, flags, 2);
RING_SIZE(io_uring_probe, 16);
RING_OFFSET(io_uring_probe, ops, 16);
RING_SIZE(io_uring_restriction, 16);
RING_OFFSET(io_uring_restriction, sqe_op, 2);
RING_SIZE(io_uring_task_restriction, 16);
RING_SIZE(io_uring_clock_register, 16);
RING_SIZE(io_uring_clone_buffers, 32);
RING_SIZE(io_uring_buf, 16);
RING_OFFSET(io_uring_buf, bid, 12);
RING_SIZE(io_uring_buf_ring, 16);
RING_OFFSET(io_uring_buf_ring, tail, offsetof(struct io_uring_buf, resv));
RING_SIZE(io_uring_buf_reg, 40);
RING_OFFSET(io_uring_buf_reg, min_left, 16);
RING_SIZE(io_uring_buf_status, 40);
RING_SIZE(io_uring_napi, 16);
RING_SIZE(io_uring_region_desc, 64);
RING_OFFSET(io_uring_region_desc, mmap_offset, 24);
RING_SIZE(io_uring_mem_region_reg, 32);
RING_SIZE(io_uring_sync_cancel_reg, 64);
RING_OFFSET(io_uring_sync_cancel_reg, opcode, 32);
RING_SIZE(io_uring_file_index_range, 16);
RING_SIZE(io_uring_query_hdr, 40);
RING_OFFSET(io_uring_query_hdr, result, 24);
RING_SIZE(io_uring_query_opcode, 48);
RING_OFFSET(io_uring_query_opcode, nr_query_opcodes, 40);
RING_SIZE(io_uring_query_zcrx, 40);
RING_SIZE(io_uring_query_scq, 16);
RING_SIZE(io_uring_zcrx_rqe, 16);
RING_SIZE(io_uring_zcrx_cqe, 16);
RING_SIZE(io_uring_zcrx_offsets, 32);
RING_SIZE(io_uring_zcrx_area_reg, 48);
RING_SIZE(io_uring_zcrx_ifq_reg, 96);
RING_OFFSET(io_uring_zcrx_ifq_reg, notif_desc, 72);
RING_SIZE(zcrx_ctrl, 72);
RING_SIZE(io_uring_bpf_filter, 64);
RING_SIZE(io_uring_bpf, 72);

#endif
