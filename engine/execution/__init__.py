"""Execution of operations by plans, one level of the response at a time. executor.py and codegen.py
explain how.
"""
