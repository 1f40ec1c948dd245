#!/usr/bin/env python3
"""Checks that the files of the TypeScript packages import each other without circles, types included.

A circle of types costs nothing at run time, but none of its files can be read, tested or changed alone.
"""
import argparse
import pathlib
import posixpath
import re
import sys
import tempfile
import unittest

# A connection opens streams, and a stream tells its connection: these two may import each other, and are taken for one.
PAIR = {"krepis-knul/quic_connection.ts", "krepis-knul/quic_stream.ts"}
PAIR_NAME = "krepis-knul/quic_{connection,stream}.ts"
# import … from "x", export … from "x", import "x", import("x"); a line of a comment begins with "*" or "//".
IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']""")
COMMENT = re.compile(r"^\s*(?:\*|/\*|//).*$", re.MULTILINE)


def imports_of(root, path):
    """The files of the packages that `path` imports, as paths below `root`."""
    name = path.relative_to(root).as_posix()
    for target in IMPORT.findall(COMMENT.sub("", path.read_text(encoding="utf-8"))):
        if target.startswith("@krepis/"):
            yield f"krepis-{target.removeprefix('@krepis/')}/mod.ts"
        elif target.startswith("."):
            yield posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


def read_imports(root):
    files = sorted(path for path in root.glob("krepis-*/**/*.ts"))
    imports = {path.relative_to(root).as_posix(): [] for path in files}
    for path in files:
        found = imports_of(root, path)
        imports[path.relative_to(root).as_posix()] = sorted({name for name in found if name in imports})
    return imports


def with_one_pair(imports):
    """The same imports with the two files of PAIR as one."""
    merged = {}
    for name, found in imports.items():
        own = PAIR_NAME if name in PAIR else name
        targets = {PAIR_NAME if target in PAIR else target for target in found}
        merged.setdefault(own, set()).update(targets - {PAIR_NAME} if own == PAIR_NAME else targets)
    return {name: sorted(found) for name, found in merged.items()}


def shortest_circle(imports, start):
    """The shortest way from `start` back to it, as a list of files; None if there is none."""
    ways = [[start]]
    seen = set()
    while ways:
        way = ways.pop(0)
        for name in imports[way[-1]]:
            if name == start:
                return [*way, start]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None


def check(root):
    """@returns the number of files, and an error for each circle."""
    imports = read_imports(root)
    graph = with_one_pair(imports)
    errors, told = [], set()
    for name in graph:
        circle = shortest_circle(graph, name)
        if circle is not None and not told.issuperset(circle):
            told.update(circle)
            errors.append(f"packages/{name}: a circle of imports: {' -> '.join(circle)}")
    return len(imports), errors


class SelfTest(unittest.TestCase):
    def errors(self, **files):
        """`files`: their texts by name without the extension, all of krepis-knul."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "krepis-knul").mkdir()
            for name, text in files.items():
                (root / "krepis-knul" / f"{name}.ts").write_text(text, encoding="utf-8")
            return check(root)[1]

    def assert_refused(self, words, **files):
        errors = self.errors(**files)
        self.assertEqual(len(errors), 1, errors)
        self.assertIn(words, errors[0])

    def test_accepts_imports_in_one_direction(self):
        a = 'import { b } from "./b.ts";\nimport { c } from "./c.ts";\n'
        self.assertEqual(self.errors(a=a, b='export * from "./c.ts";\n', c="export const c = 1;\n"), [])

    def test_refuses_two_files_that_import_each_other(self):
        self.assert_refused("a.ts -> krepis-knul/b.ts -> krepis-knul/a.ts",
                            a='import { b } from "./b.ts";\n', b='import { a } from "./a.ts";\n')

    def test_refuses_a_circle_of_types(self):
        self.assert_refused("a circle", a='import type { B } from "./b.ts";\n',
                            b='import {\n  type A,\n  other,\n} from "./a.ts";\n')

    def test_refuses_a_circle_of_exports_and_of_late_imports(self):
        self.assert_refused("a circle", a='export type { B } from "./b.ts";\n', b='await import("./a.ts");\n')

    def test_refuses_a_circle_through_the_module_file(self):
        self.assert_refused("mod.ts", mod='export * from "./a.ts";\n', a='import { A } from "@krepis/knul";\n')

    def test_refuses_a_file_that_imports_itself(self):
        self.assert_refused("a.ts -> krepis-knul/a.ts", a='import "./a.ts";\n')

    def test_tells_a_long_circle_once(self):
        names = "abcdef"
        files = {name: f'import "./{after}.ts";\n' for name, after in zip(names, names[1:] + names[0])}
        self.assert_refused("a.ts -> krepis-knul/b.ts", **files)

    def test_tells_two_circles(self):
        text = 'import "./{}.ts";\n'
        self.assertEqual(len(self.errors(a=text.format("b"), b=text.format("a"), c=text.format("d"), d=text.format("c"))), 2)

    def test_ignores_examples_in_comments(self):
        a = '/**\n * import { x } from "@krepis/knul";\n */\n// import "./a.ts";\nexport const a = 1;\n'
        self.assertEqual(self.errors(a=a, mod='export * from "./a.ts";\n'), [])

    def test_accepts_a_connection_and_its_streams(self):
        connection, stream = 'import "./quic_stream.ts";\n', 'import "./quic_connection.ts";\n'
        self.assertEqual(self.errors(quic_connection=connection, quic_stream=stream), [])

    def test_refuses_a_third_file_beside_them(self):
        self.assert_refused("krepis-knul/quic_{connection,stream}.ts -> krepis-knul/quic_request.ts", quic_connection='import "./quic_stream.ts";\n',
                            quic_stream='import "./quic_connection.ts";\nimport "./quic_request.ts";\n',
                            quic_request='import "./quic_connection.ts";\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent / "packages", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        unittest.main(argv=[sys.argv[0]])
    count, errors = check(arguments.root)
    if count == 0:
        errors.append("no source files found")
    for error in errors:
        print(error)
    print(f"{count} files, {len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
