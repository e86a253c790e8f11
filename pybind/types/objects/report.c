/* What Python code needs to report on the locks: functions of ft_utils._locks. */
#include "core/golib.h"
#include "core/names.h"
#include "core/thread.h"
#include "objects/condition.h"
#include "objects/types.h"
#include "platform/clock.h"

#include <stdlib.h>

/* {id: ident} of the threads that have touched a lock. While the registry's lock is held no
 * Python objects are made, and no memory is taken of Python's, whose hooks may wait. */
static PyObject *
locks_threads(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    size_t n = 0, i = 0;
    ft_registry_lock();
    for (struct ft_thread *t = ft_registry_first(); t != NULL; t = t->next) {
        n++;
    }
    uint64_t (*pairs)[2] = calloc(n + 1, sizeof *pairs);
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
    free(pairs);
    return threads;
}

static PyObject *
locks_waits(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    size_t n;
    struct ft_counted *counted = ft_names_counted(&n);
    double tick = ft_seconds_per_tick();
    PyObject *list = counted == NULL ? PyErr_NoMemory() : PyList_New(0);
    for (size_t i = 0; list != NULL && i < n; i++) {
        const struct ft_counted *c = &counted[i];
        PyObject *item = Py_BuildValue("(KszKd)", (unsigned long long)(uintptr_t)c->word, c->what,
                                       c->named ? c->name : NULL, (unsigned long long)c->waits,
                                       (double)c->ticks * tick);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    free(counted);
    return list;
}

static PyObject *
locks_load_go(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(ft_golib_load() != NULL);
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
        return PyErr_Format(PyExc_TypeError, "waiting() counts the threads that wait for a Condition, not for %T",
                            condition);
    }
    return PyLong_FromLongLong(ft_condition_waiting(condition));
}

PyMethodDef ft_report_functions[] = {
    {"threads", locks_threads, METH_NOARGS,
     PyDoc_STR("threads($module, /)\n--\n\n"
               "Return {id: ident}: threading.get_ident() of each thread that has touched a\n"
               "lock, by the id that the locks know it by; 0 for one that has ended.")},
    {"waits", locks_waits, METH_NOARGS,
     PyDoc_STR("waits($module, /)\n--\n\n"
               "Return (word, what, name, waits, seconds) of each lock that lives and has been waited\n"
               "for: how often, and for how long in all.")},
    {"load_go", locks_load_go, METH_NOARGS,
     PyDoc_STR("load_go($module, /)\n--\n\n"
               "Load the Go library as the first contention does, and return whether it may be\n"
               "entered: not where it cannot be loaded, nor in a child forked since it was.")},
    {"go_loaded", locks_go_loaded, METH_NOARGS,
     PyDoc_STR("go_loaded($module, /)\n--\n\n"
               "Return whether the Go library is loaded and may be entered: a lock has been\n"
               "contended, and this is not a child forked after that.")},
    {"waiting", locks_waiting, METH_O,
     PyDoc_STR("waiting($module, condition, /)\n--\n\nReturn how many threads wait for a Condition.")},
    {0},
};
