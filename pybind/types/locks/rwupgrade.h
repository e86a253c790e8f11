/* Upgradable reading of a ReaderWriterLock. The protocol: golib/locks/rwupgrade.go.
 *
 * The thread's slot for the lock has FT_TAG_UPGRADABLE, and its `again` is one more than the
 * plain reads beside it: so a plain release never takes the upgradable read lock away, and need not
 * look for it. A thread that has upgraded has no slot; the lock's word says that it has the gate. One that has
 * the gate and does not read yet, or not any more, has a slot with the gate's address: in a forked
 * child nothing else tells that such a thread, which is not there, had it. */
#ifndef FT_RWUPGRADE_H
#define FT_RWUPGRADE_H

#include "locks/exclusive.h"
#include "locks/rwlock.h"

/* As the operations of locks/rwlock.h: 1, or 0 when it could not be done in time, or -1 with an
 * exception set and nothing changed. */
int ft_rw_upgradable(struct ft_rw *lock, int64_t deadline);
int ft_rw_unupgradable(struct ft_rw *lock);
int ft_rw_upgrade(struct ft_rw *lock, int64_t deadline);
int ft_rw_downgrade_to_upgradable(struct ft_rw *lock);

/* Releases whichever this thread has: the upgradable read lock, or the write lock that it has
 * upgraded it to. */
int ft_rw_leave_upgradable(struct ft_rw *lock);

/* Turns the upgradable read lock into a read lock, for a thread that does not write; 0 when this
 * thread has none. */
int ft_rw_keep_reading(struct ft_rw *lock, struct ft_thread *self);

/* How one waits that upgrades. */
extern const struct ft_wait_ops ft_rw_upgrade_ops;

/* Gives the gate back, which this thread has. */
void ft_rw_open_gate(struct ft_rw *lock, struct ft_thread *self);

/* Whether a thread has the gate: it reads upgradably, is about to, or has upgraded. */
static inline bool
ft_rw_has_gate(struct ft_rw *lock, const struct ft_thread *t)
{
    return ft_exclusive_owned(&lock->lock.gate, t);
}

#endif
