"""Single modules of peers whose packages need far more than their mixing code does."""

import importlib.util
import pathlib
import sys
from unittest.mock import MagicMock


def load(path, **stubs):
    """Runs the file PATH of an installed package without the package; each stub `a__b` stands for the module `a.b`."""
    file = next(pathlib.Path(folder) / path for folder in sys.path if (pathlib.Path(folder) / path).exists())
    name = path.removesuffix(".py").replace("/", ".")
    parts = name.split(".")
    for depth in range(1, len(parts)):
        sys.modules.setdefault(".".join(parts[:depth]), MagicMock(__path__=[]))
    for stub, module in stubs.items():
        sys.modules[stub.replace("__", ".")] = module
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
