/* ReaderWriterLock: taking and releasing. */
#include "locks/rwlock.h"

#include "locks/rwupgrade.h"
#include "core/wait.h"

#define OF(word) ((struct ft_rw *)(word))

/* Whether the last holder may leave without judgement. */
static inline bool
plain(uint64_t flags)
{
    return (FT_RW_PLAIN >> flags & 1) != 0;
}

/* ---- the write side ---- */

static inline bool
vacant(uint64_t s)
{
    return (s & ~(uint64_t)FT_RW_QUEUE_FLAGS) == 0;
}

/* Takes a word that no reader and no writer has; keeps its flags. */
static bool
write_try(void *lock, struct ft_thread *self)
{
    _Atomic(uint64_t) *word = &((struct ft_rw_lock *)lock)->word;
    uint64_t s = atomic_load(word);
    return vacant(s) && ft_cas(word, s, s | self->owner | FT_RW_WRITER);
}

static void
count_readers(void *lock)
{
    ft_read_revoke(OF(lock));
}

/* In a forked child the one flag that has a meaning is WritersParked: a writer that waits
 * sets it to keep readers out, and clears it when it has the lock or gives up. Other writers
 * that wait set it again. */
static bool
write_fallback_try(void *lock, struct ft_thread *self)
{
    _Atomic(uint64_t) *word = &((struct ft_rw_lock *)lock)->word;
    uint64_t s = atomic_load(word);
    if ((s & (FT_RW_BIAS | FT_RW_REVOKING)) != 0) {
        count_readers(lock);
        s = atomic_load(word);
    }
    if (vacant(s)) {
        return ft_cas(word, s, self->owner | FT_RW_WRITER);
    }
    if ((s & FT_RW_BIAS) == 0) {
        ft_cas(word, s, s | FT_RW_WRITERS_PARKED);
    }
    return false;
}

void
ft_rw_write_given_up(void *lock)
{
    atomic_fetch_and(&((struct ft_rw_lock *)lock)->word, ~(uint64_t)FT_RW_QUEUE_FLAGS);
}

static bool
owned(void *lock, struct ft_thread *self)
{
    return ft_rw_writes(ft_rw_load(OF(lock)), self) || ft_rw_my_reads(OF(lock), self) > 0;
}

static void
take_back_write(void *lock, const struct ft_thread *gone, uint32_t Py_UNUSED(state))
{
    if (ft_rw_writes(ft_rw_load(OF(lock)), gone)) {
        atomic_store(&OF(lock)->lock.word, 0);
    }
}

/* Whoever has the lock keeps a writer out. */
bool
ft_rw_holds(void *lock, struct ft_thread *t)
{
    return ft_rw_writes(ft_rw_load(OF(lock)), t) || ft_rw_reads_of(OF(lock), t) > 0;
}

bool
ft_rw_taken(void *lock)
{
    return (ft_rw_load(OF(lock)) & FT_RW_WRITER) != 0;
}

static const struct ft_wait_ops write_ops = {
    .try = write_try,
    .clear_way = count_readers,
    .fallback_try = write_fallback_try,
    .fallback_given_up = ft_rw_write_given_up,
    .owned = owned,
    .take_back = take_back_write,
    .contend = offsetof(struct ft_golib, ft_rw_contend_write),
    .withdraw = offsetof(struct ft_golib, ft_rw_withdraw),
    .kind = FT_KIND_EXCLUSIVE,
    .flags = FT_RW_QUEUE_FLAGS,
    .spins = true,
    .claims = true,
    .loses_turn = true,
    .blocked_by = ft_rw_holds,
    .holds = ft_rw_holds,
    .taken = ft_rw_taken,
    .side = FT_SIDE_WRITE,
    .what = "ReaderWriterLock (write)",
};

static int
refuse(const char *why)
{
    PyErr_SetString(PyExc_RuntimeError, why);
    return -1;
}

static FT_SLOW int
refuse_write(struct ft_rw *lock, struct ft_thread *self)
{
    return refuse(ft_rw_has_gate(lock, self)
                      ? "this thread has the upgradable read lock; use upgrade() to turn it into the write lock"
                      : "this thread holds a read lock; release it before asking for the write lock, which would "
                        "wait for it for ever");
}

