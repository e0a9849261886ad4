/* The backends whose memory is the process's own: ref, cpu and meta.
 *
 * Address space is reserved once without being used; pages come into being when
 * they are touched and are given back when a plan turns out smaller.
 */
#include "core/backend.h"
#include "core/registry.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *host_open(tern_error *error)
{
    static char nothing; /* no state: any address that is not NULL will do */
    (void)error;
    return &nothing;
}

static void host_close(void *state)
{
    (void)state;
}

static void *host_reserve(void *state, size_t bytes, tern_error *error)
{
    (void)state;
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        tern_error_set(error, TERN_ERR_MEMORY, "cannot reserve %zu MiB of address space: %s",
                       bytes >> 20, strerror(errno));
        return NULL;
    }
    return base;
}

static bool host_commit(void *state, void *base, size_t old_bytes, size_t new_bytes,
                        tern_error *error)
{
    enum { PAGE = 1 << 21, LARGE = 4 << 20 };
    (void)state;
    (void)error;
    /* A wish; kernels without them are fine too.  Small regions would waste most of one. */
    if (new_bytes > old_bytes && new_bytes >= LARGE)
        madvise(base, new_bytes, MADV_HUGEPAGE);
    /* Back go whole huge pages, or the kernel splits them. */
    size_t from = (new_bytes + PAGE - 1) / PAGE * PAGE;
    if (from < old_bytes)
        madvise((char *)base + from, old_bytes - from, MADV_DONTNEED);
    return true;
}

static void host_release(void *state, void *base, size_t bytes)
{
    (void)state;
    munmap(base, bytes);
}

static size_t host_discard(void *state, void *base, size_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)base;
    uintptr_t from = (begin + page - 1) / page * page, to = (begin + bytes) / page * page;
    (void)state;
    if (from >= to)
        return 0;
    /* The memory of a huge page comes back only when all of it is given up. */
    madvise((char *)base + (from - begin), to - from, MADV_NOHUGEPAGE);
    bool given = madvise((char *)base + (from - begin), to - from, MADV_DONTNEED) == 0;
    return given ? to - from : 0;
}

static bool host_copy(void *state, void *to, const void *from, size_t bytes, tern_error *error)
{
    (void)state;
    (void)error;
    memmove(to, from, bytes);
    return true;
}

static bool host_fill(void *state, void *to, int byte, size_t bytes, tern_error *error)
{
    (void)state;
    (void)error;
    memset(to, byte, bytes);
    return true;
}

const tern_backend tern_backend_ref = {
    .name = "ref", .real = TERN_F64, .host_memory = true, .computes = true,
    .open = host_open, .close = host_close, .reserve = host_reserve, .commit = host_commit,
    .release = host_release, .copy_in = host_copy, .copy_out = host_copy,
    .fill = host_fill, .copy = host_copy, .discard = host_discard,
};

const tern_backend tern_backend_cpu = {
    .name = "cpu", .real = TERN_F32, .host_memory = true, .computes = true,
    .open = host_open, .close = host_close, .reserve = host_reserve, .commit = host_commit,
    .release = host_release, .copy_in = host_copy, .copy_out = host_copy,
    .fill = host_fill, .copy = host_copy, .discard = host_discard,
};

/* Shapes, parameters, FLOPs and the memory plan, without memory. */
const tern_backend tern_backend_meta = {
    .name = "meta", .real = TERN_F32, .host_memory = true, .computes = false,
    .open = host_open, .close = host_close,
};
