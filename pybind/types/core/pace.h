/* When to ask Go whether it is time to hand over.
 *
 * While a notified waiter is on its way, a release needs no judgement and is one
 * compare-and-swap. But the waiter may be long in coming: the kernel may have queued it
 * behind the very thread that hammers the lock, on the same processor, to run there at the
 * next tick, up to 4 ms later. So the thread that releases asks Go now and then; Go hands
 * over when the longest waiter's turn has come, and the hammering thread, which then has to
 * wait itself, makes room on its processor.
 *
 * Even reading the counter at each release would cost a fifth of a short critical section,
 * so releases are counted, and how many go between two questions follows how long they
 * take. */
#ifndef FT_PACE_H
#define FT_PACE_H

#include "platform/common.h"

struct ft_pace {
    uint64_t asked;   /* ft_ticks() of the last question */
    uint32_t between; /* releases without a question between two */
    uint32_t left;    /* of them, until the next */
};

/* Whether this release may go without a question. The thread's own. */
static inline bool
ft_pace_on(struct ft_pace *pace)
{
    if (FT_UNLIKELY(pace->left == 0)) {
        return false;
    }
    pace->left--;
    return true;
}

/* Sets the pace anew, for a thread that asks now. */
void ft_pace_ask(struct ft_pace *pace);

#endif
