#include "objects/lockobj.h"

#include "core/thread.h"

#include <string.h>

PyMemberDef ft_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(struct ft_object_head, weakrefs), Py_READONLY, NULL},
    {0},
};

void
ft_object_dealloc(PyObject *op)
{
    ft_lock_free(op);
}

#if FT_COLLECTED
int
ft_object_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}
#endif

/* Whether a subclass has that method in the place of object's. -1 with an exception set. */
static int
says_itself(PyObject *self, const char *method)
{
    PyObject *own = PyObject_GetAttrString((PyObject *)Py_TYPE(self), method);
    PyObject *basic = own == NULL ? NULL : PyObject_GetAttrString((PyObject *)&PyBaseObject_Type, method);
    int differs = basic == NULL ? -1 : own != basic;
    Py_XDECREF(basic);
    Py_XDECREF(own);
    return differs;
}

/* object's __reduce_ex__ calls the __reduce__ of a subclass, or asks its __getstate__. It never comes back
 * here, as the types have no __reduce__ of their own. Below protocol 2 it would call the type of
 * the lock with the object as an argument; what it gives for 2 suits the older ones too. */
PyObject *
ft_reduce(PyObject *self, PyObject *given)
{
    int protocol = PyLong_AsInt(given);
    if (protocol == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int own = says_itself(self, "__getstate__");
    if (own == 0) {
        own = says_itself(self, "__reduce__");
    }
    if (own != 0) {
        return own < 0 ? NULL
                       : PyObject_CallMethod((PyObject *)&PyBaseObject_Type, "__reduce_ex__", "Oi", self,
                                             protocol < 2 ? 2 : protocol);
    }
    return PyErr_Format(PyExc_TypeError,
                        "cannot pickle or copy '%s' object: a lock belongs to its process "
                        "and its address; share the object itself",
                        Py_TYPE(self)->tp_name);
}

PyObject *
ft_refuse_unmade(PyObject *op)
{
    return PyErr_Format(PyExc_RuntimeError, "this %s was made by __new__ alone; call its __init__",
                        ft_type_name(op));
}

/* ---- names and reprs ---- */

const char *
ft_type_name(PyObject *op)
{
    const char *dot = strrchr(Py_TYPE(op)->tp_name, '.');
    return dot == NULL ? Py_TYPE(op)->tp_name : dot + 1;
}

/* The name as threading's classes have it in a repr, after the last part of the module's:
 * "synchronization.Event". NULL with an exception set. */
static PyObject *
qualified_name(PyObject *op)
{
    PyObject *name = PyType_GetQualName(Py_TYPE(op));
    PyObject *home = name == NULL ? NULL : PyType_GetModuleName(Py_TYPE(op));
    if (home == NULL) {
        Py_XDECREF(name);
        return NULL;
    }
    if (!PyUnicode_Check(home)) { /* a program may set __module__ to anything */
        Py_DECREF(home);
        return name;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(home);
    Py_ssize_t dot = PyUnicode_FindChar(home, '.', 0, length, -1); /* -1 without one */
    PyObject *last = PyUnicode_Substring(home, dot + 1, length);
    PyObject *text = last == NULL ? NULL : PyUnicode_FromFormat("%U.%U", last, name);
    Py_XDECREF(last);
    Py_DECREF(home);
    Py_DECREF(name);
    return text;
}

/* Takes the reference to text, which may be NULL with an exception set. */
static PyObject *
with_name(PyObject *op, PyObject *text)
{
    PyObject *name = text == NULL ? NULL : ft_names_get(ft_word_address(op));
    if (name == Py_None) {
        return text;
    }
    PyObject *named = name == NULL ? NULL : PyUnicode_FromFormat("%U %R", text, name);
    Py_XDECREF(name);
    Py_XDECREF(text);
    return named;
}

PyObject *
ft_named(PyObject *op, const char *type, const char *more)
{
    return with_name(op, PyUnicode_FromFormat("%s%s", type, more));
}

PyObject *
ft_repr_free(PyObject *op, const char *format, PyObject *named)
{
    PyObject *text = named == NULL ? NULL : PyUnicode_FromFormat(format, named, op);
    Py_XDECREF(named);
    return text;
}

PyObject *
ft_repr_owned(PyObject *op, const char *format, PyObject *named, uint64_t word, const char *more,
              long long waiting)
{
    char owner[24] = "ended";
    unsigned long ident = ft_ident_of(word >> FT_OWNER_SHIFT);
    if (ident != 0) {
        PyOS_snprintf(owner, sizeof owner, "%lu", ident);
    }
    PyObject *start = named == NULL ? NULL : PyUnicode_FromFormat(format, named);
    PyObject *text = start == NULL ? NULL
                                   : PyUnicode_FromFormat("<%U owner=%s%s waiters=%lld at %p>", start, owner,
                                                          more, waiting, op);
    Py_XDECREF(start);
    Py_XDECREF(named);
    return text;
}

PyObject *
ft_repr_state(PyObject *op, long long waiting, PyObject *state)
{
    PyObject *name = state == NULL ? NULL : with_name(op, qualified_name(op));
    PyObject *text = NULL;
    if (name != NULL && waiting == 0) {
        text = PyUnicode_FromFormat("<%U at %p: %U>", name, op, state);
    }
    else if (name != NULL) {
        text = PyUnicode_FromFormat("<%U at %p waiters=%lld: %U>", name, op, waiting, state);
    }
    Py_XDECREF(name);
    Py_XDECREF(state);
    return text;
}
