/* The types of the module, and how they find each other. */
#ifndef FT_TYPES_H
#define FT_TYPES_H

#include "platform/common.h"

extern PyType_Spec ft_interval_lock_spec;
extern PyType_Spec ft_rw_lock_spec;
extern PyType_Spec ft_read_context_spec;
extern PyType_Spec ft_write_context_spec;
extern PyType_Spec ft_upgrade_context_spec;
extern PyType_Spec ft_timed_context_spec;
extern PyType_Spec ft_lock_spec;
extern PyType_Spec ft_rlock_spec;
extern PyType_Spec ft_semaphore_spec;
extern PyType_Spec ft_bounded_semaphore_spec;
extern PyType_Spec ft_resizable_spec;
extern PyType_Spec ft_event_spec;
extern PyType_Spec ft_keyed_spec;
extern PyType_Spec ft_keyed_context_spec;
extern PyType_Spec ft_bell_spec;
extern PyType_Spec ft_task_spec;
extern PyType_Spec ft_block_spec;
extern PyType_Spec ft_condition_spec;
extern PyType_Spec ft_barrier_spec;

/* The functions of the module. */
extern PyMethodDef ft_report_functions[], ft_dump_functions[], ft_record_functions[], ft_naming_functions[];

/* The methods of a lock that a Condition calls. */
enum ft_method {
    FT_ACQUIRE_METHOD,
    FT_RELEASE_METHOD,
    FT_LOCKED_METHOD,
    FT_ENTER_METHOD,
    FT_EXIT_METHOD,
    FT_RELEASE_SAVE_METHOD,
    FT_ACQUIRE_RESTORE_METHOD,
    FT_IS_OWNED_METHOD,
    FT_AT_FORK_REINIT_METHOD,
    FT_METHOD_COUNT,
};

/* The module's state, one for each interpreter. */
struct ft_module_state {
    PyTypeObject *interval, *rw_lock, *lock, *rlock, *condition;
    PyTypeObject *read_context, *write_context, *upgrade_context, *timed_context;
    PyTypeObject *keyed, *keyed_context;
    PyTypeObject *semaphore, *resizable, *event, *bell, *task; /* for tasks */
    PyObject *no_side; /* the exception of a ReaderWriterLock in a with statement */
    int watcher;       /* of the classes that programs may change, plus 1; 0: none */
    /* Made at import: a release must not fail for want of memory for a name. */
    PyObject *methods[FT_METHOD_COUNT];
};

/* The state of the module that made type or one of its bases. NULL with an exception set
 * when there is none. */
struct ft_module_state *ft_state_of(PyTypeObject *type);

/* The name of a method, for an object of one of our types. Borrowed; NULL with an exception
 * set where ft_state_of gives none. */
PyObject *ft_method_name(PyObject *op, enum ft_method method);

/* The constructor of the contexts, called without making an argument tuple. */
PyObject *ft_context_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                                PyObject *kwnames);

#endif
