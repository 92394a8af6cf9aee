"""What people do here, put on the record that auth-lock keeps."""

from pourline.contracts.record import LedgerRecorded
from pourline.upkeep.record import OnRecord

on_record = OnRecord(LedgerRecorded)
