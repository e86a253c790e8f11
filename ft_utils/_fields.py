"""What help() says of the fields of a named tuple: a string below a field is thrown away by Python."""

from typing import Any


def described[C: type](cls: C) -> C:
    """Give each field of a named tuple the text of its annotation, Annotated[type, text], as its docstring."""
    fields: Any = cls
    for name in fields._fields:
        (text,) = fields.__annotations__[name].__metadata__
        getattr(cls, name).__doc__ = text
    return cls
