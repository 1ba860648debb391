/* SPDX-License-Identifier: MIT */
/*
 * files.c - registered files; FILES_UPDATE, FIXED_FD_INSTALL
 *
 * A file counts its slot and the requests on it; whoever is last closes the
 * descriptor. Then the tag that it was registered with, if any, is told by a
 * CQE, for which a request was set aside when the tag came: telling cannot
 * fail. Slots are chosen in Linux's order, which begins behind the slot filled
 * last, or at the one emptied last. So the numbers are the same.
 */
#include "kernel/emu/files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/emu/internal.h"
#include "ring/abi_register.h"

#define FILES_MAX (1U << 20) /* as Linux */

struct emu_file {
    int fd;
    uint32_t users;         /* its slot, and requests */
    struct request *teller; /* of the tag, or NULL */
    struct emu_file *next_dropped;
};

/* ---- one file ------------------------------------------------------------ */

static void file_drop(struct emu *emu, struct emu_file *file)
{
    ASSERT(file->users > 0);
    if (--file->users > 0)
        return;
    wait_close(emu, file->fd);
    if (file->teller != NULL)
        request_complete(emu, file->teller, 0);
    alloc_free(file);
}

/* Its tag is not told: the registration that brought it has failed. */
static void file_untag(struct emu *emu, struct emu_file *file)
{
    if (file->teller != NULL) {
        file->teller->place = EMU_FREE;
        request_release(emu, file->teller);
    }
    file->teller = NULL;
}

/* Takes `fd` over, also if it fails. */
static struct emu_file *file_create(struct emu *emu, int fd, uint64_t tag)
{
    struct io_uring_sqe sqe = { .user_data = tag };
    struct emu_file *file = alloc_zeroed(1, sizeof *file);

    if (file != NULL && tag != 0) {
        file->teller = request_new(emu, &sqe);
        if (file->teller == NULL) {
            alloc_free(file);
            file = NULL;
        }
    }
    if (file == NULL) {
        (void)close(fd);
        return NULL;
    }
    file->fd = fd;
    file->users = 1;
    return file;
}

/* ---- the table ----------------------------------------------------------- */

static struct emu_file *slot_file(const struct emu_files *files, uint32_t slot)
{
    if (slot >= files->count)
        return NULL;
    return atomic_load_explicit(&files->slots[slot], memory_order_acquire);
}

/* Under the lock. */
static struct emu_file *slot_swap(struct emu_files *files, uint32_t slot,
                                  struct emu_file *file)
{
    return atomic_exchange_explicit(&files->slots[slot], file,
                                    memory_order_acq_rel);
}

/* Was there a file in it? */
static bool slot_clear(struct emu *emu, uint32_t slot)
{
    struct emu_files *files = &emu->files;
    struct emu_file *file;

    pthread_mutex_lock(&files->lock);
    file = slot_swap(files, slot, NULL);
    if (file != NULL)
        files->auto_next = slot;
    pthread_mutex_unlock(&files->lock);
    if (file == NULL)
        return false;
    file_drop(emu, file);
    return true;
}

static int slot_choose_from(const struct emu_files *files, uint32_t first,
                            uint32_t end)
{
    for (uint32_t slot = first; slot < end; slot++)
        if (slot_file(files, slot) == NULL)
            return (int)slot;
    return -ENFILE;
}

static int slot_choose(const struct emu_files *files)
{
    uint32_t next = files->auto_next;
    int slot;

    if (files->slots == NULL)
        return -ENFILE;
    if (next < files->auto_first || next > files->auto_end)
        next = files->auto_first;
    slot = slot_choose_from(files, next, files->auto_end);
    return slot >= 0 ? slot : slot_choose_from(files, files->auto_first, next);
}

/* Under the lock: into slot `index` - 1, or any. `*old` is what was there. */
static int slot_put(struct emu_files *files, struct emu_file *file,
                    uint32_t index, struct emu_file **old)
{
    bool any = index == IORING_FILE_INDEX_ALLOC;
    int slot = any ? slot_choose(files) : 0;
    uint32_t at = any ? (uint32_t)slot : index - 1;

    if (slot < 0)
        return slot;
    if (files->slots == NULL || at >= files->count)
        return files->slots == NULL ? -ENXIO : -EINVAL;
    *old = slot_swap(files, at, file);
    files->auto_next = at + 1;
    return slot;
}