static FT_SLOW int
write_slow(struct ft_rw *lock, struct ft_thread *self, int64_t deadline)
{
    if (ft_rw_my_reads(lock, self) > 0) {
        return deadline == FT_NO_WAIT ? 0 : refuse_write(lock, self);
    }
    if ((ft_rw_load(lock) & (FT_RW_BIAS | FT_RW_REVOKING)) != 0) {
        ft_read_revoke(lock);
    }
    if (write_try(&lock->lock, self)) {
        return 1;
    }
    if (deadline == FT_NO_WAIT) {
        return 0;
    }
    if (ft_rw_writes(ft_rw_load(lock), self)) {
        return refuse("this thread holds the write lock already; waiting for it would never end");
    }
    ft_share_object_of(lock);
    return ft_wait(&write_ops, &lock->lock, self, deadline);
}

int
ft_rw_write(struct ft_rw *lock, int64_t deadline)
{
    struct ft_thread *self = ft_self();
    if (FT_UNLIKELY(self == NULL)) {
        return -1;
    }
    if (FT_LIKELY(ft_cas(&lock->lock.word, 0, self->owner | FT_RW_WRITER))) {
        return 1;
    }
    return write_slow(lock, self, deadline);
}

/* The caller writes, and there are flags in the word. Returns what the release is to be charged
 * with, 0 for nothing: in the middle of that Python code may run. */
static FT_SLOW int64_t
unwrite_slow(struct ft_rw *lock, struct ft_thread *self)
{
    for (;;) {
        uint64_t s = ft_rw_load(lock), flags = s & FT_RW_QUEUE_FLAGS;
        const struct ft_golib *go = ft_golib();
        if (go != NULL && !plain(flags)) {
            ft_release_slow(go->ft_rw_release_write, &lock->lock, self);
            return self->seat->waiter.charge;
        }
        if (ft_cas(&lock->lock.word, s, flags)) {
            return 0;
        }
    }
}

/* Once the gate is open too: another thread may fork while the code runs, and nothing says any
 * more in its child that this one had upgraded. */
static inline void
charge_writer(struct ft_rw *lock, struct ft_thread *self, int64_t charge)
{
    if (FT_UNLIKELY(charge != 0)) {
        ft_record_charge_slow(&lock->lock, FT_SIDE_WRITE, self, charge, FT_RECORD_OUTSIDE);
    }
}

/* The word is not that of a plain writer without flags, which this thread would be. */
static FT_SLOW int
unwrite_otherwise(struct ft_rw *lock, struct ft_thread *self)
{
    uint64_t s = ft_rw_load(lock);
    if (!ft_rw_writes(s, self)) {
        return refuse((s & FT_RW_WRITER) == 0
                          ? "cannot release a write lock that nobody holds"
                          : "cannot release a write lock that another thread holds; only its "
                            "owner may");
    }
    int64_t charge = unwrite_slow(lock, self);
    if ((s & FT_RW_UPGRADED) != 0) {
        ft_rw_open_gate(lock, self);
    }
    charge_writer(lock, self, charge);
    return 1;
}

int
ft_rw_unwrite(struct ft_rw *lock)
{
    struct ft_thread *self = ft_self();
    if (FT_UNLIKELY(self == NULL)) {
        return -1;
    }
    return FT_LIKELY(ft_cas(&lock->lock.word, self->owner | FT_RW_WRITER, 0)) ? 1 : unwrite_otherwise(lock, self);
}

/* ---- the read side ---- */

/* Counts one reader more. (Only newcomers try: nobody could tell for whom it was counted.) */
bool
ft_rw_read_try(void *lock, struct ft_thread *Py_UNUSED(self))
{
    _Atomic(uint64_t) *word = &((struct ft_rw_lock *)lock)->word;
    uint64_t s = atomic_load(word);
    return (s & (FT_RW_WRITER | FT_RW_WRITERS_PARKED)) == 0
           && ft_cas(word, s, s + FT_RW_ONE_READER);
}

static bool
writes(void *lock, struct ft_thread *self)
{
    return ft_rw_writes(ft_rw_load(OF(lock)), self);
}

