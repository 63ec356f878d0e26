"""Runs a suite and writes its JUnit report, with the file and line of each failure.

    python3 tests/run.py unit junit.xml       tests/test_*.py
    python3 tests/run.py smoke smoke.xml      tests/smoke.py
"""

import os
import sys
import time
import traceback
import unittest
from xml.sax.saxutils import escape, quoteattr

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(ROOT, "shop")]


def place(error):
    """File and line of the last step within the tests."""
    frames = [frame for frame in traceback.extract_tb(error[2]) if frame.filename.startswith(HERE)]
    return (os.path.relpath(frames[-1].filename, ROOT), frames[-1].lineno) if frames else (None, None)


class Report(unittest.TestResult):
    """Prints each test and keeps it as a JUnit case."""

    def __init__(self):
        super().__init__()
        self.cases = []

    def startTest(self, test):
        super().startTest(test)
        self.since = time.monotonic()

    def case(self, test, verdict, inner="", attributes=""):
        took = time.monotonic() - getattr(self, "since", time.monotonic())
        name = test.id().rpartition(".")
        print(f"{verdict}  {test.id()}", flush=True)
        self.cases.append(f"<testcase classname={quoteattr(name[0])} name={quoteattr(name[2])} time=\"{took:.3f}\"{attributes}>{inner}</testcase>")

    def addSuccess(self, test):
        super().addSuccess(test)
        self.case(test, "ok  ")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.case(test, "skip", "<skipped/>")

    def broken(self, test, error, kind):
        file, line = place(error)
        at = f" file={quoteattr(file)} line=\"{line}\"" if file else ""
        message = str(error[1]).splitlines()[0] if str(error[1]) else error[0].__name__
        self.case(test, "FAIL", f"<{kind} message={quoteattr(message)}>{escape(self._exc_info_to_string(error, test))}</{kind}>", at)
        print(f"      {file}:{line}: {message}", flush=True)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.broken(test, error, "failure")

    def addError(self, test, error):
        super().addError(test, error)
        self.broken(test, error, "error")


def main(suite, path):
    found = unittest.defaultTestLoader.discover(HERE, "smoke.py" if suite == "smoke" else "test_*.py")
    report = Report()
    found.run(report)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"<testsuite name={quoteattr(suite)} tests=\"{report.testsRun}\">" + "".join(report.cases) + "</testsuite>\n")
    print(f"{report.testsRun - len(report.failures) - len(report.errors)} of {report.testsRun} passed")
    return 0 if report.wasSuccessful() and report.testsRun else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
