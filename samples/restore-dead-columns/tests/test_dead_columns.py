"""The plugin without the toolkit's machinery: a hook is a plain function, a task a plain object."""

import torch
from restore_dead_columns import Options, restore_tasks

from restore.images import Picture


def test_kept_columns_are_measured_and_put_back():
    (task,) = restore_tasks()
    picture = Picture(pixels=torch.rand(1, 3, 4, 10) + 0.1, kind="colour", depth=8)
    problem = task.problem(picture, Options(every=5))
    assert [bool(column.any()) for column in problem.y[0, 0].T] == [False, True, True, True, True] * 2

    restored = task.finish(picture, problem, torch.zeros(1, 3, 4, 10), Options(every=5)).pixels
    assert bool((restored[..., ::5] == 0).all())
    assert bool((restored[..., 1:5] == picture.pixels[..., 1:5]).all())
