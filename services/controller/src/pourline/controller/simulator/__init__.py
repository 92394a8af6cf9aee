"""Simulated taps and guests: bare ones for measuring (`Fleet`), whole evenings for looking at."""

from pourline.controller.simulator.fleet import Fleet, Measured

__all__ = ["Fleet", "Measured"]