/* The owner's: takes the file over, also if it fails. */
static int slot_fill(struct emu *emu, struct emu_file *file, uint32_t index)
{
    struct emu_file *old = NULL;
    int slot;

    pthread_mutex_lock(&emu->files.lock);
    slot = slot_put(&emu->files, file, index, &old);
    pthread_mutex_unlock(&emu->files.lock);
    if (slot < 0)
        old = file;
    if (old != NULL)
        file_drop(emu, old);
    return slot;
}

/* Put a descriptor, which is taken over in any case, into slot `index` - 1, or
 * any. */
static int slot_install(struct emu *emu, int fd, uint32_t index)
{
    struct emu_file *file = file_create(emu, fd, 0);

    return file != NULL ? slot_fill(emu, file, index) : -ENOMEM;
}

/* ---- from other threads -------------------------------------------------- */

/* Under the lock. */
static void file_leave_to_owner(struct emu_files *files, struct emu_file *file)
{
    file->next_dropped =
        atomic_load_explicit(&files->dropped, memory_order_relaxed);
    atomic_store_explicit(&files->dropped, file, memory_order_relaxed);
}

/* Told under the lock, so what cannot be told has not happened. */
static int file_give(struct emu_files *files, struct emu_file *file,
                     uint32_t index, struct kernel *told, uint64_t user_data)
{
    uint32_t next = files->auto_next;
    struct emu_file *old = NULL;
    int slot = slot_put(files, file, index, &old);
    int error;

    if (slot < 0)
        return slot;
    error = told->class->post(told, user_data, slot, 0);
    if (error < 0) {
        (void)slot_swap(files, files->auto_next - 1, old);
        files->auto_next = next;
        return error;
    }
    if (old != NULL)
        file_leave_to_owner(files, old);
    return slot;
}

int files_give(struct emu *emu, struct kernel *told, int fd, uint32_t index,
               uint64_t user_data)
{
    struct emu_file *file = alloc_zeroed(1, sizeof *file);
    int slot;

    if (file == NULL)
        return -ENOMEM;
    file->users = 1;
    file->fd = emu_result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (file->fd < 0) {
        slot = file->fd;
        alloc_free(file);
        return slot;
    }
    pthread_mutex_lock(&emu->files.lock);
    slot = file_give(&emu->files, file, index, told, user_data);
    pthread_mutex_unlock(&emu->files.lock);
    if (slot < 0) {
        (void)close(file->fd);
        alloc_free(file);
    } else {
        emu_signal(emu->event_fd); /* there may be one to let go of */
    }
    return slot;
}

static struct emu_file *files_take_dropped(struct emu_files *files)
{
    struct emu_file *dropped;

    if (LIKELY(atomic_load_explicit(&files->dropped, memory_order_relaxed) ==
               NULL))
        return NULL;
    pthread_mutex_lock(&files->lock);
    dropped =
        atomic_exchange_explicit(&files->dropped, NULL, memory_order_relaxed);
    pthread_mutex_unlock(&files->lock);
    return dropped;
}

void files_collect(struct emu *emu)
{
    struct emu_file *file = files_take_dropped(&emu->files);

    while (file != NULL) {
        struct emu_file *next = file->next_dropped;

        file_drop(emu, file);
        file = next;
    }
}

/* ---- the whole table ----------------------------------------------------- */

int files_close(struct emu *emu, uint32_t slot)
{
    if (emu->files.slots == NULL)
        return -ENXIO;
    if (slot >= emu->files.count)
        return -EINVAL;
    return slot_clear(emu, slot) ? 0 : -EBADF;
}

static void files_clear(struct emu *emu)
{
    struct emu_files *files = &emu->files;
    _Atomic(struct emu_file *) *slots = files->slots;
    uint32_t count = files->count;

    pthread_mutex_lock(&files->lock);
    files->slots = NULL;
    files->count = 0;
    files->auto_first = files->auto_end = files->auto_next = 0;
    pthread_mutex_unlock(&files->lock);
    for (uint32_t slot = 0; slot < count; slot++) {
        struct emu_file *file =
            atomic_load_explicit(&slots[slot], memory_order_relaxed);

        if (file != NULL)
            file_drop(emu, file);
    }
    alloc_free(slots);
}

