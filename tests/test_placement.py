"""Where work runs."""

import pytest
import torch

from restore.device.placement import Placement
from restore.errors import UsageError

WITHOUT_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("RESTORE_DTYPE", raising=False)


@WITHOUT_GPU
def test_a_machine_without_gpu_works_on_the_cpu():
    found = Placement.current()
    assert found.device.type in {"cpu", "mps"}
    assert (found.index, found.count) == (0, 1)
    assert found == Placement.current("auto", "auto")


def test_device_and_dtype_are_as_asked_for():
    assert Placement.current("cpu", "float16") == Placement(torch.device("cpu"), torch.float16)
    assert Placement.current("cpu", "float32").dtype is torch.float32
    assert Placement.current("cpu", "bfloat16").dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gpu",), "device 'gpu' cannot be used here: "),
        (("cuda:77",), "device 'cuda:77' cannot be used here: "),
        (("cpu", "float64"), "unknown dtype 'float64'; known: auto, float32, bfloat16, float16"),
    ],
)
def test_what_is_not_there_is_a_usage_error_in_one_line(words, message):
    with pytest.raises(UsageError) as caught:
        Placement.current(*words)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_one_process_takes_all():
    assert Placement(torch.device("cpu"), torch.float32).share(("a", "b", "c")) == ["a", "b", "c"]


def test_one_process_does_not_wait_for_accelerate(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "accelerate", None)  # Importing it would fail.
    assert Placement.current("cpu").share([1, 2]) == [1, 2]
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert Placement.current("cpu").count == 1
