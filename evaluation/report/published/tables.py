"""Reading the tables of papers. Their values are percents, as printed."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files

from ib_data.strict import Table, parse_toml

NAMES = ("main", "fine_tuned", "ablations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a column of a table scored; an empty text if the paper does not say. `measure` is its name for readers.

    `notes` say, in short phrases, what else may keep its numbers from being compared.
    """

    dataset: str
    split: str
    source_name: str
    method: str
    metric: str
    measure: str
    profile: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The values of a model by column; None if the paper has none."""

    model: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable:
    """A table of a paper. If it `is_remembered`, only the `confirmed` values were seen elsewhere too."""

    title: str
    source: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    is_remembered: bool = False
    confirmed: tuple[float, ...] = ()


@cache
def paper_tables() -> tuple[PaperTable, ...]:
    """All tables. Raises DataError for a row with another number of values than there are columns."""
    return tuple(_table(name) for name in NAMES)


def _table(name: str) -> PaperTable:
    file = f"{name}.toml"
    text = package_files("ib_data.evaluation.report.published").joinpath(file).read_text(encoding="utf-8")
    table = Table.of(parse_toml(text), "published tables", file)
    columns = tuple(column.into(Column) for column in table.tables("columns"))
    rows = tuple(_row(row, len(columns)) for row in table.tables("rows"))
    return table.into(PaperTable, columns=columns, rows=rows)


def _row(row: Table, num_columns: int) -> Row:
    values: list[object] = row.only(("model", "values")).get("values", list)
    if len(values) != num_columns:
        raise row.error(f"expected {num_columns} values, found {len(values)}")
    return Row(model=row.get("model", str), values=tuple(_value(row, value) for value in values))


def _value(row: Table, value: object) -> float | None:
    if value == "-":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise row.error(f'expected a number or "-", found {value!r}')
    return float(value)
