/* ReaderWriterLock: the operations, without Python's types around them.
 *
 * The word, its states and who may change what: golib/locks/rwlock.go. C adds the
 * reading without a shared write (rwread.c). All operations return 1, or 0 when it could not
 * be done in time, or -1 with an exception set and nothing changed. */
#ifndef FT_RWLOCK_H
#define FT_RWLOCK_H

#include "locks/rwread.h"

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

/* In a forked child: what the word counts, if no writer has the lock; and that an owner which is
 * not there any more has the gate no more. */
void ft_rw_recount(struct ft_rw *lock, uint64_t readers);
void ft_rw_forget_gate(struct ft_rw *lock, uint64_t owner);

/* ---- for locks/rwupgrade.c ---- */

/* Counts one reader more, or takes one out: the last one in front of a parked writer sends it. */
bool ft_rw_read_try(void *lock, struct ft_thread *self);
void ft_rw_uncount(struct ft_rw *lock, struct ft_thread *self);

/* Turns the write lock of this thread into a read lock, counted and to be noted in the slot; line
 * is NULL with MemoryError set, and nothing changed, when there is no memory for one. judged: Go
 * was asked, so a profile is to be told once the slot is noted. */
struct ft_slot ft_rw_stop_writing(struct ft_rw *lock, struct ft_thread *self, bool *judged);

/* For struct ft_wait_ops. */
bool ft_rw_read_blocked_by(void *lock, struct ft_thread *t);
bool ft_rw_holds(void *lock, struct ft_thread *t);
bool ft_rw_taken(void *lock);
void ft_rw_take_back_read(void *lock, const struct ft_thread *gone, uint32_t state);
void ft_rw_write_given_up(void *lock);

/* Called when the object goes: no record may name it afterwards. */
void ft_rw_forget(struct ft_rw *lock);

#endif