void
ft_rw_take_back_read(void *lock, const struct ft_thread *Py_UNUSED(gone), uint32_t state)
{
    if (state == FT_STATE_GRANTED) {
        atomic_fetch_sub(&OF(lock)->lock.word, FT_RW_ONE_READER);
    }
}

/* A writer keeps readers out, and so does one that waits: with a time-out it may give up. */
bool
ft_rw_read_blocked_by(void *lock, struct ft_thread *t)
{
    if (ft_rw_writes(ft_rw_load(OF(lock)), t)) {
        return true;
    }
    const struct ft_seat *seat = t->seat;
    return atomic_load(&seat->waiting_for) == lock && seat->untimed
           && (seat->waiting_ops == &write_ops || seat->waiting_ops == &ft_rw_upgrade_ops);
}

static int settle_read(void *lock, struct ft_thread *self);

static const struct ft_wait_ops read_ops = {
    .try = ft_rw_read_try,
    .settle = settle_read,
    .fallback_try = ft_rw_read_try,
    .owned = writes,
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
    .what = "ReaderWriterLock (read)",
};

static inline void
uncount(struct ft_rw *lock, struct ft_thread *self)
{
    for (;;) {
        uint64_t s = ft_rw_load(lock);
        const struct ft_golib *go;
        if (s >> FT_OWNER_SHIFT == 1 && !plain(s & FT_RW_QUEUE_FLAGS)
            && (go = ft_golib()) != NULL) {
            ft_release_slow(go->ft_rw_release_read, &lock->lock, self);
            ft_record_charge(&lock->lock, FT_SIDE_READ, self, FT_RECORD_OUTSIDE);
            return;
        }
        if (ft_cas(&lock->lock.word, s, s - FT_RW_ONE_READER)) {
            return;
        }
    }
}

void
ft_rw_uncount(struct ft_rw *lock, struct ft_thread *self)
{
    uncount(lock, self);
}

/* The word counts this reader. A signal handler that ran meanwhile has left the slots as it found
 * them, or this thread reads by now what it did not: look again. */
static int
settle_read(void *lock, struct ft_thread *self)
{
    struct ft_slot slot = ft_read_room(self);
    if (slot.line == NULL) {
        uncount(OF(lock), self);
        return FT_FAILED;
    }
    ft_read_counted(lock, slot);
    return FT_ACQUIRED;
}

static FT_SLOW int
read_slow(struct ft_rw *lock, struct ft_thread *self, int64_t deadline)
{
    if (deadline == FT_NO_WAIT) {
        return 0;
    }
    if (ft_rw_writes(ft_rw_load(lock), self)) {
        return refuse("this thread holds the write lock; use downgrade() to turn it into a "
                      "read lock");
    }
    int outcome = ft_wait(&read_ops, &lock->lock, self, deadline);
    return outcome == FT_ACQUIRED && self->task == NULL ? settle_read(&lock->lock, self) : outcome;
}

/* A nested read. Past the most that are counted the next release would give the lock away. */
static inline int
read_again(struct ft_slot slot)
{
    uint32_t again = atomic_load_explicit(&slot.line->again[slot.i], memory_order_relaxed);
    if (FT_UNLIKELY(again == UINT32_MAX)) {
        PyErr_SetString(PyExc_OverflowError, "this thread has acquired this ReaderWriterLock for reading too often");
        return -1;
    }
    atomic_store_explicit(&slot.line->again[slot.i], again + 1, memory_order_relaxed); /* nobody else adds */
    return 1;
}

/* Whether the thread may read anything. Further lines of slots stay once there are any, and what
 * is left in one of them is not seen in the first. */
static inline bool
may_read(const struct ft_thread *self)
{
    return self->reads.used != 0 || atomic_load_explicit(&self->reads.more, memory_order_relaxed) != NULL;
}

/* The first slot of a thread that reads nothing is empty: there is nothing to search. */
int
ft_rw_read(struct ft_rw *lock, int64_t deadline)
{
    struct ft_thread *self = ft_self();
    if (FT_UNLIKELY(self == NULL)) {
        return -1;
    }
    struct ft_slot slot = {&self->reads, 0};
    if (FT_UNLIKELY(may_read(self))) {
        slot = ft_read_find(self, &lock->lock);
        if (slot.line != NULL) {
            return read_again(slot);
        }
        slot = ft_read_room(self);
        if (slot.line == NULL) {
            return -1;
        }
    }
    return FT_LIKELY(ft_read_try(lock, slot)) ? 1 : read_slow(lock, self, deadline);
}

