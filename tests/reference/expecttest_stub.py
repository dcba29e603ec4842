"""Stands in for the package `expecttest`, which torch.testing imports but which its op database does not need."""

import sys
import types
import unittest


def install():
    """Makes `import expecttest` work where the package is missing."""
    try:
        import expecttest  # noqa: F401
    except ImportError:
        stub = types.ModuleType("expecttest")
        stub.ACCEPT = False
        stub.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stub
