/* The word of a ReaderWriterLock, for the two files that work on it: rwlock.c and rwread.c. Its
 * states and who may change what: golib/locks/rwlock.go. */
#ifndef FT_RWWORD_H
#define FT_RWWORD_H

#include "core/thread.h"

struct ft_rw {
    struct ft_rw_lock lock;          /* first: Go and the waiting know a lock by its word */
    _Atomic(uint32_t) reads_to_bias; /* counted reads until readers are biased again */
};

/* Of a slot that says Upgradable: see core/thread.h. */
static inline struct ft_rw *
ft_rw_of_upgradable(uintptr_t tag)
{
    uintptr_t at = tag & ~FT_TAG_MASK;
    return (struct ft_rw *)((tag & FT_TAG_COUNTED) != 0 ? at : at - offsetof(struct ft_rw_lock, gate));
}

#define FT_RW_ONE_READER (1ULL << FT_OWNER_SHIFT)

static inline uint64_t
ft_rw_load(struct ft_rw *lock)
{
    return atomic_load(&lock->lock.word);
}

/* Whether the word says that this thread writes; it may have upgraded a read lock to that. */
static inline bool
ft_rw_writes(uint64_t word, const struct ft_thread *self)
{
    return (word & ~(uint64_t)(FT_RW_QUEUE_FLAGS | FT_RW_UPGRADED)) == (self->owner | FT_RW_WRITER);
}

#endif