void files_init(struct emu *emu)
{
    pthread_mutex_init(&emu->files.lock, NULL);
}

/* No request is left, so nobody is told. */
static void file_destroy(struct emu_file *file)
{
    ASSERT(file->users == 1);
    (void)close(file->fd);
    alloc_free(file);
}

/* No other thread finds the emulator any more. */
void files_deinit(struct emu *emu)
{
    struct emu_file *file = files_take_dropped(&emu->files);

    while (file != NULL) {
        struct emu_file *next = file->next_dropped;

        file_destroy(file);
        file = next;
    }
    for (uint32_t slot = 0; slot < emu->files.count; slot++) {
        file = slot_file(&emu->files, slot);
        if (file != NULL)
            file_destroy(file);
    }
    alloc_free(emu->files.slots);
    pthread_mutex_destroy(&emu->files.lock);
}

/* ---- requests ------------------------------------------------------------ */

static struct emu_file *file_of(struct emu *emu, uint32_t slot)
{
    struct emu_file *file = slot_file(&emu->files, slot);

    if (file != NULL)
        file->users++;
    return file;
}

bool files_are_passed(const struct io_uring_sqe *sqe)
{
    return sqe->opcode == IORING_OP_MSG_RING && sqe->addr == IORING_MSG_SEND_FD;
}

int files_passed(const struct request *r)
{
    return r->files[0] != NULL ? r->files[0]->fd : -EBADF;
}

bool files_are_named(const struct io_uring_sqe *sqe)
{
    const struct emu_op *op = op_find(sqe->opcode);

    if ((sqe->flags & IOSQE_FIXED_FILE) != 0)
        return true;
    if (op == NULL)
        return false;
    return sqe->opcode == IORING_OP_FILES_UPDATE || files_are_passed(sqe) ||
           ((op->opens || sqe->opcode == IORING_OP_CLOSE) &&
            sqe->file_index != 0) ||
           (op->splices && (sqe->splice_flags & SPLICE_F_FD_IN_FIXED) != 0);
}

int files_look(const struct emu *emu, uint32_t slot)
{
    const struct emu_file *file = slot_file(&emu->files, slot);

    return file != NULL ? file->fd : -EBADF;
}

int files_take(struct emu *emu, struct request *r)
{
    struct io_uring_sqe *sqe = &r->sqe;

    if ((sqe->flags & IOSQE_FIXED_FILE) != 0 && !r->op->no_file) {
        r->files[0] = file_of(emu, (uint32_t)sqe->fd);
        if (r->files[0] == NULL)
            return -EBADF;
        sqe->fd = r->files[0]->fd;
    }
    /* If it is none, that is found later: after what is wrong with the target.
     */
    if (files_are_passed(sqe))
        r->files[0] = file_of(emu, (uint32_t)sqe->addr3);
    if (r->op->splices && (sqe->splice_flags & SPLICE_F_FD_IN_FIXED) != 0) {
        r->files[1] = file_of(emu, (uint32_t)sqe->splice_fd_in);
        if (r->files[1] == NULL)
            return -EBADF;
        sqe->splice_fd_in = r->files[1]->fd;
        sqe->splice_flags &= ~SPLICE_F_FD_IN_FIXED;
    }
    return 0;
}

int files_settle(struct emu *emu, const struct request *r, int result)
{
    if (result < 0 || r->op == NULL || !r->op->opens || r->sqe.file_index == 0)
        return result;
    return slot_install(emu, result, r->sqe.file_index);
}

void files_drop(struct emu *emu, struct emu_file *const files[2])
{
    for (int i = 0; i < 2; i++)
        if (files[i] != NULL)
            file_drop(emu, files[i]);
}

struct emu_file *files_at(const struct emu *emu, uint32_t slot)
{
    return slot_file(&emu->files, slot);
}

/* ---- updates ------------------------------------------------------------- */

/* Element `i` of an array of the caller's. */
static int element(void *to, uint64_t array, uint32_t i, size_t size)
{
    return copy_in(to, array + i * size, size);
}

