"""Which happening opens which alert, which one ends it, and how people hear of it.

Pure functions of values, a module per noun.
"""
