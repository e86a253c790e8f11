/* Exceptions that are raised while another one is on its way. */
#ifndef FT_CHAIN_H
#define FT_CHAIN_H

#include "platform/common.h"

/* Hangs `raised`, which was on its way, behind the exception that is set now, as a finally block
 * does: it is the __context__ of the first one raised there. Takes the reference to raised,
 * which may be NULL. */
void ft_chain(PyObject *raised);

#endif
