"""The bugs to plant in the ledger; see planting.py. They are looked for in the worlds of pools.py."""

from __future__ import annotations

from propwash.core import ledger, lines, pool, queues, shares
from tests.sim.planting import Mutant

POOL_MUTANTS = (
    Mutant(
        name="a pool grants one unit too many",
        module=lines,
        old="        free = self.spec.capacity - self.occupied",
        new="        free = self.spec.capacity - self.occupied + 1",
    ),
    Mutant(
        name="a pool counts executions, not units",
        module=ledger,
        old="            pool.occupied += claim.units",
        new="            pool.occupied += 1",
    ),
    Mutant(
        name="an execution is granted when one of its pools has room",
        module=queues,
        old="            full = full or pool",
        new="            continue",
    ),
    Mutant(
        name="a limit of a project is not kept",
        module=queues,
        old="        if share.limit is not None and not _is",
        new="        if False and not _is",
    ),
    Mutant(
        name="a limit of a namespace is not kept",
        module=queues,
        old="        if share.namespace_limit is not None:",
        new="        if False:",
    ),
    Mutant(
        name="a limit of a namespace holds for the whole project",
        module=shares,
        old="        self.domain(domain).held += units",
        new='        self.domain("dev").held += units',
    ),
    Mutant(
        name="a limit of one project counts for those whose names begin with it",
        module=pool,
        old="        return self.projects.get(project, self.share)",
        new="        return next((s for p, s in self.projects.items() if project.startswith(p)), self.share)",
    ),
    Mutant(
        name="a limit that has room again is not noticed",
        module=ledger,
        old="                self._queues.unpark(scope, now)",
        new="                pass",
    ),
    Mutant(
        name="an abort within a limit wakes nobody",
        module=queues,
        old="        if scope is not None:\n            # Whom",
        new="        if False:\n            # Whom",
    ),
    Mutant(
        name="small claims pass a large one within a limit",
        module=queues,
        old="other.head.number < number for other in scope.parked",
        new="False for other in scope.parked",
    ),
    Mutant(
        name="small claims pass a large one",
        module=queues,
        old="            if full is pool:\n                return None",
        new="            if full is pool:\n                group.at = group.entry = None\n                continue",
    ),
    Mutant(
        name="small claims of several pools pass a large one of one",
        module=queues,
        old="            if before is not None and before is not line.group",
        new="            if False",
    ),
    Mutant(
        name="no wait is ever too long",
        module=queues,
        old="        while pool.marks and pool.marks[0][0] <= pool.granted:",
        new="        while False:",
    ),
    Mutant(
        name="no room is kept for one that has waited long",
        module=lines,
        old="        return free if self.senior is line else free - self.reserved",
        new="        return free",
    ),
    Mutant(
        name="the room that is kept is never given",
        module=queues,
        old="        while (line := pool.senior) is not None and _has_room(line):",
        new="        while False:",
    ),
    Mutant(
        name="a senior that is aborted keeps its room",
        module=queues,
        old="                if pool.senior is line:",
        new="                if False:",
    ),
    Mutant(
        name="a line's next is not looked at",
        module=queues,
        old="        if line.queue:\n            self._offer(line, now)",
        new="        if line.queue:\n            pass",
    ),
    Mutant(
        name="an abort of the first makes room for nobody",
        module=queues,
        old="        self._touch(line)\n",
        new="",
    ),
    Mutant(
        name="what grows larger than its pool holds up those behind it",
        module=queues,
        old="        if any(claim.units > pool.spec.most(waiter.project) for (pool, _), claim in pairs):",
        new="        if False:",
    ),
    Mutant(
        name="a pool that is raised grants nothing more",
        module=ledger,
        old="            self._queues.touched[pool] = None\n        granted",
        new="            self._queues.touched.clear()\n        granted",
    ),
    Mutant(
        name="who was too large for a pool is forgotten when it is raised",
        module=ledger,
        old="            for waiter in waiters:\n                self._enter(waiter, now)",
        new="            for waiter in (one for one in waiters if one.number % 2):\n"
        "                self._enter(waiter, now)",
    ),
    Mutant(
        name="what is aborted in the queue stays in it",
        module=ledger,
        old="            self._queues.leave(waiter, now)\n            self._forget(waiter)\n        else:",
        new="            self._forget(waiter)\n        else:",
    ),
    Mutant(
        name="a removed pool goes on granting",
        module=ledger,
        old="spec or replace(pool.spec, capacity=0), spec is None",
        new="spec or pool.spec, spec is None",
    ),
)
