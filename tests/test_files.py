"""Atomic writes."""

import pytest

from restore.files import write_atomically


def test_bytes_or_a_writer(tmp_path):
    path = tmp_path / "a.bin"
    write_atomically(path, b"one")
    assert path.read_bytes() == b"one"
    write_atomically(path, lambda temporary: temporary.write_bytes(b"two"))
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("raised", [OSError("disk full"), ValueError("cannot be encoded"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, raised):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(temporary):
        temporary.write_bytes(b"ne")
        raise raised

    with pytest.raises(type(raised)):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_not_overwritten_unasked(tmp_path):
    path = tmp_path / "a.bin"

    def write_slowly(temporary):
        temporary.write_bytes(b"new")
        path.write_bytes(b"of another process")

    with pytest.raises(FileExistsError):
        write_atomically(path, write_slowly, overwrite=False)
    assert path.read_bytes() == b"of another process"
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("a" * 255)
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "a.bin", b"x")
