/* ReaderWriterLock: the operations, without Python's types around them.
 *
 * The word, its states and who may change what: golib/locks/rwlock.go. C adds the
 * reading without a shared write (rwread.c). All operations return 1, or 0 when it could not
 * be done in time, or -1 with an exception set and nothing changed. */
#ifndef FT_RWLOCK_H
#define FT_RWLOCK_H

#include "locks/rwword.h"

int ft_rw_read(struct ft_rw *lock, int64_t deadline);
int ft_rw_write(struct ft_rw *lock, int64_t deadline);
int ft_rw_unread(struct ft_rw *lock);
int ft_rw_unwrite(struct ft_rw *lock);
int ft_rw_downgrade(struct ft_rw *lock);

/* Take a lock that this thread does not hold, as ft_rw_read and ft_rw_write, but signals wait. */
int ft_rw_reread(struct ft_rw *lock);
int ft_rw_rewrite(struct ft_rw *lock);

/* Read locks held, by all threads or by this one. */
int64_t ft_rw_readers(struct ft_rw *lock);
int64_t ft_rw_my_reads(struct ft_rw *lock, const struct ft_thread *self);

/* Those of any thread. Under the registry's lock. */
int64_t ft_rw_reads_of(const struct ft_rw *lock, const struct ft_thread *t);

/* Called when the object goes: no record may name it afterwards. */
void ft_rw_forget(struct ft_rw *lock);

#endif
