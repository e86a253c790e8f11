/* Condition.wait(). With a Lock, RLock or IntervalLock of this package the whole wait is done
 * here: a notified thread sleeps on in the queue of the lock. */
#include "core/deadlock.h"
#include "core/fallback.h"
#include "objects/args.h"
#include "objects/condition.h"
#include "objects/exclusives.h"
#include "platform/os.h"

/* What others see of a wait; what it does is told by the hooks. */
#define OPS(moves_to_)                \
    {                                 \
        .kind = FT_KIND_EXCLUSIVE,    \
        .flags = FT_CONDITION_PARKED, \
        .stays = true,                \
        .side = FT_SIDE_WAIT,         \
        .what = "Condition",          \
        .moves_to = (moves_to_),      \
    }

static const struct ft_wait_ops ops_with[] = {
    [FOREIGN] = OPS(NULL),
    [LOCK] = OPS(&ft_anybodys_ops),
    [RLOCK] = OPS(&ft_rlock_ops),
    [INTERVAL] = OPS(&ft_exclusive_ops),
};

#define OF(word) ((Condition *)((char *)(word) - offsetof(Condition, condition)))

/* How the queueing of a wait ended. */
enum end {
    NOTIFIED, /* it has to take the lock */
    MOVED,    /* it is in the queue of the lock, or a wake-up from there is on its way */
    COMING,   /* it was woken there: to compete for the lock, or holding it */
    EXPIRED,
    RAISED,
};

static enum ft_step
end(struct ft_waiting *wait, enum end how)
{
    wait->end = how;
    return FT_END;
}

/* Whether the waiter is in the queue of the lock by now, or was. A foreign lock has none. */
static bool
moved(const struct ft_waiting *wait)
{
    return OF(wait->lock)->kind != FOREIGN
           && atomic_load(&wait->self->seat->waiter.key) != (uintptr_t)wait->lock;
}

/* Leaves the queue of the condition, unless the thread was notified before. */
static enum ft_step
leave(struct ft_waiting *wait, int32_t why, enum end otherwise, enum end if_notified)
{
    if (!ft_golib()->ft_condition_withdraw(wait->lock, &wait->self->seat->waiter, why)) {
        return end(wait, otherwise);
    }
    if (moved(wait)) {
        return end(wait, MOVED);
    }
    ft_consume_wakeup(wait->self);
    return end(wait, if_notified);
}

static enum ft_step
woken(struct ft_waiting *wait)
{
    return end(wait, moved(wait) ? COMING : NOTIFIED);
}

static enum ft_step
time_over(struct ft_waiting *wait)
{
    return leave(wait, FT_REASON_TIMED_OUT, EXPIRED, NOTIFIED);
}

static enum ft_step
look(struct ft_waiting *wait)
{
    if (!ft_golib()->ft_condition_aside(wait->lock, &wait->self->seat->waiter)) {
        return leave(wait, FT_REASON_LOOKING, NOTIFIED, NOTIFIED); /* the handlers have to wait */
    }
    if (ft_run_handlers_waiting(wait->self) == 0) {
        return FT_SLEEP;
    }
    /* Notified or not: the exception ends the wait. */
    return ft_golib() == NULL ? end(wait, RAISED) : leave(wait, FT_REASON_INTERRUPTED, RAISED, RAISED);
}

/* It has to come back with the lock, so it never raises; but its line is to be known. */
static enum ft_step
stuck(struct ft_waiting *wait)
{
    Py_XDECREF(ft_deadlock_look(wait));
    return FT_SLEEP;
}

static const struct ft_hooks hooks = {woken, NULL, time_over, stuck, look};

/* Without Go there is no queue: look for a notification now and then. Those meant for others
 * count too. */
static enum end
look_for_notification(Condition *self, struct ft_thread *thread, uint64_t before, int64_t deadline)
{
    while (atomic_load(&self->notified) == before) {
        if (deadline != FT_FOREVER && ft_os_now() >= deadline) {
            return EXPIRED;
        }
        if (ft_run_handlers_waiting(thread) < 0) {
            return RAISED;
        }
        ft_fallback_nap(thread, deadline);
    }
    return NOTIFIED;
}

/* The wait of a thread that is queued, or has to look by itself. In a child that a signal
 * handler forked no thread of the parent can notify: it looks for itself at once. */
static enum end
sleep_in_queue(struct ft_waiting *wait, struct ft_waiter *chain)
{
    ft_wait_loop(wait, chain, FT_SLEEP);
    return wait->end == FT_END_IN_CHILD ? NOTIFIED : (enum end)wait->end;
}

