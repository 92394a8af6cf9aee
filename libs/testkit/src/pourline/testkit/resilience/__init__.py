"""The resilience harness: a real bar, simulated taps, and faults that a seed chooses.

`world` is the bar with its taps and guests, `schedule` turns a seed into faults, `run` plays one
seed and checks what must always hold, `report` writes down what came of many. Two things may never
happen: a guest is charged twice, or a pour is lost.
"""
