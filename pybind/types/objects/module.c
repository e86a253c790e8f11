/* The module ft_utils._locks: the types, and what Python code needs to report on them. */
#include "core/golib.h"
#include "core/deadlock.h"
#include "core/record.h"
#include "objects/family.h"
#include "objects/lockobj.h"
#include "objects/patchable.h"
#include "objects/process.h"
#include "objects/rwtype.h"
#include "core/spin.h"
#include "core/thread.h"
#include "objects/types.h"

#include <string.h>

static struct PyModuleDef module;

struct ft_module_state *
ft_state_of(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &module);
    return m == NULL ? NULL : PyModule_GetState(m);
}

const char *
ft_type_name(PyObject *op)
{
    const char *dot = strrchr(Py_TYPE(op)->tp_name, '.');
    return dot == NULL ? Py_TYPE(op)->tp_name : dot + 1;
}

PyObject *
ft_qualified_name(PyObject *op)
{
    PyObject *name = PyType_GetQualName(Py_TYPE(op));
    PyObject *home = name == NULL ? NULL : PyType_GetModuleName(Py_TYPE(op));
    if (home == NULL) {
        Py_XDECREF(name);
        return NULL;
    }
    PyObject *text;
    if (PyUnicode_Check(home)) {
        Py_ssize_t length = PyUnicode_GET_LENGTH(home);
        Py_ssize_t dot = PyUnicode_FindChar(home, '.', 0, length, -1); /* -1 without one */
        PyObject *last = PyUnicode_Substring(home, dot + 1, length);
        text = last == NULL ? NULL : PyUnicode_FromFormat("%U.%U", last, name);
        Py_XDECREF(last);
    }
    else {
        text = Py_NewRef(name); /* somebody has set __module__ to something else */
    }
    Py_DECREF(home);
    Py_DECREF(name);
    return text;
}

/* ---- functions ---- */

/* {id: ident} of the threads that have touched a lock. The registry's lock is not held
 * while Python objects are made. */
static PyObject *
locks_threads(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    size_t n = 0, i = 0;
    ft_registry_lock();
    for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
        n++;
    }
    uint64_t (*pairs)[2] = PyMem_RawCalloc(n + 1, sizeof *pairs);
    for (struct ft_thread *t = ft_registry_first(); pairs != NULL && t != NULL; t = t->next) {
        pairs[i][0] = t->owner >> FT_OWNER_SHIFT;
        pairs[i++][1] = t->ended ? 0 : t->ident;
    }
    ft_registry_unlock();
    PyObject *threads = pairs == NULL ? PyErr_NoMemory() : PyDict_New();
    for (i = 0; threads != NULL && i < n; i++) {
        PyObject *id = PyLong_FromUnsignedLongLong(pairs[i][0]);
        PyObject *ident = PyLong_FromUnsignedLongLong(pairs[i][1]);
        if (id == NULL || ident == NULL || PyDict_SetItem(threads, id, ident) < 0) {
            Py_CLEAR(threads);
        }
        Py_XDECREF(id);
        Py_XDECREF(ident);
    }
    PyMem_RawFree(pairs);
    return threads;
}

static PyObject *
locks_go_loaded(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(ft_golib() != NULL);
}

static PyObject *
locks_waiting(PyObject *m, PyObject *condition)
{
    struct ft_module_state *state = PyModule_GetState(m);
    if (!PyObject_TypeCheck(condition, state->condition)) {
        return PyErr_Format(PyExc_TypeError, "waiting() counts who waits for a Condition, not for %T", condition);
    }
    return PyLong_FromLongLong(ft_condition_waiting(condition));
}

static PyObject *
locks_set_deadlocks(PyObject *Py_UNUSED(m), PyObject *args)
{
    int action;
    long long after;
    if (!PyArg_ParseTuple(args, "iL:set_deadlocks", &action, &after)) {
        return NULL;
    }
    atomic_store(&ft_deadlock_after, after);
    atomic_store(&ft_deadlock_action, action);
    Py_RETURN_NONE;
}

static PyObject *
locks_get_deadlocks(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    return Py_BuildValue("iL", atomic_load(&ft_deadlock_action), (long long)atomic_load(&ft_deadlock_after));
}

