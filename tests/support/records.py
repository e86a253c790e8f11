"""The record of a thread, looked up in memory: for states that would take minutes to reach."""

import ctypes
import re
import struct
from pathlib import Path

from ft_utils._locks import WORD_OFFSET

from ft_utils.synchronization import ReaderWriterLock

LINE = 64  # bytes; the nested reads of six slots are in the line after that of their tags
HEAP = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) .*\[heap\]$", re.MULTILINE)  # of the main thread


def nested_reads(lock: ReaderWriterLock) -> ctypes.c_uint32:
    """The number of nested reads of the main thread, which reads no other lock."""
    word = id(lock) + WORD_OFFSET
    tags = [struct.pack("=Q", word | tag) for tag in (1, 2, 6)]  # published; counted; counted and upgradable
    found = set()
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        for start, end in ((int(a, 16), int(b, 16)) for a, b in HEAP.findall(Path("/proc/self/maps").read_text())):
            memory.seek(start)
            held = memory.read(end - start)
            places = (match.start() for tag in tags for match in re.finditer(re.escape(tag), held))
            found.update(start + at for at in places if at % LINE == 0 and not any(held[at + 8 : at + 56]))
    records = [ctypes.c_uint32.from_address(at + LINE) for at in found]
    nested = [record for record in records if lock.readers() - 1 <= record.value <= lock.readers()]
    assert len(nested) == 1, f"{len(nested)} of {len(found)} places look like the slots of the reader"
    return nested[0]


def too_many_reads(upgradable: bool) -> None:
    """One more than are counted is refused, and the rest can be released."""
    lock = ReaderWriterLock()
    if upgradable:
        lock.lock_upgradable()
    lock.lock_read()
    lock.lock_read()
    nested = nested_reads(lock)
    before = nested.value
    nested.value = 2**32 - 2
    lock.lock_read()
    readers = lock.readers()
    assert readers == (2**32 - 1 if upgradable else 2**32)
    for call in (lock.lock_read, lambda: lock.acquire_read(blocking=False), lock.reading().__enter__):
        try:
            call()
        except OverflowError as error:
            assert "for reading too often" in str(error)
        else:
            raise AssertionError("it was counted")
        assert lock.readers() == readers
    lock.unlock_read()
    nested.value = before
    lock.unlock_read()
    lock.unlock_read()
    if upgradable:
        lock.unlock_upgradable()
    assert lock.acquire_write(blocking=False) and not lock.readers()
