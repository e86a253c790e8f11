/* The object of a ReaderWriterLock. */
#ifndef FT_RWTYPE_H
#define FT_RWTYPE_H

#include "locks/rwupgrade.h"
#include "objects/lockobj.h"

typedef struct {
    FT_OBJECT_HEAD
    struct ft_rw rw;
} ReaderWriterLock;

/* What upgrade() says beside what every acquire says; end is what releases the lock then. */
#define UPGRADE_TEXT(end)                                                                      \
    "Other readers go on until they leave, new ones are kept out, and no other writer comes\n" \
    "in between: what was read still holds. " end " it then.\n"                                \
    "False, or an exception, leaves the upgradable read lock as it was. RuntimeError when\n"   \
    "this thread does not have that, or reads besides and would wait."

/* The type's deallocator, which no other type has. */
void ft_rw_dealloc(PyObject *op);

/* Makes the exception of a lock in a with statement, once for each module. */
PyObject *ft_rw_no_side(void);

#endif
