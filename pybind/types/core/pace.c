#include "core/pace.h"

#include "platform/clock.h"

/* A question costs about 0.2 us, a turn is 2 ms or more (unless the interval is less): one
 * question each 0.1 to 0.2 ms costs 0.2 % and ends turns on time. */
#define ASK_NS ((int64_t)200 * 1000)

/* So that a thread whose critical sections become longer is late by this many of them. */
#define MOST_BETWEEN 1023

/* ASK_NS in ticks; 0 until the rate of the counter is known, a millisecond after import. */
static _Atomic(uint64_t) ask_ticks;

static uint64_t
ticks_between(void)
{
    uint64_t ticks = atomic_load_explicit(&ask_ticks, memory_order_relaxed);
    if (FT_UNLIKELY(ticks == 0)) {
        ticks = ft_ticks_surely_within(ASK_NS);
        atomic_store_explicit(&ask_ticks, ticks, memory_order_relaxed);
    }
    return ticks;
}

void
ft_pace_ask(struct ft_pace *pace)
{
    uint64_t now = ft_ticks(), passed = now - pace->asked, wanted = ticks_between();
    pace->asked = now;
    if (passed < wanted / 2 && pace->between < MOST_BETWEEN) {
        pace->between = 2 * pace->between + 1;
    }
    else if (passed > wanted) {
        pace->between /= 2;
    }
    pace->left = pace->between;
}
