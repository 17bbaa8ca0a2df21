"""The lock with hashes names the tested versions, and no place where packages come from."""

import re
from pathlib import Path

CI = Path(__file__).parents[2] / ".ci"


def pins(text: str) -> dict[str, str]:
    found = re.findall(r"(?m)^([A-Za-z0-9_.-]+)==(\S+)", text)
    return {name.lower().replace("_", "-"): version for name, version in found}


def test_the_lock_has_the_tested_versions_and_hashes_of_all() -> None:
    lock = (CI / "constraints-hashed.txt").read_text()
    locked, tested = pins(lock), pins((CI / "constraints.txt").read_text())
    assert {name: locked.get(name) for name in tested if name != "torch"} == {
        name: version for name, version in tested.items() if name != "torch"
    }
    for part in re.split(r"(?m)^(?=[A-Za-z])", lock)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", part), part
    assert "://" not in lock
    assert "index-url" not in lock
