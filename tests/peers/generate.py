"""Runs the peers and writes what they give: python3 tests/peers/generate.py [PEER...]

Each peer_NAME.py says at its top which pinned packages it needs: PACKAGES go with their dependencies into the virtual
environment target/peers/ENVIRONMENT, which peers share since torch is large; ALONE go without dependencies into
target/peers/NAME, for peers that would not install beside the others, or whose dependencies are not needed.
"""

import ast
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
INSTALLED = HERE.parents[1] / "target" / "peers"
# The plainest kernels and one thread, so that every machine computes the same sums.
PLAIN = {
    "ATEN_CPU_CAPABILITY": "default",
    "OMP_NUM_THREADS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def pins(script):
    """The assignments of literals at the top of a script."""
    values = {}
    for node in ast.parse(script.read_text()).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, (ast.Constant, ast.List))
        ):
            values[node.targets[0].id] = ast.literal_eval(node.value)
    return values


def once(stamp, packages, command):
    """Runs `command` unless the stamp says that it was run for the same packages."""
    if not stamp.exists() or stamp.read_text() != "\n".join(packages):
        subprocess.run(command, check=True)
        stamp.write_text("\n".join(packages))


def generate(script):
    name, pinned = script.stem.removeprefix("peer_"), pins(script)
    environment = INSTALLED / pinned["ENVIRONMENT"]
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    once(environment / f"{name}.installed", pinned["PACKAGES"], [*pip, *pinned["PACKAGES"]])
    alone = INSTALLED / name
    if pinned.get("ALONE"):
        alone.mkdir(exist_ok=True)
        once(
            alone / "installed", pinned["ALONE"], [*pip, "--upgrade", "--no-deps", "--target", alone, *pinned["ALONE"]]
        )
    variables = os.environ | PLAIN | {"PYTHONPATH": str(alone)}
    vectors = HERE / "vectors" / f"{name}.json"
    subprocess.run([python, script, vectors], check=True, env=variables)
    print(f"{name}: {vectors.stat().st_size / 1024:.0f} KiB")


def main():
    INSTALLED.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:]
    for script in sorted(HERE.glob("peer_*.py")):
        if not wanted or script.stem.removeprefix("peer_") in wanted:
            generate(script)


main()
