#include "objects/patchable.h"

#include "objects/types.h"

_Atomic(bool) ft_classes_changed;

static int
on_change(PyTypeObject *Py_UNUSED(type))
{
    atomic_store(&ft_classes_changed, true);
    return 0;
}

/* An interpreter has eight watchers. Where other extensions have taken them all, every
 * class counts as changed. */
void
ft_watch_class(PyObject *module, PyTypeObject *type)
{
    struct ft_module_state *state = PyModule_GetState(module);
    if (state->watcher == 0) {
        state->watcher = PyType_AddWatcher(on_change) + 1; /* 0 says: none yet */
    }
    if (state->watcher == 0 || PyType_Watch(state->watcher - 1, (PyObject *)type) < 0) {
        PyErr_Clear();
        atomic_store(&ft_classes_changed, true);
    }
}

void
ft_unwatch_classes(PyObject *module)
{
    struct ft_module_state *state = PyModule_GetState(module);
    if (state->watcher != 0 && PyType_ClearWatcher(state->watcher - 1) < 0) {
        PyErr_Clear();
    }
    state->watcher = 0;
}

int
ft_own_method(PyObject *op, const char *name, PyCFunction own, PyObject **method)
{
    *method = PyObject_GetAttrString(op, name);
    if (*method == NULL) {
        return -1;
    }
    if (PyCFunction_Check(*method) && PyCFunction_GET_FUNCTION(*method) == own
        && PyCFunction_GET_SELF(*method) == op) {
        Py_CLEAR(*method);
        return 1;
    }
    return 0;
}

void
ft_patchable_abandon(PyObject *op, PyObject **dict)
{
    PyObject_GC_UnTrack(op);
    if (((struct ft_object_head *)op)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    Py_CLEAR(*dict);
}
