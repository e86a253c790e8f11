/* ReaderWriterLock: the operations, without Python's types around them.
 *
 * The word, its states and who may change what: golib/locks/rwlock.go. The C side adds the
 * reading without a shared write (rwread.c). All operations return 1, or 0 when it could not
 * be done in time, or -1 with an exception set and nothing changed. */
#ifndef FT_RWLOCK_H
#define FT_RWLOCK_H

#include "lockobj.h"

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    struct ft_rw_lock lock;
    _Atomic(uint32_t) reads_to_bias; /* counted reads until readers are biased again */
} ReaderWriterLock;

#define FT_RW_ONE_READER (1ULL << FT_OWNER_SHIFT)
#define FT_RW_QUEUE_FLAGS \
    (FT_RW_WRITERS_PARKED | FT_RW_READERS_PARKED | FT_RW_WOKEN | FT_RW_HANDOFF | FT_RW_OWED)

static inline uint64_t
ft_rw_load(ReaderWriterLock *lock)
{
    return atomic_load(&lock->lock.word);
}

/* Whether the word says that this thread writes. */
static inline bool
ft_rw_writes(uint64_t word, const struct ft_thread *self)
{
    return (word & ~(uint64_t)FT_RW_QUEUE_FLAGS) == (self->owner | FT_RW_WRITER);
}

/* The type's deallocator. */
void ft_rw_dealloc(PyObject *op);

/* Makes the exception of a lock in a with statement, once for each module. */
PyObject *ft_rw_no_side(void);

int ft_rw_read(ReaderWriterLock *lock, int64_t deadline);
int ft_rw_write(ReaderWriterLock *lock, int64_t deadline);
int ft_rw_unread(ReaderWriterLock *lock);
int ft_rw_unwrite(ReaderWriterLock *lock);
int ft_rw_downgrade(ReaderWriterLock *lock);

/* Take a lock that this thread does not hold, as ft_rw_read and ft_rw_write, but signals wait. */
int ft_rw_reread(ReaderWriterLock *lock);
int ft_rw_rewrite(ReaderWriterLock *lock);

/* Read locks held, by all threads or by this one. */
int64_t ft_rw_readers(ReaderWriterLock *lock);
int64_t ft_rw_my_reads(ReaderWriterLock *lock, const struct ft_thread *self);
int64_t ft_rw_waiting(ReaderWriterLock *lock, uint32_t kind);

/* Called when the object goes: no record may name it afterwards. */
void ft_rw_forget(ReaderWriterLock *lock);

#endif
