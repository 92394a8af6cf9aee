"""The reference tap controller and the simulated one."""
