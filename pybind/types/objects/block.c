/* Block, the part of ft_utils.aio.Holding that has to be C: the two ends of an `async with` block.
 *
 * To set `entered`, and to call __aexit__(), runs no Python code, so no exception of a signal
 * handler comes in between: what was taken is entered, and what was entered is released. To wait
 * is Python (ft_utils/_aio.py), since only a coroutine can. */
#include "objects/args.h"
#include "objects/takes.h"
#include "objects/tasks.h"
#include "objects/types.h"

typedef struct {
    PyObject_HEAD
    PyObject *lock, *n; /* these four are constant; n is a whole number */
    PyObject *current_task;
    PyObject *done; /* what __aexit__() gives to await */
    /* The task of each entry that has not been left, a reference each. Tasks of several loops, so of
     * several threads, may be in it: under the critical section of this object. What is taken out
     * leaves the order of the others, so whoever walks down meets each of them. */
    PyObject **tasks;
    Py_ssize_t size, room;
} Block;

#define SELF(op) ((Block *)(op))

static PyObject *
block_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lock", "n", "current_task", "done", NULL};
    PyObject *lock, *n, *current_task, *done;
    uint64_t permits;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO:Block", names, &lock, &n, &current_task, &done)
        || ft_parse_permits(n, 1, "n", &permits) < 0) {
        return NULL;
    }
    Block *self = (Block *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->lock = Py_NewRef(lock);
    self->current_task = Py_NewRef(current_task);
    self->done = Py_NewRef(done);
    if ((self->n = PyLong_FromUnsignedLongLong(permits)) == NULL) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

/* ---- who is in it ---- */

static int
add(Block *self, PyObject *task)
{
    if (self->size == self->room) {
        Py_ssize_t room = self->room == 0 ? 1 : 2 * self->room;
        PyObject **tasks = PyMem_Realloc(self->tasks, (size_t)room * sizeof *tasks);
        if (tasks == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->tasks = tasks;
        self->room = room;
    }
    self->tasks[self->size++] = Py_NewRef(task);
    return 0;
}

static bool
remove_one(Block *self, PyObject *task)
{
    for (Py_ssize_t i = self->size; i-- > 0;) {
        if (self->tasks[i] == task) {
            memmove(self->tasks + i, self->tasks + i + 1, (size_t)(--self->size - i) * sizeof *self->tasks);
            return true;
        }
    }
    return false;
}

/* The entry at i, or the last one if there are fewer: a new reference. NULL: there is none. */
static PyObject *
entry(PyObject *op, Py_ssize_t *i)
{
    PyObject *task = NULL;
    Py_BEGIN_CRITICAL_SECTION(op);
    if (*i >= SELF(op)->size) {
        *i = SELF(op)->size - 1;
    }
    if (*i >= 0) {
        task = Py_NewRef(SELF(op)->tasks[*i]);
    }
    Py_END_CRITICAL_SECTION();
    return task;
}

static bool
strike(PyObject *op, PyObject *task)
{
    bool struck;
    Py_BEGIN_CRITICAL_SECTION(op);
    struck = remove_one(SELF(op), task);
    Py_END_CRITICAL_SECTION();
    if (struck) {
        Py_DECREF(task);
    }
    return struck;
}

/* Takes out the newest entry of that asyncio task, for NULL of one that exists no more. */
static PyObject *
leave(PyObject *op, PyObject *of)
{
    for (Py_ssize_t i = PY_SSIZE_T_MAX;; i--) {
        PyObject *task = entry(op, &i);
        if (task == NULL || (ft_task_is_of(task, of) && strike(op, task))) {
            return task;
        }
        Py_DECREF(task);
    }
}

/* Takes out the newest entry, if it is the only one or need not be. */
static PyObject *
leave_any(PyObject *op, bool among_others)
{
    Py_ssize_t i = PY_SSIZE_T_MAX;
    PyObject *task = entry(op, &i);
    if (task != NULL && ((i > 0 && !among_others) || !strike(op, task))) {
        Py_CLEAR(task);
    }
    return task;
}

/* ---- the two ends ---- */

/* Takes the lock over from the task that was given it. */
static int
block_set_entered(PyObject *op, PyObject *task, void *Py_UNUSED(closure))
{
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    if (state == NULL) {
        return -1;
    }
    if (task == NULL || !PyObject_TypeCheck(task, state->task)) {
        PyErr_SetString(PyExc_TypeError, "a block is entered by a Task");
        return -1;
    }
    int added;
    Py_BEGIN_CRITICAL_SECTION(op);
    added = add(SELF(op), task);
    Py_END_CRITICAL_SECTION();
    if (added == 0) {
        ft_task_claim(task);
    }
    return added;
}

/* The running asyncio task, None without one. NULL with an exception set. */
static PyObject *
running(PyObject *op)
{
    PyObject *task = PyObject_CallNoArgs(SELF(op)->current_task);
    if (task == NULL && PyErr_ExceptionMatches(PyExc_RuntimeError)) { /* there is no loop */
        PyErr_Clear();
        task = Py_NewRef(Py_None);
    }
    return task;
}

/* Whose block ends: the running task's. But a coroutine that is destroyed leaves its block outside of
 * its loop, or while another task runs: then that of a task that is gone, as its own is by then,
 * or else of any. Takes the entry out; a new reference, or NULL with an exception set. */
static PyObject *
leaving(PyObject *op, bool destroyed)
{
    PyObject *of = running(op);
    if (of == NULL) {
        return NULL;
    }
    PyObject *task = destroyed ? leave(op, NULL) : NULL;
    if (task == NULL) {
        task = leave(op, of);
    }
    if (task == NULL && (destroyed || of == Py_None)) {
        task = leave_any(op, destroyed);
    }
    if (task == NULL) {
        PyErr_Format(PyExc_RuntimeError,
                     "cannot leave a block of %R that this task has not entered; its lock stays as it is", op);
    }
    Py_DECREF(of);
    return task;
}

/* The block is over, whatever the lock answers. */
static PyObject *
block_aexit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    bool destroyed = nargs > 0 && args[0] == PyExc_GeneratorExit; /* what a coroutine that is closed gets */
    PyObject *task = leaving(op, destroyed);
    int released = task == NULL ? -1 : ft_task_give(task, SELF(op)->lock, SELF(op)->n);
    Py_XDECREF(task);
    return released < 0 ? NULL : Py_NewRef(SELF(op)->done);
}

static int
block_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(SELF(op)->lock);
    Py_VISIT(SELF(op)->n);
    Py_VISIT(SELF(op)->current_task);
    Py_VISIT(SELF(op)->done);
    return 0; /* tasks refer to nothing that can refer to this */
}

