"""Builds the library with cargo, generates the bindings from it, and packs both into one wheel."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

WORKSPACE = Path(__file__).resolve().parents[2]
PACKAGE = "countersign_mobile"
LIBRARY = {"darwin": f"lib{PACKAGE}.dylib", "win32": f"{PACKAGE}.dll"}.get(sys.platform, f"lib{PACKAGE}.so")
# Tests have a library and a generator already, as mobile-bindings/build says: an optimised library takes minutes to build.
BUILT = os.environ.get("COUNTERSIGN_BUILT")


def cargo(*arguments):
    try:
        subprocess.run(["cargo", *arguments], cwd=WORKSPACE, check=True)
    except FileNotFoundError:
        sys.exit("countersign-mobile is built with cargo: install Rust (https://rustup.rs) and try again")


def target():
    """The folder that cargo builds in."""
    told = subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=WORKSPACE, check=True, capture_output=True)
    return Path(json.loads(told.stdout)["target_directory"])


def built():
    """Builds the library as an app gets it, but with the symbols that bindings are generated from; where it is, and what runs the generator."""
    cargo("rustc", "--locked", "--lib", "-p", "countersign-mobile-library", "--profile", "mobile", "--crate-type", "cdylib", "--", "-C", "strip=debuginfo")
    return target() / "mobile" / LIBRARY, ["cargo", "run", "--locked", "-p", "uniffi-bindgen-cli", "--"]


def mended(generated):
    """uniffi 0.32 cancels a callback of ours with `loop.call_soon` from a thread that is not the loop's: an idle loop sleeps on, and a loop in
    debug mode refuses. What is cancelled there is a `concurrent.futures.Future`, which any thread may cancel."""
    wrong = "eventloop.call_soon(_uniffi_cancel_task, task)"
    if generated.count(wrong) != 1:
        sys.exit("setup.py mends a fault in what uniffi generates, and finds it no more: see whether it still has to")
    return generated.replace(wrong, "_uniffi_cancel_task(task)")


class BuildWithCargo(build_py):
    def run(self):
        super().run()
        if not (WORKSPACE / "mobile-bindings" / "bindgen").is_dir():
            sys.exit("countersign-mobile is built inside a checkout of Countersign: pip install ./mobile-bindings/python there")
        library, generator = built() if BUILT is None else (Path(BUILT) / LIBRARY, [Path(BUILT) / "uniffi-bindgen-cli"])
        package = Path(self.build_lib) / PACKAGE
        out = Path(self.build_lib).parent / "bindings"
        subprocess.run([*generator, "generate", library, "--language", "python", "--no-format", "--out-dir", out.resolve()],
                       cwd=WORKSPACE, check=True)
        (package / "_generated.py").write_text(mended((out / f"{PACKAGE}.py").read_text(encoding="utf-8")), encoding="utf-8")
        shutil.copyfile(library, package / LIBRARY)


class WheelOfOnePlatform(bdist_wheel):
    def get_tag(self):
        # Any Python 3: the library is loaded with ctypes and knows nothing of Python.
        platform = self.plat_name or sysconfig.get_platform()
        return "py3", "none", platform.replace("-", "_").replace(".", "_")


class WithLibrary(Distribution):
    def has_ext_modules(self):
        return True


scratch = target() / "python-wheel"
scratch.mkdir(parents=True, exist_ok=True)
setup(
    distclass=WithLibrary,
    cmdclass={"build_py": BuildWithCargo, "bdist_wheel": WheelOfOnePlatform},
    # Nothing is left in the checkout.
    options={"build": {"build_base": str(scratch / "build")}, "egg_info": {"egg_base": str(scratch)}},
)
