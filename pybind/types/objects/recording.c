/* Starts and stops the record of where threads wait: functions of ft_utils._locks. */
#include "core/record.h"
#include "objects/types.h"

static PyObject *
record_start(PyObject *Py_UNUSED(m), PyObject *args)
{
    unsigned long long rate;
    long long minimum;
    unsigned int room;
    if (!PyArg_ParseTuple(args, "KLI:record_start", &rate, &minimum, &room)
        || ft_record_start(rate, minimum, room) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
record_stop(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    return ft_record_stop();
}

static PyObject *
recording(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(ft_record_on());
}

PyMethodDef ft_record_functions[] = {
    {"record_start", record_start, METH_VARARGS,
     PyDoc_STR("record_start($module, rate, minimum, room, /)\n--\n\n"
               "Record where threads wait: one contention in rate, waits of at least minimum\n"
               "nanoseconds, at so many places. RuntimeError if that is being done already.")},
    {"record_stop", record_stop, METH_NOARGS,
     PyDoc_STR("record_stop($module, /)\n--\n\n"
               "Stop recording, and return (locks, threads, stacks, samples, dropped).")},
    {"recording", recording, METH_NOARGS,
     PyDoc_STR("recording($module, /)\n--\n\nReturn whether contention is being recorded.")},
    {0},
};
