"""Files behind mappings: found, seen to be the very ones, and where they hold data."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import synth

from tray.capture import linux_files
from tray.ffi.linux import Kernel

pytestmark = pytest.mark.linux
PAGE = 4096


def mapping_of(path: Path, start: int = 0x10000, size: int = 16 * PAGE):
    """A private mapping of a file, as maps would show it."""
    status = path.stat()
    device = os.major(status.st_dev), os.minor(status.st_dev)
    one = synth.mapping(f"{start:x}-{start + size:x} rw-p {path}")
    return replace(one, device=device, inode=status.st_ino)


@pytest.fixture
def files():
    """Those of this very process."""
    found = linux_files.Files(Kernel(), os.getpid())
    yield found
    found.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "a file").write_bytes(b"x" * 5000)
    return tmp_path / "a file"


def test_a_file_by_its_name(files, path: Path):
    """It is opened once, however many mappings it has."""
    one, other = mapping_of(path), mapping_of(path, 0x90000)
    files.open([one, other])
    assert os.pread(files.descriptor(one), 5, 0) == b"xxxxx"
    assert files.descriptor(one) == files.descriptor(other)


def test_another_file_of_that_name(files, path: Path):
    """A name may lead elsewhere by now: that file is none of the process's."""
    stranger = replace(mapping_of(path), inode=1)
    files.open([stranger])
    assert files.descriptor(stranger) is None


def test_a_file_that_is_not_there(files, path: Path):
    """Is no error; nor is one that was never asked for."""
    gone = replace(mapping_of(path), path="/no/such/file")
    files.open([gone])
    assert files.descriptor(gone) is None
    assert files.descriptor(mapping_of(Path(sys.executable).resolve())) is None


def test_what_reading_may_change(files):
    """Only plain files are opened: a device or a pipe does something when it is read."""
    zero = mapping_of(Path("/dev/zero"))
    files.open([zero])
    assert files.descriptor(zero) is None


def test_a_deleted_file_that_the_process_holds(files, path: Path):
    """Is found among its descriptors."""
    with path.open("rb"):
        gone = replace(mapping_of(path), deleted=True)
        path.unlink()
        files.open([gone])
        assert os.pread(files.descriptor(gone), 5, 0) == b"xxxxx"


def test_too_many_files(path: Path, tmp_path: Path, monkeypatch):
    """A limit keeps the worker from running out of descriptors."""
    (tmp_path / "another").write_bytes(b"y")
    monkeypatch.setattr(linux_files, "_AT_FIRST", 0)
    monkeypatch.setattr(linux_files, "MOST_OPEN", 1)
    files = linux_files.Files(Kernel(), os.getpid())
    files.open([mapping_of(path), mapping_of(tmp_path / "another")])
    assert os.pread(files.descriptor(mapping_of(path)), 1, 0) == b"x"
    assert files.descriptor(mapping_of(tmp_path / "another")) is None
    files.close()


def test_a_process_whose_descriptors_are_hidden():
    """Those of other users' processes are."""
    assert linux_files._descriptors(2**22 + 1) == {}


def test_data_and_holes(files):
    """Runs of whole pages, in addresses of the mapping, up to the end of the file."""
    descriptor = os.memfd_create("sparse")
    try:
        os.pwrite(descriptor, b"a" * PAGE, 2 * PAGE)
        os.pwrite(descriptor, b"b" * 5000, 6 * PAGE)
        whole = synth.mapping(f"100000-{0x100000 + 32 * PAGE:x} rw-s /memfd:sparse")
        at = [0x100000 + number * PAGE for number in range(32)]
        assert list(files.written(whole, descriptor)) == [(at[2], at[3]), (at[6], at[8])]
        later = replace(whole, offset=7 * PAGE)
        assert list(files.written(later, descriptor)) == [(at[0], at[1])]
        behind = replace(whole, offset=20 * PAGE)
        assert list(files.written(behind, descriptor)) == []
        short = synth.mapping(f"100000-{0x100000 + 7 * PAGE:x} rw-s /memfd:sparse")
        assert list(files.written(short, descriptor)) == [(at[2], at[3]), (at[6], at[7])]
    finally:
        os.close(descriptor)
