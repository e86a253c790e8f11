/* Task: an asyncio task as an owner of locks, for ft_utils.aio (core/task.h).
 *
 * A task takes a lock by the very functions that a thread calls. While they run the task's record
 * is the calling thread's, so they know the task as the owner; instead of sleeping they return
 * Pending. No Python code runs meanwhile, as it would act in the name of the task. */
#include "core/task.h"
#include "objects/args.h"
#include "objects/exclusives.h"
#include "objects/keyed.h"
#include "objects/rwtype.h"
#include "objects/takes.h"
#include "objects/tasks.h"
#include "objects/types.h"

enum kind {
    NONE,
    INTERVAL,
    LOCK,
    RLOCK,
    READ,
    WRITE,
    SEMAPHORE,
    RESIZABLE,
    EVENT,
    KEYED,
};

/* What a task waits for. `lock` is a new reference; of a context it is that of its lock. */
struct target {
    enum kind kind;
    PyObject *lock;
    uint64_t n; /* permits */
};

enum step {
    IDLE,
    WAITS, /* in the queue */
    GIVEN, /* has it, and has not claimed it: to be given back if it is not */
};

typedef struct {
    PyObject_HEAD
    PyObject *bell;
    PyObject *of;        /* a weak reference to the asyncio task */
    struct ft_task task; /* record is NULL: it was not made */
    enum step step;
    struct target target; /* unless Idle */
} Task;

/* ---- what can be taken ---- */

static enum kind
kind_of(const struct ft_module_state *state, PyObject *lock)
{
    const struct {
        PyTypeObject *type;
        enum kind kind;
    } kinds[] = {
        {state->interval, INTERVAL},
        {state->lock, LOCK},
        {state->rlock, RLOCK},
        {state->read_context, READ},
        {state->write_context, WRITE},
        {state->semaphore, SEMAPHORE},
        {state->resizable, RESIZABLE},
        {state->event, EVENT},
        {state->keyed_context, KEYED},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (PyObject_TypeCheck(lock, kinds[i].type)) {
            return kinds[i].kind;
        }
    }
    return NONE;
}

/* 0, or -1 with an exception set. Python code may run. */
static int
parse_target(PyObject *op, PyObject *lock, PyObject *n, struct target *target)
{
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    *target = (struct target){.n = 1};
    if (state == NULL || (n != NULL && ft_parse_permits(n, 1, "n", &target->n) < 0)) {
        return -1;
    }
    target->kind = kind_of(state, lock);
    if (target->kind == NONE) {
        PyErr_Format(PyExc_TypeError,
                     "a task can wait for an IntervalLock, Lock, RLock, RWReadContext, RWWriteContext, Semaphore, "
                     "BoundedSemaphore, ResizableSemaphore, KeyedContext or Event, not for %T",
                     lock);
        return -1;
    }
    if (target->n != 1 && target->kind != RESIZABLE) {
        PyErr_Format(PyExc_TypeError, "only a ResizableSemaphore gives several permits at once, not %T", lock);
        return -1;
    }
    bool context = target->kind == READ || target->kind == WRITE;
    target->lock = Py_XNewRef(context ? ft_context_lock(lock) : lock);
    return target->lock == NULL ? -1 : 0;
}

static int
take(const struct target *target)
{
    PyObject *lock = target->lock;
    switch (target->kind) {
    case INTERVAL:
        return ft_interval_take(lock, FT_FOREVER);
    case LOCK:
        return ft_lock_take(lock, FT_FOREVER);
    case RLOCK:
        return ft_rlock_take(lock, FT_FOREVER);
    case READ:
        return ft_rw_read(&((ReaderWriterLock *)lock)->rw, FT_FOREVER);
    case WRITE:
        return ft_rw_write(&((ReaderWriterLock *)lock)->rw, FT_FOREVER);
    case SEMAPHORE:
        return ft_semaphore_take(lock);
    case RESIZABLE:
        return ft_resizable_take(lock, target->n, FT_FOREVER);
    case EVENT:
        return ft_event_await(lock);
    case KEYED:
        return ft_keyed_take(lock, FT_FOREVER);
    case NONE:
        break;
    }
    Py_UNREACHABLE();
}

static int
give(const struct target *target)
{
    PyObject *lock = target->lock;
    switch (target->kind) {
    case INTERVAL:
        return ft_interval_give(lock);
    case LOCK:
        return ft_lock_give(lock);
    case RLOCK:
        return ft_rlock_give(lock);
    case READ:
        return ft_rw_unread(&((ReaderWriterLock *)lock)->rw);
    case WRITE:
        return ft_rw_unwrite(&((ReaderWriterLock *)lock)->rw);
    case SEMAPHORE:
        return ft_semaphore_give(lock);
    case RESIZABLE:
        return ft_resizable_give(lock, target->n);
    case KEYED:
        return ft_keyed_give(lock);
    case EVENT:
    case NONE:
        return 0; /* nothing was taken */
    }
    Py_UNREACHABLE();
}

