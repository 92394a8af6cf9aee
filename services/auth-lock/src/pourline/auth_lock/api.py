"""auth-lock's request/reply edge: which command or query goes to which handler."""

from pourline.auth_lock.handlers import devices, taps, visits
from pourline.contracts import guests as guest_contract
from pourline.contracts import taps as tap_contract
from pourline.kit.nats import Responder


def answer(
    responder: Responder, *, staff: devices.StaffAccounts, settle: visits.SettleFirst
) -> None:
    """Answer everything that auth-lock owns."""
    _answer_guests(responder, settle)
    _answer_taps(responder)
    responder.on(tap_contract.RegisterSpout, devices.register_spout)
    responder.on(tap_contract.ListSpouts, devices.list_spouts)
    responder.on(
        tap_contract.RotateSpoutSecret, devices.rotate_spout_secret, exists=devices.spout_exists
    )
    responder.on(
        tap_contract.DeactivateSpout, devices.deactivate_spout, exists=devices.spout_exists
    )
    responder.on(tap_contract.GetSpoutKeys, devices.get_spout_keys)
    responder.on(tap_contract.Login, staff.login)
    responder.on(tap_contract.CreateStaff, staff.create)
    responder.on(tap_contract.ListConfig, devices.list_config)
    responder.on(tap_contract.GetConfig, devices.get_config)
    responder.on(tap_contract.PutConfig, devices.put_config, exists=devices.config_exists)
    responder.on(guest_contract.ListAudit, devices.list_audit)


def _answer_guests(responder: Responder, settle: visits.SettleFirst) -> None:
    responder.on(guest_contract.CreateGuest, visits.create_guest)
    responder.on(guest_contract.SearchGuests, visits.search_guests)
    responder.on(guest_contract.GetGuest, visits.get_guest)
    responder.on(guest_contract.VerifyAge, visits.verify_age, exists=visits.guest_exists)
    responder.on(guest_contract.OpenVisit, visits.open_visit, exists=visits.guest_exists)
    responder.on(guest_contract.ListActiveVisits, visits.list_active_visits)
    responder.on(guest_contract.BindCard, visits.bind_card, exists=visits.visit_exists)
    responder.on(guest_contract.ForceUnlock, visits.force_unlock, exists=visits.visit_exists)
    responder.on(guest_contract.GetVisit, visits.get_visit, before=settle)
    responder.on(
        guest_contract.CloseVisit,
        visits.close_visit,
        exists=visits.visit_exists,
        before=settle,
    )


def _answer_taps(responder: Responder) -> None:
    responder.on(tap_contract.CreateTap, taps.create_tap)
    responder.on(tap_contract.ListTaps, taps.list_taps)
    responder.on(tap_contract.GetTap, taps.get_tap)
    responder.on(tap_contract.StopTap, taps.stop_tap, exists=taps.tap_exists)
    responder.on(tap_contract.ResumeTap, taps.resume_tap, exists=taps.tap_exists)
    responder.on(tap_contract.CleanTap, taps.clean_tap, exists=taps.tap_exists)
    responder.on(tap_contract.ResetTapSync, taps.reset_sync, exists=taps.tap_exists)
