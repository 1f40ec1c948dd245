"""What every measurement needs to know: the build, how much work, and a folder with a certificate."""
import os
import platform
import subprocess
import sys
import tempfile
import time


class Suite:
    """`scale` divides the work; `folder` has cert.pem and key.pem until the `with` block ends."""

    def __init__(self, options):
        self.runs = options.runs
        self.scale = 10 if options.quick else 1
        self.bins = options.bin
        self.knul = f"{options.bin}/cli/knul"
        self.begun_at = time.monotonic()
        os.makedirs("build", exist_ok=True)

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="knul_bench_")
        self.folder = self.temporary.name
        subprocess.run([self.knul, "cert", "--out", self.folder], check=True, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def say(self, text):
        print(f"{time.monotonic() - self.begun_at:5.0f} s  {text}", file=sys.stderr)


def machine(suite):
    """What a figure depends on beside the program."""
    return {"processor": processor(), "cpus": os.cpu_count(), "kernel": platform.release(), "runs": suite.runs,
            "scale": suite.scale}


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()
