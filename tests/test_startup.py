"""What the main job loads: a person waits for it before the first evaluation."""

import json

import pytest
from photographs import SAMPLES
from toys import process

HEAVY = ["accelerate", "diffusers", "kornia", "matplotlib", "skimage", "torch._dynamo", "torch._inductor", "transformers"]
CODE = """
import json, sys
from restore.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.parametrize("task", ["inpaint", "denoise"])
def test_the_main_job_imports_nothing_that_it_does_not_use(tmp_path, task):
    place = tmp_path / "work"
    place.mkdir()
    words = {
        "inpaint": [str(SAMPLES / "degraded" / "chelsea-scratched.png"), "--mask", str(SAMPLES / "masks" / "chelsea.png")],
        "denoise": [str(SAMPLES / "degraded" / "chelsea-noisy25.png")],
    }
    run = process(place, task, *words[task], "-o", "out.png", "--steps", "1", "--device", "cpu", code=CODE)
    out, err = run.communicate(timeout=120)
    code, loaded = json.loads(out.splitlines()[-1])
    assert code == 0, err
    assert (place / "out.png").is_file()
    assert {"torch", "restore.priors.families.edm"} <= set(loaded)
    assert [name for name in HEAVY if name in loaded] == []


def test_the_list_of_heavy_packages_would_be_noticed(tmp_path):
    place = tmp_path / "work"
    place.mkdir()
    out, _ = process(place, code=f"import skimage\n{CODE}").communicate(timeout=120)
    assert "skimage" in json.loads(out.splitlines()[-1])[1]
