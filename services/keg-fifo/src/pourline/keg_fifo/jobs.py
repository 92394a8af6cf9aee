"""How often keg-fifo looks by itself: at silent spouts, at pours and days that are not as usual."""

SILENCE_EVERY_S = 5.0
POURS_EVERY_S = 5.0
SALES_EVERY_S = 300.0