/* Does it in the name of the task, unless it may run Python code; then the task does not matter. */
static int
as_task(Task *self, int (*what)(const struct target *), const struct target *target)
{
    if (target->kind == SEMAPHORE && ft_semaphore_is_odd(target->lock)) {
        return what(target);
    }
    struct ft_thread *thread = ft_current;
    ft_current = self->task.record;
    int outcome = what(target);
    ft_current = thread;
    return outcome;
}

/* ---- the steps of a wait ---- */

static PyObject *
go_to(Task *self, enum step step, const struct target *target, PyObject *answer)
{
    self->step = step;
    self->target = *target;
    return Py_NewRef(answer);
}

static FT_SLOW int
refuse_second(void)
{
    PyErr_SetString(PyExc_RuntimeError, "this task waits for a lock already");
    return FT_FAILED;
}

/* True, None while it is queued, False where there is no queue: it has to ask again. */
static PyObject *
begin(Task *self, const struct target *target)
{
    int outcome = as_task(self, take, target);
    if (outcome == FT_UNQUEUED && !ft_golib_missing()) {
        ft_golib_load(); /* Python code may run, and begin a wait of this very task */
        outcome = self->step == IDLE ? as_task(self, take, target) : refuse_second();
    }
    switch (outcome) {
    case FT_ACQUIRED:
        return go_to(self, GIVEN, target, Py_True);
    case FT_PENDING:
        return go_to(self, WAITS, target, Py_None);
    case FT_UNQUEUED:
        Py_DECREF(target->lock);
        Py_RETURN_FALSE;
    }
    Py_DECREF(target->lock);
    return NULL;
}

static int
parse_arguments(PyObject *op, const char *method, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                struct target *target)
{
    static const char *const names[] = {"lock", "n"};
    PyObject *found[2] = {NULL, NULL};
    if (ft_gather(method, names, 2, args, nargs, kwnames, found) < 0) {
        return -1;
    }
    if (found[0] == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() needs a lock", method);
        return -1;
    }
    return parse_target(op, found[0], found[1], target);
}

static PyObject *
task_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Task *self = (Task *)op;
    struct target target;
    if (parse_arguments(op, "acquire", args, nargs, kwnames, &target) < 0) {
        return NULL;
    }
    if (self->step != IDLE) {
        refuse_second();
        Py_DECREF(target.lock);
        return NULL;
    }
    return begin(self, &target);
}

static void
forget_target(Task *self)
{
    self->step = IDLE;
    Py_CLEAR(self->target.lock);
}

static FT_SLOW int
refuse_shrunk(uint64_t n)
{
    PyErr_Format(PyExc_ValueError,
                 "resize() has made the limit of this ResizableSemaphore less than the %llu permits that this task "
                 "waited for",
                 n);
    return FT_FAILED;
}

/* It was given the lock in the queue: what taking it does besides. */
static void
settle(Task *self)
{
    if (self->target.kind == INTERVAL) {
        ft_interval_restart(self->target.lock, self->task.record);
    }
    else if (self->target.kind == KEYED) {
        ft_keyed_settle(self->target.lock);
    }
}

static PyObject *
task_resume(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Task *self = (Task *)op;
    struct ft_thread *record = self->task.record;
    if (self->step != WAITS) {
        return PyBool_FromLong(self->step == GIVEN);
    }
    int outcome = ft_task_resume(record);
    if (outcome == FT_PENDING) {
        Py_RETURN_FALSE;
    }
    if (outcome == FT_ACQUIRED && self->target.kind == RESIZABLE
        && record->seat->waiter.outcome == FT_PERMISSION_EXCESSIVE) {
        outcome = refuse_shrunk(self->target.n);
    }
    if (outcome != FT_ACQUIRED) {
        forget_target(self);
        return NULL;
    }
    settle(self);
    self->step = GIVEN;
    Py_RETURN_TRUE;
}

static PyObject *
task_hear(PyObject *op, PyObject *Py_UNUSED(unused))
{
    ft_task_hear(&((Task *)op)->task);
    Py_RETURN_NONE;
}

void
ft_task_claim(PyObject *op)
{
    forget_target((Task *)op);
}

/* An attribute that is set, not a method: after a call the interpreter looks for signals. */
static int
task_set_claimed(PyObject *op, PyObject *Py_UNUSED(value), void *Py_UNUSED(closure))
{
    ft_task_claim(op);
    return 0;
}

/* 0, or -1 with an exception set: that of a reader for whom there was no memory, or of a semaphore
 * that somebody else has released too often. */
