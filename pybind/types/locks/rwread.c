#include "locks/rwread.h"

#include "core/wait.h"

/* A revocation costs the writer the registry's lock and a cache miss for each thread, some
 * 100 ns together for each; a biased read saves a contended cache line, 50 to 100 ns. So
 * the bias comes back only after that many counted reads for each thread: where writes
 * are frequent it never does, and the word's count serves. (make bench ROWS=mix) */
#define READS_TO_BIAS 32
#define READS_TO_BIAS_PER_THREAD 8

static inline uintptr_t
published(const struct ft_rw_lock *lock)
{
    return (uintptr_t)lock | FT_TAG_PUBLISHED;
}

static inline uintptr_t
counted(const struct ft_rw_lock *lock)
{
    return (uintptr_t)lock | FT_TAG_COUNTED;
}

static struct ft_slot
find_from(struct ft_slots *slots, uintptr_t wanted)
{
    for (; slots != NULL; slots = atomic_load_explicit(&slots->more, memory_order_relaxed)) {
        for (int i = (int)slots->used - 1; i >= 0; i--) {
            uintptr_t tag = atomic_load_explicit(&slots->tag[i], memory_order_relaxed);
            if ((tag & ~FT_TAG_MASK) == wanted) {
                return (struct ft_slot){slots, i};
            }
        }
    }
    return (struct ft_slot){NULL, 0};
}

struct ft_slot
ft_read_find_slow(struct ft_thread *self, const struct ft_rw_lock *lock)
{
    return find_from(&self->reads, (uintptr_t)lock);
}

struct ft_slot
ft_read_room(struct ft_thread *self)
{
    struct ft_slots *slots = &self->reads;
    for (;;) {
        for (int i = 0; i < FT_SLOTS; i++) {
            if (atomic_load_explicit(&slots->tag[i], memory_order_relaxed) == 0) {
                return (struct ft_slot){slots, i};
            }
        }
        struct ft_slots *more = atomic_load_explicit(&slots->more, memory_order_relaxed);
        if (more == NULL && (more = ft_slots_extend(slots)) == NULL) {
            return (struct ft_slot){NULL, 0};
        }
        slots = more;
    }
}

static inline void
occupy(struct ft_slot slot)
{
    if (slot.line->used <= (uint32_t)slot.i) {
        slot.line->used = (uint32_t)slot.i + 1;
    }
}

void
ft_read_counted(struct ft_rw_lock *lock, struct ft_slot slot)
{
    occupy(slot);
    atomic_store_explicit(&slot.line->tag[slot.i], counted(lock), memory_order_release);
}

/* From the first moment no plain release takes it for its own. */
void
ft_read_upgradable(struct ft_rw_lock *lock, struct ft_slot slot)
{
    occupy(slot);
    atomic_store_explicit(&slot.line->again[slot.i], 1, memory_order_relaxed);
    atomic_store_explicit(&slot.line->tag[slot.i], counted(lock) | FT_TAG_UPGRADABLE, memory_order_release);
}

void
ft_read_gate(struct ft_rw_lock *lock, struct ft_slot slot)
{
    occupy(slot);
    atomic_store_explicit(&slot.line->again[slot.i], 0, memory_order_relaxed);
    atomic_store(&slot.line->tag[slot.i], (uintptr_t)&lock->gate | FT_TAG_UPGRADABLE);
}

void
ft_read_demote(struct ft_rw_lock *lock, struct ft_slot slot, uint32_t again)
{
    atomic_store_explicit(&slot.line->again[slot.i], again, memory_order_relaxed);
    atomic_store_explicit(&slot.line->tag[slot.i], counted(lock), memory_order_release);
}

/* A writer is at it. Either we take the tag back before it sees it, or it has counted us as
 * a reader already, and then that is what we are. */
FT_SLOW bool
ft_read_retract(struct ft_rw *lock, struct ft_slot slot)
{
    uintptr_t tag = published(&lock->lock);
    if (!atomic_compare_exchange_strong(&slot.line->tag[slot.i], &tag, 0)) {
        return true;
    }
    ft_read_clear(slot);
    return false;
}

/* After a counted read: is it time to bias the readers (again)? */
static inline void
maybe_bias(struct ft_rw *lock)
{
    if (!FT_READ_BIAS) {
        return;
    }
    uint32_t left = atomic_load_explicit(&lock->reads_to_bias, memory_order_relaxed);
    if (left > 0) { /* readers may lose each other's counts: it is only a measure */
        atomic_store_explicit(&lock->reads_to_bias, left - 1, memory_order_relaxed);
        return;
    }
    uint64_t s = ft_rw_load(lock);
    if ((s & (FT_RW_WRITER | FT_RW_QUEUE_FLAGS | FT_RW_REVOKING | FT_RW_BIAS)) == 0) {
        ft_cas(&lock->lock.word, s, s | FT_RW_BIAS);
        ft_share_object_of(lock); /* readers that share memory do not scale */
    }
}

bool
ft_read_try_slow(struct ft_rw *lock, struct ft_slot slot)
{
    for (;;) {
        uint64_t s = ft_rw_load(lock);
        if ((s & (FT_RW_WRITER | FT_RW_WRITERS_PARKED)) != 0) {
            return false;
        }
        if (ft_cas(&lock->lock.word, s, s + FT_RW_ONE_READER)) {
            ft_read_counted(&lock->lock, slot);
            maybe_bias(lock);
            return true;
        }
    }
}

