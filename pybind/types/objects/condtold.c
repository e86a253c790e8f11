/* _is_owned, _release_save and _acquire_restore of a Condition. threading's gives an instance
 * those of its lock, as attributes, where the lock has them. So what a program sets in the
 * instance counts always, and what it has in a class counts over locks without them. */
#include "objects/condition.h"

static PyCFunction
own_method(enum ft_method name)
{
    return name == FT_IS_OWNED_METHOD       ? ft_condition_is_owned
           : name == FT_RELEASE_SAVE_METHOD ? ft_condition_release_save
                                            : ft_condition_acquire_restore;
}

/* 1, 0, or -1 with an exception set. */
static int
is_in_instance(PyObject *op, PyObject *name)
{
    if (__atomic_load_n(&((Condition *)op)->dict, __ATOMIC_RELAXED) == NULL) {
        return 0;
    }
    PyObject *dict = PyObject_GenericGetDict(op, NULL);
    int found = dict == NULL ? -1 : PyDict_Contains(dict, name);
    Py_XDECREF(dict);
    return found;
}

int
ft_condition_find_replaced(PyObject *op, enum ft_method which, PyObject **method)
{
    *method = NULL;
    PyObject *lock = ((Condition *)op)->lock;
    PyObject *name = lock == NULL ? ft_refuse_unmade(op) : ft_method_name(op, which);
    int own = name == NULL ? -1 : ft_own_method(op, PyUnicode_AsUTF8(name), own_method(which), method);
    if (own != 0) {
        return own < 0 ? -1 : 0;
    }
    int counts = is_in_instance(op, name);
    if (counts == 0) {
        int hidden = PyObject_HasAttrWithError(lock, name);
        counts = hidden < 0 ? -1 : !hidden;
    }
    if (counts <= 0) {
        Py_CLEAR(*method);
    }
    return counts;
}
