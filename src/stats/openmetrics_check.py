"""Reads OpenMetrics text with the reference parser and prints what it understood, for openmetrics_test.cpp.

Lines: `family <name> <type> <unit or ->` and `sample <name>{<labels>} <value>`. Any error of the text, and a
missing parser (Debian: python3-prometheus-client), ends with a traceback and a non-zero code.
"""
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()

for family in text_string_to_metric_families(text):
    print("family", family.name, family.type, family.unit or "-")
    for sample in family.samples:
        labels = ",".join(f'{key}="{value}"' for key, value in sample.labels.items())
        print(f"sample {sample.name}{{{labels}}} {sample.value!r}")
