"""A prior that learns the picture at hand: its weights are tuned on what the measurement shows, for one problem alone.

Image-specific tuning of denoisers and enlargers is known to help where a picture is unlike those of the training: Shocher,
Cohen & Irani 2018 ("Zero-shot super-resolution using deep internal learning", 1712.06087), Tirer & Giryes 2019
("Super-resolution via image-adapted denoising CNNs", 1811.12866). It can also hurt. So a part of the picture is held out,
restored after every few steps, and the weights that restored it best are taken: the prior's own where none were better.
"""
