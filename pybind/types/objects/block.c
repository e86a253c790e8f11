/* Block, the part of ft_utils.aio.Holding that has to be C: the end of an `async with` block.
 *
 * __aexit__() runs no Python code before the lock is released, so no exception of a signal handler
 * comes in between: what was entered is left. Entering is Python (ft_utils/_aio.py), since only a
 * coroutine can wait. */
#include "objects/args.h"
#include "objects/tasks.h"
#include "objects/types.h"

typedef struct {
    PyObject_HEAD
    PyObject *lock, *n; /* all of these are constant */
    PyObject *current_task;
    PyObject *done; /* what __aexit__() gives to await */
    /* Of each entry that has not been left the task that made it. Tasks of several loops, so of
     * several threads, may be in it; a task is there only for as long as it is in a block. */
    PyObject *tasks;
    PyObject *strike; /* its remove(): found before it is needed, when there may be no memory */
} Block;

#define SELF(op) ((Block *)(op))

static PyObject *
block_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lock", "n", "current_task", "done", NULL};
    PyObject *lock, *n, *current_task, *done;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO:Block", names, &lock, &n, &current_task, &done)) {
        return NULL;
    }
    PyObject *op = type->tp_alloc(type, 0);
    if (op == NULL) {
        return NULL;
    }
    Block *self = SELF(op);
    self->lock = Py_NewRef(lock);
    self->n = Py_NewRef(n);
    self->current_task = Py_NewRef(current_task);
    self->done = Py_NewRef(done);
    self->tasks = PyList_New(0);
    self->strike = self->tasks == NULL ? NULL : PyObject_GetAttrString(self->tasks, "remove");
    if (self->strike == NULL) {
        Py_CLEAR(op);
    }
    return op;
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

/* Whose block ends: the running task's, or, when a task is destroyed, which may be outside of its
 * loop or while another one runs, the only one there is. A new reference, or NULL with an exception
 * set. */
static PyObject *
leaving(PyObject *op, bool destroyed)
{
    PyObject *of = running(op), *only = NULL, *found = NULL;
    Py_ssize_t i = 0;
    for (PyObject *task; of != NULL && found == NULL; i++) {
        if ((task = PyList_GetItemRef(SELF(op)->tasks, i)) == NULL) {
            PyErr_Clear(); /* the end */
            break;
        }
        if (ft_task_is_of(task, of)) {
            found = task;
        }
        else {
            Py_XSETREF(only, task);
        }
    }
    if (found == NULL && i == 1 && (destroyed || of == Py_None)) {
        found = Py_NewRef(only);
    }
    if (of != NULL && found == NULL) {
        PyErr_Format(PyExc_RuntimeError,
                     "cannot leave a block of %R that this task has not entered; its lock stays as it is", op);
    }
    Py_XDECREF(only);
    Py_XDECREF(of);
    return found;
}

/* What the lock refuses has changed nothing: the task is in its block as before. */
static PyObject *
block_aexit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    bool destroyed = nargs > 0 && args[0] == PyExc_GeneratorExit; /* what a coroutine that is closed gets */
    PyObject *task = leaving(op, destroyed), *struck = NULL;
    if (task != NULL && ft_task_give(task, SELF(op)->lock, SELF(op)->n) == 0) {
        struck = PyObject_CallOneArg(SELF(op)->strike, task);
    }
    Py_XDECREF(task);
    Py_XDECREF(struck);
    return struck == NULL ? NULL : Py_NewRef(SELF(op)->done);
}

static int
block_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(SELF(op)->lock);
    Py_VISIT(SELF(op)->n);
    Py_VISIT(SELF(op)->current_task);
    Py_VISIT(SELF(op)->done);
    Py_VISIT(SELF(op)->tasks);
    Py_VISIT(SELF(op)->strike);
    return 0;
}

static void
block_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_XDECREF(SELF(op)->lock);
    Py_XDECREF(SELF(op)->n);
    Py_XDECREF(SELF(op)->current_task);
    Py_XDECREF(SELF(op)->done);
    Py_XDECREF(SELF(op)->tasks);
    Py_XDECREF(SELF(op)->strike);
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
               "Release the lock, as its own release() does, and return what is awaited in vain.")},
    {0},
};

static PyMemberDef members[] = {
    {"_lock", Py_T_OBJECT_EX, offsetof(Block, lock), Py_READONLY, NULL},
    {"_n", Py_T_OBJECT_EX, offsetof(Block, n), Py_READONLY, NULL},
    {"_tasks", Py_T_OBJECT_EX, offsetof(Block, tasks), Py_READONLY, NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)block_doc},
    {Py_tp_new, block_new},
    {Py_tp_dealloc, block_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_traverse, block_traverse},
    {0, NULL},
};

#define TYPE_FLAGS \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE)

PyType_Spec ft_block_spec = {"ft_utils._locks.Block", sizeof(Block), 0, TYPE_FLAGS, slots};
