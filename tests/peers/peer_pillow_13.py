"""Pillow 13.0.0, run: the cases of 11.3.0.

For some sizes it resizes rows first, which changes some bytes by a level, with bicubic by two.
"""

import pillow_cases

ENVIRONMENT = "torch"
PACKAGES = ["numpy==2.4.6"]
ALONE = ["pillow==13.0.0"]

pillow_cases.write("13.0.0", {"nearest": 0, "bilinear": 1, "bicubic": 2})
