"""Benchmarks: ratios to the best the driver can do, measured side by side in one run on one machine.

Never run as tests: a machine under load must not make a test fail.
"""
