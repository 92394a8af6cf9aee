"""Guest money, holds, pours, prices in force."""
