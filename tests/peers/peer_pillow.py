"""Pillow 11.3.0, run: Image.resize and some of ImageOps on bytes. Ours follows this version's order of passes: columns, then rows."""

import pillow_cases

ENVIRONMENT = "torch"
PACKAGES = ["numpy==2.4.6"]
ALONE = ["pillow==11.3.0"]

pillow_cases.write("11.3.0", {"nearest": 0, "bilinear": 0, "bicubic": 0})
