"""The results of all crawled URLs, in the folder `downloads/crawled`, and the rules for recording them."""

import datetime
import hashlib
import re
import stat
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from ib_data.addresses import without_user
from ib_data.builders.source.web.get import CUT, DEAD, NO_ADDRESS, REFUSED, TOO_LARGE, TOO_SLOW, Unsettled, server_of
from ib_data.console import note
from ib_data.errors import IbDataError, one_line
from ib_data.replacing import replacing

NOT_AN_IMAGE, TOO_SMALL = "not an image", "too small"
REASONS = (DEAD, NOT_AN_IMAGE, TOO_SMALL, TOO_LARGE, TOO_SLOW, REFUSED, CUT)
OF_THE_MOMENT = (CUT, TOO_SLOW)
LAST_DAY = 3  # a URL that failed for a temporary reason on this many days is not asked again
STRIKES = 20  # after this many URLs in a row without a verdict, a server is not asked again in this run
OUTAGE = 100  # after this many in a row, of any servers, check whether the network is up
_DIGEST = re.compile("[0-9a-f]{64}")
_WITNESSES = 3  # URLs that answered, to be asked again for that check


def digest_of(url: str) -> str:
    """The SHA-256 of a URL, in hex: its key in the record."""
    return hashlib.sha256(url.encode()).hexdigest()


def today() -> str:
    """Today's date, as in the record."""
    return datetime.date.today().isoformat()


