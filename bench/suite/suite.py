"""What every measurement needs to know: the build, how much work, and a folder with a certificate."""
import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time


def parse_options(description, choices):
    """The options that run.py and peers.py share; `only` is a list of names out of `choices`."""
    def names(text):
        chosen = text.split(",")
        if unknown := set(chosen) - set(choices):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(choices)}")
        return chosen

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each figure")
    parser.add_argument("--bin", default="build/release", help="folder of the build to measure")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to try the benchmark, not the server")
    parser.add_argument("--only", type=names, default=list(choices), metavar="NAME,...",
                        help=f"some of {', '.join(choices)}")
    return parser.parse_args()


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
    version = subprocess.run([suite.knul, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"program": version, "processor": processor(), "cpus": os.cpu_count(), "kernel": platform.release(), "runs": suite.runs,
            "scale": suite.scale}


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()
