"""How long does a module take, from the photograph to its report, step by step, and how many are done in a minute?

    python benchmarks/inspect_modules.py [PHOTOGRAPH...] [--rounds 3] [--many 12]

Without photographs, one of 6 x 10 cells and 3,000 pixels is generated. The steps of the first photograph are measured
in one thread, in processor seconds, which other programs on the machine change little. Then the command inspects it as
a user calls it, on all cores, start of Python included. With --many, it inspects so many photographs at once: copies of
those given, with the peak memory of the largest process.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
from machine import describe

# Step -> functions that do it: module, name. A function within another one counts for itself only.
STEPS = {
    "read the photograph": ("photograph.read_image", "photograph.to_light", "task.digest_photograph"),
    "locate": ("photograph.locate_modules",),
    "rectify": ("module.rectify", "module.to_cells", "module.expose_cells", "module.expose_module"),
    "network": ("module.measure_cells",),  # less what is measured in it
    "measure": ("cells._measure",),
    "brightness": ("module.relative_light", "module.black_level"),
    "power": ("module.estimate",),
    "pictures": ("module_folder._write_png", "module_folder._paint", "module_folder.encode_mask"),
    "report.html": ("module_folder.write_module_report",),  # less the PDF
    "report.pdf": ("reports.html_to_pdf",),
    "module.json": (
        "module_folder.trace_shapes",
        "module_folder.write_record",
        "module_folder.draw_thumbnail",
    ),
    "tables and index": ("run.write_summary",),
}


class Clock:
    """Processor seconds of each step in all threads of Python, nested steps apart."""

    def __init__(self):
        self.seconds = defaultdict(float)
        self._lock = threading.Lock()
        self._inner = threading.local()

    def timed(self, step, function):
        def run(*arguments, **options):
            outer, self._inner.seconds = getattr(self._inner, "seconds", 0.0), 0.0
            start = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                spent = time.thread_time() - start
                with self._lock:
                    self.seconds[step] += spent - self._inner.seconds
                self._inner.seconds = outer + spent

        return run

    @contextmanager
    def installed(self):
        with ExitStack() as stack:
            for step, functions in STEPS.items():
                for each in functions:
                    place, name = each.rsplit(".", 1)
                    home = "reports.module_report" if place == "reports" else f"inspection.{place}"
                    module = import_module(f"solarseg.{home}")
                    function = getattr(module, name)
                    stack.enter_context(patch.object(module, name, self.timed(step, function)))
            yield


def measure_steps(photograph, out, rounds):
    """Return the median processor seconds of each step over the rounds, and those of the whole."""
    import cv2

    import solarseg

    cv2.setNumThreads(1)
    model = solarseg.load_model("el-cell", threads=1)
    inspected = solarseg.inspect(
        photograph, out, model=model, overwrite=True, processes=1
    )  # imports, and warms up
    if not inspected.modules:
        sys.exit(f"not inspected: {inspected.failed}")
    found = []
    for _ in range(rounds):
        clock = Clock()
        start = time.process_time()
        with clock.installed():
            solarseg.inspect(photograph, out, model=model, overwrite=True, processes=1)
        whole = time.process_time() - start
        found.append({**clock.seconds, "other": whole - sum(clock.seconds.values()), "all": whole})
    return {step: median(each[step] for each in found) for step in found[0]}, inspected


def run_command(photographs, out, *options):
    """Run ``solarseg inspect`` and return its wall seconds, processor seconds, and peak memory of a process in MiB."""
    command = [
        sys.executable,
        "-m",
        "solarseg",
        "inspect",
        *map(str, photographs),
        "--out",
        str(out),
        "--quiet",
    ]
    start = time.perf_counter()
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _largest(process.pid))
        time.sleep(0.1)
    wall = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"solarseg inspect: exit code {process.returncode}")
    times = os.times()
    return wall, times.children_user + times.children_system, peak


def _largest(pid):
    """Return the resident memory of the largest of a process and its children, MiB; 0 without /proc."""
    found = 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(
                line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line
            )
        except OSError:
            continue
        if str(pid) in (lines["Pid"].strip(), lines["PPid"].strip()) and "VmRSS" in lines:
            found = max(found, int(lines["VmRSS"].split()[0]) / 1024)
    return found


def generate(folder):
    """Write a generated photograph of 6 x 10 cells and return its path."""
    from solarseg.images import write_image
    from solarseg.synthesis import generate_photograph

    made = generate_photograph(np.random.default_rng(3), 3000, 6, 10, straight=True)
    image = made.image if made.image.shape[-1] == 3 else made.image[..., 0]
    write_image(folder / "generated.png", image)
    return folder / "generated.png"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", nargs="*", type=Path, metavar="PHOTOGRAPH")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=0, help="also inspect so many photographs in one command")
    options = parser.parse_args()
    print(describe("onnxruntime", "opencv-python-headless"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photographs = options.photographs or [generate(folder)]
        steps, inspected = measure_steps(photographs[0], folder / "out", options.rounds)
        print(f"{photographs[0].name}: {inspected.cells} cells, {inspected.defective} with defects")
        print(f"\n{'step':22} processor seconds, one thread, median of {options.rounds}")
        for step in [*STEPS, "other", "all"]:
            print(f"{step:22} {steps.get(step, 0.0):6.2f}")
        print(f"{'all but the network':22} {steps['all'] - steps['network']:6.2f}")
        print(f"\n{'solarseg inspect':22} wall s  processor s  largest process MiB")
        for title, extra in (("one photograph", ()), ("without PDF", ("--no-pdf",))):
            runs = []
            for round_number in range(options.rounds):
                before = os.times()
                wall, spent, peak = run_command(
                    photographs[:1], folder / f"one{len(extra)}{round_number}", *extra
                )
                runs.append((wall, spent - before.children_user - before.children_system, peak))
            wall, spent, peak = (median(column) for column in zip(*runs, strict=True))
            print(f"{title:22} {wall:6.2f}  {spent:11.2f}  {peak:19.0f}")
        if options.many:
            (folder / "many").mkdir()
            for number in range(options.many):
                source = photographs[number % len(photographs)]
                shutil.copy(source, folder / "many" / f"{number:04}{source.suffix}")
            before = os.times()
            wall, spent, peak = run_command([folder / "many"], folder / "all")
            spent -= before.children_user + before.children_system
            print(f"{f'{options.many} photographs':22} {wall:6.2f}  {spent:11.2f}  {peak:19.0f}")
            print(f"{'for each':22} {wall / options.many:6.2f}  {spent / options.many:11.2f}")


if __name__ == "__main__":
    main()
