"""What people do here, put on the record that auth-lock keeps."""

from pourline.contracts.record import ShiftRecorded
from pourline.upkeep.record import OnRecord

on_record = OnRecord(ShiftRecorded)
