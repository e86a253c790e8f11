"""The locks of ft_utils.synchronization, by a name that no other package has.

Meta's package ft_utils has our import name and a module of the same name in it, which hides ours. Where both are
installed, import this one: it has the same names, and the same classes.
"""

from ft_locks import _names

__all__ = _names.__all__

# Not by `*`, which would import all that _names leaves for later.
globals().update({name: value for name, value in vars(_names).items() if name in __all__})


def __getattr__(name):
    if name in __all__:
        return getattr(_names, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
