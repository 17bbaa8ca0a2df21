"""The kinds of damage that are measured, with fixed parameters."""

from __future__ import annotations

from restore.training.damage import Damage, camera, compressed, grain, photons, resized, white

NOISE: dict[str, Damage] = {
    "white 5": white(5),
    "white 15": white(15),
    "white 25": white(25),
    "white 50, clipped": white(50),
    "white 15, JPEG 50": white(15, 50),
    "white 10, JPEG 80": white(10, 80),
    "grain 13 of 0.7 px": grain(13, 0.7),
    "grain 13 of 1 px": grain(13, 1.0),
    "grain 13 of 1.6 px": grain(13, 1.6),
    "grain 10 of 1 px, JPEG 85": grain(10, 1.0, quality=85),
    "photons, peak 60": photons(60),
    "camera, JPEG 85": camera(3000, 8, 85),
    "camera in the dark, JPEG 75": camera(500, 5, 75),
    "white 20, reduced 1.5 times": resized(20, 1.5),
    "clean": compressed(None),
}

WHITE = {"white 5": 5, "white 15": 15, "white 25": 25, "white 50, clipped": 50}  # The level that --sigma is told.
