/* The argument `name` of the constructors, and the attribute. The names themselves: core/names.h. */
#ifndef FT_NAMING_H
#define FT_NAMING_H

#include "core/names.h"
#include "objects/lockobj.h"

/* __init__ with a name that was given, or NULL. Every __init__ that succeeds calls one of the
 * two. Without a name the lock keeps the one that it has: a subclass may set the attribute before
 * it calls our __init__. None takes it away. -1 with TypeError or MemoryError set, and nothing
 * changed. */
int ft_name_init(PyObject *op, PyObject *given);

/* The same for one that can fail after it has made the name of what was given. Cannot fail. */
void ft_name_begin(PyObject *op, PyObject *given, struct ft_known *made);

/* The arguments of an __init__ that takes a name alone; format as for
 * PyArg_ParseTupleAndKeywords. *given is borrowed, or NULL. -1 with TypeError set. */
int ft_name_alone(PyObject *args, PyObject *kwargs, const char *format, PyObject **given);

/* The attribute `name`, an entry of a PyGetSetDef. It can be set, as a Thread's can: programs
 * have classes below ours, and below threading's, that give their objects an attribute of
 * this name. */
PyObject *ft_name_get(PyObject *op, void *closure);
int ft_name_set(PyObject *op, PyObject *given, void *closure);
#define FT_NAME_TEXT "What reports call the lock: a str, or None. It can be set; TypeError for anything else."
#define FT_NAME_GETSET {"name", ft_name_get, ft_name_set, PyDoc_STR(FT_NAME_TEXT), NULL}

/* The getset of a type that has no other. */
extern PyGetSetDef ft_name_getset[];

#endif
