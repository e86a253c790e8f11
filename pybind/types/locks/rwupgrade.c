/* Upgradable reading: taking, upgrading, releasing. */
#include "locks/rwupgrade.h"

#include "locks/rwread.h"

#define OF(word) ((struct ft_rw *)(word))

static int
refuse(const char *why)
{
    PyErr_SetString(PyExc_RuntimeError, why);
    return -1;
}

/* The slot of a thread that reads upgradably; line is NULL when it does not. */
static struct ft_slot
find_slot(struct ft_rw *lock, struct ft_thread *self)
{
    struct ft_slot slot = ft_read_find(self, &lock->lock);
    if (slot.line != NULL && (atomic_load(&slot.line->tag[slot.i]) & FT_TAG_UPGRADABLE) == 0) {
        slot.line = NULL;
    }
    return slot;
}

/* Plain reads of the thread beside the upgradable one. */
static uint32_t
plain_reads(struct ft_slot slot)
{
    return atomic_load_explicit(&slot.line->again[slot.i], memory_order_relaxed) - 1;
}

/* ---- the gate ---- */

static bool
gate_try(void *lock, struct ft_thread *self)
{
    return ft_exclusive_lock_fast(&OF(lock)->lock.gate, self);
}

static bool
holds_anything(void *lock, struct ft_thread *self)
{
    return ft_rw_has_gate(OF(lock), self) || ft_rw_writes(ft_rw_load(OF(lock)), self)
           || ft_rw_my_reads(OF(lock), self) > 0;
}

static bool
gate_blocked_by(void *lock, struct ft_thread *t)
{
    return ft_rw_has_gate(OF(lock), t);
}

/* The wait is that for the lock: those who look at it find the object by the lock's word, and
 * only Go's queue has the gate's. So a forked child takes the gate back as from one that was
 * moved (forget_wait in objects/process.c). The gate's own flags mean nothing in a child. */
static const struct ft_wait_ops gate_ops = {
    .try = gate_try,
    .fallback_try = gate_try,
    .owned = holds_anything,
    .contend = offsetof(struct ft_golib, ft_rw_contend_gate),
    .withdraw = offsetof(struct ft_golib, ft_rw_withdraw_gate),
    .claims = true,
    .handed = true,
    .kind = FT_KIND_SHARED, /* where seats are counted: it is no writer that waits */
    .blocked_by = gate_blocked_by,
    .holds = ft_rw_holds,
    .taken = ft_rw_taken,
    .side = FT_SIDE_READ,
    .what = "ReaderWriterLock (upgradable)",
};

/* Not by ft_exclusive_unlock: the gate is no object, of which a profile could ask the type. */
void
ft_rw_open_gate(struct ft_rw *lock, struct ft_thread *self)
{
    struct ft_interval_lock *gate = &lock->lock.gate;
    for (;;) {
        uint64_t s = atomic_load(&gate->word);
        const struct ft_golib *go = ft_golib();
        if (s != self->owner && go != NULL) {
            ft_release_slow(go->ft_interval_release, gate, self);
            ft_record_charge(&lock->lock, FT_SIDE_READ, self, FT_RECORD_OUTSIDE);
            return;
        }
        if (ft_cas(&gate->word, s, 0)) {
            return;
        }
    }
}

/* ---- the read lock of a thread that has the gate ---- */

static bool
reads_or_writes(void *lock, struct ft_thread *self)
{
    return ft_rw_writes(ft_rw_load(OF(lock)), self) || ft_rw_my_reads(OF(lock), self) > 0;
}

/* Of one that stayed in the parent the gate goes with its slot (recount_reads in objects/process.c). */
static const struct ft_wait_ops enter_ops = {
    .try = ft_rw_read_try,
    .fallback_try = ft_rw_read_try,
    .owned = reads_or_writes,
    .take_back = ft_rw_take_back_read,
    .contend = offsetof(struct ft_golib, ft_rw_contend_read),
    .withdraw = offsetof(struct ft_golib, ft_rw_withdraw),
    .kind = FT_KIND_SHARED,
    .flags = FT_RW_QUEUE_FLAGS,
    .spins = true,
    .blocked_by = ft_rw_read_blocked_by,
    .holds = ft_rw_holds,
    .taken = ft_rw_taken,
    .side = FT_SIDE_READ,
    .what = "ReaderWriterLock (upgradable)",
};

static int
pass_gate(struct ft_rw *lock, struct ft_thread *self, int64_t deadline)
{
    if (gate_try(&lock->lock, self)) {
        return FT_ACQUIRED;
    }
    return deadline == FT_NO_WAIT ? FT_TIMED_OUT : ft_wait(&gate_ops, &lock->lock, self, deadline);
}

/* The caller has the gate. The read lock is counted in the word, biased or not. */
static int
enter(struct ft_rw *lock, struct ft_thread *self, int64_t deadline)
{
    if (ft_rw_read_try(&lock->lock, self)) {
        return FT_ACQUIRED;
    }
    return deadline == FT_NO_WAIT ? FT_TIMED_OUT : ft_wait(&enter_ops, &lock->lock, self, deadline);
}