/* Under the registry's lock. */
static uint32_t
count_published(struct ft_rw *lock)
{
    uint32_t seen = 0;
    for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
        seen++;
        for (struct ft_slots *s = &t->reads; s != NULL; s = atomic_load(&s->more)) {
            for (int i = 0; i < FT_SLOTS; i++) {
                uintptr_t tag = published(&lock->lock);
                if (atomic_load(&s->tag[i]) != tag) {
                    continue;
                }
                /* The word first: a reader that finds itself Counted will uncount. */
                atomic_fetch_add(&lock->lock.word, FT_RW_ONE_READER);
                if (!atomic_compare_exchange_strong(&s->tag[i], &tag, counted(&lock->lock))) {
                    atomic_fetch_sub(&lock->lock.word, FT_RW_ONE_READER);
                }
            }
        }
    }
    return seen;
}

FT_SLOW void
ft_read_revoke(struct ft_rw *lock)
{
    ft_registry_lock(); /* a writer that finds Revoking waits here for its end */
    uint64_t s = ft_rw_load(lock);
    while ((s & FT_RW_BIAS) != 0
           && !ft_cas(&lock->lock.word, s, (s & ~FT_RW_BIAS) | FT_RW_REVOKING)) {
        s = ft_rw_load(lock);
    }
    if ((s & FT_RW_BIAS) != 0) {
        uint32_t seen = count_published(lock);
        atomic_store_explicit(&lock->reads_to_bias, READS_TO_BIAS + READS_TO_BIAS_PER_THREAD * seen,
                              memory_order_relaxed);
        atomic_fetch_and(&lock->lock.word, ~FT_RW_REVOKING);
    }
    ft_registry_unlock();
}

/* ---- looking around ---- */

/* Of one slot that has this tag. */
static int64_t
reads_in(const struct ft_slots *s, int i, uintptr_t tag)
{
    return 1 + (int64_t)atomic_load(&s->again[i]) - ((tag & FT_TAG_UPGRADABLE) != 0);
}

int64_t
ft_rw_my_reads(struct ft_rw *lock, const struct ft_thread *self)
{
    struct ft_slot slot = find_from((struct ft_slots *)&self->reads, (uintptr_t)&lock->lock);
    return slot.line == NULL ? 0 : reads_in(slot.line, slot.i, atomic_load(&slot.line->tag[slot.i]));
}

/* A published tag is a read only while the word has the bias, or its revocation is under way: else
 * that thread has found a writer and is about to take the tag back. */
int64_t
ft_rw_reads_of(const struct ft_rw *lock, const struct ft_thread *t)
{
    int64_t n = 0;
    bool biased = (atomic_load(&lock->lock.word) & (FT_RW_BIAS | FT_RW_REVOKING)) != 0;
    for (const struct ft_slots *s = &t->reads; s != NULL; s = atomic_load(&s->more)) {
        for (int i = 0; i < FT_SLOTS; i++) {
            uintptr_t tag = atomic_load(&s->tag[i]);
            if ((tag & ~FT_TAG_MASK) == (uintptr_t)&lock->lock && (biased || tag != published(&lock->lock))) {
                n += reads_in(s, i, tag);
            }
        }
    }
    return n;
}

void
ft_rw_recount(struct ft_rw *lock, uint64_t readers)
{
    uint64_t s = ft_rw_load(lock);
    if ((s & FT_RW_WRITER) == 0) {
        atomic_store(&lock->lock.word, (s & (FT_RW_ONE_READER - 1)) | readers << FT_OWNER_SHIFT);
    }
}

void
ft_rw_forget_gate(struct ft_rw *lock, uint64_t owner)
{
    struct ft_interval_lock *gate = &lock->lock.gate;
    if (atomic_load(&gate->word) >> FT_OWNER_SHIFT == owner >> FT_OWNER_SHIFT) {
        atomic_store(&gate->word, 0);
    }
}

int64_t
ft_rw_readers(struct ft_rw *lock)
{
    int64_t n = 0;
    ft_registry_lock();
    for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
        n += ft_rw_reads_of(lock, t);
    }
    ft_registry_unlock();
    return n;
}

void
ft_rw_forget(struct ft_rw *lock)
{
    uint64_t s = ft_rw_load(lock);
    if (FT_LIKELY((s & FT_RW_BIAS) == 0 && ((s & FT_RW_WRITER) != 0 || s >> FT_OWNER_SHIFT == 0))) {
        return; /* no record can name it */
    }
    ft_registry_lock();
    for (struct ft_thread *t = ft_registry_first(), *next; t != NULL; t = next) {
        next = t->next;
        for (struct ft_slots *slots = &t->reads; slots != NULL; slots = atomic_load(&slots->more)) {
            for (int i = 0; i < FT_SLOTS; i++) {
                uintptr_t tag = atomic_load(&slots->tag[i]);
                if ((tag & ~FT_TAG_MASK) == (uintptr_t)&lock->lock) {
                    atomic_store(&slots->again[i], 0);
                    atomic_store(&slots->tag[i], 0);
                }
            }
        }
        ft_registry_reap(t);
    }
    ft_registry_unlock();
}
