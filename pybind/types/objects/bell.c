/* Bell: what the event loop of ft_utils.aio watches (core/task.h). */
#include "objects/args.h"
#include "objects/tasks.h"
#include "objects/types.h"
#include "platform/os.h"

typedef struct ft_bell_object Bell;

static PyObject *
bell_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Bell", names)) {
        return NULL;
    }
    Bell *self = (Bell *)type->tp_alloc(type, 0);
    if (self != NULL && (self->bell.fd = ft_os_bell_new()) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static void
bell_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    if (((Bell *)op)->bell.fd >= 0) {
        ft_os_bell_close(((Bell *)op)->bell.fd);
    }
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
bell_fileno(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLong(((Bell *)op)->bell.fd);
}

/* Those that do not fit are told by the next call: the file stays readable. */
#define KEYS_AT_ONCE 64

static PyObject *
bell_rung(PyObject *op, PyObject *Py_UNUSED(unused))
{
    uint64_t ids[KEYS_AT_ONCE];
    size_t n = ft_bell_rung(&((Bell *)op)->bell, ids, KEYS_AT_ONCE);
    PyObject *keys = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; keys != NULL && i < n; i++) {
        PyObject *key = PyLong_FromUnsignedLongLong(ids[i]);
        if (key == NULL) {
            Py_CLEAR(keys);
            break;
        }
        PyList_SET_ITEM(keys, (Py_ssize_t)i, key);
    }
    return keys;
}

/* ---- the type ---- */

PyDoc_STRVAR(bell_doc,
"Bell()\n--\n\n"
"What an event loop watches to hear which of its tasks were woken. OSError when there is no\n"
"file left for it.");

static PyMethodDef bell_methods[] = {
    FT_NOARGS("fileno", bell_fileno, "Return the file that is readable once a task was woken."),
    FT_NOARGS("rung", bell_rung, "Return the keys of tasks that were woken and have not heard it."),
    {0},
};

static PyType_Slot bell_slots[] = {
    {Py_tp_doc, (void *)bell_doc},
    {Py_tp_new, bell_new},
    {Py_tp_dealloc, bell_dealloc},
    {Py_tp_methods, bell_methods},
    {0, NULL},
};

#define TYPE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE)

PyType_Spec ft_bell_spec = {"ft_utils._locks.Bell", sizeof(Bell), 0, TYPE_FLAGS, bell_slots};