static int update_one(struct emu *emu, uint32_t slot, int fd, uint64_t tag)
{
    struct emu_file *file;

    if ((fd == IORING_REGISTER_FILES_SKIP || fd == -1) && tag != 0)
        return -EINVAL;
    if (fd == IORING_REGISTER_FILES_SKIP)
        return 0;
    (void)slot_clear(emu, slot);
    if (fd == -1)
        return 0;
    /* A table may not hold a ring, which it might be the table of. */
    if (kernel_kind_at(fd) != KERNEL_NONE)
        return -EBADF;
    fd = emu_result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (fd < 0)
        return fd;
    file = file_create(emu, fd, tag);
    if (file == NULL)
        return -ENOMEM;
    return slot_fill(emu, file, slot + 1);
}

/* How many slots were done; `error` says what stopped it, if it is fewer. */
static uint32_t update_each(struct emu *emu, uint32_t first, uint64_t fds,
                            uint64_t tags, uint32_t count, int *error)
{
    for (uint32_t done = 0; done < count; done++) {
        uint64_t tag = 0;
        int fd = -1;

        *error = element(&fd, fds, done, sizeof fd);
        if (*error == 0 && tags != 0)
            *error = element(&tag, tags, done, sizeof tag);
        if (*error == 0)
            *error = update_one(emu, first + done, fd, tag);
        if (*error != 0)
            return done;
    }
    return count;
}

/* How many slots were done; or, if none, the error. */
static int files_update(struct emu *emu, uint32_t first, uint64_t fds,
                        uint64_t tags, uint32_t count)
{
    uint32_t done, end;
    int error;

    if (emu->files.slots == NULL)
        return -ENXIO;
    if (__builtin_add_overflow(first, count, &end))
        return -EOVERFLOW;
    if (end > emu->files.count)
        return -EINVAL;
    done = update_each(emu, first, fds, tags, count, &error);
    return done > 0 ? (int)done : error;
}

/* Each descriptor into a slot of the table's choice, whose number takes its
 * place in the array. */
static int files_update_any(struct emu *emu, uint64_t fds, uint32_t count)
{
    uint32_t done = 0;
    int result = 0;

    if (emu->files.slots == NULL)
        return -ENXIO;
    for (; done < count; done++) {
        int fd = -1;

        result = element(&fd, fds, done, sizeof fd);
        if (result == 0)
            result = emu_result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
        if (result >= 0)
            result = slot_install(emu, result, IORING_FILE_INDEX_ALLOC);
        if (result < 0)
            break;
        if (copy_out(fds + done * sizeof result, &result, sizeof result) != 0) {
            (void)slot_clear(emu, (uint32_t)result);
            result = -EFAULT;
            break;
        }
    }
    return done > 0 ? (int)done : result;
}

int files_update_check(const struct io_uring_sqe *sqe)
{
    return (sqe->flags & IOSQE_FIXED_FILE) != 0 || sqe->rw_flags != 0 ||
                   sqe->splice_fd_in != 0 || sqe->len == 0
               ? -EINVAL
               : 0;
}

int files_update_begin(struct emu *emu, struct request *r)
{
    const struct io_uring_sqe *sqe = &r->sqe;
    uint32_t first = (uint32_t)sqe->off;

    if (first == IORING_FILE_INDEX_ALLOC)
        return files_update_any(emu, sqe->addr, sqe->len);
    return files_update(emu, first, sqe->addr, 0, sqe->len);
}

int files_export_check(const struct io_uring_sqe *sqe)
{
    if ((sqe->flags & IOSQE_FIXED_FILE) == 0)
        return -EBADF;
    return sqe->off != 0 || sqe->addr != 0 || sqe->len != 0 ||
                   sqe->buf_index != 0 || sqe->splice_fd_in != 0 ||
                   sqe->addr3 != 0 ||
                   (sqe->install_fd_flags & ~IORING_FIXED_FD_NO_CLOEXEC) != 0
               ? -EINVAL
               : 0;
}

int files_export(struct request *r)
{
    bool inherited = (r->sqe.install_fd_flags & IORING_FIXED_FD_NO_CLOEXEC) !=
                     0;

    return emu_result(
        fcntl(r->sqe.fd, inherited ? F_DUPFD : F_DUPFD_CLOEXEC, 0));
}

/* ---- registration -------------------------------------------------------- */

