"""The relations of the catalog: what a row is, and the columns with their DuckDB types.

Names and columns are an interface for users' queries: columns may be added, never renamed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

TEXT, WHOLE, NUMBER, FLAG = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view of the catalog; `columns` maps names to DuckDB types, in order."""

    about: str
    columns: Mapping[str, str]


def _all(kind: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), kind)


RELATIONS: Mapping[str, Relation] = {
    "datasets": Relation(
        "a split of a dataset: its facts, and what is built of it (null where nothing is); kind tells it from all of "
        "the official data, whose kind is the empty text",
        _all(TEXT, "name title task role split")
        | _all(WHOLE, "official_size num_samples num_annotations num_shards num_bytes")
        | {"version": TEXT, "used": FLAG, "num_drops": WHOLE, "kind": TEXT},
    ),
    "conversation_counts": Relation(
        "how many conversations a built split holds, an annotation without a history being one",
        {"dataset": TEXT, "split": TEXT, "num_conversations": WHOLE},
    ),
    "shards": Relation(
        "a tar file of samples",
        _all(TEXT, "dataset split shard") | _all(WHOLE, "num_samples num_bytes") | {"sha256": TEXT},
    ),
    "samples": Relation(
        "an image or a clip; media_name is what the source calls it",
        _all(TEXT, "dataset split key shard media_kind")
        | _all("INTEGER", "width height")
        | {"media_bytes": WHOLE, "media_sha256": TEXT, "num_annotations": WHOLE, "media_name": TEXT},
    ),
    "annotations": Relation(
        "a training or test example, with the fields that its task has",
        _all(TEXT, "dataset split key id task question")
        | {"answers": 'STRUCT("text" VARCHAR, "count" INTEGER)[]', "caption": TEXT}
        | {"options": "VARCHAR[]", "answer_index": "INTEGER", "context": TEXT, "ocr_tokens": "VARCHAR[]"}
        | {"statement": TEXT, "label": TEXT, "history": 'STRUCT(question VARCHAR, "answer" VARCHAR)[]'}
        | {"rationales": "VARCHAR[]", "extra": TEXT},
    ),
    "drops": Relation(
        "a row of a source that was left out, with the reason", _all(TEXT, "dataset split source_id reason")
    ),
    "damaged": Relation(
        "a file of a built split that cannot be used; the rows of the split are in no relation that reads it",
        _all(TEXT, "dataset split file problem"),
    ),
    "templates": Relation("an instruction template", _all(TEXT, "task template kind text sha256")),
    "template_stats": Relation(
        "the lengths, in characters, of what a template made of a dataset, as `ib-data templates stats` counted; "
        "truncated counts texts of more tokens than a run keeps",
        _all(TEXT, "dataset split template")
        | _all(WHOLE, "renders instruction_p50 instruction_p95 instruction_max target_p50 target_p95 target_max")
        | _all(WHOLE, "truncated instructions_truncated targets_truncated")
        | {"sha256": TEXT, "is_current": FLAG},
    ),
    "mixture_members": Relation(
        "a member of a packaged mixture, with its weight at position 0",
        _all(TEXT, "mixture dataset")
        | {"size": WHOLE, "scale": NUMBER, "weight": NUMBER}
        | _all(TEXT, "member split task rule")
        | {"exponent": NUMBER, "cap": WHOLE, "fixed_weight": NUMBER, "counts": TEXT},
    ),
    "mixture_stages": Relation(
        "a member in a stage of a packaged mixture; end_position is null in the last stage",
        {"mixture": TEXT, "start_position": WHOLE, "end_position": WHOLE, "member": TEXT}
        | {"rule": TEXT, "exponent": NUMBER, "scale": NUMBER},
    ),
    "draws": Relation(
        "what a position drew, as `ib-data mixture draw --keep` wrote it down",
        {"mixture": TEXT, "seed": WHOLE, "position": WHOLE, "member": TEXT, "dataset": TEXT}
        | _all(WHOLE, "rank epoch index")
        | _all(TEXT, "key id spec_sha256"),
    ),
    "quarantine": Relation(
        "a sample that a stream drew and could not use, with the reason",
        _all(TEXT, "dataset split key annotation_id") | {"position": WHOLE, "reason": TEXT},
    ),
}
# Set in a session, it leaves out damaged splits; otherwise a query that needs one raises the error that names the file.
SKIP_DAMAGED = "skip_damaged"
SKIPS = f"getvariable('{SKIP_DAMAGED}') IS NOT NULL"
# The source of `conversation_counts` and of the numbers in `expected_epochs`: an unreadable index must fail only the
# queries that need its number.
COUNTED = "ib_data.conversations"
EVERY_RELATION: Mapping[str, Relation] = {
    COUNTED: Relation(
        "the number of conversations of a built split, or the problem why there is none",
        {"dataset": TEXT, "split": TEXT, "num_conversations": WHOLE, "problem": TEXT},
    ),
    **RELATIONS,
}