static void
block_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_XDECREF(SELF(op)->lock);
    Py_XDECREF(SELF(op)->n);
    Py_XDECREF(SELF(op)->current_task);
    Py_XDECREF(SELF(op)->done);
    for (Py_ssize_t i = 0; i < SELF(op)->size; i++) {
        Py_DECREF(SELF(op)->tasks[i]);
    }
    PyMem_Free(SELF(op)->tasks);
    PyTypeObject *type = Py_TYPE(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- the type ---- */

PyDoc_STRVAR(block_doc,
"Block(lock, n, current_task, done)\n--\n\n"
"What may be left in C: see ft_utils.aio.holding().");

static PyMethodDef methods[] = {
    {"__aexit__", (PyCFunction)(void (*)(void))block_aexit, METH_FASTCALL,
     PyDoc_STR("__aexit__($self, exc_type, exc_value, traceback, /)\n--\n\n"
               "Release the lock, as its own release() does, and return an awaitable that is done already.")},
    {0},
};

static PyMemberDef members[] = {
    {"_lock", Py_T_OBJECT_EX, offsetof(Block, lock), Py_READONLY, NULL},
    {"_n", Py_T_OBJECT_EX, offsetof(Block, n), Py_READONLY, NULL},
    {0},
};

static PyGetSetDef getset[] = {
    {"_entered", NULL, block_set_entered, PyDoc_STR("Set it to the task that has been given the lock."), NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)block_doc},
    {Py_tp_new, block_new},
    {Py_tp_dealloc, block_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getset},
    {Py_tp_traverse, block_traverse},
    {0, NULL},
};

#define TYPE_FLAGS \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE)

PyType_Spec ft_block_spec = {"ft_utils._locks.Block", sizeof(Block), 0, TYPE_FLAGS, slots};
