"""Secrets that came with tasks, in memory alone: each set of them under an id that tells nothing of it.

Equal sets about the same thing share an id, so that their tasks share one connection. An id stays what it was made for:
its holder may put other secrets under it, and who then brings the former ones gets another.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from propwash.core.model import Instant
from propwash.sdk import CREDENTIALS_UNAVAILABLE, Secret, SecretReader, SentSecret, Unavailable
from propwash.sdk.secrets import SENT

AWAY = (
    "the task's own secrets are not here, as they are kept in memory alone: Flyte sends them again with its next poll "
    "of the task"
)
_MOST_SETS = 4096
_AGE_S = 86_400.0
_ID_BYTES = 8
_SHORTEST_HIDDEN = 8
"""Characters of a word of a secret that is looked for in texts; a shorter one is in many a text by chance."""


@dataclass(slots=True)
class _Held:
    given: Mapping[str, Secret]
    used_at: Instant


class Vault:
    """At most so many sets, none of which was unused for age_s seconds; a set that goes may be put back under its id.

    changed is told the id whose secrets went, or were replaced by others.
    """

    def __init__(
        self,
        *,
        now: Callable[[], Instant],
        changed: Callable[[str], None] = lambda _: None,
        most_sets: int = _MOST_SETS,
        age_s: float = _AGE_S,
    ) -> None:
        self._now = now
        self._changed = changed
        self._most_sets = most_sets
        self._age_s = age_s
        # Without it, a short secret could be found by trying: ids are stored with executions.
        self._key = secrets.token_bytes(hashlib.blake2b.MAX_KEY_SIZE)
        self._held: OrderedDict[str, _Held] = OrderedDict()
        """The longest unused first."""

    def __repr__(self) -> str:
        return f"Vault({len(self._held)} sets)"

    def keep(self, about: Sequence[str], given: Mapping[str, Secret]) -> str:
        """Keep a set; its id."""
        self._tidy()
        for number in itertools.count():
            vault_id = self._digest((*about, str(number)), given)
            held = self._held.get(vault_id)
            if held is None or held.given == given:
                break
        self.fill(vault_id, given)
        return vault_id

    def fill(self, vault_id: str, given: Mapping[str, Secret]) -> None:
        """Keep a set under an id, in place of what was there."""
        before = self._held.get(vault_id)
        self._held[vault_id] = _Held(dict(given), self._now())
        self._held.move_to_end(vault_id)
        if before is not None and before.given != given:
            self._changed(vault_id)
        self._tidy()

    def names(self, vault_id: str) -> frozenset[str] | None:
        """What the secrets under an id are called; None where there are none. Counts as a use."""
        self._tidy()
        held = self._used(vault_id)
        return None if held is None else frozenset(held.given)

    def read(self, vault_id: str, reference: str) -> Secret:
        """One secret; raises Unavailable CREDENTIALS_UNAVAILABLE where it is not there, or empty. Counts as a use."""
        held = self._used(vault_id)
        if held is None:
            raise Unavailable(CREDENTIALS_UNAVAILABLE, AWAY)
        for name, secret in held.given.items():
            if SentSecret.named(name) == reference:
                text = secret.reveal().rstrip()
                if not text:
                    raise Unavailable(CREDENTIALS_UNAVAILABLE, f"the secret {reference} is empty")
                return Secret(text)
        raise Unavailable(CREDENTIALS_UNAVAILABLE, f"the task came without the secret {reference}")

    def without(self, vault_id: str, text: str) -> str:
        """The text, and in place of each word of the id's secrets that it quotes, that it is not shown."""
        held = self._held.get(vault_id)
        words = (
            {word for secret in held.given.values() for word in secret.reveal().split()} if held else set()
        )
        for word in sorted(words, key=len, reverse=True):
            if len(word) >= _SHORTEST_HIDDEN:
                text = text.replace(word, "[not shown]")
        return text

    def _used(self, vault_id: str) -> _Held | None:
        held = self._held.get(vault_id)
        if held is not None:
            held.used_at = self._now()
            self._held.move_to_end(vault_id)
        return held

    def _tidy(self) -> None:
        oldest_at = self._now() - self._age_s
        while self._held:
            vault_id, held = next(iter(self._held.items()))
            if len(self._held) <= self._most_sets and held.used_at >= oldest_at:
                return
            del self._held[vault_id]
            self._changed(vault_id)

    def _digest(self, about: Iterable[str], given: Mapping[str, Secret]) -> str:
        digest = hashlib.blake2b(digest_size=_ID_BYTES, key=self._key, person=b"pw-vault")
        pairs = (part for name in sorted(given) for part in (name, given[name].reveal()))
        for part in (*about, *pairs):
            # Each with its length, so that no two lists read the same.
            data = part.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Drawer:
    """Reads the secrets of one set, and others where they are for everyone."""

    vault: Vault
    vault_id: str
    others: SecretReader

    async def read(self, reference: str) -> Secret:
        """See SecretReader."""
        if reference.startswith(SENT):
            return self.vault.read(self.vault_id, reference)
        return await self.others.read(reference)
