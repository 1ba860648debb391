/* SPDX-License-Identifier: MIT */
/*
 * register.c - liburing's functions around io_uring_register(2)
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "library.h"

static int call(const struct io_uring *ring, unsigned opcode,
                const void *argument, unsigned count)
{
    if ((ring->int_flags & LIBRARY_REGISTERED) != 0 && ring->ring_fd < 0)
        return library_register((unsigned)ring->enter_ring_fd,
                                opcode | IORING_REGISTER_USE_REGISTERED_RING,
                                argument, count);
    return library_register((unsigned)ring->ring_fd, opcode, argument, count);
}

/* Of calls whose only good result is 0, for programs that were told so. */
static int call_plain(const struct io_uring *ring, unsigned opcode,
                      const void *argument, unsigned count)
{
    int result = call(ring, opcode, argument, count);

    return result < 0 ? result : 0;
}

/* ---- buffers ------------------------------------------------------------- */

int io_uring_register_buffers(struct io_uring *ring, const struct iovec *iov,
                              unsigned count)
{
    return call_plain(ring, IORING_REGISTER_BUFFERS, iov, count);
}

int io_uring_register_buffers_tags(struct io_uring *ring,
                                   const struct iovec *iov,
                                   const uint64_t *tags, unsigned count)
{
    const struct io_uring_rsrc_register asked = { .nr = count,
                                                  .data = (uintptr_t)iov,
                                                  .tags = (uintptr_t)tags };

    return call(ring, IORING_REGISTER_BUFFERS2, &asked, sizeof asked);
}

int io_uring_register_buffers_sparse(struct io_uring *ring, unsigned count)
{
    const struct io_uring_rsrc_register asked = {
        .nr = count, .flags = IORING_RSRC_REGISTER_SPARSE
    };

    return call(ring, IORING_REGISTER_BUFFERS2, &asked, sizeof asked);
}

int io_uring_register_buffers_update_tag(struct io_uring *ring, unsigned offset,
                                         const struct iovec *iov,
                                         const uint64_t *tags, unsigned count)
{
    const struct io_uring_rsrc_update2 asked = { .offset = offset,
                                                 .data = (uintptr_t)iov,
                                                 .tags = (uintptr_t)tags,
                                                 .nr = count };

    return call(ring, IORING_REGISTER_BUFFERS_UPDATE, &asked, sizeof asked);
}

int io_uring_unregister_buffers(struct io_uring *ring)
{
    return call_plain(ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
}

/* ---- files --------------------------------------------------------------- */

/* A table counts against the limit of descriptors, and needs none: once, the
 * limit is raised by as much as it may. */
static int call_with_files(const struct io_uring *ring, unsigned opcode,
                           const void *argument, unsigned count, unsigned files)
{
    int result = call(ring, opcode, argument, count);
    struct rlimit limit;
    int saved = errno;

    if (result != -EMFILE || getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
        limit.rlim_cur >= files)
        return result;
    limit.rlim_cur += files;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    errno = saved;
    return call(ring, opcode, argument, count);
}

int io_uring_register_files(struct io_uring *ring, const int *files,
                            unsigned count)
{
    return call_with_files(ring, IORING_REGISTER_FILES, files, count, count);
}

int io_uring_register_files_tags(struct io_uring *ring, const int *files,
                                 const uint64_t *tags, unsigned count)
{
    const struct io_uring_rsrc_register asked = { .nr = count,
                                                  .data = (uintptr_t)files,
                                                  .tags = (uintptr_t)tags };

    return call_with_files(ring, IORING_REGISTER_FILES2, &asked, sizeof asked,
                           count);
}

int io_uring_register_files_sparse(struct io_uring *ring, unsigned count)
{
    const struct io_uring_rsrc_register asked = {
        .nr = count, .flags = IORING_RSRC_REGISTER_SPARSE
    };

    return call_with_files(ring, IORING_REGISTER_FILES2, &asked, sizeof asked,
                           count);
}

int io_uring_register_files_update(struct io_uring *ring, unsigned offset,
                                   const int *files, unsigned count)
{
    const struct io_uring_rsrc_update asked = { .offset = offset,
                                                .data = (uintptr_t)files };

    return call(ring, IORING_REGISTER_FILES_UPDATE, &asked, count);
}

int io_uring_register_files_update_tag(struct io_uring *ring, unsigned offset,
                                       const int *files, const uint64_t *tags,
                                       unsigned count)
{
    const struct io_uring_rsrc_update2 asked = { .offset = offset,
                                                 .data = (uintptr_t)files,
                                                 .tags = (uintptr_t)tags,
                                                 .nr = count };

    return call(ring, IORING_REGISTER_FILES_UPDATE2, &asked, sizeof asked);
}

int io_uring_unregister_files(struct io_uring *ring)
{
    return call_plain(ring, IORING_UNREGISTER_FILES, NULL, 0);
}

int io_uring_register_file_alloc_range(struct io_uring *ring, unsigned offset,
                                       unsigned count)
{
    const struct io_uring_file_index_range range = { .off = offset,
                                                     .len = count };

    return call(ring, IORING_REGISTER_FILE_ALLOC_RANGE, &range, 0);
}

/* ---- eventfd, probe, personality, restrictions --------------------------- */

int io_uring_register_eventfd(struct io_uring *ring, int fd)
{
    return call_plain(ring, IORING_REGISTER_EVENTFD, &fd, 1);
}

int io_uring_register_eventfd_async(struct io_uring *ring, int fd)
{
    return call_plain(ring, IORING_REGISTER_EVENTFD_ASYNC, &fd, 1);
}

int io_uring_unregister_eventfd(struct io_uring *ring)
{
    return call_plain(ring, IORING_UNREGISTER_EVENTFD, NULL, 0);
}

int io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe,
                            unsigned count)
{
    return call_plain(ring, IORING_REGISTER_PROBE, probe, count);
}

