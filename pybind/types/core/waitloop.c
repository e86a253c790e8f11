#include "core/waitloop.h"

#include "core/names.h"
#include "core/spin.h"
#include "core/task.h"
#include "core/wait.h"
#include "platform/clock.h"
#include "platform/frames.h"
#include "platform/os.h"
#include "platform/pyver.h"

#include <sched.h>
#include <stdlib.h>

/* A signal that comes after the thread looked and before it sleeps does not end the sleep. So
 * the main thread, the one that runs handlers, wakes up to look again: soon at first, since
 * that is when it may have happened, then ever more rarely. */
#define FIRST_LOOK ((int64_t)10 * 1000 * 1000)
#define LAST_LOOK ((int64_t)1000 * 1000 * 1000)

/* Where running handlers costs a turn (`loses_turn`) they run as often as signals come at first,
 * and then with pauses that double. So signals that never cease cost a wait no more than a few
 * times as long as the others stay that each run lets in, as far as that is below the longest
 * pause; and no handler is late by more than the wait has taken, nor than the longest pause. */
#define FIRST_PAUSE ((int64_t)1000 * 1000)
#define LAST_PAUSE LAST_LOOK

void
ft_wake(struct ft_waiter *chain)
{
    while (chain != NULL) {
        struct ft_waiter *waiter = chain;
        chain = waiter->wake_next; /* first: a woken thread may be gone at once */
        if (FT_UNLIKELY(ft_token_of_task(waiter->token))) {
            ft_task_ring(waiter->token);
        }
        else {
            PyThread_release_lock((PyThread_type_lock)waiter->token);
        }
    }
}

void
ft_forget(struct ft_waiter *waiter)
{
    __atomic_store_n(&waiter->ticket, 0, __ATOMIC_RELAXED); /* a dump may read it */
    atomic_store(&waiter->state, FT_STATE_IDLE);
}

/* What has been noted of an earlier wait. */
static void
forget_notes(struct ft_seat *seat)
{
    if (FT_UNLIKELY(seat->where != NULL)) {
        ft_registry_lock();
        free(seat->where);
        seat->where = NULL;
        seat->doomed = seat->reported = false;
        ft_registry_unlock();
    }
}

static void
announce(const struct ft_waiting *wait, int64_t since)
{
    struct ft_seat *seat = wait->self->seat;
    /* Other threads read these at any time. Who looks for a deadlock sees by `waits` that they
     * belong together; a dump may show a mixture of two waits. */
    atomic_store_explicit(&seat->since, since, memory_order_relaxed);
    atomic_store_explicit(&seat->waiting_ops, wait->ops, memory_order_relaxed);
    atomic_store_explicit(&seat->untimed, wait->deadline == FT_FOREVER, memory_order_relaxed);
    atomic_store_explicit(&seat->may_raise, wait->interruptible, memory_order_relaxed);
    atomic_fetch_add(&seat->waits, 1);
    atomic_store(&seat->waiting_for, wait->lock);
}

void
ft_announce(const struct ft_waiting *wait)
{
    forget_notes(wait->self->seat);
    announce(wait, ft_os_about_now());
}

struct ft_pause
ft_announce_pause(struct ft_thread *self)
{
    ft_announce_end(self);
    return (struct ft_pause){atomic_load(&self->seat->waits), atomic_load(&self->seat->since)};
}

/* A handler that has waited too has done so on this seat, and what is noted is of its wait. */
void
ft_announce_again(const struct ft_waiting *wait, const struct ft_pause *pause)
{
    struct ft_seat *seat = wait->self->seat;
    if (atomic_load(&seat->waits) != pause->waits) {
        forget_notes(seat);
    }
    announce(wait, pause->since);
}

void
ft_announce_end(struct ft_thread *self)
{
    atomic_fetch_add(&self->seat->waits, 1);
    atomic_store(&self->seat->waiting_for, NULL);
}

void
ft_wait_begin(struct ft_waiting *wait)
{
    wait->began = ft_ticks();
    ft_announce(wait);
}

void
ft_wait_end(const struct ft_waiting *wait)
{
    ft_announce_end(wait->self);
    uint64_t now = ft_ticks();
    ft_names_waited(wait->lock, wait->ops->what, now > wait->began ? now - wait->began : 0);
}

void
ft_consume_wakeup(struct ft_thread *self)
{
    if (FT_UNLIKELY(self->task != NULL)) {
        ft_task_consume(self->task);
        return;
    }
    PyThread_acquire_lock(self->seat->semaphore, WAIT_LOCK);
}

int
ft_run_handlers_waiting(struct ft_thread *self)
{
    if (ft_seat_push(self) < 0) {
        return -1;
    }
    int raised = PyErr_CheckSignals();
    ft_seat_pop(self);
    return raised;
}

/* ---- sleeping ---- */

/* How one sleep ended. */
enum slept {
    WOKEN,
    TIME_OVER,
    LOOK,
    PAUSED,
    STUCK,
};

/* What wakes a thread besides its wake-up and its deadline. */
struct alarms {
    int64_t look;  /* when to look for signals, in nanoseconds of sleep; 0: never */
    int64_t stuck; /* as in struct ft_waiting, in nanoseconds of sleep; 0: never */
    int64_t slept; /* without being woken */
    int64_t pause; /* the last between two runs of handlers; 0: none yet */
    int64_t paused_until;
};