/* The lock could not be released: out of the queue again. The exception stays. */
static void
unqueue(Condition *self, struct ft_thread *thread)
{
    const struct ft_golib *go = ft_golib();
    struct ft_waiter *waiter = &thread->seat->waiter;
    if (go != NULL && go->ft_condition_withdraw(&self->condition, waiter, FT_REASON_LOOKING)) {
        ft_consume_wakeup(thread);
    }
}

/* Whoever takes the lock back by methods must not be moved into its queue. */
static void
enlist(Condition *self, struct ft_thread *thread, const struct ft_golib *go, enum kind kind)
{
    struct ft_waiter *waiter = &thread->seat->waiter;
    if (kind == FOREIGN) {
        go->ft_condition_enlist_aside(&self->condition, waiter);
    }
    else {
        go->ft_condition_enlist(&self->condition, waiter);
    }
}

/* The caller holds the lock, and does not hold it any more afterwards, unless failed is -1. The
 * record goes on. */
static enum end
wait_unlocked(Condition *self, struct ft_thread *thread, int64_t deadline, struct saved *saved, int *failed,
              struct ft_record *record)
{
    ft_golib_load();
    enum kind kind = saved->kind;
    ft_record_begin(record, &ops_with[kind], &self->condition, thread, FT_RECORD_OUTSIDE);
    uint64_t before = atomic_load(&self->notified);
    /* Python code may have run since the last look: a comparison of the timeout, a warning, what
     * tells the name of a thread. */
    *failed = kind == FOREIGN ? 0 : ft_condlock_check_owned(self, thread, "wait");
    if (*failed < 0) {
        return RAISED;
    }
    const struct ft_golib *go = ft_golib(); /* it may have forked, and this be the child */
    if (go != NULL) {
        enlist(self, thread, go, kind);
    }
    struct ft_waiting wait = {
        .hooks = &hooks,
        .ops = &ops_with[kind],
        .lock = &self->condition,
        .self = thread,
        .deadline = deadline,
        .interruptible = true,
        .handed = true,
        .stuck_after = kind == RLOCK || kind == INTERVAL ? ft_deadlock_delay() : 0,
    };
    ft_wait_begin(&wait);
    struct ft_waiter *chain;
    enum end ended;
    *failed = ft_condlock_release(self, thread, saved, &chain);
    if (*failed < 0) {
        unqueue(self, thread);
        ft_forget(&thread->seat->waiter);
        ft_announce_end(thread);
        return RAISED;
    }
    if (ft_golib() != NULL) { /* the lock's methods may have forked, and this be the child */
        ended = sleep_in_queue(&wait, chain);
    }
    else {
        ended = look_for_notification(self, thread, before, deadline);
    }
    ft_wait_end(&wait);
    return ended;
}

/* 1 notified, 0 time over, -1 with an exception set. */
static int
wait_until(Condition *self, struct ft_thread *thread, int64_t deadline)
{
    struct saved saved;
    int failed = 0;
    struct ft_record record;
    if (ft_self_prepare_wait(thread) < 0 || ft_condlock_prepare(self, &saved) < 0) {
        return -1;
    }
    enum end ended = wait_unlocked(self, thread, deadline, &saved, &failed, &record);
    if (failed < 0) {
        ft_condlock_forget(&saved);
        ft_record_cancel(&record, thread);
        return -1; /* the lock could not be released: it is as it was */
    }
    if (ended == MOVED || ended == COMING) {
        PyObject *raised = PyErr_GetRaisedException();
        ft_wait_moved(ft_condlock_ops(self), ft_word_of(self->lock), thread, ended == COMING, &record);
        PyErr_SetRaisedException(raised);
    }
    else {
        ft_record_end(&record, thread);
        ft_forget(&thread->seat->waiter);
        if (ft_condlock_retake(self, thread, &saved) < 0) {
            return -1;
        }
    }
    if (saved.kind == RLOCK) {
        ft_rlock_restore(self->lock, saved.depth);
    }
    if (saved.kind == INTERVAL) {
        ft_interval_restart(self->lock, thread);
    }
    return PyErr_Occurred() ? -1 : ended != EXPIRED;
}

/* ---- the method ---- */

int
ft_condition_wait_until(PyObject *op, struct ft_thread *thread, int64_t deadline)
{
    return wait_until((Condition *)op, thread, deadline == FT_NO_WAIT ? ft_os_now() : deadline);
}

PyObject *
ft_condition_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *timeout;
    struct ft_thread *thread = ft_self();
    int64_t ns;
    if (thread == NULL || ft_gather_one("wait", "timeout", args, nargs, kwnames, &timeout) < 0
        || ft_condlock_check_told((Condition *)op, thread, "wait") < 0 || ft_judge_timeout(timeout, &ns) < 0) {
        return NULL;
    }
    return ft_bool(ft_condition_wait_until(op, thread, ft_deadline_in(ns)));
}