/* ---- taking and releasing ---- */

static FT_SLOW int
refuse_upgradable(struct ft_rw *lock, struct ft_thread *self)
{
    if (ft_rw_writes(ft_rw_load(lock), self)) {
        return refuse("this thread holds the write lock; waiting for an upgradable read lock would never end");
    }
    return refuse(ft_rw_has_gate(lock, self)
                      ? "this thread has the upgradable read lock already; waiting for it would never end"
                      : "this thread holds a read lock; release it before asking for the upgradable one: the "
                        "thread that has that may wait for this read lock in its turn");
}

int
ft_rw_upgradable(struct ft_rw *lock, int64_t deadline)
{
    struct ft_thread *self = ft_self();
    if (self == NULL) {
        return -1;
    }
    if (holds_anything(&lock->lock, self)) {
        return deadline == FT_NO_WAIT ? 0 : refuse_upgradable(lock, self);
    }
    struct ft_slot slot = ft_read_room(self);
    if (slot.line == NULL) {
        return -1;
    }
    ft_read_gate(&lock->lock, slot); /* Python code may run from here on, and other threads fork */
    int outcome = pass_gate(lock, self, deadline);
    if (outcome == FT_ACQUIRED) {
        outcome = enter(lock, self, deadline);
        if (outcome == FT_ACQUIRED) {
            ft_read_upgradable(&lock->lock, slot);
            return FT_ACQUIRED;
        }
        ft_rw_open_gate(lock, self);
    }
    ft_read_clear(slot);
    return outcome;
}

static FT_SLOW int
refuse_release(struct ft_rw *lock, struct ft_thread *self)
{
    uint64_t s = ft_rw_load(lock);
    return refuse(ft_rw_writes(s, self) && (s & FT_RW_UPGRADED) != 0
                      ? "this thread has upgraded its read lock; release the write lock, or turn it back by "
                        "downgrade_to_upgradable()"
                      : "cannot release an upgradable read lock that this thread does not hold");
}

int
ft_rw_unupgradable(struct ft_rw *lock)
{
    struct ft_thread *self = ft_self();
    if (self == NULL) {
        return -1;
    }
    struct ft_slot slot = find_slot(lock, self);
    if (slot.line == NULL) {
        return refuse_release(lock, self);
    }
    bool stays = plain_reads(slot) > 0;
    if (stays) {
        ft_read_demote(&lock->lock, slot, plain_reads(slot) - 1);
    }
    else {
        ft_read_gate(&lock->lock, slot);
        ft_rw_uncount(lock, self);
    }
    ft_rw_open_gate(lock, self);
    if (!stays) {
        ft_read_clear(slot);
    }
    return 1;
}

int
ft_rw_keep_reading(struct ft_rw *lock, struct ft_thread *self)
{
    struct ft_slot slot = find_slot(lock, self);
    if (slot.line == NULL) {
        return 0;
    }
    ft_read_demote(&lock->lock, slot, plain_reads(slot));
    ft_rw_open_gate(lock, self);
    return 1;
}

int
ft_rw_leave_upgradable(struct ft_rw *lock)
{
    struct ft_thread *self = ft_self();
    if (self == NULL) {
        return -1;
    }
    uint64_t s = ft_rw_load(lock);
    bool upgraded = ft_rw_writes(s, self) && (s & FT_RW_UPGRADED) != 0;
    return upgraded ? ft_rw_unwrite(lock) : ft_rw_unupgradable(lock);
}

/* ---- upgrading ---- */

static bool
alone(uint64_t s)
{
    return (s & ~(uint64_t)FT_RW_QUEUE_FLAGS) == FT_RW_ONE_READER;
}

/* The one reader that is counted is the caller. */
static bool
upgrade_try(void *lock, struct ft_thread *self)
{
    uint64_t s = ft_rw_load(OF(lock));
    return alone(s)
           && ft_cas(&OF(lock)->lock.word, s, (s & FT_RW_QUEUE_FLAGS) | self->owner | FT_RW_WRITER | FT_RW_UPGRADED);
}

/* Without Go the caller stays counted; WritersParked keeps new readers out, as for writers. */
static bool
upgrade_fallback_try(void *lock, struct ft_thread *self)
{
    _Atomic(uint64_t) *word = &OF(lock)->lock.word;
    uint64_t s = atomic_load(word);
    if ((s & (FT_RW_BIAS | FT_RW_REVOKING)) != 0) {
        ft_read_revoke(OF(lock));
        s = atomic_load(word);
    }
    if (alone(s)) {
        return ft_cas(word, s, self->owner | FT_RW_WRITER | FT_RW_UPGRADED);
    }
    if ((s & FT_RW_BIAS) == 0) {
        ft_cas(word, s, s | FT_RW_WRITERS_PARKED);
    }
    return false;
}

