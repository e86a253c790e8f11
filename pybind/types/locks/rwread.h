/* The read path: records of who reads what.
 *
 * A read lock is a slot in the thread's record. Its tag is Counted, then the lock's word has
 * one reader more for it; or Published, then the word knows nothing: the word's Bias says
 * that such readers may exist, and a writer has to look into all records.
 *
 *   reader                              writer (revocation)
 *   1 tag := lock|Published             1 word: Bias -> Revoking
 *   2 word has Bias? then it reads      2 for each tag that is lock|Published:
 *     else take the tag back                word += one reader; tag -> Counted,
 *                                           or word -= one reader if it is gone
 *                                       3 word: Revoking -> 0
 *
 * Both write first and read then, sequentially consistent (Dekker): the reader sees that
 * Bias is gone, or the writer sees the tag. The writer counts before it changes the tag, so
 * the count may be one too high while Revoking stands, never too low. Nobody is parked while
 * Bias or Revoking stands, so uncounting a reader that is gone never has to hand over. From
 * 3 on the word alone decides; Go keeps both bits and answers Retry to a writer that meets
 * them. Bias is set by one compare-and-swap from a word without writer and flags.
 *
 *   tag        word          does the thread read?        who ends it
 *   0          -             no, or the word counts it    -
 *                            and the tag is not noted yet
 *   Published  Bias          yes                          owner: exchange -> 0
 *   Published  no Bias       not decided yet, or it does  owner: compare-and-swap -> 0 if it
 *                            and is about to be counted   retracts (failing, it reads), exchange
 *                                                         -> 0 if it releases;
 *                                                         writer: word + 1, then -> Counted
 *   Counted    counts it     yes                          owner: exchange -> 0, then word - 1
 *
 * A Counted tag may be Upgradable too; while its owner waits to upgrade the word does not count
 * it (locks/rwupgrade.h).
 *
 * The registry's lock keeps the list of records together, and lets a second writer wait for
 * the end of a revocation instead of asking again and again. golib/locks explores this
 * protocol step by step (explore_read_test.go).
 *
 * After BRAVO (Dice and Kogan, USENIX ATC 2019) and hazard pointers (Michael, 2004); there a
 * writer waits for published readers to leave, here it counts them and waits as for all
 * others. */
#ifndef FT_RWREAD_H
#define FT_RWREAD_H

#include "platform/pyver.h"
#include "locks/rwword.h"

/* One slot of a record. */
struct ft_slot {
    struct ft_slots *line;
    int i;
};

/* The slot of this thread for the lock; line is NULL when it does not read it. */
struct ft_slot ft_read_find_slow(struct ft_thread *self, const struct ft_rw_lock *lock);

/* Most often it is the only one. */
static inline struct ft_slot
ft_read_find(struct ft_thread *self, const struct ft_rw_lock *lock)
{
    uintptr_t first = atomic_load_explicit(&self->reads.tag[0], memory_order_relaxed);
    if (FT_LIKELY((first & ~FT_TAG_MASK) == (uintptr_t)lock)) {
        return (struct ft_slot){&self->reads, 0};
    }
    return ft_read_find_slow(self, lock);
}

/* An empty slot; line is NULL with MemoryError set when there is no memory for one. */
struct ft_slot ft_read_room(struct ft_thread *self);

/* Tries to take a first read lock without judgement, into an empty slot. */
bool ft_read_try_slow(struct ft_rw *lock, struct ft_slot slot);

/* Takes back a tag that was published while the bias ended. True: it reads all the same. */
bool ft_read_retract(struct ft_rw *lock, struct ft_slot slot);

static inline bool
ft_read_try(struct ft_rw *lock, struct ft_slot slot)
{
    if (FT_UNLIKELY((ft_rw_load(lock) & FT_RW_BIAS) == 0)) {
        return ft_read_try_slow(lock, slot);
    }
    if (slot.line->used <= (uint32_t)slot.i) {
        slot.line->used = (uint32_t)slot.i + 1;
    }
    atomic_exchange(&slot.line->tag[slot.i], (uintptr_t)&lock->lock | FT_TAG_PUBLISHED);
    if (FT_LIKELY((ft_rw_load(lock) & FT_RW_BIAS) != 0)) {
        return true;
    }
    return ft_read_retract(lock, slot) || ft_read_try_slow(lock, slot);
}

/* Notes a read lock that the word counts. */
void ft_read_counted(struct ft_rw_lock *lock, struct ft_slot slot);

/* Notes the upgradable read lock, which the word counts. */
void ft_read_upgradable(struct ft_rw_lock *lock, struct ft_slot slot);

/* Notes that the thread has the gate, or is about to, and does not read. */
void ft_read_gate(struct ft_rw_lock *lock, struct ft_slot slot);

/* Makes it a plain one, with that many nested reads. */
void ft_read_demote(struct ft_rw_lock *lock, struct ft_slot slot, uint32_t again);

/* Empties a slot. True: the word counts it, and the caller has to uncount it. */
static inline bool
ft_read_clear(struct ft_slot slot)
{
    struct ft_slots *slots = slot.line;
    uintptr_t tag = atomic_exchange(&slots->tag[slot.i], 0);
    while (slots->used > 0
           && atomic_load_explicit(&slots->tag[slots->used - 1], memory_order_relaxed) == 0) {
        slots->used--;
    }
    return (tag & FT_TAG_COUNTED) != 0;
}

/* Counts all published readers of the lock into its word and ends the bias. */
void ft_read_revoke(struct ft_rw *lock);

#endif
