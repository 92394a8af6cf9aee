"""What people do here, put on the record that auth-lock keeps."""

from pourline.contracts.record import TillRecorded
from pourline.upkeep.record import OnRecord

on_record = OnRecord(TillRecorded)
