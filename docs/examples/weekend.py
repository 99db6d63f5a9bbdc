"""A risk rule: no entries on Saturday and Sunday (UTC). Exits are never shown to a rule."""

from executor.api import Options, Verdict


class NoWeekend:
    name, watches = "no_weekend", ()
    Options = Options  # it has no keys of its own

    @classmethod
    def from_options(cls, options):
        return cls()

    def check(self, proposal, exposure):
        weekday = (exposure.now_ms // 86_400_000 + 3) % 7  # 0 is Monday: the epoch began on a Thursday
        if weekday >= 5:
            return Verdict(self.name, "refuse", value=f"day {weekday}", limit="Monday to Friday", reason="WEEKEND")
        return Verdict(self.name, "pass")
