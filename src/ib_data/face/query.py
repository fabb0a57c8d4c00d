"""`ib_data.query`: SQL over everything that is built."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ib_data.console import printable, table
from ib_data.errors import IbDataError, MissingExtraError
from ib_data.given import require_kind
from ib_data.home import Home, HomeLike

if TYPE_CHECKING:
    import pandas
    import pyarrow

_SHOWN_ROWS = 20
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, repr=False)
class QueryResult:
    """The rows of a query, in memory. Iterate over it for tuples; print it for a table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def dicts(self) -> list[dict[str, Any]]:
        """Each row as a dict by column name. Raises IbDataError if two columns have the same name."""
        if twice := [name for i, name in enumerate(self.columns) if name in self.columns[:i]]:
            raise IbDataError(f"two columns are called {twice[0]!r}; give one another name, with AS")
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def arrow(self) -> "pyarrow.Table":
        """An Arrow table, with column types inferred from the values."""
        import pyarrow

        values = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.columns)
        return pyarrow.Table.from_arrays([pyarrow.array(list(column)) for column in values], names=list(self.columns))

    def df(self) -> "pandas.DataFrame":
        """A pandas data frame. Raises MissingExtraError if pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("df() needs pandas: pip install pandas") from error
        return pandas.DataFrame(self.rows, columns=list(self.columns))

    def __repr__(self) -> str:
        shown = [[_cell(value) for value in row] for row in self.rows[:_SHOWN_ROWS]]
        left = len(self.rows) - len(shown)
        return table(self.columns, shown) + (f"\n... {left:,} more rows" if left else "")


def query(home: HomeLike | None, sql: str) -> QueryResult:
    """The result of one SELECT over the catalog of a home (None: `IB_DATA_HOME`, else `~/ib_data`), like `ib-data sql`.

    Updates the catalog first. The statement is read-only. Raises IbDataError for an SQL error, for any statement but a
    SELECT, and for a damaged dataset that it names.
    """
    require_kind("sql", sql, str, "an SQL statement (the home is the first argument)")
    from ib_data.mixtures.catalog import queries

    columns, rows = queries.query(Home.find(home), sql)
    return QueryResult(tuple(columns), tuple(rows))


def _cell(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = printable(str(value))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
