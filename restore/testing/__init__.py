"""For the tests of plugins: checks of the properties that operators, priors, methods and tasks must have, and pytest fixtures.

    from restore.testing import check_linear

    def test_my_operator():
        check_linear(MyOperator(), (1, 3, 16, 16))

Each check draws its own random pictures and raises AssertionError with the property that failed, also where the author's code
raises something else. Fixtures are in `restore.testing.fixtures`.
"""

from restore.testing.checks import check_guidance, check_linear, check_operator, check_prior, check_spectral
from restore.testing.priors import White
from restore.testing.tasks import check_task

__all__ = [
    "White",
    "check_guidance",
    "check_linear",
    "check_operator",
    "check_prior",
    "check_spectral",
    "check_task",
]
