"""How many machines a cluster may have at most, as far as its spec says.

Source: Amazon EMR API Reference, ComputeLimits (managed scaling) and ScalingConstraints (automatic scaling of a group).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from propwash_aws.clusters.instances import InstanceFleet, InstanceGroup, Instances, Role
from propwash_aws.clusters.spec import ClusterSpec


def most_machines(spec: ClusterSpec) -> int | None:
    """The machines of all roles; None where fleets count capacity in units that are no machines."""
    masters = rest = 0
    for role, size in _sizes(spec.instances):
        if size is None:
            return None
        if role == "MASTER":
            masters += size
        else:
            rest += size
    # Managed scaling is of core and task machines alone.
    return masters + max(rest, _scaled(spec)) or None


def _sizes(instances: Instances) -> Iterator[tuple[Role, int | None]]:
    for fleet in instances.instance_fleets or ():
        yield fleet.instance_fleet_type, _of_fleet(fleet)
    for group in instances.instance_groups or ():
        yield group.instance_role, _of_group(group)
    if instances.instance_fleets is None and instances.instance_groups is None:
        yield "MASTER", 1
        yield "CORE", (instances.instance_count or 1) - 1


def _of_group(group: InstanceGroup) -> int:
    policy = group.auto_scaling_policy or {}
    return max(group.instance_count, _whole(policy.get("Constraints"), "MaxCapacity"))


def _of_fleet(fleet: InstanceFleet) -> int | None:
    if any(one.weighted_capacity not in (None, 1) for one in fleet.instance_type_configs or ()):
        return None
    return (fleet.target_on_demand_capacity or 0) + (fleet.target_spot_capacity or 0)


def _scaled(spec: ClusterSpec) -> int:
    limits = (spec.managed_scaling_policy or {}).get("ComputeLimits")
    counts_machines = isinstance(limits, Mapping) and limits.get("UnitType") == "Instances"
    return _whole(limits, "MaximumCapacityUnits") if counts_machines else 0


def _whole(value: object, name: str) -> int:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
