"""The levels of staff, as the outer contract counts them (section 3)."""

SENIOR, SUPERVISOR, MANAGER, OWNER = 2, 3, 4, 5