int io_uring_register_personality(struct io_uring *ring)
{
    return call(ring, IORING_REGISTER_PERSONALITY, NULL, 0);
}

int io_uring_unregister_personality(struct io_uring *ring, int id)
{
    return call(ring, IORING_UNREGISTER_PERSONALITY, NULL, (unsigned)id);
}

int io_uring_register_restrictions(struct io_uring *ring,
                                   struct io_uring_restriction *restrictions,
                                   unsigned count)
{
    return call_plain(ring, IORING_REGISTER_RESTRICTIONS, restrictions, count);
}

int io_uring_enable_rings(struct io_uring *ring)
{
    return call(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* ---- Linux's threads ----------------------------------------------------- */

int io_uring_register_iowq_aff(struct io_uring *ring, size_t size,
                               const cpu_set_t *mask)
{
    if (size >= UINT32_C(1) << 31)
        return -EINVAL;
    return call(ring, IORING_REGISTER_IOWQ_AFF, mask, (unsigned)size);
}

int io_uring_unregister_iowq_aff(struct io_uring *ring)
{
    return call(ring, IORING_UNREGISTER_IOWQ_AFF, NULL, 0);
}

int io_uring_register_iowq_max_workers(struct io_uring *ring, unsigned *values)
{
    return call(ring, IORING_REGISTER_IOWQ_MAX_WORKERS, values, 2);
}

/* ---- the ring's own descriptor ------------------------------------------- */

int io_uring_register_ring_fd(struct io_uring *ring)
{
    struct io_uring_rsrc_update asked = { .offset = UINT32_MAX,
                                          .data = (uint64_t)ring->ring_fd };
    int result = call(ring, IORING_REGISTER_RING_FDS, &asked, 1);

    if (result == 1) {
        ring->enter_ring_fd = (int)asked.offset;
        ring->int_flags |= LIBRARY_REGISTERED;
    }
    return result;
}

int io_uring_unregister_ring_fd(struct io_uring *ring)
{
    const struct io_uring_rsrc_update asked = {
        .offset = (uint32_t)ring->enter_ring_fd
    };
    int result;

    if ((ring->int_flags & LIBRARY_REGISTERED) == 0)
        return -EINVAL;
    result = call(ring, IORING_UNREGISTER_RING_FDS, &asked, 1);
    if (result == 1) {
        ring->enter_ring_fd = ring->ring_fd;
        ring->int_flags &= (uint8_t)~LIBRARY_REGISTERED;
    }
    return result;
}

/* Only Linux's rings live without a descriptor. */
int io_uring_close_ring_fd(struct io_uring *ring)
{
    if ((ring->features & IORING_FEAT_REG_REG_RING) == 0)
        return -EOPNOTSUPP;
    if ((ring->int_flags & LIBRARY_REGISTERED) == 0)
        return -EINVAL;
    if (ring->ring_fd < 0)
        return -EBADF;
    (void)close(ring->ring_fd);
    ring->ring_fd = -1;
    return 1;
}

/* ---- groups of buffers --------------------------------------------------- */

int io_uring_register_buf_ring(struct io_uring *ring,
                               struct io_uring_buf_reg *reg, unsigned flags)
{
    reg->flags |= (uint16_t)flags;
    return call(ring, IORING_REGISTER_PBUF_RING, reg, 1);
}

int io_uring_unregister_buf_ring(struct io_uring *ring, int group)
{
    const struct io_uring_buf_reg reg = { .bgid = (uint16_t)group };

    return call(ring, IORING_UNREGISTER_PBUF_RING, &reg, 1);
}

struct io_uring_buf_ring *io_uring_setup_buf_ring(struct io_uring *ring,
                                                  unsigned entries, int group,
                                                  unsigned flags, int *error)
{
    size_t size = entries * sizeof(struct io_uring_buf);
    struct io_uring_buf_reg reg = { .ring_entries = entries,
                                    .bgid = (uint16_t)group };
    void *buffers = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

    *error = 0;
    if (buffers == MAP_FAILED) {
        *error = -errno;
        return NULL;
    }
    reg.ring_addr = (uintptr_t)buffers;
    *error = io_uring_register_buf_ring(ring, &reg, flags);
    if (*error == 0)
        return buffers;
    (void)munmap(buffers, size);
    return NULL;
}

int io_uring_free_buf_ring(struct io_uring *ring,
                           struct io_uring_buf_ring *buffers, unsigned entries,
                           int group)
{
    int error = io_uring_unregister_buf_ring(ring, group);

    if (error == 0)
        (void)munmap(buffers, entries * sizeof(struct io_uring_buf));
    return error;
}

int io_uring_buf_ring_head(struct io_uring *ring, int group, uint16_t *head)
{
    struct io_uring_buf_status status = { .buf_group = (uint32_t)group };
    int error = call(ring, IORING_REGISTER_PBUF_STATUS, &status, 1);

    if (error == 0)
        *head = (uint16_t)status.head;
    return error;
}

/* ---- cancelling ---------------------------------------------------------- */

int io_uring_register_sync_cancel(struct io_uring *ring,
                                  struct io_uring_sync_cancel_reg *reg)
{
    return call(ring, IORING_REGISTER_SYNC_CANCEL, reg, 1);
}
