/* The set-up of a process, and what a fork leaves of it. It stands above all locks, since it
 * knows what each has to forget. */
#include "objects/process.h"

#include "core/dump.h"
#include "core/golib.h"
#include "core/names.h"
#include "core/record.h"
#include "core/task.h"
#include "locks/exclusive.h"
#include "locks/rwlock.h"
#include "objects/lockobj.h"
#include "objects/types.h"
#include "platform/clock.h"
#include "platform/os.h"

#include <pthread.h>

/* Whether the child has this thread, or task: a task of the thread that forks is here as that is. */
static bool
stays(const struct ft_thread *t)
{
    return t == ft_current || (t->task != NULL && t->ident == PyThread_get_thread_ident());
}

static uint64_t
counted_reads(uintptr_t lock)
{
    uint64_t n = 0;
    for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
        for (struct ft_slots *s = &t->reads; stays(t) && s != NULL; s = atomic_load(&s->more)) {
            for (int i = 0; i < FT_SLOTS; i++) {
                uintptr_t tag = atomic_load(&s->tag[i]);
                n += (tag & FT_TAG_COUNTED) != 0 && (tag & ~FT_TAG_MASK) == lock;
            }
        }
    }
    return n;
}

/* The read locks of those that are left are all that there are: each lock that any thread read
 * has its readers counted anew. One that was waiting to upgrade was not counted. */
static void
recount_reads(struct ft_thread *t)
{
    bool gone = !stays(t);
    for (struct ft_slots *s = &t->reads; s != NULL; s = atomic_load(&s->more)) {
        for (int i = 0; i < FT_SLOTS; i++) {
            uintptr_t tag = atomic_load(&s->tag[i]), lock = tag & ~FT_TAG_MASK;
            if ((tag & FT_TAG_COUNTED) != 0) {
                ft_rw_recount((struct ft_rw *)lock, counted_reads(lock));
            }
            if (gone && (tag & FT_TAG_UPGRADABLE) != 0) {
                ft_rw_forget_gate(ft_rw_of_upgradable(tag), t->owner);
            }
            if (gone) {
                atomic_store(&s->tag[i], 0);
            }
        }
    }
}

static void
forget_wait(struct ft_thread *t, struct ft_seat *seat)
{
    void *lock = (void *)(uintptr_t)atomic_load(&seat->waiting_for);
    if (lock == NULL) {
        return;
    }
    uint32_t state = atomic_load(&seat->waiter.state);
    bool given = state == FT_STATE_GRANTED || state == FT_STATE_NOTIFIED;
    uintptr_t key = atomic_load(&seat->waiter.key);
    if (given && key != (uintptr_t)lock) {
        ft_exclusive_take_back((void *)key, t, state); /* moved there from a Condition */
    }
    else if (given && seat->waiting_ops->take_back != NULL) {
        seat->waiting_ops->take_back(lock, t, state);
    }
    else if (given && seat->waiting_ops->take_back_from != NULL) {
        seat->waiting_ops->take_back_from(lock, seat);
    }
    if (!given && seat->waiting_ops->forget != NULL) {
        seat->waiting_ops->forget(lock, seat);
    }
    atomic_fetch_and((_Atomic(uint64_t) *)lock, ~seat->waiting_ops->flags);
}

/* The object of the task is here, so it may not be left in the middle of a wait. */
static void
forget_task(struct ft_thread *t)
{
    atomic_store(&t->first_seat.waiting_for, NULL);
    t->first_seat.waiter.ticket = 0;
    atomic_store(&t->first_seat.waiter.state, FT_STATE_IDLE);
    ft_task_forget(t->task);
}

/* Of the other threads nothing is left in the child. Their waiting is forgotten, and so
 * are the read locks that they held: a reader that does not exist changes nothing, and
 * nobody could ever release for it. What they had locked for writing stays locked: the
 * data behind it may be half written. */
static void
forget_thread(struct ft_thread *t)
{
    for (struct ft_seat *seat = t->seat; seat != NULL; seat = seat->below) {
        forget_wait(t, seat);
    }
    if (t->task != NULL) {
        forget_task(t);
    }
}

static void
after_fork_in_child(void)
{
    ft_bells_after_fork_in_child();
    ft_registry_after_fork(forget_thread, recount_reads);
    ft_record_after_fork();
    atomic_store(&ft_spinning, 0);
    ft_golib_after_fork_in_child();
    ft_names_after_fork_in_child();
    ft_dump_after_fork();
}

static void
before_fork(void)
{
    ft_golib_before_fork();
    ft_inspect_begin(); /* the child follows the waits that it finds: forget_wait */
    ft_names_before_fork();
    ft_bells_before_fork();
}

static void
after_fork_in_parent(void)
{
    ft_bells_after_fork_in_parent();
    ft_names_after_fork_in_parent();
    ft_inspect_end();
    ft_golib_after_fork_in_parent();
}

static const char *
kind_of(const void *lock)
{
    return ft_type_name((PyObject *)((uintptr_t)lock - FT_WORD_OFFSET));
}

static bool initialized;

static void
init_process(void)
{
    ft_clock_init();
    ft_record_kind = kind_of;
    ft_spinners_most = ft_os_processors() - 1;
    initialized = ft_registry_init()
                  && pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
}

/* A new reference. Python tells it without the cost of importing threading. */
static PyObject *
main_ident(void)
{
    PyObject *module = PyImport_ImportModule("_thread");
    PyObject *ident = module == NULL ? NULL : PyObject_CallMethod(module, "_get_main_thread_ident", NULL);
    Py_XDECREF(module);
    if (ident != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return ident;
    }
    PyErr_Clear();
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *thread = threading == NULL ? NULL : PyObject_CallMethod(threading, "main_thread", NULL);
    ident = thread == NULL ? NULL : PyObject_GetAttrString(thread, "ident");
    Py_XDECREF(thread);
    Py_XDECREF(threading);
    return ident;
}

static int
note_main_thread(void)
{
    PyObject *ident = main_ident();
    unsigned long n = ident == NULL ? 0 : PyLong_AsUnsignedLong(ident);
    Py_XDECREF(ident);
    if (PyErr_Occurred()) {
        return -1;
    }
    atomic_store(&ft_main_ident, n);
    return 0;
}

int
ft_process_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* interpreters may import at the same time */
    pthread_once(&once, init_process);
    if (!initialized) {
        PyErr_SetString(PyExc_ImportError,
                        "ft_utils cannot set up its thread records: the process has no "
                        "thread-specific keys left");
        return -1;
    }
    return note_main_thread();
}
