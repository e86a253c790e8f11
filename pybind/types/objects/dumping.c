/* What Python asks of those that wait: a dump as text or facts, or at a signal; and what
 * happens in a deadlock. */
#include "core/deadlock.h"
#include "core/dump.h"
#include "objects/types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static PyObject *
dump_text(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    struct ft_dump dump;
    if (!ft_dump_take(&dump, true)) {
        return PyErr_NoMemory();
    }
    char *text = ft_dump_text(&dump);
    PyObject *result =
        text == NULL ? PyErr_NoMemory() : PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    free(text);
    ft_dump_free(&dump);
    return result;
}

static PyObject *
holders_of(const struct ft_dump *dump, const void *lock)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < dump->n_holders; i++) {
        const struct ft_dumped_holder *h = &dump->holders[i];
        if (h->lock != lock) {
            continue;
        }
        PyObject *item = Py_BuildValue("(kOO)", h->ident, h->waits ? Py_True : Py_False, h->alone ? Py_True : Py_False);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *
dump_facts(PyObject *Py_UNUSED(m), PyObject *stacks)
{
    struct ft_dump dump;
    int wanted = PyObject_IsTrue(stacks);
    if (wanted < 0) {
        return NULL;
    }
    if (!ft_dump_take(&dump, wanted != 0)) {
        return PyErr_NoMemory();
    }
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < dump.n; i++) {
        const struct ft_dumped *w = &dump.waiters[i];
        PyObject *item =
            Py_BuildValue("(KszkidsN)", (unsigned long long)(uintptr_t)w->lock, w->what,
                          w->named ? w->name : NULL, w->ident, w->native, (double)w->waited / 1e9, w->stack,
                          holders_of(&dump, w->lock));
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    ft_dump_free(&dump);
    return list;
}

static PyObject *
dump_register(PyObject *Py_UNUSED(m), PyObject *args)
{
    int sig, fd;
    if (!PyArg_ParseTuple(args, "ii:dump_register", &sig, &fd)) {
        return NULL;
    }
    int error = ft_dump_register(sig, fd);
    if (error != 0) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
dump_unregister(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int sig = PyLong_AsInt(arg);
    return sig == -1 && PyErr_Occurred() ? NULL : PyBool_FromLong(ft_dump_unregister(sig));
}

static PyObject *
set_deadlocks(PyObject *Py_UNUSED(m), PyObject *args)
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
get_deadlocks(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    return Py_BuildValue("iL", atomic_load(&ft_deadlock_action), (long long)atomic_load(&ft_deadlock_after));
}

PyMethodDef ft_dump_functions[] = {
    {"set_deadlocks", set_deadlocks, METH_VARARGS,
     PyDoc_STR("set_deadlocks($module, action, after, /)\n--\n\n"
               "Say what threads do that wait for each other: 0 nothing, 1 report, 2 raise, when\n"
               "they have waited for that many nanoseconds. It holds for waits that begin later.")},
    {"get_deadlocks", get_deadlocks, METH_NOARGS,
     PyDoc_STR("get_deadlocks($module, /)\n--\n\nReturn (action, after) of set_deadlocks.")},
    {"dump_text", dump_text, METH_NOARGS,
     PyDoc_STR("dump_text($module, /)\n--\n\nReturn who waits for what, as the signal writes it.")},
    {"dump_facts", dump_facts, METH_O,
     PyDoc_STR("dump_facts($module, stacks, /)\n--\n\n"
               "Return a list of (word, what, name, ident, native id, seconds, stack, [(holder's ident,\n"
               "whether it waits itself, whether it has the lock alone)]), lock by lock, those who came\n"
               "first before the others. The stack is empty where it is not wanted.")},
    {"dump_register", dump_register, METH_VARARGS,
     PyDoc_STR("dump_register($module, signum, fd, /)\n--\n\nWrite a dump to fd when the signal comes.")},
    {"dump_unregister", dump_unregister, METH_O,
     PyDoc_STR("dump_unregister($module, signum, /)\n--\n\n"
               "Put the signal's handler back; return whether one was registered.")},
    {0},
};
