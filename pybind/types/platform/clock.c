#include "platform/clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool ft_counter_usable;

/* The start of the measurement of the rate; constant after import. */
static uint64_t first_ticks;
static int64_t first_ns;

/* The rate is good to one in ten thousand after this long. */
#define RATE_KNOWN_NS ((int64_t)1000 * 1000)

static bool
counter_is_constant(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d; /* Intel SDM and AMD APM: leaf 0x80000007, EDX bit 8 */
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8)) != 0;
#elif defined(__aarch64__)
    return true; /* by architecture */
#else
    return false;
#endif
}

void
ft_clock_init(void)
{
    ft_counter_usable = counter_is_constant();
    first_ns = ft_os_now();
    first_ticks = ft_ticks();
}

int64_t
ft_ticks_elapsed(uint64_t since)
{
    uint64_t ticks = ft_ticks();
    int64_t ns = ft_os_now() - first_ns;
    if (ticks <= since || ticks <= first_ticks) {
        return 0; /* counters of two processors may differ by a little */
    }
    return (int64_t)((double)(ticks - since) * (double)ns / (double)(ticks - first_ticks));
}

uint64_t
ft_ticks_surely_within(int64_t ns)
{
    uint64_t ticks = ft_ticks() - first_ticks;
    int64_t since_import = ft_os_now() - first_ns;
    if (since_import < RATE_KNOWN_NS) {
        return 0;
    }
    double within = (double)ns * (double)ticks / (double)since_import * 0.999;
    return within < 9.2e18 ? (uint64_t)within : (uint64_t)INT64_MAX;
}