static int
abandon(Task *self)
{
    struct ft_thread *record = self->task.record;
    bool given = self->step == GIVEN;
    if (self->step == WAITS) {
        int outcome = ft_task_withdraw(record);
        given = outcome == FT_ACQUIRED
                && (self->target.kind != RESIZABLE || record->seat->waiter.outcome == FT_PERMISSION_PERMITTED);
        if (given) {
            settle(self);
        }
    }
    int outcome = given ? as_task(self, give, &self->target) : 0;
    if (self->step != IDLE) {
        forget_target(self);
    }
    return outcome < 0 || PyErr_Occurred() ? -1 : 0;
}

static PyObject *
task_abandon(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return ft_none(abandon((Task *)op));
}

/* Takes over target->lock. */
static int
release(Task *self, const struct target *target)
{
    int outcome = -1;
    if (target->kind == EVENT) {
        PyErr_SetString(PyExc_TypeError, "an Event is waited for, and not released");
    }
    else {
        outcome = as_task(self, give, target);
    }
    Py_DECREF(target->lock);
    return outcome < 0 ? -1 : 0;
}

static PyObject *
task_release(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    struct target target;
    return ft_none(parse_arguments(op, "release", args, nargs, kwnames, &target) < 0 ? -1
                                                                                     : release((Task *)op, &target));
}

bool
ft_task_is_of(PyObject *op, PyObject *asyncio_task)
{
    PyObject *found;
    if (PyWeakref_GetRef(((Task *)op)->of, &found) <= 0) {
        return asyncio_task == NULL;
    }
    Py_DECREF(found); /* if it is the last reference, Python code runs */
    return found == asyncio_task;
}

int
ft_task_give(PyObject *op, PyObject *lock, PyObject *n)
{
    struct target target;
    return parse_target(op, lock, n, &target) < 0 ? -1 : release((Task *)op, &target);
}

static PyObject *
task_get_waits(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Task *)op)->step != IDLE);
}

static PyObject *
task_get_key(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((Task *)op)->task.record->owner >> FT_OWNER_SHIFT);
}

/* ---- making ---- */

static PyObject *
task_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"bell", "of", NULL};
    PyObject *bell, *of;
    struct ft_module_state *state = ft_state_of(type);
    if (state == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "O!O:Task", names, state->bell, &bell, &of)) {
        return NULL;
    }
    Task *self = (Task *)type->tp_alloc(type, 0);
    if (self != NULL && ft_task_init(&self->task, &((struct ft_bell_object *)bell)->bell) < 0) {
        Py_CLEAR(self);
    }
    if (self != NULL) {
        self->bell = Py_NewRef(bell);
        if ((self->of = PyWeakref_NewRef(of, NULL)) == NULL) {
            Py_CLEAR(self);
        }
    }
    if (self != NULL) {
        ft_record_new_task(self->task.record);
    }
    return (PyObject *)self;
}

static void
task_dealloc(PyObject *op)
{
    Task *self = (Task *)op;
    PyTypeObject *type = Py_TYPE(op);
    if (self->task.record != NULL) {
        PyObject *raised = PyErr_GetRaisedException();
        if (abandon(self) < 0) {
            PyErr_WriteUnraisable(NULL);
        }
        PyErr_SetRaisedException(raised);
        ft_task_end(&self->task);
    }
    Py_XDECREF(self->of);
    Py_XDECREF(self->bell);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- the types ---- */

PyDoc_STRVAR(task_doc,
"Task(bell, of)\n--\n\n"
"An asyncio task of the calling thread's event loop, as an owner of locks. For that thread alone.");

static PyMethodDef task_methods[] = {
    FT_KEYWORDS("acquire", task_acquire, "lock, n=1",
                "Return True: it has the lock, to be claimed; None: it is queued; or False, where there is\n"
                "no queue: to be asked again later. RuntimeError as the lock's own acquire()."),
    FT_NOARGS("hear", task_hear, "Take it out of the list of its bell: it was let run, and will resume()."),
    FT_NOARGS("resume", task_resume, "Return whether one that was woken has the lock, to be claimed."),
    FT_NOARGS("abandon", task_abandon, "Leave the queue, or give back what was taken and not claimed."),
    FT_KEYWORDS("release", task_release, "lock, n=1", "Release what was claimed, as the lock's own release()."),
    {0},
};

static PyGetSetDef task_getset[] = {
    FT_GETTER("waits", task_get_waits, "Whether it is in a queue, or has not claimed what it was given."),
    FT_GETTER("key", task_get_key, "What Bell.rung() calls it."),
    {"claimed", NULL, task_set_claimed, PyDoc_STR("Set it, to keep what was taken."), NULL},
    {0},
};

static PyType_Slot task_slots[] = {
    {Py_tp_doc, (void *)task_doc},
    {Py_tp_new, task_new},
    {Py_tp_dealloc, task_dealloc},
    {Py_tp_methods, task_methods},
    {Py_tp_getset, task_getset},
    {0, NULL},
};

#define TYPE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE)

PyType_Spec ft_task_spec = {"ft_utils._locks.Task", sizeof(Task), 0, TYPE_FLAGS, task_slots};
