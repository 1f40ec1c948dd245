#!/usr/bin/env python3
"""Checks symbol tables with nm and readelf.

  sans-io ARCHIVE...   no undefined symbol is a socket, clock, thread, file or randomness function
  exports LIBRARY      the dynamic symbols are krepis_* and nothing else, none is asked of OpenSSL, zlib or Zstandard; NODELETE
                       and the soname are set
  hardened FILE...     bound at start, read-only after relocation, position-independent, no executable stack
  checked SAMPLE       tests/hardening/sample.cpp was compiled with the run-time checks of a release
"""
import argparse
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import unittest

# Whole names of C functions; the 64-bit and _chk forms are the same functions.
C_FUNCTIONS = re.compile(
    r"(?:__)?(?:"
    r"socket|socketpair|bind|listen|accept4?|connect|shutdown|send(?:to|msg|mmsg|file)?|recv(?:from|msg|mmsg)?|"
    r"[gs]etsockopt|getsockname|getpeername|getaddrinfo|freeaddrinfo|gethostby\w+|"
    r"epoll_\w+|p?poll|p?select|eventfd|timerfd_\w+|signalfd|"
    r"clock(?:_\w+)?|time|gettimeofday|times|timespec_get|nanosleep|usleep|sleep|localtime(?:_r)?|gmtime(?:_r)?|"
    r"pthread_\w+|thrd_\w+|mtx_\w+|cnd_\w+|sem_\w+|fork|vfork|clone|exec\w+|posix_spawn\w*|"
    r"open|openat|creat|close|read|write|p(?:read|write)v?|readv|writev|lseek|fsync|ioctl|fcntl|dup[23]?|pipe2?|"
    r"f(?:open|dopen|close|read|write|gets|puts|printf)|printf|puts|putchar|perror|v?fprintf|remove|rename|unlink|"
    r"mmap|munmap|stat|fstat|lstat|"
    r"rand|srand|rand_r|random|[dlm]rand48|getrandom|getentropy|arc4random\w*|getenv|secure_getenv"
    r")(?:64)?(?:_chk|_2)?"
)
CXX_FUNCTIONS = re.compile(
    r"std::(?:\w+::)*(?:"
    r"thread\b|jthread\b|this_thread|condition_variable|mutex\b|recursive_mutex|shared_mutex|call_once|__once_|"
    r"chrono::.*_clock::now|(?:_V2::)?(?:system|steady)_clock::now|random_device|"
    r"basic_(?:[io]?fstream|filebuf)|filesystem::|cout\b|cerr\b|clog\b|cin\b)"
)
# GnuTLS can open files and sockets itself: quic hands it bytes.
GNUTLS_FUNCTIONS = re.compile(r"gnutls_\w+_file\d*|gnutls_load_file|gnutls_transport_set_int\w*")

HOST_FUNCTIONS = re.compile(
    r".*@OPENSSL_|(EVP|OPENSSL|CRYPTO|ERR|RSA|EC|ECDSA|BN|d2i|i2d|ZSTD)_\w+|"
    r"((de|in)flate\w*|(un)?compress2?|crc32|adler32)(@.*)?$"
)


def is_forbidden(symbol):
    name = symbol.split("@")[0]
    return bool(C_FUNCTIONS.fullmatch(name) or GNUTLS_FUNCTIONS.fullmatch(name) or CXX_FUNCTIONS.match(name))


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def undefined_symbols(archive):
    """(object file, symbol) of every reference, weak ones too."""
    for line in run("nm", "-A", "-C", "-u", archive).splitlines():
        match = re.match(r"(.*?):\s+[Uwv] (.*)", line)
        if match:
            yield match[1].removeprefix(f"{archive}:"), match[2]


def check_sans_io(archives):
    errors = []
    for archive in archives:
        symbols = list(undefined_symbols(archive))
        if not symbols:
            errors.append(f"{archive}: nm shows no symbols")
        errors += [f"{place}: uses {symbol}" for place, symbol in symbols if is_forbidden(symbol)]
    return errors


