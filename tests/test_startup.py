"""What the main job loads: a person waits for it before the first evaluation."""

import json

from photographs import SAMPLES
from toys import process

HEAVY = ["accelerate", "diffusers", "kornia", "matplotlib", "skimage", "torch._dynamo", "torch._inductor", "transformers"]
CODE = """
import json, sys
from restore.cli import main
codes = [main(words) for words in json.loads(sys.argv[1])]
print(json.dumps([codes, sorted(sys.modules)]))
"""
FAST = ["--steps", "1", "--device", "cpu", "-q", "-o"]


def test_the_main_jobs_import_nothing_that_they_do_not_use(tmp_path):
    place = tmp_path / "work"
    place.mkdir()
    scratched, mask = SAMPLES / "degraded" / "chelsea-scratched.png", SAMPLES / "masks" / "chelsea.png"
    commands = [
        ["inpaint", str(scratched), "--mask", str(mask), *FAST, "filled.png"],
        ["denoise", str(SAMPLES / "degraded" / "chelsea-noisy25.png"), *FAST, "clean.png"],
    ]
    out, err = process(place, json.dumps(commands), code=CODE).communicate(timeout=120)
    codes, loaded = json.loads(out.splitlines()[-1])
    assert codes == [0, 0], err
    assert sorted(path.name for path in place.iterdir()) == ["clean.png", "filled.png"]
    assert {"torch", "restore.priors.families.edm"} <= set(loaded)
    assert [name for name in HEAVY if name in loaded] == []


def test_the_list_of_heavy_packages_would_be_noticed(tmp_path):
    place = tmp_path / "work"
    place.mkdir()
    out, _ = process(place, "[]", code=f"import skimage\n{CODE}").communicate(timeout=120)
    assert "skimage" in json.loads(out.splitlines()[-1])[1]
