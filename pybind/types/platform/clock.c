#include "platform/clock.h"

#include <stdatomic.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool ft_counter_usable;

/* The start of the measurement of the rate; constant after import. */
static uint64_t first_ticks;
static int64_t first_ns;

/* The rate is good to one in ten thousand after this long. */
#define RATE_KNOWN_NS ((int64_t)1000 * 1000)

/* After this it is so good that it need not be measured any more. */
#define RATE_FIXED_NS ((int64_t)100 * 1000 * 1000)

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

/* Both clocks at the same moment, as near as can be: a thread that loses its processor between
 * two readings tries again. */
static void
read_both(uint64_t *ticks, int64_t *ns)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 8; i++) {
        uint64_t before = ft_ticks();
        int64_t now = ft_os_now();
        uint64_t after = ft_ticks(), gap = after >= before ? after - before : UINT64_MAX;
        if (i == 0 || gap < least) {
            least = gap;
            *ticks = before;
            *ns = now;
        }
    }
}

void
ft_clock_init(void)
{
    ft_counter_usable = counter_is_constant();
    read_both(&first_ticks, &first_ns);
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

double
ft_seconds_per_tick(void)
{
    static _Atomic(double) known; /* 0: not yet; then constant */
    double rate = atomic_load(&known), none = 0;
    if (rate == 0) {
        uint64_t ticks;
        int64_t ns;
        read_both(&ticks, &ns);
        rate = ticks <= first_ticks ? 0 : (double)(ns - first_ns) / 1e9 / (double)(ticks - first_ticks);
        if (ns - first_ns > RATE_FIXED_NS && !atomic_compare_exchange_strong(&known, &none, rate)) {
            rate = none; /* another thread was first */
        }
    }
    return rate;
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
