/* Spinning before sleeping.
 *
 * It pays when the holder runs on another processor and lets go soon. With the GIL the
 * holder does not run while we do, so nobody spins there (pyver.h). How long is worth it
 * differs by program: each thread keeps a budget that grows with success and shrinks with
 * failure, as glibc's adaptive mutex does. */
#ifndef FT_SPIN_H
#define FT_SPIN_H

#include "pyver.h"
#include "thread.h"

/* Rounds of growing pauses: 2, 4, … 64 pauses, then 64 each. A pause is 10 to 45 ns on
 * today's processors, so the longest spin is a few microseconds: about what one
 * sleep and wake-up costs (make bench ROWS=contended). */
#define FT_SPIN_MIN 4
#define FT_SPIN_MAX 40
#define FT_SPIN_LONGEST_PAUSE 64

struct ft_spin {
    uint32_t round, rounds;
};

/* Whether spinning can pay on this machine. Set once at import. */
extern bool ft_spin_pays;

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
ft_spin_start(struct ft_thread *self)
{
    if (self->spin_budget == 0) {
        self->spin_budget = FT_SPIN_MAX / 2;
    }
    return (struct ft_spin){.rounds = FT_SPINS && ft_spin_pays ? self->spin_budget : 0};
}

/* Pauses and says whether to look once more. */
static inline bool
ft_spin_again(struct ft_spin *spin)
{
    if (spin->round >= spin->rounds) {
        return false;
    }
    uint32_t pauses = 2u << spin->round;
    if (spin->round >= 5) {
        pauses = FT_SPIN_LONGEST_PAUSE;
    }
    spin->round++;
    for (uint32_t i = 0; i < pauses; i++) {
        ft_pause();
    }
    return true;
}

static inline void
ft_spin_succeeded(struct ft_thread *self)
{
    if (self->spin_budget < FT_SPIN_MAX) {
        self->spin_budget += 2;
    }
}

static inline void
ft_spin_failed(struct ft_thread *self)
{
    if (self->spin_budget > FT_SPIN_MIN) {
        self->spin_budget -= 1;
    }
}

#endif
