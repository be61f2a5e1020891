"""Execution of operations by plans, one level of the response at a time. The essays are in
executor.py and codegen.py.
"""
