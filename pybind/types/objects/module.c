/* The module ft_utils._locks: its state and its making. Its functions: report.c, dumping.c and
 * recording.c. */
#include "core/record.h"
#include "objects/patchable.h"
#include "objects/process.h"
#include "objects/rwtype.h"
#include "objects/types.h"

static struct PyModuleDef module;

struct ft_module_state *
ft_state_of(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &module);
    return m == NULL ? NULL : PyModule_GetState(m);
}

PyObject *
ft_method_name(PyObject *op, enum ft_method method)
{
    struct ft_module_state *state = ft_state_of(Py_TYPE(op));
    return state == NULL ? NULL : state->methods[method];
}

/* ---- making the module ---- */

static const char *const method_names[] = {
    [FT_ACQUIRE_METHOD] = "acquire",
    [FT_LOCKED_METHOD] = "locked",
    [FT_RELEASE_METHOD] = "release",
    [FT_ENTER_METHOD] = "__enter__",
    [FT_EXIT_METHOD] = "__exit__",
    [FT_RELEASE_SAVE_METHOD] = "_release_save",
    [FT_ACQUIRE_RESTORE_METHOD] = "_acquire_restore",
    [FT_IS_OWNED_METHOD] = "_is_owned",
    [FT_AT_FORK_REINIT_METHOD] = "_at_fork_reinit",
};

static int
name_methods(struct ft_module_state *state)
{
    for (int i = 0; i < FT_METHOD_COUNT; i++) {
        if ((state->methods[i] = PyUnicode_InternFromString(method_names[i])) == NULL) {
            return -1;
        }
    }
    return 0;
}

/* Borrowed from the module. */
static PyTypeObject *
add_type(PyObject *m, PyType_Spec *spec, PyTypeObject *base)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, (PyObject *)base);
    int added = type == NULL ? -1 : PyModule_AddType(m, type);
    if (added == 0) {
        ft_share((PyObject *)type); /* it lives as long as the module */
    }
    Py_XDECREF(type);
    return added < 0 ? NULL : type;
}

static PyTypeObject *
owned(PyTypeObject *type)
{
    return (PyTypeObject *)Py_XNewRef(type);
}

/* One that programs may change. */
static PyTypeObject *
add_patchable(PyObject *m, PyType_Spec *spec, PyTypeObject *base)
{
    PyTypeObject *type = add_type(m, spec, base);
    if (type != NULL) {
        ft_watch_class(m, type);
    }
    return type;
}

static PyTypeObject *
add_context(PyObject *m, PyType_Spec *spec)
{
    PyTypeObject *type = add_type(m, spec, NULL);
    if (type != NULL) {
        type->tp_vectorcall = ft_context_vectorcall;
    }
    return type;
}

static int
locks_exec(PyObject *m)
{
    struct ft_module_state *state = PyModule_GetState(m);
    if (ft_process_init() < 0 || name_methods(state) < 0 || PyModule_AddFunctions(m, ft_dump_functions) < 0
        || PyModule_AddFunctions(m, ft_record_functions) < 0 || PyModule_AddFunctions(m, ft_naming_functions) < 0
        || (state->interval = owned(add_type(m, &ft_interval_lock_spec, NULL))) == NULL
        || (state->rw_lock = owned(add_type(m, &ft_rw_lock_spec, NULL))) == NULL
        || (state->no_side = ft_rw_no_side()) == NULL
        || (state->read_context = owned(add_context(m, &ft_read_context_spec))) == NULL
        || (state->write_context = owned(add_context(m, &ft_write_context_spec))) == NULL
        || (state->upgrade_context = owned(add_context(m, &ft_upgrade_context_spec))) == NULL
        || (state->timed_context = owned(add_type(m, &ft_timed_context_spec, NULL))) == NULL
        || (state->lock = owned(add_type(m, &ft_lock_spec, NULL))) == NULL
        || (state->rlock = owned(add_type(m, &ft_rlock_spec, NULL))) == NULL
        || (state->semaphore = owned(add_patchable(m, &ft_semaphore_spec, NULL))) == NULL
        || add_patchable(m, &ft_bounded_semaphore_spec, state->semaphore) == NULL
        || (state->resizable = owned(add_type(m, &ft_resizable_spec, NULL))) == NULL
        || (state->event = owned(add_patchable(m, &ft_event_spec, NULL))) == NULL
        || (state->keyed = owned(add_type(m, &ft_keyed_spec, NULL))) == NULL
        || (state->keyed_context = owned(add_type(m, &ft_keyed_context_spec, NULL))) == NULL
        || (state->bell = owned(add_type(m, &ft_bell_spec, NULL))) == NULL
        || (state->task = owned(add_type(m, &ft_task_spec, NULL))) == NULL
        || add_type(m, &ft_block_spec, NULL) == NULL
        || add_patchable(m, &ft_barrier_spec, NULL) == NULL
        || (state->condition = owned(add_patchable(m, &ft_condition_spec, NULL))) == NULL) {
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
    Py_VISIT(state->keyed);
    Py_VISIT(state->keyed_context);
    Py_VISIT(state->read_context);
    Py_VISIT(state->write_context);
    Py_VISIT(state->upgrade_context);
    Py_VISIT(state->timed_context);
    Py_VISIT(state->semaphore);
    Py_VISIT(state->resizable);
    Py_VISIT(state->event);
    Py_VISIT(state->bell);
    Py_VISIT(state->task);
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
    Py_CLEAR(state->keyed);
    Py_CLEAR(state->keyed_context);
    Py_CLEAR(state->read_context);
    Py_CLEAR(state->write_context);
    Py_CLEAR(state->upgrade_context);
    Py_CLEAR(state->timed_context);
    Py_CLEAR(state->semaphore);
    Py_CLEAR(state->resizable);
    Py_CLEAR(state->event);
    Py_CLEAR(state->bell);
    Py_CLEAR(state->task);
    Py_CLEAR(state->no_side);
    for (int i = 0; i < FT_METHOD_COUNT; i++) {
        Py_CLEAR(state->methods[i]);
    }
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
    .m_methods = ft_report_functions,
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
