"""auth-lock's request/reply edge: which command or query goes to which handler."""

from pourline.auth_lock.handlers import (
    audit,
    devices,
    fences,
    idle,
    limits,
    lost_cards,
    search,
    staff,
    taps,
    visits,
    wall,
)
from pourline.contracts import guests as guest_contract
from pourline.contracts import limits as limit_contract
from pourline.contracts import shifts as shift_contract
from pourline.contracts import staff as staff_contract
from pourline.contracts import taps as tap_contract
from pourline.contracts import upkeep as upkeep_contract
from pourline.contracts import wall as wall_contract
from pourline.kit.nats import Responder


def answer(
    responder: Responder,
    *,
    accounts: staff.StaffAccounts,
    settle: visits.SettleFirst,
    currency: devices.CurrencyStands,
) -> None:
    """Answer everything that auth-lock owns."""
    _answer_guests(responder, settle)
    _answer_lost_cards(responder)
    _answer_taps(responder)
    _answer_staff(responder, accounts)
    _answer_wall(responder)
    _answer_fences(responder)
    responder.on(tap_contract.RegisterSpout, devices.register_spout)
    responder.on(tap_contract.ListSpouts, devices.list_spouts)
    responder.on(
        tap_contract.RotateSpoutSecret, devices.rotate_spout_secret, exists=devices.spout_exists
    )
    responder.on(
        tap_contract.DeactivateSpout, devices.deactivate_spout, exists=devices.spout_exists
    )
    responder.on(tap_contract.GetSpoutKeys, devices.get_spout_keys)
    responder.on(tap_contract.ListConfig, devices.list_config)
    responder.on(tap_contract.GetConfig, devices.get_config)
    responder.on(
        tap_contract.PutConfig, devices.put_config, exists=devices.config_exists, before=currency
    )
    responder.on(guest_contract.ListAudit, audit.list_audit)
    responder.on(upkeep_contract.RecordReplay, audit.record_replay)
    responder.on(upkeep_contract.RecordClosing, audit.record_closing)


def _answer_staff(responder: Responder, accounts: staff.StaffAccounts) -> None:
    responder.on(tap_contract.Login, accounts.login)
    responder.on(staff_contract.PinLogin, accounts.pin_login)
    responder.on(staff_contract.RevokeToken, staff.revoke_token)
    responder.on(staff_contract.ListRevocations, staff.list_revocations)
    responder.on(tap_contract.CreateStaff, accounts.create)
    responder.on(staff_contract.ListStaff, staff.list_staff)
    known = staff.staff_exists
    responder.on(staff_contract.SetStaffLevel, staff.set_level, exists=known)
    responder.on(staff_contract.ResetPassword, accounts.reset_password, exists=known)
    responder.on(staff_contract.SetPin, accounts.set_pin, exists=known)
    responder.on(staff_contract.DeactivateStaff, staff.deactivate, exists=known)
    responder.on(staff_contract.ReactivateStaff, staff.reactivate, exists=known)


def _answer_wall(responder: Responder) -> None:
    responder.on(wall_contract.StopVisit, wall.stop_visit, exists=visits.visit_exists)
    responder.on(wall_contract.StopWall, wall.stop_wall)
    responder.on(wall_contract.ResumeWall, wall.resume_wall)
    responder.on(wall_contract.ListLocks, wall.list_locks)


def _answer_fences(responder: Responder) -> None:
    responder.on(shift_contract.FenceVisits, fences.fence_visits)
    responder.on(shift_contract.LiftFence, fences.lift_fence)
    responder.on(shift_contract.GetBlockers, fences.get_blockers)


def _answer_guests(responder: Responder, settle: visits.SettleFirst) -> None:
    responder.on(guest_contract.CreateGuest, visits.create_guest)
    responder.on(guest_contract.SearchGuests, search.search_guests)
    responder.on(guest_contract.GetGuest, visits.get_guest)
    responder.on(guest_contract.VerifyAge, visits.verify_age, exists=visits.guest_exists)
    responder.on(guest_contract.OpenVisit, visits.open_visit, exists=visits.guest_exists)
    responder.on(guest_contract.ListActiveVisits, search.list_active_visits)
    responder.on(guest_contract.ListClosedVisits, search.list_closed_visits)
    responder.on(guest_contract.BindCard, visits.bind_card, exists=visits.visit_exists)
    responder.on(guest_contract.Reactivate, limits.reactivate, exists=visits.visit_exists)
    responder.on(limit_contract.GetLimitsLeft, limits.get_limits_left)
    responder.on(guest_contract.CutOff, limits.cut_off, exists=visits.visit_exists)
    responder.on(guest_contract.LiftCutOff, limits.lift_cut_off, exists=visits.visit_exists)
    responder.on(guest_contract.ForceUnlock, visits.force_unlock, exists=visits.visit_exists)
    responder.on(shift_contract.CloseIdleVisits, idle.close_idle_visits)
    responder.on(guest_contract.GetVisit, visits.get_visit, before=settle)
    responder.on(
        guest_contract.CloseVisit,
        visits.close_visit,
        exists=visits.visit_exists,
        before=settle,
    )


def _answer_lost_cards(responder: Responder) -> None:
    known = lost_cards.lost_card_exists
    responder.on(guest_contract.ReportLostCard, lost_cards.report)
    responder.on(guest_contract.ListLostCards, lost_cards.list_lost)
    responder.on(guest_contract.RestoreLostCard, lost_cards.restore, exists=known)
    responder.on(guest_contract.OverrideLostCard, lost_cards.override, exists=known)


def _answer_taps(responder: Responder) -> None:
    responder.on(tap_contract.CreateTap, taps.create_tap)
    responder.on(tap_contract.ListTaps, taps.list_taps)
    responder.on(tap_contract.GetTap, taps.get_tap)
    responder.on(tap_contract.StopTap, taps.stop_tap, exists=taps.tap_exists)
    responder.on(tap_contract.ResumeTap, taps.resume_tap, exists=taps.tap_exists)
    responder.on(tap_contract.CleanTap, taps.clean_tap, exists=taps.tap_exists)
    responder.on(tap_contract.ResetTapSync, taps.reset_sync, exists=taps.tap_exists)
    responder.on(tap_contract.ReportFoam, taps.report_foam, exists=taps.tap_exists)
