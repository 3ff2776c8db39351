"""Every error that somebody catches apart, drawn once.

ResponderError
├── UsageError            what the person asked for cannot be done; exit status 2
│   └── RulesUnreadable   this version cannot read what an incident began with (in `work/began_with.py`)
├── UnreadableBody        a webhook's body is not what its sender sends (in `intake/source.py`, where it is raised); 400
├── StoreUnavailable      the database cannot take or give anything now; the sender is asked to come again
├── LeaseLost             another worker holds this work; stop without writing
├── CouldNotLook          a reader got no answer; becomes "Could not look: …", never "healthy"
│   ├── NotConfigured     the target's address needs a variable that is not set
│   ├── Unreachable       no connection, no answer in time, or an answer that is not one
│   ├── Throttled         our own rate left no turn in time: nothing was sent
│   └── Refused           the target answered and said no (credentials, rights, address not allowed)
└── DeliveryError         a sink did not take a report
    ├── DeliveryUncertain the request may have arrived: read back before sending again
    ├── DeliveryRefused   the sink answered and will never take this
    └── DeliveryPostponed the sink answered: later
"""

from __future__ import annotations


class ResponderError(Exception):
    """The root; its text is a message for people and holds no secret."""


class UsageError(ResponderError):
    """What the person asked for cannot be done; the text says where, what was found, what was expected."""


class StoreUnavailable(ResponderError):
    """The database cannot take or give anything now. `reason`, for the metric: `store`, `full` or `disk`."""

    def __init__(self, why: str, *, reason: str = "store") -> None:
        super().__init__(why)
        self.reason = reason


class LeaseLost(ResponderError):
    """Another worker holds this work by now."""


class CouldNotLook(ResponderError):
    """A reader got no answer; the text is shown after "Could not look"."""


class NotConfigured(CouldNotLook):
    """The target's address or credential needs a variable that is not set."""


class Unreachable(CouldNotLook):
    """No connection, no answer in time, or an answer that cannot be read."""


class Throttled(CouldNotLook):
    """Our own rate left no turn in time: nothing was sent. `after_seconds`: when there may be one."""

    def __init__(self, why: str, *, after_seconds: float) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds


class Refused(CouldNotLook):
    """The target answered and said no, or the address may not be looked at."""


class DeliveryError(ResponderError):
    """A sink did not take a report."""


class DeliveryUncertain(DeliveryError):
    """The request may have arrived."""


class DeliveryRefused(DeliveryError):
    """The sink will never take this; `gone` when the object or the note is no longer there."""

    def __init__(self, why: str, *, gone: bool = False) -> None:
        super().__init__(why)
        self.gone = gone


class DeliveryPostponed(DeliveryError):
    """The sink asked to come again. `is_our_rate`: it was not asked, because our own rate left no turn in time."""

    def __init__(self, why: str, *, after_seconds: float, is_our_rate: bool = False) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds
        self.is_our_rate = is_our_rate


def the_one(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended a TaskGroup, without the groups around it where it came alone."""
    inside = several.exceptions
    if len(inside) > 1:
        return several
    return the_one(inside[0]) if isinstance(inside[0], BaseExceptionGroup) else inside[0]