int
ft_rw_unread(struct ft_rw *lock)
{
    struct ft_thread *self = ft_self();
    if (FT_UNLIKELY(self == NULL)) {
        return -1;
    }
    struct ft_slot slot = ft_read_find(self, &lock->lock);
    if (FT_UNLIKELY(slot.line == NULL)) {
        return refuse("cannot release a read lock that this thread does not hold");
    }
    uint32_t again = atomic_load_explicit(&slot.line->again[slot.i], memory_order_relaxed);
    if (FT_UNLIKELY(again > 0)) {
        if (again == 1 && (atomic_load(&slot.line->tag[slot.i]) & FT_TAG_UPGRADABLE) != 0) {
            return refuse("this thread has the upgradable read lock and no other; release it by "
                          "release_upgradable(), or turn it into a read lock by downgrade()");
        }
        atomic_store_explicit(&slot.line->again[slot.i], again - 1, memory_order_relaxed);
        return 1;
    }
    if (ft_read_clear(slot)) {
        uncount(lock, self);
    }
    return 1;
}

/* ---- for Condition: back to what was held, signals wait ---- */

int
ft_rw_rewrite(struct ft_rw *lock)
{
    struct ft_thread *self = ft_self();
    if (self == NULL || ft_self_prepare_wait(self) < 0) {
        return -1;
    }
    if (!ft_cas(&lock->lock.word, 0, self->owner | FT_RW_WRITER)) {
        ft_wait_uninterruptibly(&write_ops, &lock->lock, self);
    }
    return 1;
}

int
ft_rw_reread(struct ft_rw *lock)
{
    struct ft_thread *self = ft_self();
    if (self == NULL || ft_self_prepare_wait(self) < 0) {
        return -1;
    }
    struct ft_slot slot = ft_read_find(self, &lock->lock);
    if (slot.line != NULL) { /* it was released once, of several times */
        return read_again(slot);
    }
    slot = ft_read_room(self); /* before it waits, when it can still be refused */
    if (slot.line == NULL) {
        return -1;
    }
    if (ft_read_try(lock, slot)) {
        return 1;
    }
    ft_wait_uninterruptibly(&read_ops, &lock->lock, self);
    return settle_read(&lock->lock, self);
}

/* ---- both sides ---- */

static inline struct ft_slot
stop_writing(struct ft_rw *lock, struct ft_thread *self, bool *judged)
{
    struct ft_slot slot = ft_read_room(self);
    *judged = false;
    if (slot.line == NULL) {
        return slot;
    }
    for (;;) {
        uint64_t s = ft_rw_load(lock), flags = s & FT_RW_QUEUE_FLAGS;
        const struct ft_golib *go = ft_golib();
        if (flags != 0 && go != NULL) {
            ft_release_slow(go->ft_rw_downgrade, &lock->lock, self);
            *judged = true;
            return slot;
        }
        if (ft_cas(&lock->lock.word, s, flags | FT_RW_ONE_READER)) {
            return slot;
        }
    }
}

struct ft_slot
ft_rw_stop_writing(struct ft_rw *lock, struct ft_thread *self, bool *judged)
{
    return stop_writing(lock, self, judged);
}

int
ft_rw_downgrade(struct ft_rw *lock)
{
    struct ft_thread *self = ft_self();
    if (self == NULL) {
        return -1;
    }
    uint64_t s = ft_rw_load(lock);
    if (!ft_rw_writes(s, self)) {
        return ft_rw_keep_reading(lock, self) ? 1
                                              : refuse("cannot downgrade a write lock that this thread does not hold");
    }
    bool judged;
    struct ft_slot slot = stop_writing(lock, self, &judged);
    if (slot.line == NULL) {
        return -1;
    }
    ft_read_counted(&lock->lock, slot);
    int64_t charge = judged ? self->seat->waiter.charge : 0;
    if ((s & FT_RW_UPGRADED) != 0) {
        ft_rw_open_gate(lock, self);
    }
    charge_writer(lock, self, charge);
    return 1;
}