class Record:
    """The results of all URLs so far: files by the SHA-256 of their URL, and one line per failure.

    A line is DIGEST, tab, REASON. A temporary failure adds a tab and the DAY; failures on LAST_DAY different days are
    final.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "status.tsv"
        self.servers_log = folder / "servers.txt"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.servers = set(_lines(self.servers_log))  # that ever answered
        self.failed: dict[bytes, str] = {}
        self.days: dict[str, set[bytes]] = {}
        for line in _lines(self.log):
            digest, reason, day = (*line.split("\t"), "", "")[:3]
            if _DIGEST.fullmatch(digest) and reason in REASONS:  # a line that a kill cut short does not count
                self._load(bytes.fromhex(digest), REASONS[REASONS.index(reason)], day)

    def _load(self, digest: bytes, reason: str, day: str) -> None:
        if day or reason in OF_THE_MOMENT:
            self.days.setdefault(day, set()).add(digest)
            if sum(digest in failed for failed in self.days.values()) < LAST_DAY:
                return
        self.failed[digest] = reason

    def path(self, digest: str) -> Path:
        """The file for a URL: 4,096 folders, of some 3,000 files each for 14 million URLs."""
        return self.folder / digest[:3] / digest[3:]

    def known(self, url: str) -> Path | str | None:
        """The file of a URL, or the reason why there is none; None if it has no final result yet."""
        digest = digest_of(url)
        path = self.path(digest)
        return path if _is_whole(path) else self.failed.get(bytes.fromhex(digest))

    def add(self, url: str, reason: str, *, for_good: bool) -> None:
        """Record why a URL has no file; `for_good`: it is never asked again."""
        with self.log.open("a", encoding="ascii") as log:
            log.write(f"{digest_of(url)}\t{reason}\n" if for_good else f"{digest_of(url)}\t{reason}\t{today()}\n")

    def add_server(self, server: str) -> None:
        """Record that a server has answered."""
        if server not in self.servers:
            self.servers.add(server)
            with self.servers_log.open("a", encoding="utf-8", errors="replace") as log:
                log.write(f"{server}\n")

    def keep(self, url: str, data: bytes) -> Path:
        """Write the bytes of a URL to its file, atomically."""
        path = self.path(digest_of(url))
        path.parent.mkdir(exist_ok=True)
        with replacing(
            path, sync=False
        ) as part:  # no sync: there are millions of files, and empty ones count as missing
            part.write_bytes(data)
        return path


def _lines(path: Path) -> list[str]:
    """The lines of a log. First ends a last line that a kill cut short, so that lines can be appended."""
    if not path.exists():
        return []
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with path.open("ab") as log:
            log.write(b"\n")
    return data.decode("utf-8", "replace").split("\n")


def _is_whole(path: Path) -> bool:
    """Whether a file exists and is not empty, as a power loss may leave it."""
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


class Verdicts:
    """Distinguishes dead servers, temporarily silent servers and a dead network; fills `known` and the record.

    A URL without an answer is a dead link only if its server never answered and another server answers afterwards.
    Such dead links and temporary failures are asked again by later runs. All other URLs without a verdict are asked
    again and not recorded. `answered`: servers that answered so far; `address` maps a URL to the address to ask;
    `has_answer` tells whether an address answers now.
    """

    def __init__(
        self,
        record: Record,
        known: dict[str, Path | str],
        answered: set[str],
        address: Callable[[str], str],
        has_answer: Callable[[str], bool],
    ) -> None:
        self.record, self.known, self.answered = record, known, answered
        self.address, self.has_answer = address, has_answer
        self.resting: set[str] = set()  # servers not to be asked again in this run
        self.silent: list[str] = []
        self.silent_servers: list[str] = []
        self.again: list[str] = []
        self.num_in_a_row = self.num_of_the_moment = 0
        self.strikes: Counter[str] = Counter()
        self.witnesses: deque[str] = deque(maxlen=_WITNESSES)
        for url, found in known.items():
            if isinstance(found, Path):
                self.answered.add(server_of(address(url)))
                self.witnesses.append(url)

    def take(self, url: str, result: Path | str | Unsettled, num_left: int) -> None:
        """Record one result, with `num_left` URLs to come; IbDataError if the network is down."""
        if isinstance(result, Unsettled):
            self._put_aside(url, result)
            if self.num_in_a_row >= OUTAGE:
                if not self._is_network_there():
                    raise self._again_later(num_left)
                self._settle()
        elif result == NO_ADDRESS:
            self._note(url, DEAD)
        else:
            if result != TOO_SLOW:
                self._hear(url)
            self._note(url, result, for_good=result not in OF_THE_MOMENT)

    def close(self, allow_missing: bool) -> None:
        """Decide the open URLs; IbDataError if some must be asked again, unless `allow_missing`."""
        if self.silent and self._is_network_there():
            self._settle()
        if (self.silent or self.again) and not allow_missing:
            raise self._again_later(0)
        if num := self.num_of_the_moment:
            what = f"{num:,} URL{' was' if num == 1 else 's were'} cut off, too slow or without an answer"
            note(f"{what}: left out now; the next build asks again")

    def _put_aside(self, url: str, result: Unsettled) -> None:
        if result.is_silent and result.server not in self.answered:
            self.silent.append(url)
            self.silent_servers.append(result.server)
        else:
            self.again.append(url)
        if result.was_asked:
            self.num_in_a_row += 1
            self.strikes[result.server] += 1
            # Silence says nothing about this server while no other server answers either.
            is_its_own = not result.is_silent or self.num_in_a_row < STRIKES
            if is_its_own and self.strikes[result.server] >= STRIKES:
                self.resting.add(result.server)

    def _hear(self, url: str) -> None:
        server = server_of(self.address(url))
        self.answered.add(server)
        if self.address(url) == url:  # not a mirror, which says nothing about the server itself
            self.record.add_server(server)
        self.strikes.pop(server, None)
        self.witnesses.append(url)
        self._settle()

    def _is_network_there(self) -> bool:
        return any(self.has_answer(self.address(url)) for url in self.witnesses)

    def _settle(self) -> None:
        """Mark URLs of silent servers as dead, now that another server answered, unless they ever worked."""
        self.num_in_a_row = 0
        for url, server in zip(self.silent, self.silent_servers, strict=True):
            if server in self.answered:
                self.again.append(url)
            else:
                self._note(url, DEAD, for_good=False)
        self.silent.clear()
        self.silent_servers.clear()

    def _note(self, url: str, result: Path | str, *, for_good: bool = True) -> None:
        self.known[url] = result
        self.num_of_the_moment += not for_good
        if isinstance(result, str) and self.address(url) == url:  # not from a mirror: the host may have what it lacks
            self.record.add(url, result, for_good=for_good)

    def _again_later(self, num_left: int) -> IbDataError:
        waiting = [*self.again, *self.silent]
        num = len(waiting) + num_left
        count = f"{num} URL{'' if num == 1 else 's'} must be asked again later, last {without_user(waiting[-1])}"
        why = "the network is down, or hosts want fewer requests"
        remedy = (
            "run the same command again later to continue; or drop them, counted, with --allow-missing, or build fewer "
            "with --limit"
        )
        return IbDataError(one_line(f"{count}: {why}; {remedy}"))
