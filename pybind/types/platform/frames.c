/* The one file that knows how a version of CPython keeps its frames. */
#include "platform/frames.h"
#include "platform/pyver.h"

#if FT_KNOWN_FRAMES && defined(__has_include) && !defined(FT_PUBLIC_FRAMES)
#if __has_include(<internal/pycore_frame.h>)
#define INTERNAL 1
#endif
#endif

#ifdef INTERNAL

#define Py_BUILD_CORE 1
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <internal/pycore_ceval.h>
#include <internal/pycore_frame.h>
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_interpframe.h>
#endif
#pragma GCC diagnostic pop

_Static_assert(_PY_SIGNALS_PENDING_BIT == FT_SIGNALS_BIT, "pyver.h has another bit than CPython");

/* A thread's own frames change only while it runs Python code, and here it does not. Frames
 * that stand for C, and those that have not reached their first instruction, name no line. */
int
ft_frames_of(const void *here, struct ft_frame *frames, int most)
{
    int n = 0;
    struct _PyInterpreterFrame *f = (struct _PyInterpreterFrame *)here;
    for (; f != NULL && n < most; f = f->previous) {
        if (!_PyFrame_IsIncomplete(f)) {
            frames[n++] = (struct ft_frame){
                (PyObject *)_PyFrame_GetCode(f),
                _PyInterpreterFrame_LASTI(f) * (intptr_t)sizeof(_Py_CODEUNIT),
            };
        }
    }
    return n;
}

const void *
ft_frames_here(void)
{
    return PyThreadState_Get()->current_frame;
}

int
ft_frames(struct ft_frame *frames, int most)
{
    return ft_frames_of(ft_frames_here(), frames, most);
}

#else

const void *
ft_frames_here(void)
{
    return NULL;
}

int
ft_frames_of(const void *Py_UNUSED(here), struct ft_frame *Py_UNUSED(frames), int Py_UNUSED(most))
{
    return 0;
}

/* By way of frame objects, which the interpreter makes for the purpose: public, and slower. */
int
ft_frames(struct ft_frame *frames, int most)
{
    int n = 0;
    PyObject *raised = PyErr_GetRaisedException();
    PyFrameObject *f = PyThreadState_GetFrame(PyThreadState_Get());
    while (f != NULL && n < most) {
        PyCodeObject *code = PyFrame_GetCode(f);
        frames[n++] = (struct ft_frame){(PyObject *)code, PyFrame_GetLasti(f)};
        Py_DECREF(code); /* the running function has it too */
        PyFrameObject *back = PyFrame_GetBack(f);
        Py_DECREF(f);
        f = back;
    }
    Py_XDECREF(f);
    PyErr_SetRaisedException(raised);
    return n;
}

#endif