/* How long to sleep, and what the end of that time will mean. */
static int64_t
patience(int64_t until, const struct alarms *alarms, enum slept *meaning)
{
    int64_t ns = FT_FOREVER;
    *meaning = TIME_OVER;
    if (until != FT_FOREVER) {
        int64_t now = ft_os_now();
        ns = until > now ? until - now : 0;
    }
    if (alarms->look != 0 && ns > alarms->look) {
        ns = alarms->look;
        *meaning = LOOK;
    }
    if (FT_UNLIKELY(alarms->pause != 0)) {
        int64_t left = alarms->paused_until - ft_os_now();
        if (left > 0 && ns > left) {
            ns = left;
            *meaning = PAUSED;
        }
    }
    if (alarms->stuck != 0 && ns > alarms->stuck - alarms->slept) {
        ns = alarms->stuck > alarms->slept ? alarms->stuck - alarms->slept : 0;
        *meaning = STUCK;
    }
    return ns;
}

/* The time of an alarm has passed: the next comes later. */
static void
rang(struct alarms *alarms, enum slept which, int64_t ns)
{
    alarms->slept += ns;
    if (which == LOOK) {
        alarms->look = alarms->look >= LAST_LOOK / 4 ? LAST_LOOK : alarms->look * 4;
    }
    else if (which == STUCK) {
        alarms->stuck *= 2;
    }
}

/* Somebody may read our frames just now: that takes some microseconds. */
static void
unpark(struct ft_seat *seat)
{
    int parked = FT_PARKED;
    while (!atomic_compare_exchange_weak(&seat->parked, &parked, FT_RUNNING)) {
        parked = FT_PARKED;
        sched_yield();
    }
}

/* Waking comes after detaching: those whom we hand over to would otherwise wake only to wait
 * for the GIL that we still hold. */
static enum slept
sleep_detached(const struct ft_waiting *wait, struct ft_waiter *chain, bool handed, int64_t until,
               struct alarms *alarms)
{
    enum slept slept;
    struct ft_seat *seat = wait->self->seat;
    PyThread_type_lock semaphore = seat->semaphore;
    seat->frames = ft_frames_here();
    Py_BEGIN_ALLOW_THREADS
    ft_wake(chain);
    if (handed && ft_spin_asleep(&wait->self->spin, semaphore)) {
        Py_BLOCK_THREADS
        return WOKEN;
    }
    int64_t ns = patience(until, alarms, &slept);
    PY_TIMEOUT_T us = ns == FT_FOREVER ? -1 : (PY_TIMEOUT_T)((ns + 999) / 1000);
    atomic_store(&seat->parked, FT_PARKED);
    int64_t before = alarms->stuck != 0 ? ft_os_now() : 0;
    PyLockStatus status = PyThread_acquire_lock_timed(semaphore, us, wait->interruptible);
    unpark(seat);
    switch (status) {
    case PY_LOCK_ACQUIRED:
        slept = WOKEN;
        break;
    case PY_LOCK_INTR:
        slept = LOOK;
        alarms->slept += alarms->stuck != 0 ? ft_os_now() - before : 0;
        break;
    case PY_LOCK_FAILURE:
        rang(alarms, slept, ns);
        break;
    }
    Py_END_ALLOW_THREADS
    return slept;
}

/* ---- the loop ---- */

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A look that found nothing changes nothing. Above all a thread that naps goes on to nap: Go
 * counts on it to come back, and wakes nobody in its place. */
static enum ft_step
look_whether_stuck(struct ft_waiting *wait, enum ft_step step)
{
    enum ft_step next = wait->hooks->stuck(wait);
    return next == FT_SLEEP ? step : next;
}

/* Sleeps once. A sleep that a signal, or the time to look for one, has ended changes nothing
 * either: the loop looks before the next. */
static enum ft_step
sleep_once(struct ft_waiting *wait, struct ft_waiter *chain, enum ft_step step, struct alarms *alarms)
{
    bool naps = step == FT_NAP;
    int64_t until = naps ? earlier(ft_os_now() + FT_NAP_NS, wait->deadline) : wait->deadline;
    enum slept slept = sleep_detached(wait, chain, wait->handed && !naps, until, alarms);
    if (FT_UNLIKELY(ft_golib() == NULL)) {
        return step; /* the loop ends */
    }
    switch (slept) {
    case WOKEN:
        return wait->hooks->woken(wait);
    case LOOK:
    case PAUSED:
        return step;
    case STUCK:
        return look_whether_stuck(wait, step);
    case TIME_OVER:
        break;
    }
    return naps && until < wait->deadline ? wait->hooks->napped(wait) : wait->hooks->time_over(wait);
}

static bool
handlers_may_run(const struct alarms *alarms)
{
    return ft_signals_pending() && (alarms->pause == 0 || ft_os_now() >= alarms->paused_until);
}

static enum ft_step
run_handlers(struct ft_waiting *wait, struct alarms *alarms)
{
    enum ft_step step = wait->hooks->look(wait);
    if (step != FT_END && wait->ops->loses_turn) {
        alarms->pause = alarms->pause == 0 ? FIRST_PAUSE : earlier(alarms->pause * 2, LAST_PAUSE);
        alarms->paused_until = ft_os_now() + alarms->pause;
    }
    return step;
}

void
ft_wait_loop(struct ft_waiting *wait, struct ft_waiter *chain, enum ft_step step)
{
    bool looks = wait->interruptible && ft_runs_handlers(wait->self), looked = false;
    struct alarms alarms = {.look = looks ? FIRST_LOOK : 0, .stuck = wait->stuck_after};
    while (step != FT_END) {
        /* Once between two sleeps. Those of the chain must not wait for handlers. */
        if (looks && !looked && chain == NULL && handlers_may_run(&alarms)) {
            step = run_handlers(wait, &alarms);
            looked = true;
        }
        else {
            step = sleep_once(wait, chain, step, &alarms);
            chain = NULL;
            looked = false;
        }
        if (step != FT_END && ft_golib() == NULL) {
            wait->end = FT_END_IN_CHILD;
            return;
        }
    }
}
