"""The parts of Kubernetes' objects that diagnostics look at. What is not named here is thrown away as it comes in:
environment variables, commands, annotations, messages.

https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """Keys in camel case; null is as good as absent."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        return {key: it for key, it in value.items() if it is not None} if isinstance(value, Mapping) else value


class Owner(Wire):
    """What made an object."""

    kind: str = ""
    name: str = ""


class Metadata(Wire):
    """Who it is."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: AwareDatetime | None = None
    deletion_timestamp: AwareDatetime | None = None
    owner_references: tuple[Owner, ...] = ()


class Thing(Wire):
    """Any object."""

    metadata: Metadata


class Condition(Wire):
    """`status`: True, False or Unknown; `since`: when it last changed."""

    type: str
    status: str
    reason: str = ""
    since: AwareDatetime | None = Field(default=None, alias="lastTransitionTime")


class Terminated(Wire):
    """How a container ended."""

    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    finished_at: AwareDatetime | None = None


class Waiting(Wire):
    """Why a container does not run."""

    reason: str = ""


class State(Wire):
    """Waiting, ended, or neither: it runs."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Wire):
    """How one container is, and how its former one ended."""

    name: str
    ready: bool = False
    restart_count: int = 0
    state: State = State()
    last_state: State = State()


class Amounts(Wire):
    """What a container asks for and may use, as quantities (`100m`, `1Gi`)."""

    requests: dict[str, str] = Field(default_factory=dict)
    limits: dict[str, str] = Field(default_factory=dict)


class Container(Wire):
    """What a container is to be; its environment and command are left where they are."""

    name: str
    resources: Amounts = Amounts()


class PodSpec(Wire):
    """What a pod is to be."""

    node_name: str = ""
    containers: tuple[Container, ...] = ()


class PodStatus(Wire):
    """How a pod is."""

    phase: str = ""
    reason: str = ""
    start_time: AwareDatetime | None = None
    conditions: tuple[Condition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Thing):
    """One pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Involved(Wire):
    """What an event is about."""

    kind: str = ""
    namespace: str = ""
    name: str = ""


class Series(Wire):
    """How often an event of the newer kind came."""

    count: int = 0
    last_observed_time: AwareDatetime | None = None


class Event(Thing):
    """One event; what it says in words stays where it is, but for the new size that a scaler tells."""

    type: str = ""
    reason: str = ""
    message: str = Field(default="", repr=False)
    involved_object: Involved = Involved()
    count: int = 0
    first_timestamp: AwareDatetime | None = None
    last_timestamp: AwareDatetime | None = None
    event_time: AwareDatetime | None = None
    series: Series | None = None

    @property
    def times(self) -> int:
        """How often it came."""
        return max(self.count, self.series.count if self.series else 0, 1)

    @property
    def last(self) -> datetime | None:
        """When it came last; old and new kinds of events tell it in different places."""
        told = (self.last_timestamp, self.series.last_observed_time if self.series else None, self.event_time)
        known = [it for it in (*told, self.first_timestamp) if it is not None]
        return max(known) if known else self.metadata.creation_timestamp

    @property
    def first(self) -> datetime | None:
        """When it came first."""
        return self.first_timestamp or self.event_time or self.metadata.creation_timestamp


class NodeSpec(Wire):
    """`unschedulable`: cordoned."""

    unschedulable: bool = False


class NodeStatus(Wire):
    """How a node is; `allocatable` as quantities."""

    conditions: tuple[Condition, ...] = ()
    allocatable: dict[str, str] = Field(default_factory=dict)


class Node(Thing):
    """One node."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class Requirement(Wire):
    """One expression of a selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class Selector(Wire):
    """Which pods a workload means."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: tuple[Requirement, ...] = ()

    @property
    def text(self) -> str:
        """As a label selector of a request."""
        return ",".join(
            [*(f"{key}={value}" for key, value in self.match_labels.items()), *map(_term, self.match_expressions)]
        )


def _term(it: Requirement) -> str:
    match it.operator:
        case "Exists":
            return it.key
        case "DoesNotExist":
            return f"!{it.key}"
        case _:
            return f"{it.key} {it.operator.lower()} ({','.join(it.values)})"


class DeploymentSpec(Wire):
    """What a deployment is to be."""

    replicas: int = 1
    selector: Selector = Selector()


class Deployment(Thing):
    """One deployment."""

    spec: DeploymentSpec = DeploymentSpec()


class ContainerUsage(Wire):
    """What one container uses now."""

    name: str
    usage: dict[str, str] = Field(default_factory=dict)


class PodUsage(Thing):
    """What one pod uses now; `timestamp`: when it was measured."""

    timestamp: AwareDatetime | None = None
    containers: tuple[ContainerUsage, ...] = ()


class NodeUsage(Thing):
    """What one node uses now."""

    timestamp: AwareDatetime | None = None
    usage: dict[str, str] = Field(default_factory=dict)


class ScaledThing(Wire):
    """What a scaler scales."""

    kind: str = ""
    name: str = ""


class ScalerSpec(Wire):
    """Between which numbers of replicas."""

    scale_target_ref: ScaledThing = ScaledThing()
    min_replicas: int = 1
    max_replicas: int


class ScalerStatus(Wire):
    """How many there are; version 1 has no conditions."""

    current_replicas: int = 0
    desired_replicas: int = 0
    last_scale_time: AwareDatetime | None = None
    conditions: tuple[Condition, ...] = ()


class Scaler(Thing):
    """One horizontal pod autoscaler, of either version."""

    spec: ScalerSpec
    status: ScalerStatus = ScalerStatus()
