#define _GNU_SOURCE /* dladdr */
#include "core/golib.h"

#include "platform/guest.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Absent -> Loading -> Ready or Broken, under `loading`; a fork turns everything but
 * Absent into Lost: a Go runtime that was half-way up in the parent is dead here too. */
enum state {
    ABSENT,
    LOADING,
    READY,
    BROKEN,
    LOST,
};

static _Atomic(int) state;
static struct ft_golib exports; /* constant once the state is READY */
static char error[512];         /* constant once the state is BROKEN */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

const char *
ft_golib_path(void)
{
    static char path[PATH_MAX]; /* written the same by everybody */
    Dl_info self;
    if (dladdr(&exports, &self) == 0 || self.dli_fname == NULL) {
        return "";
    }
    const char *base = strrchr(self.dli_fname, '/');
    base = base == NULL ? self.dli_fname : base + 1;
    const char *suffix = strchr(base, '.');
    snprintf(path, sizeof path, "%.*s_golib%s", (int)(base - self.dli_fname),
             self.dli_fname, suffix == NULL ? ".so" : suffix);
    return path;
}

static bool
resolve(void *library)
{
    int32_t (*abi)(void);
    *(void **)&abi = dlsym(library, "ft_abi");
    if (abi == NULL || abi() != FT_ABI) {
        snprintf(error, sizeof error, "%s is of another version; reinstall the package", ft_golib_path());
        return false;
    }
#define FT_EXPORT_RESOLVE(name, result, parameters) *(void **)&exports.name = dlsym(library, #name);
    FT_EXPORTS(FT_EXPORT_RESOLVE)
#undef FT_EXPORT_RESOLVE
#define FT_EXPORT_MISSING(name, result, parameters) || exports.name == NULL
    if (false FT_EXPORTS(FT_EXPORT_MISSING)) {
        snprintf(error, sizeof error, "%s lacks an export; reinstall the package", ft_golib_path());
        return false;
    }
    return true;
}

static enum state
load(void)
{
    sigset_t before;
    ft_guest_quiet(&before); /* the threads of the probe take no signals either */
    void *library = NULL;
    if (ft_guest_room(error, sizeof error)) {
        library = dlopen(ft_golib_path(), RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            const char *why = dlerror();
            snprintf(error, sizeof error, "%s; reinstall the package", why == NULL ? "dlopen failed" : why);
        }
        ft_guest_stacks();
    }
    ft_guest_restore(&before);
    return library != NULL && resolve(library) ? READY : BROKEN;
}

static void
warn_broken(void)
{
    PyObject *raised = PyErr_GetRaisedException();
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                         "ft_utils could not load its Go library, so its locks wait without it, "
                         "correct but slow and unfair: %s",
                         error)
        < 0) {
        PyErr_WriteUnraisable(NULL); /* a lock operation must not fail half-way for it */
    }
    PyErr_SetRaisedException(raised);
}

/* Loading takes milliseconds, so it runs detached: others need not stand still. */
static FT_SLOW void
load_once(void)
{
    bool broken = false;
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&loading);
    if (atomic_load(&state) == ABSENT) {
        atomic_store(&state, LOADING);
        enum state outcome = load();
        broken = outcome == BROKEN;
        atomic_store(&state, outcome);
    }
    pthread_mutex_unlock(&loading);
    Py_END_ALLOW_THREADS
    if (broken) {
        warn_broken();
    }
}

const struct ft_golib *
ft_golib_load(void)
{
    int s = atomic_load(&state);
    if (FT_UNLIKELY(s == ABSENT || s == LOADING)) {
        load_once();
        s = atomic_load(&state);
    }
    return FT_LIKELY(s == READY) ? &exports : NULL;
}

const struct ft_golib *
ft_golib(void)
{
    return atomic_load(&state) == READY ? &exports : NULL;
}

bool
ft_golib_missing(void)
{
    int s = atomic_load(&state);
    return s == LOST || s == BROKEN;
}

void
ft_golib_before_fork(void)
{
    pthread_mutex_lock(&loading);
}

void
ft_golib_after_fork_in_parent(void)
{
    pthread_mutex_unlock(&loading);
}

void
ft_golib_after_fork_in_child(void)
{
    pthread_mutex_init(&loading, NULL);
    if (atomic_load(&state) != ABSENT) {
        atomic_store(&state, LOST);
    }
}
