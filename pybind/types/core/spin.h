/* Spinning before sleeping.
 *
 * Spinning for a lock pays when the holder runs on another processor and lets go soon. With
 * the GIL the holder does not run while we do, so nobody spins there (pyver.h). How long is
 * worth it differs by program: each thread keeps a budget that grows with success and
 * shrinks with failure, as glibc's adaptive mutex does.
 *
 * Looks are far apart. A spinner that looks all the time takes the lock at the first gap, the
 * other spins in its turn, and the word's cache line crosses over at every operation: two
 * threads get less done than one. A look each few microseconds lets the holder do a batch. */
#ifndef FT_SPIN_H
#define FT_SPIN_H

#include "platform/pyver.h"

/* Looks, and pauses before each: a pause is 10 to 45 ns on today's processors, so a look
 * comes each 1 to 5 us, and the longest spin takes about what one sleep and wake-up cost. At
 * 2 to 64 pauses a look, throughput of contended locks was 0.85 of threading.Lock's, at 128
 * it is 1.0 to 1.1 (make bench ROWS=contended). */
#define FT_SPIN_MIN 1
#define FT_SPIN_MAX 4
#define FT_SPIN_PAUSES 128

/* How many may spin at a time: all processors but one, which the thread that they wait for needs.
 * Set once at import. */
extern int ft_spinners_most;
extern _Atomic(int) ft_spinning; /* how many do */

/* What a thread has learnt; its own. */
struct ft_spin_budget {
    uint32_t looks;  /* before it queues; 0: not known yet */
    uint32_t asleep; /* rounds beyond the least, once it is queued */
};

struct ft_spin {
    uint32_t round, rounds;
};

/* How long a notified thread naps that finds the lock taken. A nap ends about 50 us late (the
 * kernel's timer slack); the lock may lie idle that long, some two times as long as if the
 * thread had been woken. Two threads that are at one lock all the time get a fifth more done
 * than with a wake-up at each release. */
#define FT_NAP_NS ((int64_t)50 * 1000)

static inline void
ft_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield is a no-op on most cores */
#endif
}

static inline struct ft_spin
ft_spin_start(struct ft_spin_budget *budget)
{
    if (budget->looks == 0) {
        budget->looks = FT_SPIN_MAX / 2;
    }
    return (struct ft_spin){.rounds = FT_SPINS && ft_spinners_most > 0 ? budget->looks : 0};
}

/* Pauses and says whether to look once more. */
static inline bool
ft_spin_again(struct ft_spin *spin)
{
    if (spin->round >= spin->rounds) {
        return false;
    }
    spin->round++;
    for (uint32_t i = 0; i < FT_SPIN_PAUSES; i++) {
        ft_pause();
    }
    return true;
}

/* Spinning while asleep: detached, on the own semaphore, for a wake-up that a hand-over
 * brings. It costs nobody but the processor, so it pays with the GIL too. A sleep and a
 * wake-up by another processor cost 5 to 20 us, the more where processors are virtual; the
 * longest spin has to outlast that, or two threads that hand over to each other and have
 * slept once will sleep ever after. A thread that waits for longer things soon spends
 * little on it (make bench ROWS=cede). A round is some 40 ns. */
#define FT_ASLEEP_MIN 64
#define FT_ASLEEP_MAX 640

/* Rounds to wait until one of those that spin stops: as one thread hands over to the other,
 * both spin for a moment. */
#define FT_ASLEEP_ASKING 32

static inline bool
ft_spin_asleep(struct ft_spin_budget *budget, PyThread_type_lock semaphore)
{
    uint32_t rounds = budget->asleep + FT_ASLEEP_MIN, asking = FT_ASLEEP_ASKING;
    bool woken = false, counted = false;
    while (rounds > 0 && asking > 0 && !woken) {
        if (!counted) {
            asking--;
            int spinning = atomic_load_explicit(&ft_spinning, memory_order_relaxed);
            counted = spinning < ft_spinners_most
                      && atomic_compare_exchange_strong(&ft_spinning, &spinning, spinning + 1);
        }
        rounds--;
        ft_pause();
        woken = PyThread_acquire_lock(semaphore, NOWAIT_LOCK);
    }
    if (counted) {
        atomic_fetch_sub(&ft_spinning, 1);
        budget->asleep = woken ? FT_ASLEEP_MAX : budget->asleep - budget->asleep / 8;
    }
    return woken;
}

static inline void
ft_spin_succeeded(struct ft_spin_budget *budget)
{
    if (budget->looks < FT_SPIN_MAX) {
        budget->looks += 1;
    }
}

static inline void
ft_spin_failed(struct ft_spin_budget *budget)
{
    if (budget->looks > FT_SPIN_MIN) {
        budget->looks -= 1;
    }
}

#endif
