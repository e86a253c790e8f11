/* The word of an IntervalLock, which is that of Lock and RLock too: taking and releasing,
 * without Python's types around it. Its states: golib/locks/interval.go.
 *
 * The inline functions are the transitions without judgement; each is one atomic
 * operation. */
#ifndef FT_EXCLUSIVE_H
#define FT_EXCLUSIVE_H

#include "core/wait.h"

/* Waiting for the word. The strict one is for interval 0: there the order of arrival is
 * promised, so nobody may slip in by spinning. */
extern const struct ft_wait_ops ft_exclusive_ops, ft_exclusive_strict_ops, ft_rlock_ops, ft_keyed_ops;

/* The same for a Lock: its holder may wait for it, for somebody else to release it. */
extern const struct ft_wait_ops ft_anybodys_ops;

static inline const struct ft_wait_ops *
ft_exclusive_ops_of(const struct ft_interval_lock *lock)
{
    return lock->interval == 0 ? &ft_exclusive_strict_ops : &ft_exclusive_ops;
}

static inline bool
ft_exclusive_owned(struct ft_interval_lock *lock, const struct ft_thread *self)
{
    return (atomic_load(&lock->word) & ~(uint64_t)FT_INTERVAL_FLAGS) == self->owner;
}

static inline bool
ft_exclusive_locked(struct ft_interval_lock *lock)
{
    return atomic_load(&lock->word) >> FT_OWNER_SHIFT != 0;
}

/* In a forked child: frees the word if a thread that is gone was handed it in its sleep. */
void ft_exclusive_take_back(void *lock, const struct ft_thread *gone, uint32_t state);

/* Takes a free word, also one to which a waiter is on its way; its flags stay. */
static inline bool
ft_exclusive_lock_fast(struct ft_interval_lock *lock, const struct ft_thread *self)
{
    uint64_t s = 0;
    return FT_LIKELY(atomic_compare_exchange_strong(&lock->word, &s, self->owner))
           || (s >> FT_OWNER_SHIFT == 0 && ft_cas(&lock->word, s, s | self->owner));
}

/* Takes a word that was not free a moment ago: 1, or 0 when it could not be had in time, or -1
 * with an exception set. */
int ft_exclusive_lock_slow(const struct ft_wait_ops *ops, struct ft_interval_lock *lock,
                           struct ft_thread *self, int64_t deadline);

/* Whether a release may be just that. */
static inline bool
ft_exclusive_plain(uint64_t flags)
{
    return (FT_INTERVAL_PLAIN >> flags & 1) != 0;
}

/* Releases for the owner when there are flags in the word. */
void ft_exclusive_unlock_slow(struct ft_interval_lock *lock, struct ft_thread *self);

/* Releases if the calling thread is the owner; false when it is not. */
static inline bool
ft_exclusive_unlock(struct ft_interval_lock *lock, struct ft_thread *self)
{
    uint64_t s = self->owner;
    if (FT_LIKELY(atomic_compare_exchange_strong(&lock->word, &s, 0))) {
        return true;
    }
    uint64_t flags = s & FT_INTERVAL_FLAGS;
    if ((s ^ flags) != self->owner) {
        return false;
    }
    if (ft_exclusive_plain(flags) && ft_pace_on(&self->pace)
        && ft_cas(&lock->word, s, flags)) {
        return true;
    }
    ft_exclusive_unlock_slow(lock, self);
    return true;
}

/* Releases for any thread; false when no thread holds it, or with MemoryError set. */
bool ft_exclusive_unlock_any_slow(struct ft_interval_lock *lock);

static inline bool
ft_exclusive_unlock_any(struct ft_interval_lock *lock)
{
    uint64_t s = atomic_load(&lock->word);
    if (FT_LIKELY((s & FT_INTERVAL_FLAGS) == 0 && s != 0 && ft_cas(&lock->word, s, 0))) {
        return true;
    }
    return ft_exclusive_unlock_any_slow(lock);
}

/* Releases for an owner that goes to sleep next, and returns the waiters that it has to wake
 * once it is detached. NULL and nothing done when no thread holds the lock. */
struct ft_waiter *ft_exclusive_yield(struct ft_interval_lock *lock, struct ft_thread *self);

#endif
