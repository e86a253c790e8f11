#include "locks/exclusive.h"

/* Takes a free word, also one to which a waiter is on its way; its flags stay. */
static bool
barge(void *lock, struct ft_thread *self)
{
    _Atomic(uint64_t) *word = &((struct ft_interval_lock *)lock)->word;
    uint64_t s = atomic_load(word);
    return s >> FT_OWNER_SHIFT == 0 && ft_cas(word, s, s | self->owner);
}

/* In a forked child flags mean nothing: the threads that set them do not exist there. */
static bool
fallback_try(void *lock, struct ft_thread *self)
{
    _Atomic(uint64_t) *word = &((struct ft_interval_lock *)lock)->word;
    uint64_t s = atomic_load(word);
    return s >> FT_OWNER_SHIFT == 0 && ft_cas(word, s, self->owner);
}

static bool
owned(void *lock, struct ft_thread *self)
{
    return ft_exclusive_owned(lock, self);
}

static bool
never_owned(void *Py_UNUSED(lock), struct ft_thread *Py_UNUSED(self))
{
    return false;
}

void
ft_exclusive_take_back(void *lock, const struct ft_thread *gone, uint32_t Py_UNUSED(state))
{
    if (ft_exclusive_owned(lock, gone)) {
        atomic_store(&((struct ft_interval_lock *)lock)->word, 0);
    }
}

static bool
holds(void *lock, struct ft_thread *t)
{
    return ft_exclusive_owned(lock, t);
}

static bool
taken(void *lock)
{
    return ft_exclusive_locked(lock);
}

#define OPS(strict, owners_, owned_, blocked_by_, what_)             \
    {                                                                \
        .try = barge,                                                \
        .fallback_try = fallback_try,                                \
        .owned = (owned_),                                           \
        .take_back = ft_exclusive_take_back,                         \
        .contend = offsetof(struct ft_golib, ft_interval_contend),   \
        .withdraw = offsetof(struct ft_golib, ft_interval_withdraw), \
        .kind = FT_KIND_EXCLUSIVE,                                   \
        .flags = FT_INTERVAL_FLAGS,                                  \
        .claims = (owners_),                                         \
        .spins = !(strict),                                          \
        .handed = (strict),                                          \
        .blocked_by = (blocked_by_),                                 \
        .holds = holds,                                              \
        .taken = taken,                                              \
        .what = (what_),                                             \
    }

const struct ft_wait_ops ft_exclusive_ops = OPS(false, true, owned, holds, "IntervalLock");
const struct ft_wait_ops ft_exclusive_strict_ops = OPS(true, true, owned, holds, "IntervalLock");
const struct ft_wait_ops ft_rlock_ops = OPS(false, true, owned, holds, "RLock");
const struct ft_wait_ops ft_keyed_ops = OPS(false, true, owned, holds, "KeyedLock");
const struct ft_wait_ops ft_anybodys_ops = OPS(false, false, never_owned, NULL, "Lock");

FT_SLOW int
ft_exclusive_lock_slow(const struct ft_wait_ops *ops, struct ft_interval_lock *lock,
                       struct ft_thread *self, int64_t deadline)
{
    if (barge(lock, self)) {
        return FT_ACQUIRED;
    }
    ft_share_object_of(lock);
    return deadline == FT_NO_WAIT ? FT_TIMED_OUT : ft_wait(ops, lock, self, deadline);
}

/* Whether a release with these flags has to ask Go. */
static inline bool
judge(uint64_t flags, struct ft_thread *self)
{
    if (!ft_exclusive_plain(flags)) {
        return true;
    }
    if (flags == 0 || ft_pace_on(&self->pace)) {
        return false;
    }
    ft_pace_ask(&self->pace);
    return true;
}

FT_SLOW void
ft_exclusive_unlock_slow(struct ft_interval_lock *lock, struct ft_thread *self)
{
    for (;;) {
        uint64_t s = atomic_load(&lock->word), flags = s & FT_INTERVAL_FLAGS;
        const struct ft_golib *go = ft_golib();
        if (go == NULL) {
            flags = 0; /* the fallback looks at the owner only */
        }
        else if (judge(flags, self)) {
            ft_release_slow(go->ft_interval_release, lock, self);
            ft_record_charge(lock, FT_SIDE_EXCLUSIVE, self, FT_RECORD_OUTSIDE);
            return;
        }
        if (ft_cas(&lock->word, s, flags)) {
            return;
        }
    }
}

/* Where any thread may release, two may try at once: each tells Go which owner it saw, and one
 * of them is late. */
FT_SLOW bool
ft_exclusive_unlock_any_slow(struct ft_interval_lock *lock)
{
    struct ft_thread *self = ft_self();
    for (;;) {
        uint64_t s = atomic_load(&lock->word), flags = s & FT_INTERVAL_FLAGS;
        if (self == NULL || s >> FT_OWNER_SHIFT == 0) {
            return false;
        }
        const struct ft_golib *go = ft_golib();
        if (go == NULL) {
            flags = 0;
        }
        else if (judge(flags, self)) {
            struct ft_waiter *waiter = &self->seat->waiter;
            if (go->ft_lock_release(lock, waiter, s >> FT_OWNER_SHIFT)) {
                ft_wake(waiter->chain);
                ft_record_charge(lock, FT_SIDE_EXCLUSIVE, self, FT_RECORD_OUTSIDE);
                return true;
            }
            continue;
        }
        if (ft_cas(&lock->word, s, flags)) {
            return true;
        }
    }
}

struct ft_waiter *
ft_exclusive_yield(struct ft_interval_lock *lock, struct ft_thread *self)
{
    for (;;) {
        uint64_t s = atomic_load(&lock->word), owner = s >> FT_OWNER_SHIFT;
        const struct ft_golib *go = ft_golib();
        struct ft_waiter *waiter = &self->seat->waiter;
        if (owner == 0) {
            return NULL;
        }
        if (go == NULL || (s & FT_INTERVAL_FLAGS) == 0) {
            if (ft_cas(&lock->word, s, 0)) {
                return NULL;
            }
        }
        else if (go->ft_lock_yield(lock, waiter, owner)) {
            struct ft_waiter *chain = waiter->chain;
            ft_record_charge(lock, FT_SIDE_EXCLUSIVE, self, FT_RECORD_QUEUED);
            return chain;
        }
    }
}
