/* A clock cheap enough for an uncontended acquire: processor ticks.
 *
 * clock_gettime costs about 20 ns, more than half of a lock's pair; the time-stamp counter
 * of x86-64 and the virtual counter of arm64 cost 2 to 9 and run at a constant rate on
 * every processor of the last fifteen years. Where they are not to be trusted (and on
 * other processors) ft_ticks is CLOCK_MONOTONIC. */
#ifndef FT_CLOCK_H
#define FT_CLOCK_H

#include "platform/os.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether the counter is constant and does not stop. Set once at import. */
extern bool ft_counter_usable;

static inline uint64_t
ft_ticks(void)
{
#if defined(__x86_64__)
    if (__builtin_expect(ft_counter_usable, 1)) {
        return __builtin_ia32_rdtsc();
    }
#elif defined(__aarch64__)
    if (__builtin_expect(ft_counter_usable, 1)) {
        uint64_t ticks;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
    }
#endif
    return (uint64_t)ft_os_now();
}

/* Nanoseconds since an earlier reading of ft_ticks. The rate is measured between import
 * and now, so what a reading since import can be off by is the cost of two clock reads. */
int64_t ft_ticks_elapsed(uint64_t since);

/* For sums of ticks: what is one tick in seconds? From a tenth of a second after import on it is
 * always the same, so that a sum that only grows does so in seconds too. */
double ft_seconds_per_tick(void);

/* How many ticks are surely less than ns nanoseconds, 0 while that is not known yet:
 * elapsed ticks below it need no further look. */
uint64_t ft_ticks_surely_within(int64_t ns);

void ft_clock_init(void);

#endif
