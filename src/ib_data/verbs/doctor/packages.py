"""Which packages of `ib-data` and its extras can be used here, by the requirements of the installed distribution."""

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*\(?(?:>=\s*([0-9.]+))?[^;]*(?:;(.*))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_NOT_OURS = ("dev",)  # what only developers of ib-data need
# distribution -> module, where the two differ
_MODULES = {"pillow": "PIL", "pyyaml": "yaml"}
# Pure Python that takes seconds to import: that its files are there is enough.
_SLOW = ("datasets", "s3fs", "transformers")
_USES = {
    "av": "clips of the three video datasets",
    "datasets": "`build --from-hub`",
    "duckdb": "catalog and `sql`",
    "pillow": "images",
    "pyarrow": "index files",
    "s3fs": "shards in an object store",
    "safetensors": "`train` and `generate`",
    "simplejpeg": "JPEG images",
    "tokenizers": "`train` and `generate`",
    "torch": "`train` and `generate`",
    "transformers": "`train` and `generate`",
    "webdataset": "reading shards in your own run",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that ib-data or one of its extras needs; `problem` says why it cannot be used, None where it can."""

    name: str
    extra: str | None
    version: str | None
    problem: str | None

    @property
    def use(self) -> str:
        """What it is for, as far as that is worth saying."""
        return _USES.get(self.name, "")


def found_packages() -> Iterator[Package]:
    """The required packages, then those of the extras; each is imported, so that "installed" is true."""
    try:
        requirements = importlib.metadata.requires("ib-data") or []
    except importlib.metadata.PackageNotFoundError:  # a checkout on the path
        requirements = list(_USES)
    seen = set()
    for requirement in sorted(requirements, key=lambda text: "extra" in text):
        match = _REQUIREMENT.match(requirement)
        assert match is not None, requirement
        name, least, marker = match[1].lower(), match[2], match[3] or ""
        extra = found[1] if (found := _EXTRA.search(marker)) else None
        if extra not in _NOT_OURS and name not in seen:
            seen.add(name)
            yield _found(name, least, extra)


def _found(name: str, least: str | None, extra: str | None) -> Package:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Package(name=name, extra=extra, version=None, problem="not installed")
    problem = None
    if least and _numbers(version) < _numbers(least):
        problem = f"is too old, {least} is needed"
    else:
        try:
            _try_import(name)
        except Exception as error:  # a broken build fails in its own way
            problem = f"cannot be imported ({type(error).__name__}: {error})"
    return Package(name=name, extra=extra, version=version, problem=problem)


def _try_import(name: str) -> None:
    module = _MODULES.get(name, name.replace("-", "_"))
    if name not in _SLOW:
        importlib.import_module(module)
    elif importlib.util.find_spec(module) is None:
        raise ImportError("its files are not there")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0])[:3])