def check_exports(library):
    errors = []
    names = [line.split()[-1].split("@")[0] for line in run("nm", "-D", "--defined-only", library).splitlines()]
    exported = [name for name in names if not re.fullmatch(r"KREPIS_\d+(\.\d+)*", name)]  # version nodes
    errors += [f"exports {name}" for name in exported if not name.startswith("krepis_")]
    if not any(name.startswith("krepis_") for name in exported):
        errors.append("exports no krepis_* function")
    # A host may export the functions of its own OpenSSL, Zstandard and zlib; ours must be inside (docs/decisions/0017, 0019).
    asked = [line.split()[-1] for line in run("nm", "-D", "--undefined-only", library).splitlines()]
    errors += [f"asks the host for {name}" for name in asked if HOST_FUNCTIONS.match(name)]
    dynamic = run("readelf", "-dW", library)
    for what, pattern in {
        "soname libknul.so.1": r"\(SONAME\).*\[libknul\.so\.1\]",
        "NODELETE": r"\(FLAGS_1\).*\bNODELETE\b",
    }.items():
        if not re.search(pattern, dynamic):
            errors.append(f"dynamic section lacks {what}")
    return [f"{library}: {error}" for error in errors]


def check_hardened(files):
    errors = []
    for file in files:
        dynamic = run("readelf", "-dW", file)
        segments = run("readelf", "-lW", file)
        stack = re.search(r"GNU_STACK.*", segments)
        broken = {
            "does not bind its symbols at start (-z now)": not re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic),
            "has no RELRO segment": "GNU_RELRO" not in segments,
            "is not position-independent": "DYN" not in run("readelf", "-hW", file),
            "has relocations in its code": "TEXTREL" in dynamic,
            "has an executable stack": stack is None or "RWE" in stack[0],
            "has a segment that is writable and executable": re.search(r"LOAD.* RWE ", segments),
        }
        errors += [f"{file}: {what}" for what, is_broken in broken.items() if is_broken]
    return errors


def check_checked(files):
    """The functions of tests/hardening/sample.cpp show one check each."""
    errors = []
    for file in files:
        asked = run("nm", "-D", "--undefined-only", file)
        code = run("objdump", "-d", "--no-show-raw-insn", file)
        large = re.search(r"<knul_large_frame>:\n(.*?)\n\n", code, re.DOTALL)
        errors += [f"{file}: does not call {name}" for name in
                   ("__memcpy_chk", "__stack_chk_fail", "__glibcxx_assert_fail") if name not in asked]
        if platform.machine() == "x86_64":
            if large is None or not re.search(r"or[lq] +\$0x0,\(%rsp\)", large[1]):
                errors.append(f"{file}: a large stack frame is not probed page by page")
            if not re.search(r"<knul_large_frame>:\n[^\n]*endbr64", code):
                errors.append(f"{file}: functions do not begin with endbr64")
    return errors


class SelfTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def compile(self, source, output, *flags):
        (self.path / "x.cpp").write_text(source, encoding="utf-8")
        run("c++", "-std=c++20", "-O0", "-fPIC", *flags, str(self.path / "x.cpp"), "-o", str(self.path / output))
        return str(self.path / output)

    def sans_io_errors(self, source):
        return check_sans_io([self.compile(source, "x.o", "-c")])

    def test_accepts_memory_and_address_functions(self):
        source = "#include <arpa/inet.h>\n#include <cstring>\nint f(void* p) { return inet_pton(AF_INET, (char*)p, p); }"
        self.assertEqual(self.sans_io_errors(source), [])

    def assert_all_refused(self, headers, calls):
        source = "".join(f"#include <{header}>\n" for header in headers)
        source += "\n".join(f"void f{i}() {{ (void)({call}); }}" for i, call in enumerate(calls))
        errors = "\n".join(self.sans_io_errors(source))
        for word in calls.values():
            self.assertIn(word, errors)

    def test_refuses_each_kind_of_system_call(self):
        headers = ("sys/socket.h", "sys/epoll.h", "time.h", "unistd.h", "stdio.h", "stdlib.h", "pthread.h")
        self.assert_all_refused(headers, {
            "socket(0, 0, 0)": "uses socket", "sendto(0, 0, 0, 0, 0, 0)": "uses sendto",
            "epoll_create1(0)": "uses epoll_create1", "time(nullptr)": "uses time",
            "clock_gettime(0, nullptr)": "uses clock_gettime", "read(0, nullptr, 0)": "uses read",
            'fopen("", "")': "uses fopen", "rand()": "uses rand", "pthread_mutex_lock(nullptr)": "uses pthread_mutex_lock",
        })

    def test_refuses_the_clock_threads_and_streams_of_the_standard_library(self):
        self.assert_all_refused(("chrono", "thread", "fstream", "random"), {
            "std::chrono::steady_clock::now()": "steady_clock::now",
            "std::thread([] {}).join()": "std::thread",
            'std::ifstream("x").get()': "fstream",
            "std::random_device()()": "random_device",
        })

    def test_refuses_a_library_with_other_exports_and_without_flags(self):
        text = " ".join(check_exports(self.compile("int stray() { return 1; }", "x.so", "-shared")))
        for words in ("exports _Z5strayv", "no krepis_", "NODELETE", "soname"):
            self.assertIn(words, text)

    def test_refuses_a_library_that_takes_zlib_from_its_host(self):
        source = 'extern "C" int inflate(); extern "C" int krepis_version() { return inflate(); }'
        self.assertIn("asks the host for inflate", " ".join(check_exports(self.compile(source, "x.so", "-shared"))))

    def test_refuses_a_library_that_takes_zstandard_from_its_host(self):
        source = 'extern "C" int ZSTD_compress2(); extern "C" int krepis_version() { return ZSTD_compress2(); }'
        self.assertIn("asks the host for ZSTD_compress2", " ".join(check_exports(self.compile(source, "x.so", "-shared"))))

    def test_refuses_a_library_that_takes_openssl_from_its_host(self):
        source = 'extern "C" int EVP_PKEY_sign(); extern "C" int krepis_version() { return EVP_PKEY_sign(); }'
        self.assertIn("asks the host for EVP_PKEY_sign", " ".join(check_exports(self.compile(source, "x.so", "-shared"))))

    def test_refuses_a_file_that_is_not_hardened(self):
        weak = ("-shared", "-Wl,-z,lazy", "-Wl,-z,norelro", "-Wl,-z,execstack")
        text = " ".join(check_hardened([self.compile("void f();\nvoid g() { f(); }", "x.so", *weak)]))
        for words in ("at start", "RELRO", "executable stack"):
            self.assertIn(words, text)
        program = self.compile("int main() {}", "x", "-no-pie", "-fno-pie", "-Wl,-z,now")
        self.assertIn("position-independent", " ".join(check_hardened([program])))

    def test_refuses_a_sample_without_run_time_checks(self):
        sample = pathlib.Path(__file__).parent.parent / "tests/hardening/sample.cpp"
        plain = ("-shared", "-O2", "-fno-stack-protector", "-fno-stack-clash-protection", "-fcf-protection=none")
        text = " ".join(check_checked([self.compile(sample.read_text(encoding="utf-8"), "x.so", *plain)]))
        for words in ("__memcpy_chk", "__stack_chk_fail", "__glibcxx_assert_fail"):
            self.assertIn(words, text)

    def test_accepts_a_library_that_keeps_the_rules(self):
        flags = ("-shared", "-Wl,-soname,libknul.so.1", "-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,-z,relro", "-fvisibility=hidden")
        source = 'extern "C" __attribute__((visibility("default"))) int krepis_version() { return 1; }'
        self.assertEqual(check_exports(self.compile(source, "x.so", *flags)), [])


def main():
    if sys.argv[1:] == ["--self-test"]:
        unittest.main(argv=[sys.argv[0]])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    checks = {
        "sans-io": check_sans_io,
        "exports": lambda files: [error for library in files for error in check_exports(library)],
        "hardened": check_hardened,
        "checked": check_checked,
    }
    parser.add_argument("check", choices=checks)
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    errors = checks[arguments.check](arguments.files)
    for error in errors:
        print(error)
    print(f"{len(arguments.files)} files, {len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
