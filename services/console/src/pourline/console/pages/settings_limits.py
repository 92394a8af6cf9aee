"""Limit profiles as a form over their configuration keys (docs/limit-profiles)."""

from decimal import Decimal
from functools import partial
from typing import Any

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.forms import Field, Form, Values, amount, number
from pourline.console.pages.levels import MANAGER
from pourline.console.pages.parts import Part, Words, bring_into_view, button, icon, icon_button
from pourline.console.pages.settings_beverages import KINDS
from pourline.console.pages.shell import Screen
from pourline.contracts.base import Command, Listing
from pourline.contracts.limits import Limit, LimitProfile, LimitScope
from pourline.contracts.taps import ConfigEntry, ListConfig, PutConfig

PREFIX = "limit_profile."
LIMITS_ON_SCREEN = 5
"""Limits of the form; a profile with more is changed over REST."""
SCOPES = {
    "": "-",
    LimitScope.SERVING.value: "each serving",
    LimitScope.WINDOW.value: "any stretch of time",
    LimitScope.VISIT.value: "a visit",
}
MINUTE_S = 60
STARTS_ANEW = {
    "visit": "the visit's",
    "window": "the stretch's",
    "visit window": "both",
    "": "none",
}


class SettingsLimits:
    """A card a profile, and the form."""

    place: ui.element

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._profiles: dict[str, LimitProfile] = {}
        self._shown: object = None
        with Part("div", "view-head"):
            button("New limit profile", "primary", partial(self._open, "", None), "add")
        self._panel = Part("section", "chosen", aria_label="Limit profile")
        self._list = Part("section", "cards", aria_label="Limit profiles")

    async def load(self) -> None:
        """Ask for the profiles; one that cannot be read is its owner's to explain."""
        page = await self._screen.ask(ListConfig(limit=1000), Listing[ConfigEntry])
        self._profiles = {
            one.key.removeprefix(PREFIX): LimitProfile.model_validate(one.value)
            for one in page.items
            if one.key.startswith(PREFIX)
        }

    def show(self) -> None:
        """Show the profiles, if they are others."""
        board = self._screen.board
        shown = self._profiles, board.currency, board.volume_unit
        if shown == self._shown:
            return
        self._shown = shown
        self._list.clear()
        with self._list:
            for name, profile in self._profiles.items():
                with Part("article", "card", aria_label=name):
                    Words("h2", text=f"{profile.title} ({name})")
                    with Part("ul"):
                        for limit in profile.limits:
                            Words("li", text=self._said(limit))
                    if profile.source:
                        Words("p", "soft", profile.source)
                    with Part("div", "card-actions"):
                        button("Change", "", partial(self._open, name, profile), "edit")
            if not self._profiles:
                with Part("div", "empty"):
                    icon("speed")
                    Words("p", text="No limits: only balance and keg bound a pour.")

    def _said(self, limit: Limit) -> str:
        board = self._screen.board
        most = []
        if limit.volume_ml is not None:
            most.append(words.volume(limit.volume_ml, board.volume_unit))
        if limit.amount is not None:
            most.append(words.money(limit.amount, board.currency))
        if limit.alcohol_g is not None:
            most.append(f"{words.quantity(limit.alcohol_g)} g of alcohol")
        over = f"{limit.window_s // MINUTE_S} min" if limit.window_s else SCOPES[limit.per.value]
        kind = f" of {limit.kind}" if limit.kind else ""
        return f"{' and '.join(most)}{kind} in {over}"

    def _open(self, name: str, profile: LimitProfile | None) -> None:
        self._panel.clear()
        title = f"Change {name}" if name else "New limit profile"
        with self._panel, Part("article", "card wide", aria_label=title):
            with Part("header", "view-head"):
                Words("h2", text=title)
                icon_button("Leave", "close", self._panel.clear)
            form = Form(
                self._screen,
                level=MANAGER,
                make=partial(self._make, name),
                answer=ConfigEntry,
                done=self._saved,
            )
            form.build("Save limits", self._fields(name, profile))
        bring_into_view(self._panel)

    def _fields(self, name: str, profile: LimitProfile | None) -> list[Field]:
        strength = profile.assumed_abv if profile else None
        again = profile.reactivation if profile else None
        anew = " ".join(sorted(one.value for one in again.starts_anew)) if again else "visit"
        most = "" if again is None or again.at_most is None else str(again.at_most)
        companions = "no" if profile and not profile.counts_companions else "yes"
        fields = [] if name else [Field(name="name", label="Its name for visits", hint="house")]
        fields += [
            Field(name="title", label="Title", value=profile.title if profile else ""),
            Field(
                name="source",
                label="The rule it follows",
                value=(profile.source or "") if profile else "",
            ),
        ]
        for line in range(1, LIMITS_ON_SCREEN + 1):
            limits = profile.limits if profile else []
            fields += self._limit_fields(line, limits[line - 1] if line <= len(limits) else None)
        return [
            *fields,
            Field(
                name="companions",
                label="Counts for each companion",
                options={"yes": "yes", "no": "no"},
                value=companions,
                begins_row=True,
            ),
            Field(name="abv", label="Assumed alcohol in %", value=_plain(strength)),
            Field(name="anew", label="Letting go on begins anew", options=STARTS_ANEW, value=anew),
            Field(name="at_most", label="… times a visit (empty: any)", value=most),
        ]

    def _limit_fields(self, line: int, limit: Limit | None) -> list[Field]:
        board, kinds = self._screen.board, {"": "everything", **KINDS}
        if limit and limit.kind:
            kinds.setdefault(limit.kind, limit.kind)
        minutes = limit.window_s // MINUTE_S if limit and limit.window_s else None
        money = words.plain_money(limit.amount, board.currency) if limit and limit.amount else ""
        return [
            Field(
                name=f"per{line}",
                label=f"Limit {line}: in",
                options=SCOPES,
                value=limit.per.value if limit else "",
                begins_row=True,
            ),
            Field(name=f"minutes{line}", label=f"Limit {line}: minutes", value=str(minutes or "")),
            Field(
                name=f"kind{line}",
                label=f"Limit {line}: of",
                options=kinds,
                value=(limit.kind or "") if limit else "",
            ),
            Field(
                name=f"volume{line}",
                label=f"Limit {line}: ml",
                value=_plain(limit.volume_ml if limit else None),
            ),
            Field(name=f"amount{line}", label=f"Limit {line}: {board.currency}", value=money),
            Field(
                name=f"alcohol{line}",
                label=f"Limit {line}: g of alcohol",
                value=_plain(limit.alcohol_g if limit else None),
            ),
        ]

    def _make(self, name: str, values: Values) -> Command:
        profile: dict[str, Any] = {
            "title": values["title"],
            "limits": [
                self._limit(line, values)
                for line in range(1, LIMITS_ON_SCREEN + 1)
                if values[f"per{line}"]
            ],
            "counts_companions": values["companions"] == "yes",
            "reactivation": {"starts_anew": values["anew"].split()},
        }
        if values["source"]:
            profile["source"] = values["source"]
        if values["abv"]:
            profile["assumed_abv"] = number(values["abv"], "Alcohol")
        if values["at_most"]:
            profile["reactivation"]["at_most"] = int(number(values["at_most"], "Times a visit"))
        fit = LimitProfile.model_validate(profile)
        value = fit.model_dump(mode="json", exclude_none=True)
        return PutConfig(key=f"{PREFIX}{name or values['name']}", value=value)

    def _limit(self, line: int, values: Values) -> dict[str, Any]:
        limit: dict[str, Any] = {"per": LimitScope(values[f"per{line}"])}
        if values[f"minutes{line}"]:
            limit["window_s"] = int(number(values[f"minutes{line}"], "Minutes") * MINUTE_S)
        if values[f"kind{line}"]:
            limit["kind"] = values[f"kind{line}"]
        if values[f"volume{line}"]:
            limit["volume_ml"] = number(values[f"volume{line}"], "Volume")
        if values[f"amount{line}"]:
            text = values[f"amount{line}"]
            limit["amount"] = amount(text, self._screen.board.currency, "Money")
        if values[f"alcohol{line}"]:
            limit["alcohol_g"] = number(values[f"alcohol{line}"], "Alcohol")
        return limit

    def _saved(self, entry: ConfigEntry) -> None:
        self._panel.clear()
        self._screen.tell(f"{entry.key.removeprefix(PREFIX)}: saved.")


def _plain(number: Decimal | None) -> str:
    """Write a number as a field takes it."""
    return "" if number is None else f"{number.normalize():f}"