static void
clear_way(void *lock)
{
    ft_read_revoke(OF(lock));
}

/* Whether handlers have left the thread with anything but the upgradable read lock alone. */
static bool
changed_meanwhile(void *lock, struct ft_thread *self)
{
    struct ft_slot slot = find_slot(OF(lock), self);
    return slot.line == NULL || plain_reads(slot) > 0;
}

/* Its slot stays while it waits, and it has done nothing yet where it was handed the lock. The
 * gate goes with the slot (recount_reads in objects/process.c). */
static void
take_back_upgrade(void *lock, const struct ft_thread *gone, uint32_t Py_UNUSED(state))
{
    if (ft_rw_writes(ft_rw_load(OF(lock)), gone)) {
        atomic_store(&OF(lock)->lock.word, 0);
    }
}

/* The one that has the gate is the one that waits. */
static bool
upgrade_blocked_by(void *lock, struct ft_thread *t)
{
    return !ft_rw_has_gate(OF(lock), t) && ft_rw_reads_of(OF(lock), t) > 0;
}

const struct ft_wait_ops ft_rw_upgrade_ops = {
    .try = upgrade_try,
    .clear_way = clear_way,
    .fallback_try = upgrade_fallback_try,
    .fallback_given_up = ft_rw_write_given_up,
    .owned = changed_meanwhile,
    .kept = "a signal handler has changed what this thread holds of the lock that it was upgrading",
    .take_back = take_back_upgrade,
    .contend = offsetof(struct ft_golib, ft_rw_contend_upgrade),
    .withdraw = offsetof(struct ft_golib, ft_rw_withdraw_upgrade),
    .kind = FT_KIND_EXCLUSIVE,
    .flags = FT_RW_QUEUE_FLAGS,
    .spins = true,
    .handed = true,
    .loses_turn = true,
    .blocked_by = upgrade_blocked_by,
    .holds = ft_rw_holds,
    .taken = ft_rw_taken,
    .side = FT_SIDE_WRITE,
    .what = "ReaderWriterLock (upgrade)",
};

static FT_SLOW int
refuse_upgrade(struct ft_rw *lock, struct ft_thread *self)
{
    uint64_t s = ft_rw_load(lock);
    if (ft_rw_writes(s, self)) {
        return refuse((s & FT_RW_UPGRADED) != 0 ? "this thread has upgraded its read lock already"
                                                : "this thread holds the write lock already");
    }
    return refuse(ft_rw_my_reads(lock, self) > 0
                      ? "this thread holds a read lock that cannot be upgraded, since two threads that upgraded "
                        "such locks would wait for each other; take the upgradable one from the start"
                      : "cannot upgrade an upgradable read lock that this thread does not hold");
}

int
ft_rw_upgrade(struct ft_rw *lock, int64_t deadline)
{
    struct ft_thread *self = ft_self();
    if (self == NULL) {
        return -1;
    }
    struct ft_slot slot = find_slot(lock, self);
    if (slot.line == NULL) {
        return refuse_upgrade(lock, self);
    }
    if (plain_reads(slot) > 0) {
        return deadline == FT_NO_WAIT ? 0
                                      : refuse("this thread has read locks besides the upgradable one; release "
                                               "them before upgrade(), which would wait for them for ever");
    }
    if ((ft_rw_load(lock) & (FT_RW_BIAS | FT_RW_REVOKING)) != 0) {
        ft_read_revoke(lock);
    }
    if (!upgrade_try(&lock->lock, self)) {
        int outcome =
            deadline == FT_NO_WAIT ? FT_TIMED_OUT : ft_wait(&ft_rw_upgrade_ops, &lock->lock, self, deadline);
        if (outcome != FT_ACQUIRED) {
            return outcome;
        }
        slot = find_slot(lock, self);
    }
    atomic_store_explicit(&slot.line->again[slot.i], 0, memory_order_relaxed);
    ft_read_clear(slot);
    return 1;
}

int
ft_rw_downgrade_to_upgradable(struct ft_rw *lock)
{
    struct ft_thread *self = ft_self();
    if (self == NULL) {
        return -1;
    }
    uint64_t s = ft_rw_load(lock);
    if (!ft_rw_writes(s, self)) {
        return refuse("cannot downgrade a write lock that this thread does not hold");
    }
    if ((s & FT_RW_UPGRADED) == 0) {
        return refuse("this write lock was not upgraded from an upgradable read lock, which another thread may "
                      "have been promised; downgrade() turns it into a read lock");
    }
    bool judged;
    struct ft_slot slot = ft_rw_stop_writing(lock, self, &judged);
    if (slot.line == NULL) {
        return -1;
    }
    ft_read_upgradable(&lock->lock, slot);
    if (judged) {
        ft_record_charge(&lock->lock, FT_SIDE_WRITE, self, FT_RECORD_OUTSIDE);
    }
    return 1;
}