static PyObject *
locks_record_start(PyObject *Py_UNUSED(m), PyObject *args)
{
    unsigned long long rate;
    long long minimum;
    unsigned int room;
    if (!PyArg_ParseTuple(args, "KLI:record_start", &rate, &minimum, &room)
        || ft_record_start(rate, minimum, room) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
locks_record_stop(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    return ft_record_stop();
}

static PyObject *
locks_recording(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(ft_record_on());
}

static PyMethodDef functions[] = {
    {"record_start", locks_record_start, METH_VARARGS,
     PyDoc_STR("record_start($module, rate, minimum, room, /)\n--\n\n"
               "Record where threads wait: one contention in rate, waits of at least minimum\n"
               "nanoseconds, at so many places. RuntimeError if that is being done already.")},
    {"record_stop", locks_record_stop, METH_NOARGS,
     PyDoc_STR("record_stop($module, /)\n--\n\n"
               "Stop recording, and return (locks, threads, stacks, samples, dropped).")},
    {"recording", locks_recording, METH_NOARGS,
     PyDoc_STR("recording($module, /)\n--\n\nReturn whether contention is being recorded.")},
    {"set_deadlocks", locks_set_deadlocks, METH_VARARGS,
     PyDoc_STR("set_deadlocks($module, action, after, /)\n--\n\n"
               "Say what threads do that wait for each other: 0 nothing, 1 report, 2 raise, when\n"
               "they have waited for that many nanoseconds. It holds for waits that begin later.")},
    {"get_deadlocks", locks_get_deadlocks, METH_NOARGS,
     PyDoc_STR("get_deadlocks($module, /)\n--\n\nReturn (action, after) of set_deadlocks.")},
    {"threads", locks_threads, METH_NOARGS,
     PyDoc_STR("threads($module, /)\n--\n\n"
               "Return {id: ident}: threading.get_ident() of each thread that has touched a\n"
               "lock, by the id that the locks know it by; 0 for one that has ended.")},
    {"go_loaded", locks_go_loaded, METH_NOARGS,
     PyDoc_STR("go_loaded($module, /)\n--\n\n"
               "Return whether the Go library is loaded and may be entered: a lock has been\n"
               "contended, and this is not a child forked after that.")},
    {"waiting", locks_waiting, METH_O,
     PyDoc_STR("waiting($module, condition, /)\n--\n\nReturn how many threads wait for a Condition.")},
    {NULL, NULL, 0, NULL},
};

/* ---- making the module ---- */

static PyTypeObject *
add_subtype(PyObject *m, PyType_Spec *spec, PyTypeObject *base)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, (PyObject *)base);
    if (type != NULL && PyModule_AddType(m, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static PyTypeObject *
add_type(PyObject *m, PyType_Spec *spec)
{
    return add_subtype(m, spec, NULL);
}

/* One that programs may change. */
static PyTypeObject *
add_patchable(PyObject *m, PyType_Spec *spec, PyTypeObject *base)
{
    PyTypeObject *type = add_subtype(m, spec, base);
    if (type != NULL) {
        ft_watch_class(m, type);
    }
    return type;
}

static int
add_patchables(PyObject *m, struct ft_module_state *state)
{
    PyTypeObject *semaphore = add_patchable(m, &ft_semaphore_spec, NULL);
    PyTypeObject *bounded = semaphore == NULL ? NULL
                                              : add_patchable(m, &ft_bounded_semaphore_spec, semaphore);
    PyTypeObject *event = bounded == NULL ? NULL : add_patchable(m, &ft_event_spec, NULL);
    PyTypeObject *barrier = event == NULL ? NULL : add_patchable(m, &ft_barrier_spec, NULL);
    state->condition = barrier == NULL ? NULL : add_patchable(m, &ft_condition_spec, NULL);
    Py_XDECREF(semaphore);
    Py_XDECREF(bounded);
    Py_XDECREF(event);
    Py_XDECREF(barrier);
    return state->condition == NULL ? -1 : 0;
}

static int
add_context(PyObject *m, PyType_Spec *spec)
{
    PyTypeObject *type = add_type(m, spec);
    if (type == NULL) {
        return -1;
    }
    type->tp_vectorcall = ft_context_vectorcall;
    Py_DECREF(type);
    return 0;
}

static int
locks_exec(PyObject *m)
{
    struct ft_module_state *state = PyModule_GetState(m);
    if (ft_process_init() < 0
        || (state->interval = add_type(m, &ft_interval_lock_spec)) == NULL
        || (state->rw_lock = add_type(m, &ft_rw_lock_spec)) == NULL
        || (state->lock = add_type(m, &ft_lock_spec)) == NULL
        || (state->rlock = add_type(m, &ft_rlock_spec)) == NULL
        || add_patchables(m, state) < 0 || (state->no_side = ft_rw_no_side()) == NULL
        || add_context(m, &ft_read_context_spec) < 0
        || add_context(m, &ft_write_context_spec) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(m, "WORD_OFFSET", FT_WORD_OFFSET);
}

static int
locks_traverse(PyObject *m, visitproc visit, void *arg)
{
    struct ft_module_state *state = PyModule_GetState(m);
    Py_VISIT(state->interval);
    Py_VISIT(state->rw_lock);
    Py_VISIT(state->lock);
    Py_VISIT(state->rlock);
    Py_VISIT(state->condition);
    Py_VISIT(state->no_side);
    return 0;
}

static int
locks_clear(PyObject *m)
{
    struct ft_module_state *state = PyModule_GetState(m);
    Py_CLEAR(state->interval);
    Py_CLEAR(state->rw_lock);
    Py_CLEAR(state->lock);
    Py_CLEAR(state->rlock);
    Py_CLEAR(state->condition);
    Py_CLEAR(state->no_side);
    return 0;
}

static void
locks_free(void *m)
{
    ft_record_drop();
    ft_unwatch_classes(m);
    locks_clear(m);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, locks_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ft_utils._locks",
    .m_doc = PyDoc_STR("The lock types of ft_utils.synchronization."),
    .m_size = sizeof(struct ft_module_state),
    .m_methods = functions,
    .m_slots = module_slots,
    .m_traverse = locks_traverse,
    .m_clear = locks_clear,
    .m_free = locks_free,
};

PyMODINIT_FUNC
PyInit__locks(void)
{
    return PyModuleDef_Init(&module);
}