static int table_create(struct emu *emu, uint32_t count)
{
    _Atomic(struct emu_file *) *slots;
    struct rlimit limit;

    if (emu->files.slots != NULL)
        return -EBUSY;
    if (count == 0)
        return -EINVAL;
    if (count > FILES_MAX ||
        (getrlimit(RLIMIT_NOFILE, &limit) == 0 && count > limit.rlim_cur))
        return -EMFILE;
    slots = alloc_zeroed(count, sizeof *slots);
    if (slots == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&emu->files.lock);
    emu->files.slots = slots;
    emu->files.count = count;
    emu->files.auto_end = count;
    pthread_mutex_unlock(&emu->files.lock);
    return 0;
}

static int table_register(struct emu *emu, uint64_t fds, uint64_t tags,
                          uint32_t count)
{
    int error = table_create(emu, count);
    uint32_t done;

    if (error != 0 || fds == 0)
        return error;
    done = update_each(emu, 0, fds, tags, count, &error);
    pthread_mutex_lock(&emu->files.lock);
    emu->files.auto_next = 0;
    pthread_mutex_unlock(&emu->files.lock);
    if (done == count)
        return 0;
    for (uint32_t slot = 0; slot < done; slot++) {
        struct emu_file *file = slot_file(&emu->files, slot);

        if (file != NULL)
            file_untag(emu, file);
    }
    files_clear(emu);
    return error;
}

static int table_register2(struct emu *emu,
                           const struct io_uring_rsrc_register *asked,
                           unsigned size)
{
    bool sparse = (asked->flags & IORING_RSRC_REGISTER_SPARSE) != 0;

    if (size != sizeof *asked || asked->resv2 != 0 ||
        (asked->flags & ~IORING_RSRC_REGISTER_SPARSE) != 0 ||
        (sparse && asked->data != 0))
        return -EINVAL;
    return table_register(emu, asked->data, asked->tags, asked->nr);
}

static int table_update(struct emu *emu,
                        const struct io_uring_rsrc_update *asked,
                        unsigned count)
{
    if (count == 0 || asked->resv != 0)
        return -EINVAL;
    return files_update(emu, asked->offset, asked->data, 0, count);
}

static int table_update2(struct emu *emu,
                         const struct io_uring_rsrc_update2 *asked,
                         unsigned size)
{
    if (size != sizeof *asked || asked->nr == 0 || asked->resv != 0 ||
        asked->resv2 != 0)
        return -EINVAL;
    return files_update(emu, asked->offset, asked->data, asked->tags,
                        asked->nr);
}

static int table_range(struct emu *emu,
                       const struct io_uring_file_index_range *range)
{
    uint32_t end;

    if (__builtin_add_overflow(range->off, range->len, &end))
        return -EOVERFLOW;
    if (range->resv != 0 || end > emu->files.count)
        return -EINVAL;
    pthread_mutex_lock(&emu->files.lock);
    emu->files.auto_first = range->off;
    emu->files.auto_end = end;
    emu->files.auto_next = range->off;
    pthread_mutex_unlock(&emu->files.lock);
    return 0;
}

static int table_unregister(struct emu *emu)
{
    if (emu->files.slots == NULL)
        return -ENXIO;
    files_clear(emu);
    return 0;
}

/* The arguments of our own loop: not looked at as a stranger's memory is. */
int files_register(struct emu *emu, unsigned opcode, void *arg, unsigned count)
{
    switch (opcode) {
    case IORING_REGISTER_FILES:
        if (arg == NULL)
            return -EFAULT;
        return table_register(emu, (uintptr_t)arg, 0, count);
    case IORING_REGISTER_FILES2:
        return table_register2(emu, arg, count);
    case IORING_UNREGISTER_FILES:
        return arg != NULL || count != 0 ? -EINVAL : table_unregister(emu);
    case IORING_REGISTER_FILES_UPDATE:
        return table_update(emu, arg, count);
    case IORING_REGISTER_FILES_UPDATE2:
        return table_update2(emu, arg, count);
    case IORING_REGISTER_FILE_ALLOC_RANGE:
        return arg == NULL || count != 0 ? -EINVAL : table_range(emu, arg);
    default:
        return -EOPNOTSUPP;
    }
}
